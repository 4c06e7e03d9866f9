"""Settings for what Google's documents leave open about Compute Engine (docs/reference/cut-over.md#knobs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Knobs:
    """The defaults are the profile `documented`; where documents contradict each other, the less favourable reading.

    Knobs K3 (an alias counts as a matched resource) and K4 (order of views) belong to the fabric.
    """

    new_route_in_flagged_range: Literal["allow", "deny"] = "deny"
    """routes.insert inside a range of a subnet with allowSubnetCidrRoutesOverlap (docs/reference/cut-over.md#k1)."""

    clear_flag_over_routes: Literal["refuse", "accept"] = "refuse"
    """Clearing the flag while conflicting routes exist (docs/reference/cut-over.md#k2)."""

    overlap_flag: Literal["shown", "hidden"] = "shown"
    """Whether v1 has the flag; if `hidden`, it is ignored silently and never returned.

    Source: docs/reference/cut-over.md#k5.
    """

    hybrid_limits: Literal["advice", "enforced"] = "advice"
    """Whether the flag is refused in a network above the limits of hybrid subnets.

    Source: docs/reference/cut-over.md#hybrid-limits.
    """

    route_conflict: Literal["operation", "request"] = "operation"
    """Where `hides the address space` appears: in the operation or as HTTP 400.

    Source: docs/reference/cut-over.md#route-conflict.
    """

    network_quotas: Literal["operation", "request"] = "operation"
    """Where an exhausted quota of a network appears, for routes, ranges, VMs and aliases.

    Source: docs/reference/cut-over.md#network-quotas.
    """

    repeated_alias: Literal["collapsed", "operation", "request"] = "collapsed"
    """What becomes of an alias range that a list names twice: it counts once, or it is refused in the operation or as
    HTTP 400.

    Source: docs/reference/cut-over.md#repeated-alias.
    """

    subnetwork_patch: Literal["grouped", "single"] = "grouped"
    """Whether one patch of a subnetwork may change overlap flag, stack type and private IPv6 access together.

    Source: docs/reference/cut-over.md#subnetwork-patch.
    """

    alias_over_route: Literal["accept", "refuse"] = "accept"
    """Whether an interface may get an alias range to which a static route leads.

    Source: docs/reference/cut-over.md#alias-over-route.
    """

    interface_stack_type: Literal["running", "stopped"] = "running"
    """Whether the stack type of an interface can change while its VM runs.

    Source: docs/reference/cut-over.md#interface-stack-type.
    """
