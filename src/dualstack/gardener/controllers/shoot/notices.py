"""What the owner of a cluster is told before its families change: what stays behind, by name (W34, W41).

Each is an Event on the Shoot and a `notice` in the stream of events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dualstack.clock import Clock
from dualstack.gardener.controllers.shoot.progress import Reporter
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.names import nodes_subnet, services_subnet
from dualstack.gardener.model.shoot import ShootView
from dualstack.kube.announcement import EventType, announce_about
from dualstack.kube.interface import Kube
from dualstack.model.cidr import family
from dualstack.model.json_path import dig
from dualstack.model.kinds import SERVICE, Manifest
from dualstack.model.names import KUBE_DNS, KUBE_SYSTEM, L4_RBS

_MOST_NAMES = 10
"""Names in one sentence; an Event holds no more than some hundred characters."""


async def tell_of_load_balancers(kube: Kube, clock: Clock, reporter: Reporter, shoot: ShootView) -> None:
    """The load balancers that go on with IPv4 alone, if there are any (W41).

    ingress-gce takes over Services with its annotation only, and Gardener sets that on new Services only (6.4).
    """
    old = _names(service for service in await kube.list(SERVICE) if _is_load_balancer(service, by_ingress_gce=False))
    if old:
        message = (
            f"load balancers that exist keep IPv4 alone, for their addresses are in use: {_listed(old)}. A Service of "
            "type LoadBalancer that is made after the migration gets both families"
        )
        await _tell(kube, clock, reporter, shoot, "LoadBalancersStayIPv4", message, "Normal")


async def tell_of_return(kube: Kube, clock: Clock, reporter: Reporter, shoot: ShootView) -> None:
    """What the way back to IPv4 takes away and what it leaves (gardener-behaviour.md 9); once, also after a kill."""
    services = await kube.list(SERVICE)
    subnets = f"{nodes_subnet(shoot.technical_id)} and {services_subnet(shoot.technical_id)}"
    told = [
        "pods keep their alias IP ranges, and no route comes back",
        f"subnets {subnets} stay dual-stack, and the IPv6 firewall rules stay",
        "every node is replaced by one with IPv4 alone",
    ]
    addressed = _names(service for service in services if _has_ipv6(service))
    if addressed:
        told.append(f"Services that lose their IPv6 cluster address: {_listed(addressed)}")
    balanced = _names(service for service in services if _is_load_balancer(service, by_ingress_gce=True))
    if balanced:
        told.append(f"load balancers that nobody looks after any more: {_listed(balanced)}")
    message = "; ".join(told)
    await _tell(kube, clock, reporter, shoot, "ReturningToIPv4", message, "Warning", generation=shoot.generation)


async def _tell(
    kube: Kube,
    clock: Clock,
    reporter: Reporter,
    shoot: ShootView,
    reason: str,
    message: str,
    kind: EventType,
    *,
    generation: int | None = None,
) -> None:
    if await announce_about(
        kube, clock, SHOOT, shoot.name, shoot.namespace, reason, message, kind=kind, generation=generation
    ):
        reporter.notice(reason, message)


def _is_load_balancer(service: Manifest, *, by_ingress_gce: bool) -> bool:
    """Whether it is a load balancer that cloud-controller-manager, or ingress-gce, looks after (6.4)."""
    marked = dig(service, "metadata", "annotations", L4_RBS) == "enabled"
    return bool(dig(service, "spec", "type") == "LoadBalancer") and marked == by_ingress_gce


def _has_ipv6(service: Manifest) -> bool:
    """Whether it has an IPv6 cluster address; that of kube-dns is ours to give back."""
    if (service["metadata"]["namespace"], service["metadata"]["name"]) == (KUBE_SYSTEM, KUBE_DNS):
        return False
    addresses = dig(service, "spec", "clusterIPs") or ()
    return any(family(address) == "IPv6" for address in addresses if address != "None")


def _names(services: Iterable[Manifest]) -> list[str]:
    return sorted(f"{service['metadata']['namespace']}/{service['metadata']['name']}" for service in services)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
