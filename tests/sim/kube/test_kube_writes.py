"""Writes: identity, versions, generation, status, errors."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.model.kinds import (
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    EVENT,
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    SERVICE,
    Kind,
    Manifest,
)
from dualstack_sim.chance import Chance
from dualstack_sim.kube.preparation import Operation
from dualstack_sim.kube.status import StatusError, forbidden
from dualstack_sim.kube.store import KubeStore
from tests.sim.kube.objects import WIDGET, config_map, pod, widget, widget_definition


def refused(code: int, reason: str) -> Any:
    """A context in which exactly this refusal is raised."""
    return pytest.raises(StatusError, check=lambda error: (error.code, error.reason) == (code, reason))


def test_a_created_object_gets_the_servers_metadata(store: KubeStore) -> None:
    made = store.create(
        CONFIG_MAP, config_map("one", uid="mine", generation=9, creationTimestamp="2001-01-01T00:00:00Z")
    )
    assert made["apiVersion"] == "v1"
    assert made["kind"] == "ConfigMap"
    assert made["metadata"]["creationTimestamp"] == "2025-06-15T15:06:40Z"
    assert made["metadata"]["uid"] != "mine"
    assert "generation" not in made["metadata"]
    assert int(made["metadata"]["resourceVersion"]) == store.storage.version


def test_uids_depend_on_the_seed_and_the_incarnation_only(clock: Any) -> None:
    def uids(*names: str) -> list[str]:
        store = KubeStore(clock, Chance(3))
        return [store.create(CONFIG_MAP, config_map(name))["metadata"]["uid"] for name in names]

    assert uids("a", "b") == list(reversed(uids("b", "a")))
    store = KubeStore(clock, Chance(3))
    first = store.create(CONFIG_MAP, config_map("a"))["metadata"]["uid"]
    store.delete(CONFIG_MAP, "a", "default")
    assert store.create(CONFIG_MAP, config_map("a"))["metadata"]["uid"] != first == uids("a")[0]


def test_names_are_generated_from_a_prefix(store: KubeStore) -> None:
    body = {"metadata": {"generateName": "x-", "namespace": "default"}}
    names = [store.create(CONFIG_MAP, body)["metadata"]["name"] for _ in range(3)]
    assert len(set(names)) == 3
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


def test_a_taken_name_and_a_missing_namespace_are_refused(store: KubeStore) -> None:
    store.create(CONFIG_MAP, config_map("one"))
    with refused(409, "AlreadyExists") as taken:
        store.create(CONFIG_MAP, config_map("one"))
    assert taken.value.message == 'configmaps "one" already exists'
    with refused(404, "NotFound") as missing:
        store.create(CONFIG_MAP, config_map("one", namespace="nowhere"))
    assert missing.value.message == 'namespaces "nowhere" not found'


def test_callers_share_no_tree_with_the_store(store: KubeStore) -> None:
    body = config_map("one")
    made = store.create(CONFIG_MAP, body)
    body["data"]["key"] = "changed"
    made["data"]["key"] = "changed"
    read = store.get(CONFIG_MAP, "one", "default")
    assert read is not None
    read["data"]["key"] = "changed"
    assert store.list(CONFIG_MAP, "default")[0]["data"] == {"key": "value"}


def test_a_stale_update_conflicts(store: KubeStore) -> None:
    stale = store.create(CONFIG_MAP, config_map("one"))
    store.replace(CONFIG_MAP, {**stale, "data": {"key": "second"}})
    with refused(409, "Conflict") as error:
        store.replace(CONFIG_MAP, {**stale, "data": {"key": "third"}})
    assert error.value.message == (
        'Operation cannot be fulfilled on configmaps "one": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    with refused(409, "Conflict"):
        store.patch(
            CONFIG_MAP, "one", {"metadata": {"resourceVersion": stale["metadata"]["resourceVersion"]}}, "default"
        )


def test_an_update_that_changes_nothing_keeps_the_version(store: KubeStore) -> None:
    made = store.create(CONFIG_MAP, config_map("one"))
    before = store.storage.version
    assert store.replace(CONFIG_MAP, made) == made
    assert store.patch(CONFIG_MAP, "one", {"data": {"key": "value"}}, "default") == made
    assert store.storage.version == before


def test_an_update_without_version_is_for_those_types_that_allow_it(store: KubeStore) -> None:
    store.create(CONFIG_MAP, config_map("one"))
    assert store.replace(CONFIG_MAP, config_map("one", {"key": "new"}))["data"] == {"key": "new"}
    lease = {"metadata": {"name": "one", "namespace": "default"}, "spec": {}}
    store.create(LEASE, lease)
    with refused(422, "Invalid") as error:
        store.replace(LEASE, lease)
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in error.value.message


def test_generation_counts_changes_of_the_spec(store: KubeStore, web_deployment: Manifest) -> None:
    def patch(body: Any, **more: Any) -> int:
        return int(store.patch(DEPLOYMENT, "web", body, "default", **more)["metadata"]["generation"])

    assert store.create(DEPLOYMENT, web_deployment)["metadata"]["generation"] == 1
    assert patch({"metadata": {"labels": {"a": "b"}}}) == 1
    assert patch({"status": {"replicas": 2}}, subresource="status") == 1
    assert patch({"spec": {"replicas": 3}}) == 2
    # Upstream counts the annotations of Deployments, and of nothing else.
    assert patch({"metadata": {"annotations": {"a": "b"}}}) == 3


def test_spec_and_status_are_written_apart(store: KubeStore) -> None:
    store.create(CRD, widget_definition())
    made = store.create(WIDGET, {**widget("one", size=1), "status": {"seen": True}})
    assert "status" not in made
    made = store.patch(WIDGET, "one", {"spec": {"size": 9}, "status": {"seen": 1}}, "default", subresource="status")
    assert (made["spec"], made["status"], made["metadata"]["generation"]) == ({"size": 1}, {"seen": 1}, 1)
    made = store.patch(WIDGET, "one", {"spec": {"size": 2}, "status": {"seen": 2}}, "default")
    assert (made["spec"], made["status"], made["metadata"]["generation"]) == ({"size": 2}, {"seen": 1}, 2)
    store.patch(WIDGET, "one", {"metadata": {"labels": {"a": "b"}}}, "default", subresource="status")
    labelled = store.patch(WIDGET, "one", {"metadata": {"labels": {"c": "d"}}}, "default")
    assert labelled["metadata"]["labels"] == {"c": "d"}
    assert labelled["metadata"]["generation"] == 2


def test_a_node_keeps_the_status_it_registers_with(store: KubeStore) -> None:
    made = store.create(NODE, {"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "2"}}})
    assert made["status"]["capacity"] == {"cpu": "2"}
    assert made["status"]["nodeInfo"]["kubeletVersion"] == ""
    assert store.create(POD, {**pod("p"), "status": {"phase": "Running"}})["status"]["phase"] == "Pending"


def test_a_definition_is_served_at_once_and_established(store: KubeStore) -> None:
    with refused(404, "NotFound"):
        store.list(WIDGET)
    store.create(CRD, widget_definition())
    definition = store.get(CRD, "widgets.example.org")
    assert definition is not None
    assert {each["type"]: each["status"] for each in definition["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    store.create(WIDGET, widget("one", size=1))
    older = Kind("example.org", "v1beta1", "Widget", "widgets")
    shown = store.get(older, "one", "default")
    assert shown is not None
    assert shown["apiVersion"] == "example.org/v1beta1"
    assert store.patch(older, "one", {"spec": {"size": 2}}, "default")["spec"] == {"size": 2}
    assert store.list(WIDGET)[0]["apiVersion"] == "example.org/v1"
    store.delete(CRD, "widgets.example.org")
    with refused(404, "NotFound"):
        store.list(WIDGET)


def test_both_groups_show_the_same_events(store: KubeStore) -> None:
    event = {
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Node", "name": "n"},
        "message": "hello",
        "reason": "Test",
    }
    store.create(EVENT, event)
    events = Kind("events.k8s.io", "v1", "Event", "events")
    (shown,) = store.list(events, "default", fields="regarding.name=n")
    assert (shown["apiVersion"], shown["note"], shown["regarding"]["name"]) == ("events.k8s.io/v1", "hello", "n")
    store.create(
        events, {"metadata": {"name": "f", "namespace": "default"}, "regarding": {"name": "m"}, "note": "there"}
    )
    (shown,) = store.list(EVENT, "default", fields="involvedObject.name=m")
    assert (shown["apiVersion"], shown["message"]) == ("v1", "there")


def test_events_are_forgotten_after_an_hour(store: KubeStore, clock: Any) -> None:
    for name in ("a", "b", "c"):
        store.create(EVENT, {"metadata": {"name": name, "namespace": "default"}, "involvedObject": {}})
        clock.time += 1900
    assert [each["metadata"]["name"] for each in store.list(EVENT)] == ["b", "c"]


def test_admission_defaults_and_refuses(store: KubeStore) -> None:
    seen: list[tuple[str, bool]] = []

    def hook(operation: Operation, kind: Kind, old: Manifest | None, new: Manifest) -> Manifest:
        seen.append((operation, old is not None))
        if new["spec"].get("clusterIP") == "bad":
            raise forbidden(kind.group, kind.plural, new["metadata"]["name"], "no such address")
        new["spec"].setdefault("clusterIP", "10.0.0.1")
        new["spec"].setdefault("clusterIPs", [new["spec"]["clusterIP"]])
        return new

    store.admission.register("", "services", hook)
    service: Manifest = {"metadata": {"name": "s", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
    assert store.create(SERVICE, service)["spec"]["clusterIP"] == "10.0.0.1"
    store.patch(SERVICE, "s", {"metadata": {"labels": {"a": "b"}}}, "default")
    store.patch(
        SERVICE, "s", {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}, "default", subresource="status"
    )
    assert seen == [("CREATE", False), ("UPDATE", True)]
    service["metadata"]["name"] = "t"
    service["spec"]["clusterIP"] = "bad"
    with refused(403, "Forbidden") as error:
        store.create(SERVICE, service)
    assert error.value.message == 'services "t" is forbidden: no such address'
    assert store.get(SERVICE, "t", "default") is None


def test_upsert_writes_spec_and_status_whatever_is_there(store: KubeStore) -> None:
    store.create(CRD, widget_definition())
    for size in (1, 2):
        made = store.upsert(WIDGET, {**widget("one", size=size), "status": {"size": size}})
        assert (made["spec"], made["status"]) == ({"size": size}, {"size": size})
    assert store.upsert(NAMESPACE, {"metadata": {"name": "default"}})["status"] == {"phase": "Active"}


def test_a_snapshot_restores_everything(store: KubeStore, clock: Any) -> None:
    store.create(CRD, widget_definition())
    store.create(WIDGET, widget("one", size=1))
    owner = store.create(CONFIG_MAP, config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    store.create(CONFIG_MAP, config_map("owned", ownerReferences=[reference]))
    store.delete(CONFIG_MAP, "nothing", "default")
    snapshot = store.snapshot()
    other = KubeStore(clock, Chance(7))
    other.create(CONFIG_MAP, config_map("stray"))
    other.restore(snapshot)
    assert other.snapshot() == snapshot
    assert other.list(WIDGET) == store.list(WIDGET)
    other.delete(CONFIG_MAP, "owner", "default")
    assert other.list(CONFIG_MAP, "default") == []
    assert (
        store.create(CONFIG_MAP, config_map("x"))["metadata"]["uid"]
        == (other.create(CONFIG_MAP, config_map("x"))["metadata"]["uid"])
    )
