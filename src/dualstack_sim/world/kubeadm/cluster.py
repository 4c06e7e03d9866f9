"""A cluster on VMs, as a Shoot manifest describes it: only ranges, zones, versions and pools of the Shoot count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from dualstack.gardener.model.pools import Pool
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.cidr import at_offset, block
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.hosts import Registration
from dualstack_sim.compute.api.backend import Compute

DNS_DOMAIN = "cluster.local"
CONTROL_PLANE_ROLE = "node-role.kubernetes.io/control-plane"
CONTROL_PLANE_LABELS = {CONTROL_PLANE_ROLE: "", "node.kubernetes.io/exclude-from-external-load-balancers": ""}
CONTROL_PLANE_TAINT = {"key": CONTROL_PLANE_ROLE, "effect": "NoSchedule"}
ANNOTATIONS = {"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true"}
"""Annotations of every Node."""
_API_SERVER_OFFSET, _DNS_OFFSET, _CONTROL_PLANE_OFFSET = 1, 10, 2

Objects = list[tuple[Kind, Manifest]]


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a cluster. cluster: cloud-controller-manager's `--cluster-name`. tags: a VM with one of these
    network tags joins the cluster when it boots; those of the control plane, then those of other nodes."""

    cluster: str
    network: str
    subnet: str
    control_plane_tag: str
    node_tag: str

    @property
    def tags(self) -> tuple[str, ...]:
        return self.control_plane_tag, self.node_tag


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A VM and its Node, which share the name. A distribution may choose another name."""

    name: str
    zone: str
    pod_cidr: str
    pool: Pool
    control_plane: bool


@dataclass(frozen=True, slots=True)
class VmCluster:
    """What its objects and resources depend on. `shoot` is the description."""

    shoot: ShootView
    names: Names
    nodes_range: str

    @classmethod
    def of(cls, shoot: ShootView, names: Names) -> Self:
        """InvalidInput if it is not IPv4-only, or has no range for nodes."""
        nodes = shoot.infrastructure_config.workers or shoot.nodes
        if shoot.families != ("IPv4",):
            raise InvalidInput(
                f"spec.networking.ipFamilies: is {list(shoot.families)}; a world starts from an IPv4-only cluster"
            )
        if not nodes or not shoot.pools:
            raise InvalidInput("spec.networking.nodes and spec.provider.workers: must not be empty")
        return cls(shoot, names, nodes)

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
        name, first = self.names.cluster, self.shoot.pools[0]
        places = [(f"{name}-control-plane", first.parts[0].zone, first, True)]
        for pool in self.shoot.pools:
            zones = [part.zone for part in pool.parts for _ in range(part.minimum)]
            places += [(f"{name}-{pool.name}-{number}", zone, pool, False) for number, zone in enumerate(zones, 1)]
        size = self.shoot.node_cidr_mask_size
        return [
            PlannedNode(name, zone, block(self.shoot.pods, size, index), pool, control_plane)
            for index, (name, zone, pool, control_plane) in enumerate(places)
        ]


@dataclass(frozen=True, slots=True)
class Distribution:
    """In what the clusters of kubeadm and of kOps differ."""

    names: Callable[[ShootView], Names]
    component_label: str
    """The label of static pods that names the component."""
    place_vms: Callable[[Compute, VmCluster, bool], list[tuple[PlannedNode, Manifest]]]
    """Create the running VMs of all planned nodes; the flag: no metadata stops their guest agent."""
    registrations: Callable[[VmCluster], Callable[[str], Registration]]
    """What the kubelet on a VM registers, by its name."""
    objects: Callable[[VmCluster, str], Objects]
    """Objects of the control plane besides its static pods, in that project."""
