"""All actors of one world, and the moment at which they have brought it to rest."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

import aiohttp

from dualstack.clock import Clock
from dualstack.gardener.model.kinds import MACHINE_DEPLOYMENT
from dualstack.model.conditions import is_true
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, POD, Manifest
from dualstack_sim.actors.api import Actor, ActorContext, ComputeApi, Endpoints, KubeApi, run_actors
from dualstack_sim.actors.cloud_controller_manager import CloudControllerManager
from dualstack_sim.actors.daemon_sets import DaemonSetController
from dualstack_sim.actors.deployments import DeploymentController
from dualstack_sim.actors.kubelet import Kubelet
from dualstack_sim.actors.machine_controller import MachineController
from dualstack_sim.actors.network_problem_detector import NetworkProblemDetector
from dualstack_sim.actors.pod_collector import PodCollector
from dualstack_sim.actors.prober import Prober
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.replica_sets import ReplicaSetController
from dualstack_sim.actors.resource_manager import ResourceManager
from dualstack_sim.actors.scheduler import Scheduler
from dualstack_sim.chance import Chance


class NotAtRest(DualstackError):
    """The cluster did not come to rest in time; the message names what is not ready."""


class ActorGroup:
    """Runs every actor while it is entered. Actors reach both APIs over HTTP, as the real components do."""

    def __init__(
        self,
        *,
        kubernetes: str,
        compute: str,
        clock: Clock,
        chance: Chance,
        project: str,
        namespace: str,
        shoot: str,
        endpoints: Endpoints,
    ) -> None:
        self._urls = kubernetes, compute
        self._clock = clock
        self._chance = chance
        self._project = project
        self._namespace = namespace
        self._shoot = shoot
        self._endpoints = endpoints
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._context: ActorContext | None = None

    async def __aenter__(self) -> Self:
        kubernetes, compute = self._urls
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._context = context = ActorContext(
            kube=KubeApi(kubernetes, self._session),
            compute=ComputeApi(compute, self._session, self._project),
            clock=self._clock,
            chance=self._chance,
            namespace=self._namespace,
            shoot=self._shoot,
            endpoints=self._endpoints,
        )
        scheduler, kubelet = Recorder(context, "default-scheduler"), Recorder(context, "kubelet")
        actors: list[Actor] = [
            scheduler,
            kubelet,
            DeploymentController(context),
            ReplicaSetController(context),
            DaemonSetController(context),
            Scheduler(context, scheduler),
            Kubelet(context, kubelet),
            PodCollector(context),
            ResourceManager(context),
            CloudControllerManager(context),
            MachineController(context),
            NetworkProblemDetector(context),
            Prober(context),
        ]
        self._task = asyncio.create_task(run_actors(context, actors))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._session is not None:
            await self._session.close()

    async def settled(self, within: float) -> None:
        """Return when every workload and Node is ready; NotAtRest after `within` simulated seconds."""
        if self._context is None or self._task is None:
            raise NotAtRest("the actors have not been started")
        deadline = self._clock.now() + within
        while waiting := _unready(self._context):
            if self._task.done():
                self._task.result()
            if self._clock.now() > deadline:
                raise NotAtRest(f"after {within:.0f} simulated seconds still waiting for {', '.join(waiting[:10])}")
            await self._clock.sleep(2.0)


def _unready(context: ActorContext) -> list[str]:
    """What is not as its specification wants it; the names of kinds that have not been heard of yet included."""
    informers = context.informers
    nodes, pods = informers.of(NODE).all(), informers.of(POD).all()
    workloads = [
        *informers.of(DEPLOYMENT).all(),
        *informers.of(DAEMON_SET).all(),
        *informers.of(MACHINE_DEPLOYMENT).all(),
    ]
    if not nodes or not pods or not workloads:
        return ["the first nodes, pods and workloads"]
    waiting = [f"Node {node['metadata']['name']}" for node in nodes if not _ready(node)]
    waiting += [f"{each['kind']} {each['metadata']['name']}" for each in workloads if not _complete(each, len(nodes))]
    return waiting + [f"Pod {pod['metadata']['name']}" for pod in pods if not _ready(pod)]


def _ready(manifest: Manifest) -> bool:
    return is_true(manifest.get("status", {}).get("conditions", []), "Ready")


def _complete(workload: Manifest, nodes: int) -> bool:
    status = workload.get("status", {})
    if workload["kind"] == DAEMON_SET.kind:
        return bool(status.get("numberReady", 0) == nodes == status.get("updatedNumberScheduled", 0))
    wanted = workload["spec"].get("replicas", 1)
    return bool(status.get("readyReplicas", 0) == wanted == status.get("updatedReplicas", 0))
