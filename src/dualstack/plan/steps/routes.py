"""The steps on static routes, on the saved list, and on cloud-controller-manager, which would create them again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualstack.plan.facts import Aspect, CutoverFacts, RouteFacts, as_saved
from dualstack.plan.steps.base import Proof, Transition


@dataclass(frozen=True)
class StopController(Transition):
    """Stop cloud-controller-manager, whose route controller would create the routes again
    (docs/reference/weaknesses.md#w8)."""

    changes = ("controller",)
    id = "stop-cloud-controller-manager"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        stopped = replace(facts.controller, replicas=0, pods=0, ignored=True)
        return replace(facts, controller=stopped).with_changed(*self.changes)


@dataclass(frozen=True)
class RestoreController(Transition):
    """Let the manager of cloud-controller-manager restore it as configured."""

    changes = ("controller",)
    id = "restore-cloud-controller-manager"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, controller=replace(facts.controller, ignored=facts.controller.absent)).with_changed(
            "controller"
        )


@dataclass(frozen=True)
class SaveRoutes(Transition):
    """Add all routes to the saved list and read it back before any is deleted (docs/reference/weaknesses.md#w12)."""

    id = "save-routes"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, saved_routes=facts.saved_routes + facts.unsaved)


@dataclass(frozen=True)
class ClearSavedRoutes(Transition):
    """Remove entries from the saved list whose VMs are observed to be served (docs/reference/weaknesses.md#w13)."""

    id = "clear-saved-routes"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        awaited = dict.fromkeys(entry.instance_name for entry in facts.saved_routes)
        return [
            f"the pod CIDR of VM {name} has no alias yet"
            for name in awaited
            if name in facts.pod_cidr_of and not facts.settled(name)
        ]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, saved_routes=())


@dataclass(frozen=True)
class DeleteRoutes(Transition):
    """Delete the static routes `targets`. A missing route counts as deleted (docs/reference/weaknesses.md#w21).

    A route may be deleted when all of this holds:

    - it is provably the cluster's: only such routes are in `facts.routes` (`dualstack.cutover.route_ownership`)
    - it is in the saved list, read back (below)
    - with `alias_first`: its VM holds the alias, unless it leads to no VM of the cluster, and cloud-controller-manager
      is stopped (below)
    - no invariant of the strategy breaks (`dualstack.plan.invariants`)
    - in `overlap`: the barrier and the gates before it are passed (`dualstack.plan.strategies.overlap`)
    - no change of direction is requested at the last moment (`dualstack.cutover.actuator`)
    """

    canary: bool = False
    alias_first: bool = True
    changes = ("routes",)
    method = "routes.delete"

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
                f"VM {route.instance} has no alias {route.destination}; it is reachable by route {route.name} only"
                for route in routes
                if route in live and not facts.aliased(route.instance)
            ]
            if not facts.controller.gone:
                problems.append("cloud-controller-manager still runs and would create the routes again")
        return problems

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        targets = set(self.targets)
        kept = tuple(route for route in facts.routes if route.name not in targets)
        return replace(facts, routes=kept).with_changed(*self.changes)


@dataclass(frozen=True)
class RestoreRoutes(Transition):
    """Create the static routes of the VMs `targets` as cloud-controller-manager does
    (docs/reference/gardener.md#route-controller).

    optional: the plan goes on if they are refused.
    """

    optional: bool = False
    changes = ("routes",)
    id = "restore-routes"
    method = "routes.insert"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        if facts.range_present and not facts.subnet.overlap_flag:
            return ["the overlap flag is off, so no route can be created inside the range"]
        return []

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        missing = [name for name in self.targets if name in facts.unrouted]
        routes = tuple(
            RouteFacts(f"to-{name}", facts.to_route[name], name, facts.node_of[name].zone) for name in missing
        )
        return replace(facts, routes=facts.routes + routes).with_changed(*self.changes)


@dataclass(frozen=True)
class RollbackDrill(Proof):
    """Create a temporary route to an unused block of the pod CIDR and delete it (docs/reference/cut-over.md#k1).

    It fails when the cloud refuses routes inside the range, so that deleted routes could not be created again.
    """

    aspects: tuple[Aspect, ...] = ("flag", "range")
    id = "rollback-drill"


@dataclass(frozen=True)
class RemoveDrillRoutes(Transition):
    """Delete temporary routes that an interrupted drill left behind."""

    id = "remove-drill-routes"

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        return replace(facts, drill_routes=())
