"""Weaknesses of upstream that show without a cloud; docs/reference/weaknesses.md has the whole list."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.gardener.controllers.infrastructure.shoots import NETWORK, NS, desired
from tests.unit.gardener.controllers.store_kube import StoreKube

from dualstack.clock import ScaledClock
from dualstack.gardener.controllers.infrastructure.controller_manager import CloudControllerManager
from dualstack.gardener.controllers.infrastructure.reporting import TaskFailed, task
from dualstack.gardener.error_codes import error_codes
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.gce.errors import PolicyViolated, StaleFingerprint, operation_refusal, refusal
from dualstack.gce.resources import instance_reference, network_filter
from dualstack.model.kinds import CRD, DEPLOYMENT, NAMESPACE, Kind, Manifest
from dualstack.plan.facts import AliasFacts, ControllerFacts, CutoverFacts, NodeFacts, RouteFacts, SubnetFacts
from dualstack.preflight.checks import (
    ALIASES,
    SECONDARY_RANGES,
    NotFit,
    firewall_shortage,
    fixed_limits,
    foreign_routes,
    interface_faults,
    range_conflicts,
    route_conflicts,
)
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions

CLOCK = ScaledClock(time.time(), 10_000)
RANGE = "ipv4-pod-cidr"


class Busy(StoreKube):
    """Somebody else writes to each object right before we do."""

    def __init__(self, store: KubeStore) -> None:
        super().__init__(store)
        self.store = store

    async def patch(self, kind: Kind, name: str, body: Any, namespace: str | None = None, **options: Any) -> Manifest:
        label = {"metadata": {"labels": {"written": str(len(self.writes))}}}
        self.store.patch(kind, name, label, namespace)
        return await super().patch(kind, name, body, namespace, **options)


async def test_w9_scaling_down_does_not_lose_against_another_writer() -> None:
    store = KubeStore(CLOCK, Chance(1))
    for definition in definitions():
        store.create(CRD, definition)
    store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}})
    labels = {"role": "cloud-controller-manager"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    metadata = {"name": "cloud-controller-manager", "namespace": NS}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    store.upsert(DEPLOYMENT, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    resource = {"name": "extension-controlplane-seed", "namespace": NS}
    kind = {"apiVersion": MANAGED_RESOURCE.api_version, "kind": MANAGED_RESOURCE.kind}
    store.upsert(MANAGED_RESOURCE, kind | {"metadata": resource, "spec": {"secretRefs": []}})
    manager = CloudControllerManager(Busy(store), CLOCK, NS)
    await manager.stop(wait=True)
    assert (await manager.observe()).gone


def test_w23_only_the_routes_of_the_network_are_asked_for() -> None:
    assert network_filter(NETWORK) == f"(network eq {NETWORK})"


@pytest.mark.parametrize("link", ["", "x", "zones/z", "zones/z/instances", "a/b/c/d", "https://host/", "///"])
def test_w27_a_link_that_names_no_instance_is_none(link: str) -> None:
    assert instance_reference(link) is None


def test_w28_the_code_and_the_words_of_an_operation_reach_the_status() -> None:
    operation = {"name": "op-1", "error": {"errors": [{"code": "QUOTA_EXCEEDED", "message": "Quota 'X' exceeded."}]}}
    cause = operation_refusal(operation, call="POST x")
    assert cause is not None
    with pytest.raises(TaskFailed) as caught, task("ensure worker subnet"):
        raise cause
    assert str(caught.value) == (
        "failed to \"ensure worker subnet\": POST x: QUOTA_EXCEEDED: operation 'op-1' failed: Quota 'X' exceeded."
    )
    assert caught.value.codes == ("ERR_INFRA_QUOTA_EXCEEDED",)


# -- W32: what is looked for before anything is done


def facts(**changes: Any) -> CutoverFacts:
    found = CutoverFacts(
        pods_cidr="100.96.0.0/11",
        range_name=RANGE,
        subnet=SubnetFacts(f"{NS}-nodes", "europe-west1", False, True, "IPV4_ONLY", ()),
        routes=(),
        foreign_routes=(),
        nodes=(NodeFacts("a", "z", "100.96.0.0/24"), NodeFacts("b", "z", "100.96.1.0/24")),
        saved_routes=(),
        controller=ControllerFacts(replicas=1, pods=1, ignored=False),
    )
    return replace(found, **changes)


@pytest.mark.parametrize(
    ("subnet", "words"),
    [
        ({"name": "x", "ipCidrRange": "100.70.0.0/16"}, "services"),
        ({"name": "x", "ipCidrRange": "100.64.0.0/10"}, "pods"),
    ],
)
def test_w32_a_range_that_another_subnet_has_is_told(subnet: dict[str, Any], words: str) -> None:
    assert any(
        f"spec.networking.{words}: Invalid value" in fault for fault in range_conflicts([subnet], desired().cluster)
    )


def test_w32_a_secondary_range_counts_and_our_own_subnets_do_not() -> None:
    second = [{"rangeName": "r", "ipCidrRange": "100.100.0.0/24"}]
    theirs = {"name": "x", "ipCidrRange": "10.1.0.0/16", "secondaryIpRanges": second}
    assert range_conflicts([theirs], desired().cluster) == [
        'spec.networking.pods: Invalid value: "100.96.0.0/11": overlaps 100.100.0.0/24 of subnet x'
    ]
    ours: list[dict[str, Any]] = [
        theirs | {"name": f"{NS}-nodes"},
        {"name": f"{NS}-services", "ipCidrRange": "100.64.0.0/13"},
    ]
    assert range_conflicts(ours, desired().cluster) == []


def test_w32_a_static_route_into_the_service_range_is_told() -> None:
    route = {"name": "r", "network": NETWORK, "destRange": "100.65.0.0/24"}
    (fault,) = route_conflicts([route], NETWORK, desired().cluster)
    assert "static route r leads into it (100.65.0.0/24)" in fault
    harmless = [
        route | {"destRange": "0.0.0.0/0"},
        route | {"destRange": "2600::/64"},
        route | {"destRange": "nonsense"},
        route | {"network": f"{NETWORK}-2"},
        route | {"nextHopNetwork": NETWORK},
    ]
    assert route_conflicts(harmless, NETWORK, desired().cluster) == []


def test_w32_a_foreign_route_into_the_pod_range_is_told_while_there_is_no_range() -> None:
    route = RouteFacts("r", "100.100.0.0/24", "", "")
    assert foreign_routes(facts(foreign_routes=(route,))) == [
        "route r leads into the pod range (100.100.0.0/24) and is not this cluster's"
    ]


def test_w32_a_vm_in_another_subnet_is_told() -> None:
    elsewhere = (NodeFacts("a", "z", "100.96.0.0/24"), NodeFacts("b", "z", "100.96.1.0/24", subnet_ok=False))
    assert interface_faults(facts()) == []
    (fault,) = interface_faults(facts(nodes=elsewhere))
    assert fault.startswith("the interface of VM b is not in subnet")


@pytest.mark.parametrize(("limit", "there", "short"), [(5, 2, 0), (4, 2, 0), (3, 2, 1), (2, 5, 1)])
def test_w32_firewall_rules_that_do_not_fit_are_told(limit: int, there: int, short: int) -> None:
    project = {"quotas": [{"metric": "NETWORKS", "limit": 1.0}, {"metric": "FIREWALLS", "limit": float(limit)}]}
    rules = [{"name": f"r{number}"} for number in range(there)]
    assert len(firewall_shortage(project, rules, desired().ipv6_firewalls)) == short
    assert firewall_shortage({}, rules, desired().ipv6_firewalls) == []


def test_w32_limits_that_nobody_can_raise_are_told() -> None:
    assert fixed_limits(facts()) == []
    full = SubnetFacts("s", "r", False, True, "IPV4_ONLY", tuple((f"r{n}", "10.0.0.0/24") for n in range(170)))
    assert f"{SECONDARY_RANGES} secondary ranges" in fixed_limits(facts(subnet=full))[0]
    aliases = tuple(AliasFacts(f"10.0.0.{number}/32", "r") for number in range(ALIASES))
    crowded = NodeFacts("a", "z", "100.96.0.0/24", aliases=aliases)
    assert f"{ALIASES} alias ranges" in fixed_limits(facts(nodes=(crowded,)))[0]


def test_w32_the_codes_say_what_is_in_the_way() -> None:
    assert error_codes(NotFit(["x"], [])) == ("ERR_CONFIGURATION_PROBLEM",)
    assert error_codes(NotFit([], ["x"])) == ("ERR_INFRA_QUOTA_EXCEEDED",)
    assert error_codes(NotFit(["x"], ["y"])) == ("ERR_CONFIGURATION_PROBLEM", "ERR_INFRA_QUOTA_EXCEEDED")


def test_w32_a_policy_is_no_stale_fingerprint() -> None:
    def answer(message: str) -> dict[str, Any]:
        return {"error": {"message": message, "errors": [{"reason": "conditionNotMet"}]}}

    policy = refusal(412, answer("Constraint constraints/compute.disableVpcExternalIpv6 violated for projects/p."))
    assert isinstance(policy, PolicyViolated)
    assert policy.retry_after is None
    assert isinstance(refusal(412, answer("Invalid fingerprint.")), StaleFingerprint)
