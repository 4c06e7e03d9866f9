"""Routes that a check makes and deletes again: the rollback drill's one, and two to the decoys (DESIGN.md 3.8).

One is ours when all of this holds: its name is the one that the check gives, its network and description are exactly
the check's, its destination lies in the pod CIDR, and it leads to a VM of this cluster. The name alone proves nothing:
a project has one set of names for the routes of all its networks, and of cluster names they hold 26 characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.controllers.infrastructure.routes import is_inside, route_body
from dualstack.controllers.infrastructure.together import together
from dualstack.errors import GateFailed
from dualstack.gce import ComputeClient
from dualstack.gce.errors import AlreadyExists
from dualstack.gce.pacing import Pace
from dualstack.gce.resources import instance_reference, same_resource


@dataclass(frozen=True, slots=True)
class Throwaways:
    """The routes of one check. `network`: link. `pods`: CIDR. `vms`: how names of the VMs begin that they lead to."""

    names: tuple[str, ...]
    description: str
    network: str
    pods: str
    vms: str

    def owns(self, route: Mapping[str, Any]) -> bool:
        """Whether the route is provably one of them."""
        hop = instance_reference(route.get("nextHopInstance") or "")
        return (
            route["name"] in self.names
            and route.get("description") == self.description
            and same_resource(route.get("network") or "", self.network)
            and is_inside(self.pods, route.get("destRange") or "")
            and hop is not None
            and hop.name.startswith(self.vms)
        )

    async def make(self, compute: ComputeClient, name: str, block: str, instance: str, pace: Pace) -> None:
        """The route `name` to `block`; one of ours that is there already will do. GateFailed if it is another's."""
        body = route_body(name, self.network, block, instance) | {"description": self.description}
        try:
            await compute.post("global/routes", body, pace=pace)
        except AlreadyExists as error:
            found = await compute.find(f"global/routes/{name}")
            if found is not None and not self.owns(found):
                raise GateFailed(f"there is a route {name} already, which is not this cluster's") from error

    async def remove(self, compute: ComputeClient, pace: Pace, *names: str) -> None:
        """Delete those `names`, all of them by default, that are provably ours; what is gone already is no error."""

        async def one(name: str) -> None:
            found = await compute.find(f"global/routes/{name}")
            if found is not None and self.owns(found):
                await compute.delete(f"global/routes/{name}", pace=pace)

        await together(*(one(name) for name in names or self.names))
