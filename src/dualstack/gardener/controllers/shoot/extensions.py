"""Requests to extensions, and waiting until they are answered (docs/reference/gardener.md#requests-and-waiting)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.gardener.controllers.extension import CHECKING, Extension, operation_of, sentence, unfinished
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
WORK_TIMEOUT = 24 * 3600.0
"""Seconds for which an extension may work; a large rollout takes hours."""


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

    async def request(self, extension: Extension, wanted: Manifest) -> str:
        """Write the spec and request a reconcile. Returns the time stamp that identifies the request."""
        stamp = nanoseconds(self.clock.now())
        annotations = {OPERATION: RECONCILE, TIMESTAMP: stamp}
        metadata = wanted["metadata"]
        live = await self.kube.get(extension.kind, metadata["name"], metadata["namespace"])
        if live is None:
            await self.kube.create(extension.kind, {**wanted, "metadata": {**metadata, "annotations": annotations}})
            return stamp
        change = difference(live, wanted)
        change["metadata"] = {**change.get("metadata", {}), "annotations": annotations}
        await self.kube.patch(extension.kind, metadata["name"], change, metadata["namespace"])
        return stamp

    async def request_if_needed(self, extension: Extension, wanted: Manifest, *, forced: bool) -> str | None:
        """As `request`, but only when `forced` or when the last request has not succeeded.

        Gardener handles the Infrastructure like that (docs/reference/gardener.md#infrastructure-request). An object
        that is being processed gets no new request. Returns the time stamp to wait for, or None.
        """
        metadata = wanted["metadata"]
        live = await self.kube.get(extension.kind, metadata["name"], metadata["namespace"])
        stamp = dig(live, "metadata", "annotations", TIMESTAMP)
        if live is not None and is_processing(live) and stamp and not difference(live, wanted):
            return str(stamp)
        if live is None or forced or needs_request(live):
            return await self.request(extension, wanted)
        change = difference(live, wanted)
        if change:
            await self.kube.patch(extension.kind, metadata["name"], change, metadata["namespace"])
        return None

    async def wait(
        self,
        extension: Extension,
        name: str,
        namespace: str,
        stamp: str,
        while_waiting: Callable[[], Awaitable[None]] | None = None,
    ) -> Manifest:
        """Return the object as soon as it has answered the request.

        Raises ExtensionFailed after ten minutes in error, WaitTimeout when no controller accepts the request.
        """
        started = self.clock.now()
        in_error = idle = 0.0
        while True:
            looked = self.clock.now()
            found = await self.kube.get(extension.kind, name, namespace)
            missing = unfinished(found, stamp)
            if missing is None and found is not None:
                return found
            if found is not None and _is_refused(found):
                raise ExtensionFailed(f"{extension.kind.kind} {name}: {missing}", _codes(found))
            if while_waiting is not None:
                await while_waiting()
            await self.clock.sleep(INTERVAL)
            passed = self.clock.now() - looked
            if found is not None and dig(found, "status", "lastOperation", "state") == "Error":
                in_error += passed
            elif found is None or operation_of(found) is not None:
                idle += passed
            if in_error >= ERROR_TIMEOUT and found is not None:
                raise ExtensionFailed(f"{extension.kind.kind} {name}: {missing}", _codes(found))
            if idle >= ERROR_TIMEOUT or looked - started >= WORK_TIMEOUT:
                raise WaitTimeout(
                    f"{extension.kind.kind} {name}: {missing}, after waiting for {looked - started:.0f} s"
                )


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


def _is_refused(found: Manifest) -> bool:
    """Whether the request was refused before anything was changed, for a reason that only a user can remove."""
    error = dig(found, "status", "lastError") or {}
    checked = str(error.get("description", "")).startswith(sentence(CHECKING).rstrip("."))
    return operation_of(found) is None and checked and bool(FAILING.intersection(error.get("codes") or ()))


def _codes(found: Manifest) -> tuple[str, ...]:
    return tuple(dig(found, "status", "lastError", "codes") or ())
