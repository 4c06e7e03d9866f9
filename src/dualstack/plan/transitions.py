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

and what takes them back:

    RestoreRoutes       static routes are created again
    RemoveAliases       VMs give their alias up
    RemoveSecondaryRange  the pod CIDR is no range of the subnet any more
    RestoreController   cloud-controller-manager comes back as it was
    RemoveDrillRoutes   what a drill left behind goes
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualstack.plan.facts import AliasFacts, CutoverFacts, RouteFacts, as_saved, overlap
from dualstack.plan.transition import Barrier, Gate, Transition

__all__ = [
    "AddAliases",
    "AddSecondaryRange",
    "Barrier",
    "ClearOverlapFlag",
    "ClearSavedRoutes",
    "DeleteRoutes",
    "Gate",
    "RemoveAliases",
    "RemoveDrillRoutes",
    "RemoveSecondaryRange",
    "RestoreController",
    "RestoreRoutes",
    "SaveRoutes",
    "SetOverlapFlag",
    "SetStackType",
    "StopController",
    "Transition",
    "alias_obstacles",
]


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
        return "RestoreController gives it back; how many replicas it has then is for its chart to say"


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
    doubt = ": this version of the API does not know allowSubnetCidrRoutesOverlap and ignores it (cutover.md K5)"

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
        if facts.decoys.present:
            problems.append("the decoys are still there")
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
    """The VMs `targets` take their pod CIDR as explicit alias, first in the list, others kept (R12, GB 12.6).

    `one_by_one`: each is awaited before the next is begun, as Gardener does (W19).
    """

    canary: bool = False
    one_by_one: bool = False
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
        return "RestoreRoutes, where the cloud takes a static route inside a subnet range (R2 against R3)"


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
            if name in facts.pod_cidr_of and not facts.settled(name)
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
class RestoreController(Transition):
    """Both annotations leave the ManagedResource; the resource manager then restores what its chart says (GB 4.8)."""

    changes = ("controller",)
    id = "restore-cloud-controller-manager"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, controller=replace(facts.controller, ignored=facts.controller.absent)).stirred(
            "controller"
        )

    def inverse(self) -> Transition | str:
        return StopController()


@dataclass(frozen=True)
class RestoreRoutes(Transition):
    """The VMs `targets` get their static route again, as cloud-controller-manager would make it (GB 8.4)."""

    changes = ("routes",)
    id = "restore-routes"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        if facts.range_present and not facts.subnet.overlap_flag:
            return ["the overlap flag is off, so that no route can be created inside the range (R8)"]
        return []

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        missing = [name for name in self.targets if name in facts.unrouted]
        routes = tuple(
            RouteFacts(f"to-{name}", facts.to_route[name], name, facts.node_of[name].zone) for name in missing
        )
        return replace(facts, routes=facts.routes + routes).stirred(*self.changes)

    def inverse(self) -> Transition | str:
        return "DeleteRoutes of what was created, while the aliases carry the traffic"


@dataclass(frozen=True)
class RemoveDrillRoutes(Transition):
    """Throwaway routes that a drill left behind when it was cut off."""

    id = "remove-drill-routes"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, drill_routes=())

    def inverse(self) -> Transition | str:
        return "nothing depends on them"


@dataclass(frozen=True)
class RemoveAliases(Transition):
    """The VMs `targets` give their alias up; safe only while their routes are there and the flag is on.

    `dark`: their aliases carry nothing, so that there is nothing to lose.
    """

    canary: bool = False
    dark: bool = False
    changes = ("aliases",)

    @property
    def id(self) -> str:
        return "remove-alias-canary" if self.canary else "remove-aliases"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        bare = () if self.dark else facts.unrouted
        problems = [f"VM {name} has no route to fall back to" for name in self.targets if name in bare]
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
