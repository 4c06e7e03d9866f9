"""Settings for undocumented behaviour of the data path (delays and knobs), and the assumptions that result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

AFFECTED_HOSTS = 0.1
"""The expected share of hosts that a network beyond the advised limits affects."""

Bounds = tuple[float, float]
"""Shortest and longest delay in simulated seconds; equal bounds are a fixed delay."""


@dataclass(frozen=True, slots=True)
class LagProfile:
    """The delay from a commit until a host sees the change, uniformly distributed.

    All figures are inferred (docs/reference/compute-engine.md#propagation-figures); Google documents only that
    propagation is eventually consistent (docs/reference/cut-over.md#r5).
    """

    alias: Bounds = (1.0, 10.0)
    route: Bounds = (0.5, 10.0)
    subnet: Bounds = (1.0, 10.0)
    machine: Bounds = (0.5, 5.0)
    firewall: Bounds = (0.5, 10.0)

    def __post_init__(self) -> None:
        for kind in ("alias", "route", "subnet", "machine", "firewall"):
            low, high = getattr(self, kind)
            if not 0.0 <= low <= high:
                raise ValueError(f"lag of {kind} must be 0 <= shortest <= longest, not {low}..{high}")

    @classmethod
    def fixed(cls, seconds: float) -> LagProfile:
        """The same delay for all changes; for tests and what-if questions."""
        bounds = (seconds, seconds)
        return cls(bounds, bounds, bounds, bounds, bounds)

    def bounds(self, kind: str) -> Bounds:
        """The bounds for facts of a kind."""
        match kind:
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
        raise ValueError(f"no fact is of kind {kind!r}")

    @property
    def longest(self) -> float:
        return max(high for _, high in (self.alias, self.route, self.subnet, self.machine, self.firewall))


@dataclass(frozen=True, slots=True)
class FabricKnobs:
    """Behaviour of the data path that only a test on Google Cloud can determine (docs/reference/cut-over.md#knobs)."""

    alias_matched: bool = True
    """Knob K3: an alias range counts as a matched resource of a hybrid subnet (docs/reference/cut-over.md#k3)."""
    subnet_order: Literal["reordered", "fifo"] = "reordered"
    """Knob K4: whether a host may see changes of one subnet out of order (docs/reference/cut-over.md#k4)."""

    unmatched_to_instances: bool = True
    """In a hybrid subnet, static routes to instances serve addresses without a resource
    (docs/reference/compute-engine.md#open-unmatched-to-instances)."""

    beyond_limits: Literal["unstable", "works"] = "unstable"
    """Whether hosts lose packets in a network beyond the advised limits of hybrid subnets
    (docs/reference/cut-over.md#beyond-hybrid-limits)."""

    established_flows: Literal["move", "break"] = "move"
    """Whether a connection survives that the path of its packets changes
    (docs/reference/cut-over.md#established-flows)."""

    address_manager_key: Literal["obeyed", "ignored"] = "obeyed"
    """Whether the metadata key disable-address-manager stops the guest agent
    (docs/reference/cut-over.md#address-manager-key)."""

    ipv6_lease: Literal["at-once", "reboot"] = "at-once"
    """When a VM whose interface becomes dual-stack has its IPv6 address (docs/reference/cut-over.md#ipv6-lease)."""

    def __post_init__(self) -> None:
        if self.subnet_order not in ("reordered", "fifo"):
            raise ValueError(f"subnet_order must be 'reordered' or 'fifo', not {self.subnet_order!r}")


def assumptions(
    lag: LagProfile,
    knobs: FabricKnobs,
    *,
    overlap_used: bool,
    most_interfaces: int,
    measured: Mapping[str, str] | None = None,
) -> list[str]:
    """The facts without a document that a verdict of the fabric depends on, one sentence each with its source.

    `most_interfaces`: the largest number of NICs in a network beyond the limits of hybrid subnets; 0 if none was.
    `measured`: when and where a trial has measured a knob, by its name; without, a fact is inferred.
    """
    evidence = defaultdict(lambda: "inferred", measured or {})
    documented = "" if "propagation" in evidence else ", documented is 'eventually consistent'"
    propagation = (
        f"Every host applies a change at most {lag.longest:g} s after it took effect "
        f"(docs/reference/compute-engine.md#propagation-figures; {evidence['propagation']}{documented})."
    )
    moves = "move with new ones"
    if knobs.established_flows == "break":
        moves = "break when their path changes, which no figure of this run counts"
    flows = (
        "While hosts apply a change, each packet follows either the old or the new state, and established flows "
        f"{moves} (docs/reference/cut-over.md#established-flows; {evidence['established-flows']})."
    )
    return [propagation, flows, *(_of_hybrid_subnets(knobs, evidence, most_interfaces) if overlap_used else ())]


def _of_hybrid_subnets(knobs: FabricKnobs, evidence: Mapping[str, str], most_interfaces: int) -> Iterator[str]:
    to_instances = evidence["unmatched-to-instances"]
    yield (
        "In a hybrid subnet, packets to addresses without a resource follow untagged static routes to instances of "
        "the same region (docs/reference/cut-over.md#r6; documented for hybrid subnets, "
        f"{to_instances}{' for instances' if to_instances == 'inferred' else ''})."
    )
    counts = "counts" if knobs.alias_matched else "does not count"
    yield (
        f"An alias IP range {counts} as a matched resource of a hybrid subnet "
        f"(K3, docs/reference/cut-over.md#k3; {evidence['alias-matched']})."
    )
    if knobs.subnet_order == "fifo":
        yield (
            "A host sees the changes of one subnet in order "
            f"(K4 'fifo', docs/reference/cut-over.md#k4; {evidence['subnet-order']})."
        )
    yield (
        "Setting or clearing allowSubnetCidrRoutesOverlap does not affect packets to addresses with a resource "
        "(docs/reference/cut-over.md#s1; inferred)."
    )
    if most_interfaces:
        unstable = knobs.beyond_limits == "unstable"
        outcome = (
            f"about one host in {1 / AFFECTED_HOSTS:.0f} reaches no address in it" if unstable else "no packet is lost"
        )
        yield (
            f"A network with a hybrid subnet was beyond the advised limits, with up to {most_interfaces} NICs, and "
            f"{outcome} (docs/reference/cut-over.md#e14; {evidence['beyond-hybrid-limits']})."
        )
