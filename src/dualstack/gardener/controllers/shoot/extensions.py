"""Requests to extensions, and waiting until they are answered (docs/reference/gardener.md#requests-and-waiting)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.gardener.controllers.extension import (
    CHECKING,
    Answer,
    Extension,
    answer_of,
    describe_answer,
    operation_of,
    sentence,
)
from dualstack.gardener.error_codes import CodedError
from dualstack.gardener.model.error_texts import FAILING
from dualstack.gardener.model.names import OPERATION, RECONCILE, TIMESTAMP
from dualstack.kube.apply import difference
from dualstack.kube.interface import Kube
from dualstack.kube.waiting import WaitTimeout
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

INTERVAL = 10.0
"""Seconds between two reads (docs/reference/gardener.md#wait-times)."""
ERROR_TIMEOUT = 600.0
"""Seconds for which an extension may be in error, or leave the request untouched."""
OVERTAKEN = 60.0
"""Seconds until a request that another program removed or overtook is made again."""
REQUESTS = 3
"""How often a wait makes its request again: two programs that overtake each other must not do so for ever."""
STALL_TIMEOUT = 3600.0
"""Seconds for which an extension may be Processing without a change of its status."""
WORK_TIMEOUT = 24 * 3600.0
"""Seconds for which an extension may work; a large rollout takes hours."""

_KIND_OF_ERROR = 100
"""Characters in which two errors of one kind agree; what follows may have times and names in it."""

Follow = Callable[[Manifest | None, str], Awaitable[None]]
"""Takes the extension object at each look, and what the wait waits for."""


class ExtensionFailed(CodedError):
    """The extension did not succeed in time; has the codes of its lastError."""

    def __init__(self, message: str, codes: tuple[str, ...]) -> None:
        super().__init__(message)
        self.codes = codes


@dataclass(frozen=True, slots=True)
class ExtensionRequests:
    """Writes extension objects and waits until their controllers have answered."""

    kube: Kube
    clock: Clock

    async def request(self, extension: Extension, wanted: Manifest) -> float:
        """Write the spec and request a reconcile. Returns the time of the request, in seconds since the epoch."""
        requested = self.clock.now()
        annotations = {OPERATION: RECONCILE, TIMESTAMP: nanoseconds(requested)}
        metadata = wanted["metadata"]
        live = await self.kube.get(extension.kind, metadata["name"], metadata["namespace"])
        if live is None:
            await self.kube.create(extension.kind, {**wanted, "metadata": {**metadata, "annotations": annotations}})
            return requested
        change = difference(live, wanted)
        change["metadata"] = {**change.get("metadata", {}), "annotations": annotations}
        await self.kube.patch(extension.kind, metadata["name"], change, metadata["namespace"])
        return requested

    async def request_if_needed(self, extension: Extension, wanted: Manifest, *, forced: bool) -> float | None:
        """As `request`, but only when `forced` or when the last request has not succeeded.

        Gardener handles the Infrastructure like that (docs/reference/gardener.md#infrastructure-request). An object
        that is being processed gets no new request. Returns the time of the request to wait for, or None.
        """
        metadata = wanted["metadata"]
        live = await self.kube.get(extension.kind, metadata["name"], metadata["namespace"])
        if live is not None and is_processing(live) and not difference(live, wanted):
            return _time_of(dig(live, "status", "lastOperation", "lastUpdateTime"))
        if live is None or forced or needs_request(live):
            return await self.request(extension, wanted)
        change = difference(live, wanted)
        if change:
            await self.kube.patch(extension.kind, metadata["name"], change, metadata["namespace"])
        return None

    async def wait(
        self, extension: Extension, wanted: Manifest, requested: float, follow: Follow | None = None
    ) -> Manifest:
        """Return the object as soon as it has answered the request of `wanted` that was made at `requested`.

        A request that another program overtook is made again. Raises ExtensionFailed at once for a refusal before any
        change and otherwise after ten minutes in error, WaitTimeout when no controller accepts the request or none
        makes progress.
        """
        wait = _Wait(extension, wanted["metadata"]["name"], self.clock, requested)
        while True:
            found = await self.kube.get(extension.kind, wait.name, wanted["metadata"]["namespace"])
            if found is not None and answer_of(found, wait.requested) is Answer.DONE:
                return found
            if wait.look(found):
                structlog.get_logger("dualstack.shoot").warning(
                    "requested again", kind=extension.kind.kind, object=wait.name, reason=wait.missing
                )
                wait.requested = await self.request(extension, wanted)
            if follow is not None:
                await follow(found, wait.missing)
            await self.clock.sleep(INTERVAL)


@dataclass(slots=True)
class _Wait:
    """What one wait has seen: when what it waits for began. All times in seconds since the epoch."""

    extension: Extension
    name: str
    clock: Clock
    requested: float
    missing: str = ""
    again: int = 0
    begun: float = field(init=False)
    since: dict[str, tuple[object, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begun = self.clock.now()

    def look(self, found: Manifest | None) -> bool:
        """Take the object as it is now; whether the request must be made again. Raises when the wait is over."""
        self.missing = describe_answer(found, self.requested)
        answer = Answer.NOT_ACCEPTED if found is None else answer_of(found, self.requested)
        lost = answer in (Answer.NOT_BEGUN, Answer.OUTDATED)
        busy = dig(found, "status", "lastOperation", "state") == "Processing"
        if found is not None and answer is Answer.FAILED:
            codes = tuple(dig(found, "status", "lastError", "codes") or ())
            if self._lasts("error", (codes, self.missing[:_KIND_OF_ERROR])) >= ERROR_TIMEOUT or _is_refused(found):
                raise ExtensionFailed(self._subject(), codes)
        idle = not busy and (lost or answer is Answer.NOT_ACCEPTED)
        if self._lasts("idle", idle) >= ERROR_TIMEOUT and idle:
            raise self._timeout("idle")
        if self._lasts("work", dig(found, "status", "lastOperation")) >= STALL_TIMEOUT and busy:
            raise self._timeout("work")
        if self.clock.now() - self.begun >= WORK_TIMEOUT:
            raise WaitTimeout(f"{self._subject()}, after waiting for {WORK_TIMEOUT:.0f} s")
        again = self._lasts("lost", lost) >= OVERTAKEN and lost and self.again < REQUESTS
        if again:
            self.again += 1
            del self.since["lost"]
        return again

    def _lasts(self, what: str, value: object) -> float:
        """Seconds for which `value` has been the same at each look that asked for it.

        So an error lasts while its controller tries again, until it fails in another way.
        """
        now = self.clock.now()
        if what not in self.since or (self.since[what][0] != value):
            self.since[what] = value, now
        return now - self.since[what][1]

    def _timeout(self, what: str) -> WaitTimeout:
        since = self.since[what][1]
        return WaitTimeout(f"{self._subject()}, since {rfc3339(since)} ({self.clock.now() - since:.0f} s)")

    def _subject(self) -> str:
        return f"{self.extension.kind.kind} {self.name}: {self.missing}"


def needs_request(found: Manifest) -> bool:
    """Whether an object needs a new request although none is forced."""
    last = dig(found, "status", "lastOperation") or {}
    if last.get("state") != "Succeeded":
        return True
    stamp = dig(found, "metadata", "annotations", TIMESTAMP)
    try:
        return stamp is not None and int(parse_rfc3339(stamp)) > parse_rfc3339(last.get("lastUpdateTime", ""))
    except ValueError:
        return True


def is_processing(found: Manifest) -> bool:
    """Whether the extension's controller has accepted the request and not answered it."""
    return operation_of(found) is None and bool(dig(found, "status", "lastOperation", "state") == "Processing")


def nanoseconds(seconds: float) -> str:
    """RFC3339Nano in UTC as Go writes it, without trailing zeros in the fraction."""
    return rfc3339(seconds, fraction=True).rstrip("Z").rstrip("0").rstrip(".") + "Z"


def _time_of(stamp: str | None) -> float:
    try:
        return parse_rfc3339(stamp or "")
    except ValueError:
        return 0.0


def _is_refused(found: Manifest) -> bool:
    """Whether the request was refused before anything was changed, for a reason that only a user can remove."""
    error = dig(found, "status", "lastError") or {}
    checked = str(error.get("description", "")).startswith(sentence(CHECKING).rstrip("."))
    return checked and bool(FAILING.intersection(error.get("codes") or ()))
