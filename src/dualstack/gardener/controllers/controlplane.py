"""ControlPlane: cloud-controller-manager and ingress-gce in the seed (docs/reference/gardener.md#control-plane)."""

from __future__ import annotations

from dualstack.clock import Clock
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.cloud_controller_manager import CloudControllerManager
from dualstack.gardener.controllers.extension import CONTROL_PLANE_EXTENSION, ExtensionReconciler, RequeueAfter, Status
from dualstack.gardener.controllers.rollout import apply_managed, await_in_cluster
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE
from dualstack.gardener.model.names import (
    CLOUD_PROVIDER_SECRET,
    GENERIC_KUBECONFIG,
    GENERIC_KUBECONFIG_NAME,
    MANAGED_RESOURCE_CONTROL_PLANE,
    MANAGED_RESOURCE_CONTROL_PLANE_SHOOT,
    OPERATION,
)
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import control_plane
from dualstack.gce.access import project_of as project_in
from dualstack.kube.interface import Kube
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import SECRET, Manifest

_RECHECK = 15.0


class ControlPlaneController:
    """Renders the seed's objects, has the resource manager apply them, and waits until they run."""

    def __init__(self, clusters: Clusters, clock: Clock) -> None:
        self._kube = clusters.seed
        self._clock = clock
        self._protocol = ExtensionReconciler(clusters.seed, clock, CONTROL_PLANE_EXTENSION, self._act)

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """One reconcile, as `ExtensionReconciler.reconcile`."""
        return await self._protocol.reconcile(name, namespace)

    async def _act(self, found: Manifest, shoot: Manifest) -> Status:
        namespace = found["metadata"]["namespace"]
        infrastructure = InfrastructureStatus.from_raw(found["spec"].get("infrastructureProviderStatus"))
        view, project = ShootView.of(shoot), await project_of(self._kube, namespace)
        kubeconfig = await generic_kubeconfig(self._kube, namespace)
        objects = control_plane.objects(view, infrastructure, project, kubeconfig)
        if in_shoot := control_plane.shoot_objects(view):
            await apply_managed(self._kube, MANAGED_RESOURCE_CONTROL_PLANE_SHOOT, namespace, in_shoot)
        await apply_managed(self._kube, MANAGED_RESOURCE_CONTROL_PLANE, namespace, objects, seed=True)
        manager = CloudControllerManager(self._kube, self._clock, namespace)
        if await manager.is_stopped():
            await self._require_infrastructure_at_rest(found["metadata"]["name"], namespace)
            await manager.restore()
        if not await manager.is_ignored():
            await await_in_cluster(self._kube, self._clock, objects, tell=self._protocol.teller(found))
        return {}

    async def _require_infrastructure_at_rest(self, name: str, namespace: str) -> None:
        """Raise RequeueAfter while the Infrastructure controller relies on a stopped cloud-controller-manager.

        docs/reference/gardener.md#ccm-returns
        """
        found = await self._kube.get(INFRASTRUCTURE, name, namespace)
        if found is not None and (
            dig(found, "metadata", "annotations", OPERATION) is not None
            or dig(found, "status", "lastOperation", "state") != "Succeeded"
        ):
            raise RequeueAfter(_RECHECK, "cloud-controller-manager stays stopped while the infrastructure changes")


async def generic_kubeconfig(kube: Kube, namespace: str) -> str:
    """The name of the Secret with the kubeconfig of the control plane's components."""
    found = await kube.get(CLUSTER, namespace)
    return str(dig(found, "metadata", "annotations", GENERIC_KUBECONFIG_NAME) or GENERIC_KUBECONFIG)


async def project_of(kube: Kube, namespace: str) -> str:
    """The project of the credentials in Secret `cloudprovider`; raises InvalidInput without that Secret."""
    secret = await kube.get(SECRET, CLOUD_PROVIDER_SECRET, namespace)
    if secret is None:
        raise InvalidInput(f"Secret {namespace}/{CLOUD_PROVIDER_SECRET}: Not found")
    return project_in(secret)
