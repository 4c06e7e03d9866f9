"""The steps on the nodes subnet: overlap flag, pod range, stack type."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualstack.model.cidr import overlap
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.steps.aliases import alias_obstacles
from dualstack.plan.steps.base import Transition

RANGE_CANARY = "dualstack-canary"
"""Name of the range canary in the nodes subnet."""


@dataclass(frozen=True)
class SubnetChange(Transition):
    """A step that is one change of the nodes subnet."""

    method = "subnetworks.patch"


@dataclass(frozen=True)
class SetOverlapFlag(SubnetChange):
    """Set `allowSubnetCidrRoutesOverlap`. An API that does not know the field ignores it
    (docs/reference/cut-over.md#r1, docs/reference/cut-over.md#e12)."""

    changes = ("flag",)
    id = "set-overlap-flag"
    no_effect_hint = (
        ": this version of the API does not know allowSubnetCidrRoutesOverlap (docs/reference/cut-over.md#k5); use "
        "strategy compressed or auto, which do not need it"
    )

    def precondition(self, facts: CutoverFacts) -> list[str]:
        foreign = [
            f"route {route.name} ({route.destination}) leads into pod CIDR {facts.pods_cidr}; it is not the cluster's"
            for route in facts.foreign_routes
        ]
        return foreign + _range_obstacles(facts)

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        subnet = replace(facts.subnet, overlap_flag=True, flag_visible=True)
        return replace(facts, subnet=subnet).with_changed(*self.changes)


@dataclass(frozen=True)
class ClearOverlapFlag(SubnetChange):
    """Clear `allowSubnetCidrRoutesOverlap`: normal routing again (docs/reference/cut-over.md#r4)."""

    changes = ("flag",)
    id = "clear-overlap-flag"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        if facts.range_canary:
            return [f"range {RANGE_CANARY} ({facts.range_canary}) still exists"]
        if not facts.range_present:
            return []
        inside = [*facts.routes, *facts.foreign_routes]
        problems = [f"route {route.name} ({route.destination}) still leads into the range" for route in inside]
        problems += ["the decoys still exist"] if facts.decoys.present else []
        return problems + [f"VM {name} has no alias yet" for name in facts.pod_cidr_of if not facts.aliased(name)]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, subnet=replace(facts.subnet, overlap_flag=False)).with_changed(*self.changes)


@dataclass(frozen=True)
class AddRangeCanary(SubnetChange):
    """Add the block of one VM as a secondary range of its own (docs/reference/cut-over.md#range-canary).

    It shows at one node whether routes serve addresses inside a range, before the pod CIDR becomes one.
    """

    block: str = ""
    changes = ("range-canary",)
    id = "add-range-canary"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        problems = _range_obstacles(facts)
        problems += [
            f"range {name} ({cidr}) of subnet {facts.subnet.name} has the name of the range canary; rename it"
            for name, cidr in facts.subnet.secondary_ranges
            if name == RANGE_CANARY
        ]
        return problems if facts.subnet.overlap_flag else [*problems, "the overlap flag is off"]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, range_canary=self.block).with_changed(*self.changes)


@dataclass(frozen=True)
class RemoveRangeCanary(SubnetChange):
    """Remove the range canary. No VM holds an alias in it.

    proven: it has shown that routes serve addresses inside a range, which is remembered first.
    """

    proven: bool = False
    changes = ("range-canary",)
    id = "remove-range-canary"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        proven = facts.range_proven or self.proven
        return replace(facts, range_canary="", range_proven=proven).with_changed(*self.changes)


@dataclass(frozen=True)
class AddSecondaryRange(SubnetChange):
    """Add the pod CIDR as one secondary range; other ranges stay (docs/reference/cut-over.md#r11)."""

    changes = ("range",)
    id = "add-secondary-range"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        problems = _range_obstacles(facts)
        inside = [route.name for route in (*facts.routes, *facts.foreign_routes)]
        if inside and not facts.subnet.overlap_flag:
            problems.append(
                f"{len(inside)} routes lead into the pod CIDR and the overlap flag is off, among them {inside[0]}"
            )
        if facts.decoys.present:
            problems.append("the decoys still exist")
        if facts.range_canary:
            problems.append(f"range {RANGE_CANARY} ({facts.range_canary}) still exists")
        return problems

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        if facts.range_present:
            return facts
        ranges = (*facts.subnet.secondary_ranges, (facts.range_name, facts.pods_cidr))
        return replace(facts, subnet=replace(facts.subnet, secondary_ranges=ranges)).with_changed(*self.changes)


@dataclass(frozen=True)
class RemoveSecondaryRange(SubnetChange):
    """Remove the pod range. The API refuses that while a VM holds an alias in it (docs/reference/cut-over.md#r11)."""

    changes = ("range",)
    id = "remove-secondary-range"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        names = sorted(name for held in facts.holders.values() for name in held)
        return [f"VM {name} holds an alias in {facts.range_name}" for name in names]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        ranges = tuple(entry for entry in facts.subnet.secondary_ranges if entry[0] != facts.range_name)
        return replace(facts, subnet=replace(facts.subnet, secondary_ranges=ranges)).with_changed(*self.changes)


@dataclass(frozen=True)
class SetStackType(SubnetChange):
    """Make the nodes subnet dual-stack (docs/reference/compute-engine.md#stack-type-with-access-type)."""

    id = "set-stack-type"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, subnet=replace(facts.subnet, stack_type="IPV4_IPV6"))


def _range_obstacles(facts: CutoverFacts) -> list[str]:
    """Why the pod CIDR cannot become the range, one sentence each (docs/reference/cut-over.md#r11,
    docs/reference/cut-over.md#r12)."""
    if facts.range_present:
        return []
    problems = [
        f"range {name} ({cidr}) of subnet {facts.subnet.name} conflicts with {facts.range_name} ({facts.pods_cidr})"
        for name, cidr in facts.subnet.secondary_ranges
        if name == facts.range_name or overlap(cidr, facts.pods_cidr)
    ]
    return problems + [problem for name in facts.without_alias for problem in alias_obstacles(facts, name)]
