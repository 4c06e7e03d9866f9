"""Runs all actors of one world, and waits until the cluster is at rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from dualstack.model.conditions import is_true
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, POD, Kind, Manifest
from dualstack_sim.actors.context import Actor, ActorContext, run_actors
from dualstack_sim.actors.daemon_sets import DaemonSetController, eligible_nodes
from dualstack_sim.actors.deployments import DeploymentController
from dualstack_sim.actors.hosts import Guests
from dualstack_sim.actors.kubelet import Kubelet
from dualstack_sim.actors.pod_collector import PodCollector
from dualstack_sim.actors.pod_runner import PodRunner
from dualstack_sim.actors.prober import Prober
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.replica_sets import ReplicaSetController
from dualstack_sim.actors.scheduler import Scheduler
from dualstack_sim.actors.traffic_prober import TrafficProber


class NotAtRest(DualstackError):
    """The cluster did not come to rest in time; the message names what is not ready."""


class ActorGroup:
    """Runs the controllers of every cluster, and those of its platform, while it is entered."""

    def __init__(
        self, context: ActorContext, guests: Guests, platform_actors: Iterable[Actor], workloads: Sequence[Kind] = ()
    ) -> None:
        """workloads: the platform's own kinds whose replicas must be ready at rest."""
        self._context = context
        self._workloads = workloads
        scheduler, kubelet = Recorder(context, "default-scheduler"), Recorder(context, "kubelet")
        self._actors: list[Actor] = [
            scheduler,
            kubelet,
            DeploymentController(context),
            ReplicaSetController(context),
            DaemonSetController(context),
            Scheduler(context, scheduler),
            Kubelet(context, kubelet, guests),
            PodCollector(context),
            Prober(context),
            TrafficProber(context),
            *(_of_seed(context.seed, guests) if context.seed is not context else ()),
            *platform_actors,
        ]
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(run_actors(self._context, self._actors))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def settled(self, within: float) -> None:
        """Wait until every workload, pod and Node is ready. NotAtRest after `within` simulated seconds."""
        clock = self._context.clock
        deadline = clock.now() + within
        while waiting := _unready(self._context, self._workloads):
            if self._task is not None and self._task.done():
                self._task.result()
            if clock.now() > deadline:
                raise NotAtRest(f"after {within:.0f} simulated seconds still waiting for {', '.join(waiting[:10])}")
            await clock.sleep(5.0)


def _of_seed(seed: ActorContext, guests: Guests) -> list[Actor]:
    """What runs the control plane in a seed with an API server of its own."""
    recorder = Recorder(seed, "kubelet")
    hosts = {host.name: host for host in guests.hosts}
    return [
        recorder,
        DeploymentController(seed),
        ReplicaSetController(seed),
        PodRunner(seed, recorder, hosts, lambda _: None),
    ]


def _unready(context: ActorContext, kinds: Sequence[Kind]) -> list[str]:
    """The names of the Nodes, workloads and pods that are not ready."""
    nodes = context.informers.of(NODE).all()
    clusters = [context] if context.seed is context else [context, context.seed]
    pods = [each for cluster in clusters for each in cluster.informers.of(POD).all()]
    builtin = [cluster.informers.of(kind) for kind in (DEPLOYMENT, DAEMON_SET) for cluster in clusters]
    workloads = [each for known in (*builtin, *map(context.seed.informers.of, kinds)) for each in known.all()]
    if not nodes or not pods or not workloads:
        return ["the first nodes, pods and workloads"]
    waiting = [f"Node {node['metadata']['name']}" for node in nodes if not _ready(node)]
    waiting += [f"{each['kind']} {each['metadata']['name']}" for each in workloads if not _complete(each, nodes)]
    return waiting + [f"Pod {pod['metadata']['name']}" for pod in pods if not _ready(pod)]


def _ready(manifest: Manifest) -> bool:
    return is_true(manifest.get("status", {}).get("conditions", []), "Ready")


def _complete(workload: Manifest, nodes: Sequence[Manifest]) -> bool:
    status = workload.get("status", {})
    if workload["kind"] == DAEMON_SET.kind:
        wanted = len(eligible_nodes(workload["spec"]["template"], nodes))
        return bool(status.get("numberReady", 0) == wanted == status.get("updatedNumberScheduled", 0))
    wanted = workload["spec"].get("replicas", 1)
    return bool(status.get("readyReplicas", 0) == wanted == status.get("updatedReplicas", 0))
