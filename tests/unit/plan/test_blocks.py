"""Unused blocks of the pod CIDR: nothing that the cluster uses or may use lies in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dualstack.plan.blocks import parts, unused_block, unused_range
from dualstack.plan.facts import AliasFacts, CutoverFacts, DecoyFacts, RouteFacts, SavedRoute
from tests.support.cluster_facts import RANGE, ZONE, at_rest, node

LAST, BEFORE = "10.127.255.0/24", "10.127.254.0/24"

USES: dict[str, Callable[[CutoverFacts], CutoverFacts]] = {
    "a Node": lambda facts: replace(facts, nodes=(*facts.nodes, replace(node(7), pod_cidr=LAST))),
    "an alias without a Node": lambda facts: replace(
        facts, nodes=(*facts.nodes, replace(node(7), pod_cidr=None, aliases=(AliasFacts(LAST, RANGE),)))
    ),
    "a route": lambda facts: replace(facts, routes=(*facts.routes, RouteFacts("r", LAST))),
    "a foreign route": lambda facts: replace(facts, foreign_routes=(RouteFacts("r", LAST),)),
    "a saved route": lambda facts: replace(facts, saved_routes=(SavedRoute("gone", LAST, ZONE),)),
    "the decoys' VM": lambda facts: replace(facts, decoys=DecoyFacts(vm=True, home=LAST)),
    "a route to the decoys": lambda facts: replace(facts, decoys=DecoyFacts(routes=frozenset({LAST}))),
}


@pytest.mark.parametrize("use", USES)
def test_a_block_in_use_is_not_taken(use: str) -> None:
    facts = at_rest(2)
    assert unused_block(facts) == LAST
    assert unused_block(USES[use](facts)) == BEFORE


def test_an_alias_in_another_range_occupies_no_block() -> None:
    other = replace(node(7), pod_cidr=None, aliases=(AliasFacts(LAST, "user-range"),))
    assert unused_block(replace(at_rest(2), nodes=(*at_rest(2).nodes, other))) == LAST


def test_a_block_is_as_large_as_requested_and_has_parts() -> None:
    assert unused_block(at_rest(2), longest=22) == "10.127.252.0/22"
    assert unused_block(at_rest(2), longest=25) == LAST
    assert parts("10.127.252.0/22", 4) == ("10.127.252.0/24", "10.127.253.0/24", "10.127.254.0/24", LAST)


def test_the_first_block_is_taken_when_it_alone_is_left() -> None:
    facts = replace(at_rest(0), pods_cidr="10.96.0.0/23", nodes=(replace(node(0), pod_cidr="10.96.1.0/24"),))
    assert unused_block(facts) == "10.96.0.0/24"
    assert unused_block(facts, longest=23) is None
    assert unused_block(facts, longest=22) is None


@pytest.mark.parametrize(("pods", "block"), [("10.96.0.0/11", "10.127.224.0/19"), ("10.96.0.0/28", "10.96.0.15/32")])
def test_without_nodes_a_block_is_a_256th_of_the_pod_cidr_or_one_address(pods: str, block: str) -> None:
    assert unused_block(replace(at_rest(0), pods_cidr=pods)) == block


def test_the_smallest_block_in_use_gives_the_size() -> None:
    """A block of another size fits only where one of the smallest does."""
    facts = replace(at_rest(0), pods_cidr="10.96.0.0/23", nodes=(replace(node(0), pod_cidr="10.96.1.0/24"),))
    half = replace(facts, foreign_routes=(RouteFacts("half", "10.96.0.128/25"),))
    assert unused_block(half) == "10.96.0.0/25"


def test_an_ipv6_pod_cidr_of_a_node_occupies_no_block() -> None:
    facts = replace(at_rest(2), nodes=(*at_rest(2).nodes, replace(node(7), pod_cidr="fd00::/64")))
    assert unused_block(facts) == LAST


def test_blocks_of_all_sizes_at_the_end_are_passed_over() -> None:
    used = (RouteFacts("large", "10.127.248.0/21"), RouteFacts("small", "10.127.247.128/26"))
    assert unused_range(replace(at_rest(2), routes=used), 24) == "10.127.246.0/24"
    assert unused_range(replace(at_rest(2), routes=used), 26) == "10.127.247.192/26"
    assert unused_range(replace(at_rest(2), routes=used), 20) == "10.127.224.0/20"


def test_a_range_without_nodes_is_divided_as_kubernetes_would() -> None:
    assert unused_block(replace(at_rest(0), pods_cidr="10.96.0.0/30")) == "10.96.0.3/32"
    assert unused_block(replace(at_rest(0), pods_cidr="fd00::/64")) is None
    assert unused_block(replace(at_rest(0), pods_cidr="fd00::/16")) is None


def test_a_pod_cidr_without_nodes_is_one_unused_block() -> None:
    facts = replace(at_rest(0), pods_cidr="10.96.0.0/16")
    assert unused_block(facts, longest=16) == "10.96.0.0/16"
    assert unused_block(facts, longest=15) is None


def test_no_block_lies_before_the_pod_cidr() -> None:
    used = tuple(RouteFacts(f"r{last}", f"10.96.0.{last}/32") for last in range(4))
    assert unused_block(replace(at_rest(0), pods_cidr="10.96.0.0/30", routes=used)) is None
