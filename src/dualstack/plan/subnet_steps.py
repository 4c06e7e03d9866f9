"""The steps on the nodes subnet: its overlap flag, its range, its stack type."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualstack.plan.alias_steps import alias_obstacles
from dualstack.plan.facts import CutoverFacts, overlap
from dualstack.plan.transition import Transition


@dataclass(frozen=True)
class SetOverlapFlag(Transition):
    """`allowSubnetCidrRoutesOverlap: true`, read back: an API that does not know the field ignores it (R1, E12)."""

    changes = ("flag",)
    id = "set-overlap-flag"
    no_effect_hint = (
        ": this version of the API does not know allowSubnetCidrRoutesOverlap and ignores it (cutover.md K5); the "
        "strategies compressed and auto do without"
    )

    def precondition(self, facts: CutoverFacts) -> list[str]:
        foreign = [
            f"route {route.name} ({route.destination}) lies in the pod CIDR {facts.pods_cidr} and is not this cluster's"
            for route in facts.foreign_routes
        ]
        return foreign + _range_obstacles(facts)

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        subnet = replace(facts.subnet, overlap_flag=True, flag_visible=True)
        return replace(facts, subnet=subnet).with_changed(*self.changes)


@dataclass(frozen=True)
class ClearOverlapFlag(Transition):
    """`allowSubnetCidrRoutesOverlap: false`: normal routing again (R4)."""

    changes = ("flag",)
    id = "clear-overlap-flag"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        if not facts.range_present:
            return []
        inside = [*facts.routes, *facts.foreign_routes]
        problems = [f"route {route.name} ({route.destination}) still lies in the range" for route in inside]
        problems += ["the decoys are still there"] if facts.decoys.present else []
        return problems + [f"VM {name} has no alias yet" for name in facts.pod_cidr_of if not facts.aliased(name)]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, subnet=replace(facts.subnet, overlap_flag=False)).with_changed(*self.changes)


@dataclass(frozen=True)
class AddSecondaryRange(Transition):
    """The whole pod CIDR as one secondary range, beside those that are there (R11, compute-api.md 5.4)."""

    changes = ("range",)
    id = "add-secondary-range"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        problems = _range_obstacles(facts)
        inside = [route.name for route in (*facts.routes, *facts.foreign_routes)]
        if inside and not facts.subnet.overlap_flag:
            problems.append(f"{len(inside)} routes lie in the pod CIDR and the overlap flag is off: {inside[0]}")
        if facts.decoys.present:
            problems.append("the decoys are still there")
        return problems

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        if facts.range_present:
            return facts
        ranges = (*facts.subnet.secondary_ranges, (facts.range_name, facts.pods_cidr))
        return replace(facts, subnet=replace(facts.subnet, secondary_ranges=ranges)).with_changed(*self.changes)


@dataclass(frozen=True)
class RemoveSecondaryRange(Transition):
    """Our range leaves the subnet; refused by the API while a VM holds an alias in it (R11)."""

    changes = ("range",)
    id = "remove-secondary-range"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        names = sorted(name for held in facts.holders.values() for name in held)
        return [f"VM {name} holds an alias in {facts.range_name}" for name in names]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        ranges = tuple(entry for entry in facts.subnet.secondary_ranges if entry[0] != facts.range_name)
        return replace(facts, subnet=replace(facts.subnet, secondary_ranges=ranges)).with_changed(*self.changes)


@dataclass(frozen=True)
class SetStackType(Transition):
    """The nodes subnet becomes `IPV4_IPV6` (compute-api.md 5.5)."""

    id = "set-stack-type"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, subnet=replace(facts.subnet, stack_type="IPV4_IPV6"))


def _range_obstacles(facts: CutoverFacts) -> list[str]:
    """Why the pod CIDR cannot become the range: name or addresses taken, a NIC elsewhere (R11, R12)."""
    if facts.range_present:
        return []
    problems = [
        f"subnet {facts.subnet.name} has range {name} ({cidr}), in the way of {facts.range_name} ({facts.pods_cidr})"
        for name, cidr in facts.subnet.secondary_ranges
        if name == facts.range_name or overlap(cidr, facts.pods_cidr)
    ]
    return problems + [problem for name in facts.without_alias for problem in alias_obstacles(facts, name)]
