"""Gardener as a platform of simulated worlds: a Shoot, with its seed and garden on the same API server."""

from __future__ import annotations

from dualstack.clock import Clock
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.ingress_gce import IngressGce
from dualstack_sim.actors.machine_controller import MachineController
from dualstack_sim.actors.provider_gcp import ProviderGcp
from dualstack_sim.actors.resource_manager import ResourceManager
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.builder import World, build
from dualstack_sim.world.gardener.knobs import Garden
from dualstack_sim.world.gardener.node_placements import with_node_count
from dualstack_sim.world.gardener.prepared import prepare
from dualstack_sim.world.gardener.service_webhook import ServiceWebhook

_OTHER_ROUTES = 100
"""Static routes that the quota leaves for others: the owner of a cluster above the default quota has raised it."""


class GardenerPlatform:
    """Implements `dualstack_sim.world.platforms.Platform` for one Shoot."""

    def __init__(self, shoot: Manifest, nodes: int | None, garden: Garden) -> None:
        view = ShootView.of(shoot)
        self.namespace = view.technical_id
        self.regions = {view.region: sorted({zone for pool in view.pools for zone in pool.zones})}
        self._shoot, self._nodes, self._garden = shoot, nodes, garden
        pools = ShootView.of(with_node_count(shoot, nodes)).pools
        self.node_count = sum(pool.minimum for pool in pools)
        needed = sum(pool.minimum + pool.max_surge for pool in pools) + _OTHER_ROUTES
        self.quotas = Limits(static_routes_per_network=max(Limits().static_routes_per_network, needed))

        self._world: World | None = None

    def build(self, store: KubeStore, compute: Compute, *, token_uri: str, clock: Clock, chance: Chance) -> World:
        store.admission.register("", "services", ServiceWebhook(store))
        self._world = build(
            store,
            compute,
            self._shoot,
            nodes=self._nodes,
            token_uri=token_uri,
            clock=clock,
            chance=chance,
            garden=self._garden,
        )
        return self._world

    async def prepare(self, compute: Compute, clock: Clock) -> None:
        if self._garden.prepared and self._world is not None:
            await prepare(compute, self._world, clock)

    def actors(self, context: ActorContext) -> list[Actor]:
        upstream = [ProviderGcp(context)] if self._garden.upstream else []
        return [ResourceManager(context), MachineController(context), IngressGce(context), *upstream]
