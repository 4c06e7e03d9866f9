"""Measures a cut-over: how long pods were unreachable, and how far it is.

A blackout is measured by the operations of Compute: from the first that took effect to the last. Hosts apply both up to
some seconds later (docs/reference/cut-over.md#host-views), which the two APIs do not show, so the blackout in the data
path may be longer or shorter by that much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from dualstack.model.events import Progress
from dualstack.plan.costs import PROPAGATION, estimate
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.base import Strategy

Bound = Literal["", "at most", "at least", "about"]


@dataclass(frozen=True, slots=True)
class Begin:
    """When a blackout began, in seconds since the epoch.

    bound: empty if the end of its first operation was observed; `at most` if the process was killed before, so `since`
    is the request, or if a report may have had another cause; `about` if the begin of the trial is unknown besides;
    `at least` if it began earlier than `since`. seen: whether a node has been unreachable since.
    """

    since: float
    bound: Bound = ""
    seen: bool = True

    def as_text(self) -> str:
        """One line that `parse` reads."""
        return " ".join(filter(None, (f"{self.since:.1f}", self.bound, "" if self.seen else "expected")))

    @classmethod
    def parse(cls, text: str) -> Begin:
        """What `as_text` has written."""
        since, _, rest = text.partition(" ")
        words = rest.removesuffix("expected").strip()
        return cls(
            float(since),
            next((bound for bound in ("at most", "at least", "about") if bound == words), ""),
            seen=not rest.endswith("expected"),
        )


@dataclass(frozen=True, slots=True)
class Blackout:
    """One that has ended. began, ended: in seconds since the epoch.

    bound: `at most` also if no step of this process ended it, so it ended before it was observed: another program did,
    or the VMs ended; `about` if neither begin nor end were observed, or if a report may have had another cause.
    """

    began: float
    ended: float
    bound: Bound
    nodes: int

    @property
    def seconds(self) -> float:
        return max(0.0, self.ended - self.began)

    @property
    def words(self) -> str:
        of = f" of {self.nodes} {'node' if self.nodes == 1 else 'nodes'}" if self.nodes else ""
        limit = f"{self.bound} " if self.bound else ""
        hosts = f"hosts apply its begin and its end up to {PROPAGATION:.0f} s later"
        return f"the pods{of} could not reach other nodes for {limit}{self.seconds:.1f} s; {hosts}"


class BlackoutWatch:
    """Follows the facts of one run. A node that joins has no route at first, which is no blackout of it."""

    def __init__(self) -> None:
        self._open: Begin | None = None
        self._most: int
        self._dark: set[str] = set()
        self._served: set[str] = set()

    def begin(self, facts: CutoverFacts, now: float, recorded: Begin | None = None) -> None:
        """Take the first observation. A blackout that exists already began as recorded, or before `now`.

        A node that is unreachable has been reachable before if its route was saved, or if no node is served at all. A
        request that was recorded and has made no node unreachable is forgotten.
        """
        joined = set(facts.unreachable).difference(facts.lost) if facts.live_routes or facts.all_holders else set()
        self._served.update(set(facts.pod_cidr_of) - joined)
        self._dark = self._lost(facts)
        self._most = len(self._dark)
        if recorded is not None and (self._dark or recorded.seen):
            self._open = replace(recorded, seen=True)
        elif self._dark:
            self._open = Begin(now, "at least")

    def suspect(self, begin: Begin, on_trial: Iterable[str]) -> None:
        """Nodes on trial report a problem since the step that put them on trial."""
        if self._open is None and (lost := self._served.intersection(on_trial)):
            self._open, self._dark, self._most = begin, lost, len(lost)

    @property
    def open(self) -> Begin | None:
        """When the blackout that has not ended began; None without one."""
        return self._open

    def follow(self, facts: CutoverFacts, now: float, changed: tuple[float, float] | None = None) -> Blackout | None:
        """Take the facts observed at `now`; returns a blackout that has ended.

        changed: when the first and the last change took effect that they show; None if the run has made none.
        """
        dark, lost = self._dark, self._lost(facts)
        self._dark = lost
        # What a node that joined gets first may be on trial itself.
        self._served.update(set(facts.pod_cidr_of).difference(facts.unreachable, facts.on_trial))
        if self._open is None:
            # Node conditions alone do not start a blackout: they may have another cause.
            if lost and facts.unreachable:
                self._open = Begin(now, "at least") if changed is None else Begin(changed[0])
                self._most = len(lost)
            return None
        self._most = max(self._most, len(lost))
        if lost:
            return None
        began, bound = self._open.since, self._open.bound
        if changed is not None and dark & _connected(facts):
            ended = changed[1]
        else:
            ended, bound = now, "about" if bound in ("at least", "about") else "at most"
        self._open = None
        return Blackout(began, ended, bound, self._most)

    def expect(self, now: float) -> Begin:
        """What is recorded before a step that makes nodes unreachable, in case the process is killed."""
        return self._open or Begin(now, "at most", seen=False)

    def _lost(self, facts: CutoverFacts) -> set[str]:
        """The running VMs that have no route or alias any more, or an alias that carries nothing
        (docs/reference/cut-over.md#k3)."""
        return self._served & _connected(facts) & {*facts.unreachable, *facts.unmatched}


def _connected(facts: CutoverFacts) -> set[str]:
    """The VMs that others can reach, or could: those that run. A single one has no other to lose."""
    running = {name for name in facts.pod_cidr_of if facts.node_of[name].running}
    return running if len(running) > 1 else set()


class ProgressEstimator:
    """Keeps the expected end of the cut-over, so that the whole plan is simulated once for each kind of step."""

    def __init__(self, strategy: Strategy, settings: Settings) -> None:
        self._strategy = strategy
        self._settings = settings
        self._step = ""
        self._end: float

    def read(self, facts: CutoverFacts, step: str, now: float, shoot: str) -> Progress:
        """The progress of `facts`, reached by `step`. `eta` is that of the cut-over alone, in seconds.

        No node is dual-stack before the roll-out: NICs keep their stack type during the cut-over.
        """
        if step != self._step:
            self._step = step
            self._end = now + estimate(self._strategy, facts, self._settings)
        return Progress(
            at=now,
            shoot=shoot,
            nodes=len(facts.node_of),
            nodes_dual_stack=0,
            routes_left=len(facts.routes),
            nodes_with_alias=len(facts.pod_cidr_of) - len(facts.without_alias),
            eta=max(0.0, self._end - now),
        )
