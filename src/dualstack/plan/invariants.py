"""What must hold after every step, by name.

An invariant compares the facts before and after a step and names what the step breaks. It ignores what was broken
before, because a plan may start from an unfinished migration that its first steps repair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dualstack.model.cidr import overlap
from dualstack.model.errors import InvariantBroken
from dualstack.plan.facts import CutoverFacts, as_saved
from dualstack.plan.steps import Transition


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule. `broken` returns what `after` breaks of it that `before` did not, one sentence each."""

    name: str
    broken: Callable[[CutoverFacts, CutoverFacts], list[str]]


def check(invariants: Iterable[Invariant], before: CutoverFacts, transition: Transition) -> None:
    """Raises InvariantBroken, which names the invariant that the expected effect of `transition` breaks."""
    after = transition.effect(before)
    for invariant in invariants:
        if broken := invariant.broken(before, after):
            raise InvariantBroken(f"{invariant.name}: {transition.id} would break it: {'; '.join(broken)}")


def _lost(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    return [problem for problem, _ in _newly_lost(before, after)]


def _newly_lost(before: CutoverFacts, after: CutoverFacts) -> list[tuple[str, str]]:
    """Pairs of a clause and the name of the VM."""
    known = set(before.unreachable)
    lost = [name for name in after.unreachable if name not in known]
    return [(f"pod CIDR {after.pod_cidr_of[name]} of VM {name}", name) for name in lost]


def _deleted_without_alias(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    kept = set(after.routes)
    return [
        f"route {route.name} of VM {route.instance}"
        for route in before.live_routes
        if route not in kept and not before.aliased(route.instance)
    ]


def _deleted_unsaved(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    kept, saved = set(after.routes), set(before.saved_routes)
    return [f"route {route.name}" for route in before.routes if route not in kept and as_saved(route) not in saved]


def _deleted_beside_controller(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    deleted = len(before.routes) > len(after.routes)
    return [f"{before.controller.pods} pods run"] if deleted and not before.controller.gone else []


def _flag_off_over_routes(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    cleared = before.subnet.overlap_flag and not after.subnet.overlap_flag
    inside = [f"route {route.name}" for route in (*after.routes, *after.foreign_routes)]
    inside += [f"the decoys' route to {cidr}" for cidr in sorted(after.decoys.routes)]
    return inside if cleared and (after.range_present or after.range_canary) else []


def _range_over_decoys(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    added = after.range_present and not before.range_present
    left = ["the decoys still exist"] if after.decoys.present else []
    left += ["the range canary still exists"] if after.range_canary else []
    return left if added else []


def _decoy_in_use(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    home = after.decoys.home if after.decoys.home != before.decoys.home else ""
    return [
        f"{home} and the pod CIDR of VM {name}"
        for name, cidr in after.pod_cidr_of.items()
        if home and overlap(home, cidr)
    ]


def _alias_off(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    known = set(_misplaced(before))
    return [f"VM {name}" for name in _misplaced(after) if name not in known]


def _misplaced(facts: CutoverFacts) -> list[str]:
    """The VMs that hold an alias in the pod range which is not their pod CIDR, or not the first."""
    held = {name for names in facts.holders.values() for name in names}
    return sorted(name for name in held if name in facts.pod_cidr_of and not facts.alias_in_place(name))


def _unaliased_without_route(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    given_up = set(before.all_holders) - set(after.all_holders)
    bare = given_up & set(before.unrouted)
    closed = given_up if before.range_present and not before.subnet.overlap_flag else set()
    return [f"VM {name}" for name in sorted(name for name in bare | closed if name in after.node_of)]


def _lost_with_route(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    """Where routes do not serve under the range, none is lost: only its removal serves the nodes again."""
    return _lost(before, after) if before.disproved != "routes-not-served" else []


def _forgotten(before: CutoverFacts, after: CutoverFacts) -> list[str]:
    kept = set(after.saved_routes)
    return [
        f"VM {entry.instance_name}"
        for entry in before.saved_routes
        if entry not in kept and entry.instance_name in before.pod_cidr_of and not before.settled(entry.instance_name)
    ]


POD_CIDR_REACHABLE = Invariant("pod-cidr-reachable", _lost)
ALIAS_BEFORE_DELETE = Invariant("alias-before-delete", _deleted_without_alias)
SAVED_BEFORE_DELETE = Invariant("saved-before-delete", _deleted_unsaved)
CONTROLLER_GONE_BEFORE_DELETE = Invariant("controller-gone-before-delete", _deleted_beside_controller)
PROOF_BEFORE_RANGE = Invariant("proof-before-range", _range_over_decoys)
DECOYS_APART = Invariant("decoys-apart", _decoy_in_use)
FLAG_WHILE_ROUTES = Invariant("flag-while-routes", _flag_off_over_routes)
ALIAS_IS_POD_CIDR = Invariant("alias-is-pod-cidr", _alias_off)
SAVED_UNTIL_DELIVERED = Invariant("saved-until-delivered", _forgotten)
ROUTE_BEFORE_UNALIAS = Invariant("route-before-unalias", _unaliased_without_route)

ROUTED_STAY_REACHABLE = Invariant("routed-stay-reachable", _lost_with_route)

ALWAYS = (SAVED_BEFORE_DELETE, ALIAS_IS_POD_CIDR, SAVED_UNTIL_DELIVERED)
"""What every order keeps, even one that loses packets."""

MAKE_BEFORE_BREAK = (
    POD_CIDR_REACHABLE,
    ALIAS_BEFORE_DELETE,
    CONTROLLER_GONE_BEFORE_DELETE,
    FLAG_WHILE_ROUTES,
    PROOF_BEFORE_RANGE,
    DECOYS_APART,
    *ALWAYS,
)
"""What an order without loss keeps."""

MAKE_BEFORE_BREAK_BACKWARDS = (
    POD_CIDR_REACHABLE,
    ROUTE_BEFORE_UNALIAS,
    FLAG_WHILE_ROUTES,
    ALIAS_IS_POD_CIDR,
    SAVED_UNTIL_DELIVERED,
)
"""What the way back keeps."""

ALIASES_CARRY_NOTHING = (ROUTED_STAY_REACHABLE, FLAG_WHILE_ROUTES, ALIAS_IS_POD_CIDR, SAVED_UNTIL_DELIVERED)
"""What the way back keeps after a trial has shown that aliases or routes carry nothing."""
