"""Asynchronous operations: PENDING, RUNNING, DONE (docs/reference/compute-engine.md#operations)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.errors import ApiError, Json, OperationFailure, not_found
from dualstack_sim.compute.api.fault_injection import Fault
from dualstack_sim.compute.api.references import Key, Links
from dualstack_sim.compute.project.inventory import timestamp
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.rules import enforced

WAIT_LIMIT = 120.0
"""Simulated seconds after which `wait` returns in any case (docs/reference/compute-engine.md#operation-wait)."""

NEVER = 10 * 365 * 86_400.0
"""Seconds of an operation that does not end within any simulation."""

KEPT = 20_000
"""The number of operations to keep; then the oldest finished one is removed."""

KEPT_FOR = 14 * 86_400.0
"""Seconds for which a finished operation can be read (docs/reference/compute-engine.md#operation-retention)."""

log = logging.getLogger(__name__)

USER = "gardener@example.iam.gserviceaccount.com"

Effect = Callable[[float], None]


def no_effect(_at: float) -> None:
    """The effect of an operation that changes nothing."""


@dataclass(slots=True)
class Work:
    """The work of an accepted mutation. Each effect is called with the instant at which it is due.

    begin: on acceptance. stages: (fraction of the latency, effect). finish: when DONE. abandon: undoes `begin` if the
    operation fails. failure: an error that is known on acceptance and shown when DONE; then `begin` is not called.
    exclusive: locks the target against other mutations. also_busy: further keys that are busy during the operation.
    """

    target: Key
    target_id: str
    kind: str
    finish: Effect
    begin: Effect = no_effect
    abandon: Effect = no_effect
    stages: Sequence[tuple[float, Effect]] = ()
    failure: OperationFailure | None = None
    exclusive: bool = True
    also_busy: tuple[Key, ...] = ()


@dataclass(slots=True, eq=False)
class Operation:
    """One operation and its outcome. Instants are simulated seconds since the epoch."""

    name: str
    id: str
    key: Key
    work: Work
    inserted: float
    starts: float
    ended: float | None = None
    failure: OperationFailure | None = None
    client_id: str = ""
    method: str = ""
    watchers: list[asyncio.Future[None]] = field(default_factory=list)


def _pending(seconds: float) -> float:
    """Seconds for which an operation of `seconds` is PENDING."""
    return min(0.3, seconds / 10) if enforced("operations.begins-pending") else 0.0


def _finish(work: Work, at: float) -> OperationFailure | None:
    """Apply the effect. An unexpected exception ends the operation with an internal error."""
    try:
        work.finish(at)
    except Exception:
        log.exception("bug in the simulator: the operation on %s failed", work.target)
        return OperationFailure("INTERNAL_ERROR", "Internal error. Please try again.", 500, "INTERNAL SERVER ERROR")
    return None


class Operations:
    """Starts, renders and stores operations, and tracks which resources are busy."""

    def __init__(
        self, links: Links, chance: Chance, latency: LatencyProfile, schedule: Callable[[float, Effect], None]
    ):
        self._links = links
        self._chance = chance
        self._latency = latency
        self._schedule = schedule
        self._known: dict[Key, Operation] = {}
        self._replays: dict[tuple[str, str], Operation] = {}
        self._ordinals: dict[tuple[str, Key], int] = {}
        self._exclusive: dict[Key, int] = {}
        self._shared: dict[Key, int] = {}
        self._running: Counter[tuple[str, str]] = Counter()

    def reseed(self, chance: Chance) -> None:
        """Draw latencies and names from another seed from now on."""
        self._chance = chance

    # -- busy resources

    def is_locked(self, key: Key) -> bool:
        """Whether an exclusive operation runs on the resource."""
        return self._exclusive.get(key, 0) > 0

    def is_busy(self, key: Key) -> bool:
        """Whether any operation runs on the resource."""
        return self.is_locked(key) or self._shared.get(key, 0) > 0

    def _occupy(self, work: Work, step: int) -> None:
        counts = self._exclusive if work.exclusive else self._shared
        for key in (work.target, *work.also_busy):
            left = counts.get(key, 0) + step
            if left:
                counts[key] = left
            else:
                counts.pop(key, None)

    def running_in(self, scopes: Collection[str], method: str = "") -> int:
        """The number of running operations in these scopes, of one method or of all."""
        return sum(
            number
            for (scope, kind), number in self._running.items()
            if scope in scopes and (not method or kind == method)
        )

    # -- the life of an operation

    def replay(self, request: str, request_id: str) -> Operation | None:
        """The operation that an equal request started, or None (docs/reference/compute-engine.md#request-ids)."""
        known = self._replays.get((request, request_id)) if request_id else None
        return known if known is not None and enforced("requests.request-id-replay") else None

    def remember(self, request: str, request_id: str, operation: Operation) -> None:
        """Store `operation` for repetitions of `request` (method, scope and name)."""
        operation.client_id = request_id
        self._replays[request, request_id] = operation
        if len(self._replays) > KEPT:
            _remove_oldest(self._replays)

    def start(self, now: float, method: str, work: Work, fault: Fault | None) -> Operation:
        """Accept `work`: call `begin` and schedule the rest."""
        ordinal = self._ordinals.get((method, work.target), 0)
        self._ordinals[method, work.target] = ordinal + 1
        seconds = self._latency.operation(self._chance, method, self._links.partial(work.target), ordinal)
        wait = 0.0
        if fault:
            seconds += fault.latency
            wait = fault.pending
            if fault.stuck == "never":
                seconds += NEVER
        operation = self._register(now, method, work, ordinal, wait + _pending(seconds))
        operation.method = method
        self._running[work.target.scope, method] += 1
        self._occupy(work, 1)
        if work.failure is None:
            work.begin(now)
            for fraction, effect in work.stages:
                self._schedule(now + wait + fraction * seconds, effect)
        injected = OperationFailure(*fault.operation_error) if fault and fault.operation_error else None
        if fault and fault.stuck == "error":
            injected = OperationFailure(
                "INTERNAL_ERROR", "Alias IP ranges could not be removed. Please try again.", 500
            )
        self._schedule(now + wait + seconds, lambda at: self._end(operation, at, injected))
        return operation

    def _register(self, now: float, method: str, work: Work, ordinal: int, pending: float) -> Operation:
        generator = self._chance.generator("operation-name", method, *work.target, ordinal)
        digits = f"{generator.getrandbits(116):029x}"
        name = f"operation-{int(now * 1000)}-{digits[:13]}-{digits[13:21]}-{digits[21:29]}"
        key = Key("operations", work.target.scope, name)
        identity = str(generator.randrange(10**17, 9 * 10**18))
        operation = Operation(name, identity, key, work, now, now + pending)
        self._known[key] = operation
        if len(self._known) > KEPT:
            _remove_oldest(self._known)
        return operation

    def _end(self, operation: Operation, at: float, injected: OperationFailure | None) -> None:
        work = operation.work
        self._occupy(work, -1)
        self._running[work.target.scope, operation.method] -= 1
        if work.failure is not None:
            operation.failure = work.failure
        elif injected is not None:
            operation.failure = injected
            work.abandon(at)
        else:
            operation.failure = _finish(work, at)
        operation.ended = at
        for watcher in operation.watchers:
            if not watcher.done():
                watcher.set_result(None)
        operation.watchers.clear()

    @staticmethod
    def run_immediately(now: float, work: Work) -> None:
        """Execute `work` without an operation, for the initial state. Raises ApiError if the operation would fail."""
        if work.failure is not None:
            raise ApiError(work.failure.http_status, work.failure.code, work.failure.message)
        work.begin(now)
        for _, effect in work.stages:
            effect(now)
        work.finish(now)

    # -- reading

    def get(self, key: Key) -> Operation:
        operation = self._known.get(key)
        if operation is None:
            raise not_found(self._links.partial(key))
        return operation

    def expire(self, now: float) -> None:
        """Remove operations that ended too long ago, and their request ids."""
        if enforced("operations.kept-two-weeks"):
            _remove_expired(self._known, now)
            _remove_expired(self._replays, now)

    def delete(self, key: Key) -> None:
        """Remove a finished operation; a running one stays."""
        if self.get(key).ended is not None or not enforced("operations.running-stays"):
            del self._known[key]

    def all(self, scope: str | None = None) -> list[Operation]:
        return [operation for key, operation in self._known.items() if scope is None or key.scope == scope]

    def running(self) -> int:
        return sum(1 for operation in self._known.values() if operation.ended is None)

    async def wait(self, key: Key, now: float) -> Operation:
        """Return when the operation is DONE, or `WAIT_LIMIT` after `now`."""
        operation = self.get(key)
        if operation.ended is None:
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            operation.watchers.append(watcher)

            def give_up(_at: float) -> None:
                if not watcher.done():
                    watcher.set_result(None)

            if enforced("operations.wait-limit"):
                self._schedule(now + WAIT_LIMIT, give_up)
            await watcher
        return operation

    def dump(self) -> Json:
        """The finished operations and the request ids, as JSON; `load` is the inverse."""
        ended = [operation for operation in self._known.values() if operation.ended is not None]
        return {
            "ended": [_dump_operation(operation) for operation in ended],
            "replays": [
                [request, request_id, *operation.key]
                for (request, request_id), operation in self._replays.items()
                if operation.key in self._known
            ],
            "ordinals": [[method, *key, number] for (method, key), number in self._ordinals.items()],
        }

    def load(self, state: Json) -> None:
        """Replace everything, including running operations, by `state`."""
        known = {operation.key: operation for operation in map(_load_operation, state["ended"])}
        replays = {(str(request), str(request_id)): known[Key(*key)] for request, request_id, *key in state["replays"]}
        ordinals = {(str(method), Key(*key)): int(number) for method, *key, number in state["ordinals"]}
        self.release_watchers()
        self._known, self._replays, self._ordinals = known, replays, ordinals
        for counts in (self._exclusive, self._shared, self._running):
            counts.clear()

    def release_watchers(self) -> None:
        """Let all waiting requests return."""
        for operation in self._known.values():
            for watcher in operation.watchers:
                if not watcher.done():
                    watcher.set_result(None)

    def render(self, operation: Operation, now: float) -> Json:
        """The operation as clients read it at instant `now` (docs/reference/compute-engine.md#operation-shape)."""
        work = operation.work
        document: Json = {
            "kind": "compute#operation",
            "id": operation.id,
            "name": operation.name,
            "operationType": work.kind,
            "targetLink": self._links.full(work.target),
            "targetId": work.target_id,
            "status": "PENDING",
            "progress": 0,
            "user": USER,
            "insertTime": timestamp(operation.inserted),
            "selfLink": self._links.full(operation.key),
        }
        place = work.target.scope.partition("/")[0]
        if place in ("regions", "zones") and enforced("operations.scope-of-target"):
            document[place[:-1]] = self._links.within(work.target.scope)
        if operation.client_id and enforced("operations.client-operation-id"):
            document["clientOperationId"] = operation.client_id
        if now >= operation.starts:
            document["status"] = "RUNNING"
            document["startTime"] = timestamp(operation.starts)
        if operation.ended is not None:
            document.update(self._outcome(operation, operation.ended))
        return document

    @staticmethod
    def _outcome(operation: Operation, ended: float) -> Json:
        outcome: Json = {
            "status": "DONE",
            "progress": 100,
            "startTime": timestamp(operation.starts),
            "endTime": timestamp(ended),
        }
        failure = operation.failure
        if failure is not None:
            error: Json = {"code": failure.code, "message": failure.message}
            if failure.details:
                error["errorDetails"] = list(failure.details)
            outcome["error"] = {"errors": [error]}
            if enforced("operations.http-status-of-failure"):
                outcome["httpErrorStatusCode"] = failure.http_status
                outcome["httpErrorMessage"] = failure.http_message
        return outcome


def _remove_oldest(operations: dict[Any, Operation]) -> None:
    """Remove the first finished operation; the dict is in the order of starts."""
    oldest = next((name for name, operation in operations.items() if operation.ended is not None), None)
    if oldest is not None:
        del operations[oldest]


def _remove_expired(operations: dict[Any, Operation], now: float) -> None:
    """Remove from the front, up to one that runs or ended less than `KEPT_FOR` before `now`."""
    while operations:
        name, operation = next(iter(operations.items()))
        if operation.ended is None or operation.ended + KEPT_FOR > now:
            return
        del operations[name]


def _dump_operation(operation: Operation) -> Json:
    work = operation.work
    return {
        "key": list(operation.key),
        "id": operation.id,
        "target": list(work.target),
        "targetId": work.target_id,
        "kind": work.kind,
        "method": operation.method,
        "clientId": operation.client_id,
        "inserted": operation.inserted,
        "starts": operation.starts,
        "ended": operation.ended,
        "failure": msgspec.to_builtins(operation.failure),
    }


def _load_operation(state: Json) -> Operation:
    key = Key(*state["key"])
    return Operation(
        name=key.name,
        id=state["id"],
        key=key,
        work=Work(Key(*state["target"]), state["targetId"], state["kind"], no_effect),
        inserted=float(state["inserted"]),
        starts=float(state["starts"]),
        ended=float(state["ended"]),
        failure=msgspec.convert(state["failure"], OperationFailure | None),
        client_id=state["clientId"],
        method=state["method"],
    )
