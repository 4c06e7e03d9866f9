"""A Gardener shoot as the platform of a cut-over (`dualstack.cutover.platform.Platform`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dualstack.cutover.platform import Member
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.cloud_controller_manager import CloudControllerManager
from dualstack.gardener.controllers.infrastructure.record import InfrastructureRecord
from dualstack.gardener.model import infrastructure
from dualstack.gardener.model.names import NOTE
from dualstack.model import cidr
from dualstack.plan.facts import KEPT, ControllerFacts, SavedRoute


@dataclass(frozen=True, slots=True)
class GardenerPlatform:
    """Machines and Nodes, the routes in `Infrastructure.status.state`, notes as annotations of the Infrastructure, and
    cloud-controller-manager in the seed.

    namespace: the shoot's technical ID.
    """

    clusters: Clusters
    namespace: str
    record: InfrastructureRecord
    manager: CloudControllerManager
    keeps_controller: bool = False
    """Whether cloud-controller-manager goes on to create routes, as while a Shoot is prepared."""

    async def members(self) -> tuple[Member, ...]:
        """One for each Machine and each Node.

        Running VMs that have neither close every gate.
        """
        machines, nodes = await self.clusters.machines_and_nodes(self.namespace)
        machine_of, node_of = ({each["metadata"]["name"]: each for each in found} for found in (machines, nodes))
        return tuple(
            Member.of(name, node_of.get(name), *(of[name] for of in (machine_of, node_of) if name in of))
            for name in {**machine_of, **node_of}
        )

    async def saved_routes(self) -> tuple[SavedRoute, ...]:
        return tuple(_read(route) for route in (await self.record.state()).routes)

    async def save(self, routes: Iterable[SavedRoute]) -> None:
        await self.record.add_routes(
            tuple(
                infrastructure.SavedRoute(route.instance_name, route.destination_cidr, route.zone) for route in routes
            )
        )

    async def forget(self, done: Callable[[SavedRoute], bool]) -> None:
        await self.record.remove_routes(lambda entry: done(_read(entry)))

    async def notes(self) -> Mapping[str, str]:
        annotations = (await self.record.read())["metadata"].get("annotations") or {}
        return {name.removeprefix(NOTE): value for name, value in annotations.items() if name.startswith(NOTE)}

    async def note(self, name: str, value: str | None) -> None:
        await self.record.annotate(NOTE + name, value)

    async def route_controller(self) -> ControllerFacts:
        if self.keeps_controller and not await self.manager.is_stopped():
            return KEPT
        return await self.manager.observe()

    async def stop_route_controller(self) -> None:
        if not self.keeps_controller:
            await self.manager.stop()

    async def restore_route_controller(self) -> None:
        await self.manager.restore()


def _read(route: infrastructure.SavedRoute) -> SavedRoute:
    return SavedRoute(route.instance_name, cidr.canonical(route.destination_cidr), route.zone)
