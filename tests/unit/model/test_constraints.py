"""The state machines of the constraints, by rule and as a whole (docs/reference/gardener.md#nodes-constraint)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.gardener.model import constraints as rules
from dualstack.gardener.model.constraints import (
    DnsFacts,
    NodesFacts,
    RemoveConstraint,
    apply_changes,
    coredns_restart_due,
    dns_constraint,
    nodes_constraint_at_end,
    nodes_constraint_at_start,
)
from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION
from dualstack.model.conditions import Condition, condition_status

_DUAL = ("IPv4", "IPv6")
_OLD, _NEW = ("100.96.0.0/24",), ("100.96.3.0/24", "2600:1900:4010:1234:0:1::/112")

_TRIGGERED = NodesFacts(
    families=_DUAL,
    network_families=("IPv4",),
    node_pod_cidrs=(_OLD, _OLD, _OLD),
    infrastructure_node_ranges=1,
    machine_classes_match=False,
    nodes_constraint=None,
    dns_constraint=None,
)
_MIGRATING = replace(_TRIGGERED, nodes_constraint="Progressing", infrastructure_node_ranges=2)


def test_rule_a_a_cni_of_the_right_families_needs_no_constraint() -> None:
    assert nodes_constraint_at_start(replace(_TRIGGERED, network_families=_DUAL)) == ()


def test_no_constraint_on_a_cluster_that_has_no_network_yet() -> None:
    assert nodes_constraint_at_start(replace(_TRIGGERED, network_families=None)) == ()


def test_rule_b_all_nodes_are_migrated_already() -> None:
    facts = replace(_TRIGGERED, node_pod_cidrs=(_NEW, _NEW))

    (change,) = nodes_constraint_at_start(facts)

    assert change == rules.NODES_MIGRATED
    assert change.message == "All node pod CIDRs migrated to target network stack."


def test_rule_c_the_migration_begins() -> None:
    (change,) = nodes_constraint_at_start(_TRIGGERED)

    assert change == rules.SetConstraint(
        "DualStackNodesMigrationReady",
        "Progressing",
        "NodesNotMigrated",
        "Migrating node pod CIDRs to match target network stack.",
    )


def test_rule_d_the_way_back_does_not_wait_for_nodes() -> None:
    facts = replace(_TRIGGERED, families=("IPv4",), network_families=_DUAL, node_pod_cidrs=(_NEW,))

    (change,) = nodes_constraint_at_start(facts)

    assert change == rules.SetConstraint(
        "DualStackNodesMigrationReady",
        "True",
        "NodesMigrating",
        "Node pod CIDRs are currently migrated to target network stack.",
    )


@pytest.mark.parametrize(("status", "node"), [("Progressing", _OLD), ("Progressing", _NEW), ("True", _NEW)])
def test_rule_e_a_constraint_that_is_there_stays_as_it_is(status: str, node: tuple[str, ...]) -> None:
    assert nodes_constraint_at_start(replace(_TRIGGERED, nodes_constraint=status, node_pod_cidrs=(node,))) == ()


def test_who_turns_round_on_the_way_back_waits_for_the_nodes_again() -> None:
    """Upstream leaves True from the way back, and everything becomes dual-stack at once, whatever the nodes are."""
    facts = replace(_TRIGGERED, nodes_constraint="True", node_pod_cidrs=(_NEW, _OLD))

    assert nodes_constraint_at_start(facts) == (rules.NODES_NOT_MIGRATED,)
    assert nodes_constraint_at_start(replace(facts, network_families=_DUAL)) == ()


def test_rule_f_without_constraint_the_end_changes_nothing() -> None:
    assert nodes_constraint_at_end(replace(_MIGRATING, nodes_constraint=None)) == ()


def test_rule_g_the_infrastructure_must_have_both_ranges() -> None:
    assert nodes_constraint_at_end(replace(_MIGRATING, node_pod_cidrs=(_NEW,), infrastructure_node_ranges=1)) == ()


def test_an_infrastructure_that_has_reported_nothing_is_not_ready() -> None:
    """Upstream panics (docs/reference/weaknesses.md#w39)."""
    assert nodes_constraint_at_end(replace(_MIGRATING, infrastructure_node_ranges=0)) == ()


def test_rule_h_repeats_the_choice_of_the_start() -> None:
    assert nodes_constraint_at_end(_MIGRATING) == (rules.NODES_NOT_MIGRATED,)
    assert nodes_constraint_at_end(replace(_MIGRATING, node_pod_cidrs=(_NEW, _NEW))) == (rules.NODES_MIGRATED,)


def test_one_old_node_keeps_the_migration_going() -> None:
    assert nodes_constraint_at_end(replace(_MIGRATING, node_pod_cidrs=(_NEW, _OLD))) == (rules.NODES_NOT_MIGRATED,)


def test_two_ranges_of_one_family_are_no_migration() -> None:
    """Families count, not numbers (docs/reference/weaknesses.md#w38)."""
    wrong = ("100.96.0.0/24", "100.96.1.0/24")

    assert nodes_constraint_at_end(replace(_MIGRATING, node_pod_cidrs=(wrong,))) == (rules.NODES_NOT_MIGRATED,)


def test_no_node_at_all_is_a_success_once_the_classes_are_dual() -> None:
    """Upstream never finishes with pools at zero (docs/reference/weaknesses.md#w38)."""
    empty = replace(_MIGRATING, node_pod_cidrs=())

    assert nodes_constraint_at_end(empty) == (rules.NODES_NOT_MIGRATED,)
    assert nodes_constraint_at_end(replace(empty, machine_classes_match=True)) == (rules.NODES_MIGRATED,)


@pytest.mark.parametrize("nodes", [(), (_NEW,), (_NEW, _NEW)], ids=len)
@pytest.mark.parametrize("at", [nodes_constraint_at_start, nodes_constraint_at_end])
@pytest.mark.parametrize("before", [None, "Progressing", "True"])
@pytest.mark.parametrize("network", [("IPv4",), _DUAL])
def test_x1_never_true_while_a_machine_has_no_node(
    nodes: tuple[tuple[str, ...], ...],
    at: Callable[[NodesFacts], tuple[rules.Change, ...]],
    before: str | None,
    network: tuple[str, ...],
) -> None:
    """Whichever Nodes are listed: none, or those of another cluster, which may be dual-stack."""
    facts = replace(
        _MIGRATING,
        nodes_constraint=before,
        network_families=network,
        node_pod_cidrs=nodes,
        machine_classes_match=True,
        machines_without_node=("m-1",),
    )
    assert not facts.nodes_migrated
    assert set(at(facts)) <= {rules.NODES_NOT_MIGRATED}


def test_rule_i_hands_over_to_dns() -> None:
    facts = replace(_MIGRATING, nodes_constraint="True", network_families=_DUAL, node_pod_cidrs=(_NEW, _NEW))

    assert nodes_constraint_at_end(facts) == (RemoveConstraint(NODES_MIGRATION), rules.DNS_MIGRATING)
    assert rules.DNS_MIGRATING.message == "The shoot is migrating the kube-dns service."


def test_rule_i_does_not_add_the_dns_constraint_twice() -> None:
    facts = replace(
        _MIGRATING,
        nodes_constraint="True",
        network_families=_DUAL,
        node_pod_cidrs=(_NEW,),
        dns_constraint="Progressing",
    )

    assert nodes_constraint_at_end(facts) == (RemoveConstraint(NODES_MIGRATION),)


def test_a_node_that_joined_single_stack_in_between_keeps_the_constraint() -> None:
    """Upstream removes it without regard to the nodes (docs/reference/weaknesses.md#w47)."""
    facts = replace(_MIGRATING, nodes_constraint="True", network_families=_DUAL, node_pod_cidrs=(_NEW, _OLD))

    assert nodes_constraint_at_end(facts) == ()


def test_rules_j_and_k_the_way_back_waits_for_every_node() -> None:
    back = replace(_MIGRATING, families=("IPv4",), network_families=("IPv4",), nodes_constraint="True")

    assert nodes_constraint_at_end(replace(back, node_pod_cidrs=(_OLD, _NEW))) == ()
    assert nodes_constraint_at_end(replace(back, node_pod_cidrs=(_OLD, _OLD))) == (RemoveConstraint(NODES_MIGRATION),)


_DNS = DnsFacts(
    families=_DUAL,
    service_cluster_ips=("100.64.0.10",),
    pod_ips=(("100.96.0.5",), ("100.96.1.5",)),
    dns_constraint="Progressing",
)
_BOTH = ("100.96.3.5", "2600:1900:4010:1234:0:1:0:5")


def test_dns_without_constraint_changes_nothing() -> None:
    assert dns_constraint(replace(_DNS, dns_constraint=None, pod_ips=(_BOTH,))) == ()


def test_dns_without_pods_says_nothing() -> None:
    assert dns_constraint(replace(_DNS, pod_ips=())) == ()


def test_dns_waits_while_a_pod_has_one_address() -> None:
    facts = replace(_DNS, pod_ips=(_BOTH, ("100.96.1.5",)))

    assert dns_constraint(facts) == ()
    assert coredns_restart_due(facts)


def test_dns_is_ready_when_all_pods_have_both() -> None:
    facts = replace(_DNS, pod_ips=(_BOTH, _BOTH))

    assert dns_constraint(facts) == (rules.DNS_READY,)
    assert rules.DNS_READY.message == "The coreDNS pods are ready for DNS service migration."
    assert not coredns_restart_due(facts)


def test_dns_is_done_when_the_service_has_both() -> None:
    facts = replace(_DNS, service_cluster_ips=("100.64.0.10", "2600:1900:4010:5678::a"), dns_constraint="True")

    assert dns_constraint(facts) == (RemoveConstraint(DNS_MIGRATION),)


def test_coredns_is_not_restarted_once_dns_is_ready() -> None:
    assert not coredns_restart_due(replace(_DNS, dns_constraint="True"))


def test_coredns_needs_no_restart_to_lose_a_family() -> None:
    facts = replace(_DNS, families=("IPv4",), pod_ips=(_BOTH, _BOTH))

    assert not coredns_restart_due(facts)
    assert dns_constraint(facts) == (RemoveConstraint(DNS_MIGRATION),)


def test_constraints_of_others_survive() -> None:
    theirs: Condition = {"type": "HibernationPossible", "status": "True"}

    result = apply_changes([theirs], (rules.NODES_NOT_MIGRATED,), now=1.0)
    result = apply_changes(result, (RemoveConstraint(NODES_MIGRATION), rules.DNS_MIGRATING), now=2.0)

    assert result[0] == theirs
    assert [entry["type"] for entry in result] == ["HibernationPossible", DNS_MIGRATION]


GOLDEN = [
    (NODES_MIGRATION, "Progressing", "NodesNotMigrated"),
    (NODES_MIGRATION, "True", "NodesMigrated"),
    (NODES_MIGRATION, None, None),
    (DNS_MIGRATION, "Progressing", "DNSServiceMigration"),
    (DNS_MIGRATION, "True", "DNSServiceMigration"),
    (DNS_MIGRATION, None, None),
]


class _Cluster:
    """A cluster whose parts advance in any order in which they can advance at all, and a journal of its constraints."""

    def __init__(self, nodes: int) -> None:
        self.nodes = [False] * nodes
        self.infrastructure = False
        self.cni = False
        self.pods = [False, False]
        self.service = False
        self.constraints: list[Condition] = []
        self.journal: list[tuple[str, str | None, str | None]] = []

    def nodes_facts(self) -> NodesFacts:
        return NodesFacts(
            families=_DUAL,
            network_families=_DUAL if self.cni else ("IPv4",),
            node_pod_cidrs=tuple(_NEW if migrated else _OLD for migrated in self.nodes),
            infrastructure_node_ranges=2 if self.infrastructure else 1,
            machine_classes_match=self.infrastructure,
            nodes_constraint=condition_status(self.constraints, NODES_MIGRATION),
            dns_constraint=condition_status(self.constraints, DNS_MIGRATION),
        )

    def dns_facts(self) -> DnsFacts:
        return DnsFacts(
            families=_DUAL,
            service_cluster_ips=("100.64.0.10", "2600::a") if self.service else ("100.64.0.10",),
            pod_ips=tuple(_BOTH if dual else ("100.96.0.5",) for dual in self.pods),
            dns_constraint=condition_status(self.constraints, DNS_MIGRATION),
        )

    def reconcile(self, step: str) -> None:
        for change in self.decide(step):
            before = self.constraints
            self.constraints = apply_changes(before, (change,), now=1.0)
            if self.constraints == before:
                continue
            if isinstance(change, RemoveConstraint):
                self.journal.append((change.type, None, None))
            else:
                self.journal.append((change.type, change.status, change.reason))

    def decide(self, step: str) -> tuple[rules.Change, ...]:
        if step == "start":
            return nodes_constraint_at_start(self.nodes_facts())
        if step == "end":
            return nodes_constraint_at_end(self.nodes_facts())
        return dns_constraint(self.dns_facts())

    def advance(self, part: str, index: int) -> None:
        """The cluster's reaction: the CNI follows the True constraint, the Service the True DNS constraint."""
        nodes = condition_status(self.constraints, NODES_MIGRATION)
        dns = condition_status(self.constraints, DNS_MIGRATION)
        if part == "infrastructure" and nodes is not None:
            self.infrastructure = True
        elif part == "node" and self.infrastructure and self.nodes:
            self.nodes[index % len(self.nodes)] = True
        elif part == "cni" and nodes == "True":
            self.cni = True
        elif part == "pod" and self.cni and coredns_restart_due(self.dns_facts()):
            self.pods[index % 2] = True
        elif part == "service" and dns == "True":
            self.service = True


_events = st.lists(
    st.tuples(
        st.sampled_from(("start", "end", "dns", "infrastructure", "node", "cni", "pod", "service")), st.integers(0, 9)
    ),
    max_size=120,
)


@given(st.integers(0, 5), _events)
@settings(max_examples=200)
def test_every_reachable_history_visits_the_constraints_in_golden_order(
    nodes: int, history: list[tuple[str, int]]
) -> None:
    cluster = _Cluster(nodes)
    for event, index in history:
        if event in ("start", "end", "dns"):
            cluster.reconcile(event)
        else:
            cluster.advance(event, index)

    assert cluster.journal == GOLDEN[: len(cluster.journal)]


@given(st.integers(0, 5), _events)
@settings(max_examples=100)
def test_every_history_can_be_finished(nodes: int, history: list[tuple[str, int]]) -> None:
    cluster = _Cluster(nodes)
    for event, index in history:
        if event in ("start", "end", "dns"):
            cluster.reconcile(event)
        else:
            cluster.advance(event, index)
    for _ in range(8):
        cluster.reconcile("start")
        for index in range(10):
            for part in ("infrastructure", "node", "cni", "pod", "service"):
                cluster.advance(part, index)
        cluster.reconcile("end")
        cluster.reconcile("dns")

    assert cluster.journal == GOLDEN
    assert cluster.constraints == []
