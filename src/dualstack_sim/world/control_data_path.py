"""The control endpoint and packets: /probe, /load-balancer, /guest-agent and /advertisements."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from dualstack.clock import Clock
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.fabric import Fabric
from dualstack_sim.fabric.blocks import parse_address
from dualstack_sim.fabric.load_balancing import reach
from dualstack_sim.world.control_answers import Refused, guarded, json_object


class DataPathControl:
    """The handlers, and the way of the state to this instant before each answer."""

    def __init__(self, clock: Clock, fabric: Fabric, compute: Compute) -> None:
        self._clock = clock
        self._fabric = fabric
        self._compute = compute

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/probe", guarded(self.probe))
        router.add_get("/load-balancer", guarded(self.load_balancer))
        router.add_post("/guest-agent", guarded(self.remove_local_routes))
        router.add_get("/advertisements", guarded(self.advertisements))

    async def probe(self, request: web.Request) -> Any:
        """Where a packet goes: `from` is a host or an address of the internet, `to` an address."""
        fabric = self._fabric
        source, destination = request.query.get("from", ""), request.query.get("to", "")
        fabric.settle(self._clock.now())
        host = fabric.host(source)
        if host is None and not _is_address(source):
            raise Refused(400, f"from: {source!r} is not a host of the network; the hosts are {fabric.hosts}")
        try:
            verdict = fabric.probe(host, destination) if host else fabric.probe_from_internet(source, destination)
        except ValueError:
            raise Refused(400, f"to: {destination!r} is not an IP address") from None
        return msgspec.to_builtins(verdict)

    async def load_balancer(self, request: web.Request) -> Any:
        """Whether new connections to `port` of `address` arrive; `protocol` (TCP) and `from` are optional."""
        query = request.query
        self._compute.settle()
        try:
            port, protocol = int(query.get("port", "")), query.get("protocol", "TCP").upper()
            found = reach(self._compute.project, query.get("address", ""), port, protocol, query.get("from", ""))
        except ValueError as error:
            raise Refused(400, f"give address=IP and port=NUMBER ({error})") from None
        return msgspec.to_builtins(found)

    async def remove_local_routes(self, request: web.Request) -> Any:
        """Delete the local routes for alias ranges on a VM; `{"host": NAME}`. Its guest agent may add them again."""
        host = str((await json_object(request)).get("host", ""))
        now = self._clock.now()
        self._fabric.settle(now)
        if self._fabric.host(host) is None:
            raise Refused(400, f"host: {host!r} is not a host of the network; the hosts are {self._fabric.hosts}")
        self._fabric.traffic.remove_local_routes(now, self._fabric.host(host) or host)
        return {"host": host}

    async def advertisements(self, _: web.Request) -> Any:
        return msgspec.to_builtins(self._fabric.advertisements.events)


def _is_address(text: str) -> bool:
    """Whether `from` is an address of the internet and not the name of a host."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return True
