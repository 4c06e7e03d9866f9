"""Network: the CNI with the families that the migration allows (docs/reference/gardener.md#network-extensions)."""

from __future__ import annotations

from dualstack.clock import Clock
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.extension import NETWORK_EXTENSION, ExtensionReconciler, Status
from dualstack.gardener.controllers.rollout import apply_managed, await_in_cluster
from dualstack.gardener.model.names import managed_resource_network
from dualstack.gardener.model.networks import networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import network
from dualstack.model.cidr import families
from dualstack.model.kinds import Manifest


class NetworkController:
    """Renders the CNI, waits until it runs on every node, and only then reports its families."""

    def __init__(self, clusters: Clusters, clock: Clock) -> None:
        self._clusters, self._kube = clusters, clusters.seed
        self._clock = clock
        self._protocol = ExtensionReconciler(clusters.seed, clock, NETWORK_EXTENSION, self._act)

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """One reconcile, as `ExtensionReconciler.reconcile`."""
        return await self._protocol.reconcile(name, namespace)

    async def _act(self, found: Manifest, shoot: Manifest) -> Status:
        view = ShootView.of(shoot)
        current = networks(view)
        objects = network.objects(view, current)
        name = managed_resource_network(view.cni)
        await apply_managed(self._kube, name, found["metadata"]["namespace"], objects)
        if not view.hibernated:
            live = self._clusters.shoot(view.technical_id)
            await await_in_cluster(live, self._clock, objects, tell=self._protocol.teller(found))
        return {"ipFamilies": list(families(current.pods))}
