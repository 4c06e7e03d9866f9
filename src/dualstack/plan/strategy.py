"""How the routes move: the strategies by name, what each promises, what each costs."""

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
"""The next step from these facts; None when nothing remains."""


@dataclass(frozen=True)
class Strategy:
    """An order in which the routes move, the invariants that it keeps, and the pace at which it looks at operations.

    `lossless`: it keeps every pod CIDR reachable at every instant. `poll` is the interval in seconds at which a running
    operation is looked at; 0 means as soon as it is done.
    """

    name: str
    next_transition: Planner
    invariants: tuple[Invariant, ...]
    lossless: bool = False
    poll: float = 0.0
    retreats: Mapping[str, Stage] = field(default_factory=dict)
    """To which stage a failed gate, by its id, leads back; nowhere when it is not in here."""

    def transitions(self, facts: CutoverFacts, settings: Settings) -> Iterator[Transition]:
        """Everything that remains from `facts`, each step planned from what the one before is expected to leave.

        Ends after a step whose precondition is not met: nothing can be foretold from there.
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
"""By name; Gardener's operation polling is 10 s (gardener-behaviour.md W31)."""

AUTO = "auto"
"""Not a strategy: the wish to have one chosen from facts (`dualstack.plan.automatic`)."""

DEFAULT = "overlap"

REQUESTS_PER_MINUTE = 1500
"""What a project may send by default in one group of requests (compute-api.md 4.1)."""

PROPAGATION = 10.0
"""Seconds until the slowest host knows an alias whose operation is done (compute-api.md 10)."""


def choose(name: str) -> Strategy:
    """The strategy called `name`; InvalidInput if there is none."""
    validate(name)
    if name == AUTO:
        raise InvalidInput("strategy 'auto' is chosen from facts, which are not there yet")
    return STRATEGIES[name]


def validate(name: str) -> None:
    """InvalidInput unless `name` is a strategy or `auto`."""
    known = (*STRATEGIES, AUTO)
    if name not in known:
        raise InvalidInput(f"unknown strategy {name!r}; there are {', '.join(known)}")


def way_back(to: Stage = Stage.ROUTES) -> Strategy:
    """Down to the stage `to` without loss; all the way, cloud-controller-manager comes back as well."""
    planner = partial(back.next_transition, to=min(to, Stage.ALIASES))
    return Strategy("back", planner, MAKE_BEFORE_BREAK_BACKWARDS, lossless=True)


UNMATCHED = Strategy("unmatched", unmatched.next_transition, ALIASES_CARRY_NOTHING, lossless=True)
"""All the way back where aliases carry nothing."""


def obstacles(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> list[str]:
    """What will not be met of the first step on the way from `facts` that cannot be taken (W2, W32)."""
    for transition in strategy.transitions(facts, settings):
        if problems := transition.precondition(facts):
            return problems
        facts = transition.effect(facts)
    return []


def describe_outage(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> str:
    """What pods will notice of the cut-over from `facts`, in one sentence."""
    if strategy.lossless:
        dark = len(facts.unreachable)
        repaired = f"; the pods of {dark} nodes are cut off already and come back with their aliases" if dark else ""
        return f"No packet is expected to be lost{repaired}."
    seconds = outage(strategy, facts, settings)
    if seconds == 0:
        return "No route is deleted any more, so no further node is cut off."
    count = len(facts.live_routes)
    return (
        f"The pods of all {count} nodes are cut off from other nodes at once; the first come back after about "
        f"{outage(strategy, facts, settings, first=True):.0f} s, the last after about {seconds:.0f} s."
    )


def outage(strategy: Strategy, facts: CutoverFacts, settings: Settings, *, first: bool = False) -> float:
    """Expected seconds from the first deleted route until every host knows the last (or `first`) alias in its place."""
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
    """Expected seconds that `transition` takes from `facts`: medians of compute-api.md 2.5.

    Operations that run together take as long as the slowest: one in a hundred takes five times the median. A minute
    lets through so many requests as the quota says (4.1).
    """
    match transition:
        case Barrier():
            return max(0.0, transition.remaining(facts))
        case StopController():
            return 30.0 if transition.wait and facts.controller.pods else 1.0  # the grace period of a pod (W8)
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
            return 60.0  # a VM starts, and a pod on each node; or they end
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
