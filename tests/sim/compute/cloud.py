"""A simulated cloud behind HTTP, and short ways to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from dualstack.clock import ScaledClock
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import DEFAULT_REGIONS, Compute
from dualstack_sim.compute.api.fault_injection import Faults
from dualstack_sim.compute.api.server import create_app, create_runner
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.compute.project.quotas import Limits

Json = dict[str, Any]

SPEED = 2000.0
NETWORK = "projects/proj-1/global/networks/vpc"
REGION = "regions/europe-west1"
ZONE = "zones/europe-west1-b"
NODES = f"{REGION}/subnetworks/nodes"
POD_RANGE = {"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}
MACHINE = f"{ZONE}/machineTypes/n1-standard-2"


class HandClock:
    """A clock that moves only when the test says so; a sleep ends when the test has advanced the clock."""

    def __init__(self) -> None:
        self.present = 1_800_000_000.0

    def now(self) -> float:
        return self.present

    def advance(self, seconds: float) -> None:
        self.present += seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


@dataclass
class Cloud:
    """`compute` and a client of it. Paths are relative to the project."""

    compute: Compute
    clock: ScaledClock | HandClock
    root: str
    session: aiohttp.ClientSession
    commits: list[Commit]

    async def raw(self, verb: str, path: str, *, data: bytes | None = None, **query: str) -> tuple[int, Any]:
        """Status and JSON document of a request to `path` under the root of the server."""
        async with self.session.request(verb, f"{self.root}{path}", data=data, params=query) as response:
            return response.status, await response.json(content_type=None)

    async def call(
        self, verb: str, path: str, body: Json | None = None, *, version: str = "v1", **query: str
    ) -> tuple[int, Json]:
        url = f"{self.root}/compute/{version}/projects/proj-1/{path}".rstrip("/")
        async with self.session.request(verb, url, json=body, params=query) as response:
            document: Json = await response.json()
        return response.status, document

    async def get(self, path: str, **query: str) -> Json:
        status, document = await self.call("GET", path, None, **query)
        assert status == 200, document
        return document

    async def refused(self, verb: str, path: str, body: Json | None = None, **query: str) -> Json:
        """The error of a request that is refused at once."""
        status, document = await self.call(verb, path, body, **query)
        assert status >= 400, document
        error: Json = document["error"]
        assert error["code"] == status
        assert error["errors"][0]["message"] == error["message"]
        return error

    async def begin(self, verb: str, path: str, body: Json | None = None, **query: str) -> Json:
        """The operation that a mutation starts."""
        status, operation = await self.call(verb, path, body, **query)
        assert status == 200, operation
        assert operation["kind"] == "compute#operation"
        return operation

    async def ended(self, operation: Json) -> Json:
        """The operation when it is DONE."""
        path = operation["selfLink"].partition("/projects/proj-1/")[2]
        while operation["status"] != "DONE":
            if isinstance(self.clock, HandClock):
                self.clock.advance(1.0)
                operation = await self.get(path)
            else:
                status, operation = await self.call("POST", f"{path}/wait")
                assert status == 200
        return operation

    async def do(self, verb: str, path: str, body: Json | None = None, **query: str) -> Json:
        """Execute a mutation that succeeds."""
        operation = await self.ended(await self.begin(verb, path, body, **query))
        assert "error" not in operation, operation
        return operation

    async def fail(self, verb: str, path: str, body: Json | None = None, **query: str) -> Json:
        """Execute a mutation that fails in its operation, and return that error."""
        operation = await self.ended(await self.begin(verb, path, body, **query))
        error: Json = operation["error"]["errors"][0]
        assert operation["httpErrorStatusCode"] >= 400
        return error

    async def fingerprint(self, path: str = NODES) -> str:
        return str((await self.get(path))["fingerprint"])

    async def patch_nodes(self, **change: Any) -> Json:
        """Patch the subnetwork `nodes` with its current fingerprint."""
        return await self.do("PATCH", NODES, {"fingerprint": await self.fingerprint(), **change})

    async def nodes_refused(self, **change: Any) -> Json:
        return await self.refused("PATCH", NODES, {"fingerprint": await self.fingerprint(), **change})

    async def interface(self, name: str) -> Json:
        document: Json = (await self.get(f"{ZONE}/instances/{name}"))["networkInterfaces"][0]
        return document

    async def aliases(self, name: str, *cidrs: str) -> Json:
        """The request that gives instance `name` exactly these aliases of the pod range."""
        entries = [{"ipCidrRange": cidr, "subnetworkRangeName": "ipv4-pod-cidr"} for cidr in cidrs]
        return {"fingerprint": (await self.interface(name))["fingerprint"], "aliasIpRanges": entries}

    def populate(self, nodes: int = 0) -> None:
        populate(self.compute, nodes)


def instance(name: str, **interface: Any) -> Json:
    """An insert body as the machine controller sends it."""
    return {
        "name": name,
        "machineType": MACHINE,
        "canIpForward": True,
        "networkInterfaces": [{"subnetwork": NODES, **interface}],
    }


def route(name: str, destination: str, target: str) -> Json:
    """An insert body as the route controller sends it."""
    return {
        "name": name,
        "network": NETWORK,
        "destRange": destination,
        "priority": 1000,
        "nextHopInstance": f"{ZONE}/instances/{target}",
        "description": "k8s-node-route",
    }


def populate(compute: Compute, nodes: int) -> None:
    """A network `vpc`, a subnetwork `nodes`, and `vm0`, `vm1`, ... with a pod route each."""
    compute.place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})
    compute.place("subnetworks", REGION, {"name": "nodes", "network": NETWORK, "ipCidrRange": "10.250.0.0/16"})
    for number in range(nodes):
        compute.place("instances", ZONE, instance(f"vm{number}"))
        compute.place("routes", "global", route(f"shoot--foo--bar-{number}", f"100.96.{number}.0/24", f"vm{number}"))


@dataclass
class Setting:
    """How the cloud of one test is set up. `by_hand`: time stands still unless the test moves it."""

    seed: int = 1
    by_hand: bool = False
    endpoint: str | None = None
    knobs: Knobs = field(default_factory=Knobs)
    quotas: Limits = field(default_factory=Limits)
    latency: LatencyProfile = field(default_factory=LatencyProfile)
    faults: Faults | None = None
    regions: Mapping[str, Sequence[str]] = field(default_factory=lambda: DEFAULT_REGIONS)


def make(setting: Setting) -> tuple[Compute, ScaledClock | HandClock, list[Commit]]:
    clock = HandClock() if setting.by_hand else ScaledClock(time.time(), SPEED)
    commits: list[Commit] = []
    compute = Compute(
        clock,
        Chance(setting.seed),
        regions=setting.regions,
        endpoint=setting.endpoint,
        knobs=setting.knobs,
        quotas=setting.quotas,
        latency=setting.latency,
        on_commit=commits.append,
        faults=setting.faults,
    )
    return compute, clock, commits


@contextlib.asynccontextmanager
async def running(setting: Setting | None = None) -> AsyncIterator[Cloud]:
    """A cloud on a loopback port of this event loop."""
    compute, clock, commits = make(setting or Setting())
    runner = create_runner(create_app(compute))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        root = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            yield Cloud(compute, clock, root, session, commits)
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def served(compute: Compute) -> Iterator[str]:
    """The root URL of a cloud on a loop of its own, for clients that block."""
    loop = asyncio.new_event_loop()
    runner = create_runner(create_app(compute))

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
