"""Validation, selectors, budgets and ages, with upstream's error texts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.model.kinds import CRD, DEPLOYMENT, NODE, POD, REPLICA_SET, SERVICE, Manifest
from dualstack_sim.kube.builtin import BUILTIN_TYPES
from dualstack_sim.kube.kubectl.printers import duration
from dualstack_sim.kube.kubectl.tables import find_values
from dualstack_sim.kube.protobuf import decode_protobuf
from dualstack_sim.kube.selectors import field_predicate, label_predicate
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.types import Registry, version_priority
from tests.sim.kube.objects import BUDGET, pod, ready, widget_definition


def node(name: str = "n", **spec: Any) -> Manifest:
    return {"metadata": {"name": name}, "spec": spec}


def message_of(call: Any) -> str:
    with pytest.raises(StatusError) as refusal:
        call()
    assert (refusal.value.code, refusal.value.reason) == (422, "Invalid")
    return refusal.value.message


def test_pod_ranges_of_a_node_are_set_once(store: KubeStore) -> None:
    store.create(NODE, node())
    patched = store.patch(NODE, "n", {"spec": {"podCIDRs": ["10.0.0.0/24"]}})
    assert patched["spec"] == {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}
    for change in (["10.0.1.0/24"], ["10.0.0.0/24", "fd00::/64"], None):
        body = {"spec": {"podCIDRs": change, "podCIDR": change[0] if change else None}}
        assert message_of(lambda body=body: store.patch(NODE, "n", body)) == (
            'Node "n" is invalid: spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
        )


@pytest.mark.parametrize(
    ("cidrs", "fault"),
    [
        (["10.0.0.0/24", "10.0.1.0/24"], "may specify no more than one CIDR for each IP family"),
        (["10.0.0.0/24", "fd00::/64", "fd01::/64"], "may specify no more than one CIDR for each IP family"),
        (["nonsense"], 'spec.podCIDRs[0]: Invalid value: "nonsense": must be a valid CIDR value'),
    ],
)
def test_a_node_has_one_pod_range_of_each_family(store: KubeStore, cidrs: list[str], fault: str) -> None:
    assert fault in message_of(lambda: store.create(NODE, node(podCIDRs=cidrs)))
    made = store.create(NODE, node(podCIDRs=["10.0.0.0/24", "fd00::/64"]))
    assert made["spec"]["podCIDR"] == "10.0.0.0/24"


def test_the_provider_of_a_node_is_set_once(store: KubeStore) -> None:
    store.create(NODE, node(providerID="gce://a"))
    assert "spec.providerID: Invalid value: null: field cannot be modified once set" in message_of(
        lambda: store.patch(NODE, "n", {"spec": {"providerID": "gce://b"}})
    )


@pytest.mark.parametrize("name", ["Upper", "-dash", "under_score", "dot.", "x" * 254])
def test_names_are_dns_names(store: KubeStore, name: str) -> None:
    assert "metadata.name: Invalid value" in message_of(lambda: store.create(NODE, node(name)))


def test_a_service_keeps_its_primary_address(store: KubeStore) -> None:
    spec = {"ports": [{"port": 80}], "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}
    store.create(SERVICE, {"metadata": {"name": "s", "namespace": "default"}, "spec": spec})
    dual = store.patch(SERVICE, "s", {"spec": {"clusterIPs": ["10.0.0.1", "fd00::1"]}}, "default")
    assert dual["spec"]["clusterIPs"] == ["10.0.0.1", "fd00::1"]
    body = {"spec": {"clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.2"]}}
    assert message_of(lambda: store.patch(SERVICE, "s", body, "default")) == (
        'Service "s" is invalid: spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'
    )


def test_several_causes_are_reported_together(store: KubeStore, web_deployment: Manifest) -> None:
    store.create(DEPLOYMENT, web_deployment)
    body = {"spec": {"selector": {"matchLabels": {"app": "other"}}, "replicas": -1}}
    message = message_of(lambda: store.patch(DEPLOYMENT, "web", body, "default"))
    assert message.startswith('Deployment.apps "web" is invalid: [')
    for part in ("spec.replicas: Invalid value: -1", "`selector` does not match", "field is immutable"):
        assert part in message


def test_a_definition_is_named_after_what_it_defines(store: KubeStore) -> None:
    wrong = widget_definition()
    wrong["metadata"]["name"] = "gadgets.example.org"
    assert 'must be spec.names.plural+"."+spec.group' in message_of(lambda: store.create(CRD, wrong))


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("a=1", {"x", "y"}),
        ("a==1,b=2", {"x"}),
        ("a!=1", {"z"}),
        ("b", {"x", "z"}),
        ("!b", {"y"}),
        ("b in (2, 3)", {"x", "z"}),
        ("b notin (3),a", {"x", "y"}),
        ("a=", set()),
        ("", {"x", "y", "z"}),
    ],
)
def test_label_selectors(selector: str, expected: set[str]) -> None:
    labels = {"x": {"a": "1", "b": "2"}, "y": {"a": "1"}, "z": {"b": "3"}}
    selects = label_predicate(selector)
    assert {
        name for name, each in labels.items() if selects is None or selects({"metadata": {"labels": each}})
    } == expected


@pytest.mark.parametrize("selector", ["a=b=c", "a in b", "a b", "=x", "a in (b", ","])
def test_label_selectors_that_cannot_be_parsed(selector: str) -> None:
    with pytest.raises(StatusError) as refusal:
        label_predicate(selector)
    assert refusal.value.code == 400


def test_field_selectors(store: KubeStore) -> None:
    for name, at in (("a", "n1"), ("b", "n2"), ("c", None)):
        store.create(POD, pod(name, node=at))

    def found(selector: str) -> list[str]:
        return [each["metadata"]["name"] for each in store.list(POD, fields=selector)]

    assert found("spec.nodeName=n1") == ["a"]
    assert found("spec.nodeName=") == ["c"]
    assert found("spec.nodeName!=n1,metadata.namespace=default") == ["b", "c"]
    assert found("metadata.name==b") == ["b"]
    with pytest.raises(StatusError, match=r"field label not supported: spec\.image"):
        found("spec.image=x")
    pods = Registry(BUILTIN_TYPES).get(("", "pods"))
    assert pods is not None
    assert field_predicate(pods, " ") is None


def guarded(store: KubeStore, deployment: Manifest, count: int, **limit: Any) -> None:
    """`count` ready pods of one ReplicaSet, and a budget over them."""
    owner = store.create(
        REPLICA_SET, {**deployment, "kind": "ReplicaSet", "spec": {**deployment["spec"], "replicas": count}}
    )
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": True}
    reference["uid"] = owner["metadata"]["uid"]
    spec = {"selector": {"matchLabels": {"app": "web"}}, **limit}
    store.create(BUDGET, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    for at in range(count):
        store.create(POD, pod(f"web-{at}", node="n", labels={"app": "web"}, ownerReferences=[reference]))
        store.patch(POD, f"web-{at}", ready(), "default", subresource="status")


@pytest.mark.parametrize(
    ("limit", "allowed", "desired"),
    [
        ({"minAvailable": 3}, 1, 3),
        ({"minAvailable": "60%"}, 1, 3),
        ({"maxUnavailable": 1}, 1, 3),
        ({"maxUnavailable": "30%"}, 2, 2),
        ({"minAvailable": 5}, 0, 5),
    ],
)
def test_budgets_follow_their_pods(
    store: KubeStore, web_deployment: Manifest, limit: Any, allowed: int, desired: int
) -> None:
    guarded(store, web_deployment, 4, **limit)
    budget = store.get(BUDGET, "web", "default")
    assert budget is not None
    status = budget["status"]
    assert (status["disruptionsAllowed"], status["desiredHealthy"], status["currentHealthy"]) == (allowed, desired, 4)
    store.patch(POD, "web-0", ready("False"), "default", subresource="status")
    budget = store.get(BUDGET, "web", "default")
    assert budget is not None
    assert budget["status"]["disruptionsAllowed"] == max(0, allowed - 1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (312, "5m12s"),
        (3599, "59m"),
        (10800, "3h"),
        (12000, "3h20m"),
        (90000, "25h"),
        (180000, "2d2h"),
        (800000, "9d"),
        (-5, "<invalid>"),
    ],
)
def test_ages_read_as_in_kubectl(seconds: int, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.size", [3]),
        ("{.spec.size}", [3]),
        (".conditions[?(@.type=='Ready')].status", ["True"]),
        (".conditions[0].type", ["Ready"]),
        (".conditions[*].type", ["Ready", "Other"]),
        (".metadata.annotations.a\\.b/c", ["x"]),
        (".metadata.annotations['a.b/c']", ["x"]),
        (".absent.more", []),
        (".conditions[7].type", []),
    ],
)
def test_paths_of_printer_columns(path: str, found: list[Any]) -> None:
    tree = {
        "spec": {"size": 3},
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}],
        "metadata": {"annotations": {"a.b/c": "x"}},
    }
    assert find_values(tree, path) == found


@given(st.binary(max_size=60), st.sampled_from([b"", b"k8s\x00", b"k8s\x00\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12"]))
def test_protobuf_is_read_or_refused(tail: bytes, head: bytes) -> None:
    def outcome() -> object:
        try:
            return type(decode_protobuf(head + tail))
        except StatusError as refusal:
            return refusal.code

    assert outcome() in (dict, 400, 415)


def test_versions_are_preferred_as_kubernetes_does() -> None:
    versions = ["foo", "v1alpha1", "v2", "v1", "v1beta2", "v1beta1", "v10"]
    assert sorted(versions, key=version_priority) == ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "foo"]
