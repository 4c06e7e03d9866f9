"""Deletion: grace periods, finalizers, owners, namespaces."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from dualstack.model.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, REPLICA_SET, Manifest
from dualstack_sim.kube.deletion import DeleteOptions
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from tests.sim.kube.objects import config_map, pod


def owner_of(manifest: Manifest, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "name": manifest["metadata"]["name"],
        "uid": manifest["metadata"]["uid"],
        **more,
    }


def names(store: KubeStore) -> list[str]:
    return [each["metadata"]["name"] for each in store.list(CONFIG_MAP, "default")]


def test_a_pod_on_a_node_waits_for_its_kubelet(store: KubeStore, clock: Any) -> None:
    store.create(POD, pod("p", node="n"))
    store.delete(POD, "p", "default")
    waiting = store.get(POD, "p", "default")
    assert waiting is not None
    assert waiting["metadata"]["deletionGracePeriodSeconds"] == 30
    assert waiting["metadata"]["deletionTimestamp"] == "2025-06-15T15:07:10Z"
    clock.time += 5
    store.delete(POD, "p", "default", grace=60)
    assert store.get(POD, "p", "default") == waiting
    store.delete(POD, "p", "default", grace=10)
    shortened = store.get(POD, "p", "default")
    assert shortened is not None
    assert shortened["metadata"]["deletionTimestamp"] == "2025-06-15T15:06:55Z"
    store.delete(POD, "p", "default", grace=0)
    assert store.get(POD, "p", "default") is None


def test_pods_that_no_kubelet_runs_go_at_once(store: KubeStore) -> None:
    store.create(POD, pod("unbound"))
    store.delete(POD, "unbound", "default")
    store.create(POD, pod("ended", node="n"))
    store.patch(POD, "ended", {"status": {"phase": "Succeeded"}}, "default", subresource="status")
    store.delete(POD, "ended", "default")
    assert store.list(POD) == []


def test_finalizers_hold_an_object_until_the_last_is_removed(store: KubeStore) -> None:
    store.create(CONFIG_MAP, config_map("one", finalizers=["a/b", "c/d"]))
    store.delete(CONFIG_MAP, "one", "default")
    with pytest.raises(StatusError, match="no new finalizers can be added if the object is being deleted"):
        store.patch(CONFIG_MAP, "one", {"metadata": {"finalizers": ["a/b", "c/d", "e/f"]}}, "default")
    store.patch(CONFIG_MAP, "one", {"metadata": {"finalizers": ["c/d"]}}, "default")
    assert names(store) == ["one"]
    store.patch(CONFIG_MAP, "one", {"metadata": {"finalizers": None}}, "default")
    assert names(store) == []


def test_a_finalizer_outlives_the_kubelet(store: KubeStore) -> None:
    store.create(POD, pod("p", node="n", finalizers=["a/b"]))
    store.delete(POD, "p", "default")
    store.patch(POD, "p", {"metadata": {"finalizers": []}}, "default")
    assert store.get(POD, "p", "default") is not None, "the grace period is not over"
    store.delete(POD, "p", "default", grace=0)
    assert store.get(POD, "p", "default") is None


def test_preconditions_protect_from_deleting_another_object(store: KubeStore) -> None:
    made = store.create(CONFIG_MAP, config_map("one"))
    target = store.target(CONFIG_MAP, "default", "one")
    with pytest.raises(StatusError, match=r"the UID in the precondition \(other\) does not match") as refusal:
        store.deletion.delete(target.resource, "default", "one", DeleteOptions(uid="other"))
    assert refusal.value.code == 409
    _, gone = store.deletion.delete(target.resource, "default", "one", DeleteOptions(uid=made["metadata"]["uid"]))
    assert gone


def test_dependents_go_with_their_last_owner(store: KubeStore, web_deployment: Manifest) -> None:
    deployment = store.create(DEPLOYMENT, web_deployment)
    replica_set = {
        **web_deployment,
        "metadata": {**web_deployment["metadata"], "ownerReferences": [owner_of(deployment)]},
    }
    replica_set = store.create(REPLICA_SET, {**replica_set, "kind": "ReplicaSet"})
    store.create(POD, pod("unbound", ownerReferences=[owner_of(replica_set)]))
    store.create(POD, pod("bound", node="n", ownerReferences=[owner_of(replica_set)]))
    store.delete(DEPLOYMENT, "web", "default")
    assert store.list(REPLICA_SET) == []
    (left,) = store.list(POD)
    assert left["metadata"]["name"] == "bound"
    assert "deletionTimestamp" in left["metadata"]


def test_one_of_two_owners_is_enough(store: KubeStore) -> None:
    first, second = (store.create(CONFIG_MAP, config_map(name)) for name in ("first", "second"))
    store.create(CONFIG_MAP, config_map("owned", ownerReferences=[owner_of(first), owner_of(second)]))
    store.delete(CONFIG_MAP, "first", "default")
    owned = store.get(CONFIG_MAP, "owned", "default")
    assert owned is not None
    assert [each["name"] for each in owned["metadata"]["ownerReferences"]] == ["second"]
    store.delete(CONFIG_MAP, "second", "default")
    assert names(store) == []


def test_a_dependent_without_an_existing_owner_is_collected(store: KubeStore) -> None:
    gone = store.create(CONFIG_MAP, config_map("gone"))
    store.delete(CONFIG_MAP, "gone", "default")
    store.create(CONFIG_MAP, config_map("late", ownerReferences=[owner_of(gone)]))
    assert names(store) == []


def test_orphans_stay(store: KubeStore) -> None:
    owner = store.create(CONFIG_MAP, config_map("owner"))
    store.create(CONFIG_MAP, config_map("owned", ownerReferences=[owner_of(owner)]))
    store.delete(CONFIG_MAP, "owner", "default", propagation="Orphan")
    (orphan,) = store.list(CONFIG_MAP, "default")
    assert "ownerReferences" not in orphan["metadata"]


def test_in_the_foreground_the_owner_goes_last(store: KubeStore) -> None:
    owner = store.create(CONFIG_MAP, config_map("owner"))
    store.create(POD, pod("p", node="n", ownerReferences=[owner_of(owner, blockOwnerDeletion=True)]))
    store.delete(CONFIG_MAP, "owner", "default", propagation="Foreground")
    waiting = store.get(CONFIG_MAP, "owner", "default")
    assert waiting is not None
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    store.delete(POD, "p", "default", grace=0)
    assert names(store) == []


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")], ids=str)
async def test_an_owner_waits_for_the_garbage_collector_before_it_goes(
    store: KubeStore, http: aiohttp.ClientSession, policy: str, finalizer: str
) -> None:
    """As upstream, the answer is the object with the finalizer, also for a dry run and without a dependent."""
    store.create(CONFIG_MAP, config_map("owner"))
    path, steps = CONFIG_MAP.item("owner", "default"), list[tuple[str, Any]]()
    store.listen(lambda _, change: steps.append((change.type, change.object.metadata.get("finalizers"))))
    for dry_run, left in ((["All"], ["owner"]), ([], [])):
        async with http.delete(path, json={"propagationPolicy": policy, "dryRun": dry_run}) as answer:
            metadata = (await answer.json())["metadata"]
        assert metadata["finalizers"] == [finalizer]
        assert "deletionTimestamp" in metadata
        assert names(store) == left
    assert steps == [("MODIFIED", [finalizer]), ("MODIFIED", None), ("DELETED", None)]


def test_a_namespace_takes_its_content_with_it(store: KubeStore) -> None:
    store.create(NAMESPACE, {"metadata": {"name": "shop"}})
    store.create(CONFIG_MAP, config_map("one", namespace="shop"))
    store.create(POD, pod("p", node="n", namespace="shop"))
    store.delete(NAMESPACE, "shop")
    ending = store.get(NAMESPACE, "shop")
    assert ending is not None
    assert ending["status"]["phase"] == "Terminating"
    assert store.list(CONFIG_MAP, "shop") == []
    with pytest.raises(StatusError, match="because it is being terminated") as refusal:
        store.create(CONFIG_MAP, config_map("two", namespace="shop"))
    assert refusal.value.code == 403
    store.delete(POD, "p", "shop", grace=0)
    assert store.get(NAMESPACE, "shop") is None
