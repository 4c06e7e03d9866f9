"""The protocol that every extension object follows (gardener-behaviour.md 3.2, 3.3): one wrapper for all controllers.

The shoot controller asks for a reconcile with two annotations; the extension controller removes the operation first,
writes Processing/1, acts, and writes Succeeded/100 or Error/50. What acting means is the only thing that differs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.errors import ComputeError, DualstackError
from dualstack.kube.interface import Invalid, Kube, NotFound
from dualstack.model.error_codes import codes_of
from dualstack.model.kinds import CLUSTER, CONTROL_PLANE, INFRASTRUCTURE, NETWORK, WORKER, Kind, Manifest
from dualstack.model.names import OPERATION, TIMESTAMP, extension_finalizer

IGNORED_OPERATIONS = ("wait-for-state", "migrate", "restore")
"""Operations of a control-plane migration, which is not ours to carry out."""

Status = Mapping[str, Any]
"""Fields that a successful reconcile adds to the status; None removes a field."""

Act = Callable[[Manifest, Manifest], Awaitable[Status]]
"""Takes the extension object and the fresh Shoot of its Cluster; raises a DualstackError when it does not succeed."""


class RequeueAfter(DualstackError):
    """Not done yet, and when to look again; its text stands in lastError meanwhile (gardener-behaviour.md 3.3)."""

    def __init__(self, seconds: float, cause: str) -> None:
        super().__init__(cause)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Extension:
    """One kind of extension object and how Gardener speaks of it."""

    kind: Kind
    noun: str

    @property
    def finalizer(self) -> str:
        return extension_finalizer(self.noun)


INFRASTRUCTURE_EXTENSION = Extension(INFRASTRUCTURE, "infrastructure")
CONTROL_PLANE_EXTENSION = Extension(CONTROL_PLANE, "controlplane")
NETWORK_EXTENSION = Extension(NETWORK, "network")
WORKER_EXTENSION = Extension(WORKER, "worker")


@dataclass(frozen=True, slots=True)
class ExtensionReconciler:
    """Runs `act` on an extension object under the protocol of gardener-behaviour.md 3.3."""

    kube: Kube
    clock: Clock
    extension: Extension
    act: Act

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """Bring one object to Succeeded. Returns seconds to the next look, or None at rest.

        Raises the error that is also written to the status, so that the queue retries with backoff.
        """
        found = await self.kube.get(self.extension.kind, name, namespace)
        if found is None or found["metadata"].get("deletionTimestamp") or not is_pending(found):
            return None
        if operation_of(found) in IGNORED_OPERATIONS:
            return None
        shoot = await self._shoot(namespace)
        if is_failed(shoot):
            return None
        kind = operation_type(found)
        found = await self._begin(found, kind)
        try:
            status = await self.act(found, shoot)
        except RequeueAfter as waiting:
            await self._failed(found, kind, waiting)
            return waiting.seconds
        except DualstackError as error:
            await self._failed(found, kind, error)
            raise
        await self._succeeded(found, kind, status)
        return None

    async def _shoot(self, namespace: str) -> Manifest:
        cluster = await self.kube.get(CLUSTER, namespace)
        if cluster is None:
            raise NotFound(f"Cluster {namespace} is not there yet")
        shoot: Manifest = cluster["spec"]["shoot"]
        return shoot

    async def _begin(self, found: Manifest, kind: str) -> Manifest:
        metadata = found["metadata"]
        change: dict[str, Any] = {}
        if OPERATION in (metadata.get("annotations") or {}):
            change["annotations"] = {OPERATION: None}
        finalizers = metadata.get("finalizers") or []
        if self.extension.finalizer not in finalizers:
            change["finalizers"] = [*finalizers, self.extension.finalizer]
        if change:
            found = await self.kube.patch(
                self.extension.kind, metadata["name"], {"metadata": change}, metadata["namespace"]
            )
        await self._write(
            found, {"lastOperation": self._operation(kind, "Processing", 1, f"Reconciling the {self.extension.noun}.")}
        )
        return found

    async def _succeeded(self, found: Manifest, kind: str, status: Status) -> None:
        description = f"Successfully reconciled {self.extension.noun}."
        await self._write(
            found,
            {
                **status,
                "lastOperation": self._operation(kind, "Succeeded", 100, description),
                "lastError": None,
                "observedGeneration": found["metadata"].get("generation"),
            },
        )

    async def _failed(self, found: Manifest, kind: str, error: DualstackError) -> None:
        description = sentence(f"error reconciling {self.extension.noun}: {error}")
        codes = error_codes(error)
        last_error: dict[str, Any] = {"description": description, "lastUpdateTime": rfc3339(self.clock.now())}
        if codes:
            last_error["codes"] = list(codes)
        await self._write(
            found,
            {
                "lastOperation": self._operation(kind, "Error", 50, description),
                "lastError": last_error,
                "observedGeneration": found["metadata"].get("generation"),
            },
        )

    def _operation(self, kind: str, state: str, progress: int, description: str) -> dict[str, Any]:
        return {
            "type": kind,
            "state": state,
            "progress": progress,
            "description": description,
            "lastUpdateTime": rfc3339(self.clock.now()),
        }

    async def _write(self, found: Manifest, status: Status) -> None:
        metadata = found["metadata"]
        await self.kube.patch(
            self.extension.kind, metadata["name"], {"status": status}, metadata["namespace"], subresource="status"
        )


def operation_of(found: Manifest) -> str | None:
    """The value of `gardener.cloud/operation`, if any."""
    value: str | None = (found["metadata"].get("annotations") or {}).get(OPERATION)
    return value


def is_pending(found: Manifest) -> bool:
    """Whether there is something to do: asked to, never succeeded, or asked after the last success.

    The first two are gardener-behaviour.md 3.3. The third is a request whose annotation was taken off by a process
    that ended right then: whoever waits for an answer (3.2) would wait in vain.
    """
    last = (found.get("status") or {}).get("lastOperation") or {}
    return operation_of(found) is not None or last.get("state") != "Succeeded" or _unanswered(found, last)


def _unanswered(found: Manifest, last: Mapping[str, Any]) -> bool:
    asked = (found["metadata"].get("annotations") or {}).get(TIMESTAMP)
    answered = last.get("lastUpdateTime")
    if not asked or not answered:
        return False
    try:
        return int(parse_rfc3339(asked)) > parse_rfc3339(answered)
    except ValueError:
        return False


def operation_type(found: Manifest) -> str:
    """`Create` until the first success, then `Reconcile` (gardener-behaviour.md 3.3)."""
    last = (found.get("status") or {}).get("lastOperation")
    if not last or (last.get("type") == "Create" and last.get("state") != "Succeeded"):
        return "Create"
    return "Reconcile"


def is_failed(shoot: Manifest) -> bool:
    """Extensions leave the objects of a Failed shoot alone (gardener-behaviour.md 3.4)."""
    last = (shoot.get("status") or {}).get("lastOperation") or {}
    return last.get("state") == "Failed"


def error_codes(error: DualstackError) -> tuple[str, ...]:
    """Gardener's codes (gardener-behaviour.md 3.4): those of the error's class, else those that its text matches.

    Only the words of a cloud or of a refusal are matched. A conflict between two writers of a Kubernetes object, say,
    is no `ERR_INFRA_DEPENDENCIES`.
    """
    if error.codes:
        return tuple(error.codes)
    return codes_of(str(error)) if isinstance(error, ComputeError | Invalid) else ()


def sentence(text: str) -> str:
    """First letter upper case, a full stop at the end, as Gardener writes descriptions."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def unfinished(found: Manifest | None, timestamp: str) -> str | None:
    """Why the object has not yet answered the request of `timestamp`, or None when it has.

    The six conditions of gardener-behaviour.md 3.2. An error keeps its words, so that the waiting
    side can show them.
    """
    if found is None:
        return "object is not there"
    annotations = found["metadata"].get("annotations") or {}
    status = found.get("status") or {}
    if annotations.get(TIMESTAMP) != timestamp:
        return "the timestamp of the request is not visible"
    if status.get("lastError"):
        return f"error during reconciliation: {status['lastError'].get('description', '')}"
    if status.get("observedGeneration") != found["metadata"].get("generation"):
        return "the generation has not been observed"
    if OPERATION in annotations:
        return "the operation annotation has not been removed"
    last = status.get("lastOperation")
    if not last or last.get("state") != "Succeeded":
        return "the last operation has not succeeded"
    if int(parse_rfc3339(timestamp)) > parse_rfc3339(last.get("lastUpdateTime", "1970-01-01T00:00:00Z")):
        return "the last operation is older than the request"
    return None
