"""The Nodes of the seed, on which the pods of the control plane run: other machines than those of the shoot."""

from __future__ import annotations

from dualstack.model.kinds import NODE, Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.actors.context import SEED_NODE
from dualstack_sim.actors.kubelet import NODE_INFO
from dualstack_sim.world.nodes import conditions

_PROJECT = "seed-project"
_COUNT = 2


def seed_nodes(version: str, now: float) -> list[Manifest]:
    """Ready Nodes with IPv4 pod CIDRs and VMs in a project of their own."""
    return [_node(SEED_NODE.replace("0", str(number)), number, version, now) for number in range(_COUNT)]


def _node(name: str, number: int, version: str, now: float) -> Manifest:
    pod_cidr = f"10.243.{number}.0/24"
    capacity = {"cpu": "8", "memory": "30Gi", "pods": "110"}
    spec = {
        "podCIDR": pod_cidr,
        "podCIDRs": [pod_cidr],
        "providerID": f"gce://{_PROJECT}/europe-west1-b/{name}",
    }
    status = {
        "addresses": [
            {"type": "InternalIP", "address": f"10.242.0.{number + 2}"},
            {"type": "Hostname", "address": name},
        ],
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": conditions(now),
        "nodeInfo": {**NODE_INFO, "kubeletVersion": f"v{version}", "kubeProxyVersion": f"v{version}"},
    }
    found = manifest(NODE, name, spec=spec, status=status)
    found["metadata"]["labels"] = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    return found
