"""Nodes at rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dualstack.clock import rfc3339
from dualstack.model.kinds import NODE, Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.actors.kubelet import NODE_INFO
from dualstack_sim.actors.pod_status import pressure_conditions, ready_condition


@dataclass(frozen=True, slots=True)
class WorldNode:
    """One node of a world that was built."""

    name: str
    uid: str
    pool: str
    zone: str
    address: str
    pod_cidr: str


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the Nodes of a cluster have in common. `info` replaces fields of `status.nodeInfo`."""

    project: str
    version: str
    max_pods: int
    now: float
    info: Mapping[str, str]


def node_at_rest(
    facts: NodeFacts,
    vm: Manifest,
    pod_cidr: str,
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    taints: Sequence[Mapping[str, Any]] = (),
) -> Manifest:
    """The Ready Node of a running VM whose pod CIDR has a route, with more labels than every Node has."""
    name, zone, machine_type = vm["name"], *(str(vm[field]).rsplit("/", 1)[-1] for field in ("zone", "machineType"))
    capacity = {"cpu": "4", "memory": "15Gi", "pods": str(facts.max_pods), "ephemeral-storage": "50Gi"}
    result = manifest(
        NODE,
        name,
        spec={
            "podCIDR": pod_cidr,
            "podCIDRs": [pod_cidr],
            "providerID": f"gce://{facts.project}/{zone}/{name}",
            **({"taints": list(taints)} if taints else {}),
        },
        status={
            "addresses": [
                {"type": "InternalIP", "address": vm["networkInterfaces"][0]["networkIP"]},
                {"type": "Hostname", "address": name},
            ],
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": conditions(facts.now),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": _node_info(facts, vm["id"]),
        },
    )
    result["metadata"]["labels"] = {**_labels(name, zone, machine_type), **labels}
    if annotations:
        result["metadata"]["annotations"] = dict(annotations)
    return result


def _labels(name: str, zone: str, machine_type: str) -> dict[str, str]:
    region = zone.rsplit("-", 1)[0]
    return {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/instance-type": machine_type,
        "beta.kubernetes.io/os": "linux",
        "failure-domain.beta.kubernetes.io/region": region,
        "failure-domain.beta.kubernetes.io/zone": zone,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": machine_type,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": zone,
    }


def conditions(now: float) -> list[dict[str, Any]]:
    """The conditions of a healthy Node with a route."""
    stamp = rfc3339(now)
    network = ready_condition(None, "False", "RouteCreated", "RouteController created a route", stamp)
    ready = ready_condition(None, "True", "KubeletReady", "kubelet is posting ready status", stamp)
    return [{**network, "type": "NetworkUnavailable"}, *pressure_conditions(stamp), ready]


def _node_info(facts: NodeFacts, machine_id: str) -> Manifest:
    version = f"v{facts.version}"
    ids = dict.fromkeys(("bootID", "machineID", "systemUUID"), machine_id)
    return {**NODE_INFO, **facts.info, **ids, "kubeletVersion": version, "kubeProxyVersion": version}
