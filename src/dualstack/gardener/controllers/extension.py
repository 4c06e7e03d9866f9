"""The protocol that every extension object follows (gardener-behaviour.md 3.2, 3.3): one wrapper for all controllers.

The shoot controller asks for a reconcile with two annotations; the extension controller removes the operation first,
writes Processing/1, acts, and writes Succeeded/100 or Error/50. What acting means is the only thing that differs.
Deletion and the two halves of a control-plane migration go the same way, with their own words (`operations.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.gardener.controllers.operations import (
    DELETE,
    MIGRATE,
    RESTORE,
    WAIT_FOR_STATE,
    Words,
    operation_of,
    operation_type,
    sentence,
    words_of,
)
from dualstack.gardener.error_codes import error_codes
from dualstack.gardener.model.kinds import CLUSTER, CONTROL_PLANE, INFRASTRUCTURE, NETWORK, WORKER
from dualstack.gardener.model.names import OPERATION, TIMESTAMP, extension_finalizer
from dualstack.kube.interface import Kube, NotFound
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import Kind, Manifest

Status = Mapping[str, Any]
"""Fields that a successful reconcile adds to the status; None removes a field."""

Act = Callable[[Manifest, Manifest], Awaitable[Status]]
"""Takes the extension object and the fresh Shoot of its Cluster; raises a DualstackError when it does not succeed."""

Check = Callable[[Manifest, Manifest], Awaitable[None]]
"""Looks at the configuration before anything is done; raises a DualstackError when it cannot be used."""


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
class Lifecycle:
    """What an extension can do besides reconciling: undo everything, and hand over to another seed.

    A restore is a reconcile (gardener-behaviour.md 10).
    """

    check: Check
    delete: Act
    migrate: Act


@dataclass(frozen=True, slots=True)
class ExtensionReconciler:
    """Runs `act` on an extension object under the protocol of gardener-behaviour.md 3.3.

    Without a `lifecycle` the object is only ever reconciled: its deletion and its migration are left to others.
    """

    kube: Kube
    clock: Clock
    extension: Extension
    act: Act
    lifecycle: Lifecycle | None = None

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """Bring one object to Succeeded. Returns seconds to the next look, or None at rest.

        Raises the error that is also written to the status, so that the queue retries with backoff.
        """
        found = await self.kube.get(self.extension.kind, name, namespace)
        if found is None or not self._concerns_us(found):
            return None
        shoot = await self._shoot(namespace)
        if is_failed(shoot):
            return None
        kind = operation_type(found)
        words = words_of(kind, self.extension.noun, self.extension.kind.kind)
        found = await self._begin(found, kind, words)
        stage = f"error checking {self.extension.noun} config"
        try:
            if self.lifecycle is not None and kind not in (DELETE, MIGRATE):
                await self.lifecycle.check(found, shoot)
            stage = words.error
            status = await self._action(kind)(found, shoot)
        except RequeueAfter as waiting:
            await self._failed(found, kind, stage, waiting)
            return waiting.seconds
        except DualstackError as error:
            await self._failed(found, kind, stage, error)
            raise
        if kind == RESTORE:
            found = await self._change(found, {"annotations": {OPERATION: None}})
        await self._succeeded(found, kind, words, status)
        if kind in (DELETE, MIGRATE):
            await self._release(found)
        return None

    def _concerns_us(self, found: Manifest) -> bool:
        """Whether there is something to do that this controller does."""
        if not is_pending(found) or operation_of(found) == WAIT_FOR_STATE:
            return False
        kind = operation_type(found)
        if self.lifecycle is None and kind in (DELETE, MIGRATE, RESTORE):
            return False
        # Nothing of ours holds an object without the finalizer (3.3); nor is there anything to hand over.
        held = self.extension.finalizer in (found["metadata"].get("finalizers") or ())
        return held or not found["metadata"].get("deletionTimestamp")

    def _action(self, kind: str) -> Act:
        if self.lifecycle is None or kind not in (DELETE, MIGRATE):
            return self.act
        return self.lifecycle.delete if kind == DELETE else self.lifecycle.migrate

    async def _release(self, found: Manifest) -> None:
        """Take the finalizer and the operation off; a deleted object is gone with that."""
        metadata = found["metadata"]
        found = await self.kube.get(self.extension.kind, metadata["name"], metadata["namespace"]) or found
        finalizers = [name for name in found["metadata"].get("finalizers") or () if name != self.extension.finalizer]
        change: dict[str, Any] = {"finalizers": finalizers or None}
        if operation_of(found) is not None:
            change["annotations"] = {OPERATION: None}
        await self._change(found, change)

    async def _shoot(self, namespace: str) -> Manifest:
        cluster = await self.kube.get(CLUSTER, namespace)
        if cluster is None:
            raise NotFound(f"Cluster {namespace} is not there yet")
        shoot: Manifest = cluster["spec"]["shoot"]
        return shoot

    async def _begin(self, found: Manifest, kind: str, words: Words) -> Manifest:
        """Finalizer on and `reconcile` off; `migrate` and `restore` stay while they last (3.3)."""
        metadata = found["metadata"]
        change: dict[str, Any] = {}
        if operation_of(found) not in (None, MIGRATE.lower(), RESTORE.lower()):
            change["annotations"] = {OPERATION: None}
        finalizers = metadata.get("finalizers") or []
        if self.extension.finalizer not in finalizers and kind not in (DELETE, MIGRATE):
            change["finalizers"] = [*finalizers, self.extension.finalizer]
        if change:
            found = await self._change(found, change)
        await self._write(found, {"lastOperation": self._operation(kind, "Processing", 1, words.begin)})
        return found

    async def _change(self, found: Manifest, metadata: dict[str, Any]) -> Manifest:
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        return await self.kube.patch(self.extension.kind, name, {"metadata": metadata}, namespace)

    async def _succeeded(self, found: Manifest, kind: str, words: Words, status: Status) -> None:
        await self._write(
            found,
            {
                **status,
                "lastOperation": self._operation(kind, "Succeeded", 100, words.success),
                "lastError": None,
                "observedGeneration": found["metadata"].get("generation"),
            },
        )

    async def _failed(self, found: Manifest, kind: str, stage: str, error: DualstackError) -> None:
        description = sentence(f"{stage}: {error}")
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


def is_pending(found: Manifest) -> bool:
    """Whether there is something to do: asked to, never succeeded, being deleted, or asked after the last success.

    The first three are gardener-behaviour.md 3.3. The last is a request whose annotation was taken off by a process
    that ended right then: whoever waits for an answer (3.2) would wait in vain.
    """
    if found["metadata"].get("deletionTimestamp"):
        return True
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


def is_failed(shoot: Manifest) -> bool:
    """Extensions leave the objects of a Failed shoot alone (gardener-behaviour.md 3.4)."""
    last = (shoot.get("status") or {}).get("lastOperation") or {}
    return last.get("state") == "Failed"


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
