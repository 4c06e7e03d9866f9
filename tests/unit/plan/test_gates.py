"""What each gate checks: every rule has a state that breaks it alone, and gates that do not require it pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dualstack.plan import gates
from dualstack.plan.facts import KEPT, NO_NETWORK, AliasFacts, CutoverFacts, RouteFacts
from dualstack.plan.steps import AddAliases, AddSecondaryRange, SaveRoutes, SetOverlapFlag, StopController
from dualstack.plan.steps.base import Gate
from tests.support.cluster_facts import RUNNING, at_rest

NODES = ("node-0", "node-1", "node-2")
PLAIN = [gate for gate in vars(gates).values() if isinstance(gate, Gate) and gate not in gates.DECOYS]


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
        lambda gate: gate.needs_saved,
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
        lambda gate: gate.needs_aliases,
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
    first, *others = facts.nodes
    lost = replace(facts, nodes=(replace(first, aliases=()), *others), routes=facts.routes[1:])
    assert "the pod CIDR of VM node-0 has no route or alias" in gates.problems(gate, lost)


def test_a_node_whose_vm_does_not_run_does_not_count() -> None:
    assert gates.problems(gates.ALIASES, stopped_vm(with_aliases())) == []


def test_routes_that_the_way_back_creates_do_not_stop_it() -> None:
    """After the end of the cut-over the saved list is empty, so restored routes are in no list."""
    restored = replace(with_aliases(), saved_routes=())
    for gate in (gates.ROLLBACK_DRILL, gates.RESTORED_ROUTES, gates.UNALIAS_CANARY):
        assert gates.problems(gate, restored) == []


def test_a_limitation_of_the_cloud_is_named() -> None:
    facts = with_aliases()
    bare = replace(
        facts, routes=facts.routes[1:], with_network_problem=frozenset({"node-0"}), unhealthy={"node-0": "reports x"}
    )
    assert gates.problems(gates.ROUTE_CANARY, bare)[-1].startswith("an alias range without a route carries no traffic")


def test_neither_a_node_without_a_pod_cidr_nor_an_alias_of_the_user_counts() -> None:
    """The first has no network yet; the second says nothing about the pod CIDR."""
    first, second, third = with_aliases().nodes
    user = replace(second, aliases=(AliasFacts("10.99.0.0/28", "user"),))
    facts = replace(with_aliases(), nodes=(replace(first, pod_cidr=None), user, third))
    assert gates.problems(gates.ALIASES, replace(facts, unhealthy={first.name: "is not Ready"})) == []


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda facts: replace(facts, controller=KEPT, routes=facts.routes[1:]), False),
        (lambda facts: replace(facts, routes=facts.routes[1:]), True),
        (lambda facts: replace(facts, controller=KEPT), True),
    ],
)
def test_no_network_counts_unless_a_running_controller_misses_only_the_route_of_an_alias(
    change: Callable[[CutoverFacts], CutoverFacts], counts: bool
) -> None:
    facts = replace(change(with_aliases()), unhealthy={"node-0": NO_NETWORK})
    assert (f"node node-0 {NO_NETWORK}" in gates.problems(gates.ALIASES, facts)) is counts
