"""Clusters on VMs, without Gardener, as platforms of simulated worlds.

Simplified: the API server does not stop with the VM of the control plane.
"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.clock import Clock
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import CRD, NODE, POD, Kind, Manifest
from dualstack.model.names import KUBE_SYSTEM
from dualstack_sim.actors.cloud_controller_manager import CloudControllerManager
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.guests import TaggedGuests
from dualstack_sim.actors.kube_controller_manager import KubeControllerManager
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.kube.interface import ObjectStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.control_answers import ControlPart
from dualstack_sim.world.definitions import cni_definitions
from dualstack_sim.world.gardener.knobs import Garden
from dualstack_sim.world.gardener.node_placements import with_node_count
from dualstack_sim.world.kubeadm.addons import END_POINT, addons
from dualstack_sim.world.kubeadm.cloud import create_network
from dualstack_sim.world.kubeadm.cluster import Distribution, VmCluster
from dualstack_sim.world.kubeadm.control_plane import static_pods
from dualstack_sim.world.kubeadm.static_pods import StaticPodKubelet, StaticPods
from dualstack_sim.world.nodes import NodeFacts, node_at_rest
from dualstack_sim.world.routes import check_routes_fit, place_route

_AGE = 3600.0
"""The age in seconds of time stamps in statuses."""
_OTHER_ROUTES = 100
_NODE_INFO = {
    "osImage": "Ubuntu 24.04.2 LTS",
    "kernelVersion": "6.8.0-1029-gcp",
    "containerRuntimeVersion": "containerd://1.7.27",
}


class VmPlatform:
    """Implements `dualstack_sim.world.platforms.Platform`: the nodes of the Shoot's pools and one control plane."""

    namespace = KUBE_SYSTEM
    api_servers = ("shoot",)
    control_plane_host = None
    guest_agent = True
    workloads: Sequence[Kind] = ()
    left_out: Sequence[str] = ()

    def __init__(self, distribution: Distribution, shoot: Manifest, nodes: int | None, garden: Garden) -> None:
        view = ShootView.of(with_node_count(shoot, nodes))
        self.api_server = f"{distribution.component_label}=kube-apiserver"
        self.regions = {view.region: sorted({zone for pool in view.pools for zone in pool.zones})}
        self._distribution, self._garden = distribution, garden
        self._cluster = VmCluster.of(view, distribution.names(view))
        self.node_count = len(self._cluster.planned_nodes())
        routes = self.node_count + _OTHER_ROUTES
        self.quotas = Limits(static_routes_per_network=max(Limits().static_routes_per_network, routes))
        self._static: StaticPods | None = None

    def build(self, servers: ApiServers, compute: Compute, *, token_uri: str, clock: Clock, chance: Chance) -> None:
        store = servers.shoot
        cluster, now = self._cluster, clock.now() - _AGE
        check_routes_fit(compute, cluster.names.cluster, self.node_count)
        for definition in cni_definitions():
            store.create(CRD, definition)
        create_network(compute, cluster)
        nodes = self._place_nodes(store, compute, now)
        static = static_pods(cluster, nodes[0]["metadata"]["name"], self._distribution.component_label)
        objects = [
            *self._distribution.objects(cluster, compute.project.name),
            *((POD, static.mirror_pod(program, nodes[0], now)) for program in static.flags),
            *addons(cluster, len(nodes) - 1),
        ]
        for kind, item in objects:
            store.upsert(kind, item)
        self._static = static

    def _place_nodes(self, store: ObjectStore, compute: Compute, now: float) -> list[Manifest]:
        """The Nodes with their VMs and routes, that with the control plane first."""
        shoot, stored = self._cluster.shoot, []
        facts = NodeFacts(compute.project.name, shoot.kubernetes_version, shoot.max_pods, now, _NODE_INFO)
        register = self._distribution.registrations(self._cluster)
        for planned, vm in self._distribution.place_vms(compute, self._cluster, self._garden.guest_agent):
            registered = register(vm["name"])
            node = node_at_rest(
                facts,
                vm,
                planned.pod_cidr,
                labels=registered.labels,
                annotations=registered.annotations,
                taints=list(registered.taints),
            )
            stored.append(store.upsert(NODE, node))
            uid = stored[-1]["metadata"]["uid"]
            place_route(compute, self._cluster.names.cluster, uid, vm, planned.pod_cidr)
        return stored

    @property
    def controls(self) -> Sequence[ControlPart]:
        return () if self._static is None else (self._static,)

    def access(self, server: str, token: str | None, authority: bytes | None) -> Sequence[Manifest]:
        return ()

    def guests(self, context: ActorContext) -> TaggedGuests:
        register = self._distribution.registrations(self._cluster)
        return TaggedGuests(context, self._cluster.names.tags, END_POINT, register)

    def actors(self, context: ActorContext) -> list[Actor]:
        kubelet = [] if self._static is None else [StaticPodKubelet(context, self._static)]
        return [CloudControllerManager(context, marks_new_nodes=True), KubeControllerManager(context), *kubelet]
