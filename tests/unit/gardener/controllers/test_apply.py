"""Laying what is wanted over what is there."""

from __future__ import annotations

import pytest
from tests.support.store_kube import StoreKube
from tests.unit.gardener.controllers.migration import Migration
from tests.unit.gardener.controllers.scripted_world import NS, ScriptedClock
from tests.unit.model import golden

from dualstack.gardener.controllers.rollout import apply_managed, daemon_set_missing, deployment_missing
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.gardener.model.networks import networks
from dualstack.gardener.render import kube_proxy
from dualstack.kube.apply import apply, difference, merge_patch
from dualstack.kube.interface import Conflict
from dualstack.model.kinds import CONFIG_MAP, NAMESPACE, SECRET, Kind, Manifest
from dualstack.model.parts import Part
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore


def test_defaults_of_the_server_are_kept() -> None:
    live = {"spec": {"replicas": 1, "template": {"containers": [{"name": "a", "image": "1", "pull": "Always"}]}}}
    wanted = {"spec": {"template": {"containers": [{"name": "a", "image": "1"}]}}}
    assert difference(live, wanted) == {}


def test_a_named_entry_is_merged_and_the_list_sent_whole() -> None:
    live = {"spec": {"containers": [{"name": "a", "image": "1", "pull": "Always"}, {"name": "sidecar"}]}}
    wanted = {"spec": {"containers": [{"name": "a", "image": "2"}, {"name": "b"}]}}
    merged = [{"name": "a", "image": "2", "pull": "Always"}, {"name": "sidecar"}, {"name": "b"}]
    assert difference(live, wanted) == {"spec": {"containers": merged}}


def test_a_list_without_names_is_replaced() -> None:
    live = {"spec": {"command": ["x", "--a=1", "--b=2"]}}
    assert difference(live, {"spec": {"command": ["x", "--a=1"]}}) == {"spec": {"command": ["x", "--a=1"]}}


def test_keys_that_an_edit_removes_go_and_other_keys_stay() -> None:
    assert merge_patch({"data": {"old": "1", "same": "2"}}, {"data": {"same": "2"}}) == {"data": {"old": None}}
    assert merge_patch({"data": {"a": "1"}}, {"data": {"a": "1", "b": "2"}}) == {"data": {"b": "2"}}
    assert difference({"data": {"old": "1"}}, {"data": {"new": "2"}}) == {"data": {"new": "2"}}


def test_metadata_of_others_and_status_stay() -> None:
    live = {"metadata": {"name": "x", "resourceVersion": "7", "labels": {"a": "b"}}, "status": {"c": 1}}
    wanted = {"metadata": {"name": "x", "labels": {"d": "e"}}, "status": {"c": 2}}
    assert difference(live, wanted) == {"metadata": {"labels": {"d": "e"}}}


def _part(value: str) -> Part:
    """A ConfigMap of which only key `ours` matters."""
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "one"}}
    return Part({**item, "data": {"ours": value}}, lambda live: {**live, "data": {**live["data"], "ours": value}})


def _store() -> KubeStore:
    store = KubeStore(ScriptedClock(), Chance(1))
    store.create(NAMESPACE, {"metadata": {"name": "one"}})
    return store


async def test_apply_creates_then_changes_then_does_nothing() -> None:
    store = _store()
    kube = StoreKube(store)
    assert await apply(kube, CONFIG_MAP, _part("1"))
    assert not await apply(kube, CONFIG_MAP, _part("1"))
    store.patch(CONFIG_MAP, "x", {"data": {"theirs": "kept"}}, "one")
    assert await apply(kube, CONFIG_MAP, _part("2"))
    assert (store.get(CONFIG_MAP, "x", "one") or {})["data"] == {"ours": "2", "theirs": "kept"}
    assert [verb for verb, _, _ in kube.writes] == ["create", "patch"]


class _Racing(StoreKube):
    """Another writer changes the object between each read and the write after it, `times` times."""

    def __init__(self, store: KubeStore, times: int) -> None:
        super().__init__(store)
        self.times = times

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        found = await super().get(kind, name, namespace)
        if found is not None and self.times:
            self.times -= 1
            self._store.patch(kind, name, {"data": {f"theirs-{self.times}": "kept"}}, namespace)
        return found


async def test_p05_a_patch_never_overwrites_what_another_writer_changed_meanwhile() -> None:
    store = _store()
    store.create(CONFIG_MAP, _part("1").new)
    kube = _Racing(store, times=3)

    assert await apply(kube, CONFIG_MAP, _part("2"))

    assert (store.get(CONFIG_MAP, "x", "one") or {})["data"] == {
        "ours": "2",
        **{f"theirs-{index}": "kept" for index in range(3)},
    }
    with pytest.raises(Conflict):
        await apply(_Racing(store, times=9), CONFIG_MAP, _part("3"))


DONE = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, None),
        ({"observedGeneration": 2}, "observed"),
        ({"updatedReplicas": 1}, "1 of 2 replicas are updated"),
        ({"replicas": 3}, "1 old replicas"),
        ({"availableReplicas": 0}, "0 of 2 replicas are available"),
    ],
)
def test_a_deployment_says_what_it_lacks(status: Manifest, words: str | None) -> None:
    deployment = {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": {**DONE, **status}}
    missing = deployment_missing(deployment)
    assert missing is None if words is None else words in str(missing)


def test_pods_on_nodes_that_are_not_ready_delay_nothing() -> None:
    status = {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2, "observedGeneration": 1}
    daemon_set = {"metadata": {"generation": 1}, "status": status}
    assert daemon_set_missing(daemon_set) == "2 of 3 pods are available"
    assert daemon_set_missing(daemon_set, nodes_not_ready=1) is None
    stale = {**daemon_set, "status": {**status, "updatedNumberScheduled": 1}}
    assert daemon_set_missing(stale, nodes_not_ready=1) == "1 of 3 pods are updated"


async def test_p05_an_immutable_secret_of_a_managed_resource_is_replaced_by_one_of_the_same_owner() -> None:
    kube, dual = Migration().world.kube, golden.view_in("P2")
    made = await kube.create(
        CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": NS}}
    )
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": made["metadata"]["uid"]}
    metadata = {"labels": {"vendor": "kept"}, "annotations": {"vendor": "kept"}, "ownerReferences": [owner]}
    await kube.patch(SECRET, "shoot-core-kube-proxy", {"immutable": True, "metadata": metadata}, NS)
    before = await kube.get(SECRET, "shoot-core-kube-proxy", NS)

    await apply_managed(kube, "shoot-core-kube-proxy", NS, kube_proxy.objects(dual, networks(dual)))

    resource = await kube.get(MANAGED_RESOURCE, "shoot-core-kube-proxy", NS)
    assert resource is not None
    (reference,) = resource["spec"]["secretRefs"]
    after = await kube.get(SECRET, reference["name"], NS)
    assert after is not None
    assert reference["name"] != "shoot-core-kube-proxy"
    assert after["immutable"] is True
    assert after["metadata"].items() >= metadata.items()
    assert await kube.get(SECRET, "shoot-core-kube-proxy", NS) == before
