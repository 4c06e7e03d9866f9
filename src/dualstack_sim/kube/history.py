"""What changed, in order: the bounded history that watches start from, and the watchers that follow it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Literal

from dualstack_sim.kube.records import Record
from dualstack_sim.kube.selectors import Predicate
from dualstack_sim.kube.status import StatusError, expired

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class Change:
    """One committed write. `previous` is the record that it replaced; for DELETED the last content of the object."""

    __slots__ = ("_wire", "previous", "record", "type")

    def __init__(self, event_type: EventType, record: Record, previous: Record | None) -> None:
        self.type: EventType = event_type
        self.record = record
        self.previous = previous
        self._wire: dict[tuple[str, str], bytes] = {}

    @property
    def version(self) -> int:
        return self.record.version

    def as_seen(self, selects: Predicate | None) -> tuple[EventType, Record] | None:
        """What an observer of the selected objects sees: an object that enters is ADDED, one that leaves is DELETED."""
        if selects is None:
            return self.type, self.record
        before = self.previous is not None and selects(self.previous.manifest)
        after = self.type != "DELETED" and selects(self.record.manifest)
        if after:
            return ("MODIFIED" if before else "ADDED"), self.record
        if not before or self.previous is None:
            return None
        # The observer gets the content that it knew, under the version at which it lost sight of it.
        return "DELETED", self.record if self.type == "DELETED" else self.previous.at_version(self.version)

    def wire(self, event_type: EventType, record: Record, api_version: str) -> bytes:
        """One line of a watch stream; made once for all watchers that see the same."""
        key = (event_type, api_version)
        line = self._wire.get(key)
        if line is None:
            line = self._wire[key] = watch_line(event_type, record.encoded(api_version))
        return line


def watch_line(event_type: str, document: bytes) -> bytes:
    """A line of a watch stream."""
    return b'{"type":"%s","object":%s}\n' % (event_type.encode(), document)


class Watcher:
    """One open watch: what it selects, and the changes that it has not sent yet."""

    def __init__(self, namespace: str | None, selects: Predicate | None, limit: int) -> None:
        self._namespace = namespace
        self._selects = selects
        self._limit = limit
        self._pending: deque[tuple[Change, EventType, Record]] = deque()
        self._wake: asyncio.Event = asyncio.Event()
        self.closed: StatusError | None = None
        self.ended = False

    def offer(self, change: Change) -> None:
        """Take note of `change` if it concerns this watch."""
        if self._namespace is not None and change.record.namespace != self._namespace:
            return
        seen = change.as_seen(self._selects)
        if seen is None:
            return
        self._pending.append((change, *seen))
        if len(self._pending) > self._limit:
            self.close(expired("too old resource version: the watch fell behind"))
        self._wake.set()

    def close(self, why: StatusError | None = None) -> None:
        """End the watch; `why` is sent as its last event."""
        self.closed = why
        self.ended = True
        self._wake.set()

    def take(self) -> list[tuple[Change, EventType, Record]]:
        """All that is pending, oldest first."""
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
    """The last `limit` changes of one resource type, and its open watches."""

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
        """A watch of all changes after `version`; 410 if some of them are forgotten."""
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
        """Forget all changes, as etcd does when it is compacted: every watch that starts in the past gets 410."""
        if self._changes:
            self._floor = self._changes[-1].version
            self._changes.clear()
