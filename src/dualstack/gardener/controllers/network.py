"""Network: the CNI with the families that the migration allows (docs/reference/gardener.md#network-extensions)."""

from __future__ import annotations

from dualstack.clock import Clock
from dualstack.gardener.controllers.extension import NETWORK_EXTENSION, ExtensionReconciler, Status
from dualstack.gardener.controllers.rollout import apply_managed, await_in_cluster
from dualstack.gardener.model.names import managed_resource_network
from dualstack.gardener.model.networks import networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.cni import cni_of
from dualstack.kube.interface import Kube
from dualstack.model.cidr import families
from dualstack.model.kinds import Manifest


class NetworkController:
    """Renders the CNI, waits until it runs on every node, and only then reports its families."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._protocol = ExtensionReconciler(kube, clock, NETWORK_EXTENSION, self._act)

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """One reconcile, as `ExtensionReconciler.reconcile`."""
        return await self._protocol.reconcile(name, namespace)

    async def _act(self, found: Manifest, shoot: Manifest) -> Status:
        view = ShootView.of(shoot)
        current = networks(view)
        objects = cni_of(view.cni).objects(view, current)
        name = managed_resource_network(view.cni)
        await apply_managed(self._kube, name, found["metadata"]["namespace"], objects)
        if not view.hibernated:
            await await_in_cluster(self._kube, self._clock, objects, tell=self._protocol.teller(found))
        return {"ipFamilies": list(families(current.pods))}
