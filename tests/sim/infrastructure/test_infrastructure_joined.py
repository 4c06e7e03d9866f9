"""Nodes whose VMs have no alias and that join after the cut-over, while the machine classes are not new yet.

Only the Infrastructure controller runs, as beside Gardener's own Worker controller, which may take its time.
"""

from __future__ import annotations

import pytest

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.names import FOLLOWED
from dualstack.model import kinds
from tests.sim.infrastructure.joining import aliases, join
from tests.sim.infrastructure.operating import operating
from tests.sim.infrastructure.scene import NS, QUICK, Scene, scene
from tests.storm.outcomes import faults

SERVED = 60.0
"""Seconds within which a node that joins is reachable (docs/cut-over.md)."""


def published(made: Scene) -> bool:
    status = made.infrastructure()["status"]
    return len((status.get("networking") or {}).get("nodes") or ()) == 2 and (
        status["lastOperation"]["state"] == "Succeeded"
    )


def followed(made: Scene) -> bool:
    return FOLLOWED in (made.infrastructure()["metadata"].get("annotations") or {})


def longest_wait(made: Scene) -> float:
    pairs = made.fabric.traffic.report(made.clock.now()).broken_pairs
    return max((pair.waited for pair in pairs if pair.family == 4), default=0.0)


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(0.0, id="at once"),
        pytest.param(7200.0, id="with slow machine classes", marks=pytest.mark.slow),
    ],
)
async def test_p17_a_node_of_an_old_machine_class_is_served_after_the_cut_over(later: float) -> None:
    async with scene(dress=lambda _: None) as made, operating(made, controllers=["infrastructure"]):
        made.trigger()
        await made.until(lambda: published(made), 7200.0)
        await made.clock.sleep(later)
        for number in (76, 77):
            await join(made, f"{NS}-w1-z1-0fdf8-zzz{number}", f"100.96.{number}.0/24", routed=False)
        await made.clock.sleep(SERVED)
        assert {"100.96.76.0/24", "100.96.77.0/24"} < set(await aliases(made))
        assert 0.0 < longest_wait(made) < SERVED
        assert not made.fabric.traffic.unreachable_pairs(made.clock.now())
        assert made.lost() == 0.0
        assert await made.node_routes() == []
        assert not (await made.subnet()).get("allowSubnetCidrRoutesOverlap")


@pytest.mark.slow
async def test_p17_a_refused_alias_of_a_joined_node_is_reported_and_tried_again() -> None:
    refused = {"method": "instances.updateNetworkInterface", "nth": 4, "count": 2}
    rules = faults({**refused, "operationError": {"code": "QUOTA_EXCEEDED", "message": "Quota exceeded"}})
    async with scene(*rules, dress=lambda _: None) as made, operating(made, controllers=["infrastructure"]):
        made.trigger()
        await made.until(lambda: published(made), 7200.0)
        await join(made, f"{NS}-w1-z1-0fdf8-zzz77", "100.96.77.0/24", routed=False)
        await made.until(lambda: "AliasMissing" in reasons(made), 120.0)
        await made.until(lambda: not made.fabric.traffic.unreachable_pairs(made.clock.now()), 900.0)
        assert made.lost() == 0.0
        assert not (await made.subnet()).get("allowSubnetCidrRoutesOverlap")


async def test_p17_nodes_are_followed_until_each_has_two_pod_cidrs_and_no_machine_is_without_a_node() -> None:
    async with scene() as made:
        made.trigger()
        await made.reconcile()
        assert followed(made)
        for node in made.world.nodes[1:]:
            become_dual_stack(made, node.name)
        await made.reconcile()
        assert followed(made)
        become_dual_stack(made, made.world.nodes[0].name)
        machine = made.store.get(gardener_kinds.MACHINE, made.world.nodes[0].name, NS)
        assert machine is not None
        creating = {**machine, "metadata": {"name": f"{NS}-w1-z1-0fdf8-zzz77", "namespace": NS}}
        made.store.upsert(gardener_kinds.MACHINE, creating)
        await made.reconcile()
        assert followed(made)
        made.store.delete(gardener_kinds.MACHINE, creating["metadata"]["name"], NS)
        await made.reconcile()
        assert not followed(made)


async def test_p17_a_killed_cut_over_is_followed_like_any_other() -> None:
    async with scene() as made:
        made.trigger()
        await made.killed_at("clear-saved-routes", settings=QUICK)
        await made.reconcile()
        await join(made, f"{NS}-w1-z1-0fdf8-zzz77", "100.96.77.0/24", routed=False)
        assert await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace) is None
        assert "100.96.77.0/24" in await aliases(made)


def become_dual_stack(made: Scene, name: str) -> None:
    """Replace the Node, as the roll-out does, by one with a pod CIDR of each family."""
    node = made.store.get(kinds.NODE, name)
    assert node is not None
    made.store.delete(kinds.NODE, name)
    metadata = {"name": name, "labels": node["metadata"].get("labels") or {}}
    spec = {**node["spec"], "podCIDRs": [node["spec"]["podCIDR"], "2001:db8::/112"]}
    made.store.upsert(kinds.NODE, {"metadata": metadata, "spec": spec, "status": node["status"]})


def reasons(made: Scene) -> set[str]:
    return {str(event["reason"]) for event in made.store.list(kinds.EVENT)}
