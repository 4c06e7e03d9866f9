"""What the documents leave open about Compute Engine, as settings (cutover.md 11, K1 to K5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Knobs:
    """The defaults are the profile `documented`: where documents contradict each other, the reading that costs us more.

    K3 (an alias counts as a matched resource) and K4 (order of views) belong to the fabric.
    """

    new_route_in_flagged_range: Literal["allow", "deny"] = "deny"
    """K1: routes.insert inside a range of a subnet with allowSubnetCidrRoutesOverlap (R2 against R3)."""

    clear_flag_over_routes: Literal["refuse", "accept"] = "refuse"
    """K2: the flag is cleared while conflicting routes are left."""

    overlap_flag: Literal["shown", "hidden"] = "shown"
    """K5: v1 knows the flag. `hidden`: it is ignored silently and never read back."""

    hybrid_limits: Literal["advice", "enforced"] = "advice"
    """The flag is refused in a network beyond the limits of hybrid subnets (R16, compute-api.md 11.2)."""

    route_conflict: Literal["operation", "request"] = "operation"
    """Where `hides the address space` surfaces: inside the operation (E4, R9) or as HTTP 400 (compute-api.md 6.2)."""

    network_quotas: Literal["operation", "request"] = "operation"
    """Where an exhausted quota of a network surfaces: routes, ranges, VMs, aliases (compute-api.md 4.2, 11.5)."""
