"""A simulated Compute Engine with a given number of nodes, in a process of its own.

Prints one JSON line (`{"url", "load_seconds"}`) when it answers, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time

from dualstack.clock import ScaledClock
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app
from dualstack_sim.compute.project.quotas import Limits
from tests.support.loopback import on_loopback

UNLIMITED = 10**9
REGION = "regions/europe-west1"
ZONES = tuple(f"zones/europe-west1-{letter}" for letter in "bcd")
SPEED = 120.0


def populate(compute: Compute, nodes: int) -> None:
    """A network, a subnetwork, and `nodes` instances with a route each."""
    compute.place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})
    subnetwork = {"name": "nodes", "network": "global/networks/vpc", "ipCidrRange": "10.0.0.0/16"}
    compute.place("subnetworks", REGION, subnetwork)
    interface = {"subnetwork": f"{REGION}/subnetworks/nodes"}
    for number in range(nodes):
        zone, name = ZONES[number % 3], f"vm{number}"
        body = {"name": name, "machineType": f"{zone}/machineTypes/n1-standard-2", "canIpForward": True}
        compute.place("instances", zone, {**body, "networkInterfaces": [interface]})
        route = {
            "name": f"route-{number}",
            "network": "global/networks/vpc",
            "destRange": f"100.{64 + number // 256}.{number % 256}.0/24",
            "nextHopInstance": f"{zone}/instances/{name}",
        }
        compute.place("routes", "global", route)


async def serve(nodes: int, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    limits = Limits(requests_per_minute=UNLIMITED, static_routes_per_network=UNLIMITED)
    compute = Compute(ScaledClock(time.time(), SPEED), Chance(1), quotas=limits)
    begun = time.perf_counter()
    populate(compute, nodes)
    loaded = time.perf_counter() - begun
    gc.collect()
    async with on_loopback(create_app(compute)) as url:
        sys.stdout.write(json.dumps({"url": url, "load_seconds": loaded}) + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
