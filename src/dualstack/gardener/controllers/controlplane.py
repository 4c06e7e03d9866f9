"""ControlPlane: cloud-controller-manager and ingress-gce in the seed (gardener-behaviour.md 6, 4.8)."""

from __future__ import annotations

from dualstack.clock import Clock
from dualstack.gardener.controllers.extension import CONTROL_PLANE_EXTENSION, ExtensionReconciler, RequeueAfter, Status
from dualstack.gardener.controllers.managed import apply_managed
from dualstack.gardener.controllers.rollout import await_in_cluster
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import INFRASTRUCTURE, MANAGED_RESOURCE
from dualstack.gardener.model.names import (
    CLOUD_PROVIDER_SECRET,
    IGNORE,
    MANAGED_RESOURCE_CONTROL_PLANE,
    OPERATION,
    REMOVE_IGNORE,
)
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import control_plane
from dualstack.gce.access import service_account
from dualstack.kube.interface import Kube
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import SECRET, Manifest

_LOOK_AGAIN = 15.0


class ControlPlaneController:
    """Renders the seed's objects, lets the resource manager apply them again, and waits until they run."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._protocol = ExtensionReconciler(kube, clock, CONTROL_PLANE_EXTENSION, self._act)

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """One reconcile under the protocol of gardener-behaviour.md 3.3."""
        return await self._protocol.reconcile(name, namespace)

    async def _act(self, found: Manifest, shoot: Manifest) -> Status:
        namespace = found["metadata"]["namespace"]
        view = ShootView.of(shoot)
        infrastructure = InfrastructureStatus.from_raw(found["spec"].get("infrastructureProviderStatus"))
        project = await project_of(self._kube, namespace)
        objects = control_plane.objects(view, infrastructure, project)
        await apply_managed(self._kube, MANAGED_RESOURCE_CONTROL_PLANE, namespace, objects, seed=True)
        if await self._is_ignored(namespace):
            await self._resume(found["metadata"]["name"], namespace)
        if not await self._is_ignored(namespace):
            await await_in_cluster(self._kube, self._clock, objects)
        return {}

    async def _is_ignored(self, namespace: str) -> bool:
        managed = await self._kube.get(MANAGED_RESOURCE, MANAGED_RESOURCE_CONTROL_PLANE, namespace)
        return bool(dig(managed, "metadata", "annotations", IGNORE) == "true")

    async def _resume(self, name: str, namespace: str) -> None:
        """Undo what the Infrastructure controller did to stop cloud-controller-manager (gardener-behaviour.md 4.8).

        Not while that controller is at work: it counts on the cloud-controller-manager being away. A resource that
        somebody else has had ignored stays ignored.
        """
        managed = await self._kube.get(MANAGED_RESOURCE, MANAGED_RESOURCE_CONTROL_PLANE, namespace)
        if dig(managed, "metadata", "annotations", REMOVE_IGNORE) != "true":
            return
        infrastructure = await self._kube.get(INFRASTRUCTURE, name, namespace)
        at_work = infrastructure is not None and (
            dig(infrastructure, "metadata", "annotations", OPERATION) is not None
            or dig(infrastructure, "status", "lastOperation", "state") != "Succeeded"
        )
        if at_work:
            raise RequeueAfter(_LOOK_AGAIN, "cloud-controller-manager stays away while the infrastructure is changed")
        change = {"metadata": {"annotations": {REMOVE_IGNORE: None, IGNORE: None}}}
        await self._kube.patch(MANAGED_RESOURCE, MANAGED_RESOURCE_CONTROL_PLANE, change, namespace)


async def project_of(kube: Kube, namespace: str) -> str:
    """The project in the service account key of Secret `cloudprovider`; InvalidInput when there is none."""
    secret = await kube.get(SECRET, CLOUD_PROVIDER_SECRET, namespace)
    if secret is None:
        raise InvalidInput(f"Secret {namespace}/{CLOUD_PROVIDER_SECRET}: Not found")
    info, _ = service_account(secret)
    return str(info["project_id"])
