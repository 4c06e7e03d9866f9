"""All checks, in the order of their findings."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.preflight import limits, nodes, permissions, ranges, routing, subnets
from dualstack.preflight.check import Check
from dualstack.preflight.finding import Finding
from dualstack.preflight.inventory import Inventory

CHECKS: tuple[Check, ...] = (
    permissions.permissions_granted,
    ranges.range_valid,
    ranges.pod_range_overlap,
    ranges.pod_range_taken,
    ranges.service_range_overlap,
    ranges.service_range_routes,
    ranges.peer_ranges,
    ranges.reserved_ranges,
    routing.foreign_routes,
    routing.learned_routes,
    routing.advertised_pod_range,
    subnets.network_mode,
    subnets.subnet_purpose,
    subnets.subnet_name_taken,
    subnets.subnet_range,
    subnets.ipv6_access_type,
    subnets.overlap_flag_visible,
    nodes.nodes_known,
    nodes.node_routes,
    nodes.interface_subnet,
    nodes.plan_preconditions,
    nodes.network_watched,
    nodes.guest_agent,
    limits.secondary_range_limit,
    limits.alias_limit,
    limits.firewall_quota,
    limits.firewall_name_taken,
    limits.roll_out_quota,
    limits.nodes_subnet_room,
    limits.static_route_quota,
    limits.hybrid_limits,
    limits.decoy_room,
)
"""What can be read of the project, for every cluster."""

LIVE_CHECKS: tuple[Check, ...] = (permissions.kubernetes_permissions,)
"""What the API of a live cluster shows in addition; `dualstack.live.reading` reads it."""

ALL_CHECKS = (*CHECKS, *LIVE_CHECKS)

PREPARE_CHECKS = (*ALL_CHECKS, nodes.alias_matched)
"""Before `dualstack prepare`."""


def run_checks(inventory: Inventory, checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """The findings of all `checks`; at least one for each."""
    return [finding for check in checks for finding in check.findings(inventory)]
