"""The cut-over needs no Gardener: forward, back, and killed at every step on a platform that is plain memory."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dualstack
from dualstack.cutover.cut_over import CutOver
from dualstack.model.errors import GateFailed
from dualstack.plan.strategies import choose
from dualstack_sim.compute.project.knobs import Knobs
from tests.sim.cutover import memory_cluster as cluster_module
from tests.sim.cutover.memory_cluster import (
    POD_CIDRS,
    assert_on_aliases,
    assert_on_routes,
    memory_cluster,
    steps,
)
from tests.support import memory_platform as platform_module

OVERLAP = choose("overlap")
ROUTES_RETURN = Knobs(new_route_in_flagged_range="allow")
"""A cloud that accepts routes inside the range, so that the way back loses nothing."""


async def forward(cut_over: CutOver) -> None:
    await cut_over.forward(OVERLAP)


async def back(cut_over: CutOver) -> None:
    await cut_over.back()


async def test_forward_and_back_lose_no_packet() -> None:
    async with memory_cluster(knobs=ROUTES_RETURN) as made:
        await forward(made.cut_over())
        await assert_on_aliases(made)
        await back(made.cut_over())
        await assert_on_routes(made)
        assert made.blackout() == 0.0
        assert made.platform.calls == ["stop", "restore"]


async def test_finished_it_changes_nothing() -> None:
    async with memory_cluster() as made:
        await forward(made.cut_over())
        changes, begun = made.compute.statistics()["mutations"], len(steps(made))
        await forward(made.cut_over())
        assert made.compute.statistics()["mutations"] == changes
        assert len(steps(made)) == begun


@pytest.mark.parametrize("number", range(1, 27))
async def test_killed_at_any_step_forward_it_finishes_without_loss(number: int) -> None:
    async with memory_cluster() as made:
        await made.killed_at_step(number, forward)
        await forward(made.cut_over())
        await assert_on_aliases(made)
        assert made.blackout() == 0.0


@pytest.mark.parametrize("number", range(1, 20))
async def test_killed_at_any_step_on_the_way_back_it_finishes_without_loss(number: int) -> None:
    async with memory_cluster(knobs=ROUTES_RETURN) as made:
        await forward(made.cut_over())
        await made.killed_at_step(number, back)
        await back(made.cut_over())
        await assert_on_routes(made)
        assert made.blackout() == 0.0


async def test_the_numbers_above_cover_every_step() -> None:
    async with memory_cluster(knobs=ROUTES_RETURN) as made:
        await forward(made.cut_over())
        assert len(steps(made)) <= 26
        made.events.clear()
        await back(made.cut_over())
        assert len(steps(made)) <= 19


async def test_turned_round_at_any_step_it_returns_to_routes() -> None:
    async with memory_cluster(knobs=ROUTES_RETURN) as made:
        await made.killed_at_step(12, forward)
        await back(made.cut_over())
        await assert_on_routes(made)
        assert made.blackout() == 0.0


async def test_where_no_route_can_return_the_way_back_stops_before_its_first_loss() -> None:
    async with memory_cluster() as made:
        await forward(made.cut_over())
        with pytest.raises(GateFailed, match="the cloud refuses a static route inside the range"):
            await back(made.cut_over())
        assert await made.aliases() == {name: [cidr] for name, cidr in POD_CIDRS.items()}
        assert made.blackout() == 0.0


def test_no_gardener_object_takes_part() -> None:
    for path in (Path(__file__), *(Path(str(module.__file__)) for module in (cluster_module, platform_module))):
        names = [
            node.module or ""
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
        ]
        assert not [name for name in names if name.startswith(f"{dualstack.__name__}.gardener")]
