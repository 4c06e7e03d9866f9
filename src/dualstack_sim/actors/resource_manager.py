"""The resource manager: applies the objects of ManagedResources
(docs/reference/gardener.md#ignored-managed-resources).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from dualstack.clock import rfc3339
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.model.json_path import dig
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, SECRET, SERVICE, Kind, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import Informers, ObjectKey, key_of
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.managed_conditions import Verdict, applied, assessed, ignored, not_applied, rendered
from dualstack_sim.actors.manifest_merge import BadManifest, content, documents, kind_of, merged
from dualstack_sim.actors.pods import is_terminating
from dualstack_sim.actors.refusals import KubeRefusal, NotFound, Unreachable

IGNORE = "resources.gardener.cloud/ignore"
_SYNC_SECONDS = 60.0
_CACHED = (DEPLOYMENT, DAEMON_SET, CONFIG_MAP, SECRET, SERVICE)
"""Kinds that are read from the shared caches; others are read from the server."""
_WORKLOADS = (DEPLOYMENT, DAEMON_SET)

_ORDER = ("Namespace", "CustomResourceDefinition", "ServiceAccount", "Secret", "ConfigMap", "Service")
"""Kinds that are applied first, in this order. Workloads are applied last."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry of `status.resources`."""

    kind: Kind
    namespace: str
    name: str
    seed: bool
    """Whether it is in the seed, not in the shoot."""

    def document(self) -> dict[str, str]:
        where = {"namespace": self.namespace} if self.namespace else {}
        return {"apiVersion": self.kind.api_version, "kind": self.kind.kind, **where, "name": self.name}


class Ignored(Exception):
    """The ManagedResource got the ignore annotation while it was applied."""


class ResourceManager:
    """One for both classes: the ManagedResources of class `seed` are applied there, the others in the shoot."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._seed, _ = context.seed.named("gardener-resource-manager")
        self._shoot, _ = context.named("gardener-resource-manager")
        self._managed = context.seed.informers.of(MANAGED_RESOURCE)
        self._secrets = context.seed.informers.of(SECRET)
        self._queue = context.queue("managed resources")
        self._health = context.queue("health of managed resources")
        self._owners: dict[Reference, ObjectKey] = {}
        self._decoded: dict[ObjectKey, tuple[object, list[Manifest]]] = {}
        self._written: dict[Reference, tuple[Manifest, Manifest]] = {}
        """The desired and the stored object: defaults that the server sets are not a difference."""

    async def run(self) -> None:
        """Until cancelled."""
        await self._managed.synced()
        for server in (self._context, self._context.seed):
            await server.informers.synced(*_CACHED)
        self._managed.subscribe(self._managed_changed)
        self._secrets.subscribe(self._secret_changed)
        for kind in _WORKLOADS:
            for seed in (False, True):
                self._informers(seed=seed).of(kind).subscribe(partial(self._workload_changed, seed))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.serve(self._reconcile, workers=2))
            group.create_task(self._health.serve(self._assess))

    def _informers(self, *, seed: bool) -> Informers:
        return (self._context.seed if seed else self._context).informers

    def _kube(self, reference: Reference) -> KubeApi:
        return self._seed if reference.seed else self._shoot

    def _managed_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        managed = new or old
        if managed is not None and (new is None or old is None or _request(old) != _request(new)):
            self._queue.add(key_of(managed))

    def _secret_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        secret = new or old
        if secret is None:
            return
        namespace, name = key_of(secret)
        for managed in self._managed.all(namespace):
            if name in _secret_names(managed):
                self._queue.add(key_of(managed))

    def _workload_changed(self, seed: bool, old: Manifest | None, new: Manifest | None) -> None:
        """Health follows a workload within seconds. Changes by other writers are reverted in the next sync."""
        if new is None or (old is not None and old.get("status") == new.get("status")):
            return
        namespace, name = key_of(new)
        kind = DEPLOYMENT if new.get("kind") == DEPLOYMENT.kind else DAEMON_SET
        owner = self._owners.get(Reference(kind, namespace, name, seed))
        if owner is not None:
            self._health.add_soon(owner, 2.0)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        managed = self._managed.get(key[1], key[0])
        if managed is None or is_terminating(managed):
            await self._remove_all(key)
            return None
        if _is_ignored(managed):
            await self._publish(managed, ignored(), None)
            return None
        try:
            wanted = self._desired(managed)
            await self._apply_all(key, wanted)
        except BadManifest as fault:
            await self._publish(managed, [not_applied("DecodingFailed", str(fault))], None)
            return _SYNC_SECONDS
        except MissingSecret as fault:
            await self._publish(managed, [not_applied("CannotReadSecret", str(fault))], None)
            return _SYNC_SECONDS
        except Unreachable:
            raise
        except KubeRefusal as refusal:
            message = f"Could not apply all new resources: {refusal}"
            await self._publish(managed, [not_applied("ApplyFailed", message)], None)
            raise
        except Ignored:
            return 0.0
        await self._publish(managed, [applied(), *self._verdicts(wanted)], list(wanted))
        return _SYNC_SECONDS

    async def _assess(self, key: ObjectKey) -> float | None:
        managed = self._managed.get(key[1], key[0])
        if managed is not None and not is_terminating(managed) and not _is_ignored(managed):
            applied_here = [reference for reference, owner in self._owners.items() if owner == key]
            await self._publish(managed, self._verdicts(applied_here), None)
        return None

    def _desired(self, managed: Manifest) -> dict[Reference, Manifest]:
        """The objects in the Secrets, in the order in which they are applied."""
        namespace = managed["metadata"]["namespace"]
        found: list[Manifest] = []
        for name in _secret_names(managed):
            secret = self._secrets.get(name, namespace)
            if secret is None:
                raise MissingSecret(f'Could not read secret {name!r}: secrets "{name}" not found')
            found.extend(self._documents(secret))
        found.sort(key=_rank)
        return {_reference(each, seed=_in_seed(managed)): each for each in found}

    def _documents(self, secret: Manifest) -> list[Manifest]:
        key, version = key_of(secret), secret["metadata"].get("resourceVersion")
        known = self._decoded.get(key)
        if known is None or known[0] != version:
            known = self._decoded[key] = (version, list(documents(secret)))
        return known[1]

    async def _apply_all(self, key: ObjectKey, wanted: dict[Reference, Manifest]) -> None:
        for reference in [each for each, owner in self._owners.items() if owner == key and each not in wanted]:
            del self._owners[reference]
        self._owners.update(dict.fromkeys(wanted, key))
        for reference, manifest in wanted.items():
            # With compressed time a request takes many simulated seconds, so check before each.
            managed = self._managed.get(key[1], key[0])
            if managed is None or _is_ignored(managed):
                raise Ignored
            await self._apply(reference, manifest)
        managed = self._managed.get(key[1], key[0])
        for entry in dig(managed, "status", "resources") or ():
            reference = _reference({**entry, "metadata": entry}, seed=_in_seed(managed))
            if reference not in wanted:
                await self._remove(reference)

    async def _apply(self, reference: Reference, desired: Manifest) -> None:
        live = await self._live(reference)
        if live is None:
            body = {**desired, "metadata": {**desired["metadata"]}}
            if reference.namespace:
                body["metadata"]["namespace"] = reference.namespace
            self._note(reference, desired, await self._kube(reference).create(reference.kind, body))
            return
        target = merged(live, desired)
        if content(target) == content(live) or self._written.get(reference) == (desired, content(live)):
            return
        self._note(reference, desired, await self._kube(reference).replace(reference.kind, target))

    def _note(self, reference: Reference, desired: Manifest, answer: Manifest) -> None:
        self._written[reference] = (desired, content(answer))
        if reference.kind in _CACHED:
            self._informers(seed=reference.seed).of(reference.kind).observe(answer)

    async def _live(self, reference: Reference) -> Manifest | None:
        if reference.kind in _CACHED:
            return self._informers(seed=reference.seed).of(reference.kind).get(reference.name, reference.namespace)
        return await self._kube(reference).get(reference.kind, reference.name, reference.namespace or None)

    def _verdicts(self, references: Iterable[Reference]) -> list[Verdict]:
        """Health and progress of the applied objects."""
        found = (
            self._informers(seed=each.seed).of(each.kind).get(each.name, each.namespace)
            for each in references
            if each.kind in _WORKLOADS
        )
        return assessed(manifest for manifest in found if manifest is not None)

    async def _remove(self, reference: Reference) -> None:
        self._written.pop(reference, None)
        self._owners.pop(reference, None)
        await self._kube(reference).delete(reference.kind, reference.name, reference.namespace or None)

    async def _remove_all(self, key: ObjectKey) -> None:
        """Delete the objects of a deleted ManagedResource."""
        for reference in [each for each, owner in self._owners.items() if owner == key]:
            await self._remove(reference)

    async def _publish(self, managed: Manifest, verdicts: list[Verdict], resources: list[Reference] | None) -> None:
        """Write the conditions, and the list of resources if given, unless nothing changes."""
        metadata = managed["metadata"]
        conditions = rendered(managed, verdicts, rfc3339(self._context.clock.now()))
        written = {each["type"] for each in conditions}
        before = dig(managed, "status", "conditions") or []
        status = {
            "conditions": [*(each for each in before if each.get("type") not in written), *conditions],
            "observedGeneration": metadata.get("generation", 0),
        }
        if resources is not None:
            status["resources"] = [each.document() for each in resources]
        live = managed.get("status") or {}
        if all(live.get(name) == value for name, value in status.items()):
            return
        try:
            answer = await self._seed.patch(
                MANAGED_RESOURCE, metadata["name"], {"status": status}, metadata["namespace"], subresource="status"
            )
        except NotFound:
            return
        self._managed.observe(answer)


class MissingSecret(Exception):
    """A ManagedResource refers to a Secret that does not exist."""


def _in_seed(managed: Manifest | None) -> bool:
    return bool(dig(managed, "spec", "class") == "seed")


def _reference(manifest: Manifest, *, seed: bool) -> Reference:
    kind = kind_of(manifest)
    metadata = manifest["metadata"]
    if not metadata.get("name"):
        raise BadManifest(f"a {kind.kind} has no name")
    return Reference(kind, (metadata.get("namespace") or "default") if kind.namespaced else "", metadata["name"], seed)


def _rank(manifest: Manifest) -> int:
    kind = manifest.get("kind")
    if kind in _ORDER:
        return _ORDER.index(kind)
    return len(_ORDER) + (kind in (DEPLOYMENT.kind, DAEMON_SET.kind))


def _is_ignored(managed: Manifest) -> bool:
    return bool((managed["metadata"].get("annotations") or {}).get(IGNORE) == "true")


def _secret_names(managed: Manifest) -> list[str]:
    return [each["name"] for each in managed["spec"].get("secretRefs") or ()]


def _request(managed: Manifest) -> tuple[object, ...]:
    """The fields of a ManagedResource that the user sets."""
    metadata = managed["metadata"]
    return managed.get("spec"), metadata.get("annotations"), metadata.get("deletionTimestamp")
