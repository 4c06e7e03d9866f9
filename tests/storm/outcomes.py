"""What the tests of a cut-over declare and expect, in virtual time (`tests.storm.world`)."""

from __future__ import annotations

from typing import Any

from dualstack_sim.faults import FaultRule
from dualstack_sim.faults.reading import parse_faults
from tests.storm.world import LONGEST, StormWorld


def faults(*rules: dict[str, Any]) -> list[FaultRule]:
    return parse_faults({"faults": list(rules)})


ROUTES_NOT_SERVED = "static routes do not carry traffic to unassigned addresses"
ALIASES_NOT_MATCHED = "does not count an alias IP range as a matched"


async def assert_back_on_routes(world: StormWorld, fact: str) -> None:
    """One node was unreachable, for at most a minute; every node has its route; the message names the fact."""
    await world.clock.sleep(60.0)
    assert set.intersection(*({pair.source, pair.destination} for pair in world.broken()))
    assert 0.0 < world.longest() <= LONGEST
    assert world.dark() == set()
    assert await world.routes() == {node.name for node in world.world.nodes}
    assert await world.aliases() == {}
    subnet = await world.subnet()
    assert not subnet.get("secondaryIpRanges")
    assert not subnet.get("allowSubnetCidrRoutesOverlap")
    assert not world.controller_stopped()
    assert fact in str(world.errors[0])
