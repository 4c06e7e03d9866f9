"""Runs the simulated provider-gcp in the clouds in which the recordings of the real one began, in virtual time."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.shoot import ShootView
from dualstack.model import names
from dualstack_sim.actors.compute_api import ComputeApi
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.provider_gcp.deletion import Deletion
from dualstack_sim.actors.provider_gcp.reconcile import Reconcile
from dualstack_sim.actors.refusals import ComputeRefusal
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app as compute_app
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.fabric import Fabric
from dualstack_sim.kube.server import create_app as kube_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.gardener.builder import build
from tests.contract.recordings import worlds
from tests.contract.recordings.recording import Json, Recorded
from tests.contract.recordings.replay import started_operations
from tests.support.loopback import on_loopback
from tests.support.virtual_time import VirtualClock, VirtualLoop

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"

RICH: Json = {
    "internal": "10.251.0.0/24",
    "flowLogs": {"aggregationInterval": "INTERVAL_1_MIN", "flowSampling": 0.2, "metadata": "INCLUDE_ALL_METADATA"},
    "cloudNAT": {
        "natIPNames": [{"name": "nat-1"}, {"name": "nat-2"}],
        "enableDynamicPortAllocation": True,
        "minPortsPerVM": 64,
        "maxPortsPerVM": 4096,
        "icmpIdleTimeoutSec": 40,
    },
}
"""The configuration of the recordings named `rich`, beside the workers' range."""

POLL = 10.0
"""Seconds between two polls of an operation."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Worker:
    """A VM with its pod CIDR, its address, and the name of its route."""

    name: str
    pod_cidr: str
    address: str
    route: str


def workers_of(requests: Iterable[Recorded]) -> list[Worker]:
    """The VMs of a recorded migration, in the order of their addresses.

    The n-th alias belongs to the n-th route by name, because upstream follows the list of the API.
    """
    requests = list(requests)
    routes = sorted(r.path.rpartition("/")[2] for r in requests if r.method == "DELETE" and "/routes/" in r.path)
    patched = [r for r in requests if r.path.endswith("/updateNetworkInterface")]
    workers = []
    for request, route in zip(patched, routes, strict=True):
        assert request.body is not None
        alias = request.body["aliasIpRanges"][-1]["ipCidrRange"]
        workers.append(Worker(request.path.split("/")[-2], alias, request.body["networkIP"], route))
    return sorted(workers, key=lambda worker: [int(part) for part in worker.address.split(".")])


@dataclass(frozen=True)
class RecordedLatency(LatencyProfile):
    """Operations and prefixes take as long as the polls in a recording show. `seconds` and `prefixes`: by target."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    prefixes: dict[str, float] = field(default_factory=dict)

    def follow(self, requests: Sequence[Recorded]) -> None:
        """From now on, take the times of this recording."""
        polls: dict[str, int] = defaultdict(int)
        for request in requests:
            polls[request.operation] += 1
        ended: dict[str, float] = {}
        for number, operation in sorted(started_operations(requests).items()):
            target, takes = target_of(requests[number]), (polls[operation] - 1.5) * POLL
            self.seconds.setdefault(target, []).append(takes)
            ended.setdefault(target, requests[number].at + takes)
        reads = {request.path.rpartition("/")[2]: request.at for request in requests if is_by_number(request.path)}
        for subnet, last in zip(("nodes", "services"), reads.values(), strict=False):
            target = f"{worlds.REGION}/subnetworks/{worlds.NAME}-{subnet}"
            self.prefixes[target] = last - 1.0 - ended.get(target, 0.0)

    def operation(self, chance: Chance, method: str, target: str, ordinal: int) -> float:
        known = self.seconds.get(target.partition("/proj-1/")[2])
        return known.pop(0) if known else POLL / 2

    def prefix_assignment(self, chance: Chance, subnetwork: str, ordinal: int) -> float:
        return self.prefixes.get(subnetwork.partition("/proj-1/")[2], 1.0)


def target_of(request: Recorded) -> str:
    """The resource that a change concerns, relative to the project."""
    path = request.path.partition("/proj-1/")[2].removesuffix("/updateNetworkInterface")
    return f"{path}/{(request.body or {})['name']}" if request.method == "POST" else path


def is_by_number(path: str) -> bool:
    """Whether the path ends in the numeric ID of a resource."""
    return path.rpartition("/")[2].isdigit()


class NotingClient(ComputeApi):
    """Keeps each request with its answer. `before` is called with method and path before each."""

    clock: VirtualClock
    began = 0.0
    before: Callable[[str, str], Coroutine[Any, Any, None]] | None = None

    def listen(self) -> None:
        """Forget the requests; this is second 0."""
        self.requests: list[Recorded] = []
        self.began = self.clock.now()

    def named(self, user_agent: str) -> NotingClient:
        return self

    async def call(self, method: str, path: str, body: Json | None = None, **params: str | None) -> Json:
        if self.before is not None:
            await self.before(method, path)
        at, status = self.clock.now() - self.began, 200
        query = {name: value for name, value in params.items() if value is not None}
        try:
            return await super().call(method, path, body, **params)
        except ComputeRefusal as refusal:
            status = refusal.code
            raise
        finally:
            self.requests.append(Recorded(at, method, f"projects/proj-1/{path}", query, body, status, ""))


@dataclass
class Stage:
    """A cloud and the Kubernetes objects of one Shoot."""

    clock: VirtualClock
    compute: Compute
    store: KubeStore
    kube: KubeApi
    client: NotingClient
    latency: LatencyProfile
    fabric: Fabric
    chance: Chance
    shoot: Json

    async def reconcile(self, *, dual: bool) -> None:
        """One run of the flow, with the constraint of a migration if `dual`."""
        await Reconcile(self.client, self.kube, self.clock, self.infrastructure(), self._view(dual=dual)).run()

    async def delete(self) -> None:
        await Deletion(self.client, self.kube, self.clock, self.infrastructure(), self._view(dual=True)).run()

    def follow(self, requests: Sequence[Recorded]) -> None:
        """From now on, operations take the times of this recording, and second 0 is now."""
        assert isinstance(self.latency, RecordedLatency)
        self.latency.follow(requests)
        self.client.listen()

    def watch(self, workers: Iterable[Worker]) -> None:
        """Account for the traffic between every pair of workers from now on."""
        for worker in workers:
            self.fabric.traffic.join(self.clock.now(), worker.name, [worker.pod_cidr])
        self.fabric.rest(self.clock.now())
        self.fabric.traffic.mark(self.clock.now())

    def place(self, workers: Iterable[Worker]) -> None:
        for worker in workers:
            worlds.place_worker(self.compute, worker.name)
            worlds.place_route(self.compute, worker.route, worker.pod_cidr, worker.name)

    async def change(self, method: str, path: str, body: Json | None = None, **query: str) -> None:
        """A change by another client, to its end."""
        await self.client.wait(await self.client.call(method, path, body, **query))

    async def prepare(self, workers: Iterable[Worker]) -> None:
        """Flag, range and aliases, as they are made before a prepared migration."""
        await self._patch_nodes(allowSubnetCidrRoutesOverlap=True)
        await self._patch_nodes(secondaryIpRanges=[worlds.POD_RANGE])
        for worker in workers:
            path = f"{worlds.ZONE}/instances/{worker.name}"
            interface = (await self.client.call("GET", path))["networkInterfaces"][0]
            alias = {"ipCidrRange": worker.pod_cidr, "subnetworkRangeName": names.POD_RANGE_NAME}
            body = {"aliasIpRanges": [alias], "fingerprint": interface["fingerprint"]}
            await self.change("PATCH", f"{path}/updateNetworkInterface", body, networkInterface="nic0")

    async def _patch_nodes(self, **change: Any) -> None:
        subnet = await self.client.call("GET", worlds.NODES)
        await self.change("PATCH", worlds.NODES, {"fingerprint": subnet["fingerprint"], **change})

    async def subnet(self, purpose: str) -> Json:
        """The subnet `nodes` or `services`."""
        return await self.client.call("GET", f"{worlds.REGION}/subnetworks/{worlds.NAME}-{purpose}")

    def infrastructure(self) -> Json:
        name = self.shoot["metadata"]["name"]
        found = self.store.get(gardener_kinds.INFRASTRUCTURE, name, worlds.NAME)
        assert found is not None
        return found

    def _view(self, *, dual: bool) -> ShootView:
        families = ["IPv4", "IPv6"] if dual else ["IPv4"]
        spec = {**self.shoot["spec"], "networking": {**self.shoot["spec"]["networking"], "ipFamilies": families}}
        constraint = {"type": gardener_names.NODES_MIGRATION, "status": "Progressing"}
        return ShootView.of({**self.shoot, "spec": spec, "status": {"constraints": [constraint] if dual else []}})


@asynccontextmanager
async def stage(
    config: Json | None = None, *, seed: int = 0, latency: LatencyProfile | None = None
) -> AsyncIterator[Stage]:
    """An empty project, and the objects of the Shoot with this network configuration. Runs in a VirtualLoop."""
    clock, chance = VirtualClock(), Chance(seed)
    fabric, latency = Fabric(clock, chance), latency or RecordedLatency()
    shoot = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    shoot["spec"]["provider"]["infrastructureConfig"]["networks"] |= config or {}
    regions = {"europe-west1": ["europe-west1-b"]}
    compute = Compute(clock, chance, regions=regions, latency=latency, on_commit=fabric.on_commit)
    store = KubeStore(clock, chance)
    build(
        ApiServers.one(store),
        Compute(clock, chance, regions=regions),
        shoot,
        nodes=None,
        token_uri="",
        clock=clock,
        chance=chance,
    )
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        on_loopback(compute_app(compute)) as url,
        on_loopback(kube_app(store)) as kube_url,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        client = NotingClient(url, session, "proj-1", user_agent="provider-gcp")
        client.clock = clock
        client.listen()
        yield Stage(clock, compute, store, KubeApi(kube_url, session), client, latency, fabric, chance, shoot)


def in_virtual_time(act: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """The result of `act` in a loop in which only waiting takes time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(act())


# -- comparison


@dataclass(frozen=True)
class Sent:
    """A request without what differs between two runs: names of operations, fingerprints, numeric IDs, prefixes."""

    at: int
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: str
    status: int


def comparable(requests: Iterable[Recorded]) -> list[Sent]:
    """The requests in comparable form. `at` in whole seconds."""
    numbers: dict[str, str] = {}
    found = []
    for request in requests:
        parts = request.path.split("/")[2:]
        if is_by_number(request.path):
            parts[-1] = numbers.setdefault(parts[-1], f"number-{len(numbers)}")
        if request.operation:
            parts[-1] = "operation"
        query = {key: value for key, value in request.query.items() if key not in ("alt", "prettyPrint")}
        body = {key: value for key, value in (request.body or {}).items() if key != "fingerprint"}
        text = re.sub(r"2600:1900:[0-9a-f:]+/64", "prefix", repr(_sorted(body)))
        path, parameters = "/".join(parts), tuple(sorted(query.items()))
        found.append(Sent(int(request.at + 0.2), request.method, path, parameters, text, request.status))
    return found


def chains(sent: Iterable[Sent]) -> dict[str, list[Sent]]:
    """The requests of each part of the flow, which follow each other; those of different parts are concurrent.

    Deletions of routes are concurrent among each other, so they are sorted.
    """
    result: dict[str, list[Sent]] = defaultdict(list)
    for each in sent:
        result[_chain(each)].append(each)
    deletions = result.pop("routes DELETE", [])
    return {**result, "routes DELETE": sorted(deletions, key=lambda each: each.path)}


def _chain(each: Sent) -> str:
    parts = each.path.split("/")
    collection = parts[1] if parts[0] == "global" else parts[2]
    if collection == "operations":
        return f"{parts[0]} operations"
    if collection == "routes":
        return f"routes {each.method}"
    if collection == "subnetworks":
        name = parts[3] if len(parts) > 3 else re.findall(r"'name', '([^']+)'", each.body)[-1]
        return "prefixes" if name.startswith("number-") else f"subnetworks {name}"
    return collection


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _sorted(value[key])) for key in sorted(value)]
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value


# -- replay


async def replay(made: Stage, requests: Sequence[Recorded]) -> list[tuple[Recorded, int]]:
    """Send the recorded requests at their times; each with the status of the answer.

    Names of operations, numeric IDs, fingerprints and IPv6 prefixes are replaced by those of this cloud.
    """
    started, begin = started_operations(requests), made.clock.now()
    operations: dict[str, str] = {}
    numbers: dict[str, str] = {}
    answered = []
    for index, request in enumerate(requests):
        await made.clock.sleep(begin + request.at - made.clock.now())
        parts = [operations.get(part, part) for part in request.path.split("/")[2:]]
        if is_by_number(request.path):
            number = numbers.get(parts[-1]) or (await made.subnet(("nodes", "services")[len(numbers)]))["id"]
            numbers[parts[-1]], parts[-1] = number, number
        status, answer = 200, {}
        body = await _current(made, request, parts)
        try:
            answer = await made.client.call(request.method, "/".join(parts), body, **request.query)
        except ComputeRefusal as refusal:
            status = refusal.code
        answered.append((request, status))
        if index in started:
            operations[started[index]] = answer.get("name", "")
    return answered


async def _current(made: Stage, request: Recorded, parts: list[str]) -> Json | None:
    """The body with the fingerprint and the prefixes of this cloud."""
    body = request.body
    if body is None:
        return None
    if "fingerprint" in body:
        resource = await made.client.call("GET", "/".join(parts).removesuffix("/updateNetworkInterface"))
        body = body | {"fingerprint": resource.get("networkInterfaces", [resource])[0]["fingerprint"]}
    if request.path.endswith("firewalls") and body["name"].endswith("-allow-internal-access-ipv6"):
        subnets = [await made.subnet(purpose) for purpose in ("nodes", "services")]
        body = body | {"sourceRanges": [subnet["externalIpv6Prefix"] for subnet in subnets]}
    return body


_VOLATILE = frozenset({"id", "creationTimestamp", "fingerprint", "selfLinkWithId", "lastStartTimestamp"})


def settled(made: Stage) -> Any:
    """All resources once every operation has ended, without IDs, fingerprints and times."""
    made.compute.finish()
    return _without_volatile(made.compute.snapshot())


def _without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_volatile(entry) for key, entry in value.items() if key not in _VOLATILE}
    return [_without_volatile(entry) for entry in value] if isinstance(value, list) else value
