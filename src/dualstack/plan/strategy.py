"""The strategies by name: the order of steps, the invariants, the cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from dualstack.model.errors import InvalidInput
from dualstack.plan import back, compressed, gardener, overlap, unmatched
from dualstack.plan.decoy_steps import AddDecoyRange, AliasDecoys, CreateDecoys, DropDecoyRoute, RemoveDecoys
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import (
    ALIASES_CARRY_NOTHING,
    ALWAYS,
    CONTROLLER_GONE_BEFORE_DELETE,
    MAKE_BEFORE_BREAK,
    MAKE_BEFORE_BREAK_BACKWARDS,
    Invariant,
)
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage
from dualstack.plan.transitions import (
    AddAliases,
    AddSecondaryRange,
    Barrier,
    ClearOverlapFlag,
    DeleteRoutes,
    RemoveAliases,
    RemoveSecondaryRange,
    RestoreRoutes,
    SetOverlapFlag,
    SetStackType,
    StopController,
    Transition,
)

Planner = Callable[[CutoverFacts, Settings], Transition | None]
"""Returns the next step; None when nothing remains."""


@dataclass(frozen=True)
class Strategy:
    """An order of steps with the invariants that it keeps.

    lossless: every pod CIDR stays reachable at every instant. poll: seconds between polls of a running operation; 0
    uses the client's own pace.
    """

    name: str
    next_transition: Planner
    invariants: tuple[Invariant, ...]
    lossless: bool = False
    poll: float = 0.0
    retreats: Mapping[str, Stage] = field(default_factory=dict)
    """The stage to which a failed gate, by its id, leads back; a gate that is missing here leads nowhere."""

    def transitions(self, facts: CutoverFacts, settings: Settings) -> Iterator[Transition]:
        """All remaining steps from `facts`, each planned from the expected effect of the one before.

        Ends after a step whose precondition is not met, because nothing is predictable from there.
        """
        while (transition := self.next_transition(facts, settings)) is not None:
            yield transition
            if transition.precondition(facts):
                return
            facts = transition.effect(facts)


STRATEGIES = {
    "overlap": Strategy(
        "overlap", overlap.next_transition, MAKE_BEFORE_BREAK, lossless=True, retreats=overlap.RETREATS
    ),
    "compressed": Strategy("compressed", compressed.next_transition, (CONTROLLER_GONE_BEFORE_DELETE, *ALWAYS)),
    "gardener": Strategy("gardener", gardener.next_transition, ALWAYS, poll=10.0),
}
"""By name. Upstream polls operations every 10 s (docs/reference/weaknesses.md#w31)."""

AUTO = "auto"
"""Not a strategy: requests that one is chosen from facts (`dualstack.plan.automatic`)."""

DEFAULT = "overlap"

REQUESTS_PER_MINUTE = 1500
"""Default rate quota of a project for one group of methods (docs/reference/compute-engine.md#rate-quotas)."""

PROPAGATION = 10.0
"""Seconds until the slowest host applies an alias whose operation is done (docs/reference/cut-over.md#host-views)."""


def choose(name: str) -> Strategy:
    """The strategy `name`. Raises InvalidInput for an unknown name and for `auto`."""
    validate(name)
    if name == AUTO:
        raise InvalidInput("strategy 'auto' must be resolved from facts first")
    return STRATEGIES[name]


def validate(name: str) -> None:
    """Raises InvalidInput unless `name` is a strategy or `auto`."""
    known = (*STRATEGIES, AUTO)
    if name not in known:
        raise InvalidInput(f"strategy: Unsupported value: {name!r}: must be one of {', '.join(known)}")


def way_back(to: Stage = Stage.ROUTES) -> Strategy:
    """Down to the stage `to` without loss. Down to `ROUTES`, it restores cloud-controller-manager as well."""
    planner = partial(back.next_transition, to=min(to, Stage.ALIASES))
    return Strategy("back", planner, MAKE_BEFORE_BREAK_BACKWARDS, lossless=True)


UNMATCHED = Strategy("unmatched", unmatched.next_transition, ALIASES_CARRY_NOTHING, lossless=True)
"""Back to routes where aliases carry nothing."""


def obstacles(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> list[str]:
    """Unmet preconditions of the first step from `facts` that cannot be performed (docs/reference/weaknesses.md#w2)."""
    for transition in strategy.transitions(facts, settings):
        if problems := transition.precondition(facts):
            return problems
        facts = transition.effect(facts)
    return []


def describe_outage(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> str:
    """The expected effect of the cut-over on pods, in one sentence."""
    if strategy.lossless:
        count = len(facts.unreachable)
        repaired = (
            f"; the pods of {count} nodes are unreachable already and recover with their aliases" if count else ""
        )
        return f"No packet is expected to be lost{repaired}."
    seconds = outage(strategy, facts, settings)
    if seconds == 0:
        return "No route is left to delete, so no further node becomes unreachable."
    count = len(facts.live_routes)
    return (
        f"The pods of all {count} nodes become unreachable from other nodes at once; the first recover after about "
        f"{outage(strategy, facts, settings, first=True):.0f} s, the last after about {seconds:.0f} s."
    )


def outage(strategy: Strategy, facts: CutoverFacts, settings: Settings, *, first: bool = False) -> float:
    """Expected seconds from the first deleted route until every host knows the last (or `first`) alias that replaces
    one."""
    elapsed, start, end = 0.0, None, 0.0
    for transition in strategy.transitions(facts, settings):
        after = transition.effect(facts)
        if start is None and len(after.unreachable) > len(facts.unreachable):
            start = elapsed
        before, elapsed = elapsed, elapsed + duration(transition, facts, strategy)
        if start is not None and isinstance(transition, AddAliases):
            end = elapsed
            if first:
                one = AddAliases(transition.targets[:1])
                end = before + duration(one, facts, strategy) if transition.one_by_one else elapsed
                break
        facts = after
    return 0.0 if start is None else end - start + PROPAGATION


def estimate(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> float:
    """Expected seconds from `facts` to the end of the cut-over."""
    seconds = 0.0
    for transition in strategy.transitions(facts, settings):
        seconds += duration(transition, facts, strategy)
        facts = transition.effect(facts)
    return seconds


def duration(transition: Transition, facts: CutoverFacts, strategy: Strategy) -> float:
    """Expected seconds of `transition` from `facts`: median latencies
    (docs/reference/compute-engine.md#operation-latency).

    Concurrent operations take as long as the slowest: one in a hundred takes five times the median. The rate quota
    limits the requests of each minute (docs/reference/compute-engine.md#rate-quotas).
    """
    match transition:
        case Barrier():
            return max(0.0, transition.remaining(facts))
        case StopController():
            return 30.0 if transition.wait and facts.controller.pods else 1.0  # grace period of a pod
        case (
            SetOverlapFlag()
            | AddSecondaryRange()
            | AddDecoyRange()
            | RemoveSecondaryRange()
            | ClearOverlapFlag()
            | SetStackType()
        ):
            seconds = 8.0
        case CreateDecoys() | RemoveDecoys():
            return 60.0  # a VM and a pod on each node start or end
        case AddAliases() | RemoveAliases() | AliasDecoys():
            seconds = 5.0
        case DeleteRoutes() | RestoreRoutes() | DropDecoyRoute():
            seconds = 4.0
        case _:
            return 1.0
    count = len(transition.targets)
    if isinstance(transition, AddAliases) and transition.one_by_one:
        return count * duration(AddAliases(transition.targets[:1]), facts, strategy)
    if count > 1:
        seconds *= 1.5 + 6.0 * min(1.0, count / 100)
    seconds += 60.0 * ((count - 1) // REQUESTS_PER_MINUTE) if count else 0.0
    return math.ceil(seconds / strategy.poll) * strategy.poll if strategy.poll else seconds
