"""What every obstacle to a migration must lead to: it is reported, with a code, before the first change.

    await assert_refused(spoil, says="subnet x", code=CONFIGURATION_PROBLEM)

runs the whole operator on a scene that `spoil` has changed, requests dual-stack as the owner of a Shoot does, and holds
the operator to that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from dualstack.model import kinds
from dualstack.model.kinds import Manifest
from tests.sim.infrastructure.operating import LONGEST, Operating, operating
from tests.sim.infrastructure.scene import Scene, scene

Spoil = Callable[[Scene], Awaitable[None]]
"""Brings a scene at rest into the state that must be refused."""

_READING_POSTS = ("/token", "/testIamPermissions")
_REQUEST_ANNOTATIONS = {"gardener.cloud/operation", "gardener.cloud/timestamp"}


class Journal:
    """The requests that change something, as both servers receive them. `dress` installs it."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        """Method and path of each request, apart from what a reconcile that changes nothing has to write: statuses,
        Events, the copy of the Shoot in the Cluster, and the annotations and finalizers of Gardener's protocol."""

    def dress(self, application: web.Application) -> None:
        application.middlewares.append(self._keep)

    @web.middleware
    async def _keep(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD") and not await _is_protocol(request):
            self.changes.append(f"{request.method} {request.path}")
        response: web.StreamResponse = await handler(request)
        return response


async def _is_protocol(request: web.Request) -> bool:
    path = request.path
    if request.method == "POST":
        return path.endswith((*_READING_POSTS, "/events"))
    if request.method != "PATCH":
        return False
    if path.endswith("/status") or "/clusters/" in path:
        return True
    body = await request.json()
    metadata = body.get("metadata") if isinstance(body, dict) and body.keys() == {"metadata"} else None
    if metadata is None or not metadata.keys() <= {"annotations", "finalizers", "resourceVersion"}:
        return False
    return set(metadata.get("annotations") or ()) <= _REQUEST_ANNOTATIONS


async def assert_refused(
    spoil: Spoil,
    *,
    says: str,
    code: str | None,
    annotations: dict[str, str] | None = None,
    spec: Manifest | None = None,
    failures: int = 1,
    strategy: str = "overlap",
    **options: Any,
) -> Operating:
    """Given a scene that `spoil` has changed, when its Shoot requests dual-stack, the operator refuses.

    The Shoot's lastErrors and an Event name the obstacle (`says`) with its `code`. Both servers received nothing that
    changes anything. With a code the Shoot is Failed, and nothing is tried again until something changes; without one
    (the cause may disappear by itself) it is in Error. `annotations` and `spec` are edits of the Shoot, `failures` the
    failed reconciles of the Infrastructure, `options` those of `scene`.
    """
    journal = Journal()
    async with scene(dress=journal.dress, **options) as made:
        await spoil(made)
        journal.changes.clear()
        before, dark = made.mutations(), _dark(made)
        async with operating(made, strategy=strategy) as operator:
            families = {"networking": {"ipFamilies": ["IPv4", "IPv6"]}}
            operator.edit(metadata={"annotations": annotations or {}}, spec={**families, **(spec or {})})
            shoot = await _reported(operator, "Failed" if code else "Error")
            if code:
                await operator.until_rest()
                assert operator.failures("infrastructure") == failures, operator.outcomes
        error = shoot["status"]["lastErrors"][0]  # annotations without effect have an entry of their own, the last
        assert says in error["description"]
        assert error.get("codes", []) == ([code] if code else [])
        assert any(says in text for text in _warnings(made)), _warnings(made)
        assert journal.changes == []
        assert made.mutations() == before
        assert _dark(made) == dark
        return operator


async def _reported(operator: Operating, state: str) -> Manifest:
    """The Shoot, once its lastOperation has that state."""
    deadline = time.monotonic() + LONGEST
    while (shoot := operator.shoot())["status"]["lastOperation"]["state"] != state:
        assert time.monotonic() < deadline, shoot["status"]
        await asyncio.sleep(1.0)
    return shoot


def _dark(made: Scene) -> int:
    """How many pairs of pods cannot reach each other now."""
    return int(made.fabric.traffic.report(made.clock.now()).current)


def _warnings(made: Scene) -> list[str]:
    """The messages of the Warning Events about the Shoot."""
    listed = made.store.list(kinds.EVENT, made.world.shoot["metadata"]["namespace"])
    return [event["message"] for event in listed if event["type"] == "Warning"]
