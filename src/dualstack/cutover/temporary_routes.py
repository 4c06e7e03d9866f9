"""Temporary routes: one for the rollback drill, two to the decoys (docs/reference/design-rules.md#provably-ours).

A temporary route is ours when all of this holds: its name, network and description are exactly those that the step
gives it, its destination lies in the pod CIDR, and it leads to a VM of this cluster. The name alone proves nothing: all
networks of a project share one set of route names, which hold only 26 characters of the cluster's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.cutover.route_ownership import route_body
from dualstack.gce import ComputeClient
from dualstack.gce.errors import AlreadyExists
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import instance_reference, same_resource
from dualstack.model import cidr
from dualstack.model.errors import GateFailed


@dataclass(frozen=True, slots=True)
class TemporaryRoutes:
    """The routes of one step. network: link. pods: CIDR. vms: prefixes of the names of the VMs that they lead
    to.
    """

    names: tuple[str, ...]
    description: str
    network: str
    pods: str
    vms: tuple[str, ...]

    def owns(self, route: Mapping[str, Any]) -> bool:
        """Whether the route is provably one of them."""
        hop = instance_reference(route.get("nextHopInstance") or "")
        return (
            route["name"] in self.names
            and route.get("description") == self.description
            and same_resource(route.get("network") or "", self.network)
            and cidr.lies_in(self.pods, route.get("destRange") or "")
            and hop is not None
            and hop.name.startswith(self.vms)
        )

    async def make(self, compute: ComputeClient, name: str, block: str, instance: str) -> None:
        """Create the route `name` to `block` unless it exists. Raises GateFailed when a foreign route has the name."""
        body = route_body(name, self.network, block, instance) | {"description": self.description}
        try:
            await compute.post("global/routes", body)
        except AlreadyExists as error:
            found = await compute.find(f"global/routes/{name}")
            if found is not None and not self.owns(found):
                raise GateFailed(
                    f"route {name} already exists and does not belong to this cluster; delete or rename it"
                ) from error

    async def remove(self, compute: ComputeClient, *names: str) -> None:
        """Delete the routes `names`, by default all, that are provably ours. A missing route is not an error."""

        async def one(name: str) -> None:
            found = await compute.find(f"global/routes/{name}")
            if found is not None and self.owns(found):
                await compute.delete(f"global/routes/{name}")

        await gather_all(*(one(name) for name in names or self.names))
