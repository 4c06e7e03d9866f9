"""What must hold in a live cluster, by the state in which it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from dualstack.verify import addresses, paths
from dualstack.verify.checks import (
    DUAL,
    IPV4,
    allocates_from_cloud,
    controller_manager,
    creates_routes,
    dns,
    dual_stack_subnet,
    every_node_route,
    has_families,
    interfaces,
    ipv6_firewall,
    load_balancers,
    no_node_route,
    no_other_pod_alias,
    no_pod_alias,
    no_pod_range,
    nodes_ready,
    overlap_flag_off,
    pod_alias_first,
    pod_cidr_families,
    pods_with_new_addresses,
    pods_with_one_address,
    subnet_with_pod_range,
    with_pod_range,
)
from dualstack.verify.judging import Rule

Expected = Literal["routes", "prepared", "aliases", "dual-stack", "unfinished"]
"""unfinished: between two of the others."""
EXPECTED: tuple[Expected, ...] = ("routes", "prepared", "aliases", "dual-stack")
"""The states that a user can expect by name."""

COMMON: Mapping[str, Rule] = {
    "nodes.ready": nodes_ready,
    "pods.ranges": addresses.pods_in_node_ranges,
    "agents.rolled-out": addresses.agents_rolled_out,
    "services.load-balancers": load_balancers,
    "compute.quotas": addresses.quotas,
    "dns.endpoints": paths.dns_endpoints,
    "pods.mtu": paths.pod_mtu,
}

_IPV4: Mapping[str, Rule] = {
    "nodes.pod-cidrs": pod_cidr_families(*IPV4),
    "nodes.addresses": addresses.node_addresses(*IPV4),
    "pods.addresses": pods_with_one_address,
    "services.addresses": addresses.service_addresses(*IPV4),
    "dns.service": dns("SingleStack", *IPV4),
    "agents.kube-proxy": addresses.proxy_ranges(*IPV4),
    "compute.egress": paths.egress(*IPV4),
}

_FROM_ALIASES = controller_manager(
    lambda flags: (
        flags.get("cidr-allocator-type") == "CloudAllocator" and flags.get("configure-cloud-routes") == "false"
    )
)
_FROM_ALIASES_DUAL = controller_manager(
    lambda flags: (
        flags.get("cidr-allocator-type") == "CloudAllocator"
        and flags.get("configure-cloud-routes") == "false"
        and ("cluster-cidr" not in flags or has_families(flags["cluster-cidr"], *DUAL))
    )
)

ROUTES: Mapping[str, Rule] = {
    "compute.routes": every_node_route,
    "compute.aliases": no_pod_alias,
    "compute.overlap-flag": overlap_flag_off,
    "compute.pod-range": no_pod_range,
    "control-plane.cloud-controller-manager": creates_routes(),
    **_IPV4,
    **COMMON,
}
"""Before a migration, or after a rollback."""

PREPARED: Mapping[str, Rule] = {
    "compute.routes": every_node_route,
    "compute.aliases": pod_alias_first,
    "compute.subnet": with_pod_range,
    "compute.nat-ranges": paths.nat_ranges,
    "control-plane.cloud-controller-manager": creates_routes(),
    **_IPV4,
    **COMMON,
}
"""After `dualstack prepare`: both ways to every node."""

ALIASES: Mapping[str, Rule] = {
    "compute.routes": no_node_route,
    "compute.aliases": pod_alias_first,
    "compute.subnet": subnet_with_pod_range,
    "compute.nat-ranges": paths.nat_ranges,
    "control-plane.cloud-controller-manager": _FROM_ALIASES,
    **_IPV4,
    **COMMON,
}
"""After `dualstack finish` in a cluster that is IPv4."""

UNFINISHED: Mapping[str, Rule] = {"compute.aliases": no_other_pod_alias, **_IPV4, **COMMON}
"""Between two of these states, where a change was interrupted: some routes and aliases may be missing."""


def dual_stack(*, gardener: bool) -> Mapping[str, Rule]:
    """After a whole migration. gardener: firewall rules and flags are those that Gardener makes."""
    return {
        "compute.routes": no_node_route,
        "compute.subnet": dual_stack_subnet,
        "compute.interfaces": interfaces(*DUAL),
        "compute.firewall": ipv6_firewall if gardener else addresses.admits_own_ipv6,
        "compute.exposure": addresses.closed_to_the_internet,
        "control-plane.cloud-controller-manager": allocates_from_cloud(*DUAL) if gardener else _FROM_ALIASES_DUAL,
        "nodes.pod-cidrs": pod_cidr_families(*DUAL),
        "nodes.addresses": addresses.node_addresses(*DUAL),
        "pods.addresses": pods_with_new_addresses,
        "services.addresses": addresses.service_addresses(*DUAL),
        "dns.service" if gardener else "dns.families": dns("PreferDualStack", *DUAL),
        "agents.kube-proxy": addresses.proxy_ranges(*DUAL),
        "compute.egress": paths.egress(*DUAL),
        "compute.nat-ranges": paths.nat_ranges,
        "policies.families": paths.policy_families,
        **COMMON,
    }


def rules_for(expected: Expected, *, gardener: bool) -> Mapping[str, Rule]:
    """The rules of the state."""
    if expected == "dual-stack":
        return dual_stack(gardener=gardener)
    return {"routes": ROUTES, "prepared": PREPARED, "aliases": ALIASES, "unfinished": UNFINISHED}[expected]
