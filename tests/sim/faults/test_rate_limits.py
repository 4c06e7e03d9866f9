"""With a tenth of the default rate quotas, a migration of 200 nodes slows down and uses its full quota."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest

from dualstack.gce.client import CONNECTIONS
from dualstack_sim.compute.project.quotas import Limits
from tests.bench.cutover import migrate
from tests.support.virtual_time import VirtualLoop

NODES = 200
DEFAULT = Limits().requests_per_minute
TENTH = DEFAULT // 10
"""150 in each group of requests (docs/reference/compute-engine.md#rate-defaults)."""

CASES = [("overlap", TENTH), ("overlap", 40), ("compressed", TENTH), ("compressed", 40)]
"""The stages of `overlap` fit into a window each at a tenth of the default, and do not at 40 a minute."""

STAGES = {"overlap": (1, 19, 80, 100), "compressed": (200,)}
"""How many aliases are added, and routes deleted, in one go."""

GROUPS = ("global changes", "regional changes")


@cache
def migration(strategy: str, per_minute: int) -> dict[str, Any]:
    limits = Limits(requests_per_minute=per_minute, static_routes_per_network=2 * NODES)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(migrate(NODES, strategy, limits))


def full_windows(result: dict[str, Any], group: str, allowed: int) -> int:
    return sum(count >= 0.85 * allowed for count in result["windows"][group])


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "allowed"), CASES)
def test_it_never_fails_and_never_loops(strategy: str, allowed: int) -> None:
    """A rate-limited request waits for the next window with its whole group: only requests in flight are rejected."""
    usual, result = migration(strategy, DEFAULT), migration(strategy, allowed)
    assert result["state"] == "Succeeded"
    assert result["rateLimited"] <= 2 * CONNECTIONS
    wanted = result["callsPerNode"] * NODES - result["rateLimited"]
    assert wanted <= 1.2 * usual["callsPerNode"] * NODES
    if strategy == "overlap":
        assert result["blackoutSeconds"]["max"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "allowed"), CASES)
def test_while_it_has_work_it_uses_the_window(strategy: str, allowed: int) -> None:
    """A stage that needs several windows uses 85 % of each but the last; nothing else slows it down."""
    result = migration(strategy, allowed)
    further = sum((targets - 1) // allowed for targets in STAGES[strategy])
    for group in GROUPS:
        assert full_windows(result, group, allowed) >= further, result["windows"]
    if further:
        assert result["totalSeconds"] > migration(strategy, DEFAULT)["totalSeconds"]
    assert result["totalSeconds"] <= 1.2 * result["permittedSeconds"]
