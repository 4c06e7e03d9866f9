"""Gardener as a platform of simulated worlds: a Shoot, with its seed and garden."""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.clock import Clock
from dualstack.gardener.model.kinds import MACHINE_DEPLOYMENT
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.cloud_controller_manager import CloudControllerManager
from dualstack_sim.actors.context import SEED_NODE, Actor, ActorContext
from dualstack_sim.actors.extensions import ControlPlanes, Networks, Workers
from dualstack_sim.actors.gardenlet import Gardenlet
from dualstack_sim.actors.ingress_gce import IngressGce
from dualstack_sim.actors.machine_controller import MachineController
from dualstack_sim.actors.network_problem_detector import NetworkProblemDetector
from dualstack_sim.actors.provider_gcp import ProviderGcp
from dualstack_sim.actors.resource_manager import ResourceManager
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.control_answers import ControlPart
from dualstack_sim.world.gardener.builder import World, build
from dualstack_sim.world.gardener.credentials import shoot_access
from dualstack_sim.world.gardener.guests import ShootGuests
from dualstack_sim.world.gardener.knobs import PROVIDER_GCP, Garden
from dualstack_sim.world.gardener.node_placements import with_node_count
from dualstack_sim.world.gardener.service_webhook import ServiceWebhook

_OTHER_ROUTES = 100
"""Static routes that the quota leaves for others: the owner of a cluster above the default quota has raised it."""


class GardenerPlatform:
    """Implements `dualstack_sim.world.platforms.Platform` for one Shoot."""

    control_plane_host = SEED_NODE
    api_server = "role=apiserver"
    workloads = (MACHINE_DEPLOYMENT,)
    api_servers = ("garden", "seed", "shoot")
    left_out: Sequence[str] = ()
    controls: Sequence[ControlPart] = ()

    def __init__(self, shoot: Manifest, nodes: int | None, garden: Garden) -> None:
        view = ShootView.of(shoot)
        self.namespace = view.technical_id
        self.regions = {view.region: sorted({zone for pool in view.pools for zone in pool.zones})}
        self.guest_agent = garden.guest_agent
        self._shoot, self._nodes, self._garden = shoot, nodes, garden
        pools = ShootView.of(with_node_count(shoot, nodes)).pools
        self.node_count = sum(pool.minimum for pool in pools)
        needed = sum(pool.minimum + pool.max_surge for pool in pools) + _OTHER_ROUTES
        self.quotas = Limits(static_routes_per_network=max(Limits().static_routes_per_network, needed))

    def build(self, servers: ApiServers, compute: Compute, *, token_uri: str, clock: Clock, chance: Chance) -> World:
        servers.shoot.admission.register("", "services", ServiceWebhook(servers.shoot))
        return build(
            servers,
            compute,
            self._shoot,
            nodes=self._nodes,
            token_uri=token_uri,
            clock=clock,
            chance=chance,
            garden=self._garden,
        )

    def access(self, server: str, token: str | None, authority: bytes | None) -> Sequence[Manifest]:
        return [shoot_access(self.namespace, server, token, authority)]

    def guests(self, context: ActorContext) -> ShootGuests:
        return ShootGuests(context)

    def actors(self, context: ActorContext) -> list[Actor]:
        landscape: list[Actor] = []
        if self._garden.infrastructure is not None:
            landscape = [Gardenlet(context), ControlPlanes(context.seed), Networks(context.seed), Workers(context.seed)]
        if self._garden.infrastructure == PROVIDER_GCP:
            landscape.append(ProviderGcp(context.seed))
        return [
            CloudControllerManager(context),
            NetworkProblemDetector(context),
            ResourceManager(context),
            MachineController(context),
            IngressGce(context),
            *landscape,
        ]
