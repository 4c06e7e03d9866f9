"""Watches over HTTP: initial events, changes, bookmarks and the end of a stream.

`timeoutSeconds` and the bookmark interval are wall time, because they belong to the connection, not to the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from dualstack_sim.kube.kubectl import TableForm, table, table_form
from dualstack_sim.kube.objects import StoredObject, decoded, encoded
from dualstack_sim.kube.protobuf import PROTOBUF, watch_frame
from dualstack_sim.kube.requests import JSON, Form
from dualstack_sim.kube.selectors import Predicate
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.storage import Change, EventType, Watcher, watch_line
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.writes import Target

_DEFAULT_TIMEOUT = 2400.0
_BOOKMARK_INTERVAL = 30.0
_CLIENT_CHECK_INTERVAL = 10.0
"""Seconds after which an idle watch checks whether its client is still connected."""


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """The parameters of a watch. `version` None: send the current state first, then changes."""

    target: Target
    selects: Predicate | None
    version: int | None
    bookmarks: bool
    initial_events: bool
    timeout: float | None
    form: Form
    include: str
    protobuf: bool = False


class _Encoder:
    """Encodes the events of one stream in the form that the client accepts."""

    def __init__(self, request: WatchRequest, now: Callable[[], float]) -> None:
        self._request = request
        self._now = now
        self._api_version = request.target.api_version
        self._table: TableForm | None = None
        if request.form == "table":
            self._table = table_form(request.target.resource, request.target.version)
        self._columns = True

    def change(self, change: Change, event_type: EventType, stored: StoredObject) -> bytes:
        if self._request.form == "object" and not self._request.protobuf:
            return change.wire(event_type, stored, self._api_version)
        return self.event(event_type, self._document(stored))

    def initial(self, stored: StoredObject) -> bytes:
        return self.event("ADDED", self._document(stored))

    def event(self, event_type: str, document: bytes) -> bytes:
        """One event with an encoded object."""
        frame = watch_frame(event_type, decoded(document)) if self._request.protobuf else None
        return watch_line(event_type, document) if frame is None else frame

    def _document(self, stored: StoredObject) -> bytes:
        if self._table is not None:
            document = table(
                self._table,
                [stored],
                now=self._now(),
                api_version=self._api_version,
                include=self._request.include,
                metadata={"resourceVersion": str(stored.version)},
                columns=self._columns,
            )
            self._columns = False
            return encoded(document)
        if self._request.form == "metadata":
            return encoded(stored.partial_metadata())
        return stored.encoded(self._api_version)

    def bookmark(self, version: int, *, initial_end: bool = False) -> bytes:
        metadata: dict[str, object] = {"resourceVersion": str(version), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind, api_version = self._request.target.resource.kind, self._api_version
        if self._request.form == "metadata":
            kind, api_version = "PartialObjectMetadata", "meta.k8s.io/v1"
        return self.event("BOOKMARK", encoded({"kind": kind, "apiVersion": api_version, "metadata": metadata}))


def _open(store: KubeStore, request: WatchRequest) -> tuple[Watcher, list[StoredObject], int]:
    """The watch, the objects to send as initial events, and the version at its start. 410."""
    target = request.target
    initial: Iterable[StoredObject] = ()
    version = request.version
    if version is None or request.initial_events:
        initial = store.storage.collection(target.resource).objects(target.namespace)
        version = store.storage.version
    watcher = store.storage.watch(target.resource, version, target.namespace, request.selects)
    selected = [each for each in initial if request.selects is None or request.selects(each.manifest)]
    return watcher, selected, version


async def serve_watch(store: KubeStore, request: WatchRequest, http: web.Request) -> web.StreamResponse:
    """Stream until the timeout, the client disconnects, or the watch is closed."""
    content_type = f"{PROTOBUF};stream=watch" if request.protobuf else JSON
    response = web.StreamResponse(headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"})
    encoder = _Encoder(request, store.clock.now)
    try:
        watcher, initial, version = _open(store, request)
    except StatusError as refusal:
        # Like the real server, answer a watch that cannot start with a stream of one ERROR event.
        await response.prepare(http)
        await response.write(encoder.event("ERROR", encoded(refusal.document())))
        return response
    try:
        await response.prepare(http)
        start = b"".join(map(encoder.initial, initial))
        if request.initial_events and request.bookmarks:
            start += encoder.bookmark(version, initial_end=True)
        if start:
            await response.write(start)
        await _follow(store, request, http, response, watcher, encoder)
    except ConnectionError:
        pass  # the client disconnected, which is how most watches end
    finally:
        store.storage.forget(request.target.resource, watcher)
    return response


async def _follow(
    store: KubeStore,
    request: WatchRequest,
    http: web.Request,
    response: web.StreamResponse,
    watcher: Watcher,
    encoder: _Encoder,
) -> None:
    end = time.monotonic() + (_DEFAULT_TIMEOUT if request.timeout is None else request.timeout)
    bookmark_at = time.monotonic() + _BOOKMARK_INTERVAL
    while (left := end - time.monotonic()) > 0:
        if not await watcher.wait(min(left, _CLIENT_CHECK_INTERVAL)) and _is_disconnected(http):
            return
        batch = watcher.take()
        if batch:
            await response.write(b"".join(encoder.change(*each) for each in batch))
        if watcher.ended:
            if watcher.closed is not None:
                await response.write(encoder.event("ERROR", encoded(watcher.closed.document())))
            return
        if request.bookmarks and time.monotonic() >= bookmark_at:
            bookmark_at = time.monotonic() + _BOOKMARK_INTERVAL
            # Send pending changes with the bookmark, so that it never precedes a change of its own version.
            rest = [encoder.change(*each) for each in watcher.take()]
            await response.write(b"".join((*rest, encoder.bookmark(store.storage.version))))


def _is_disconnected(http: web.Request) -> bool:
    return http.transport is None or http.transport.is_closing()
