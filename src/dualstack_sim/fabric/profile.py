"""What nobody outside Google knows for certain about the data path, as settings: lags and knobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Bounds = tuple[float, float]
"""Shortest and longest lag in simulated seconds; equal bounds are a fixed lag."""


@dataclass(frozen=True, slots=True)
class LagProfile:
    """How long after its commit a change is seen by a host, drawn evenly (compute-api.md 10; all inferred).

    Google only says that propagation is eventually consistent (cutover.md R5).
    """

    alias: Bounds = (1.0, 10.0)
    route: Bounds = (0.5, 10.0)
    subnet: Bounds = (1.0, 10.0)
    machine: Bounds = (0.5, 5.0)
    firewall: Bounds = (0.5, 10.0)

    def __post_init__(self) -> None:
        for sort in ("alias", "route", "subnet", "machine", "firewall"):
            low, high = getattr(self, sort)
            if not 0.0 <= low <= high:
                raise ValueError(f"lag of {sort} must be 0 <= shortest <= longest, not {low}..{high}")

    @classmethod
    def fixed(cls, seconds: float) -> LagProfile:
        """The same lag for everything; for tests and what-if questions."""
        bounds = (seconds, seconds)
        return cls(bounds, bounds, bounds, bounds, bounds)

    def bounds(self, sort: str) -> Bounds:
        """The bounds for a fact whose key starts with `sort`."""
        match sort:
            case "interface":
                return self.alias
            case "route" | "peering":
                return self.route
            case "ranges" | "flag" | "overload":
                return self.subnet
            case "machine":
                return self.machine
            case "firewall" | "egress":
                return self.firewall
        raise ValueError(f"no fact is of sort {sort!r}")

    @property
    def longest(self) -> float:
        return max(high for _, high in (self.alias, self.route, self.subnet, self.machine, self.firewall))


@dataclass(frozen=True, slots=True)
class FabricKnobs:
    """Behaviour of the data path that only a test on real Google Cloud settles (cutover.md 9, 11)."""

    alias_matched: bool = True
    """K3, E9: an alias range counts as a matched resource of a hybrid subnet."""
    subnet_order: Literal["reordered", "fifo"] = "reordered"
    """K4, E10: whether a host may see changes of one subnet in another order than they were made."""

    unmatched_to_instances: bool = True
    """Static routes to instances serve addresses that no resource has in a hybrid subnet (compute-api.md 11.2)."""

    beyond_limits: Literal["unstable", "works"] = "unstable"
    """E14: whether hosts suffer in a network beyond the advised limits of hybrid subnets (cutover.md R16)."""

    def __post_init__(self) -> None:
        if self.subnet_order not in ("reordered", "fifo"):
            raise ValueError(f"subnet_order must be 'reordered' or 'fifo', not {self.subnet_order!r}")
