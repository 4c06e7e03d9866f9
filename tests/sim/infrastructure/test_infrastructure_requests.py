"""The requests that a migration and a deletion send, as the simulated Compute Engine receives them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.sim.infrastructure.deletion import delete, delete_vms
from tests.sim.infrastructure.scene import NS, scene

OTHER = "global/networks/other"


class Recorder:
    """Hangs in the servers and keeps the `filter` of each request for the list of routes."""

    def __init__(self) -> None:
        self.filters: list[str | None] = []

    def record(self, application: web.Application) -> None:
        @web.middleware
        async def keep(request: web.Request, handler: Any) -> web.StreamResponse:
            if request.method == "GET" and request.path.endswith("/global/routes"):
                self.filters.append(request.query.get("filter"))
            response: web.StreamResponse = await handler(request)
            return response

        application.middlewares.append(keep)


async def test_w23_only_the_routes_of_the_network_are_requested() -> None:
    """Compute filters the routes, so that the answers do not grow with the other networks of the project."""
    recorder = Recorder()
    async with scene(dress=recorder.record) as made:
        network = (await made.resource("networks.get", "global", NS))["selfLink"]
        made.compute.place("networks", "global", {"name": "other", "autoCreateSubnetworks": False})
        gateway = "global/gateways/default-internet-gateway"
        route = {"name": "other", "network": OTHER, "destRange": "10.9.0.0/16", "nextHopGateway": gateway}
        made.compute.place("routes", "global", route)
        made.trigger()
        await made.reconcile()
        migrated = len(recorder.filters)
        await delete_vms(made)
        await delete(made)
        assert 0 < migrated < len(recorder.filters)
        assert set(recorder.filters) == {f"(network eq {network})"}
        query = {"filter": recorder.filters[0] or ""}
        answer = await made.compute.answer("routes.list", "global", query=query)
        assert {route["network"] for route in answer.get("items", ())} <= {network}
        everything = await made.compute.answer("routes.list", "global")
        assert any(route["network"].endswith(OTHER) for route in everything["items"])
