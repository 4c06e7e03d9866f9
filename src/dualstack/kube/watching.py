"""Follows all objects of a kind: lists them, watches for changes, and lists again when the watch ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import structlog

from dualstack.kube.interface import Expired, NotFound
from dualstack.model.errors import KubeError
from dualstack.model.kinds import Kind, Manifest

FIRST, LONGEST = 0.5, 30.0
"""Wall seconds before the next list: after one failure, and at most."""

MISSING = 5.0
"""Wall seconds between two lists of a kind that the API does not serve."""

Handle = Callable[[str | None, Manifest], None]
"""Takes a change (`ADDED`, `MODIFIED` or `DELETED`; None in the first list) and the object."""


class Watched(Protocol):
    """An API server whose objects can be followed."""

    async def snapshot(self, kind: Kind) -> tuple[list[Manifest], str]:
        """All objects, and the resource version at which a watch continues."""
        ...

    def watch(self, kind: Kind, version: str) -> AsyncIterator[tuple[str, Manifest]]:
        """The changes since `version`: `ADDED`, `MODIFIED` or `DELETED`, and the object."""
        ...


async def follow(
    kube: Watched,
    kind: Kind,
    handle: Handle,
    listed: Callable[[], None],
    failed: Callable[[KubeError], None] = lambda error: None,
) -> None:
    """Call `handle` for each object and for each change until cancelled; an exception of `handle` is only logged.

    Calls `listed` after each complete list, and `failed` after each failed list or watch. A kind that the API does not
    serve (a missing CRD) is an empty list and a failure until its CRD appears. After a failure, the next list yields
    what the watch missed, deletions included. Logged are the first of several equal failures, and their end.
    """
    log = structlog.get_logger("dualstack.watch").bind(kind=kind.plural, group=kind.group)
    failures = _Failures(log)
    known: dict[tuple[str, str], Manifest] | None = None

    def pass_on(change: str | None, found: Manifest) -> None:
        try:
            handle(change, found)
        except Exception:
            log.exception("defect in a watch handler", object=found["metadata"]["name"])

    while True:
        failures.begin("list")
        try:
            objects, version = await _snapshot(kube, kind)
            before, known = known, {_key(found): _stub(found) for found in objects}
            for key, found in zip(known, objects, strict=True):
                if before is None or before.get(key) != known[key]:
                    pass_on(None if before is None else "MODIFIED" if key in before else "ADDED", found)
            for key in (before or {}).keys() - known.keys():
                pass_on("DELETED", (before or {})[key])
            if version is None:
                failed(NotFound(f"the API server does not serve {kind.plural}; install its CustomResourceDefinition"))
                if before is None or before:
                    log.warning("the API does not serve this kind; is its CRD installed?", retry_in=MISSING)
                await asyncio.sleep(MISSING)
                continue
            listed()
            failures.end()
            failures.begin("watch")
            async for change, found in _changes(kube, kind, version):
                failures.end()
                known.pop(_key(found), None)
                if change != "DELETED":
                    known[_key(found)] = _stub(found)
                pass_on(change, found)
            failures.end()
        except KubeError as error:
            failed(error)
            await asyncio.sleep(failures.add(error))


class _Failures:
    """The failures of one kind in a row: when to try again, and what is logged."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self._log = log
        self._action, self._began, self._count = "list", 0.0, 0
        self._last: tuple[str, str] | None = None
        """The action that failed at last, and why, until it works again."""

    def begin(self, action: str) -> None:
        """A list or a watch begins; the time counts from the list."""
        self._action = action
        if action == "list":
            self._began = asyncio.get_running_loop().time()

    def end(self) -> None:
        """It works."""
        if self._last is not None and self._last[0] == self._action:
            self._log.info(f"{self._action} works again")
            self._last = None

    def add(self, error: KubeError) -> float:
        """It has failed; seconds until the next list."""
        lasted = asyncio.get_running_loop().time() - self._began
        self._count = 1 if lasted > LONGEST else self._count + 1
        if self._last != (self._action, str(error)):
            self._log.warning(f"{self._action} failed; retrying", error=str(error))
        self._last = (self._action, str(error))
        return min(FIRST * 2.0 ** min(self._count - 1, 10), LONGEST)


async def _snapshot(kube: Watched, kind: Kind) -> tuple[list[Manifest], str | None]:
    try:
        return await kube.snapshot(kind)
    except NotFound:
        return [], None


async def _changes(kube: Watched, kind: Kind, version: str) -> AsyncIterator[tuple[str, Manifest]]:
    """Ends also when the API server no longer has the next change, as is usual after a compaction."""
    try:
        async for change in kube.watch(kind, version):
            yield change
    except Expired:
        await asyncio.sleep(FIRST)


def _key(found: Manifest) -> tuple[str, str]:
    return found["metadata"].get("namespace") or "", found["metadata"]["name"]


def _stub(found: Manifest) -> dict[str, Any]:
    """What identifies the object and its version."""
    metadata = {name: found["metadata"].get(name) for name in ("name", "namespace", "uid", "resourceVersion")}
    return {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": metadata}
