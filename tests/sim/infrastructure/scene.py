"""The golden scenario's cluster on both simulated servers, and the controller against their HTTP end points."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from dualstack.cli.rehearsal.claims import Ledger
from dualstack.cli.rehearsal.processes import running
from dualstack.clock import Clock, ScaledClock, rfc3339
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.infrastructure import InfrastructureController
from dualstack.gardener.controllers.infrastructure.halt import HALTED
from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gce import ComputeClients
from dualstack.kube.client import LightkubeKube
from dualstack.kube.interface import Kube
from dualstack.model import kinds, names
from dualstack.model.events import AnyEvent, PhaseFinished, PhaseStarted, StepStarted
from dualstack.model.kinds import SECRET, Manifest
from dualstack.model.workloads import flags_of, with_flags
from dualstack.plan.settings import Settings
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app as compute_app
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.fabric import Fabric
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.faults import FaultPlan, FaultRule
from dualstack_sim.kube.server import create_app as kube_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.gardener.builder import World, build
from dualstack_sim.world.gardener.credentials import shoot_access
from tests.support.clusters import one_api_server
from tests.support.controller_pods import ControllerPods
from tests.support.ledger import ledger_of
from tests.support.loopback import connection, on_loopback
from tests.support.store_kube import StoreKube
from tests.support.virtual_time import VirtualClock

EXAMPLES = Path(__file__).parents[3] / "examples"
NS = "shoot--foo--bar"
PROBER_IMAGE = "registry.example/dualstack:1"
SUBNET = "regions/europe-west1"
ZONE = "zones/europe-west1-b"


@dataclass
class Scene:
    """One cluster. The pods of the cloud-controller-manager, `pods`, are the only ones."""

    clock: Clock
    compute: Compute
    store: KubeStore
    fabric: Fabric
    faults: FaultPlan
    world: World
    kubernetes_url: str
    compute_url: str
    kube: Kube
    clients: ComputeClients
    pods: ControllerPods
    clusters: Clusters
    garden: KubeStore
    """`store`, unless the API servers are separate."""
    prober_image: str = ""
    events: list[AnyEvent] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        return self.world.technical_id

    @property
    def shoot(self) -> str:
        return str(self.world.shoot["metadata"]["name"])

    @property
    def scaled_clock(self) -> ScaledClock:
        """The clock, for other processes."""
        assert isinstance(self.clock, ScaledClock)
        return self.clock

    @property
    def kube_over_http(self) -> LightkubeKube:
        """The product's client, which can watch; for a scene with `dress`."""
        assert isinstance(self.kube, LightkubeKube)
        return self.kube

    def controller(self, **options: Any) -> InfrastructureController:
        """A controller of its own, as after a restart of the process."""
        emit = options.pop("emit", self.events.append)
        return InfrastructureController(
            options.pop("clusters", self.clusters), self.clients, self.clock, emit, **options
        )

    async def reconcile(self, **options: Any) -> float | None:
        """One reconcile by a controller of its own, with short barriers unless `options` say otherwise."""
        controller = self.controller(**{"settings": QUICK, "prober_image": self.prober_image} | options)
        return await controller.reconcile(self.shoot, self.namespace)

    async def until(self, look: Callable[[], bool], within: float) -> None:
        """Return once `look` is true; it must be within so many seconds of the clock."""
        deadline = self.clock.now() + within
        while not look():
            assert self.clock.now() < deadline, self.infrastructure()
            await self.clock.sleep(5.0)

    async def refusal(self, **options: Any) -> str:
        """One reconcile that does not succeed; what it says."""
        with pytest.raises(TaskFailed) as stopped:
            await self.reconcile(**options)
        return str(stopped.value)

    async def stopped_at(self, step: str, *, after: float = 0.01) -> None:
        """Reconcile, and `after` seconds into `step` stop as the operator does after SIGTERM."""
        stopping = asyncio.Event()
        await self.killed_at(step, after=after, stop=stopping.set, stopping=stopping.is_set)

    async def killed_at(
        self, step: str, *, after: float = 0.0, stop: Callable[[], None] = lambda: None, **options: Any
    ) -> None:
        """Reconcile, and `after` seconds into `step` end there as a killed process does."""
        reached = asyncio.Event()

        def listen(event: AnyEvent) -> None:
            self.events.append(event)
            if isinstance(event, StepStarted) and event.step == step and not reached.is_set():
                reached.set()
                if not after:
                    raise asyncio.CancelledError  # before anything of the step is done

        process = asyncio.create_task(self.reconcile(emit=listen, **options))
        waiting = asyncio.create_task(reached.wait())
        await asyncio.wait({process, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        assert reached.is_set(), f"the reconcile ended before {step}"
        await self.clock.sleep(after)
        stop()
        process.cancel()
        await asyncio.gather(process, return_exceptions=True)
        assert process.cancelled()

    def trigger(
        self, *, families: tuple[str, ...] = ("IPv4", "IPv6"), annotations: dict[str, str] | None = None
    ) -> None:
        """What the shoot controller does before the Infrastructure's turn: Shoot, Cluster, annotations."""
        metadata = {"annotations": annotations or {}}
        shoot = self.garden.patch(
            gardener_kinds.SHOOT,
            self.shoot,
            {"metadata": metadata, "spec": {"networking": {"ipFamilies": list(families)}}},
            self.world.shoot["metadata"]["namespace"],
        )
        self.store.patch(gardener_kinds.CLUSTER, self.namespace, {"spec": {"shoot": shoot}})
        self.request()

    def annotate(self, name: str, value: str | None) -> None:
        """Annotate the Shoot, and write the Cluster, as gardenlet does in its next reconcile."""
        namespace = self.world.shoot["metadata"]["namespace"]
        change = {"metadata": {"annotations": {name: value}}}
        shoot = self.store.patch(gardener_kinds.SHOOT, self.shoot, change, namespace)
        cluster = self.store.get(gardener_kinds.CLUSTER, self.namespace)
        assert cluster is not None
        self.store.upsert(gardener_kinds.CLUSTER, {**cluster, "spec": {**cluster["spec"], "shoot": shoot}})

    def request(self) -> None:
        """Request a reconcile with Gardener's annotations."""
        annotations = {
            gardener_names.OPERATION: gardener_names.RECONCILE,
            gardener_names.TIMESTAMP: rfc3339(self.clock.now(), fraction=True),
        }
        self.store.patch(
            gardener_kinds.INFRASTRUCTURE, self.shoot, {"metadata": {"annotations": annotations}}, self.namespace
        )

    def retry(self) -> None:
        """Request another attempt after a cut-over that failed for good, as its error says."""
        note = {"metadata": {"annotations": {HALTED: None}}}
        self.store.patch(gardener_kinds.INFRASTRUCTURE, self.shoot, note, self.namespace)
        self.request()

    def infrastructure(self) -> Manifest:
        found = self.store.get(gardener_kinds.INFRASTRUCTURE, self.shoot, self.namespace)
        assert found is not None
        return found

    def controller_manager_is_ignored(self) -> bool:
        """Whether the ManagedResource of the cloud-controller-manager carries Gardener's two annotations."""
        resource = self.store.get(
            gardener_kinds.MANAGED_RESOURCE, gardener_names.MANAGED_RESOURCE_CONTROL_PLANE, self.namespace
        )
        assert resource is not None
        annotations = resource["metadata"].get("annotations") or {}
        return annotations.get(gardener_names.IGNORE) == annotations.get(gardener_names.REMOVE_IGNORE) == "true"

    def controller_manager(self) -> Manifest:
        """The Deployment of the cloud-controller-manager."""
        deployment = self.store.get(kinds.DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, self.namespace)
        assert deployment is not None
        return deployment

    def creates_routes(self) -> bool:
        """Whether the cloud-controller-manager runs and creates routes."""
        deployment = self.controller_manager()
        return deployment["spec"]["replicas"] > 0 and flags_of(deployment)["configure-cloud-routes"] == "true"

    def start_routes(self) -> None:
        """Let the cloud-controller-manager create routes again, as another writer may."""
        change = {"configure-cloud-routes": "true"}
        deployment = with_flags(self.controller_manager(), names.CLOUD_CONTROLLER_MANAGER, "cluster-cidr", change)
        self.store.patch(kinds.DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, {"spec": deployment["spec"]}, self.namespace)

    def lost(self) -> float:
        """The longest blackout of any pair so far, in seconds."""
        return float(self.fabric.traffic.report(self.clock.now()).blackout_seconds["max"])

    def ledger(self) -> Ledger:
        """What the simulated network has recorded of outages so far."""
        return ledger_of(self.fabric, self.clock.now())

    def mutations(self) -> int:
        return int(self.compute.statistics()["mutations"])

    async def resource(self, method: str, scope: str, name: str) -> dict[str, Any]:
        return await self.compute.answer(method, scope, name)

    async def change(
        self, method: str, scope: str, name: str, *, query: dict[str, str] | None = None, **body: Any
    ) -> None:
        """A mutation by another client, to its end."""
        operation = await self.compute.answer(method, scope, name, query=query, body=body)
        kind = {"z": "zoneOperations", "r": "regionOperations", "g": "globalOperations"}[scope[0]]
        while operation["status"] != "DONE":
            operation = await self.compute.answer(f"{kind}.wait", scope, operation["name"])

    async def subnet(self, name: str = f"{NS}-nodes") -> dict[str, Any]:
        return await self.resource("subnetworks.get", SUBNET, name)

    async def node_routes(self) -> list[dict[str, Any]]:
        listed = await self.compute.answer("routes.list", "global")
        return [route for route in listed.get("items", ()) if route["description"] == names.ROUTE_DESCRIPTION]

    def steps(self) -> list[str]:
        """The steps that were started, in order, without barriers and gates."""
        started = [event.step for event in self.events if isinstance(event, StepStarted)]
        return [step for step in started if not step.startswith(("barrier-", "gate-"))]

    def phases(self) -> list[tuple[str, str]]:
        """("started" or "finished", phase), in order."""
        words = {PhaseStarted: "started", PhaseFinished: "finished"}
        return [
            (words[type(event)], event.phase)
            for event in self.events
            if isinstance(event, PhaseStarted | PhaseFinished)
        ]


def _separate(seed: KubeStore, garden: KubeStore, shoot: KubeStore) -> Clusters:
    of_shoot = StoreKube(shoot)
    return Clusters(garden=StoreKube(garden), seed=StoreKube(seed), shoot=lambda _: of_shoot)


@asynccontextmanager
async def scene(
    *rules: FaultRule,
    nodes: int | None = None,
    example: str = "shoot.yaml",
    empty: bool = False,
    speed: float | None = None,
    seed: int = 3,
    knobs: Knobs | None = None,
    fabric_knobs: FabricKnobs | None = None,
    quotas: Limits | None = None,
    latency: LatencyProfile | None = None,
    dress: Callable[[web.Application], None] | None = None,
    separate: bool = False,
    prober_image: str = "",
) -> AsyncIterator[Scene]:
    """Both servers on loopback, with the cluster at rest; `empty`: a project in which nothing has been created yet.

    `dress` sees both applications before they serve; only with it, the product reaches Kubernetes over HTTP. speed: of
    a clock that other processes can follow; without it the time is virtual, and the test must run in a `VirtualLoop`.
    separate: garden and shoot have API servers of their own, and `store` is that of the seed.
    """
    clock = VirtualClock() if speed is None else ScaledClock(time.time(), speed)
    chance = Chance(seed)
    fabric = Fabric(clock, chance, knobs=fabric_knobs)
    manifest = yaml.safe_load((EXAMPLES / example).read_text(encoding="utf-8"))
    zones = sorted({zone for pool in manifest["spec"]["provider"]["workers"] for zone in pool["zones"]})
    faults = FaultPlan(list(rules), chance, clock)
    compute = Compute(
        clock,
        chance,
        regions={manifest["spec"]["region"]: zones},
        knobs=knobs,
        quotas=quotas,
        latency=latency,
        on_commit=fabric.on_commit,
        faults=faults,
    )
    store = KubeStore(clock, chance)
    built = Compute(clock, chance, regions=compute.project.regions) if empty else compute
    applications = compute_app(compute), kube_app(store)
    async with AsyncExitStack() as stack:
        if dress is not None:
            for application in applications:
                dress(application)
        compute_url, kubernetes_url = [await stack.enter_async_context(on_loopback(each)) for each in applications]
        others = (KubeStore(clock, chance), KubeStore(clock, chance)) if separate else (store, store)
        world = build(
            ApiServers(garden=others[0], seed=store, shoot=others[1]),
            built,
            manifest,
            nodes=nodes,
            token_uri=f"{compute_url}/token",
            clock=clock,
            chance=chance,
        )
        store.create(SECRET, shoot_access(world.technical_id, kubernetes_url))
        for node in () if empty else world.nodes:
            fabric.traffic.join(clock.now(), node.name, [node.pod_cidr])
        fabric.rest(clock.now())
        fabric.traffic.mark(clock.now())
        kube: Kube = StoreKube(store)
        if dress is not None:
            kube = client = LightkubeKube.connect(connection(kubernetes_url))
            stack.push_async_callback(client.close)
        clients = ComputeClients(clock, endpoint=compute_url)
        stack.push_async_callback(clients.close)
        made = Scene(
            clock,
            compute,
            store,
            fabric,
            faults,
            world,
            kubernetes_url,
            compute_url,
            kube,
            clients,
            pods=ControllerPods(store, clock, world.technical_id),
            clusters=_separate(store, *others) if separate else one_api_server(kube),
            garden=others[0],
            prober_image=prober_image,
        )
        await stack.enter_async_context(running(made.pods.run()))
        yield made


QUICK = Settings(
    barrier_flag=65.0,
    barrier_range_canary=65.0,
    barrier_range=65.0,
    barrier_canary=65.0,
    soak_aliases=70.0,
    barrier_route_canary=65.0,
    barrier_routes=65.0,
    watch_every=10.0,
)
"""Barriers just above the slowest host of the simulated fabric, and fewer looks at a node on trial."""
