"""provider-gcp's ControlPlane controller: cloud-controller-manager and ingress-gce in the seed
(docs/reference/gardener.md#controlplane-order)."""

from __future__ import annotations

from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import CONTROL_PLANE, MANAGED_RESOURCE
from dualstack.gardener.model.names import (
    IGNORE,
    MANAGED_RESOURCE_CONTROL_PLANE,
    MANAGED_RESOURCE_CONTROL_PLANE_SHOOT,
    REMOVE_IGNORE,
)
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import control_plane
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.applying import apply_managed
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.extension_library import ExtensionController, Handled
from dualstack_sim.actors.provider_gcp.controller import PROGRAM


class ControlPlanes:
    """Writes the charts, and then removes the annotations with which the Infrastructure controller stopped
    cloud-controller-manager, whatever that does at the time (docs/reference/gardener.md#ccm-returns)."""

    def __init__(self, context: ActorContext) -> None:
        self._kube, _ = context.named(PROGRAM)
        self._project = context.project
        handled = Handled(CONTROL_PLANE, "controlplane")
        self._protocol = ExtensionController(context, PROGRAM, handled, self._act)

    async def run(self) -> None:
        """Until cancelled."""
        await self._protocol.run()

    async def _act(self, operation: str, found: Manifest, view: ShootView) -> Manifest:
        namespace = found["metadata"]["namespace"]
        infrastructure = InfrastructureStatus.from_raw(found["spec"].get("infrastructureProviderStatus"))
        objects = control_plane.objects(view, infrastructure, self._project)
        await apply_managed(self._kube, MANAGED_RESOURCE_CONTROL_PLANE, namespace, objects, seed=True)
        if in_shoot := control_plane.shoot_objects(view):
            await apply_managed(self._kube, MANAGED_RESOURCE_CONTROL_PLANE_SHOOT, namespace, in_shoot)
        resource = await self._kube.get(MANAGED_RESOURCE, MANAGED_RESOURCE_CONTROL_PLANE, namespace)
        if dig(resource, "metadata", "annotations", REMOVE_IGNORE) == "true":
            change = {"metadata": {"annotations": {REMOVE_IGNORE: None, IGNORE: None}}}
            await self._kube.patch(MANAGED_RESOURCE, MANAGED_RESOURCE_CONTROL_PLANE, change, namespace)
        return {}
