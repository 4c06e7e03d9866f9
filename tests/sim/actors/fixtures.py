"""Both simulated APIs over HTTP, objects to create in them, and the actors under test."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from dualstack.clock import Clock, ScaledClock
from dualstack.model.kinds import CONFIG_MAP, CRD, DAEMON_SET, DEPLOYMENT, NAMESPACE, NODE, POD, Kind, Manifest
from dualstack_sim.actors.compute_api import ComputeApi
from dualstack_sim.actors.context import Actor, ActorContext, run_actors
from dualstack_sim.actors.daemon_sets import DaemonSetController
from dualstack_sim.actors.deployments import DeploymentController
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.kubelet import Kubelet
from dualstack_sim.actors.pod_collector import PodCollector
from dualstack_sim.actors.pods import controller_of
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.replica_sets import ReplicaSetController
from dualstack_sim.actors.scheduler import Scheduler
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.api.server import create_app as compute_app
from dualstack_sim.kube.server import create_app as kube_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions
from dualstack_sim.world.gardener.guests import ShootGuests
from tests.support.loopback import on_loopback
from tests.support.virtual_time import VirtualClock

NS = "shoot--foo--bar"
TIMEOUT = 60.0
ZONE = "zones/europe-west1-b"
TAGS = [NS, f"kubernetes-io-cluster-{NS}", "kubernetes-io-role-node"]
TOLERATE_ALL = [{"operator": "Exists"}]

Result = TypeVar("Result")
Actors = Callable[[ActorContext], Sequence[Actor]]


@dataclass
class Traffic:
    """Records the end points that join and leave."""

    joined: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    stealing: set[str] = field(default_factory=set)
    unseen: list[tuple[str, str]] = field(default_factory=list)
    watcher: Callable[[int, tuple[str, str], float, float], None] | None = None
    broken: dict[int, dict[tuple[str, str], float]] = field(default_factory=dict)

    def join(self, at: float, host: str, cidrs: Sequence[str], *, steals_aliases: bool = False) -> None:
        assert at > 0
        self.joined[host] = tuple(cidrs)
        if steals_aliases:
            self.stealing.add(host)

    def leave(self, at: float, host: str) -> None:
        assert at > 0
        self.left.append(host)

    def reaches(self, at: float, host: str, address: str) -> bool:
        return False

    def watch(self, ended: Callable[[int, tuple[str, str], float, float], None] | None) -> None:
        self.watcher = ended

    def lasting(self, at: float) -> dict[int, dict[tuple[str, str], float]]:
        return self.broken

    def unreachable_pairs(self, at: float) -> Sequence[tuple[str, str]]:
        assert at > 0
        return self.unseen


@dataclass
class ActorsFixture:
    store: KubeStore
    compute: Compute
    clock: Clock
    context: ActorContext
    traffic: Traffic

    async def eventually(self, look: Callable[[], Result | None]) -> Result:
        """Wait until `look` returns a true value, and return it.

        Fails after a minute of wall-clock time.
        """
        deadline = time.monotonic() + TIMEOUT
        while True:
            seen = look()
            if seen:
                return seen
            assert time.monotonic() < deadline, "it did not happen"
            await self.clock.sleep(1.0)

    async def throughout(self, look: Callable[[], bool], seconds: float) -> None:
        """Assert that `look` stays true for `seconds`."""
        deadline = self.clock.now() + seconds
        while self.clock.now() < deadline:
            assert look(), "it did not hold"
            await self.clock.sleep(1.0)

    def pods(self, owner: str = "", namespace: str | None = "default") -> list[Manifest]:
        """Pods whose controller has a name that starts with `owner`."""
        return [pod for pod in self.store.list(POD, namespace) if controller_of(pod)[1].startswith(owner)]

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest:
        found = self.store.get(kind, name, namespace)
        assert found is not None
        return found

    def vm(self, name: str) -> dict[str, Any] | None:
        return self.compute.project.inventory.find(Key("instances", ZONE, name))

    def place_node(self, name: str, *cidrs: str) -> None:
        """Create a running VM and its Node, which is already Ready."""
        self.place_vm(name)
        self.store.create(NODE, ready_node(name, *cidrs))

    def place_vm(self, name: str) -> None:
        nic = {"subnetwork": "regions/europe-west1/subnetworks/nodes"}
        body = {
            "name": name,
            "machineType": f"{ZONE}/machineTypes/n1-standard-2",
            "canIpForward": True,
            "tags": {"items": TAGS},
            "networkInterfaces": [nic],
        }
        self.compute.place("instances", ZONE, body)

    def initialise(self, name: str, *cidrs: str, addresses: Sequence[str] = ("10.250.0.2",)) -> None:
        """Initialise a new Node as the cloud-controller-manager does."""
        spec = {"spec": {"podCIDRs": list(cidrs), "taints": []}}
        self.store.patch(NODE, name, spec)
        internal = [{"type": "InternalIP", "address": address} for address in addresses]
        self.store.patch(NODE, name, {"status": {"addresses": internal}}, subresource="status")


def ready_node(name: str, *cidrs: str) -> Manifest:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDRs": list(cidrs)},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.250.0.9"}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }


def template(app: str, **spec: Any) -> Manifest:
    containers = spec.pop("containers", [{"name": app, "image": f"example.org/{app}:1"}])
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers, **spec}}


def deployment(name: str, replicas: int, *, namespace: str = "default", **spec: Any) -> Manifest:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name),
            **spec,
        },
    }


def daemon_set(name: str, *, namespace: str = "kube-system", **spec: Any) -> Manifest:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, tolerations=TOLERATE_ALL, **spec),
        },
    }


def place_deployment(env: ActorsFixture, manifest: Manifest) -> None:
    env.store.create(DEPLOYMENT, manifest)


def place_calico(env: ActorsFixture, *, dual: bool = False) -> None:
    """Create calico's ConfigMap and DaemonSet, and the DaemonSet of end points."""
    env.store.upsert(CONFIG_MAP, calico_config(dual=dual))
    env.store.create(DAEMON_SET, daemon_set("calico-node", hostNetwork=True))
    env.store.create(DAEMON_SET, daemon_set("network-problem-detector-pod"))


def calico_config(*, dual: bool) -> Manifest:
    single = '"subnet": "usePodCidr"'
    both = '"ranges": [[{"subnet": "usePodCidrIPv6"}], [{"subnet": "usePodCidr"}]]'
    ipam = f'{{"type": "host-local", {both if dual else single}}}'
    conf = f'{{"plugins": [{{"type": "calico", "mtu": __CNI_MTU__, "ipam": {ipam}}}]}}'
    return {
        "metadata": {"name": "calico-config", "namespace": "kube-system"},
        "data": {"calico_backend": "none", "cni_network_config": conf},
    }


def addresses_of(pod: Manifest) -> list[str]:
    return [each["ip"] for each in pod.get("status", {}).get("podIPs") or ()]


def workload_actors(context: ActorContext) -> Sequence[Actor]:
    """The controllers that run workloads on nodes."""
    recorder = Recorder(context, "test")
    return [
        recorder,
        Kubelet(context, recorder, ShootGuests(context)),
        ReplicaSetController(context),
        DeploymentController(context),
        DaemonSetController(context),
        Scheduler(context, recorder),
        PodCollector(context),
    ]


def complete(env: ActorsFixture, name: str, replicas: int, namespace: str = "default") -> bool:
    """Whether the rollout of the Deployment is complete."""
    found = env.get(DEPLOYMENT, name, namespace)
    status = found.get("status", {})
    return bool(
        status.get("observedGeneration") == found["metadata"]["generation"]
        and all(
            status.get(field, 0) == replicas
            for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        )
    )


@contextlib.asynccontextmanager
async def running_actors(
    actors: Actors, *, speed: float | None = None, steals: bool = False
) -> AsyncIterator[ActorsFixture]:
    """Both APIs with only a subnetwork. The actors start when the test first awaits.

    speed: of a clock for other processes; without it the time is virtual.
    """
    clock = VirtualClock() if speed is None else ScaledClock(time.time(), speed)
    chance = Chance(7)
    store, compute = KubeStore(clock, chance), Compute(clock, chance)
    for definition in definitions():
        store.create(CRD, definition)
    store.create(NAMESPACE, {"metadata": {"name": NS}})
    compute.place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})
    subnet = {"name": "nodes", "network": "projects/proj-1/global/networks/vpc", "ipCidrRange": "10.250.0.0/16"}
    compute.place("subnetworks", "regions/europe-west1", subnet)
    async with contextlib.AsyncExitStack() as stack:
        kube_url = await stack.enter_async_context(on_loopback(kube_app(store)))
        compute_url = await stack.enter_async_context(on_loopback(compute_app(compute)))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        traffic = Traffic()
        context = ActorContext(
            kube=KubeApi(kube_url, session),
            compute=ComputeApi(compute_url, session, "proj-1"),
            clock=clock,
            chance=chance,
            namespace=NS,
            endpoints=traffic,
            guest_agent_takes_aliases=steals,
        )
        env = ActorsFixture(store, compute, clock, context, traffic)
        task = asyncio.create_task(_run(context, actors))
        try:
            yield env
            if task.done():
                task.result()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _run(context: ActorContext, actors: Actors) -> None:
    await run_actors(context, actors(context))
