"""Where the objects are: one shelf for each resource type, one counter of versions for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dualstack_sim.kube.history import Change, History, Watcher
from dualstack_sim.kube.records import Record
from dualstack_sim.kube.selectors import Predicate
from dualstack_sim.kube.status import expired, not_found
from dualstack_sim.kube.types import ResourceType, TypeKey

Listener = Callable[[ResourceType, Change], None]
"""Called after each committed change; may write again."""


class Shelf:
    """The objects of one type, by namespace and name."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._spaces: dict[str | None, dict[str, Record]] = {}

    def get(self, namespace: str | None, name: str) -> Record | None:
        return self._spaces.get(namespace, {}).get(name)

    def put(self, record: Record) -> None:
        self._spaces.setdefault(record.namespace, {})[record.name] = record

    def pop(self, record: Record) -> None:
        space = self._spaces[record.namespace]
        del space[record.name]
        if not space:
            del self._spaces[record.namespace]

    def first(self, namespace: str | None) -> Record | None:
        """The record of `namespace` that was created first."""
        return next(iter(self._spaces.get(namespace, {}).values()), None)

    def __iter__(self) -> Iterator[Record]:
        """In order of creation within a namespace."""
        for space in self._spaces.values():
            yield from space.values()

    def records(self, namespace: str | None = None) -> list[Record]:
        """Of one namespace, or all; sorted by namespace and name, as etcd lists them."""
        spaces: Iterable[dict[str, Record]]
        if namespace is not None:
            spaces = (self._spaces.get(namespace, {}),)
        else:
            spaces = (self._spaces[key] for key in sorted(self._spaces, key=lambda key: key or ""))
        return [space[name] for space in spaces for name in sorted(space)]


class Shelves:
    """All objects. Every commit gets the next resourceVersion and is published to the watches of its type."""

    def __init__(self, history: int) -> None:
        self._history = history
        self._shelves: dict[TypeKey, Shelf] = {}
        self._listeners: list[Listener] = []
        self._birth = 0
        self._floors: dict[TypeKey, int] = {}
        self.version = 0
        """The resourceVersion of the last commit."""

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def shelf(self, resource: ResourceType) -> Shelf:
        shelf = self._shelves.get(resource.storage)
        if shelf is None:
            floor = self._floors.get(resource.storage, self._birth)
            shelf = self._shelves[resource.storage] = Shelf(History(self._history, floor))
        return shelf

    def get(self, resource: ResourceType, namespace: str | None, name: str) -> Record | None:
        return self.shelf(resource).get(namespace, name)

    def existing(self, resource: ResourceType, namespace: str | None, name: str) -> Record:
        """The record; 404 if there is none."""
        record = self.get(resource, namespace, name)
        if record is None:
            raise not_found(resource.group, resource.plural, name)
        return record

    def watch(self, resource: ResourceType, version: int, namespace: str | None, selects: Predicate | None) -> Watcher:
        """A watch of all changes after `version`; 410 if some are forgotten."""
        if version > self.version:
            # The client knows a future that a restore has undone; it has to list again.
            raise expired(f"Too large resource version: {version}, current: {self.version}")
        return self.shelf(resource).history.watch(version, namespace, selects)

    def forget(self, resource: ResourceType, watcher: Watcher) -> None:
        """The watch has ended."""
        if (shelf := self._shelves.get(resource.storage)) is not None:
            shelf.history.forget(watcher)

    def close_watches(self) -> None:
        """End all watches, as a server does that shuts down."""
        for shelf in self._shelves.values():
            shelf.history.close()

    def compact(self) -> None:
        """Forget the history of all types: a watch that starts at any past version gets 410."""
        for shelf in self._shelves.values():
            shelf.history.compact()

    def put(self, resource: ResourceType, manifest: dict[str, Any], previous: Record | None) -> Record:
        """Store `manifest` as the successor of `previous` (None: a new object)."""
        self.version += 1
        metadata = {**manifest["metadata"], "resourceVersion": str(self.version)}
        record = Record({**manifest, "metadata": metadata}, self.version)
        shelf = self.shelf(resource)
        shelf.put(record)
        self._announce(resource, shelf, Change("MODIFIED" if previous else "ADDED", record, previous))
        return record

    def drop(self, resource: ResourceType, record: Record) -> Record:
        """Remove the object; returns its last content under the version of its removal."""
        self.version += 1
        last = record.at_version(self.version)
        shelf = self.shelf(resource)
        shelf.pop(record)
        self._announce(resource, shelf, Change("DELETED", last, record))
        return last

    def _announce(self, resource: ResourceType, shelf: Shelf, change: Change) -> None:
        shelf.history.publish(change)
        for listener in self._listeners:
            listener(resource, change)

    def remove_type(self, resource: ResourceType) -> None:
        """Forget the shelf of a type that is no longer served, and end its watches."""
        shelf = self._shelves.pop(resource.storage, None)
        if shelf is not None:
            shelf.history.close()
            self._floors[resource.storage] = self.version

    def reset(self, version: int) -> None:
        """Empty, at `version`: all watches end, and none can start before it."""
        for shelf in self._shelves.values():
            shelf.history.close()
        self._shelves = {}
        self._floors = {}
        self.version = self._birth = version
