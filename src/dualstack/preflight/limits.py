"""Checks of quotas and fixed limits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Network

from dualstack.gce import Resource
from dualstack.gce.resources import last_segment, same_resource
from dualstack.plan.automatic import beyond
from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.decoys import decoy_check
from dualstack.preflight.inventory import Inventory
from dualstack.preflight.quotas import over_quotas, peak
from dualstack.preflight.ranges import pending_pod_range

SECONDARY_RANGES = 170
"""Secondary ranges of a subnet (docs/reference/compute-engine.md#fixed-limits)."""

ALIASES = 150
"""Alias ranges of an interface (docs/reference/compute-engine.md#fixed-limits)."""

RESERVED = 4
"""Addresses of a primary range that no VM can have (docs/reference/compute-engine.md#reserved-addresses)."""

STATIC_ROUTES = 200
"""Static routes of a network, unless the quota was raised; Compute does not show that quota
(docs/reference/compute-engine.md#static-routes-per-network)."""


NETWORK_OBJECTS = 15_000
"""Interfaces of a network, and as many alias ranges, unless the quota was raised
(docs/reference/compute-engine.md#network-quotas)."""

SUBNET_RANGES = 300
"""Ranges of subnets of a network, unless the quota was raised (docs/reference/compute-engine.md#network-quotas)."""


@Check(
    "secondary-range-limit",
    "blocker",
    reads=("cluster state",),
    fine="the nodes subnet has room for another secondary range",
    consequence="the pod range cannot be added; the limit is fixed",
    remedy="remove a secondary range that is not used",
    cause="quota",
)
def secondary_range_limit(inventory: Inventory) -> Iterator[Problem]:
    """The range is added to those that exist (docs/reference/compute-engine.md#fixed-limits)."""
    pending_pod_range(inventory)
    subnet = inventory.facts.subnet
    if len(subnet.secondary_ranges) >= SECONDARY_RANGES:
        yield Problem(f"subnet {subnet.name}", f"it has {len(subnet.secondary_ranges)} secondary ranges")


@Check(
    "alias-limit",
    "blocker",
    reads=("cluster state",),
    fine="every VM has room for another alias range",
    consequence="the VM cannot have its pod CIDR as an alias range; the limit is fixed",
    remedy="remove an alias range of the VM",
    cause="quota",
)
def alias_limit(inventory: Inventory) -> Iterator[Problem]:
    """The alias is added to those that exist (docs/reference/compute-engine.md#fixed-limits)."""
    facts = inventory.facts
    for name in facts.without_alias:
        if not facts.aliased(name) and len(facts.node_of[name].aliases) >= ALIASES:
            yield Problem(f"VM {name}", f"nic0 has {len(facts.node_of[name].aliases)} alias ranges")


@Check(
    "firewall-quota",
    "blocker",
    reads=("project", "firewalls"),
    fine="the quota FIREWALLS has room for the rules for IPv6",
    consequence="IPv6 traffic of the cluster stays blocked",
    remedy="raise the quota, or delete firewall rules that are not used",
    cause="quota",
)
def firewall_quota(inventory: Inventory) -> Iterator[Problem]:
    """Dual-stack adds firewall rules to the project (docs/reference/weaknesses.md#w32)."""
    existing = {rule["name"] for rule in inventory.of("firewalls")}
    (project,) = inventory.of("project")
    quota = next((entry for entry in project.get("quotas") or () if entry.get("metric") == "FIREWALLS"), None)
    if quota is None:
        raise NotApplicable(f"project {inventory.cluster.project} has no quota FIREWALLS")
    missing = len(set(inventory.planned_firewalls) - existing)
    limit = int(quota["limit"])
    if missing > max(0, limit - len(existing)):
        evidence = f"quota FIREWALLS is {limit}, {len(existing)} rules exist and {missing} more are needed"
        yield Problem(f"project {inventory.cluster.project}", evidence)


@Check(
    "firewall-name-taken",
    "blocker",
    reads=("network", "firewalls"),
    fine="no other network has a firewall rule with the name of one that the cluster needs",
    consequence="the network of a rule cannot be changed, so IPv6 traffic of the cluster stays blocked",
    remedy="delete the rule of the other network",
)
def firewall_name_taken(inventory: Inventory) -> Iterator[Problem]:
    """Names are unique in the project (docs/reference/compute-engine.md#firewall-fields)."""
    own = inventory.in_network("firewalls")
    for rule in inventory.of("firewalls"):
        if rule["name"] in inventory.planned_firewalls and rule not in own:
            yield Problem(f"firewall rule {rule['name']}", f"it belongs to network {last_segment(rule['network'])}")


@Check(
    "roll-out-quota",
    "blocker",
    reads=("project", "network", "instances", "region", "machine types"),
    fine="the quotas have room for the VMs that exist in addition while the nodes are replaced",
    consequence="new nodes cannot be created, so the nodes never become dual-stack",
    remedy="raise the quota, or reduce maxSurge of the pools",
    cause="quota",
)
def roll_out_quota(inventory: Inventory) -> Iterator[Problem]:
    """Every node is replaced; up to `surge` VMs of each pool are added to those that exist
    (docs/reference/compute-engine.md#regional-quotas)."""
    yield from over_quotas(inventory, partial(peak, inventory))


@Check(
    "nodes-subnet-room",
    "blocker",
    reads=("network", "subnetworks", "instances"),
    fine="the nodes subnet has room for the VMs that exist in addition while the nodes are replaced",
    consequence="new nodes cannot be created, so the nodes never become dual-stack",
    remedy="expand the nodes subnet, or reduce maxSurge of the pools",
    cause="quota",
)
def nodes_subnet_room(inventory: Inventory) -> Iterator[Problem]:
    """Each VM needs an address of the primary range (docs/reference/compute-engine.md#reserved-addresses)."""
    subnet, surge = inventory.nodes_subnet, inventory.cluster.surge
    path = f"projects/{inventory.cluster.project}/{inventory.cluster.nodes_subnet_path}"
    used = sum(
        same_resource(interface.get("subnetwork") or "", path)
        for instance in inventory.of("instances")
        for interface in instance.get("networkInterfaces") or ()
    )
    text = inventory.cluster.nodes or subnet["ipCidrRange"]
    room = IPv4Network(text).num_addresses - RESERVED
    if used + surge > room:
        evidence = f"range {text} has {room} usable addresses, VMs use {used} and up to {surge} more are needed"
        yield Problem(f"subnet {subnet['name']}", evidence)


@Check(
    "static-route-quota",
    "risk",
    reads=("cluster state", "network", "routes"),
    fine=f"the network has room for more static routes under the default quota of {STATIC_ROUTES}",
    consequence="unless the quota was raised, new nodes get no route, and a rollback cannot restore all routes",
    remedy="check the quota, raise it, or keep the number of nodes constant during the cut-over",
    cause="quota",
)
def static_route_quota(inventory: Inventory) -> Iterator[Problem]:
    """Compute does not show the quota (docs/reference/compute-engine.md#static-routes-per-network)."""
    facts, settings = inventory.facts, inventory.settings
    pending_pod_range(inventory)
    existing, surge = len(inventory.static_routes), inventory.cluster.surge
    temporary = 2 * decoy_check(inventory).made + settings.drill
    wanted = existing + surge + len(facts.unreachable) + temporary
    if wanted > STATIC_ROUTES:
        evidence = (
            f"{existing} static routes exist and up to {wanted - existing} more are needed; the default quota "
            f"STATIC_ROUTES_PER_NETWORK is {STATIC_ROUTES}"
        )
        yield Problem(f"network {inventory.cluster.network}", evidence)


@Check(
    "subnet-range-quota",
    "risk",
    reads=("cluster state", "network", "subnetworks"),
    fine=f"the network has room for more ranges of subnets under the default quota of {SUBNET_RANGES}",
    consequence="unless the quota was raised, Compute refuses a range, and the migration returns to routes",
    remedy="check the quota and raise it, or delete subnets or secondary ranges that are not used",
    cause="quota",
)
def subnet_range_quota(inventory: Inventory) -> Iterator[Problem]:
    """Primary, secondary and IPv6 ranges count (docs/reference/compute-engine.md#network-quotas)."""
    existing = sum(
        bool(subnet.get("ipCidrRange")) + len(subnet.get("secondaryIpRanges") or ()) + _has_ipv6(subnet)
        for subnet in inventory.in_network("subnetworks")
    )
    services = inventory.subnet(inventory.cluster.services_subnet)
    to_come = 2 * (services is None) + (not inventory.facts.range_present)
    more = to_come + sum(not _has_ipv6(subnet) for subnet in inventory.subnets)
    if more and existing + more > SUBNET_RANGES:
        evidence = (
            f"its subnets have {existing} ranges and {more} more are needed; the default quota "
            f"SUBNET_RANGES_PER_NETWORK is {SUBNET_RANGES}"
        )
        yield Problem(f"network {inventory.cluster.network}", evidence)


@Check(
    "network-quota",
    "risk",
    reads=("cluster state", "network", "instances"),
    fine=f"the network has room for more interfaces and alias ranges under the default quotas of {NETWORK_OBJECTS}",
    consequence="unless the quota was raised, Compute refuses aliases in the middle of the cut-over, or new nodes",
    remedy="check the quota and raise it, or delete VMs of the network that are not used",
    cause="quota",
)
def network_quota(inventory: Inventory) -> Iterator[Problem]:
    """Of all VMs of the network (docs/reference/compute-engine.md#network-quotas); new nodes have one of each."""
    interfaces, surge = inventory.interfaces, inventory.cluster.surge
    aliases = sum(len(interface.get("aliasIpRanges") or ()) for interface in interfaces)
    missing = sum(not inventory.facts.aliased(name) for name in inventory.facts.pod_cidr_of)
    counts = (
        ("INSTANCES_PER_NETWORK_GLOBAL", "interfaces", len(interfaces), surge),
        ("ALIASES_PER_NETWORK_GLOBAL", "alias ranges", aliases, missing + surge),
    )
    for quota, noun, existing, more in counts:
        if existing + more > NETWORK_OBJECTS:
            evidence = (
                f"its VMs have {existing} {noun} and up to {more} more are needed; the default quota {quota} is "
                f"{NETWORK_OBJECTS}"
            )
            yield Problem(f"network {inventory.cluster.network}", evidence)


def _has_ipv6(subnet: Resource) -> bool:
    """Whether the subnet has an IPv6 range."""
    return bool(subnet.get("stackType", "IPV4_ONLY") != "IPV4_ONLY")


@Check(
    "hybrid-limits",
    "risk",
    reads=("cluster state", "network", "subnetworks", "routes", "instances", "forwarding rules"),
    fine="the network is inside the limits of hybrid subnets",
    consequence="beyond these limits Google advises against hybrid subnets, for every VM of the network",
    remedy="choose strategy auto or compressed, which accepts a short outage",
    cause="quota",
)
def hybrid_limits(inventory: Inventory) -> Iterator[Problem]:
    """The limits hold for the whole network (docs/reference/cut-over.md#r16)."""
    if not inventory.strategy.lossless:
        raise NotApplicable(f"strategy {inventory.strategy.name} does not set the overlap flag")
    pending_pod_range(inventory)
    if not inventory.facts.live_routes:
        raise NotApplicable("no route carries traffic, so the overlap flag is not needed")
    if (above := beyond(inventory.usage)) is not None:
        yield Problem(f"network {inventory.cluster.network}", above)
    inventory.of("forwarding rules")
