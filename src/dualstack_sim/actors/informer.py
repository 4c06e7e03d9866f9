"""Caches of the Kubernetes API that all actors share: one list and one watch for each kind.

An actor reads its own writes: it hands what a write answered to `Informer.observe`, which is newer than the watch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from dualstack.clock import Clock
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.refusals import Expired, KubeRefusal

ObjectKey = tuple[str, str]
"""Namespace ("" for cluster scope) and name."""

Handler = Callable[[Manifest | None, Manifest | None], None]
"""Takes what an object was and what it is: (None, new) added, (old, new) changed, (old, None) gone. Must not block."""

IndexFunction = Callable[[Manifest], Iterable[Hashable]]


def key_of(manifest: Manifest) -> ObjectKey:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(manifest: Manifest) -> int:
    """resourceVersion as a number; comparing it is right on one server and within one kind only."""
    text = manifest["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0


def owner_uid(manifest: Manifest) -> str | None:
    """The uid of the controlling owner."""
    for reference in manifest["metadata"].get("ownerReferences", ()):
        if reference.get("controller"):
            return str(reference.get("uid"))
    return None


class Informer:
    """The objects of one kind as last heard of. They are shared: never change one, copy it first."""

    def __init__(self, kube: KubeApi, clock: Clock, kind: Kind) -> None:
        self.kind = kind
        self._kube = kube
        self._clock = clock
        self._objects: dict[ObjectKey, Manifest] = {}
        self._handlers: list[Handler] = []
        self._indexes: dict[str, tuple[IndexFunction, dict[Hashable, dict[ObjectKey, Manifest]]]] = {}
        self._buried: set[str] = set()
        self._graves: deque[str] = deque()
        self._synced = asyncio.Event()

    def get(self, name: str, namespace: str = "") -> Manifest | None:
        return self._objects.get((namespace, name))

    def all(self, namespace: str | None = None) -> list[Manifest]:
        if namespace is None:
            return list(self._objects.values())
        return [manifest for (space, _), manifest in self._objects.items() if space == namespace]

    def subscribe(self, handler: Handler) -> None:
        """Tell `handler` of every change from now on; first, at once, of what there is."""
        self._handlers.append(handler)
        for manifest in list(self._objects.values()):
            handler(None, manifest)

    def index(self, name: str, function: IndexFunction) -> None:
        """Keep an index for `indexed`; the same name twice is one index."""
        if name in self._indexes:
            return
        self._indexes[name] = (function, {})
        for key, manifest in self._objects.items():
            self._file(name, key, None, manifest)

    def indexed(self, name: str, value: Hashable) -> list[Manifest]:
        """The objects for which the index function of `name` yields `value`."""
        return list(self._indexes[name][1].get(value, {}).values())

    async def synced(self) -> None:
        """Return once the first list has come in."""
        await self._synced.wait()

    def observe(self, manifest: Manifest | None) -> None:
        """Take in what a write answered, unless something newer is known."""
        if manifest is None or manifest.get("kind") == "Status":
            return
        key, uid = key_of(manifest), manifest["metadata"].get("uid", "")
        known = self._objects.get(key)
        if uid in self._buried or (known is not None and version_of(known) >= version_of(manifest)):
            return
        self._store(key, manifest)

    def forget(self, manifest: Manifest) -> None:
        """Take in that this very object is gone."""
        key, uid = key_of(manifest), manifest["metadata"].get("uid", "")
        self._bury(uid)
        known = self._objects.get(key)
        if known is not None and known["metadata"].get("uid", "") == uid:
            self._remove(key)

    async def run(self) -> None:
        """List and watch until cancelled, through every restart of the server."""
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
        """Watch from `version`; where to go on when the server ended the watch."""
        async for event in self._kube.watch(self.kind, resource_version=version):
            manifest = event.object
            if event.type == "DELETED":
                self.forget(manifest)
            elif event.type != "BOOKMARK":
                self.observe(manifest)
            version = manifest["metadata"].get("resourceVersion", version)
        return version

    def _bury(self, uid: str) -> None:
        """Remember for a while that it is gone: the answer to an older write may still be on its way."""
        if uid in self._buried:
            return
        self._buried.add(uid)
        self._graves.append(uid)
        if len(self._graves) > 512:
            self._buried.discard(self._graves.popleft())

    def _store(self, key: ObjectKey, manifest: Manifest) -> None:
        old = self._objects.get(key)
        if old is not None and old["metadata"].get("uid") != manifest["metadata"].get("uid"):
            self._remove(key)
            old = None
        self._objects[key] = manifest
        self._tell(key, old, manifest)

    def _remove(self, key: ObjectKey) -> None:
        self._tell(key, self._objects.pop(key), None)

    def _tell(self, key: ObjectKey, old: Manifest | None, new: Manifest | None) -> None:
        for name in self._indexes:
            self._file(name, key, old, new)
        for handler in self._handlers:
            handler(old, new)

    def _file(self, name: str, key: ObjectKey, old: Manifest | None, new: Manifest | None) -> None:
        function, drawers = self._indexes[name]
        for value in function(old) if old is not None else ():
            drawer = drawers.get(value, {})
            drawer.pop(key, None)
            if not drawer:
                drawers.pop(value, None)
        if new is None:
            return
        for value in function(new):
            drawers.setdefault(value, {})[key] = new


class Informers:
    """The caches of one API server, made when first asked for. `run` runs them all, also those asked for later."""

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
        """Return once the first lists of `kinds` have come in."""
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


def read(manifest: Manifest | None, *path: str) -> Any:
    """What stands at `path`, or None as soon as something on the way is missing."""
    value: Any = manifest
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
