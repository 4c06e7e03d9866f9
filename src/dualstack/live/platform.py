"""A cluster that this program does not manage, as the platform of a cut-over.

Its route controller belongs to another program: to Gardener, or to the person who runs the cluster. It is observed, and
never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dualstack.cutover.platform import Member
from dualstack.kube.interface import Kube
from dualstack.live.record import Record
from dualstack.live.route_controller import RouteController
from dualstack.model.errors import GateFailed
from dualstack.model.kinds import NODE, Manifest
from dualstack.plan.facts import KEPT, ControllerFacts, SavedRoute


@dataclass(frozen=True, slots=True)
class LivePlatform:
    """Nodes as members, and a ConfigMap for what must be remembered.

    controller: None while the cluster is only prepared, so that its route controller is kept. seen: gets the Nodes
    whenever they are read.
    """

    kube: Kube
    record: Record
    controller: RouteController | None = None
    seen: Callable[[list[Manifest]], None] | None = None

    async def members(self) -> tuple[Member, ...]:
        """One for each Node."""
        nodes = await self.kube.list(NODE)
        if self.seen is not None:
            self.seen(nodes)
        return tuple(Member.of(node["metadata"]["name"], node, node) for node in nodes)

    async def saved_routes(self) -> tuple[SavedRoute, ...]:
        return await self.record.routes()

    async def save(self, routes: Iterable[SavedRoute]) -> None:
        added = tuple(routes)
        await self.record.change_routes(lambda saved: dict.fromkeys((*saved, *added)))

    async def forget(self, done: Callable[[SavedRoute], bool]) -> None:
        await self.record.change_routes(lambda saved: [route for route in saved if not done(route)])

    async def notes(self) -> Mapping[str, str]:
        return await self.record.notes()

    async def note(self, name: str, value: str | None) -> None:
        await self.record.note(name, value)

    async def route_controller(self) -> ControllerFacts:
        if self.controller is None:
            return KEPT
        running = await self.controller.running()
        count = len(running)
        return ControllerFacts(replicas=count, pods=count, ignored=not count)

    async def stop_route_controller(self) -> None:
        """It belongs to another program: GateFailed while it runs."""
        if self.controller is not None and (running := await self.controller.running()):
            raise GateFailed(f"{running[0]}; {self.controller.remedy}")

    async def restore_route_controller(self) -> None:
        """It was not stopped by this program, so nothing is to be restored."""
