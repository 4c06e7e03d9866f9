"""Caches of the Kubernetes API that all actors share: one list and one watch for each kind.

An actor reads its own writes: it passes the response of a write to `Informer.observe`, ahead of the watch event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable

from dualstack.clock import Clock
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.refusals import Expired, KubeRefusal

ObjectKey = tuple[str, str]
"""Namespace ("" for cluster scope) and name."""

Handler = Callable[[Manifest | None, Manifest | None], None]
"""Takes the old and the new object: (None, new) added, (old, new) changed, (old, None) deleted. Must not block."""

_MOST_TOMBSTONES = 512

IndexFunction = Callable[[Manifest], Iterable[Hashable]]


def key_of(manifest: Manifest) -> ObjectKey:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(manifest: Manifest) -> int:
    """resourceVersion as a number; comparable only within one server and one kind."""
    text = manifest["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0


def owner_uid(manifest: Manifest) -> str | None:
    """The uid of the controlling owner."""
    for reference in manifest["metadata"].get("ownerReferences", ()):
        if reference.get("controller"):
            return str(reference.get("uid"))
    return None


class Informer:
    """The last known objects of one kind. They are shared: copy an object before changing it."""

    def __init__(self, kube: KubeApi, clock: Clock, kind: Kind) -> None:
        self.kind = kind
        self._kube = kube
        self._clock = clock
        self._objects: dict[ObjectKey, Manifest] = {}
        self._handlers: list[Handler] = []
        self._indexes: dict[str, tuple[IndexFunction, dict[Hashable, dict[ObjectKey, Manifest]]]] = {}
        self._tombstones: dict[str, None] = {}
        """UIDs of deleted objects, oldest first: the answer to an earlier write may still arrive."""
        self._synced = asyncio.Event()

    def get(self, name: str, namespace: str = "") -> Manifest | None:
        return self._objects.get((namespace, name))

    def all(self, namespace: str | None = None) -> list[Manifest]:
        if namespace is None:
            return list(self._objects.values())
        return [manifest for (space, _), manifest in self._objects.items() if space == namespace]

    def subscribe(self, handler: Handler) -> None:
        """Call `handler` for every cached object now, and for every change from now on."""
        self._handlers.append(handler)
        for manifest in list(self._objects.values()):
            handler(None, manifest)

    def index(self, name: str, function: IndexFunction) -> None:
        """Maintain an index for `indexed`. An index of that name that exists is kept."""
        if name in self._indexes:
            return
        self._indexes[name] = (function, {})
        for key, manifest in self._objects.items():
            self._update_index(name, key, None, manifest)

    def indexed(self, name: str, value: Hashable) -> list[Manifest]:
        """The objects for which the index function of `name` yields `value`."""
        return list(self._indexes[name][1].get(value, {}).values())

    async def synced(self) -> None:
        """Wait for the first list."""
        await self._synced.wait()

    def observe(self, manifest: Manifest | None) -> None:
        """Store the response of a write, unless a newer version is known."""
        if manifest is None or manifest.get("kind") == "Status":
            return
        key, uid = key_of(manifest), manifest["metadata"].get("uid", "")
        known = self._objects.get(key)
        if uid in self._tombstones or (known is not None and version_of(known) >= version_of(manifest)):
            return
        self._store(key, manifest)

    def forget(self, manifest: Manifest) -> None:
        """Remove this object (by uid) from the cache."""
        key, uid = key_of(manifest), manifest["metadata"].get("uid", "")
        self._add_tombstone(uid)
        known = self._objects.get(key)
        if known is not None and known["metadata"].get("uid", "") == uid:
            self._remove(key)

    async def run(self) -> None:
        """List and watch until cancelled; reconnect when the server restarts."""
        version: str | None = None
        delay = 1.0
        while True:
            try:
                if version is None:
                    version = await self._relist()
                version = await self._follow(version)
                delay = 1.0
            except Expired:
                version = None
            except KubeRefusal:
                await self._clock.sleep(delay)
                delay = min(delay * 2.0, 30.0)

    async def _relist(self) -> str:
        listing = await self._kube.list(self.kind)
        as_of = int(listing.resource_version) if listing.resource_version.isdigit() else 0
        listed = {key_of(manifest) for manifest in listing.items}
        for manifest in listing.items:
            self.observe(manifest)
        for key, known in list(self._objects.items()):
            if key not in listed and version_of(known) <= as_of:
                self._remove(key)
        self._synced.set()
        return listing.resource_version

    async def _follow(self, version: str) -> str:
        """Watch from `version`. Returns the resourceVersion to resume from when the server ends the watch."""
        async for event in self._kube.watch(self.kind, resource_version=version):
            manifest = event.object
            if event.type == "DELETED":
                self.forget(manifest)
            elif event.type != "BOOKMARK":
                self.observe(manifest)
            version = manifest["metadata"].get("resourceVersion", version)
        return version

    def _add_tombstone(self, uid: str) -> None:
        self._tombstones.setdefault(uid)
        if len(self._tombstones) > _MOST_TOMBSTONES:
            del self._tombstones[next(iter(self._tombstones))]

    def _store(self, key: ObjectKey, manifest: Manifest) -> None:
        old = self._objects.get(key)
        if old is not None and old["metadata"].get("uid") != manifest["metadata"].get("uid"):
            self._remove(key)
            old = None
        self._objects[key] = manifest
        self._notify(key, old, manifest)

    def _remove(self, key: ObjectKey) -> None:
        self._notify(key, self._objects.pop(key), None)

    def _notify(self, key: ObjectKey, old: Manifest | None, new: Manifest | None) -> None:
        for name in self._indexes:
            self._update_index(name, key, old, new)
        for handler in self._handlers:
            handler(old, new)

    def _update_index(self, name: str, key: ObjectKey, old: Manifest | None, new: Manifest | None) -> None:
        function, buckets = self._indexes[name]
        for value in function(old) if old is not None else ():
            bucket = buckets.get(value, {})
            bucket.pop(key, None)
            if not bucket:
                buckets.pop(value, None)
        if new is None:
            return
        for value in function(new):
            buckets.setdefault(value, {})[key] = new


class Informers:
    """The caches of one API server, created on first use. `run` also runs caches that are created later."""

    def __init__(self, kube: KubeApi, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._informers: dict[Kind, Informer] = {}
        self._fresh = asyncio.Event()

    def of(self, kind: Kind) -> Informer:
        informer = self._informers.get(kind)
        if informer is None:
            informer = self._informers[kind] = Informer(self._kube, self._clock, kind)
            self._fresh.set()
        return informer

    async def synced(self, *kinds: Kind) -> None:
        """Wait for the first lists of `kinds`."""
        for kind in kinds:
            await self.of(kind).synced()

    async def run(self) -> None:
        """Until cancelled."""
        running: set[Kind] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                self._fresh.clear()
                for kind in self._informers.keys() - running:
                    running.add(kind)
                    group.create_task(self._informers[kind].run())
                await self._fresh.wait()
