"""The inferred facts about Google Cloud on which a verdict of the fabric rests, one sentence each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from dualstack_sim.fabric.overload import SHARE
from dualstack_sim.fabric.profile import FabricKnobs, LagProfile


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


def assumptions(lag: LagProfile, knobs: FabricKnobs, *, overlap_used: bool, most_interfaces: int) -> list[str]:
    """`most_interfaces`: the largest number of NICs in a network beyond the limits of hybrid subnets; 0 if none was."""
    propagation = (
        f"Every host applies a change at most {lag.longest:g} s after it took effect "
        "(lag profile, compute-api.md 10; inferred, Google only says 'eventually consistent')."
    )
    flows = (
        "While hosts apply a change each packet follows either the old or the new state, and established flows move "
        "with new ones (cutover.md 2; inferred)."
    )
    sentences = [propagation, flows]
    if not overlap_used:
        return sentences
    sentences.append(
        "In a hybrid subnet, packets to addresses that no resource has follow untagged static routes to instances of "
        "the same region (cutover.md R6, R7; documented for hybrid subnets, inferred for next hop instances)."
    )
    if knobs.alias_matched:
        sentences.append(
            "An alias IP range counts as a matched resource of a hybrid subnet (K3, cutover.md E9; inferred)."
        )
    else:
        sentences.append(
            "An alias IP range does not count as a matched resource of a hybrid subnet (K3 'no', cutover.md E9; "
            "inferred)."
        )
    if knobs.subnet_order == "fifo":
        sentences.append(
            "A host sees the changes of one subnet in the order in which they were made (K4 'fifo', cutover.md E10; "
            "inferred)."
        )
    sentences.append(
        "Switching allowSubnetCidrRoutesOverlap on or off moves no packet of addresses that a resource has "
        "(cutover.md 2, S1 and S5; inferred)."
    )
    if most_interfaces:
        unstable = knobs.beyond_limits == "unstable"
        outcome = f"about one host in {1 / SHARE:.0f} reaches nothing in it" if unstable else "no packet is lost"
        sentences.append(
            f"The network held more beside a hybrid subnet than Google advises, with up to {most_interfaces} NICs, and "
            f"{outcome} (cutover.md R16, E14; inferred)."
        )
    return sentences
