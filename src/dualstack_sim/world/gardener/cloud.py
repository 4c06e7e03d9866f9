"""The cluster's resources in Compute at rest (docs/reference/gardener.md#compute-requests)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.infrastructure import (
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
from dualstack_sim.actors.provider_gcp.bodies import Bodies
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.world.gardener.node_placements import NodePlacement

Body = dict[str, Any]

_GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class NetworkResources:
    """Links of the resources that VMs and routes refer to, and the provider status that describes them."""

    network: str
    nodes_subnet: str
    nat_ips: tuple[str, ...]
    status: InfrastructureStatus


def create_network_resources(compute: Compute, shoot: ShootView) -> NetworkResources:
    """Create network, subnets, router with NAT, static addresses and firewall rules, as upstream does."""
    config, ns, bodies = shoot.infrastructure_config, shoot.technical_id, Bodies(shoot)
    region = f"regions/{shoot.region}"
    network = compute.place("networks", _GLOBAL, bodies.network())["selfLink"]
    subnet = compute.place("subnetworks", region, bodies.nodes(network))["selfLink"]
    subnets = [Subnet(name=gardener_names.nodes_subnet(ns), purpose="nodes")]
    if internal := bodies.internal(network):
        compute.place("subnetworks", region, internal)
        subnets.append(Subnet(name=gardener_names.internal_subnet(ns), purpose="internal"))
    addresses = [compute.place("addresses", region, {"name": name}) for name in config.nat_ip_names]
    router = bodies.router(network) | bodies.nats((), subnet, [address["selfLink"] for address in addresses])
    if config.user_router:
        del router["description"]
    compute.place("routers", region, router)
    for rule in bodies.firewalls(network, ()):
        compute.place("firewalls", _GLOBAL, rule)
    nat_ips = tuple(address["address"] for address in addresses)
    status = InfrastructureStatus(
        networks=NetworkStatus(
            vpc=StatusVPC(name=bodies.vpc, cloud_router=StatusRouter(name=bodies.router_name)),
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
