"""The steps of the cut-over: what each needs, what it does to the facts, and what would take it back.

    StopController      cloud-controller-manager to zero, so that nobody re-creates routes
    SaveRoutes          what is going to be deleted, written down first
    SetOverlapFlag      the subnet may have ranges that static routes lie in
    AddSecondaryRange   the pod CIDR becomes a range of the nodes subnet
    AddAliases          VMs take their pod CIDR as an alias
    DeleteRoutes        static routes go
    ClearOverlapFlag    the subnet is an ordinary one again
    ClearSavedRoutes    the list is done with
    SetStackType        the subnet becomes dual-stack (only where Gardener's order wants it in between)
    Barrier, Gate       wait until every host must have seen what was issued; check before going on

`effect` is exact and idempotent: a transition is done when its effect no longer changes the observed facts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from dualstack.plan.facts import AliasFacts, Aspect, CutoverFacts, as_saved, overlap


@dataclass(frozen=True)
class Transition(ABC):
    """One planned step. `targets` are names of VMs or of routes, empty for a step on the subnet or the controller."""

    targets: tuple[str, ...] = ()
    changes: ClassVar[tuple[Aspect, ...]] = ()
    """The aspects that the step changes."""

    @property
    @abstractmethod
    def id(self) -> str:
        """The step's name in events (docs/objects.md)."""

    def precondition(self, facts: CutoverFacts) -> list[str]:
        """What speaks against performing the step now, one sentence each; empty when it may be performed."""
        del facts
        return []

    @abstractmethod
    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        """The facts once the step has been performed. Targets that have vanished meanwhile are skipped."""

    @abstractmethod
    def inverse(self) -> Transition | str:
        """The step that takes this one back, or why there is none."""

    def done(self, facts: CutoverFacts) -> bool:
        """The observed `facts` show the whole effect."""
        return self.effect(facts) == facts

    def describe(self) -> str:
        """What is touched, in a few words."""
        count = len(self.targets)
        return ", ".join(self.targets) if count <= 3 else f"{', '.join(self.targets[:2])} and {count - 2} more"


@dataclass(frozen=True)
class StopController(Transition):
    """Both annotations on the ManagedResource, scale to zero, wait until the pods are gone (GB 4.6 steps 2 to 4, W8).

    `wait` False leaves running pods to themselves, as Gardener does.
    """

    wait: bool = True
    changes = ("controller",)
    id = "stop-cloud-controller-manager"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        pods = 0 if self.wait else facts.controller.pods
        stopped = replace(facts.controller, replicas=0, pods=pods, ignored=True)
        return replace(facts, controller=stopped).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return "the ControlPlane controller brings it back with the new allocator; the old one would re-create routes"


@dataclass(frozen=True)
class SaveRoutes(Transition):
    """All routes of ours into `InfrastructureState.routes`, read back before anything is deleted (W11, W12)."""

    id = "save-routes"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, saved_routes=facts.saved_routes + facts.unsaved)

    def inverse(self) -> Transition | str:
        return ClearSavedRoutes()


@dataclass(frozen=True)
class SetOverlapFlag(Transition):
    """`allowSubnetCidrRoutesOverlap: true`, read back: an API that does not know the field ignores it (R1, E12)."""

    changes = ("flag",)
    id = "set-overlap-flag"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        foreign = [
            f"route {route.name} ({route.destination}) lies in the pod CIDR {facts.pods_cidr} and is not this cluster's"
            for route in facts.foreign_routes
        ]
        return foreign + _range_obstacles(facts)

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        subnet = replace(facts.subnet, overlap_flag=True, flag_visible=True)
        return replace(facts, subnet=subnet).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return ClearOverlapFlag()


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
        return problems

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        if facts.range_present:
            return facts
        ranges = (*facts.subnet.secondary_ranges, (facts.range_name, facts.pods_cidr))
        return replace(facts, subnet=replace(facts.subnet, secondary_ranges=ranges)).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return RemoveSecondaryRange()


@dataclass(frozen=True)
class AddAliases(Transition):
    """The VMs `targets` take their pod CIDR as explicit alias, first in the list, others kept (R12, GB 12.6)."""

    canary: bool = False
    changes = ("aliases",)

    @property
    def id(self) -> str:
        return "add-alias-canary" if self.canary else "add-aliases"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        if not facts.range_present:
            return [f"subnet {facts.subnet.name} has no range {facts.range_name}"]
        return [
            problem for name in self.targets if name in facts.pod_cidr_of for problem in alias_obstacles(facts, name)
        ]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        nodes, targets = list(facts.nodes), set(self.targets)
        for index, node in enumerate(nodes):
            if node.name in targets and node.name in facts.pod_cidr_of:
                ours = AliasFacts(facts.pod_cidr_of[node.name], facts.range_name)
                others = tuple(alias for alias in node.aliases if alias != ours)
                nodes[index] = replace(node, aliases=(ours, *others))
        return replace(facts, nodes=tuple(nodes)).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return RemoveAliases(self.targets)


@dataclass(frozen=True)
class DeleteRoutes(Transition):
    """The static routes named `targets` go; one that is gone already counts as deleted (W21).

    `alias_first` False deletes them whether or not an alias stands in, as Gardener does.
    """

    canary: bool = False
    alias_first: bool = True
    changes = ("routes",)

    @property
    def id(self) -> str:
        return "delete-route-canary" if self.canary else "delete-routes"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        targets, unsaved = set(self.targets), set(facts.unsaved)
        routes = [route for route in facts.routes if route.name in targets]
        problems = [f"route {route.name} is not saved" for route in routes if as_saved(route) in unsaved]
        if self.alias_first:
            live = set(facts.live_routes)
            problems += [
                f"VM {route.instance} has no alias {route.destination}; its route {route.name} is all that it has"
                for route in routes
                if route in live and not facts.aliased(route.instance)
            ]
            if not facts.controller.gone:
                problems.append("cloud-controller-manager still runs and would re-create the routes")
        return problems

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        targets = set(self.targets)
        kept = tuple(route for route in facts.routes if route.name not in targets)
        return replace(facts, routes=kept).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return (
            "a static route inside a subnet range may be refused (R2 against R3); the saved list tells what to create"
        )


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
        return problems + [f"VM {name} has no alias yet" for name in facts.pod_cidr_of if not facts.aliased(name)]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, subnet=replace(facts.subnet, overlap_flag=False)).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return SetOverlapFlag()


@dataclass(frozen=True)
class ClearSavedRoutes(Transition):
    """Entries leave `InfrastructureState.routes` once what they stand for was observed to be done (W13)."""

    id = "clear-saved-routes"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        awaited = dict.fromkeys(entry.instance_name for entry in facts.saved_routes)
        return [
            f"the pod CIDR of VM {name} is delivered by no alias yet"
            for name in awaited
            if name in facts.pod_cidr_of and not facts.aliased(name)
        ]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, saved_routes=())

    def inverse(self) -> Transition | str:
        return "the routes it listed are gone, and every VM has its alias"


@dataclass(frozen=True)
class SetStackType(Transition):
    """The nodes subnet becomes `IPV4_IPV6` (compute-api.md 5.5)."""

    id = "set-stack-type"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, subnet=replace(facts.subnet, stack_type="IPV4_IPV6"))

    def inverse(self) -> Transition | str:
        return "left dual-stack: VMs may have taken IPv6 addresses in it"


@dataclass(frozen=True)
class RemoveAliases(Transition):
    """The VMs `targets` give their alias up; safe only while their routes are there and the flag is on."""

    changes = ("aliases",)
    id = "remove-aliases"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        owed = [name for name in self.targets if name in facts.pod_cidr_of]
        problems = [f"VM {name} has no route to fall back to" for name in owed if not facts.routed(name)]
        if facts.range_present and not facts.subnet.overlap_flag:
            problems.append("the overlap flag is off, so that routes in the range carry nothing")
        return problems

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        targets = set(self.targets)
        nodes = tuple(
            replace(node, aliases=tuple(alias for alias in node.aliases if alias.range_name != facts.range_name))
            if node.name in targets
            else node
            for node in facts.nodes
        )
        return replace(facts, nodes=nodes).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return AddAliases(self.targets)


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
        return replace(facts, subnet=replace(facts.subnet, secondary_ranges=ranges)).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return AddSecondaryRange()


@dataclass(frozen=True)
class Barrier(Transition):
    """Wait until `aspects` have been quiet for `seconds`: by then every host must have seen what was issued (R5)."""

    what: str = ""
    aspects: tuple[Aspect, ...] = ()
    seconds: float = 0.0

    @property
    def id(self) -> str:
        return f"barrier-{self.what}"

    def remaining(self, facts: CutoverFacts) -> float:
        """Seconds still to wait; zero or less when the barrier is open."""
        return self.seconds - facts.quiet_for(*self.aspects)

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        waited = facts.after(max(0.0, self.remaining(facts)))
        known = {aspect: max(self.seconds, waited.quiet_for(aspect)) for aspect in self.aspects}
        return replace(waited, quiet={**waited.quiet, **known})

    def inverse(self) -> Transition | str:
        return "time does not run back"

    def describe(self) -> str:
        return f"{' and '.join(self.aspects)} quiet for {self.seconds:g} s"


@dataclass(frozen=True)
class Gate(Transition):
    """A check that must pass before the next step; it has to pass again when one of `aspects` changes."""

    what: str = ""
    aspects: tuple[Aspect, ...] = ()

    @property
    def id(self) -> str:
        return f"gate-{self.what}"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, passed={**facts.passed, self.id: self.aspects})

    def inverse(self) -> Transition | str:
        return "a check changes nothing"


def alias_obstacles(facts: CutoverFacts, name: str) -> list[str]:
    """Why the VM cannot take its pod CIDR: NIC in another subnet, CIDR held by another VM, another alias held (R12)."""
    node, cidr = facts.node_of[name], facts.pod_cidr_of[name]
    problems = []
    if not node.subnet_ok:
        problems.append(f"nic0 of VM {name} is not in subnet {facts.subnet.name}")
    if not overlap(cidr, facts.pods_cidr):
        problems.append(f"pod CIDR {cidr} of VM {name} lies outside {facts.pods_cidr}")
    problems += [
        f"VM {other} holds {cidr}, the pod CIDR of VM {name}, as an alias"
        for other in sorted(facts.holders.get(cidr, ()))
        if other != name
    ]
    problems += [
        f"VM {name} holds {alias.cidr} in range {alias.range_name}, but its pod CIDR is {cidr}"
        for alias in node.aliases
        if alias.range_name == facts.range_name and alias.cidr != cidr
    ]
    return problems


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
