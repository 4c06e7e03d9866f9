"""The address lists that every component gets, gated by the migration (gardener-behaviour.md 2.4 to 2.6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION
from dualstack.gardener.model.shoot import NetworkingStatus, ShootView
from dualstack.model.cidr import at_offset, canonical, family

_API_SERVER_OFFSET = 1
_DNS_OFFSET = 10


class Phase(Enum):
    """Where a migration stands (gardener-behaviour.md 2.5)."""

    SINGLE_STACK = "P0"
    MIGRATING = "P1"
    NODES_READY = "P2"
    DNS_RESTARTING = "P3"
    DNS_READY = "P4"
    DONE = "P5"


@dataclass(frozen=True, slots=True)
class Networks:
    """Canonical CIDRs and addresses, primary family first; two entries each once components may be dual-stack."""

    pods: tuple[str, ...]
    services: tuple[str, ...]
    nodes: tuple[str, ...]
    egress: tuple[str, ...]
    api_server_ips: tuple[str, ...]
    dns_ips: tuple[str, ...]


def phase(shoot: ShootView) -> Phase:
    """The phase that spec and constraints show. A Shoot that never migrated is SINGLE_STACK or DONE."""
    nodes, dns = shoot.constraint(NODES_MIGRATION), shoot.constraint(DNS_MIGRATION)
    if not shoot.dual_stack:
        return Phase.SINGLE_STACK
    if nodes is not None:
        return Phase.NODES_READY if nodes == "True" else Phase.MIGRATING
    if dns is not None:
        return Phase.DNS_READY if dns == "True" else Phase.DNS_RESTARTING
    return Phase.DONE


def networks(shoot: ShootView) -> Networks:
    """Gardener's ToNetworks. Unlike upstream a single-family spec never gets ranges of the other family (9)."""
    status = shoot.status_networking or NetworkingStatus()
    reduced = _reduced(shoot)

    def merged(spec: Iterable[str | None], found: Iterable[str]) -> tuple[str, ...]:
        given = [canonical(text) for text in (*spec, *found) if text]
        ordered = tuple(text for wanted in shoot.families for text in dict.fromkeys(given) if family(text) == wanted)
        return tuple(text for text in ordered if family(text) == shoot.families[0]) if reduced else ordered

    services = merged([shoot.services], status.services)
    return Networks(
        pods=merged([shoot.pods], status.pods),
        services=services,
        nodes=merged([shoot.nodes], status.nodes),
        egress=tuple(canonical(text) for text in status.egress),
        api_server_ips=tuple(at_offset(text, _API_SERVER_OFFSET) for text in services),
        dns_ips=tuple(at_offset(text, _DNS_OFFSET) for text in services),
    )


def all_ranges(shoot: ShootView, kind: str) -> tuple[str, ...]:
    """Ranges of `pods` or `services` without the gate, as cloud-controller-manager gets them (6.2).

    Spec and status, each once; only the first for a spec of one family.
    """
    status = shoot.status_networking or NetworkingStatus()
    spec, found = (shoot.pods, status.pods) if kind == "pods" else (shoot.services, status.services)
    ranges = tuple(dict.fromkeys(canonical(text) for text in (spec, *found) if text))
    return ranges[:1] if len(shoot.families) == 1 else ranges


def network_families(shoot: ShootView) -> tuple[str, ...]:
    """The families that the CNI may configure now (7.1): the primary one while nodes are being migrated."""
    constraint = shoot.constraint(NODES_MIGRATION)
    gated = constraint is not None and constraint != "True"
    return shoot.families[:1] if gated else shoot.families


def dns_is_dual(shoot: ShootView) -> bool:
    """Whether kube-dns may have every family now (2.6, CoreDNS)."""
    dns = shoot.constraint(DNS_MIGRATION)
    return shoot.constraint(NODES_MIGRATION) is None and dns in (None, "True")


def kubelet_dns(shoot: ShootView, current: Networks, *, service_ips: Iterable[str] | None = None) -> tuple[str, ...]:
    """`clusterDNS` of the kubelets: the first address until DNS is migrated (2.6, OSC).

    With `service_ips`, the cluster IPs that the live Service kube-dns has, no address is published before it is
    served (W46).
    """
    if not dns_is_dual(shoot):
        return current.dns_ips[:1]
    if service_ips is None:
        return current.dns_ips
    served = set(service_ips)
    return current.dns_ips[:1] + tuple(address for address in current.dns_ips[1:] if address in served)


def _reduced(shoot: ShootView) -> bool:
    status = shoot.constraint(NODES_MIGRATION)
    if status is None:
        return False
    return (status != "True") == shoot.dual_stack
