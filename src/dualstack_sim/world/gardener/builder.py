"""Builds a cluster at rest from any Shoot (docs/reference/gardener.md#golden-state-at-rest).

Everything is as if created long ago, except pods, which the actors create.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.cni import custom_kinds
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.guest_agent import CONFIG_PATH as GUEST_AGENT_CONFIG
from dualstack.gardener.model.names import ENABLED, MANAGED_RESOURCE_CONTROL_PLANE
from dualstack.gardener.model.networks import Networks, kubelet_dns, networks
from dualstack.gardener.model.shoot import ShootView, cloud_profile_of
from dualstack.gardener.render import extensions, kube_apiserver, kube_controller_manager
from dualstack.gardener.render.kubelet import operating_system_config
from dualstack.gardener.render.workload import tolerations
from dualstack.model import kinds
from dualstack.model.cidr import at_offset
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.kube.interface import ObjectStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.gardener import admission, machines, workloads
from dualstack_sim.world.gardener.cloud import NetworkResources, create_network_resources, place_vm
from dualstack_sim.world.gardener.cloud_profile import cloud_profile
from dualstack_sim.world.gardener.credentials import cloud_provider_secret
from dualstack_sim.world.gardener.definitions import definitions
from dualstack_sim.world.gardener.extension_objects import (
    extension_objects,
    managed_contents,
    managed_resource_objects,
    shoot_status,
)
from dualstack_sim.world.gardener.knobs import Garden
from dualstack_sim.world.gardener.machines import node_of
from dualstack_sim.world.gardener.node_placements import (
    NodePlacement,
    PoolZone,
    node_placements,
    pool_zones,
    with_node_count,
)
from dualstack_sim.world.gardener.seed_nodes import seed_nodes
from dualstack_sim.world.nodes import WorldNode
from dualstack_sim.world.routes import check_routes_fit, place_route
from dualstack_sim.world.workloads import at_rest, services, web

_AGE = 3600.0
"""The age in seconds of time stamps in statuses."""
_WEB_OFFSET = 20
"""Offset of Service web in the service range, behind the addresses that Gardener uses."""

_BY_KIND = {
    kind.kind: kind
    for kind in (
        *gardener_kinds.CUSTOM_KINDS,
        *custom_kinds(),
        kinds.CONFIG_MAP,
        kinds.DEPLOYMENT,
        kinds.DAEMON_SET,
    )
}
_BY_KIND[kinds.SERVICE.kind] = kinds.SERVICE


@dataclass(frozen=True, slots=True)
class World:
    """A world that was built: the stored Shoot, its nodes, and names."""

    shoot: Manifest
    technical_id: str
    project: str
    network: str
    nodes: tuple[WorldNode, ...]


def build(
    servers: ApiServers,
    compute: Compute,
    shoot: Manifest,
    *,
    nodes: int | None,
    token_uri: str,
    clock: Clock,
    chance: Chance,
    garden: Garden | None = None,
) -> World:
    """Build `shoot` in all servers, with `nodes` nodes in total if given, else the minimum of the pools.

    InvalidInput if the Shoot is not IPv4-only, or has more nodes than the VPC can have routes.
    """
    return _Builder(servers, compute, token_uri, clock.now() - _AGE, chance, garden).build(
        with_node_count(shoot, nodes)
    )


@dataclass(frozen=True, slots=True)
class _Builder:
    servers: ApiServers
    compute: Compute
    token_uri: str
    now: float
    chance: Chance
    garden: Garden | None

    @property
    def project(self) -> str:
        return self.compute.project.name

    def build(self, wanted: Manifest) -> World:
        view = ShootView.of(wanted)
        if view.families != ("IPv4",):
            raise InvalidInput(
                f"spec.networking.ipFamilies: is {list(view.families)}; a world starts from an IPv4-only Shoot"
            )
        placements, zones = node_placements(view, self.chance), pool_zones(view)
        check_routes_fit(self.compute, view.name, len(placements))
        self._prepare_apis(view)
        resources = create_network_resources(self.compute, view)
        view = self._place_shoot(wanted, resources)
        current = networks(view)
        self._place_seed(view, current, resources, zones)
        placed = self._place_nodes(view, resources, zones, placements)
        self._place_workloads(view, current, resources, len(placements))
        return World(view.manifest, view.technical_id, self.project, resources.network, placed)

    def _prepare_apis(self, view: ShootView) -> None:
        servers = self.servers
        for definition in definitions():
            self._server_of(definition["spec"]["group"]).create(kinds.CRD, definition)
        admission.register(servers.garden.admission, self.garden)
        for server, name in (
            *((server, "garden") for server in (servers.garden, servers.seed)),
            (servers.garden, view.namespace),
            (servers.seed, view.technical_id),
        ):
            if server.get(kinds.NAMESPACE, name) is None:
                server.create(kinds.NAMESPACE, manifest(kinds.NAMESPACE, name))

    def _server_of(self, group: str) -> ObjectStore:
        """The API server with the custom types of this group."""
        if group == gardener_kinds.SHOOT.group:
            return self.servers.garden
        groups = (gardener_kinds.CLUSTER.group, gardener_kinds.MANAGED_RESOURCE.group, gardener_kinds.MACHINE.group)
        return self.servers.seed if group in groups else self.servers.shoot

    def _place_shoot(self, wanted: Manifest, resources: NetworkResources) -> ShootView:
        metadata = {key: value for key, value in wanted["metadata"].items() if key in _KEPT_METADATA}
        metadata["finalizers"] = ["gardener"]
        metadata["annotations"] = {ENABLED: "true", **(metadata.get("annotations") or {})}  # the world is there for it
        created = self.servers.garden.create(gardener_kinds.SHOOT, {**wanted, "metadata": metadata})
        known = {"technicalID": ShootView.of(wanted).technical_id}  # the API ignores the status on create
        view = ShootView.of({**created, "status": known})
        status = shoot_status(view, resources, self.now)
        return ShootView.of(self.servers.garden.upsert(gardener_kinds.SHOOT, {**created, "status": status}))

    def _place_seed(
        self, view: ShootView, current: Networks, resources: NetworkResources, zones: list[PoolZone]
    ) -> None:
        seed = self.servers.seed
        seed.create(kinds.SECRET, cloud_provider_secret(view.technical_id, self.project, self.token_uri))
        cluster = extensions.cluster(view)
        if cloud_profile_of(view.manifest):
            profile = self.servers.garden.create(
                gardener_kinds.CLOUD_PROFILE, cloud_profile(view, self.compute.project)
            )
            cluster["spec"]["cloudProfile"] = profile
        _place(seed, [(gardener_kinds.CLUSTER, cluster)])
        _place(seed, extension_objects(view, resources, zones, self.now))
        dns = kubelet_dns(view, current)
        for pool in view.pools:
            config = operating_system_config(view, pool, dns).new
            if self.garden is None or not self.garden.guest_agent:
                config["spec"]["files"].append(_guest_agent_file())
            _place(seed, [(gardener_kinds.OPERATING_SYSTEM_CONFIG, config)])
        deployments = (kube_apiserver.deployment(view, current), kube_controller_manager.deployment(view, current))
        _place(seed, ((kinds.DEPLOYMENT, at_rest(deployment.new)) for deployment in deployments))
        _place(seed, machines.classes(view, resources.status, zones))
        if self.servers.separate:
            _place(seed, ((kinds.NODE, node) for node in seed_nodes(view.kubernetes_version, self.now)))

    def _place_nodes(
        self,
        view: ShootView,
        resources: NetworkResources,
        zones: list[PoolZone],
        placements: list[NodePlacement],
    ) -> tuple[WorldNode, ...]:
        sets: dict[str, Manifest] = {}
        for pool_zone in zones:
            deployment = self.servers.seed.upsert(
                gardener_kinds.MACHINE_DEPLOYMENT, machines.deployment_of(view, pool_zone, self.now)
            )
            machine_set = self.servers.seed.upsert(gardener_kinds.MACHINE_SET, machines.set_of(pool_zone, deployment))
            sets[pool_zone.deployment] = machine_set
        return tuple(self._place_node(view, resources, node, sets[node.pool_zone.deployment]) for node in placements)

    def _place_node(
        self, view: ShootView, resources: NetworkResources, node: NodePlacement, owner: Manifest
    ) -> WorldNode:
        machine = machines.machine_of(node, owner, self.project, self.now)
        self.servers.seed.upsert(gardener_kinds.MACHINE, machine)
        vm = place_vm(self.compute, view, resources.status, node)
        template = machine["spec"]["nodeTemplate"]
        stored = self.servers.shoot.upsert(kinds.NODE, node_of(view, node, vm, template, self.project, self.now))
        uid = stored["metadata"]["uid"]
        place_route(self.compute, view.technical_id, uid, vm, node.pod_cidr)
        address = vm["networkInterfaces"][0]["networkIP"]
        return WorldNode(node.name, uid, node.pool_zone.pool.name, node.zone, address, node.pod_cidr)

    def _place_workloads(self, view: ShootView, current: Networks, resources: NetworkResources, nodes: int) -> None:
        contents = managed_contents(view, current, resources, self.project)
        shoot = self.servers.shoot
        for name, objects in contents.items():
            server = self.servers.seed if name == MANAGED_RESOURCE_CONTROL_PLANE else shoot
            _place(server, ((_BY_KIND[item["kind"]], at_rest(item)) for item in objects))
        _place(self.servers.seed, managed_resource_objects(view.technical_id, contents, self.now))
        _place(shoot, services(current.api_server_ips[0], at_offset(view.services, _WEB_OFFSET)))
        _place(shoot, [workloads.shoot_info(view), workloads.end_points(), *web(nodes, tolerations(view.pools))])


def _place(server: ObjectStore, objects: Iterable[tuple[Kind, Manifest]]) -> None:
    for kind, item in objects:
        server.upsert(kind, item)


_KEPT_METADATA = ("name", "namespace", "labels", "annotations")


def _guest_agent_file() -> Manifest:
    """The file that provider-gcp adds to each node (docs/reference/compute-engine.md#guest-agent-gardener)."""
    content = base64.b64encode(b"[IpForwarding]\nip_aliases = false\n").decode()
    return {
        "path": GUEST_AGENT_CONFIG,
        "permissions": 0o644,
        "content": {"inline": {"encoding": "b64", "data": content}},
    }
