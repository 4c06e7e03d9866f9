"""Barriers do what they claim: in no view of a host is a packet lost (docs/reference/cut-over.md#host-views)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.plan.settings import Settings
from dualstack.plan.strategies import choose
from tests.support.cluster_facts import at_rest, restarted, states
from tests.support.hosts import PROPAGATION, losses
from tests.support.upstream_order import UPSTREAM

SETTINGS = Settings(batch_size=2)


@pytest.mark.parametrize("nodes", range(1, 7))
@pytest.mark.parametrize("propagation", [0.0, PROPAGATION, 119.0])
def test_overlap_loses_in_no_view(nodes: int, propagation: float) -> None:
    assert losses(choose("overlap"), at_rest(nodes), SETTINGS, propagation=propagation) == set()


@pytest.mark.parametrize("nodes", range(1, 7))
def test_overlap_loses_in_no_view_wherever_it_is_killed(nodes: int) -> None:
    overlap, start = choose("overlap"), at_rest(nodes)
    steps = len(list(overlap.transitions(start, SETTINGS)))
    for killed_after in range(1, steps + 1):
        assert losses(overlap, start, SETTINGS, killed_after=killed_after) == set(), killed_after


@pytest.mark.parametrize("nodes", range(1, 7))
@pytest.mark.parametrize("propagation", [0.0, PROPAGATION])
def test_upstreams_order_cuts_off_every_node(nodes: int, propagation: float) -> None:
    start = at_rest(nodes)
    assert losses(UPSTREAM, start, SETTINGS, propagation=propagation) == set(start.pod_cidr_of)


@pytest.mark.parametrize("nodes", range(1, 7))
def test_compressed_cuts_off_every_node_until_it_has_its_alias(nodes: int) -> None:
    compressed, start = choose("compressed"), at_rest(nodes)
    assert len(losses(compressed, start, SETTINGS)) == nodes
    aliased = next(facts for step, facts in states(compressed, start, SETTINGS) if step.id == "add-aliases")
    assert losses(compressed, restarted(aliased), SETTINGS) == set()


ALL = {"node-0", "node-1", "node-2"}


@pytest.mark.parametrize(
    ("impatient", "lost"),
    [
        (replace(SETTINGS, barrier_flag=0.0), {"node-0"}),
        (replace(SETTINGS, barrier_flag=PROPAGATION - 1), {"node-0"}),
        (replace(SETTINGS, barrier_flag=0.0, barrier_range_canary=0.0), ALL),
        (replace(SETTINGS, soak_aliases=0.0), {"node-0"}),
        (replace(SETTINGS, soak_aliases=0.0, barrier_route_canary=0.0, barrier_routes=0.0), ALL),
    ],
    ids=[
        "no-flag-barrier",
        "short-flag-barrier",
        "no-flag-barrier-and-no-range-canary",
        "no-soak",
        "no-soak-and-nothing-after-the-canary",
    ],
)
def test_without_the_barriers_that_prevent_loss_overlap_loses(impatient: Settings, lost: set[str]) -> None:
    assert losses(choose("overlap"), at_rest(3), replace(impatient, barrier_canary=0.0)) == lost


@pytest.mark.parametrize(
    "impatient",
    [
        replace(SETTINGS, barrier_range=0.0),
        replace(SETTINGS, barrier_canary=0.0),
        replace(SETTINGS, barrier_route_canary=0.0, barrier_routes=0.0),
    ],
    ids=["range", "canary", "routes"],
)
def test_the_other_barriers_detect_loss_and_do_not_prevent_it(impatient: Settings) -> None:
    assert losses(choose("overlap"), at_rest(3), impatient) == set()


def test_hosts_slower_than_the_barriers_lose_packets() -> None:
    assert losses(choose("overlap"), at_rest(2), SETTINGS, propagation=1000.0)
