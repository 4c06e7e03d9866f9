"""What each gate checks: every rule has a state that breaks it alone, and gates that do not require it pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dualstack.plan import gates
from dualstack.plan.facts import KEPT, NO_NETWORK, AliasFacts, CutoverFacts, Limitation, RouteFacts
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    ClearOverlapFlag,
    RemoveAliases,
    RemoveSecondaryRange,
    SaveRoutes,
    SetOverlapFlag,
    StopController,
)
from dualstack.plan.steps.base import Gate
from tests.support.cluster_facts import RUNNING, at_rest

NODES = ("node-0", "node-1", "node-2")
PLAIN = [gate for gate in vars(gates).values() if isinstance(gate, Gate) and gate not in gates.DECOYS]

BEFORE_THE_ALIASES = (gates.FLAG, gates.RANGE_CANARY, gates.RANGE, gates.ALIAS_CANARY)
"""The step that adds aliases corrects those in the wrong place."""
WITHOUT_SAVED_ROUTES = (gates.ALONE, gates.ROLLBACK_DRILL, gates.RESTORED_ROUTES, gates.UNALIAS_CANARY)
"""On the way back routes are created, and `finish` follows a program that saved none."""


def with_aliases() -> CutoverFacts:
    """Routes and aliases side by side: every gate passes."""
    facts = at_rest(len(NODES))
    for step in (StopController(), SaveRoutes(), SetOverlapFlag(), AddSecondaryRange(), AddAliases(NODES)):
        facts = step.effect(facts)
    return facts


def stopped_vm(facts: CutoverFacts) -> CutoverFacts:
    first, *others = facts.nodes
    return replace(facts, nodes=(replace(first, running=False), *others), unhealthy={first.name: "is not Ready"})


def behind_another(facts: CutoverFacts) -> CutoverFacts:
    first, *others = facts.nodes
    return replace(facts, nodes=(replace(first, aliases=(AliasFacts("10.99.0.0/28", "user"), *first.aliases)), *others))


def without_alias(facts: CutoverFacts) -> CutoverFacts:
    return RemoveAliases(NODES[:1]).effect(facts)


BROKEN: list[tuple[str, Callable[[CutoverFacts], CutoverFacts], str, Callable[[Gate], bool]]] = [
    (
        "foreign route",
        lambda facts: replace(facts, foreign_routes=(RouteFacts("vpn", "10.96.200.0/24"),)),
        "route vpn (10.96.200.0/24) appeared in the pod CIDR",
        lambda gate: True,
    ),
    (
        "new route",
        lambda facts: replace(facts, saved_routes=facts.saved_routes[1:]),
        "route node-0 (10.96.0.0/24) appeared",
        lambda gate: gate not in WITHOUT_SAVED_ROUTES,
    ),
    (
        "controller",
        lambda facts: replace(facts, controller=RUNNING),
        "cloud-controller-manager is running again",
        lambda gate: True,
    ),
    (
        "alias behind another",
        behind_another,
        "the alias of VM node-0 is not its Node's pod CIDR, or is not the first in the list",
        lambda gate: gate not in BEFORE_THE_ALIASES,
    ),
    (
        "node joined",
        lambda facts: facts.with_runtime_state(since_joined=29.9),
        "a node joined or left less than 30 s ago",
        lambda gate: gate in (gates.FLAG, gates.ALIASES),  # a trial follows
    ),
    (
        "node not ready",
        lambda facts: replace(facts, unhealthy={"node-1": "is not Ready"}),
        "node node-1 is not Ready",
        lambda gate: True,
    ),
    (
        "VM without Node (X1)",
        lambda facts: replace(facts, unidentified={"VM node-1": "runs, but the API server shows no Node of its name"}),
        "VM node-1 runs, but the API server shows no Node of its name",
        lambda gate: True,
    ),
]


@pytest.mark.parametrize("gate", PLAIN, ids=lambda gate: gate.id)
def test_a_healthy_cluster_passes(gate: Gate) -> None:
    assert gates.problems(gate, with_aliases()) == []
    assert gates.problems(gate, with_aliases().with_runtime_state(since_joined=30.0)) == []


@pytest.mark.parametrize("gate", PLAIN, ids=lambda gate: gate.id)
def test_where_the_controller_is_kept_neither_it_nor_its_routes_are_a_problem(gate: Gate) -> None:
    """No route is going to be deleted, so none has to be saved."""
    assert gates.problems(gate, replace(with_aliases(), controller=KEPT, saved_routes=())) == []


@pytest.mark.parametrize("gate", PLAIN, ids=lambda gate: gate.id)
@pytest.mark.parametrize(("change", "problem", "asks"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_each_rule_stops_the_gates_that_require_it(
    gate: Gate, change: Callable[[CutoverFacts], CutoverFacts], problem: str, asks: Callable[[Gate], bool]
) -> None:
    assert gates.problems(gate, change(with_aliases())) == ([problem] if asks(gate) else [])


@pytest.mark.parametrize("gate", PLAIN, ids=lambda gate: gate.id)
def test_the_range_is_required_except_before_the_first_route_is_deleted_for_an_outage(gate: Gate) -> None:
    facts = StopController().effect(SaveRoutes().effect(at_rest(3)))
    expected = (
        []
        if gate in (gates.READY, gates.FLAG, gates.RANGE_CANARY)
        else [f"subnet {facts.subnet.name} no longer has range {facts.range_name}"]
    )
    assert gates.problems(gate, facts) == expected


@pytest.mark.parametrize("gate", PLAIN, ids=lambda gate: gate.id)
def test_an_unreachable_pod_cidr_stops_every_gate(gate: Gate) -> None:
    facts = with_aliases()
    lost = replace(without_alias(facts), routes=facts.routes[1:])
    assert "the pod CIDR of VM node-0 has no route or alias" in gates.problems(gate, lost)


def test_a_node_whose_vm_does_not_run_does_not_count() -> None:
    assert gates.problems(gates.ALIASES, stopped_vm(with_aliases())) == []


def test_routes_that_the_way_back_creates_do_not_stop_it() -> None:
    """After the end of the cut-over the saved list is empty, so restored routes are in no list."""
    restored = replace(with_aliases(), saved_routes=())
    for gate in (gates.ROLLBACK_DRILL, gates.RESTORED_ROUTES, gates.UNALIAS_CANARY):
        assert gates.problems(gate, restored) == []


def reporting(facts: CutoverFacts, *names: str) -> CutoverFacts:
    return replace(facts, with_network_problem=frozenset(names))


WITHOUT_ALIASES = RemoveAliases(NODES).effect(with_aliases())
WITH_CANARY = replace(RemoveSecondaryRange().effect(WITHOUT_ALIASES), range_canary="10.96.0.0/24")
ALIAS_ALONE = replace(with_aliases(), routes=with_aliases().routes[1:])


@pytest.mark.parametrize(
    ("facts", "limitation"),
    [
        (reporting(WITHOUT_ALIASES, *NODES), "routes-not-served"),
        (reporting(WITHOUT_ALIASES, *NODES[1:]), ""),
        (reporting(WITH_CANARY, "node-0"), "routes-not-served"),
        (reporting(WITH_CANARY, "node-1"), ""),
        (reporting(ClearOverlapFlag().effect(WITH_CANARY), "node-0"), ""),
        (reporting(replace(WITH_CANARY, range_canary=""), "node-0"), ""),
        (reporting(ALIAS_ALONE, "node-0"), "aliases-not-matched"),
        (reporting(ALIAS_ALONE, "node-1"), ""),
        (reporting(replace(ALIAS_ALONE, controller=KEPT), "node-0"), ""),  # the route of a new node was refused
    ],
)
def test_a_limitation_of_the_cloud_is_named(facts: CutoverFacts, limitation: Limitation) -> None:
    assert gates.cloud_limitation(facts) == limitation
    clause = [gates.CLAUSES[limitation]] if limitation else []
    assert [each for each in gates.problems(gates.RANGE_CANARY, facts) if each in gates.CLAUSES.values()] == clause


def test_neither_a_node_without_a_pod_cidr_nor_an_alias_of_the_user_counts() -> None:
    """The first has no network yet; the second says nothing about the pod CIDR."""
    first, second, third = with_aliases().nodes
    user = replace(second, aliases=(AliasFacts("10.99.0.0/28", "user"),))
    facts = replace(with_aliases(), nodes=(replace(first, pod_cidr=None), user, third))
    assert gates.problems(gates.ALIASES, replace(facts, unhealthy={first.name: "is not Ready"})) == []


@pytest.mark.parametrize(
    ("change", "problem", "counts"),
    [
        (lambda facts: replace(facts, controller=KEPT, routes=facts.routes[1:]), NO_NETWORK, False),
        (lambda facts: replace(facts, controller=KEPT, routes=facts.routes[1:]), "is not Ready", True),
        (lambda facts: replace(facts, routes=facts.routes[1:]), NO_NETWORK, True),
        (lambda facts: replace(facts, controller=KEPT), NO_NETWORK, True),
        (lambda facts: replace(without_alias(facts), controller=KEPT, routes=facts.routes[1:]), NO_NETWORK, True),
    ],
)
def test_no_network_counts_unless_a_running_controller_misses_only_the_route_of_an_alias(
    change: Callable[[CutoverFacts], CutoverFacts], problem: str, *, counts: bool
) -> None:
    facts = replace(change(with_aliases()), unhealthy={"node-0": problem})
    assert (f"node node-0 {problem}" in gates.problems(gates.ALIASES, facts)) is counts
