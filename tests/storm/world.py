"""A whole Infrastructure reconcile in one process and in virtual time, without sockets: the same seed, the same result.

The product's controller runs against the simulated Compute Engine and the simulated Kubernetes store. A network problem
detector and cloud-controller-manager are played here, as far as a cut-over depends on them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from dualstack.cli.rehearsal.claims import Ledger
from dualstack.clock import rfc3339
from dualstack.gardener.controllers.infrastructure import InfrastructureController
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gce import ComputeClient, ComputeClients
from dualstack.gce.errors import no_answer, refusal
from dualstack.gce.workload_identity import Reread
from dualstack.model import kinds, names
from dualstack.model.conditions import HEARTBEAT_TIME, with_condition
from dualstack.model.errors import DualstackError
from dualstack.model.events import AnyEvent, OutageExpected, OutageMeasured, StepFinished, StepStarted
from dualstack.model.kinds import Manifest
from dualstack.operator.queue import delay_after
from dualstack_sim.actors.network_problem_detector import CONDITION, PERIOD, problems
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import ApiError, ConnectionCut
from dualstack_sim.compute.api.paths import locate
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.fabric import Fabric, LagProfile
from dualstack_sim.fabric.blackout import BrokenPair
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.faults import FaultPlan, FaultRule
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.gardener.builder import World, build
from dualstack_sim.world.nodes import WorldNode
from tests.storm.shoots import Shoot, example
from tests.support.clusters import one_api_server
from tests.support.ledger import ledger_of
from tests.support.store_kube import StoreKube
from tests.support.virtual_time import VirtualClock, VirtualLoop

GRACE = 20.0
"""Seconds for which the pod of cloud-controller-manager terminates."""
TOKENS = "http://127.0.0.1/"
"""Nothing asks there: `DirectCompute` is not authenticated."""
_encode = msgspec.json.encode


LONGEST = 60.0
"""Seconds for which the one node on trial may be unreachable."""
Result = TypeVar("Result")


def virtually(main: Callable[[], Awaitable[Result]]) -> Result:
    """Run `main` in virtual time."""

    async def run() -> Result:
        return await main()

    with asyncio.Runner(loop_factory=SocketlessLoop) as runner:
        return runner.run(run())


class SocketlessLoop(VirtualLoop):
    """Jumps to the next timer at once: no bytes are ever on their way through the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.jumping.grace = 0.0


class DirectCompute(ComputeClient):
    """The product's client, whose requests reach the simulated API without HTTP."""

    def __init__(self, compute: Compute, clock: VirtualClock) -> None:
        super().__init__(compute.project.name, clock)
        self._compute = compute

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str | None]
    ) -> dict[str, Any]:
        call = f"{method} {path}"
        root = f"/compute/v1/projects/{self.project}"
        given = {name: value for name, value in query.items() if value is not None}
        sent = msgspec.json.decode(_encode(body)) if body is not None else None
        try:
            address = locate(method, f"{root}/{path}" if path else root)
            answer = await self._compute.answer(address.method, address.scope, address.name, query=given, body=sent)
        except ConnectionCut as error:
            raise no_answer(OSError("connection cut"), call=call) from error
        except ApiError as refused:
            raise refusal(refused.status, refused.body(), call=call) from refused
        document: dict[str, Any] = msgspec.json.decode(_encode(answer))
        return document


class _Clients(ComputeClients):
    def __init__(self, client: ComputeClient, clock: VirtualClock) -> None:
        super().__init__(clock)
        self._client = client

    def of(self, secret: Mapping[str, Any], reread: Reread | None = None) -> ComputeClient:
        return self._client


@dataclass
class StormWorld:
    """One cluster. `events` are those of all processes, in order."""

    clock: VirtualClock
    compute: Compute
    store: KubeStore
    fabric: Fabric
    world: World
    client: DirectCompute
    options: dict[str, Any] = field(default_factory=dict)
    events: list[AnyEvent] = field(default_factory=list)
    errors: list[DualstackError] = field(default_factory=list)
    complaining: set[str] = field(default_factory=set)
    nodes: list[WorldNode] = field(default_factory=list)
    used_cidrs: set[str] = field(default_factory=set)
    """The pod CIDRs that a node has or had."""
    ending: set[str] = field(default_factory=set)
    """The nodes whose VMs were ended."""

    migrated: bool = False
    """Whether a reconcile has succeeded, after which machine classes create VMs with an alias."""
    began: float = 0.0

    def __post_init__(self) -> None:
        self.nodes += self.world.nodes
        self.used_cidrs |= {node.pod_cidr for node in self.nodes}

    @property
    def namespace(self) -> str:
        return self.world.technical_id

    @property
    def shoot(self) -> str:
        return str(self.world.shoot["metadata"]["name"])

    # -- the product

    def trigger(self, annotations: Mapping[str, str] | None = None) -> None:
        """The Shoot's owner adds IPv6."""
        shoot = self.store.patch(
            gardener_kinds.SHOOT,
            self.shoot,
            {
                "metadata": {"annotations": dict(annotations or {})},
                "spec": {"networking": {"ipFamilies": ["IPv4", "IPv6"]}},
            },
            self.world.shoot["metadata"]["namespace"],
        )
        self.store.patch(gardener_kinds.CLUSTER, self.namespace, {"spec": {"shoot": shoot}})
        self.request()

    def request(self) -> None:
        """Request a reconcile by Gardener's annotations."""
        annotations = {
            gardener_names.OPERATION: gardener_names.RECONCILE,
            gardener_names.TIMESTAMP: rfc3339(self.clock.now(), fraction=True),
        }
        self.store.patch(
            gardener_kinds.INFRASTRUCTURE, self.shoot, {"metadata": {"annotations": annotations}}, self.namespace
        )

    def new_generation(self) -> None:
        """The Shoot's owner requests another try."""
        cluster = self.store.get(gardener_kinds.CLUSTER, self.namespace)
        assert cluster is not None
        shoot = cluster["spec"]["shoot"]
        metadata = {**shoot["metadata"], "generation": shoot["metadata"].get("generation", 1) + 1}
        self.store.patch(gardener_kinds.CLUSTER, self.namespace, {"spec": {"shoot": {**shoot, "metadata": metadata}}})

    async def reconcile(self, emit: Callable[[AnyEvent], None] | None = None) -> DualstackError | None:
        """One reconcile by a new process; its error."""
        self.request()
        try:
            await self._process(emit).reconcile(self.shoot, self.namespace)
        except DualstackError as error:
            self.errors.append(error)
            return error
        self.migrated = True
        return None

    def _process(self, emit: Callable[[AnyEvent], None] | None = None) -> InfrastructureController:
        clients = _Clients(self.client, self.clock)
        kube = one_api_server(StoreKube(self.store))
        return InfrastructureController(kube, clients, self.clock, emit or self.events.append, **self.options)

    @asynccontextmanager
    async def nodes_followed(self) -> AsyncIterator[None]:
        """After a success, the operator's watch of the Nodes: what is due when one has joined."""
        following = asyncio.ensure_future(self._follow_nodes())
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    async def _follow_nodes(self) -> None:
        controller, known, again = self._process(), set[str](), 0.0
        while True:
            nodes = {str(node["metadata"]["name"]) for node in self.store.list(kinds.NODE)}
            if nodes != known or self.clock.now() >= again:
                due = await controller.reconcile(self.shoot, self.namespace)
                known, again = nodes, math.inf if due is None else self.clock.now() + due
            await self.clock.sleep(1.0)

    async def killed_at(self, step: str, occurrence: int = 1, after: float = 0.0) -> bool:
        """Reconcile, and end like a killed process `after` seconds into a step; whether it was reached."""
        reached, seen = asyncio.Event(), 0

        def listen(event: AnyEvent) -> None:
            nonlocal seen
            self.events.append(event)
            if isinstance(event, StepStarted) and event.step == step:
                seen += 1
                if seen == occurrence:
                    reached.set()

        process = asyncio.ensure_future(self.reconcile(listen))
        waiting = asyncio.ensure_future(reached.wait())
        await asyncio.wait({process, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not process.done():
            await self.clock.sleep(after)
        process.cancel()
        await asyncio.gather(process, return_exceptions=True)
        return reached.is_set()

    async def operate(self, *, attempts: int = 6, seconds: float = 4 * 3600.0) -> bool:
        """Reconcile as the operator's queue does, until a success; whether there was one."""
        end, failures = self.clock.now() + seconds, 0
        while self.clock.now() < end and failures < attempts:
            error = await self.reconcile()
            if error is None:
                return True
            failures += 1
            await self.clock.sleep(delay_after(error, failures))
        return False

    # -- the surroundings

    def complain(self, name: str) -> None:
        """From now on the Node reports a network problem, whatever the network does."""
        self.complaining.add(name)

    async def add_range(self, name: str, cidr: str) -> None:
        """Add a secondary range to the nodes subnet, as its owner does."""
        region, subnet = f"regions/{self.world.shoot['spec']['region']}", await self.subnet()
        ranges = [*(subnet.get("secondaryIpRanges") or ()), {"rangeName": name, "ipCidrRange": cidr}]
        body = {"secondaryIpRanges": ranges, "fingerprint": subnet["fingerprint"]}
        await self.compute.answer("subnetworks.patch", region, subnet["name"], body=body)
        await self.clock.sleep(60.0)

    def steps(self) -> list[str]:
        """The steps that were started, in order."""
        return [event.step for event in self.events if isinstance(event, StepStarted)]

    # -- what is there

    def infrastructure(self) -> Manifest:
        found = self.store.get(gardener_kinds.INFRASTRUCTURE, self.shoot, self.namespace)
        assert found is not None
        return found

    def controller_stopped(self) -> bool:
        resource = self.store.get(
            gardener_kinds.MANAGED_RESOURCE, gardener_names.MANAGED_RESOURCE_CONTROL_PLANE, self.namespace
        )
        annotations = ((resource or {}).get("metadata") or {}).get("annotations") or {}
        return annotations.get(gardener_names.IGNORE) == "true"

    async def subnet(self) -> dict[str, Any]:
        region = self.world.shoot["spec"]["region"]
        return await self.compute.answer(
            "subnetworks.get", f"regions/{region}", gardener_names.nodes_subnet(self.namespace)
        )

    async def routes(self) -> set[str]:
        """The names of the VMs to which a node route leads."""
        listed = await self.compute.answer("routes.list", "global")
        return {
            route["nextHopInstance"].rpartition("/")[2]
            for route in listed.get("items", ())
            if route.get("description") == names.ROUTE_DESCRIPTION
        }

    async def aliases(self) -> dict[str, str]:
        """The alias in the pod range of each VM that has one."""
        found: dict[str, str] = {}
        for zone in sorted({node.zone for node in (*self.world.nodes, *self.nodes)}):
            listed = await self.compute.answer("instances.list", f"zones/{zone}")
            for vm in listed.get("items", ()):
                for alias in vm["networkInterfaces"][0].get("aliasIpRanges") or ():
                    if alias.get("subnetworkRangeName") == names.POD_RANGE_NAME:
                        found[vm["name"]] = alias["ipCidrRange"]
        return found

    def broken(self) -> tuple[BrokenPair, ...]:
        """The IPv4 pairs that lost connectivity so far, the longest blackout first."""
        return tuple(pair for pair in self._without_connectivity() if pair.seconds)

    def longest_wait(self) -> float:
        """The longest time for which the pods of a node that joined have waited for their first contact, in seconds."""
        return max((pair.waited for pair in self._without_connectivity()), default=0.0)

    def _without_connectivity(self) -> tuple[BrokenPair, ...]:
        pairs = self.fabric.traffic.report(self.clock.now()).broken_pairs
        return tuple(pair for pair in pairs if pair.family == 4)

    def ledger(self) -> Ledger:
        """What the simulated network has recorded of outages so far."""
        return ledger_of(self.fabric, self.clock.now())

    def longest_step(self, *steps: str) -> float:
        """Seconds of the longest of these steps; 0 if none has ended."""
        began, longest = dict[str, float](), 0.0
        for event in self.events:
            if isinstance(event, StepStarted):
                began[event.step] = event.at
            elif isinstance(event, StepFinished) and event.step in steps:
                longest = max(longest, event.at - began[event.step])
        return longest

    def measured(self) -> list[OutageMeasured]:
        """The outages that the product has measured."""
        return [event for event in self.events if isinstance(event, OutageMeasured)]

    def at_most(self) -> float:
        """The longest outage that was announced, in seconds."""
        return max((event.at_most for event in self.events if isinstance(event, OutageExpected)), default=0.0)

    def dark(self) -> set[tuple[str, str]]:
        """The pairs without connectivity now."""
        return set(self.fabric.traffic.unreachable_pairs(self.clock.now()))

    def longest(self) -> float:
        """The longest blackout of a pair so far, in seconds."""
        broken = self.broken()
        return broken[0].seconds if broken else 0.0

    # -- what else runs

    async def detect(self) -> None:
        """The network problem detector, until cancelled."""
        reported: set[str] = set()
        while True:
            nodes = [str(node["metadata"]["name"]) for node in self.store.list(kinds.NODE)]
            found = problems(self.fabric.traffic.unreachable_pairs(self.clock.now()), nodes)
            found |= dict.fromkeys(self.complaining, "pods do not reach others")
            for name in sorted(found.keys() | reported):
                node = self.store.get(kinds.NODE, name)
                if node is not None and (name in found) != (name in reported):
                    status, reason = (
                        ("True", "FailedNetworkChecks") if name in found else ("False", "NoNetworkProblems")
                    )
                    conditions = with_condition(
                        (node.get("status") or {}).get("conditions") or [],
                        CONDITION,
                        status,
                        reason,
                        found.get(name, "no cluster network problems"),
                        now=self.clock.now(),
                        update_key=HEARTBEAT_TIME,
                    )
                    self.store.patch(kinds.NODE, name, {"status": {"conditions": conditions}}, subresource="status")
            reported = set(found)
            await self.clock.sleep(PERIOD)

    async def control_routes(self) -> None:
        """The pod of cloud-controller-manager, and its route controller while it runs; until cancelled."""
        running_until: float | None = None
        while True:
            if self.controller_stopped():
                running_until = running_until or self.clock.now() + GRACE
                if self.clock.now() >= running_until:
                    self._pod(there=False)
            else:
                running_until = None
                self._scale_up()
                self._pod(there=True)
                await self._reconcile_routes()
            await self.clock.sleep(2.0)

    def _scale_up(self) -> None:
        deployment = self.store.get(kinds.DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, self.namespace)
        if deployment is not None and not deployment["spec"].get("replicas", 1):
            self.store.patch(
                kinds.DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, {"spec": {"replicas": 1}}, self.namespace
            )

    def _pod(self, *, there: bool) -> None:
        name = "cloud-controller-manager-0"
        deployment = self.store.get(kinds.DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, self.namespace)
        exists = self.store.get(kinds.POD, name, self.namespace) is not None
        if deployment is None or there == exists:
            return
        if not there:
            self.store.delete(kinds.POD, name, self.namespace)
            return
        labels = deployment["spec"]["selector"]["matchLabels"]
        metadata = {"name": name, "namespace": self.namespace, "labels": labels}
        containers = {"containers": [{"name": "ccm", "image": "ccm"}]}
        self.store.upsert(kinds.POD, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": containers})

    async def _reconcile_routes(self) -> None:
        """Create the missing routes, and delete those of nodes that are gone."""
        listed = await self.compute.answer("routes.list", "global")
        present = {node.name for node in self.nodes}
        for route in listed.get("items", ()):
            stale = route["nextHopInstance"].rpartition("/")[2] not in present if "nextHopInstance" in route else False
            if stale and route.get("description") == names.ROUTE_DESCRIPTION:
                with suppress(ApiError, ConnectionCut):
                    await self.compute.answer("routes.delete", "global", route["name"])
        present, aliased = await self.routes(), await self.aliases()
        for node in self.nodes:
            if node.name in present or node.name in aliased:
                continue
            with_vm = f"zones/{node.zone}/instances/{node.name}"
            body = {
                "name": names.route(self.namespace, node.uid),
                "description": names.ROUTE_DESCRIPTION,
                "network": self.world.network,
                "destRange": node.pod_cidr,
                "nextHopInstance": f"projects/{self.world.project}/{with_vm}",
                "priority": names.ROUTE_PRIORITY,
            }
            try:
                await self.compute.answer("routes.insert", "global", body=body)
            except (ApiError, ConnectionCut):
                continue


@asynccontextmanager
async def storm_world(
    *rules: FaultRule,
    nodes: int = 3,
    seed: int = 1,
    shoot: Shoot | None = None,
    knobs: Knobs | None = None,
    fabric_knobs: FabricKnobs | None = None,
    lag: LagProfile | None = None,
    latency: LatencyProfile | None = None,
    quotas: Limits | None = None,
    on_commit: Callable[[Commit], None] | None = None,
    **options: Any,
) -> AsyncIterator[StormWorld]:
    """A cluster at rest on its routes; must run in a `SocketlessLoop`. options: of the controller."""
    clock, chance = VirtualClock(), Chance(seed)
    shoot = shoot or example()
    zones = sorted({zone for pool in shoot["spec"]["provider"]["workers"] for zone in pool["zones"]})
    fabric = Fabric(clock, chance, lag, knobs=fabric_knobs)

    def committed(commit: Commit) -> None:
        fabric.on_commit(commit)
        if on_commit is not None:
            on_commit(commit)

    faults = FaultPlan([], chance, clock)
    compute = Compute(
        clock,
        chance,
        regions={shoot["spec"]["region"]: zones},
        knobs=knobs,
        quotas=quotas,
        latency=latency,
        on_commit=committed,
        faults=faults,
    )
    store = KubeStore(clock, chance)
    world = build(ApiServers.one(store), compute, shoot, nodes=nodes, token_uri=TOKENS, clock=clock, chance=chance)
    for node in world.nodes:
        fabric.traffic.join(clock.now(), node.name, [node.pod_cidr])
    fabric.rest(clock.now())
    fabric.traffic.mark(clock.now())
    faults.declare(list(rules))
    client = DirectCompute(compute, clock)
    made = StormWorld(clock, compute, store, fabric, world, client, options=options)
    made.trigger()
    actors = [asyncio.ensure_future(made.detect()), asyncio.ensure_future(made.control_routes())]
    try:
        made.began = clock.now()
        await clock.sleep(1.0)
        yield made
    finally:
        for actor in actors:
            actor.cancel()
        ended = await asyncio.gather(*actors, return_exceptions=True)
        await client.close()
        await compute.close()
    assert [error for error in ended if not isinstance(error, asyncio.CancelledError)] == []
