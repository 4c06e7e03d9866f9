"""What the server holds: collections of objects, the history that watches start from, and paged lists."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from dualstack_sim.kube.objects import StoredObject, decoded, encoded
from dualstack_sim.kube.selectors import Predicate
from dualstack_sim.kube.status import StatusError, bad_request, expired, not_found
from dualstack_sim.kube.types import ResourceType, TypeKey

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class Change:
    """One committed write. `previous` is the object that it replaced; for DELETED, its last content."""

    __slots__ = ("_wire", "object", "previous", "type")

    def __init__(self, event_type: EventType, stored: StoredObject, previous: StoredObject | None) -> None:
        self.type: EventType = event_type
        self.object = stored
        self.previous = previous
        self._wire: dict[tuple[str, str], bytes] = {}

    @property
    def version(self) -> int:
        return self.object.version

    def as_seen(self, selects: Predicate | None) -> tuple[EventType, StoredObject] | None:
        """The event for a watch with this selector: ADDED for an object that starts to match, DELETED when it stops."""
        if selects is None:
            return self.type, self.object
        before = self.previous is not None and selects(self.previous.manifest)
        after = self.type != "DELETED" and selects(self.object.manifest)
        if after:
            return ("MODIFIED" if before else "ADDED"), self.object
        if not before or self.previous is None:
            return None
        # The watch gets the last content that matched, at the version that ended the match.
        return "DELETED", self.object if self.type == "DELETED" else self.previous.at_version(self.version)

    def wire(self, event_type: EventType, stored: StoredObject, api_version: str) -> bytes:
        """One line of a watch stream; watchers that receive the same event share the bytes."""
        key = (event_type, api_version)
        line = self._wire.get(key)
        if line is None:
            line = self._wire[key] = watch_line(event_type, stored.encoded(api_version))
        return line


def watch_line(event_type: str, document: bytes) -> bytes:
    """One line of a watch stream."""
    return b'{"type":"%s","object":%s}\n' % (event_type.encode(), document)


class Watcher:
    """One open watch: its selection, and the events that it has not sent yet."""

    def __init__(self, namespace: str | None, selects: Predicate | None, limit: int) -> None:
        self._namespace = namespace
        self._selects = selects
        self._limit = limit
        self._pending: deque[tuple[Change, EventType, StoredObject]] = deque()
        self._wake: asyncio.Event = asyncio.Event()
        self.closed: StatusError | None = None
        self.ended = False

    def offer(self, change: Change) -> None:
        """Queue `change` if this watch selects it."""
        if self._namespace is not None and change.object.namespace != self._namespace:
            return
        seen = change.as_seen(self._selects)
        if seen is None:
            return
        self._pending.append((change, *seen))
        if len(self._pending) > self._limit:
            self.close(expired("too old resource version: the watch fell behind"))
        self._wake.set()

    def close(self, why: StatusError | None = None) -> None:
        """End the watch; `why`, if given, is sent as an ERROR event."""
        self.closed = why
        self.ended = True
        self._wake.set()

    def take(self) -> list[tuple[Change, EventType, StoredObject]]:
        """Remove and return all pending events, oldest first."""
        batch = list(self._pending)
        self._pending.clear()
        if not self.ended:
            self._wake.clear()
        return batch

    async def wait(self, seconds: float) -> bool:
        """True as soon as something is pending or the watch has ended; False after `seconds` of wall time."""
        if self._wake.is_set():
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True


class History:
    """The last `limit` changes of one resource type, and its open watches.

    A watch cannot start before version `floor`.
    """

    def __init__(self, limit: int, floor: int) -> None:
        self._limit = limit
        self._changes: deque[Change] = deque()
        self._floor = floor
        self._watchers: set[Watcher] = set()

    def publish(self, change: Change) -> None:
        if len(self._changes) == self._limit:
            self._floor = self._changes.popleft().version
        self._changes.append(change)
        for watcher in self._watchers:
            watcher.offer(change)

    def _since(self, version: int) -> Iterator[Change]:
        newer: list[Change] = []
        for change in reversed(self._changes):
            if change.version <= version:
                break
            newer.append(change)
        return reversed(newer)

    def watch(self, version: int, namespace: str | None, selects: Predicate | None) -> Watcher:
        """A watch of all changes after `version`; 410 if some of them are no longer in the history."""
        if version < self._floor:
            raise expired(f"too old resource version: {version} ({self._floor})")
        watcher = Watcher(namespace, selects, self._limit)
        for change in self._since(version):
            watcher.offer(change)
        self._watchers.add(watcher)
        return watcher

    def forget(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)

    def watchers(self) -> int:
        """How many watches are open."""
        return len(self._watchers)

    def close(self) -> None:
        """End all watches; their clients list again."""
        for watcher in self._watchers:
            watcher.close()
        self._watchers.clear()

    def compact(self) -> None:
        """Forget all changes, as an etcd compaction does: every watch that starts in the past gets 410."""
        if self._changes:
            self._floor = self._changes[-1].version
            self._changes.clear()


Listener = Callable[[ResourceType, Change], None]
"""Called after each committed change; it may write again."""


class Collection:
    """The objects of one type, by namespace and name."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._namespaces: dict[str | None, dict[str, StoredObject]] = {}

    def get(self, namespace: str | None, name: str) -> StoredObject | None:
        return self._namespaces.get(namespace, {}).get(name)

    def put(self, stored: StoredObject) -> None:
        self._namespaces.setdefault(stored.namespace, {})[stored.name] = stored

    def pop(self, stored: StoredObject) -> None:
        objects = self._namespaces[stored.namespace]
        del objects[stored.name]
        if not objects:
            del self._namespaces[stored.namespace]

    def first(self, namespace: str | None) -> StoredObject | None:
        """The oldest object of `namespace`."""
        return next(iter(self._namespaces.get(namespace, {}).values()), None)

    def __iter__(self) -> Iterator[StoredObject]:
        """All objects, in order of creation within a namespace."""
        for objects in self._namespaces.values():
            yield from objects.values()

    def objects(self, namespace: str | None = None) -> list[StoredObject]:
        """The objects of one namespace, or of all; sorted by namespace and name, as etcd lists them."""
        parts: Iterable[dict[str, StoredObject]]
        if namespace is not None:
            parts = (self._namespaces.get(namespace, {}),)
        else:
            parts = (self._namespaces[key] for key in sorted(self._namespaces, key=lambda key: key or ""))
        return [objects[name] for objects in parts for name in sorted(objects)]


class Storage:
    """All objects. Every commit gets the next resourceVersion and is published to the watches of its type."""

    def __init__(self, history: int) -> None:
        self._history = history
        self._collections: dict[TypeKey, Collection] = {}
        self._listeners: list[Listener] = []
        self._first_version = 0
        self._floors: dict[TypeKey, int] = {}
        self.version = 0
        """The resourceVersion of the last commit."""

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def collection(self, resource: ResourceType) -> Collection:
        collection = self._collections.get(resource.storage_key)
        if collection is None:
            floor = self._floors.get(resource.storage_key, self._first_version)
            collection = self._collections[resource.storage_key] = Collection(History(self._history, floor))
        return collection

    def get(self, resource: ResourceType, namespace: str | None, name: str) -> StoredObject | None:
        return self.collection(resource).get(namespace, name)

    def existing(self, resource: ResourceType, namespace: str | None, name: str) -> StoredObject:
        """The object; 404 if there is none."""
        stored = self.get(resource, namespace, name)
        if stored is None:
            raise not_found(resource.group, resource.plural, name)
        return stored

    def watch(self, resource: ResourceType, version: int, namespace: str | None, selects: Predicate | None) -> Watcher:
        """A watch of all changes after `version`; 410 if some of them are no longer in the history."""
        if version > self.version:
            # The client has seen versions that a restore removed; it has to list again.
            raise expired(f"Too large resource version: {version}, current: {self.version}")
        return self.collection(resource).history.watch(version, namespace, selects)

    def forget(self, resource: ResourceType, watcher: Watcher) -> None:
        """Remove a watch that has ended."""
        if (collection := self._collections.get(resource.storage_key)) is not None:
            collection.history.forget(watcher)

    def close_watches(self) -> None:
        """End all watches, as a server does at shutdown."""
        for collection in self._collections.values():
            collection.history.close()

    def compact(self) -> None:
        """Forget the history of all types: a watch that starts at any past version gets 410."""
        for collection in self._collections.values():
            collection.history.compact()

    def put(self, resource: ResourceType, manifest: dict[str, Any], previous: StoredObject | None) -> StoredObject:
        """Store `manifest` as the successor of `previous` (None: a new object)."""
        self.version += 1
        metadata = {**manifest["metadata"], "resourceVersion": str(self.version)}
        stored = StoredObject({**manifest, "metadata": metadata}, self.version)
        collection = self.collection(resource)
        collection.put(stored)
        self._publish(resource, collection, Change("MODIFIED" if previous else "ADDED", stored, previous))
        return stored

    def drop(self, resource: ResourceType, stored: StoredObject) -> StoredObject:
        """Remove the object; returns its last content under the version of its removal."""
        self.version += 1
        last = stored.at_version(self.version)
        collection = self.collection(resource)
        collection.pop(stored)
        self._publish(resource, collection, Change("DELETED", last, stored))
        return last

    def _publish(self, resource: ResourceType, collection: Collection, change: Change) -> None:
        collection.history.publish(change)
        for listener in self._listeners:
            listener(resource, change)

    def begin(self, resource: ResourceType) -> None:
        """Serve a new type: a watch of it cannot start before now."""
        self._floors[resource.storage_key] = self.version

    def remove_type(self, resource: ResourceType) -> None:
        """Drop the collection of a type that is no longer served, and end its watches."""
        collection = self._collections.pop(resource.storage_key, None)
        if collection is not None:
            collection.history.close()

    def reset(self, version: int) -> None:
        """Remove all objects and continue at `version`: all watches end, and none can start before it."""
        for collection in self._collections.values():
            collection.history.close()
        self._collections = {}
        self._floors = {}
        self.version = self._first_version = version


_SNAPSHOTS = 64
"""How many lists are kept for their next pages; the token of a dropped list gets 410, as after a compaction."""

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `remaining` is None for lists with a selector, because upstream does not count those."""

    objects: list[StoredObject]
    version: int
    token: str = ""
    remaining: int | None = None


class Pager:
    """Answers lists, whole or in pages. All pages of one list show the state at the first page."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._snapshots: OrderedDict[int, tuple[int, list[StoredObject]]] = OrderedDict()
        self._issued = 0

    def page(
        self, resource: ResourceType, namespace: str | None, selects: Predicate | None, limit: int = 0, token: str = ""
    ) -> Page:
        """At most `limit` objects (0: all) from the start, or from the position in `token`. 400, 410."""
        if token:
            number, start = _read_token(token)
            version, objects = self._snapshots.get(number, (0, None))
            if objects is None:
                raise expired(_TOO_OLD)
            self._snapshots.move_to_end(number)
        else:
            number, start, version = 0, 0, self._storage.version
            objects = self._storage.collection(resource).objects(namespace)
            if selects is not None:
                objects = [stored for stored in objects if selects(stored.manifest)]
        end = start + limit if limit else len(objects)
        if end >= len(objects):
            return Page(objects[start:], version)
        if not number:
            number = self._keep(version, objects)
        remaining = None if selects is not None else len(objects) - end
        return Page(objects[start:end], version, _token(number, end), remaining)

    def _keep(self, version: int, objects: list[StoredObject]) -> int:
        self._issued += 1
        self._snapshots[self._issued] = (version, objects)
        if len(self._snapshots) > _SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return self._issued

    def forget(self) -> None:
        """Drop all unfinished lists: their tokens get 410."""
        self._snapshots.clear()


def _token(number: int, start: int) -> str:
    document = encoded({"v": "meta.k8s.io/v1", "list": number, "start": start})
    return base64.urlsafe_b64encode(document).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, int]:
    text = b""
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        document = decoded(text)
        return int(document["list"]), max(0, int(document["start"]))
    except (binascii.Error, msgspec.DecodeError, KeyError, TypeError, ValueError, UnicodeError):
        illegal = (
            f"invalid character '{chr(text[0])}' looking for beginning of value" if text else "illegal base64 data"
        )
        raise bad_request(f"invalid continue token: continue key is not valid: {illegal}") from None
