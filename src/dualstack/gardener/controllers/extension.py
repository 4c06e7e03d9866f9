"""The protocol of extension objects (docs/reference/gardener.md#extension-contract): one wrapper for all controllers.

The shoot controller requests a reconcile with two annotations. The extension controller removes the operation, writes
Processing/1, acts, and writes Succeeded/100 or Error/50. The controllers differ only in the action. Deletion and both
halves of a control-plane migration follow the same protocol with their own descriptions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.gardener.controllers.reporting import as_failure
from dualstack.gardener.error_codes import error_codes
from dualstack.gardener.model.kinds import CLUSTER, CONTROL_PLANE, INFRASTRUCTURE, NETWORK, WORKER
from dualstack.gardener.model.names import OPERATION, TIMESTAMP, extension_finalizer
from dualstack.kube.interface import Kube, NotFound
from dualstack.kube.waiting import Tell
from dualstack.model.errors import DualstackError, KubeError
from dualstack.model.json_path import dig
from dualstack.model.kinds import Kind, Manifest
from dualstack.preflight.finding import PreflightFailed

CREATE, RECONCILE_TYPE, DELETE, MIGRATE, RESTORE = "Create", "Reconcile", "Delete", "Migrate", "Restore"
"""Values of `lastOperation.type`."""

CHECKING = "error checking"
"""Start of the description of an error that was found before anything was changed.

docs/reference/gardener.md#config-validator
"""

WAIT_FOR_STATE = "wait-for-state"
"""Operation annotation of an object whose state is still on its way from the other seed."""

Status = Mapping[str, Any]
"""Fields that a successful reconcile adds to the status; None removes a field."""

Act = Callable[[Manifest, Manifest], Awaitable[Status]]
"""Takes the extension object and the Shoot of its Cluster; raises a DualstackError when it does not succeed."""

Check = Callable[[Manifest, Manifest], Awaitable[None]]
"""Checks the configuration before anything is changed; raises a DualstackError when it cannot be used."""


class RequeueAfter(DualstackError):
    """The reconcile must wait `seconds`; `cause` is in lastError then (docs/reference/gardener.md#extension-retry)."""

    def __init__(self, seconds: float, cause: str) -> None:
        super().__init__(cause)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Extension:
    """One kind of extension object and the noun that Gardener uses for it."""

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
    """What an extension can do besides reconciling: delete everything, and hand over to another seed.

    A restore is a reconcile (docs/reference/gardener.md#restore-destination-seed).
    """

    check: Check
    delete: Act
    migrate: Act


@dataclass(frozen=True, slots=True)
class ExtensionReconciler:
    """Runs `act` on an extension object under Gardener's protocol (docs/reference/gardener.md#reconcile-protocol).

    Without a `lifecycle` the object is only reconciled; its deletion and migration are left to other controllers.
    """

    kube: Kube
    clock: Clock
    extension: Extension
    act: Act
    lifecycle: Lifecycle | None = None

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """Bring one object to Succeeded. Returns the seconds until the next reconcile, or None at rest.

        Raises the error that it also writes to the status, so that the queue retries with backoff.
        """
        found = await self.kube.get(self.extension.kind, name, namespace)
        if found is None or not self._is_ours(found):
            return None
        shoot = await self._shoot(namespace)
        if is_failed(shoot):
            return None
        kind = operation_type(found)
        texts = descriptions_of(kind, self.extension.noun, self.extension.kind.kind)
        found = await self._start(found, kind, texts)
        stage = checking = f"{CHECKING} {self.extension.noun} config"
        try:
            if self.lifecycle is not None and kind not in (DELETE, MIGRATE):
                await self.lifecycle.check(found, shoot)
            stage = texts.error
            status = await self._action(kind)(found, shoot)
        except RequeueAfter as waiting:
            await self._failed(found, kind, stage, waiting)
            return waiting.seconds
        except DualstackError as error:
            if isinstance(error.__cause__, PreflightFailed):
                stage = checking
            await self._failed(found, kind, stage, error)
            raise
        except Exception as defect:
            await self._failed(found, kind, stage, as_failure(defect))
            raise
        if kind == RESTORE:
            found = await self._change(found, {"annotations": {OPERATION: None}})
        await self._succeeded(found, kind, texts, status)
        if kind in (DELETE, MIGRATE):
            await self._release(found)
        return None

    def _is_ours(self, found: Manifest) -> bool:
        """Whether something is to do for this controller."""
        if not is_pending(found) or operation_of(found) == WAIT_FOR_STATE:
            return False
        kind = operation_type(found)
        if self.lifecycle is None and kind in (DELETE, MIGRATE, RESTORE):
            return False
        # A deleted object without the finalizer holds no resources of this controller.
        held = self.extension.finalizer in (found["metadata"].get("finalizers") or ())
        return held or not found["metadata"].get("deletionTimestamp")

    def _action(self, kind: str) -> Act:
        if self.lifecycle is None or kind not in (DELETE, MIGRATE):
            return self.act
        return self.lifecycle.delete if kind == DELETE else self.lifecycle.migrate

    async def _release(self, found: Manifest) -> None:
        """Remove the finalizer and the operation; a deleted object disappears with that."""
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
            raise NotFound(f"Cluster {namespace} does not exist yet")
        shoot: Manifest = cluster["spec"]["shoot"]
        return shoot

    def teller(self, found: Manifest) -> Tell:
        """What shows in `lastOperation` what the reconcile of `found` waits for, whenever that changes.

        A wait that ends at the second look is not worth a write.
        """
        shown, begun = "", self.clock.now()

        async def tell(text: str) -> None:
            nonlocal shown
            if text != shown and self.clock.now() > begun:
                shown = text
                await self.show(found, text, 1)

        return tell

    async def show(self, found: Manifest, text: str, percent: int) -> None:
        """Show in `lastOperation` how far the reconcile of `found` is. A failed write is ignored."""
        kind = operation_type(found)
        start = descriptions_of(kind, self.extension.noun, self.extension.kind.kind).start.rstrip(".")
        with suppress(KubeError):
            operation = self._operation(kind, "Processing", percent, sentence(f"{start}: {text}"))
            await self._write(found, {"lastOperation": operation})

    async def _start(self, found: Manifest, kind: str, texts: Descriptions) -> Manifest:
        """Add the finalizer and remove `reconcile`; `migrate` and `restore` stay until they are done."""
        metadata = found["metadata"]
        change: dict[str, Any] = {}
        if operation_of(found) not in (None, MIGRATE.lower(), RESTORE.lower()):
            change["annotations"] = {OPERATION: None}
        finalizers = metadata.get("finalizers") or []
        if self.extension.finalizer not in finalizers and kind not in (DELETE, MIGRATE):
            change["finalizers"] = [*finalizers, self.extension.finalizer]
        if change:
            found = await self._change(found, change)
        await self._write(found, {"lastOperation": self._operation(kind, "Processing", 1, texts.start)})
        return found

    async def _change(self, found: Manifest, metadata: dict[str, Any]) -> Manifest:
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        return await self.kube.patch(self.extension.kind, name, {"metadata": metadata}, namespace)

    async def _succeeded(self, found: Manifest, kind: str, texts: Descriptions, status: Status) -> None:
        await self._write(
            found,
            {
                **status,
                "lastOperation": self._operation(kind, "Succeeded", 100, texts.success),
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
    """Whether a reconcile is due: requested, never successful, being deleted, or requested after the last success.

    The first three are Gardener's (docs/reference/gardener.md#extension-events). The last is a request whose
    annotation was removed by a process that was then killed: the requester is still waiting.
    """
    if found["metadata"].get("deletionTimestamp"):
        return True
    last = (found.get("status") or {}).get("lastOperation") or {}
    return operation_of(found) is not None or last.get("state") != "Succeeded" or _is_unanswered(found, last)


def _is_unanswered(found: Manifest, last: Mapping[str, Any]) -> bool:
    requested = _seconds(dig(found, "metadata", "annotations", TIMESTAMP))
    answered = _seconds(last.get("lastUpdateTime"))
    return bool(answered) and int(requested) > answered


def is_failed(shoot: Manifest) -> bool:
    """Whether the Shoot is Failed; extensions do not touch its objects (docs/reference/gardener.md#failed-shoot)."""
    return bool(dig(shoot, "status", "lastOperation", "state") == "Failed")


class Answer(Enum):
    """How far the controller of an extension object is with a request."""

    NOT_ACCEPTED = "not accepted"
    """The operation annotation is still there."""
    NOT_BEGUN = "not begun"
    """The annotation is gone, and the last operation is older than the request."""
    WORKING = "working"
    FAILED = "failed"
    OUTDATED = "outdated"
    """It succeeded, but with an earlier version of the spec."""
    DONE = "done"


def answer_of(found: Manifest, requested: float) -> Answer:
    """The answer to a request made at `requested`, in seconds since the epoch.

    Unlike gardenlet (docs/reference/gardener.md#wait-conditions) it does not compare the timestamp annotation, which
    other programs write too. An operation at or after the time of the request answers it, whichever program asked.
    """
    if operation_of(found) is not None:
        return Answer.NOT_ACCEPTED
    status = found.get("status") or {}
    last = status.get("lastOperation") or {}
    if _seconds(last.get("lastUpdateTime")) < int(requested):
        return Answer.WORKING if last.get("state") == "Processing" else Answer.NOT_BEGUN
    if last.get("state") == "Processing":
        return Answer.WORKING
    if status.get("lastError") or last.get("state") != "Succeeded":
        return Answer.FAILED
    observed = status.get("observedGeneration") == found["metadata"].get("generation")
    return Answer.DONE if observed else Answer.OUTDATED


def describe_answer(found: Manifest | None, requested: float) -> str:
    """What a request still waits for, in words; the extension's own description where it has one."""
    if found is None:
        return "the object does not exist"
    status = found.get("status") or {}
    last = status.get("lastOperation") or {}
    match answer_of(found, requested):
        case Answer.NOT_ACCEPTED:
            return f"no controller has accepted operation {operation_of(found)}"
        case Answer.NOT_BEGUN:
            return "no controller has begun the request, and its annotation is gone"
        case Answer.FAILED:
            error = (status.get("lastError") or {}).get("description") or last.get("description", "")
            return f"error during reconciliation: {error}"
        case Answer.OUTDATED:
            return "another program has changed the spec, and the change has not been reconciled"
        case _:
            return str(last.get("description") or "the last operation has not succeeded")


def _seconds(stamp: Any) -> float:
    """A time stamp in seconds since the epoch; 0 for none and for text that is not one."""
    try:
        return parse_rfc3339(stamp) if stamp else 0.0
    except ValueError:
        return 0.0


@dataclass(frozen=True, slots=True)
class Descriptions:
    """Descriptions of `lastOperation` at the start and after a success, and the text before an error."""

    start: str
    error: str
    success: str


def descriptions_of(operation: str, noun: str, kind: str) -> Descriptions:
    """The descriptions of an operation on an object of `kind`.

    Gardener writes the noun where it reconciles, and the kind everywhere else.
    """
    match operation:
        case "Delete":
            return _descriptions(f"deleting the {kind}", f"deleting {kind}", f"deleted {kind}")
        case "Migrate":
            return _descriptions(f"starting migration of the {kind}", f"migrating {kind}", f"migrated {kind}")
        case "Restore":
            return _descriptions(f"restoring the {kind}", f"restoring {kind}", f"restored {kind}")
        case _:
            return _descriptions(f"reconciling the {noun}", f"reconciling {noun}", f"reconciled {noun}")


def _descriptions(start: str, doing: str, done: str) -> Descriptions:
    return Descriptions(sentence(start), f"error {doing}", sentence(f"successfully {done}"))


def operation_of(found: Manifest) -> str | None:
    """The value of `gardener.cloud/operation`, if any."""
    value: str | None = dig(found, "metadata", "annotations", OPERATION)
    return value


def operation_type(found: Manifest) -> str:
    """The `lastOperation.type` of the reconcile that is due (docs/reference/gardener.md#operation-type).

    The first that applies: migration requested, deletion, restoration requested, first reconcile, an interrupted
    operation, `Reconcile`.
    """
    operation = operation_of(found)
    last = dig(found, "status", "lastOperation") or {}
    if operation == MIGRATE.lower():
        return MIGRATE
    if found["metadata"].get("deletionTimestamp"):
        return DELETE
    if operation == RESTORE.lower():
        return RESTORE
    if not last:
        return CREATE
    if last.get("state") != "Succeeded" and last.get("type") in (CREATE, MIGRATE, RESTORE):
        return str(last["type"])
    return RECONCILE_TYPE


def sentence(text: str) -> str:
    """The text with an upper-case first letter and a full stop at the end, as Gardener writes descriptions."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
