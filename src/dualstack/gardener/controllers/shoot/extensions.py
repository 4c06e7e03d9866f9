"""Asking extensions to reconcile and waiting for their answer (gardener-behaviour.md 3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from dualstack.clock import Clock, parse_rfc3339
from dualstack.gardener.controllers.extension import Extension, unfinished
from dualstack.gardener.error_codes import CodedError
from dualstack.gardener.model.names import OPERATION, RECONCILE, TIMESTAMP
from dualstack.kube.apply import difference
from dualstack.kube.interface import Kube
from dualstack.kube.waiting import NotInTime
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

INTERVAL = 10.0
"""Seconds between two looks (gardener-behaviour.md 3.2)."""
PATIENCE = 600.0
"""Seconds for which an extension may stand in error, or leave the request untouched."""
LONGEST = 24 * 3600.0
"""Seconds for which an extension may work: a large roll-out takes hours."""


class ExtensionFailed(CodedError):
    """The extension did not succeed in time; `codes` are those of its lastError."""

    def __init__(self, message: str, codes: tuple[str, ...]) -> None:
        super().__init__(message)
        self.codes = codes


@dataclass(frozen=True, slots=True)
class ExtensionRequests:
    """Writes extension objects and waits until their controllers have answered."""

    kube: Kube
    clock: Clock

    async def ask(self, extension: Extension, wanted: Manifest) -> str:
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

    async def ask_if_needed(self, extension: Extension, wanted: Manifest, *, forced: bool) -> str | None:
        """As `ask`, but only when `forced` or the last request has not succeeded (Infrastructure: 3.2).

        An object that is being processed is not asked again. Returns the time stamp to wait for, or None when there
        is nothing to wait for.
        """
        metadata = wanted["metadata"]
        live = await self.kube.get(extension.kind, metadata["name"], metadata["namespace"])
        stamp = dig(live, "metadata", "annotations", TIMESTAMP)
        if live is not None and is_processing(live) and stamp and not difference(live, wanted):
            return str(stamp)
        if live is None or forced or needs_request(live):
            return await self.ask(extension, wanted)
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
        """The object as soon as it has answered the request.

        ExtensionFailed when it stands in error for ten minutes, NotInTime when nobody takes the request up.
        """
        began = self.clock.now()
        in_error = idle = 0.0
        while True:
            looked = self.clock.now()
            found = await self.kube.get(extension.kind, name, namespace)
            missing = unfinished(found, stamp)
            if missing is None and found is not None:
                return found
            if while_waiting is not None:
                await while_waiting()
            await self.clock.sleep(INTERVAL)
            passed = self.clock.now() - looked
            if found is not None and dig(found, "status", "lastOperation", "state") == "Error":
                in_error += passed
            elif found is None or OPERATION in (found["metadata"].get("annotations") or {}):
                idle += passed
            if in_error >= PATIENCE and found is not None:
                raise ExtensionFailed(f"{extension.kind.kind} {name}: {missing}", _codes(found))
            if idle >= PATIENCE or looked - began >= LONGEST:
                raise NotInTime(f"{extension.kind.kind} {name}: {missing}, after waiting for {looked - began:.0f} s")


def needs_request(found: Manifest) -> bool:
    """Whether an object asks for a new request although nobody forces one (gardener-behaviour.md 3.2)."""
    last = dig(found, "status", "lastOperation") or {}
    if last.get("state") != "Succeeded":
        return True
    stamp = dig(found, "metadata", "annotations", TIMESTAMP)
    try:
        return stamp is not None and int(parse_rfc3339(stamp)) > parse_rfc3339(last.get("lastUpdateTime", ""))
    except ValueError:
        return True


def is_processing(found: Manifest) -> bool:
    """Whether the extension's controller has taken the request up and not answered."""
    return bool(
        OPERATION not in (found["metadata"].get("annotations") or {})
        and dig(found, "status", "lastOperation", "state") == "Processing"
    )


def nanoseconds(seconds: float) -> str:
    """RFC3339Nano in UTC, as Go writes it: no trailing zeros in the fraction."""
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return f"{stamp}Z"


def _codes(found: Manifest) -> tuple[str, ...]:
    return tuple(dig(found, "status", "lastError", "codes") or ())
