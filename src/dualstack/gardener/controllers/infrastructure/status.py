"""What the Infrastructure says of itself: providerStatus, networking, egress, state (GB 3.5, 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.model.infrastructure import (
    NODES_SUBNET_IPV6,
    RESOURCES_EXIST,
    SERVICE_ACCOUNT_EMAIL,
    SERVICES_SUBNET_IPV6,
    InfrastructureState,
    InfrastructureStatus,
    NatIP,
    NetworkStatus,
    StatusRouter,
    StatusVPC,
    Subnet,
)
from dualstack.gardener.model.shoot import ShootView
from dualstack.model import cidr
from dualstack.model.errors import InvalidInput

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The /64 of the nodes subnet and of the services subnet as the cloud spells them; None while there is none."""

    nodes: str | None = None
    services: str | None = None

    @property
    def complete(self) -> bool:
        return self.nodes is not None and self.services is not None


def provider_status(
    desired: Desired, shoot: ShootView, *, nat_ips: tuple[str, ...], state: InfrastructureState
) -> Fields:
    """`status.providerStatus`; subnets in the order nodes, internal, services."""
    subnets = [Subnet(desired.nodes_subnet, "nodes")]
    if desired.config.networks.internal:
        subnets.append(Subnet(desired.internal_subnet, "internal"))
    if desired.dual:
        subnets.append(Subnet(desired.services_subnet, "services"))
    return InfrastructureStatus(
        networks=NetworkStatus(
            vpc=StatusVPC(desired.vpc, StatusRouter(desired.router)),
            subnets=tuple(subnets),
            nat_ips=tuple(NatIP(ip) for ip in nat_ips),
            ipfamilies=families(shoot),
        ),
        service_account_email=state.data.get(SERVICE_ACCOUNT_EMAIL, ""),
    ).to_raw()


def families(shoot: ShootView) -> tuple[str, ...]:
    """The spec's families, overridden by those of the nodes' ranges when there are two of them (3.5)."""
    status = shoot.status_networking
    found = cidr.families(status.nodes) if status else ()
    return found if len(found) > 1 else shoot.families


def networking(shoot: ShootView, prefixes: Prefixes) -> Fields:
    """`status.networking`, IPv4 first: pods share the nodes' /64, services get the first /108 of theirs (4.5).

    All in canonical spelling. InvalidInput without a nodes CIDR.
    """
    if not shoot.nodes:
        raise InvalidInput("spec.networking.nodes: Required value: a nodes CIDR must be provided for GCP shoots")
    nodes, pods, services = [shoot.nodes], [shoot.pods], [shoot.services]
    if prefixes.nodes:
        nodes.append(cidr.canonical(prefixes.nodes))
        pods.append(cidr.canonical(prefixes.nodes))
    if prefixes.services:
        services.append(cidr.services_range(prefixes.services))
    return {"nodes": nodes, "pods": pods, "services": services}


def egress(nat_ips: tuple[str, ...], prefixes: Prefixes) -> list[str]:
    """The user's NAT addresses as /32, and with them the nodes' /64; empty when the cloud picks the addresses (4.5)."""
    ranges = [f"{ip}/32" for ip in nat_ips]
    return [*ranges, cidr.canonical(prefixes.nodes)] if ranges and prefixes.nodes else ranges


def state_data(prefixes: Prefixes) -> dict[str, str]:
    """The keys of `status.state.data` that are known to be true now (3.5)."""
    data = {RESOURCES_EXIST: "true"}
    if prefixes.nodes:
        data[NODES_SUBNET_IPV6] = prefixes.nodes
    if prefixes.services:
        data[SERVICES_SUBNET_IPV6] = prefixes.services
    return data
