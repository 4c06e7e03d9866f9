"""The steps of a run with the operations that they waited for, and how fast each could have been.

The shortest time of a step follows from its intended wait, from the duration of each of its operations, from the order
of those that depend on each other, and from the time at which the quota lets each of them begin
(docs/reference/compute-engine.md#rate-windows). Of the requests, only the last two of a step count: the one that shows
the end of its operations, and the one that reads the effect back. A run cannot be faster than this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dualstack.model.events import AnyEvent, StepFailed, StepFinished, StepStarted
from dualstack.plan.settings import Settings
from dualstack_sim.compute.api.backend import Compute

WINDOW = 60.0
"""Seconds of a quota window, which begins at the full minute."""

OUTAGE_STEPS = ("delete-routes", "add-secondary-range", "add-aliases")
"""The steps of `compressed` between the first deleted route and the last alias."""

IN_ORDER = {
    "prove-headroom": (
        ("routes.insert", 1),
        ("routes.delete", 1),
        ("subnetworks.patch", 1),
        ("instances.updateNetworkInterface", 1),
        ("instances.updateNetworkInterface", 2),
        ("subnetworks.patch", 2),
    ),
}
"""Step -> its operations in the order in which one needs the end of the one before: kind, and how often on its target.

A route and a range cannot share the unused block, an alias needs its range, and a range in use cannot be removed.
"""

STOP, PREFIXES = "stop-cloud-controller-manager", "await-ipv6-prefixes"
"""The steps that wait for a state which no operation brings."""

ROUNDING = 0.01
"""Seconds by which a time stamp of the cloud may differ from the clock's."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step from its beginning to its end, in seconds since the epoch."""

    id: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the cloud: `kind` is collection and verb, e.g. `routes.delete`; `quota` is charged for it."""

    kind: str
    target: str
    quota: str
    began: float
    seconds: float


def steps_of(events: Iterable[AnyEvent]) -> list[Step]:
    """The steps in order; a failed step ends when it fails."""
    steps: list[Step] = []
    began: StepStarted | None = None
    for event in events:
        if isinstance(event, StepStarted):
            began = event
        elif isinstance(event, StepFinished | StepFailed) and began is not None:
            steps.append(Step(began.step, began.at, event.at))
            began = None
    return steps


async def operations_of(compute: Compute, region: str, zones: Iterable[str], since: float) -> list[Operation]:
    """All operations that were begun at `since` or later, in the order of their beginning."""
    found: list[Operation] = []
    scopes = [("globalOperations", "global"), ("regionOperations", f"regions/{region}")]
    scopes += [("zoneOperations", f"zones/{zone}") for zone in zones]
    for collection, scope in scopes:
        token = ""
        while True:
            query = {"pageToken": token} if token else {}
            page = await compute.answer(f"{collection}.list", scope, query=query)
            found += (_operation(entry) for entry in page.get("items", ()))
            token = page.get("nextPageToken", "")
            if not token:
                break
    return sorted((entry for entry in found if entry.began >= since - ROUNDING), key=lambda entry: entry.began)


def slowest(operations: Iterable[Operation]) -> dict[str, float]:
    """The longest operation of each kind, in seconds."""
    longest: dict[str, float] = {}
    for operation in operations:
        longest[operation.kind] = max(longest.get(operation.kind, 0.0), operation.seconds)
    return dict(sorted(longest.items()))


def permitted(
    steps: Sequence[Step],
    operations: Sequence[Operation],
    settings: Settings,
    per_minute: int,
    reached: Mapping[str, float | None],
    answers: Mapping[str, float],
) -> float:
    """The shortest time in which these steps can follow each other, in seconds.

    answers: seconds until the API answers (`LatencyProfile.requests`). reached: when the state was there for which a
    step waits that is no operation's, by step: the cloud assigns IPv6 prefixes later, and pods take time. Of the
    operations outside of the steps, which may run side by side, only the longest counts.
    """
    outside = [entry for entry in operations if not any(_within(entry, step) for step in steps)]
    waits = _waits(settings)
    waits |= {step.id: at - step.began for step in steps if (at := reached.get(step.id)) is not None}
    longest = max((entry.seconds for entry in outside), default=0.0)
    return longest + sum(shortest(step, operations, waits, per_minute, answers) for step in steps)


def outage_bound(steps: Sequence[Step], operations: Sequence[Operation], per_minute: int, propagation: float) -> float:
    """Slowest delete, range, slowest alias, and propagation, quotas counted (bound of `compressed`)."""
    during = [step for step in steps if step.id in OUTAGE_STEPS]
    return propagation + sum(shortest(step, operations, {}, per_minute, {}) for step in during)


def shortest(
    step: Step,
    operations: Sequence[Operation],
    waits: Mapping[str, float],
    per_minute: int,
    answers: Mapping[str, float],
) -> float:
    """The intended wait of the step, or until its last operation ends if each begins as soon as it can.

    In a window `per_minute` operations of a quota may begin. What earlier steps began in the first window counts, and
    what does not fit into a window waits for the next full minute.
    """
    waited = min(waits.get(step.id, 0.0), step.ended - step.began)
    of_step = [entry for entry in operations if _within(entry, step)]
    seen, read_back = answers.get("operation", 0.0), answers.get("list", 0.0)
    first_window = step.began // WINDOW
    begun = Counter(entry.quota for entry in operations if _between(first_window * WINDOW, entry, step.began))
    spent = max(waited, _in_order(of_step, IN_ORDER.get(step.id, ()), seen))
    for operation in of_step:
        window = begun[operation.quota] // per_minute
        begun[operation.quota] += 1
        earliest = (first_window + window) * WINDOW if window else step.began
        spent = max(spent, earliest + operation.seconds + seen - step.began)
    return spent + read_back if spent else 0.0


def _in_order(operations: Iterable[Operation], order: Iterable[tuple[str, int]], seen: float) -> float:
    """Seconds until the operations have ended one after the other; those of equal rank run side by side.

    seen: seconds until the end of an operation is known.
    """
    longest: dict[tuple[str, int], float] = {}
    before: Counter[tuple[str, str]] = Counter()
    for operation in operations:
        before[operation.kind, operation.target] += 1
        rank = (operation.kind, before[operation.kind, operation.target])
        longest[rank] = max(longest.get(rank, 0.0), operation.seconds + seen)
    return sum(longest.get(rank, 0.0) for rank in order)


def _waits(settings: Settings) -> dict[str, float]:
    """Seconds that each barrier waits."""
    return {
        "barrier-flag": settings.barrier_flag,
        "barrier-range-canary": settings.barrier_range_canary,
        "barrier-range": settings.barrier_range,
        "barrier-alias-canary": settings.barrier_canary,
        "barrier-aliases": settings.soak_aliases,
        "barrier-route-canary": settings.barrier_route_canary,
        "barrier-routes": settings.barrier_routes,
    }


def _within(operation: Operation, step: Step) -> bool:
    """A step waits for its operations; what begins when it ends belongs to the next one."""
    return _between(step.began, operation, step.ended)


def _between(since: float, operation: Operation, until: float) -> bool:
    return since - ROUNDING <= operation.began < until - ROUNDING


def _operation(entry: Mapping[str, Any]) -> Operation:
    collection, target = entry["targetLink"].rsplit("/", 2)[1:]
    began = _seconds(entry["insertTime"])
    quota = "regional" if "zone" in entry or "region" in entry else "global"
    kind = f"{collection}.{entry['operationType']}"
    return Operation(kind, target, quota, began, _seconds(entry["endTime"]) - began)


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
