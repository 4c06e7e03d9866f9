"""Every order of the cut-over, in every view that a host can have meanwhile (docs/reference/cut-over.md#order-check).

A plan is a list of stages with a barrier after each: every host has seen everything so far. Within a stage a host may
have seen any part of what was issued, in any order. For each such view and each pod CIDR the fabric's own rules say
whether the packet reaches its node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.fabric.feed import HostNames, changes
from dualstack_sim.fabric.profile import FabricKnobs
from tests.sim.fabric.cloud import Cloud
from tests.sim.fabric.orders import (
    ALIASES,
    DELETE_ROUTES,
    NOTHING,
    ON,
    ORDERS,
    RANGE,
    S3,
    Event,
    Step,
    alias,
    delete_route,
    look,
    parts,
    plan,
)


class Recorder:
    """A cloud whose commits become events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.cloud = Cloud(self._note)
        self.cloud.subnet(0.0)
        for number in (1, 2, 3):
            self.cloud.vm(0.0, number)
        for number in (1, 2):
            self.cloud.route(0.0, number)

    def run(self, steps: Sequence[Step]) -> list[Event]:
        """The events of these steps; those before them are dropped from the record."""
        self.events = []
        for step in steps:
            step(self.cloud)
        return self.events

    def _note(self, commit: Commit) -> None:
        self.events.append((f"{commit.collection}/{commit.name}", changes(commit, HostNames().of)))


def losses(
    start: Sequence[Step], stages: list[list[Step]], knobs: FabricKnobs, *, fifo: bool = False
) -> tuple[int, set[str]]:
    """How many (view, pod CIDR) were looked at, and the reasons why packets did not reach their node."""
    recorder = Recorder()
    before = list(recorder.events)
    before += recorder.run(start)
    looked, found = 0, set[str]()
    for stage in stages:
        issued = recorder.run(stage)
        for length in range(len(issued) + 1):
            count, reasons = look(before, issued[:length], knobs, fifo)
            looked, found = looked + count, found | reasons
        before += issued
    return looked, found


@pytest.mark.parametrize(
    ("start", "stages", "given"), [order[1:] for order in ORDERS], ids=[order[0] for order in ORDERS]
)
def test_an_order_loses_packets_exactly_if_the_model_says_so(
    start: list[Step], stages: list[list[Step]], given: dict[str, Any]
) -> None:
    looked, reasons = losses(start, stages, FabricKnobs(), fifo=given.get("fifo", False))
    assert looked >= 4 * len(stages)
    assert bool(reasons) == given["loss"], reasons


def test_gardeners_order_loses_by_the_default_route_and_by_the_subnet_route() -> None:
    _, reasons = losses(NOTHING, plan(DELETE_ROUTES, RANGE, ALIASES), FabricKnobs())
    assert reasons == {"NO_ROUTE", "UNKNOWN_INTERNAL_ADDRESS"}


def test_when_aliases_do_not_count_as_matched_the_first_route_delete_loses() -> None:
    knobs = FabricKnobs(alias_matched=False)
    assert losses(NOTHING, plan(ON, RANGE, ALIASES), knobs)[1] == set()
    assert losses(S3, plan(delete_route(1)), knobs)[1] == {"HYBRID_SUBNET_NO_ROUTE"}


def test_without_barrier_all_parts_of_three_changes_are_looked_at() -> None:
    pending = Recorder().run([ON, RANGE, alias(1)])
    assert len(list(parts(pending, fifo=False))) == 8
    assert len(list(parts(pending, fifo=True))) == 6  # the range is never seen without the flag
