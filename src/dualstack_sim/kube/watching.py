"""Watches over HTTP: the start of a stream, its changes, its bookmarks, its end.

`timeoutSeconds` and the interval of bookmarks count wall time: they belong to the connection, not to the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from dualstack_sim.kube.history import Change, EventType, Watcher, watch_line
from dualstack_sim.kube.kubectl.tables import TableForm, partial_metadata, table, table_form
from dualstack_sim.kube.negotiation import JSON, Form
from dualstack_sim.kube.records import Record
from dualstack_sim.kube.selectors import Predicate
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.trees import encoded
from dualstack_sim.kube.writes import Target

_DEFAULT_TIMEOUT = 2400.0
_BOOKMARK_INTERVAL = 30.0
_LOOK_AFTER_CLIENT = 10.0
"""Seconds after which an idle watch looks whether its client is still there."""


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What a client asked for. `version` None: from the current state on, which is sent first."""

    target: Target
    selects: Predicate | None
    version: int | None
    bookmarks: bool
    initial_events: bool
    timeout: float | None
    form: Form
    include: str


class _Lines:
    """Makes the lines of one stream in the form that its client wants."""

    def __init__(self, request: WatchRequest, now: Callable[[], float]) -> None:
        self._request = request
        self._now = now
        self._api_version = request.target.api_version
        self._table: TableForm | None = None
        if request.form == "table":
            self._table = table_form(request.target.resource, request.target.version)
        self._columns = True

    def change(self, change: Change, event_type: EventType, record: Record) -> bytes:
        if self._request.form == "object":
            return change.wire(event_type, record, self._api_version)
        return watch_line(event_type, self._document(record))

    def initial(self, record: Record) -> bytes:
        return watch_line("ADDED", self._document(record))

    def _document(self, record: Record) -> bytes:
        if self._table is not None:
            document = table(
                self._table,
                [record],
                now=self._now(),
                api_version=self._api_version,
                include=self._request.include,
                metadata={"resourceVersion": str(record.version)},
                columns=self._columns,
            )
            self._columns = False
            return encoded(document)
        if self._request.form == "metadata":
            return encoded(partial_metadata(record))
        return record.encoded(self._api_version)

    def bookmark(self, version: int, *, initial_end: bool = False) -> bytes:
        metadata: dict[str, object] = {"resourceVersion": str(version), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind, api_version = self._request.target.resource.kind, self._api_version
        if self._request.form == "metadata":
            kind, api_version = "PartialObjectMetadata", "meta.k8s.io/v1"
        return watch_line("BOOKMARK", encoded({"kind": kind, "apiVersion": api_version, "metadata": metadata}))


def _open(store: KubeStore, request: WatchRequest) -> tuple[Watcher, list[Record], int]:
    """The watch, the records that exist at its start if the client wants them first, and its version. 410."""
    target = request.target
    initial: Iterable[Record] = ()
    version = request.version
    if version is None or request.initial_events:
        initial = store.shelves.shelf(target.resource).records(target.namespace)
        version = store.shelves.version
    watcher = store.shelves.watch(target.resource, version, target.namespace, request.selects)
    selected = [each for each in initial if request.selects is None or request.selects(each.manifest)]
    return watcher, selected, version


async def serve_watch(store: KubeStore, request: WatchRequest, http: web.Request) -> web.StreamResponse:
    """Stream until the time is up, the client leaves, or the watch is closed."""
    response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
    lines = _Lines(request, store.clock.now)
    try:
        watcher, initial, version = _open(store, request)
    except StatusError as refusal:
        # As the real server does: a watch that cannot start where it should is a stream with one ERROR in it.
        await response.prepare(http)
        await response.write(watch_line("ERROR", encoded(refusal.document())))
        return response
    try:
        await response.prepare(http)
        start = b"".join(map(lines.initial, initial))
        if request.initial_events and request.bookmarks:
            start += lines.bookmark(version, initial_end=True)
        if start:
            await response.write(start)
        await _follow(store, request, http, response, watcher, lines)
    except ConnectionError:
        pass  # the client left; that is how watches usually end
    finally:
        store.shelves.forget(request.target.resource, watcher)
    return response


async def _follow(
    store: KubeStore,
    request: WatchRequest,
    http: web.Request,
    response: web.StreamResponse,
    watcher: Watcher,
    lines: _Lines,
) -> None:
    end = time.monotonic() + (_DEFAULT_TIMEOUT if request.timeout is None else request.timeout)
    bookmark_at = time.monotonic() + _BOOKMARK_INTERVAL
    while (left := end - time.monotonic()) > 0:
        if not await watcher.wait(min(left, _LOOK_AFTER_CLIENT)) and _has_left(http):
            return
        batch = watcher.take()
        if batch:
            await response.write(b"".join(lines.change(*each) for each in batch))
        if watcher.ended:
            if watcher.closed is not None:
                await response.write(watch_line("ERROR", encoded(watcher.closed.document())))
            return
        if request.bookmarks and time.monotonic() >= bookmark_at:
            bookmark_at = time.monotonic() + _BOOKMARK_INTERVAL
            # One write, made at one instant: nothing up to the version of the bookmark is left out of it.
            rest = [lines.change(*each) for each in watcher.take()]
            await response.write(b"".join((*rest, lines.bookmark(store.shelves.version))))


def _has_left(http: web.Request) -> bool:
    return http.transport is None or http.transport.is_closing()
