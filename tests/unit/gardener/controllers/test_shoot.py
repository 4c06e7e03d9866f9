"""What a Shoot needs, who is rolled and when, and the order of the DNS migration."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clusters import one_api_server
from tests.support.manifests import cluster_dns_of
from tests.unit.gardener.controllers.migration import EXAMPLE, GOLDEN, Migration
from tests.unit.gardener.controllers.scripted_world import NS

from dualstack.gardener.controllers.shoot import ShootController
from dualstack.gardener.controllers.shoot.controller import Due, due
from dualstack.gardener.controllers.shoot.node_replacement import operation_for, pools_to_request, requested_pools
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.model import kinds
from dualstack.model.errors import InvalidInput
from dualstack.model.events import StepFailed
from dualstack.model.kinds import Manifest
from dualstack_sim.kube.storage import Change
from dualstack_sim.kube.types import ResourceType

REST: Manifest = {
    "metadata": {"name": "bar", "generation": 2},
    "spec": {"provider": {"type": "gcp"}},
    "status": {"observedGeneration": 2, "lastOperation": {"state": "Succeeded"}},
}


def _with(base: Any, change: Any) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{key: _with(base.get(key), value) for key, value in change.items()}}
    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Due.NOTHING),
        ({"metadata": {"generation": 3}}, Due.RUN),
        ({"metadata": {"annotations": {"gardener.cloud/operation": "retry"}}}, Due.RUN),
        ({"metadata": {"annotations": {"gardener.cloud/operation": "rollout-workers=w1"}}}, Due.RUN),
        ({"metadata": {"annotations": {"gardener.cloud/operation": "rotate-etcd-encryption-key"}}}, Due.NOTHING),
        ({"status": {"lastOperation": {"state": "Processing"}}}, Due.RUN),
        ({"status": {"lastOperation": {"state": "Error"}}}, Due.RUN),
        ({"status": {"lastOperation": {"state": "Failed"}}}, Due.NOTHING),
        ({"status": {"lastOperation": {"state": "Failed"}}, "metadata": {"generation": 3}}, Due.RUN),
        ({"status": {"constraints": [{"type": "HibernationPossible"}]}}, Due.NOTHING),
        ({"status": {"constraints": [{"type": "DNSServiceMigrationReady"}]}}, Due.LOOK),
        ({"metadata": {"generation": 3, "deletionTimestamp": "2027-01-15T08:00:00Z"}}, Due.NOTHING),
        ({"metadata": {"generation": 3}, "spec": {"provider": {"type": "aws"}}}, Due.NOTHING),
    ],
)
def test_what_is_due_stands_in_the_shoot(change: Manifest, expected: Due) -> None:
    assert due(_with(REST, change)) is expected


def _view(*pools: str) -> ShootView:
    shoot = load_shoot(EXAMPLE.read_text())
    first = shoot["spec"]["provider"]["workers"][0]
    shoot["spec"]["provider"]["workers"] = [{**first, "name": name} for name in pools]
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4", "IPv6"]
    return ShootView.of(shoot)


def test_pools_are_named_or_all() -> None:
    view = _view("w1", "w2")
    assert requested_pools(view, "rollout-workers=*") == ("w1", "w2")
    assert requested_pools(view, "rollout-workers=w2, w1") == ("w2", "w1")


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("rollout-workers=", "Required value"),
        ("rollout-workers=w3", 'Invalid value: "w3": worker pool does not exist'),
        ("rollout-workers=w1,w1", "Duplicate value"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(operation: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        requested_pools(_view("w1"), operation)


async def test_a_refused_request_goes_and_leaves_word() -> None:
    migration = Migration()
    change = {"metadata": {"annotations": {"gardener.cloud/operation": "rollout-workers=none"}}}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", change, "garden-foo")
    await migration.until_rest()
    shoot = migration.shoot()
    assert "gardener.cloud/operation" not in shoot["metadata"].get("annotations", {})
    assert "worker pool does not exist" in shoot["status"]["lastErrors"][0]["description"]
    assert shoot["status"]["lastOperation"]["state"] == "Succeeded"
    assert [event.final for event in migration.events if isinstance(event, StepFailed)] == [True]
    assert all(kind in ("Shoot", "Event") for _, kind, _ in migration.world.kube.writes)


def _node(name: str, pool: str, created: str, *cidrs: str) -> Manifest:
    metadata = {"name": name, "creationTimestamp": created, "labels": {"worker.gardener.cloud/pool": pool}}
    return {"metadata": metadata, "spec": {"podCIDRs": list(cidrs)}}


def _deployment(pool: str, requested: str | None) -> Manifest:
    annotations = {"rollout-workers": requested} if requested else {}
    return {
        "metadata": {"name": f"{NS}-{pool}-z1"},
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    }


BEFORE, REQUEST, AFTER = "2027-01-15T08:00:00Z", "2027-01-15T09:00:00Z", "2027-01-15T10:00:00Z"


@pytest.mark.parametrize(
    ("created", "cidrs", "requested", "expected"),
    [
        (BEFORE, ["100.96.0.0/24"], None, ("w1",)),
        (BEFORE, ["100.96.0.0/24"], REQUEST, ()),
        (AFTER, ["100.96.0.0/24"], REQUEST, ("w1",)),
        (BEFORE, [], None, ()),
        (BEFORE, ["100.96.0.0/24", "2600::/112"], None, ()),
        (BEFORE, ["100.96.0.0/24"], "rubbish", ("w1",)),
    ],
)
def test_a_pool_is_requested_when_no_request_meant_its_nodes(
    created: str, cidrs: list[str], requested: str | None, expected: tuple[str, ...]
) -> None:
    nodes = [_node("n", "w1", created, *cidrs)]
    assert pools_to_request(_view("w1"), nodes, [], [_deployment("w1", requested)]) == expected


def test_the_machine_is_older_than_its_node() -> None:
    """A Node that registers after the request, of a machine made before it, is replaced by that very request."""
    machine = {"metadata": {"name": "n", "creationTimestamp": BEFORE}}
    nodes = [_node("n", "w1", AFTER, "100.96.0.0/24")]
    assert pools_to_request(_view("w1"), nodes, [machine], [_deployment("w1", REQUEST)]) == ()


def test_a_star_requests_all_pools() -> None:
    view = _view("w1", "w2")
    assert operation_for(view, ("w1", "w2")) == "rollout-workers=*"
    assert operation_for(view, ("w2",)) == "rollout-workers=w2"


async def test_dns_is_served_before_it_is_published_and_published_before_it_is_done() -> None:
    """Pods, then True, then the Service, then the kubelets, then the constraint is removed.

    docs/reference/weaknesses.md#w26, docs/reference/weaknesses.md#w46
    """
    migration = Migration()
    order: list[str] = []

    def see(resource: ResourceType, change: Change) -> None:
        manifest: Any = change.object.manifest
        name = manifest["metadata"]["name"]
        if resource.plural == "services" and name == "kube-dns" and len(manifest["spec"]["clusterIPs"]) == 2:
            order.append("service")
        elif resource.plural == "operatingsystemconfigs" and len(cluster_dns_of(manifest)) == 2:
            order.append("kubelets")
        elif resource.plural == "pods" and len(manifest.get("status", {}).get("podIPs", ())) == 2:
            order.append("pods")
        elif resource.plural == "shoots":
            entries = {entry["type"]: entry["status"] for entry in manifest["status"].get("constraints") or ()}
            order.append(f"dns {entries.get('DNSServiceMigrationReady')}")

    migration.world.store.listen(see)
    migration.trigger()
    await migration.until_rest()
    first: list[str] = list(dict.fromkeys(order))
    assert first == ["dns None", "dns Progressing", "pods", "dns True", "service", "kubelets"]
    served = order[order.index("service") :]
    assert [word for word in dict.fromkeys(served) if word != "dns True"] == ["service", "kubelets", "dns None"]
    assert migration.constraints == GOLDEN


async def test_a_request_before_the_classes_are_ready_rolls_afterwards() -> None:
    """Earlier, new machines would be single-stack again (docs/reference/gardener.md#rollout-too-early)."""
    migration = Migration(rollout="manual")
    migration.trigger()
    change = {"metadata": {"annotations": {"gardener.cloud/operation": "rollout-workers=*"}}}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", change, "garden-foo")
    await migration.until_rest()
    assert migration.constraints == GOLDEN
    nodes = migration.world.store.list(kinds.NODE)
    assert len(nodes) == 3
    assert all(len(node["spec"]["podCIDRs"]) == 2 for node in nodes)


def test_the_roll_out_mode_is_checked() -> None:
    migration = Migration()
    with pytest.raises(InvalidInput, match="Unsupported value"):
        ShootController(
            one_api_server(migration.world.kube), migration.world.clock, migration.events.append, rollout="never"
        )


async def test_cloud_controller_manager_stays_away_while_the_infrastructure_is_changed() -> None:
    """Both annotations are removed, but only at rest (docs/reference/gardener.md#ccm-returns)."""
    migration = Migration()
    store = migration.world.store
    ours = "gcp.provider.extensions.gardener.cloud/remove-ignore"
    theirs = "resources.gardener.cloud/ignore"
    marks = {"metadata": {"annotations": {ours: "true", theirs: "true"}}}
    store.patch(gardener_kinds.MANAGED_RESOURCE, "extension-controlplane-seed", marks, NS)
    busy = {"status": {"lastOperation": {"state": "Processing"}}}
    store.patch(gardener_kinds.INFRASTRUCTURE, "bar", busy, NS, subresource="status")
    store.patch(
        gardener_kinds.CONTROL_PLANE,
        "bar",
        {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}},
        NS,
    )
    controller = migration.world.controller(gardener_kinds.CONTROL_PLANE)
    assert await controller.reconcile("bar", NS) == 15.0
    assert migration.get(gardener_kinds.MANAGED_RESOURCE, "extension-controlplane-seed")["metadata"]["annotations"] == {
        ours: "true",
        theirs: "true",
    }
    rest = {"status": {"lastOperation": {"state": "Succeeded"}}}
    store.patch(gardener_kinds.INFRASTRUCTURE, "bar", rest, NS, subresource="status")
    assert await controller.reconcile("bar", NS) is None
    metadata = migration.get(gardener_kinds.MANAGED_RESOURCE, "extension-controlplane-seed")["metadata"]
    assert not metadata.get("annotations")


async def test_a_resource_that_another_client_marked_as_ignored_stays_ignored() -> None:
    migration = Migration()
    store = migration.world.store
    mark = {"metadata": {"annotations": {"resources.gardener.cloud/ignore": "true"}}}
    store.patch(gardener_kinds.MANAGED_RESOURCE, "extension-controlplane-seed", mark, NS)
    ask = {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}}
    store.patch(gardener_kinds.CONTROL_PLANE, "bar", ask, NS)
    assert await migration.world.controller(gardener_kinds.CONTROL_PLANE).reconcile("bar", NS) is None
    metadata = migration.get(gardener_kinds.MANAGED_RESOURCE, "extension-controlplane-seed")["metadata"]
    assert metadata["annotations"] == {"resources.gardener.cloud/ignore": "true"}


PROXY = ("shoot-core-kube-proxy", NS)


def _with_cilium() -> Manifest:
    """A Shoot whose network plugin can replace kube-proxy; the garden does not accept it with Calico."""
    shoot = load_shoot(EXAMPLE.read_text())
    shoot["spec"]["networking"] |= {"type": "cilium", "providerConfig": {"overlay": {"enabled": False}}}
    return shoot


async def test_a_cluster_without_kube_proxy_gets_none() -> None:
    shoot = _with_cilium()
    shoot["spec"]["kubernetes"]["kubeProxy"]["enabled"] = False
    migration = Migration(shoot=shoot)
    migration.trigger()
    await migration.until_rest()
    assert migration.constraints == GOLDEN
    for kind in (gardener_kinds.MANAGED_RESOURCE, kinds.SECRET):
        assert migration.world.store.get(kind, *PROXY) is None
    assert "update-kube-proxy" not in migration.steps()


async def test_kube_proxy_goes_when_it_is_switched_off() -> None:
    migration = Migration(shoot=_with_cilium())
    off = {"spec": {"kubernetes": {"kubeProxy": {"enabled": False}}}}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", off, "garden-foo")
    await migration.until_rest()
    for kind in (gardener_kinds.MANAGED_RESOURCE, kinds.SECRET):
        assert migration.world.store.get(kind, *PROXY) is None
    assert migration.shoot()["status"]["lastOperation"]["state"] == "Succeeded"
