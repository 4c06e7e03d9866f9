"""Saved routes survive a crash, are read back, and are removed only when done (docs/reference/weaknesses.md#w11)."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.support.store_kube import StoreKube
from tests.unit.gardener.controllers.infrastructure.shoots import NS

from dualstack.clock import ScaledClock
from dualstack.gardener.controllers.cloud_controller_manager import CloudControllerManager
from dualstack.gardener.controllers.infrastructure.record import InfrastructureRecord
from dualstack.gardener.model.infrastructure import API_VERSION, SavedRoute
from dualstack.gardener.model.kinds import INFRASTRUCTURE, MANAGED_RESOURCE
from dualstack.kube.apply import ATTEMPTS
from dualstack.kube.interface import Conflict, NotFound
from dualstack.model.errors import GateFailed
from dualstack.model.kinds import CRD, DEPLOYMENT, NAMESPACE, POD, Kind, Manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions

A, B, C = (SavedRoute(f"{NS}-{letter}", f"100.96.{number}.0/24", "z") for number, letter in enumerate("abc"))
CLOCK = ScaledClock(time.time(), 10_000)


class Kube(StoreKube):
    """The store, and what may go wrong with a write to a status."""

    conflicts = 0
    forgets = False
    meanwhile: Awaitable[None] | None = None
    """What another writer does between a read and the write that follows."""

    async def patch(self, kind: Kind, name: str, body: Any, namespace: str | None = None, **options: Any) -> Manifest:
        if self.meanwhile is not None:
            other, self.meanwhile = self.meanwhile, None
            await other
        if self.conflicts and kind is INFRASTRUCTURE:
            self.conflicts -= 1
            raise Conflict("the object has been modified")
        if self.forgets and kind is INFRASTRUCTURE:
            found = await self.get(kind, name, namespace)
            assert found is not None
            return found
        return await super().patch(kind, name, body, namespace, **options)


@pytest.fixture
def store() -> KubeStore:
    made = KubeStore(CLOCK, Chance(1))
    for definition in definitions():
        made.create(CRD, definition)
    made.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}})
    return made


@pytest.fixture
def kube(store: KubeStore) -> Kube:
    manifest = {"metadata": {"name": "bar", "namespace": NS}, "spec": {"type": "gcp"}}
    api = {"apiVersion": INFRASTRUCTURE.api_version, "kind": INFRASTRUCTURE.kind}
    store.upsert(INFRASTRUCTURE, api | manifest | {"status": {"state": {"data": {"resources_exist": "true"}}}})
    return Kube(store)


@pytest.fixture
def record(kube: Kube) -> InfrastructureRecord:
    return InfrastructureRecord(kube, "bar", NS)


async def raw_state(record: InfrastructureRecord) -> dict[str, Any]:
    state: dict[str, Any] = (await record.read())["status"]["state"]
    return state


async def test_saved_routes_are_added_once_and_stay(record: InfrastructureRecord) -> None:
    await record.add_routes((A, B))
    await record.add_routes((B, C))
    assert (await record.state()).routes == (A, B, C)
    state = await raw_state(record)
    assert state["apiVersion"] == API_VERSION
    assert state["kind"] == "InfrastructureState"
    assert state["routes"][0] == {"instanceName": f"{NS}-a", "destinationCIDR": "100.96.0.0/24", "zone": "z"}


async def test_w13_only_what_is_done_leaves_and_an_empty_list_is_left_out(record: InfrastructureRecord) -> None:
    await record.add_routes((A, B, C))
    await record.remove_routes(lambda route: route == B)
    assert (await record.state()).routes == (A, C)
    await record.remove_routes(lambda route: True)
    assert "routes" not in await raw_state(record)


async def test_keys_of_the_data_are_merged_and_written_only_when_they_differ(
    record: InfrastructureRecord, kube: Kube
) -> None:
    await record.merge_data({"nodes-subnet-ipv6-cidr": "x"})
    assert (await record.state()).data["nodes-subnet-ipv6-cidr"] == "x"
    writes = len(kube.writes)
    await record.merge_data({"nodes-subnet-ipv6-cidr": "x"})
    assert len(kube.writes) == writes


@pytest.mark.parametrize("envelope", [False, True])
async def test_a_state_of_terraform_is_taken_over_whole(
    record: InfrastructureRecord, store: KubeStore, envelope: bool
) -> None:
    """Only its facts stay (docs/reference/gardener.md#terraform-state)."""
    terraform = {"version": 4, "resources": [{"type": "google_service_account", "instances": [{}]}]}
    raw = {"data": json.dumps(terraform), "encoding": "none"} if envelope else terraform
    state = dict.fromkeys(await raw_state(record)) | raw
    store.patch(INFRASTRUCTURE, "bar", {"status": {"state": state}}, NS, subresource="status")
    await record.merge_data({"resources_exist": "true"})
    assert await raw_state(record) == {
        "kind": "InfrastructureState",
        "apiVersion": API_VERSION,
        "data": {"resources_exist": "true", "service_account_exist": "true"},
    }


async def test_a_state_of_terraform_is_taken_over_with_the_saved_routes(
    record: InfrastructureRecord, store: KubeStore
) -> None:
    state = dict.fromkeys(await raw_state(record)) | {"version": 4, "resources": []}
    store.patch(INFRASTRUCTURE, "bar", {"status": {"state": state}}, NS, subresource="status")
    await record.add_routes((A,))
    assert (await record.state()).routes == (A,)
    assert set(await raw_state(record)) == {"apiVersion", "kind", "data", "routes"}


async def test_w14_a_concurrent_writer_is_read_again(record: InfrastructureRecord, kube: Kube) -> None:
    kube.conflicts = ATTEMPTS - 1
    await record.add_routes((A,))
    assert (await record.state()).routes == (A,)
    kube.conflicts = ATTEMPTS
    with pytest.raises(Conflict):
        await record.add_routes((B,))


async def test_w14_what_another_has_written_meanwhile_stays(record: InfrastructureRecord, kube: Kube) -> None:
    kube.meanwhile = InfrastructureRecord(kube, "bar", NS).add_routes((B,))
    await record.add_routes((A,))
    assert (await record.state()).routes == (B, A)


async def test_w12_a_write_that_did_not_take_stops_everything(record: InfrastructureRecord, kube: Kube) -> None:
    """Upstream deletes the routes nevertheless (docs/reference/weaknesses.md#w12)."""
    kube.forgets = True
    with pytest.raises(GateFailed, match="were missing when read back"):
        await record.add_routes((A,))


async def test_an_infrastructure_that_is_gone_is_said_to_be(kube: Kube) -> None:
    with pytest.raises(NotFound, match="Infrastructure ns/other is gone"):
        await InfrastructureRecord(kube, "other", "ns").read()


async def test_publishing_writes_only_what_differs(record: InfrastructureRecord, kube: Kube) -> None:
    await record.publish({"egressCIDRs": ["34.1.2.3/32"]})
    writes = len(kube.writes)
    await record.publish({"egressCIDRs": ["34.1.2.3/32"]})
    assert len(kube.writes) == writes


# -- the cloud-controller-manager


@pytest.fixture
def manager(kube: Kube, store: KubeStore) -> CloudControllerManager:
    labels = {"app": "kubernetes", "role": "cloud-controller-manager"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    metadata = {"name": "cloud-controller-manager", "namespace": NS}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    store.upsert(DEPLOYMENT, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    pod = {"name": "cloud-controller-manager-0", "namespace": NS, "labels": labels}
    store.upsert(POD, {"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": template["spec"]})
    resource = {"name": "extension-controlplane-seed", "namespace": NS, "annotations": {"kept": "yes"}}
    kind = {"apiVersion": MANAGED_RESOURCE.api_version, "kind": MANAGED_RESOURCE.kind}
    store.upsert(MANAGED_RESOURCE, kind | {"metadata": resource, "spec": {"secretRefs": []}})
    return CloudControllerManager(kube, CLOCK, NS)


def annotations_of(store: KubeStore) -> dict[str, str]:
    found = store.get(MANAGED_RESOURCE, "extension-controlplane-seed", NS)
    assert found is not None
    return dict(found["metadata"]["annotations"])


async def test_stopping_sets_both_annotations_and_scales_to_zero(
    manager: CloudControllerManager, store: KubeStore
) -> None:
    before = await manager.observe()
    assert (before.replicas, before.pods, before.ignored) == (1, 1, False)
    with pytest.raises(GateFailed):
        await manager.stop()
    after = await manager.observe()
    assert (after.replicas, after.pods, after.ignored) == (0, 1, True)
    assert not after.gone
    assert annotations_of(store) == {
        "kept": "yes",
        "resources.gardener.cloud/ignore": "true",
        "gcp.provider.extensions.gardener.cloud/remove-ignore": "true",
    }


async def test_a_pod_that_does_not_go_is_an_error_after_a_while(manager: CloudControllerManager) -> None:
    started = CLOCK.now()
    with pytest.raises(GateFailed, match="still has 1 pods after 180 s"):
        await manager.stop()
    assert CLOCK.now() - started >= 180.0


async def test_a_finished_pod_does_not_count(manager: CloudControllerManager, store: KubeStore) -> None:
    store.patch(POD, "cloud-controller-manager-0", {"status": {"phase": "Succeeded"}}, NS, subresource="status")
    await manager.stop()
    assert (await manager.observe()).gone


async def test_giving_back_removes_both_annotations_and_nothing_else(
    manager: CloudControllerManager, store: KubeStore
) -> None:
    store.delete(POD, "cloud-controller-manager-0", NS)
    await manager.stop()
    await manager.restore()
    assert annotations_of(store) == {"kept": "yes"}


async def test_without_a_deployment_it_is_gone_already(manager: CloudControllerManager, store: KubeStore) -> None:
    """In the new seed of a moved control plane there is none yet (docs/reference/gardener.md#no-ccm-in-new-seed)."""
    store.delete(DEPLOYMENT, "cloud-controller-manager", NS)
    await manager.stop()
    assert (await manager.observe()).gone


async def test_without_its_managed_resource_it_is_not_stopped(
    manager: CloudControllerManager, store: KubeStore
) -> None:
    store.delete(MANAGED_RESOURCE, "extension-controlplane-seed", NS)
    with pytest.raises(NotFound, match="extension-controlplane-seed"):
        await manager.stop()
    assert (await manager.observe()).replicas == 1
