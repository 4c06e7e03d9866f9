"""A Gardener shoot as the platform of a cut-over (`dualstack.cutover.platform.Platform`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dualstack.cutover.platform import Member
from dualstack.gardener.controllers.cloud_controller_manager import CloudControllerManager
from dualstack.gardener.controllers.infrastructure.record import InfrastructureRecord
from dualstack.gardener.model import infrastructure
from dualstack.gardener.model.kinds import MACHINE
from dualstack.gce.gather import gather_all
from dualstack.kube.interface import Kube
from dualstack.model import cidr
from dualstack.model.kinds import NODE, Manifest
from dualstack.plan.facts import ControllerFacts, SavedRoute


@dataclass(frozen=True, slots=True)
class GardenerPlatform:
    """Machines and Nodes, the routes in `Infrastructure.status.state`, and cloud-controller-manager in the seed.

    namespace: the shoot's technical ID.
    """

    kube: Kube
    namespace: str
    record: InfrastructureRecord
    manager: CloudControllerManager

    async def members(self) -> tuple[Member, ...]:
        """One for each Machine and each Node."""
        nodes, machines = await gather_all(self.kube.list(NODE), self.kube.list(MACHINE, self.namespace))
        found = {
            machine["metadata"]["name"]: Member(machine["metadata"]["name"], _zone(machine)) for machine in machines
        }
        for node in nodes:
            name = node["metadata"]["name"]
            zone = found[name].zone if name in found else ""
            found[name] = Member(name, zone or _zone(node), node)
        return tuple(found.values())

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

    async def route_controller(self) -> ControllerFacts:
        return await self.manager.observe()

    async def stop_route_controller(self) -> None:
        await self.manager.stop()

    async def restore_route_controller(self) -> None:
        await self.manager.restore()


def _read(route: infrastructure.SavedRoute) -> SavedRoute:
    return SavedRoute(route.instance_name, cidr.canonical(route.destination_cidr), route.zone)


def _zone(found: Manifest) -> str:
    """The zone in a `gce:///<project>/<zone>/<name>` provider ID, else in the well-known label, else empty."""
    parts = str((found.get("spec") or {}).get("providerID") or "").removeprefix("gce:///").split("/")
    labels = found["metadata"].get("labels") or {}
    return parts[1] if len(parts) == 3 else str(labels.get("topology.kubernetes.io/zone") or "")
