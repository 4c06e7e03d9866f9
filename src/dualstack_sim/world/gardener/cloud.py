"""The cluster's resources in Compute at rest (docs/reference/gardener.md#compute-requests)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.infrastructure import (
    CloudNAT,
    InfrastructureStatus,
    NatIP,
    NetworkStatus,
    StatusRouter,
    StatusVPC,
    Subnet,
)
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.machine_class import machine_class
from dualstack_sim.actors.machine_instances import instance_body
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.world.gardener.node_placements import NodePlacement

Body = dict[str, Any]

_GLOBAL = "global"
_INTERNAL_ACCESS = [
    {"IPProtocol": "icmp"},
    {"IPProtocol": "ipip"},
    {"IPProtocol": "tcp", "ports": ["1-65535"]},
    {"IPProtocol": "udp", "ports": ["1-65535"]},
]
_NODE_PORTS = [
    {"IPProtocol": "udp", "ports": ["30000-32767"]},
    {"IPProtocol": "tcp", "ports": ["30000-32767"]},
]
_HEALTH_CHECKS = ["35.191.0.0/16", "209.85.204.0/22", "209.85.152.0/22", "130.211.0.0/22"]


@dataclass(frozen=True, slots=True)
class NetworkResources:
    """Links of the resources that VMs and routes refer to, and the provider status that describes them."""

    network: str
    nodes_subnet: str
    nat_ips: tuple[str, ...]
    status: InfrastructureStatus


def create_network_resources(compute: Compute, shoot: ShootView) -> NetworkResources:
    """Create network, subnets, router with NAT, static addresses and firewall rules."""
    config, ns = shoot.infrastructure_config, shoot.technical_id
    region = f"regions/{shoot.region}"
    vpc, router = config.user_vpc or gardener_names.vpc(ns), config.user_router or gardener_names.cloud_router(ns)
    network = compute.place("networks", _GLOBAL, _network(vpc, config.networks.mtu))["selfLink"]
    subnet = compute.place("subnetworks", region, _nodes_subnet(shoot, network))["selfLink"]
    subnets = [Subnet(name=gardener_names.nodes_subnet(ns), purpose="nodes")]
    if config.networks.internal:
        compute.place("subnetworks", region, _internal_subnet(shoot, network))
        subnets.append(Subnet(name=gardener_names.internal_subnet(ns), purpose="internal"))
    addresses = [compute.place("addresses", region, {"name": name}) for name in config.nat_ip_names]
    nat = _nat(shoot, subnet, [address["selfLink"] for address in addresses])
    description = {} if config.user_router else {"description": gardener_names.ROUTER_DESCRIPTION}
    compute.place("routers", region, {"name": router, "network": network, "nats": [nat], **description})
    for rule in _firewall_rules(shoot, network):
        compute.place("firewalls", _GLOBAL, rule)
    nat_ips = tuple(address["address"] for address in addresses)
    status = InfrastructureStatus(
        networks=NetworkStatus(
            vpc=StatusVPC(name=vpc, cloud_router=StatusRouter(name=router)),
            subnets=tuple(subnets),
            nat_ips=tuple(NatIP(ip=address) for address in nat_ips),
            ipfamilies=shoot.families,
        )
    )
    return NetworkResources(network, subnet, nat_ips, status)


def place_vm(compute: Compute, shoot: ShootView, status: InfrastructureStatus, node: NodePlacement) -> Body:
    """Create the running VM of a node, as the machine controller does."""
    spec = machine_class(shoot, status, node.pool_zone.pool, node.pool_zone.part).new["providerSpec"]
    return compute.place("instances", f"zones/{node.zone}", instance_body(node.name, spec))


def _network(name: str, mtu: int | None) -> Body:
    body: Body = {"name": name, "autoCreateSubnetworks": False, "routingConfig": {"routingMode": "REGIONAL"}}
    return {**body, "mtu": mtu} if mtu else body


def _nodes_subnet(shoot: ShootView, network: str) -> Body:
    config = shoot.infrastructure_config
    body: Body = {
        "name": gardener_names.nodes_subnet(shoot.technical_id),
        "description": gardener_names.NODES_SUBNET_DESCRIPTION,
        "ipCidrRange": config.workers,
        "network": network,
    }
    logs = config.networks.flow_logs
    if logs is not None:
        body["enableFlowLogs"] = True
        body["logConfig"] = {
            "enable": True,
            "aggregationInterval": logs.aggregation_interval or "INTERVAL_5_MIN",
            "flowSampling": 0.5 if logs.flow_sampling is None else logs.flow_sampling,
            "metadata": logs.metadata or "EXCLUDE_ALL_METADATA",
        }
    return body


def _internal_subnet(shoot: ShootView, network: str) -> Body:
    return {
        "name": gardener_names.internal_subnet(shoot.technical_id),
        "description": gardener_names.INTERNAL_SUBNET_DESCRIPTION,
        "ipCidrRange": shoot.infrastructure_config.networks.internal,
        "network": network,
    }


def _nat(shoot: ShootView, subnet: str, addresses: list[str]) -> Body:
    """The NAT with the user's settings over Gardener's defaults (docs/reference/gardener.md#nat)."""
    config = shoot.infrastructure_config.networks.cloud_nat or CloudNAT()
    mapping = config.endpoint_independent_mapping
    return {
        "name": gardener_names.cloud_nat(shoot.technical_id),
        "natIpAllocateOption": "MANUAL_ONLY" if addresses else "AUTO_ONLY",
        **({"natIps": addresses} if addresses else {}),
        "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
        "subnetworks": [{"name": subnet, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}],
        "minPortsPerVm": _or(config.min_ports_per_vm, 2048),
        "maxPortsPerVm": _or(config.max_ports_per_vm, 65536),
        "enableDynamicPortAllocation": config.enable_dynamic_port_allocation,
        "enableEndpointIndependentMapping": mapping.enabled if mapping else False,
        "icmpIdleTimeoutSec": _or(config.icmp_idle_timeout_sec, 30),
        "tcpEstablishedIdleTimeoutSec": _or(config.tcp_established_idle_timeout_sec, 1200),
        "tcpTimeWaitTimeoutSec": _or(config.tcp_time_wait_timeout_sec, 120),
        "tcpTransitoryIdleTimeoutSec": _or(config.tcp_transitory_idle_timeout_sec, 30),
        "udpIdleTimeoutSec": _or(config.udp_idle_timeout_sec, 30),
        "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
    }


def _or(given: int | None, default: int) -> int:
    return default if given is None else given


def _firewall_rules(shoot: ShootView, network: str) -> list[Body]:
    ns, networks = shoot.technical_id, shoot.infrastructure_config.networks
    inside = [cidr for cidr in (shoot.pods, networks.internal, networks.workers, networks.worker) if cidr]
    rules = (
        (gardener_names.firewall_internal(ns), _INTERNAL_ACCESS, inside),
        (gardener_names.firewall_health_checks(ns), _NODE_PORTS, _HEALTH_CHECKS),
    )
    return [
        {
            "name": name,
            "network": network,
            "direction": "INGRESS",
            "priority": 1000,
            "disabled": False,
            "allowed": allowed,
            "sourceRanges": list(dict.fromkeys(sources)),
        }
        for name, allowed, sources in rules
    ]
