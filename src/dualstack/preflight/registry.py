"""All checks, in the order of their findings."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.preflight import (
    decoys,
    exposure,
    installation,
    landscape,
    limits,
    management,
    nodes,
    permissions,
    ranges,
    routing,
    subnets,
    workloads,
)
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
    limits.subnet_range_quota,
    limits.network_quota,
    limits.hybrid_limits,
    decoys.decoy_room,
)
"""What can be read of the project, for every cluster."""

LIVE_CHECKS: tuple[Check, ...] = (
    permissions.kubernetes_permissions,
    nodes.alias_matched,
    installation.kubernetes_version,
    installation.service_cidrs,
    installation.native_routing,
    installation.cni_known,
    installation.cluster_autoscaler,
    installation.cluster_dns,
    installation.node_mask_flag,
    installation.maintenance_window,
    workloads.ipv4_only_services,
    workloads.load_balancers,
    workloads.network_policies,
    workloads.webhook_addresses,
    workloads.webhooks_in_the_way,
    workloads.disruption_budgets,
    workloads.external_dns,
    routing.tagged_routes,
    routing.broader_routes,
    exposure.ipv6_exposure,
    exposure.ipv6_firewall,
    exposure.firewall_sources,
    exposure.nat_ranges,
    exposure.ipv6_egress,
    management.subnet_manager,
    management.instance_templates,
    landscape.shoot_spec,
    landscape.seed_objects,
)
"""What the API of a live cluster shows in addition, and what its owner judges; `dualstack.live.reading` reads it."""

ALL_CHECKS = (*CHECKS, *LIVE_CHECKS)


def run_checks(inventory: Inventory, checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """The findings of all `checks`; at least one for each."""
    return [finding for check in checks for finding in check.findings(inventory)]
