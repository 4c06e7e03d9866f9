"""What the reports of the Nodes show about the cloud, and when a report may have another cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dualstack.plan.facts import CutoverFacts, as_saved
from dualstack.plan.steps import AddAliases, AddSecondaryRange, RemoveSecondaryRange, SetOverlapFlag
from tests.support.cluster_facts import alias, at_rest, cidr, node

NODES = ("node-0", "node-1", "node-2")
Change = Callable[[CutoverFacts], CutoverFacts]


def with_range(nodes: int) -> CutoverFacts:
    """Every node depends on its route under the range, and reports a network problem."""
    facts = AddSecondaryRange().effect(SetOverlapFlag().effect(at_rest(nodes)))
    return replace(facts, with_network_problem=frozenset(node.name for node in facts.nodes))


def with_alias_alone() -> CutoverFacts:
    """Every node has its alias; the route of node-0 is gone, and node-0 reports a network problem."""
    facts = AddAliases(NODES).effect(with_range(3))
    saved = tuple(map(as_saved, facts.routes))
    return replace(facts, routes=facts.routes[1:], saved_routes=saved, with_network_problem=frozenset({"node-0"}))


def without_flag(facts: CutoverFacts) -> CutoverFacts:
    return replace(facts, subnet=replace(facts.subnet, overlap_flag=False))


def stopped(facts: CutoverFacts) -> CutoverFacts:
    """node-0 does not run, so it reports nothing."""
    return replace(
        facts,
        nodes=(replace(facts.nodes[0], running=False), *facts.nodes[1:]),
        with_network_problem=frozenset(NODES[1:]),
    )


@pytest.mark.parametrize(
    ("facts", "unserved"),
    [
        (with_range(3), True),
        (with_range(2), True),
        (with_range(1), False),  # it has no other node to reach, so the report has another cause
        (stopped(with_range(3)), True),
        (replace(with_range(3), with_network_problem=frozenset(NODES[1:])), False),
        (RemoveSecondaryRange().effect(with_range(3)), False),
        (without_flag(with_range(3)), False),
        (AddAliases(NODES).effect(with_range(3)), False),
        (AddAliases(NODES[:1]).effect(with_range(3)), True),
        (replace(with_range(3), routes=with_range(3).routes[1:]), False),
    ],
    ids=[
        *("every node reports", "two nodes", "a single node", "one is stopped", "one does not report", "no range"),
        *("no flag", "every node has its alias", "one node has its alias", "a route is missing"),
    ],
)
def test_routes_do_not_serve_where_every_node_reports_while_it_depends_on_its_route_under_the_range(
    facts: CutoverFacts, *, unserved: bool
) -> None:
    assert facts.unserved is unserved


@pytest.mark.parametrize(
    ("change", "unmatched"),
    [
        (lambda facts: facts, ("node-0",)),
        (lambda facts: replace(facts, with_network_problem=frozenset({"node-1"})), ()),
        (lambda facts: replace(facts, routes=facts.routes[1:]), ()),  # node-1 does not report
        (without_flag, ()),
        (lambda facts: replace(facts, nodes=(*facts.nodes, node(3))), ()),  # its report may be due to node-3
        (RemoveSecondaryRange().effect, ()),
    ],
    ids=["it reports", "another reports", "a second one does not", "no flag", "an unreachable node", "no range"],
)
def test_aliases_carry_nothing_where_each_node_that_has_its_alias_alone_reports(
    change: Change, unmatched: tuple[str, ...]
) -> None:
    assert change(with_alias_alone()).unmatched == unmatched


@pytest.mark.parametrize(
    ("since_joined", "of_known_node", "of_new_node"),
    [(29.9, False, False), (30.0, True, False), (74.9, True, False), (75.0, True, True)],
)
def test_the_report_of_a_new_node_counts_later(since_joined: float, *, of_known_node: bool, of_new_node: bool) -> None:
    """A node that had a route reported nothing before; a new one reports a problem until every host knows its alias
    (docs/reference/cut-over.md#new-node)."""
    known = with_alias_alone().with_runtime_state(since_joined=since_joined)
    assert bool(known.unmatched) is of_known_node
    new = replace(known, saved_routes=known.saved_routes[1:])
    assert bool(new.unmatched) is of_new_node


@pytest.mark.parametrize(
    ("since_joined", "missing_routes", "ambiguous"), [(29.9, 0, True), (30.0, 0, False), (30.0, 1, True)]
)
def test_reports_are_ambiguous_while_a_node_joins(since_joined: float, missing_routes: int, *, ambiguous: bool) -> None:
    facts = replace(at_rest(3), routes=at_rest(3).routes[missing_routes:])
    assert facts.with_runtime_state(since_joined=since_joined).reports_are_ambiguous is ambiguous


@pytest.mark.parametrize(
    ("change", "on_trial"),
    [
        (lambda facts: facts, ("node-0",)),
        (lambda facts: replace(facts, routes=facts.routes[1:]), ()),  # two of them: the trial is over
        (without_flag, ()),
        (RemoveSecondaryRange().effect, ()),
        (lambda facts: replace(facts, nodes=(*facts.nodes, node(3))), ("node-0",)),  # node-3 has no path at all
        (
            lambda facts: replace(facts, nodes=(*facts.nodes, replace(node(3), pod_cidr=None, aliases=(alias(3),)))),
            ("node-0",),
        ),
        (lambda facts: replace(facts, range_canary=cidr(2)), ("node-2",)),
    ],
    ids=[
        *("its alias alone", "two with an alias alone", "no flag", "no range", "a node without a path"),
        *("a VM without a Node", "the range canary"),
    ],
)
def test_the_node_on_trial_is_the_one_with_its_alias_alone_or_with_the_range_canary(
    change: Change, on_trial: tuple[str, ...]
) -> None:
    assert change(with_alias_alone()).on_trial == on_trial
