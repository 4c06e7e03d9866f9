"""Gardener's library for controllers of extension objects: requests, status, retries
(docs/reference/gardener.md#reconcile-protocol).

The extensions differ in what they do; the protocol around it is the same in all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from dualstack.clock import rfc3339
from dualstack.gardener.model.error_texts import CONFIGURATION_PROBLEM, codes_of
from dualstack.gardener.model.kinds import CLUSTER
from dualstack.gardener.model.names import OPERATION, extension_finalizer
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.errors import DualstackError
from dualstack.model.json_path import dig
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.flow_tasks import within
from dualstack_sim.actors.informer import ObjectKey, key_of

RECONCILE_TIMEOUT = 1200.0
FIRST_RETRY, LONGEST_RETRY = 0.005, 1000.0
"""Seconds of the exponential backoff of controller-runtime."""

Act = Callable[[str, Manifest, ShootView], Awaitable[Manifest]]
"""Takes the type of the operation, the object and the Shoot in the Cluster; returns the fields of its status."""
Check = Callable[[ShootView], Awaitable[str | None]]
"""What is wrong with the configuration of the Shoot; None if nothing is."""


async def nothing_wrong(_: ShootView) -> str | None:
    """The check of an extension without a configuration of its own."""
    return None


@dataclass(frozen=True, slots=True)
class Handled:
    """The objects of one extension. `noun` is Gardener's word for them, `types` the values of `spec.type`."""

    kind: Kind
    noun: str
    types: tuple[str, ...] = ("gcp",)

    @property
    def finalizer(self) -> str:
        return extension_finalizer(self.noun)

    def texts(self, operation: str) -> tuple[str, str, str]:
        """The description at the start, before an error, and after a success."""
        kind, doing = self.kind.kind, {"Delete": "deleting", "Migrate": "migrating", "Restore": "restoring"}
        if operation not in doing:
            return (
                f"Reconciling the {self.noun}",
                f"Error reconciling {self.noun}",
                f"Successfully reconciled {self.noun}",
            )
        verb = doing[operation]
        start = f"Starting migration of the {kind}" if operation == "Migrate" else f"{verb.capitalize()} the {kind}"
        return start, f"Error {verb} {kind}", f"Successfully {verb.removesuffix('ing')}ed {kind}"


class ExtensionController:
    """Reconciles the objects of one extension with `act`, after `check`."""

    def __init__(
        self, context: ActorContext, program: str, handled: Handled, act: Act, check: Check = nothing_wrong
    ) -> None:
        """program: the User-Agent."""
        self._context = context
        self._kube, _ = context.named(program)
        self._handled = handled
        self._act = act
        self._check = check
        self._objects = context.informers.of(handled.kind)
        self._queue = context.queue(f"{program} {handled.noun}", backoff=FIRST_RETRY, longest=LONGEST_RETRY)

    async def run(self) -> None:
        """Until cancelled."""
        await self._context.informers.synced(self._handled.kind)
        self._objects.subscribe(self._changed)
        await self._queue.serve(self.reconcile)

    def _changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is None or dig(new, "spec", "type") not in self._handled.types:
            return
        last = dig(new, "status", "lastOperation", "state")
        deleted, requested = bool(new["metadata"].get("deletionTimestamp")), _operation(new) is not None
        if old is None:
            due = requested or deleted or last != "Succeeded"
        else:
            due = requested or (deleted and old.get("status") == new.get("status"))
        if due:
            self._queue.add(key_of(new))

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One reconcile. Raises the error that it also writes to the status, so that it is retried."""
        namespace, name = key
        found = await self._kube.get(self._handled.kind, name, namespace)
        if found is None or _operation(found) == "wait-for-state":
            return None
        shoot = dig(await self._kube.get(CLUSTER, namespace), "spec", "shoot")
        if shoot is None or dig(shoot, "status", "lastOperation", "state") == "Failed":
            return None
        operation = _type_of(found)
        if operation == "Delete" and self._handled.finalizer not in found["metadata"].get("finalizers", ()):
            return None
        found = await self._start(found, operation)
        stage = f"Error checking {self._handled.noun} config"
        try:
            view = ShootView.of(shoot)
            if operation not in ("Delete", "Migrate") and (problem := await self._check(view)):
                await self._failed(found, operation, f"{stage}: {problem}", (CONFIGURATION_PROBLEM,))
                return None
            stage = self._handled.texts(operation)[1]
            work = self._act(operation, found, view)
            fields = await within(self._context.clock, RECONCILE_TIMEOUT, work)
        except DualstackError as error:
            await self._failed(found, operation, f"{stage}: {error}", codes_of(str(error)))
            raise
        await self._succeeded(found, operation, fields)
        return None

    async def _start(self, found: Manifest, operation: str) -> Manifest:
        change: dict[str, Any] = {}
        if _operation(found) == "reconcile":
            change["annotations"] = {OPERATION: None}
        finalizers = found["metadata"].get("finalizers", [])
        if self._handled.finalizer not in finalizers and operation not in ("Delete", "Migrate"):
            change["finalizers"] = [*finalizers, self._handled.finalizer]
        if change:
            found = await self._metadata(found, change)
        await self._status(found, operation, "Processing", 1, self._handled.texts(operation)[0], {})
        return found

    async def _failed(self, found: Manifest, operation: str, text: str, codes: tuple[str, ...]) -> None:
        now = rfc3339(self._context.clock.now())
        last_error = {"description": f"{text}.", "lastUpdateTime": now, **({"codes": list(codes)} if codes else {})}
        observed = {"observedGeneration": found["metadata"].get("generation"), "lastError": last_error}
        await self._status(found, operation, "Error", 50, text, observed)

    async def _succeeded(self, found: Manifest, operation: str, fields: Manifest) -> None:
        if operation == "Restore":
            found = await self._metadata(found, {"annotations": {OPERATION: None}})
        observed = {"observedGeneration": found["metadata"].get("generation"), "lastError": None}
        text = self._handled.texts(operation)[2]
        await self._status(found, operation, "Succeeded", 100, text, {**fields, **observed})
        if operation in ("Delete", "Migrate"):
            finalizers = [name for name in found["metadata"].get("finalizers", ()) if name != self._handled.finalizer]
            await self._metadata(found, {"finalizers": finalizers or None, "annotations": {OPERATION: None}})

    async def _status(
        self, found: Manifest, operation: str, state: str, progress: int, text: str, fields: Manifest
    ) -> None:
        last = {
            "type": operation,
            "state": state,
            "progress": progress,
            "description": f"{text}.",
            "lastUpdateTime": rfc3339(self._context.clock.now()),
        }
        body = {"status": {**fields, "lastOperation": last}}
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        await self._kube.patch(self._handled.kind, name, body, namespace, subresource="status")

    async def _metadata(self, found: Manifest, change: dict[str, Any]) -> Manifest:
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        return await self._kube.patch(self._handled.kind, name, {"metadata": change}, namespace)


def _operation(found: Manifest) -> str | None:
    value: str | None = dig(found, "metadata", "annotations", OPERATION)
    return value


def _type_of(found: Manifest) -> str:
    """docs/reference/gardener.md#operation-type"""
    operation, last = _operation(found), dig(found, "status", "lastOperation") or {}
    if operation == "migrate":
        return "Migrate"
    if found["metadata"].get("deletionTimestamp"):
        return "Delete"
    if operation == "restore":
        return "Restore"
    if not last:
        return "Create"
    if last["state"] != "Succeeded" and last["type"] in ("Create", "Migrate", "Restore"):
        return str(last["type"])
    return "Reconcile"
