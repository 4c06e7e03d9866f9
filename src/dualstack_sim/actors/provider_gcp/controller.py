"""Gardener's protocol for extension objects, as the wrapper of provider-gcp's Infrastructure controller follows it
(docs/reference/gardener.md#reconcile-protocol)."""

from __future__ import annotations

from typing import Any

from dualstack.clock import rfc3339
from dualstack.gardener.model.error_texts import CONFIGURATION_PROBLEM, codes_of
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE
from dualstack.gardener.model.names import OPERATION, extension_finalizer
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.errors import DualstackError
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.provider_gcp.bodies import Bodies
from dualstack_sim.actors.provider_gcp.deletion import Deletion
from dualstack_sim.actors.provider_gcp.reconcile import Reconcile, check_config
from dualstack_sim.actors.provider_gcp.requests import Requests
from dualstack_sim.actors.provider_gcp.tasks import within

RECONCILE_TIMEOUT = 1200.0
FIRST_RETRY, LONGEST_RETRY = 0.005, 1000.0
"""Seconds of the exponential backoff of controller-runtime."""

_FINALIZER = extension_finalizer("infrastructure")

_TEXTS = {
    "Delete": ("Deleting the Infrastructure", "Error deleting Infrastructure", "Successfully deleted Infrastructure"),
    "Migrate": (
        "Starting migration of the Infrastructure",
        "Error migrating Infrastructure",
        "Successfully migrated Infrastructure",
    ),
    "Restore": (
        "Restoring the Infrastructure",
        "Error restoring Infrastructure",
        "Successfully restored Infrastructure",
    ),
}
_OTHERWISE = (
    "Reconciling the infrastructure",
    "Error reconciling infrastructure",
    "Successfully reconciled infrastructure",
)
"""Description at the start, before an error, and after a success, by type of operation."""


class ProviderGcp:
    """provider-gcp's Infrastructure controller."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._kube, self._compute = context.named("gardener-extension-provider-gcp")
        self._objects = context.informers.of(INFRASTRUCTURE)
        self._queue = context.queue("provider-gcp", backoff=FIRST_RETRY, longest=LONGEST_RETRY)

    async def run(self) -> None:
        """Until cancelled."""
        await self._context.informers.synced(INFRASTRUCTURE)
        self._objects.subscribe(self._changed)
        await self._queue.serve(self.reconcile)

    def _changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is None or dig(new, "spec", "type") != "gcp":
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
        found = await self._kube.get(INFRASTRUCTURE, name, namespace)
        if found is None or _operation(found) == "wait-for-state":
            return None
        shoot = dig(await self._kube.get(CLUSTER, namespace), "spec", "shoot")
        if shoot is None or dig(shoot, "status", "lastOperation", "state") == "Failed":
            return None
        kind = _type_of(found)
        if kind == "Delete" and _FINALIZER not in found["metadata"].get("finalizers", ()):
            return None
        found = await self._start(found, kind)
        stage = "Error checking infrastructure config"
        try:
            view = ShootView.of(shoot)
            if kind not in ("Delete", "Migrate"):
                requests = Requests(self._compute, self._context.clock)
                if problem := await check_config(requests, Bodies(view)):
                    await self._failed(found, kind, f"{stage}: {problem}", (CONFIGURATION_PROBLEM,))
                    return None
            stage = _TEXTS.get(kind, _OTHERWISE)[1]
            fields = await within(self._context.clock, RECONCILE_TIMEOUT, self._act(kind, found, view))
        except DualstackError as error:
            await self._failed(found, kind, f"{stage}: {error}", codes_of(str(error)))
            raise
        await self._succeeded(found, kind, fields)
        return None

    async def _act(self, kind: str, found: Manifest, view: ShootView) -> Manifest:
        if kind == "Migrate":
            return {}
        action = Deletion if kind == "Delete" else Reconcile
        return await action(self._compute, self._kube, self._context.clock, found, view).run()

    async def _start(self, found: Manifest, kind: str) -> Manifest:
        change: dict[str, Any] = {}
        if _operation(found) == "reconcile":
            change["annotations"] = {OPERATION: None}
        finalizers = found["metadata"].get("finalizers", [])
        if _FINALIZER not in finalizers and kind not in ("Delete", "Migrate"):
            change["finalizers"] = [*finalizers, _FINALIZER]
        if change:
            found = await self._metadata(found, change)
        await self._status(found, kind, "Processing", 1, _TEXTS.get(kind, _OTHERWISE)[0], {})
        return found

    async def _failed(self, found: Manifest, kind: str, text: str, codes: tuple[str, ...]) -> None:
        now = rfc3339(self._context.clock.now())
        last_error = {"description": f"{text}.", "lastUpdateTime": now, **({"codes": list(codes)} if codes else {})}
        observed = {"observedGeneration": found["metadata"].get("generation"), "lastError": last_error}
        await self._status(found, kind, "Error", 50, text, observed)

    async def _succeeded(self, found: Manifest, kind: str, fields: Manifest) -> None:
        if kind == "Restore":
            found = await self._metadata(found, {"annotations": {OPERATION: None}})
        observed = {"observedGeneration": found["metadata"].get("generation"), "lastError": None}
        await self._status(found, kind, "Succeeded", 100, _TEXTS.get(kind, _OTHERWISE)[2], {**fields, **observed})
        if kind in ("Delete", "Migrate"):
            finalizers = [name for name in found["metadata"].get("finalizers", ()) if name != _FINALIZER]
            await self._metadata(found, {"finalizers": finalizers or None, "annotations": {OPERATION: None}})

    async def _status(self, found: Manifest, kind: str, state: str, progress: int, text: str, fields: Manifest) -> None:
        last = {
            "type": kind,
            "state": state,
            "progress": progress,
            "description": f"{text}.",
            "lastUpdateTime": rfc3339(self._context.clock.now()),
        }
        body = {"status": {**fields, "lastOperation": last}}
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        await self._kube.patch(INFRASTRUCTURE, name, body, namespace, subresource="status")

    async def _metadata(self, found: Manifest, change: dict[str, Any]) -> Manifest:
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        return await self._kube.patch(INFRASTRUCTURE, name, {"metadata": change}, namespace)


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
