"""The tasks that move the pod routes of existing nodes to alias ranges.

Routes go first, all of them; aliases come last, one after the other and without waiting for any
(docs/reference/gardener.md#route-cleanup, docs/reference/gardener.md#alias-insertion).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from dualstack.gardener.model.infrastructure import SavedRoute
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.gardener.model.names import IGNORE, MANAGED_RESOURCE_CONTROL_PLANE, REMOVE_IGNORE
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import DEPLOYMENT
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER, POD_RANGE_NAME
from dualstack_sim.actors.compute_api import Resource
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.provider_gcp.bodies import Bodies
from dualstack_sim.actors.provider_gcp.requests import RequestFailed, Requests
from dualstack_sim.actors.provider_gcp.whiteboard import Whiteboard

SHOOT_PREFIX = "shoot--"

PANIC = "recovered panic: runtime error: invalid memory address or nil pointer dereference"
"""The error after a refused alias update, whose operation does not exist (docs/reference/weaknesses.md#w17)."""


@dataclass(frozen=True, slots=True)
class Migration:
    """The two tasks of one reconcile."""

    requests: Requests
    kube: KubeApi
    bodies: Bodies
    board: Whiteboard

    async def clean_routes(self) -> None:
        """Stop cloud-controller-manager, remember the routes and delete all of them at once.

        Does not wait for the pods of cloud-controller-manager (docs/reference/weaknesses.md#w8).
        """
        routes = owned_routes(await self.requests.list("global/routes"), self.bodies)
        if not routes:
            return
        if await self.kube.get(DEPLOYMENT, CLOUD_CONTROLLER_MANAGER, self.bodies.ns) is None:
            raise RequestFailed(f'deployments.apps "{CLOUD_CONTROLLER_MANAGER}" not found', 404)
        await self._annotate("true")
        try:
            await self.kube.scale(DEPLOYMENT, CLOUD_CONTROLLER_MANAGER, self.bodies.ns, 0)
            for route in routes:
                saved = _saved(route)
                if saved not in self.board.routes:
                    self.board.routes.append(saved)
            await self.board.persist()
            await self._delete(routes)
        except DualstackError:
            await self._annotate(None)
            raise

    async def insert_aliases(self) -> None:
        """Append the pod CIDR of each saved route to the aliases of its VM, also if it is there already.

        The operation is not awaited, and the list is emptied once all were requested
        (docs/reference/weaknesses.md#w13, docs/reference/weaknesses.md#w16, docs/reference/weaknesses.md#w18).
        """
        for route in self.board.routes:
            path = f"zones/{route.zone}/instances/{route.instance_name}"
            instance = await self.requests.get(path)
            if instance is None:
                continue
            interface = instance["networkInterfaces"][0]
            alias = {"ipCidrRange": route.destination_cidr, "subnetworkRangeName": POD_RANGE_NAME}
            body = {**interface, "aliasIpRanges": [*interface.get("aliasIpRanges", ()), alias]}
            try:
                await self.requests.begin_patch(
                    f"{path}/updateNetworkInterface", body, networkInterface=interface["name"]
                )
            except RequestFailed as error:
                raise RequestFailed(PANIC) from error
        self.board.routes.clear()
        await self.board.persist()

    async def _delete(self, routes: list[Resource]) -> None:
        deletions = (
            self.requests.delete(f"global/routes/{route['name']}", missing_is_success=False) for route in routes
        )
        ended = await asyncio.gather(*deletions, return_exceptions=True)
        errors = [error for error in ended if isinstance(error, RequestFailed)]
        if errors:
            # Combined as upstream does (docs/reference/weaknesses.md#w28).
            raise RequestFailed("; ".join(["<nil>", *map(str, errors)]))

    async def _annotate(self, value: str | None) -> None:
        change = {"metadata": {"annotations": {REMOVE_IGNORE: value, IGNORE: value}}}
        await self.kube.patch(MANAGED_RESOURCE, MANAGED_RESOURCE_CONTROL_PLANE, change, self.bodies.ns)


def owned_routes(routes: list[Resource], bodies: Bodies) -> list[Resource]:
    """The routes that upstream takes for those of the cluster (docs/reference/weaknesses.md#w22)."""
    return [
        route
        for route in routes
        if route["name"].startswith(SHOOT_PREFIX)
        and route["network"].endswith(bodies.vpc)
        and route.get("nextHopInstance", "").rpartition("/")[2].startswith(bodies.ns)
    ]


def _saved(route: Resource) -> SavedRoute:
    parts = urlsplit(route["nextHopInstance"]).path.split("/")
    return SavedRoute(instance_name=parts[-1], destination_cidr=route["destRange"], zone=parts[-3])
