"""The cluster's resources in Compute at rest: what a person makes by hand or with Terraform before `kubeadm init`."""

from __future__ import annotations

from typing import Any

from dualstack.model.kinds import Manifest
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.world.kubeadm.cluster import KubeadmCluster, PlannedNode

_ANYWHERE = "0.0.0.0/0"
_IDENTITY_AWARE_PROXY = "35.235.240.0/20"
_STOPS_GUEST_AGENT = {"key": "disable-address-manager", "value": "true"}
"""Metadata of a VM (docs/reference/compute-engine.md#guest-agent-metadata)."""
_JOIN = "#!/bin/sh\nkubeadm join --config /etc/kubernetes/join.yaml\n"
_INIT = "#!/bin/sh\nkubeadm init --config /etc/kubernetes/init.yaml\n"


def create_network(compute: Compute, cluster: KubeadmCluster) -> None:
    """Create the network with its nodes subnet, router with NAT, and firewall rules."""
    region = f"regions/{cluster.shoot.region}"
    body: Manifest = {
        "name": cluster.network,
        "autoCreateSubnetworks": False,
        "routingConfig": {"routingMode": "REGIONAL"},
    }
    network = compute.place("networks", "global", body)["selfLink"]
    subnet = {"name": cluster.subnet, "network": network, "ipCidrRange": cluster.nodes_range}
    compute.place("subnetworks", region, subnet)
    nat = {
        "name": f"{cluster.name}-nat",
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
    }
    compute.place("routers", region, {"name": f"{cluster.name}-router", "network": network, "nats": [nat]})
    for rule in _firewall_rules(cluster):
        compute.place("firewalls", "global", {"network": network, "direction": "INGRESS", "priority": 1000, **rule})


def _firewall_rules(cluster: KubeadmCluster) -> list[dict[str, Any]]:
    protocols = ("tcp", "udp", "icmp", "ipip")
    return [
        {
            "name": f"{cluster.name}-internal",
            "allowed": [{"IPProtocol": protocol} for protocol in protocols],
            "sourceRanges": [cluster.nodes_range, cluster.shoot.pods],
        },
        {
            "name": f"{cluster.name}-ssh",
            "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}],
            "sourceRanges": [_IDENTITY_AWARE_PROXY],
        },
        {
            "name": f"{cluster.name}-api",
            "allowed": [{"IPProtocol": "tcp", "ports": ["6443"]}],
            "sourceRanges": [_ANYWHERE],
            "targetTags": [_control_plane_tag(cluster)],
        },
    ]


def place_vm(compute: Compute, cluster: KubeadmCluster, node: PlannedNode, *, guest_agent: bool) -> Manifest:
    """Create the running VM of a node. guest_agent: no metadata stops the guest agent from handling alias ranges."""
    zone, pool = f"zones/{node.zone}", node.pool
    script = {"key": "startup-script", "value": _INIT if node.control_plane else _JOIN}
    parameters = {
        "diskSizeGb": pool.volume_size.removesuffix("Gi"),
        "diskType": f"{zone}/diskTypes/{pool.volume_type}",
        "sourceImage": "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64",
    }
    return compute.place(
        "instances",
        zone,
        {
            "name": node.name,
            "machineType": f"{zone}/machineTypes/{pool.machine_type}",
            "canIpForward": True,
            "tags": {"items": [cluster.tag, *([_control_plane_tag(cluster)] if node.control_plane else [])]},
            "disks": [{"autoDelete": True, "boot": True, "initializeParams": parameters}],
            "metadata": {"items": [script, *([] if guest_agent else [_STOPS_GUEST_AGENT])]},
            "networkInterfaces": [{"subnetwork": f"regions/{cluster.shoot.region}/subnetworks/{cluster.subnet}"}],
        },
    )


def _control_plane_tag(cluster: KubeadmCluster) -> str:
    return f"{cluster.name}-control-plane"
