"""Follows the Nodes of the Shoots that migrate or are prepared, each on its own API server; closes the clients of
Shoots that are gone.

A Shoot migrates while it has one of the migration constraints. Its Infrastructure has a note while it is prepared, and
from the begin of a cut-over until every node has two pod CIDRs. Of any other Shoot at rest, no connection stays open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from dualstack.gardener.model.names import DNS_MIGRATION, FOLLOWED, NODES_MIGRATION, PREPARED
from dualstack.gardener.model.shoot import technical_id
from dualstack.kube.watching import Watched, follow
from dualstack.model.json_path import dig
from dualstack.model.kinds import NODE, Manifest
from dualstack.operator.queue import Key, key_of


class Access(Protocol):
    """The API servers of the shoots, by technical ID (`dualstack.gardener.shoot_access.ShootAccess`)."""

    def of(self, namespace: str) -> Watched:
        """The API server of one shoot."""
        ...

    async def forget(self, namespace: str) -> None:
        """The shoot is gone."""
        ...


class NodeInterest:
    """A Node concerns its Shoot's migration or preparation when it appears, disappears, or changes its pod CIDRs."""

    def __init__(self) -> None:
        self._cidrs: dict[str, tuple[str, ...]] = {}

    def wakes(self, found: Manifest) -> bool:
        """Whether the event may move it on."""
        name = found["metadata"]["name"]
        cidrs = tuple((found.get("spec") or {}).get("podCIDRs") or ())
        changed = self._cidrs.get(name) != cidrs
        self._cidrs[name] = cidrs
        return changed

    def forget(self, found: Manifest) -> None:
        """Forget a deleted Node."""
        self._cidrs.pop(found["metadata"]["name"], None)


class ShootNodes:
    """The watches of Nodes, by the key that they add to the queue.

    includes: whether a Shoot has opted in. forget: takes the technical ID of a Shoot that is gone.
    """

    def __init__(
        self,
        access: Access,
        add: Callable[[Key], None],
        includes: Callable[[Manifest], bool],
        forget: Callable[[str], None] = lambda namespace: None,
    ) -> None:
        self._access = access
        self._forget = forget
        self._includes = includes
        self._add = add
        self._watches: dict[Key, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End all watches."""
        for key in list(self._watches):
            self._end(key)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def see(self, shoot: Manifest) -> None:
        """Begin or end the watch that continues the migration of the Shoot, as it now is."""
        wanted = self._includes(shoot) and _migrates(shoot)
        self._keep(key_of("shoot", shoot), technical_id(shoot), wanted=wanted)

    def see_infrastructure(self, found: Manifest) -> None:
        """Begin or end the watch for nodes that join the Shoot of the Infrastructure and need their alias."""
        self._keep(key_of("infrastructure", found), found["metadata"]["namespace"], wanted=follows_nodes(found))

    def _keep(self, key: Key, namespace: str, *, wanted: bool) -> None:
        if not wanted:
            self._end(key)
        elif key not in self._watches:
            kube, handle = self._access.of(namespace), partial(self._node, key, NodeInterest())
            self._watches[key] = asyncio.create_task(follow(kube, NODE, handle, lambda: None))

    def gone(self, key: Key, namespace: str) -> None:
        """The Shoot with this technical ID does not exist any more."""
        self._end(key)
        self._forget(namespace)
        self._await(asyncio.create_task(self._access.forget(namespace)))

    def _end(self, key: Key) -> None:
        if (watch := self._watches.pop(key, None)) is not None:
            watch.cancel()
            self._await(watch)

    def _await(self, task: asyncio.Task[None]) -> None:
        """Keep the task until it has ended."""
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _node(self, key: Key, interest: NodeInterest, change: str | None, found: Manifest) -> None:
        if change == "DELETED":
            interest.forget(found)
        elif not interest.wakes(found):
            return
        if change is not None:
            self._add(key)


def follows_nodes(infrastructure: Manifest) -> bool:
    """Whether nodes that join get their alias from the Infrastructure controller."""
    return not {PREPARED, FOLLOWED}.isdisjoint(infrastructure["metadata"].get("annotations") or {})


def _migrates(shoot: Manifest) -> bool:
    kinds = {constraint.get("type") for constraint in dig(shoot, "status", "constraints") or ()}
    return bool(kinds & {NODES_MIGRATION, DNS_MIGRATION})
