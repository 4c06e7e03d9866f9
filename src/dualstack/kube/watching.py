"""Follows all objects of a kind: lists them, watches for changes, and lists again when the watch ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import structlog

from dualstack.kube.interface import NotFound
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
    serve (a missing CRD) is an empty list and a failure until its CRD appears. After a failure, which is logged, the
    next list yields what the watch missed, deletions included.
    """
    log = structlog.get_logger("dualstack.watch").bind(kind=kind.plural, group=kind.group)
    time = asyncio.get_running_loop().time
    known: dict[tuple[str, str], Manifest] | None = None
    failures = 0

    def pass_on(change: str | None, found: Manifest) -> None:
        try:
            handle(change, found)
        except Exception:
            log.exception("defect in a watch handler", object=found["metadata"]["name"])

    while True:
        began = time()
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
            async for change, found in kube.watch(kind, version):
                known.pop(_key(found), None)
                if change != "DELETED":
                    known[_key(found)] = _stub(found)
                pass_on(change, found)
        except KubeError as error:
            failures = 1 if time() - began > LONGEST else failures + 1
            wait = min(FIRST * 2.0 ** min(failures - 1, 10), LONGEST)
            failed(error)
            log.warning("watch failed; the objects are listed again", error=str(error), retry_in=wait)
            await asyncio.sleep(wait)


async def _snapshot(kube: Watched, kind: Kind) -> tuple[list[Manifest], str | None]:
    try:
        return await kube.snapshot(kind)
    except NotFound:
        return [], None


def _key(found: Manifest) -> tuple[str, str]:
    return found["metadata"].get("namespace") or "", found["metadata"]["name"]


def _stub(found: Manifest) -> dict[str, Any]:
    """What identifies the object and its version."""
    metadata = {name: found["metadata"].get(name) for name in ("name", "namespace", "uid", "resourceVersion")}
    return {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": metadata}
