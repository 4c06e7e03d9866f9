"""At a tenth of the default rate quotas a migration of 200 nodes slows down and uses what it is allowed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dualstack.gce.client import CONNECTIONS
from dualstack_sim.compute.quotas import Limits
from tests.bench.cutover import migrate
from tests.bench.virtual_time import VirtualLoop

NODES = 200
TENTH = 150


def migration(strategy: str, per_minute: int) -> dict[str, Any]:
    limits = Limits(requests_per_minute=per_minute, static_routes_per_network=2 * NODES)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(migrate(NODES, strategy, limits))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["overlap", "compressed"])
def test_a_tenth_of_the_quota_slows_a_migration_down_and_no_more(strategy: str) -> None:
    """Given 150 requests a minute and group, it succeeds; hardly a request is made in vain, and windows are full."""
    result = migration(strategy, TENTH)
    assert result["state"] == "Succeeded"
    assert result["rateLimited"] <= 2 * CONNECTIONS
    if strategy == "overlap":
        assert result["blackoutSeconds"]["max"] == 0.0


@pytest.mark.slow
def test_while_it_has_work_it_uses_the_window() -> None:
    """Given 40 requests a minute, 200 deletes and 200 aliases take five windows each, all but the last of each full."""
    allowed = 40
    result = migration("compressed", allowed)
    assert result["state"] == "Succeeded"
    assert result["rateLimited"] <= 2 * CONNECTIONS
    for group in ("global changes", "regional changes"):
        full = [count for count in result["windows"][group] if count >= 0.85 * allowed]
        assert len(full) >= NODES // allowed - 1, result["windows"]
