"""Notices to the owner of a cluster before its families change: what stays behind, by name.

Each is an Event on the Shoot and a `notice` in the stream of events. Upstream says nothing
(docs/reference/weaknesses.md#w34).
"""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.reporting import Reporter
from dualstack.gardener.model.names import nodes_subnet, services_subnet
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.shoot_access import ShootNotRunning
from dualstack.kube.event_recorder import EventRecorder
from dualstack.model.cidr import family
from dualstack.model.enumeration import listed
from dualstack.model.json_path import dig
from dualstack.model.kinds import SERVICE, Manifest
from dualstack.model.names import KUBE_DNS, KUBE_SYSTEM, L4_RBS

_MOST_NAMES = 10
"""Names in one sentence; an Event holds at most 1024 characters."""


async def announce_load_balancers(
    clusters: Clusters, events: EventRecorder, reporter: Reporter, shoot: ShootView
) -> None:
    """Name the load balancers that stay IPv4-only, if any (docs/reference/weaknesses.md#w41).

    ingress-gce handles only Services with its annotation, which Gardener sets on new Services
    (docs/reference/gardener.md#ingress-gce).
    """
    services = await clusters.shoot(shoot.technical_id).list(SERVICE)
    old = _names(service for service in services if _is_load_balancer(service, by_ingress_gce=False))
    if old:
        message = (
            f"existing load balancers stay IPv4-only, because their addresses are in use: {old}. A Service of "
            "type LoadBalancer that is created after the migration gets an address of each family if it has "
            "spec.ipFamilyPolicy PreferDualStack or RequireDualStack; without a policy it stays IPv4-only"
        )
        await events.announce("LoadBalancersStayIPv4", message)
        reporter.notice("LoadBalancersStayIPv4", message)


async def announce_return(clusters: Clusters, events: EventRecorder, reporter: Reporter, shoot: ShootView) -> None:
    """Say what the return to IPv4 removes and what it leaves, once for each generation of the Shoot."""
    try:
        services = await clusters.shoot(shoot.technical_id).list(SERVICE)
        unknown = []
    except ShootNotRunning as error:
        services, unknown = [], [f"its Services cannot be listed now and may lose IPv6 addresses ({error})"]
    subnets = f"{nodes_subnet(shoot.technical_id)} and {services_subnet(shoot.technical_id)}"
    effects = [
        "pods keep their alias IP ranges, and no route is restored",
        f"subnets {subnets} stay dual-stack, and the IPv6 firewall rules stay",
        "every node is replaced by an IPv4-only node",
        *unknown,
    ]
    addressed = _names(service for service in services if _has_ipv6(service))
    if addressed:
        effects.append(f"Services that lose their IPv6 cluster address: {addressed}")
    balanced = _names(service for service in services if _is_load_balancer(service, by_ingress_gce=True))
    if balanced:
        effects.append(f"load balancers that no controller maintains any more: {balanced}")
    message = "; ".join(effects)
    if await events.announce("ReturningToIPv4", message, kind="Warning", generation=shoot.generation):
        reporter.notice("ReturningToIPv4", message)


def _is_load_balancer(service: Manifest, *, by_ingress_gce: bool) -> bool:
    """Whether it is a load balancer of ingress-gce, or else of cloud-controller-manager."""
    marked = dig(service, "metadata", "annotations", L4_RBS) == "enabled"
    return bool(dig(service, "spec", "type") == "LoadBalancer") and marked == by_ingress_gce


def _has_ipv6(service: Manifest) -> bool:
    """Whether it has an IPv6 cluster address; kube-dns, which the migration manages, does not count."""
    if (service["metadata"]["namespace"], service["metadata"]["name"]) == (KUBE_SYSTEM, KUBE_DNS):
        return False
    addresses = dig(service, "spec", "clusterIPs") or ()
    return any(family(address) == "IPv6" for address in addresses if address != "None")


def _names(services: Iterable[Manifest]) -> str:
    found = (f"{service['metadata']['namespace']}/{service['metadata']['name']}" for service in services)
    return listed(sorted(found), _MOST_NAMES)
