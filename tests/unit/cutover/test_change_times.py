"""What the engine remembers: how long each aspect has been quiet, and which gates passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dualstack.cutover.change_times import ChangeTimes, changes
from dualstack.plan.facts import ASPECTS, AliasFacts, CutoverFacts
from dualstack.plan.steps import AddAliases, AddSecondaryRange, DeleteRoutes, Gate, SetOverlapFlag, StopController
from tests.support.cluster_facts import alias, at_rest, node
from tests.unit.cutover.fake_cluster import FakeClock

CHANGES: list[tuple[str, Callable[[CutoverFacts], CutoverFacts]]] = [
    ("flag", SetOverlapFlag().effect),
    ("range", AddSecondaryRange().effect),
    ("aliases", AddAliases(("node-1",)).effect),
    ("routes", DeleteRoutes(("route-1",)).effect),
    ("controller", StopController().effect),
]


def test_everything_counts_from_the_first_observation() -> None:
    clock = FakeClock()
    memory = ChangeTimes(clock)
    assert memory.update(at_rest(2)).quiet == dict.fromkeys(ASPECTS, 0.0)
    clock.time += 40.0
    assert memory.update(at_rest(2)).quiet == dict.fromkeys(ASPECTS, 40.0)


@pytest.mark.parametrize(("aspect", "change"), CHANGES)
def test_a_change_is_dated_by_the_observation_that_shows_it(
    aspect: str, change: Callable[[CutoverFacts], CutoverFacts]
) -> None:
    clock = FakeClock()
    memory = ChangeTimes(clock)
    memory.update(at_rest(2))
    clock.time += 40.0
    quiet = memory.update(change(at_rest(2))).quiet
    assert quiet == {known: 0.0 if known == aspect else 40.0 for known in ASPECTS}
    clock.time += 10.0
    quiet = memory.update(change(at_rest(2))).quiet
    assert quiet == {known: 10.0 if known == aspect else 50.0 for known in ASPECTS}


def test_a_gate_has_passed_until_one_of_its_aspects_changes() -> None:
    memory = ChangeTimes(FakeClock())
    gate = Gate(what="routes", aspects=("routes",))
    memory.update(at_rest(2))
    memory.note_passed(gate)
    assert gate.id in memory.update(SetOverlapFlag().effect(at_rest(2))).passed
    assert gate.id not in memory.update(DeleteRoutes(("route-1",)).effect(at_rest(2))).passed
    assert gate.id not in memory.update(at_rest(2)).passed


def test_a_vm_that_vanishes_or_appears_without_alias_is_no_change_of_aliases() -> None:
    before = AddAliases(("node-1",)).effect(at_rest(2))
    assert changes(before, replace(before, nodes=before.nodes[:1])) == ()
    assert changes(before, replace(before, nodes=(*before.nodes, node(7)))) == ()
    arrived = replace(node(7), aliases=(alias(7),))
    assert changes(before, replace(before, nodes=(*before.nodes, arrived))) == ("aliases",)


def test_other_ranges_and_stack_types_are_no_change() -> None:
    facts = at_rest(1)
    other = replace(facts.subnet, secondary_ranges=(("user-range", "192.168.0.0/24"),), stack_type="IPV4_IPV6")
    assert changes(facts, replace(facts, subnet=other)) == ()


def test_an_alias_that_moved_in_its_list_is_a_change() -> None:
    other = AliasFacts("192.168.0.0/28", "user-range")
    facts = replace(at_rest(1), nodes=(replace(node(0), aliases=(other, alias(0))),))
    moved = replace(facts, nodes=(replace(node(0), aliases=(alias(0), other)),))
    assert changes(facts, moved) == ("aliases",)
