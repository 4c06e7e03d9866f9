"""The cluster's resources in Compute at rest: what a person makes by hand or with Terraform before `kubeadm init`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dualstack.model.kinds import Manifest
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.world.kubeadm.cluster import PlannedNode, VmCluster

_ANYWHERE = "0.0.0.0/0"
_IDENTITY_AWARE_PROXY = "35.235.240.0/20"
_STOPS_GUEST_AGENT = {"disable-address-manager": "true"}
"""Metadata of a VM (docs/reference/compute-engine.md#guest-agent-metadata)."""
_IMAGE = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64"
_JOIN = "#!/bin/sh\nkubeadm join --config /etc/kubernetes/join.yaml\n"
_INIT = "#!/bin/sh\nkubeadm init --config /etc/kubernetes/init.yaml\n"


def create_network(compute: Compute, cluster: VmCluster) -> None:
    """Create the network with its nodes subnet, router with NAT, and firewall rules."""
    region = f"regions/{cluster.shoot.region}"
    body: Manifest = {
        "name": cluster.names.network,
        "autoCreateSubnetworks": False,
        "routingConfig": {"routingMode": "REGIONAL"},
    }
    network = compute.place("networks", "global", body)["selfLink"]
    subnet = {"name": cluster.names.subnet, "network": network, "ipCidrRange": cluster.nodes_range}
    compute.place("subnetworks", region, subnet)
    nat = {
        "name": f"{cluster.names.cluster}-nat",
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
    }
    compute.place("routers", region, {"name": f"{cluster.names.cluster}-router", "network": network, "nats": [nat]})
    for rule in _firewall_rules(cluster):
        compute.place("firewalls", "global", {"network": network, "direction": "INGRESS", "priority": 1000, **rule})


def _firewall_rules(cluster: VmCluster) -> list[dict[str, Any]]:
    protocols = ("tcp", "udp", "icmp", "ipip")
    return [
        {
            "name": f"{cluster.names.cluster}-internal",
            "allowed": [{"IPProtocol": protocol} for protocol in protocols],
            "sourceRanges": [cluster.nodes_range, cluster.shoot.pods],
        },
        {
            "name": f"{cluster.names.cluster}-ssh",
            "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}],
            "sourceRanges": [_IDENTITY_AWARE_PROXY],
        },
        {
            "name": f"{cluster.names.cluster}-api",
            "allowed": [{"IPProtocol": "tcp", "ports": ["6443"]}],
            "sourceRanges": [_ANYWHERE],
            "targetTags": [cluster.names.control_plane_tag],
        },
    ]


def vm_properties(
    cluster: VmCluster, node: PlannedNode, metadata: Mapping[str, str], *, guest_agent: bool
) -> dict[str, Any]:
    """What an instance and an instance template have in common, apart from machine type and disk type.

    guest_agent: no metadata stops the guest agent from handling alias ranges.
    """
    names, pool = cluster.names, node.pool
    stops = {} if guest_agent else _STOPS_GUEST_AGENT
    disk = {"diskSizeGb": pool.volume_size.removesuffix("Gi"), "sourceImage": _IMAGE}
    return {
        "canIpForward": True,
        "tags": {"items": [names.control_plane_tag if node.control_plane else names.node_tag]},
        "disks": [{"autoDelete": True, "boot": True, "initializeParams": disk}],
        "metadata": {"items": [{"key": key, "value": value} for key, value in {**metadata, **stops}.items()]},
        "networkInterfaces": [{"subnetwork": f"regions/{cluster.shoot.region}/subnetworks/{names.subnet}"}],
    }


def place_vms(compute: Compute, cluster: VmCluster, guest_agent: bool) -> list[tuple[PlannedNode, Manifest]]:
    """Create the running VM of each planned node by itself."""
    return [(node, _place_vm(compute, cluster, node, guest_agent)) for node in cluster.planned_nodes()]


def _place_vm(compute: Compute, cluster: VmCluster, node: PlannedNode, guest_agent: bool) -> Manifest:
    zone = f"zones/{node.zone}"
    metadata = {"startup-script": _INIT if node.control_plane else _JOIN}
    body = vm_properties(cluster, node, metadata, guest_agent=guest_agent)
    body["disks"][0]["initializeParams"]["diskType"] = f"{zone}/diskTypes/{node.pool.volume_type}"
    machine_type = f"{zone}/machineTypes/{node.pool.machine_type}"
    return compute.place("instances", zone, {"name": node.name, "machineType": machine_type, **body})
