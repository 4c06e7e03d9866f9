"""What is kubeadm's own in a cluster that it made."""

from __future__ import annotations

from collections.abc import Callable

from dualstack.gardener.model.shoot import ShootView
from dualstack_sim.actors.hosts import Registration
from dualstack_sim.world.kubeadm.cloud import place_vms
from dualstack_sim.world.kubeadm.cluster import (
    ANNOTATIONS,
    CONTROL_PLANE_LABELS,
    CONTROL_PLANE_TAINT,
    Distribution,
    Names,
    PlannedNode,
    VmCluster,
)
from dualstack_sim.world.kubeadm.control_plane import kubeadm_objects

_ANNOTATIONS = {**ANNOTATIONS, "kubeadm.alpha.kubernetes.io/cri-socket": "unix:///run/containerd/containerd.sock"}

UNKNOWN = Registration({}, _ANNOTATIONS)
"""What the kubelet on a VM registers that joined with `kubeadm join` alone."""


def names(shoot: ShootView) -> Names:
    """The Shoot's name everywhere."""
    name = shoot.name
    network = shoot.infrastructure_config.user_vpc or name
    return Names(name, network, f"{name}-nodes", f"{name}-control-plane", f"{name}-node")


def _registrations(cluster: VmCluster) -> Callable[[str], Registration]:
    """A VM that is not planned joins without labels."""
    known = {node.name: _registration(node) for node in cluster.planned_nodes()}
    return lambda name: known.get(name, UNKNOWN)


def _registration(node: PlannedNode) -> Registration:
    if node.control_plane:
        return Registration(CONTROL_PLANE_LABELS, _ANNOTATIONS, [CONTROL_PLANE_TAINT])
    return Registration(node.pool.labels, _ANNOTATIONS, node.pool.taints)


KUBEADM = Distribution(names, "component", place_vms, _registrations, kubeadm_objects)
