"""The benchmark of an operator that migrates many Shoots at once, on two and with a fast clock."""

from __future__ import annotations

import pytest

from tests.bench.many_migrations import measure


@pytest.mark.slow
async def test_two_shoots_migrate_at_once_and_are_compared_with_what_their_projects_permit() -> None:
    figures = await measure(2, speed=20.0)
    assert figures["shoots"] == 2
    assert 0.0 < figures["shortestSeconds"] <= figures["longestSeconds"]
    assert figures["slowestTimesPermitted"] >= 1.0, "no migration is faster than what is permitted"
