"""A cluster that kubeadm made, as a platform of simulated worlds.

Its VMs belong to no group: a person, or Terraform, creates and deletes them. Simplified: the API server does not stop
with the VM of the control plane.
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
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.control_answers import ControlPart
from dualstack_sim.world.definitions import cni_definitions
from dualstack_sim.world.gardener.knobs import Garden
from dualstack_sim.world.gardener.node_placements import with_node_count
from dualstack_sim.world.kubeadm.addons import END_POINT, addons
from dualstack_sim.world.kubeadm.cloud import create_network, place_vm
from dualstack_sim.world.kubeadm.cluster import KubeadmCluster, registration
from dualstack_sim.world.kubeadm.control_plane import cloud_controller_manager, configuration, static_pods
from dualstack_sim.world.kubeadm.static_pods import StaticPodKubelet
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


class KubeadmPlatform:
    """Implements `dualstack_sim.world.platforms.Platform`: the nodes of the Shoot's pools and one control plane."""

    namespace = KUBE_SYSTEM
    control_plane_host = None
    api_server = "component=kube-apiserver"
    guest_agent = True
    workloads: Sequence[Kind] = ()

    def __init__(self, shoot: Manifest, nodes: int | None, garden: Garden) -> None:
        self._cluster = KubeadmCluster.of(ShootView.of(with_node_count(shoot, nodes)), "")
        self._planned = self._cluster.planned_nodes()
        self._static = static_pods(self._cluster, self._planned[0].name)
        self._garden = garden
        view = self._cluster.shoot
        self.regions = {view.region: sorted({zone for pool in view.pools for zone in pool.zones})}
        self.node_count = len(self._planned)
        routes = self.node_count + _OTHER_ROUTES
        self.quotas = Limits(static_routes_per_network=max(Limits().static_routes_per_network, routes))

    def build(self, store: KubeStore, compute: Compute, *, token_uri: str, clock: Clock, chance: Chance) -> None:
        cluster = self._cluster = KubeadmCluster(self._cluster.shoot, compute.project.name, self._cluster.nodes_range)
        now = clock.now() - _AGE
        check_routes_fit(compute, cluster.name, len(self._planned))
        for definition in cni_definitions():
            store.create(CRD, definition)
        create_network(compute, cluster)
        nodes = self._place_nodes(store, compute, now)
        objects = [
            *configuration(cluster),
            *((POD, self._static.mirror_pod(program, nodes[0], now)) for program in self._static.flags),
            *cloud_controller_manager(cluster),
            *addons(cluster, len(nodes) - 1),
        ]
        for kind, item in objects:
            store.upsert(kind, item)

    def _place_nodes(self, store: KubeStore, compute: Compute, now: float) -> list[Manifest]:
        shoot, stored = self._cluster.shoot, []
        facts = NodeFacts(compute.project.name, shoot.kubernetes_version, shoot.max_pods, now, _NODE_INFO)
        for planned in self._planned:
            vm = place_vm(compute, self._cluster, planned, guest_agent=self._garden.guest_agent)
            registered = planned.registration
            node = node_at_rest(
                facts,
                vm,
                planned.pod_cidr,
                labels=registered.labels,
                annotations=registered.annotations,
                taints=list(registered.taints),
            )
            stored.append(store.upsert(NODE, node))
            place_route(compute, self._cluster.name, stored[-1]["metadata"]["uid"], vm, planned.pod_cidr)
        return stored

    @property
    def controls(self) -> Sequence[ControlPart]:
        return (self._static,)

    def guests(self, context: ActorContext) -> TaggedGuests:
        known = {node.name: node.registration for node in self._planned}
        return TaggedGuests(context, self._cluster.tag, END_POINT, known, registration({}, ()))

    def actors(self, context: ActorContext) -> list[Actor]:
        return [
            CloudControllerManager(context, marks_new_nodes=True),
            KubeControllerManager(context),
            StaticPodKubelet(context, self._static),
        ]
