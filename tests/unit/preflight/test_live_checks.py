"""Each check of the objects of a live cluster: where it finds a problem, and the cases next to it where it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dualstack.gce import Resource
from dualstack.preflight.inventory import Source
from dualstack.preflight.workloads import INTERNAL
from tests.support.cluster_facts import PODS, RANGE, at_rest
from tests.unit.preflight.inventories import (
    ANSWERS,
    INVENTORY,
    answering,
    findings,
    item,
    pod,
    problems,
    with_answer,
)


def found(check: str, source: Source, *items: Resource, more: dict[Source, list[Resource]] | None = None) -> list[str]:
    """The problems that a check finds with these objects instead of those of the cluster in order."""
    inventory = with_answer(source, list(items))
    for other, answer in (more or {}).items():
        inventory = with_answer(other, answer, inventory)
    return problems(inventory, check)


def running(version: str, name: str = "n1") -> Resource:
    return item(name, status={"nodeInfo": {"kubeletVersion": version}})


def test_kubelets_older_than_dual_stack_are_named() -> None:
    assert found("kubernetes-version", "nodes", running("v1.22.17"), running("v1.22.17", "n2"), running("v1.33.1")) == [
        "node n1 and 1 more: kubelet v1.22.17"
    ]
    for nameless in (running(""), item("n1", status={})):
        assert found("kubernetes-version", "nodes", nameless) == ["node n1: kubelet without a version"]
    assert found("kubernetes-version", "nodes", running("v1.23.0"), running("v2.0.0")) == []


def test_versions_with_service_cidr_objects_in_beta_are_named() -> None:
    assert found("service-cidrs", "nodes", running("v1.32.1"), running("v1.31.9")) == [
        "cluster shoot--foo--bar: Kubernetes 1.31",
        "cluster shoot--foo--bar: Kubernetes 1.32",
    ]
    assert found("service-cidrs", "nodes", running("v1.33.0"), running("v1.30.9")) == []


def config(name: str, **data: str) -> Resource:
    values = {key.replace("_", "-") if key != "calico_backend" else key: text for key, text in data.items()}
    return item(f"kube-system/{name}", data=values)


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        (config("calico-config", calico_backend="vxlan"), "calico_backend is vxlan"),
        (config("cilium-config", routing_mode="tunnel"), "routing mode tunnel, protocol vxlan"),
        (config("cilium-config", tunnel="geneve"), "routing mode tunnel, protocol geneve"),
        (config("kube-flannel-cfg", net='{"Backend": {"Type": "vxlan"}}'), "its backend encapsulates"),
        (config("calico-config", calico_backend="bird"), None),
        (config("cilium-config", routing_mode="native", tunnel_protocol="vxlan"), None),
        (config("cilium-config", tunnel="disabled"), None),
        (config("cilium-config"), None),
        (config("kube-flannel-cfg", net='{"Backend": {"Type": "gce"}}'), None),
    ],
)
def test_an_overlay_in_the_configuration_of_the_cni_is_a_problem(objects: Resource, problem: str | None) -> None:
    expected = [f"ConfigMap kube-system/{objects['metadata']['name']}: {problem}"] if problem else []
    assert found("native-routing", "config maps", objects) == expected


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"ipipMode": "CrossSubnet"}, "ipipMode CrossSubnet"),
        ({"vxlanMode": "Always"}, "vxlanMode Always"),
        ({"ipipMode": "Never", "vxlanMode": "Never"}, None),
        ({"ipipMode": "Always", "disabled": True}, None),
        ({"ipipMode": "Always", "cidr": "192.168.0.0/16"}, None),
        ({"vxlanMode": "Always", "cidr": "fd00::/64"}, None),
    ],
)
def test_an_encapsulating_pool_of_the_pod_range_is_a_problem(spec: Resource, problem: str | None) -> None:
    pool = item("pool", spec={"cidr": "10.96.0.0/11", **spec})
    assert found("native-routing", "ip pools", pool) == ([f"IPPool pool: {problem}"] if problem else [])


def test_another_cni_is_a_risk() -> None:
    none: dict[Source, list[Resource]] = {"ip pools": [], "daemon sets": []}
    assert len(found("cni-known", "config maps", more=none)) == 1
    assert found("cni-known", "config maps", config("cilium-config"), more=none) == []
    assert found("cni-known", "config maps", more={**none, "ip pools": [item("pool", spec={"cidr": PODS})]}) == []
    assert found("cni-known", "config maps", more={**none, "daemon sets": [item("kube-system/cilium")]}) == []


def test_an_autoscaler_is_found_inside_and_outside_of_the_cluster() -> None:
    inside = item("kube-system/cluster-autoscaler", spec={"replicas": 1})
    status = config("cluster-autoscaler-status")
    for writes in ([], [status]):
        assert found("cluster-autoscaler", "deployments", inside, more={"config maps": writes}) == [
            "Deployment kube-system/cluster-autoscaler: it is deployed"
        ]
    assert found("cluster-autoscaler", "deployments", item("x/cluster-autoscaler", spec={"replicas": 0})) == []
    outside = found("cluster-autoscaler", "config maps", status)
    assert outside == [
        "ConfigMap kube-system/cluster-autoscaler-status: a cluster-autoscaler outside of the cluster writes it"
    ]


def test_dns_that_would_not_survive_the_replacement_is_a_risk() -> None:
    assert found("cluster-dns", "services") == ["Service kube-system/kube-dns: it does not exist"]
    for spec, count in (({"replicas": 0}, 0), ({"replicas": 1}, 1), ({}, 1)):
        few = item("kube-system/coredns", spec=spec)
        assert found("cluster-dns", "deployments", few) == [f"Deployment kube-system/coredns: it has {count} replicas"]
    for other in ("default/coredns", "kube-system/metrics-server"):
        assert found("cluster-dns", "deployments", item(other, spec={"replicas": 1})) == []
    cache = found("cluster-dns", "daemon sets", item("kube-system/node-local-dns"))
    assert cache == ["DaemonSet kube-system/node-local-dns: it listens on addresses of one family"]


def test_a_mask_size_for_one_family_is_a_risk() -> None:
    manager = item("kube-system/kube-controller-manager-a", spec=pod("--node-cidr-mask-size=24"))
    assert found("node-mask-flag", "control plane pods", manager) == [
        "pod kube-system/kube-controller-manager-a: --node-cidr-mask-size=24"
    ]
    both = item("kube-system/kube-controller-manager-a", spec=pod("--node-cidr-mask-size-ipv4=24"))
    other = item("kube-system/other", spec=pod("--node-cidr-mask-size=24"))
    assert found("node-mask-flag", "control plane pods", both, other) == []


@pytest.mark.parametrize(
    ("begin", "words"),
    [
        ("220000+0100", "daily from 22:00 +01:00 to 23:00 +01:00; the next one begins at 2026-11-28 21:00 UTC"),
        ("210000+0100", "daily from 21:00 +01:00 to 23:00 +01:00; the next one begins at 2026-11-29 20:00 UTC"),
        ("193000-0200", "daily from 19:30 -02:00 to 23:00 +01:00; the next one begins at 2026-11-28 21:30 UTC"),
        ("tonight", "daily from tonight to 23:00 +01:00"),
    ],
)
def test_the_next_maintenance_window_is_named(begin: str, words: str) -> None:
    info = config("shoot-info", maintenanceBegin=begin, maintenanceEnd="230000+0100")
    inventory = replace(with_answer("config maps", [info]), now=datetime(2026, 11, 28, 20, 30, tzinfo=UTC).timestamp())
    assert problems(inventory, "maintenance-window") == [f"cluster shoot--foo--bar: {words}"]
    other = config("other", maintenanceBegin=begin, maintenanceEnd="230000+0100")
    assert found("maintenance-window", "config maps", config("shoot-info"), other) == []
    for half in ({"maintenanceBegin": begin}, {"maintenanceEnd": "230000+0100"}):
        assert found("maintenance-window", "config maps", config("shoot-info", **half)) == []


def service(name: str = "default/web", **spec: Any) -> Resource:
    return item(name, spec={"type": "ClusterIP", "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], **spec})


def test_services_that_stay_ipv4_are_counted_in_one_finding_with_a_command() -> None:
    (one,) = findings(with_answer("services", [service()]), "ipv4-only-services")
    assert (one.object, one.status) == ("Service default/web", "problem")
    assert one.fix.startswith("kubectl --namespace default patch service web --patch")
    (many,) = findings(with_answer("services", [service(f"n{n}/s{n}") for n in range(5)]), "ipv4-only-services")
    assert many.object == "5 Services: n0/s0, n1/s1, n2/s2 and 2 more"
    assert many.fix.startswith("kubectl --namespace n0 patch service s0 --patch")
    assert found("ipv4-only-services", "services", service(ipFamilyPolicy="PreferDualStack")) == []
    assert found("ipv4-only-services", "services", service(ipFamilies=["IPv6"])) == []
    assert found("ipv4-only-services", "services", service(type="ExternalName")) == []
    own = service("default/kubernetes"), service("kube-system/kube-dns")
    assert found("ipv4-only-services", "services", *own) == []


def balanced(address: str = "203.0.113.7", **metadata: Any) -> Resource:
    made = service(type="LoadBalancer")
    made["metadata"] |= metadata
    return {**made, "status": {"loadBalancer": {"ingress": [{"ip": address}]}}}


def rule(**fields: str) -> Resource:
    return {"IPAddress": "203.0.113.7", "loadBalancingScheme": "EXTERNAL", **fields}


@pytest.mark.parametrize(
    ("entry", "rules", "problem"),
    [
        (
            balanced(),
            [rule(target="https://x/regions/r/targetPools/p")],
            "external load balancer with a target pool, address 203.0.113.7",
        ),
        (balanced(), [rule(backendService="https://x/b")], None),
        (balanced(), [], "no forwarding rule of the project has its address 203.0.113.7"),
        (
            balanced(annotations={"networking.gke.io/load-balancer-type": "Internal"}),
            [rule(backendService="https://x/b")],
            "internal load balancer, address 203.0.113.7",
        ),
        (
            {
                **service(type="LoadBalancer"),
                "metadata": {"name": "web", "namespace": "default", "annotations": {INTERNAL[0]: "Internal"}},
            },
            [],
            "internal load balancer, address none yet",
        ),
        (service(type="NodePort"), [], None),
        (service(type="LoadBalancer"), [], None),
    ],
)
def test_load_balancers_are_named_by_kind(entry: Resource, rules: list[Resource], problem: str | None) -> None:
    expected = [f"Service default/web: {problem}"] if problem else []
    assert found("load-balancers", "services", entry, more={"forwarding rules": rules}) == expected


def policy(*peers: Resource, key: str = "to") -> Resource:
    direction = {"to": "egress", "from": "ingress"}[key]
    return item("default/p", spec={"podSelector": {}, direction: [{key: list(peers)}]})


def block(cidr: str, *excepted: str) -> Resource:
    return {"ipBlock": {"cidr": cidr, **({"except": list(excepted)} if excepted else {})}}


@pytest.mark.parametrize("key", ["to", "from"])
@pytest.mark.parametrize(
    ("peers", "problem", "fix"),
    [
        ((block("0.0.0.0/0", "10.0.0.0/8"),), "a rule names 0.0.0.0/0 with exceptions and no IPv6 range", True),
        ((block("10.0.0.0/8"),), "a rule names 10.0.0.0/8 and no IPv6 range", False),
        ((block("0.0.0.0/0"), block("::/0")), None, False),
        ((block("fd00::/8"),), None, False),
        (({"podSelector": {}},), None, False),
        ((), None, False),
    ],
)
def test_policies_that_ipv6_would_bypass_are_named(
    key: str, peers: tuple[Resource, ...], problem: str | None, fix: bool
) -> None:
    (one,) = findings(with_answer("network policies", [policy(*peers, key=key)]), "network-policies")
    if problem is None:
        assert one.status == "ok"
    else:
        assert (one.object, one.evidence) == ("NetworkPolicy default/p", problem)
        assert bool(one.fix) is fix


def test_a_policy_without_rules_names_no_range() -> None:
    assert found("network-policies", "network policies", item("default/p")) == []


def test_a_twin_in_another_rule_does_not_count() -> None:
    both = item("default/p", spec={"egress": [{"to": [block("0.0.0.0/0")]}, {"to": [block("::/0")]}]})
    assert len(found("network-policies", "network policies", both)) == 1


def test_policies_of_the_cni_count_too() -> None:
    calico = item("default/p", kind="GlobalNetworkPolicy", spec={"egress": [{"destination": {"nets": ["10.0.0.0/8"]}}]})
    cilium = item("q", kind="CiliumNetworkPolicy", spec={"egress": [{"toCIDRSet": [{"cidr": "0.0.0.0/0"}]}]})
    both = item("r", kind="CiliumNetworkPolicy", spec={"egress": [{"toCIDR": ["10.0.0.0/8", "fd00::/8"]}]})
    entities = {"fromEntities": ["cluster"], "icmps": [{"fields": [{"type": 8}]}]}
    none = item("s", kind="CiliumNetworkPolicy", spec={"ingress": [entities]})
    several = item("t", kind="CiliumNetworkPolicy", specs=[{"egress": [{"toCIDR": ["10.0.0.0/8"]}]}])
    assert found("network-policies", "policies of the CNI", calico, cilium, both, none, several) == [
        "GlobalNetworkPolicy default/p: it names 10.0.0.0/8, no IPv6 range",
        "CiliumNetworkPolicy q: it names 0.0.0.0/0, no IPv6 range",
        "CiliumNetworkPolicy t: it names 10.0.0.0/8, no IPv6 range",
    ]


def webhook(**fields: Any) -> Resource:
    return item("w", kind="ValidatingWebhookConfiguration", webhooks=[{"name": "w.example", **fields}])


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://10.0.0.7:8443/x", "10.0.0.7"),
        ("https://[fd00::1]/x", "fd00::1"),
        ("https://hooks.example/x", None),
        ("https://10.example/x", None),
    ],
)
def test_webhooks_with_an_address_are_named(url: str, address: str | None) -> None:
    problem = f"webhook w.example has address {address}, failurePolicy Fail"
    expected = [f"ValidatingWebhookConfiguration w: {problem}"] if address else []
    assert found("webhook-addresses", "webhooks", webhook(clientConfig={"url": url})) == expected
    assert found("webhook-addresses", "webhooks", webhook(clientConfig={"service": {"name": "x"}})) == []


PODS_RULE = {"apiGroups": [""], "resources": ["pods"], "operations": ["CREATE"]}


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"rules": [PODS_RULE]}, "pods of kube-system"),
        ({"rules": [{"apiGroups": ["*"], "resources": ["*"]}]}, "Leases, Nodes, pods of kube-system"),
        ({"rules": [{}]}, "Leases, Nodes, pods of kube-system"),
        ({"rules": [PODS_RULE], "failurePolicy": "Ignore"}, None),
        ({"rules": [PODS_RULE], "objectSelector": {"matchLabels": {"a": "b"}}}, None),
        ({"rules": [PODS_RULE], "namespaceSelector": {"matchLabels": {"a": "b"}}}, None),
        ({"rules": [PODS_RULE], "namespaceSelector": {"matchExpressions": [{"key": "a"}]}}, None),
        ({"rules": [{}], "namespaceSelector": {"matchLabels": {"a": "b"}}}, "Nodes"),
        ({"rules": [{**PODS_RULE, "resources": ["deployments"]}]}, None),
        ({"rules": [{**PODS_RULE, "operations": ["DELETE"]}]}, None),
        ({"rules": [{**PODS_RULE, "apiGroups": ["metrics.k8s.io"]}]}, None),
    ],
)
def test_webhooks_that_keep_nodes_from_joining_are_named(fields: Resource, taken: str | None) -> None:
    expected = [f"ValidatingWebhookConfiguration w: webhook w.example intercepts {taken}"] if taken else []
    assert found("webhooks-in-the-way", "webhooks", webhook(**fields)) == expected


@pytest.mark.parametrize(
    ("spec", "status", "problem"),
    [
        (
            {"minAvailable": 2},
            {"expectedPods": 2, "currentHealthy": 2, "desiredHealthy": 2, "disruptionsAllowed": 0},
            "it allows no eviction now; 2 of 2 pods are healthy, 2 must be",
        ),
        ({"maxUnavailable": 0}, {"expectedPods": 2, "currentHealthy": 2}, "it never allows an eviction; 2 of 2 pods"),
        ({"minAvailable": "100%"}, {"expectedPods": 1}, "it never allows an eviction; 0 of 1 pods"),
        ({"minAvailable": 1}, {"expectedPods": 2}, "it allows no eviction now; 0 of 2 pods are healthy, 0 must be"),
        ({"maxUnavailable": 1}, {"expectedPods": 2, "disruptionsAllowed": 1}, None),
        ({"minAvailable": 1}, {"expectedPods": 0, "disruptionsAllowed": 0}, None),
    ],
)
def test_budgets_that_block_drains_are_named(spec: Resource, status: Resource, problem: str | None) -> None:
    lines = found("disruption-budgets", "disruption budgets", item("default/db", spec=spec, status=status))
    assert [line.startswith(f"PodDisruptionBudget default/db: {problem}") for line in lines] == [True] * bool(problem)


def test_an_object_that_is_no_problem_hides_none_behind_it() -> None:
    quiet, loud = ({"expectedPods": 2, "disruptionsAllowed": allowed} for allowed in (1, 0))
    budgets = [item(name, status=status) for name, status in (("quiet", quiet), ("loud", loud))]
    assert len(found("disruption-budgets", "disruption budgets", *budgets)) == 1
    assert len(found("load-balancers", "services", service(), balanced(), more={"forwarding rules": []})) == 1
    webhooks: list[Resource] = [
        {"name": policy, "failurePolicy": policy, "rules": [{}]} for policy in ("Ignore", "Fail")
    ]
    assert len(found("webhooks-in-the-way", "webhooks", item("w", webhooks=webhooks))) == 1


@pytest.mark.parametrize(
    ("image", "flags", "present"),
    [
        ("registry.k8s.io/external-dns/external-dns:v0.15.0", (), True),
        ("example/external-dns@sha256:0", ("--managed-record-types=AAAA",), True),
        ("example/external-dns:1", ("--managed-record-types=A",), False),
        ("example/dns:1", (), False),
    ],
)
def test_external_dns_is_found_by_its_image(image: str, flags: tuple[str, ...], present: bool) -> None:
    of_image = {"containers": [{"name": "program", "image": image, "args": list(flags)}]}
    for spec in (pod(*flags, image=image), of_image):
        deployment = item("dns/x", spec={"replicas": 1, "template": {"spec": spec}})
        lines = problems(answering("deployments", deployment), "external-dns")
        assert lines == ([f"Deployment dns/x: it runs {image}"] if present else [])


def test_the_cluster_in_order_has_an_object_of_almost_every_source() -> None:
    assert [source for source, answer in ANSWERS.items() if not answer] == [
        "config connector",
        "network policies",
        "policies of the CNI",
        "shoot",
        "seed objects",
    ]
    assert INVENTORY.platform == ""


def test_a_field_of_the_shoot_that_stops_its_migration_is_a_blocker() -> None:
    fault = {"object": "spec.hibernation.enabled", "evidence": "Invalid value: true: wake it up first"}
    assert found("shoot-spec", "shoot", fault) == ["spec.hibernation.enabled: Invalid value: true: wake it up first"]


def test_an_error_of_the_infrastructure_is_expected_once_the_preparation_has_begun() -> None:
    obstacles = [
        {"object": "Infrastructure bar", "evidence": "operation Reconcile is Error: quota"},
        {"object": "MachineDeployment w1", "evidence": "spec.paused is true"},
    ]
    inventory = with_answer("seed objects", obstacles)
    assert len(problems(inventory, "seed-objects")) == 2
    subnet = replace(at_rest(3).subnet, secondary_ranges=((RANGE, PODS),))
    begun = replace(inventory, observed=replace(at_rest(3), subnet=subnet))
    assert problems(begun, "seed-objects") == ["MachineDeployment w1: spec.paused is true"]


@pytest.mark.parametrize("check", ["shoot-spec", "seed-objects"])
def test_what_the_user_gives_no_access_to_does_not_apply(check: str) -> None:
    answers = {source: answer for source, answer in ANSWERS.items() if source not in ("shoot", "seed objects")}
    (finding,) = findings(replace(INVENTORY, answers=answers), check)
    assert (finding.status, finding.evidence.partition(":")[0]) == ("not-applicable", "not read")
