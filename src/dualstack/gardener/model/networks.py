"""The address lists of every component, gated by the migration (docs/reference/gardener.md#address-lists)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION
from dualstack.gardener.model.shoot import NetworkingStatus, ShootView
from dualstack.model.cidr import at_offset, canonical, family

_API_SERVER_OFFSET = 1
_DNS_OFFSET = 10


@dataclass(frozen=True, slots=True)
class Networks:
    """Canonical CIDRs and addresses, primary family first; two entries each when components may be dual-stack."""

    pods: tuple[str, ...]
    services: tuple[str, ...]
    nodes: tuple[str, ...]
    egress: tuple[str, ...]
    api_server_ips: tuple[str, ...]
    dns_ips: tuple[str, ...]


def networks(shoot: ShootView) -> Networks:
    """Gardener's ToNetworks. Unlike upstream, a single-family spec never gets ranges of the other family."""
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
    """The ranges of `pods` or `services` for cloud-controller-manager, which the migration does not gate.

    Those of spec and status; only the first for a single-family spec
    (docs/reference/gardener.md#cloud-controller-manager-flags).
    """
    status = shoot.status_networking or NetworkingStatus()
    spec, found = (shoot.pods, status.pods) if kind == "pods" else (shoot.services, status.services)
    ranges = tuple(dict.fromkeys(canonical(text) for text in (spec, *found) if text))
    return ranges[:1] if len(shoot.families) == 1 else ranges


def network_families(shoot: ShootView) -> tuple[str, ...]:
    """The families that the CNI may use now: one while nodes migrate (docs/reference/gardener.md#cni-gating)."""
    constraint = shoot.constraint(NODES_MIGRATION)
    gated = constraint is not None and constraint != "True"
    return shoot.families[:1] if gated else shoot.families


def dns_is_dual(shoot: ShootView) -> bool:
    """Whether kube-dns may have every family now (docs/reference/gardener.md#coredns)."""
    dns = shoot.constraint(DNS_MIGRATION)
    return shoot.constraint(NODES_MIGRATION) is None and dns in (None, "True")


def kubelet_dns(shoot: ShootView, current: Networks, *, service_ips: Iterable[str] | None = None) -> tuple[str, ...]:
    """`clusterDNS` of the kubelets: the first address until DNS is migrated.

    docs/reference/gardener.md#kubelet-cluster-dns. With `service_ips`, the cluster IPs of the live Service kube-dns, an
    address is published only when it is served (docs/reference/weaknesses.md#w46).
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
