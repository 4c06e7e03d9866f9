"""The cloud keeps its invariants under any sequence of calls."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.project.knobs import Knobs
from tests.sim.compute.cloud import MACHINE, NODES, REGION, ZONE
from tests.sim.compute.random_calls import ALIASES, DESTINATIONS, NAME, NAMES, RANGES, STACK, World, check, step

RANGE_NAME = st.sampled_from(["pods", "more", "wide", ""])
ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1.0, 5.0, 60.0, 200.0])),
    st.tuples(st.just("route"), NAME, st.sampled_from(DESTINATIONS)),
    st.tuples(st.just("delete"), st.sampled_from(["routes", "instances", "subnetworks"]), NAME),
    st.tuples(st.just("ranges"), st.lists(st.sampled_from(RANGES), max_size=2)),
    st.tuples(st.just("flag"), st.booleans()),
    st.tuples(st.just("stack"), STACK),
    st.tuples(st.just("vm"), NAME, STACK, st.sampled_from(["", *ALIASES]), RANGE_NAME),
    st.tuples(st.just("alias"), NAME, st.lists(st.sampled_from(ALIASES), max_size=3), RANGE_NAME),
    st.tuples(st.just("nic"), NAME, STACK),
    st.tuples(st.just("subnet"), NAME, st.sampled_from(["10.250.1.0/24", "100.96.0.0/24", "192.168.0.0/24"])),
)


async def live(knobs: Knobs, actions: list[tuple[Any, ...]]) -> None:
    world = World(knobs)
    try:
        for action in actions:
            await step(world, action)
            check(world)
        world.clock.present += 10_000.0
        assert world.compute.operations_running() == 0
        check(world)
        check_story(world)
        await check_nothing_leaks(world)
    finally:
        await world.compute.close()


def check_story(world: World) -> None:
    """The commits add up to the current state, in the order of time, each starting where the previous one ended."""
    story: dict[tuple[str, str], Json | None] = {}
    assert [commit.at for commit in world.commits] == sorted(commit.at for commit in world.commits)
    for commit in world.commits:
        assert story.get((commit.collection, commit.name)) is commit.before
        story[commit.collection, commit.name] = commit.after
    shown = world.compute.snapshot()
    for collection in ("subnetworks", "routes", "instances"):
        committed = {name: after for (kind, name), after in story.items() if kind == collection and after is not None}
        assert committed == {found["name"]: found for found in shown.get(collection, {}).values()}


async def check_nothing_leaks(world: World) -> None:
    """When all VMs are deleted, every address is free."""
    for name in NAMES:
        await world.ask("instances.delete", ZONE, name)
    world.clock.present += 10_000.0
    assert world.compute.operations_running() == 0
    assert world.compute.project.pool(Key("subnetworks", REGION, "nodes")).is_empty()
    if world.compute.find("subnetworks", REGION, "nodes") is not None:
        body = {"name": "last", "machineType": MACHINE, "networkInterfaces": [{"subnetwork": NODES}]}
        made = world.compute.place("instances", ZONE, body)
        assert made["networkInterfaces"][0]["networkIP"] == "10.250.0.2"


@settings(max_examples=150)
@given(st.lists(ACTIONS, max_size=40))
def test_random_calls_keep_the_invariants(actions: list[tuple[Any, ...]]) -> None:
    asyncio.run(live(Knobs(), [("vm", "a", "IPV4_ONLY", "", ""), ("wait", 200.0), *actions]))


@settings(max_examples=100)
@given(st.lists(ACTIONS, max_size=40))
def test_random_calls_with_routes_allowed_under_the_flag(actions: list[tuple[Any, ...]]) -> None:
    knobs = Knobs(new_route_in_flagged_range="allow")
    asyncio.run(live(knobs, [("vm", "a", "IPV4_ONLY", "", ""), ("wait", 200.0), ("flag", True), *actions]))
