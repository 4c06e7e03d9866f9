"""The cluster that a Shoot manifest describes, if kubeadm makes it: only ranges, zones, versions and pools count."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from dualstack.gardener.model.pools import Pool
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.cidr import at_offset, block
from dualstack.model.errors import InvalidInput
from dualstack_sim.actors.hosts import Registration

CONTROL_PLANE_ROLE = "node-role.kubernetes.io/control-plane"
_ANNOTATIONS = {
    "kubeadm.alpha.kubernetes.io/cri-socket": "unix:///run/containerd/containerd.sock",
    "node.alpha.kubernetes.io/ttl": "0",
    "volumes.kubernetes.io/controller-managed-attach-detach": "true",
}
_API_SERVER_OFFSET, _DNS_OFFSET, _CONTROL_PLANE_OFFSET = 1, 10, 2


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A VM and its Node, which share the name."""

    name: str
    zone: str
    pod_cidr: str
    pool: Pool
    registration: Registration
    control_plane: bool


@dataclass(frozen=True, slots=True)
class KubeadmCluster:
    """What its objects and resources depend on. `shoot` is the description."""

    shoot: ShootView
    project: str
    nodes_range: str

    @classmethod
    def of(cls, shoot: ShootView, project: str) -> Self:
        """InvalidInput if it is not IPv4-only, or has no range for nodes."""
        nodes = shoot.infrastructure_config.workers or shoot.nodes
        if shoot.families != ("IPv4",):
            raise InvalidInput(
                f"spec.networking.ipFamilies: is {list(shoot.families)}; a world starts from an IPv4-only cluster"
            )
        if not nodes or not shoot.pools:
            raise InvalidInput("spec.networking.nodes and spec.provider.workers: must not be empty")
        return cls(shoot, project, nodes)

    @property
    def name(self) -> str:
        return self.shoot.name

    @property
    def tag(self) -> str:
        """The network tag of its VMs. A VM with it joins the cluster when it boots."""
        return f"{self.name}-node"

    @property
    def subnet(self) -> str:
        return f"{self.name}-nodes"

    @property
    def network(self) -> str:
        return self.shoot.infrastructure_config.user_vpc or self.name

    @property
    def api_server(self) -> str:
        """The cluster IP of Service kubernetes."""
        return at_offset(self.shoot.services, _API_SERVER_OFFSET)

    @property
    def dns(self) -> str:
        """The cluster IP of Service kube-dns."""
        return at_offset(self.shoot.services, _DNS_OFFSET)

    @property
    def control_plane_address(self) -> str:
        """The first address that a VM of the nodes subnet gets, which is that of the VM with the control plane."""
        return at_offset(self.nodes_range, _CONTROL_PLANE_OFFSET)

    def planned_nodes(self) -> list[PlannedNode]:
        """The node with the control plane, then those of the pools, zone after zone."""
        first = self.shoot.pools[0]
        places = [(f"{self.name}-control-plane", first.parts[0].zone, first, True)]
        for pool in self.shoot.pools:
            zones = [part.zone for part in pool.parts for _ in range(part.minimum)]
            places += [(f"{self.name}-{pool.name}-{number}", zone, pool, False) for number, zone in enumerate(zones, 1)]
        return [
            PlannedNode(
                name,
                zone,
                block(self.shoot.pods, self.shoot.node_cidr_mask_size, index),
                pool,
                control_plane_registration() if control_plane else registration(pool.labels, pool.taints),
                control_plane,
            )
            for index, (name, zone, pool, control_plane) in enumerate(places)
        ]


def registration(labels: Mapping[str, str], taints: Collection[Mapping[str, Any]]) -> Registration:
    """What a kubelet that kubeadm has configured adds to its Node."""
    return Registration(labels, _ANNOTATIONS, taints)


def control_plane_registration() -> Registration:
    """As `registration`, with the marks of `kubeadm init`."""
    labels = {CONTROL_PLANE_ROLE: "", "node.kubernetes.io/exclude-from-external-load-balancers": ""}
    return registration(labels, [{"key": CONTROL_PLANE_ROLE, "effect": "NoSchedule"}])
