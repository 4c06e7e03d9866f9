"""`python -m tests.bench.many_migrations`: one operator that migrates many Shoots at once, as one JSON document.

Each Shoot has a project with a simulated Compute Engine and an API server of its own; the operator is one process, and
all take real time. The clock stands still while the clouds, which share this machine with the operator, have more work
than they can do in time (docs/decisions/0002-time.md). The migrations are `compressed`, because it leaves the least
time between two requests. Each is compared with the time that the quotas, the operations and the waits of its own
project permit (tests/bench/timing.py).
Exit status 1 when a bound does not hold.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from dualstack.clock import Pauses, rfc3339
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.shoot import load_shoot
from dualstack.model import kinds
from dualstack.model.events import AnyEvent
from dualstack.model.json_path import dig
from dualstack.plan.settings import Settings
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app as compute_app
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.latency import OBSERVED_REQUESTS, LatencyProfile
from dualstack_sim.kube.server import create_app as kubernetes_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.gardener.builder import build
from dualstack_sim.world.gardener.credentials import shoot_access
from dualstack_sim.world.gardener.definitions import definitions
from tests.bench.example import EXAMPLE
from tests.bench.timing import PREFIXES, STOP, operations_of, permitted, steps_of
from tests.support.controller_pods import ControllerPods
from tests.support.loopback import kubeconfig, on_loopback

SHOOTS, SLOWEST = 100, 1.3
"""The slowest migration may take this many times what its own project permits."""
LONGEST = 1200.0
"""Seconds after which the measurement ends without a result."""
SEED_KINDS = (
    *(gardener_kinds.CLUSTER, gardener_kinds.INFRASTRUCTURE, gardener_kinds.WORKER, gardener_kinds.MACHINE),
    *(gardener_kinds.MACHINE_DEPLOYMENT, gardener_kinds.MACHINE_SET, gardener_kinds.MACHINE_CLASS),
    *(gardener_kinds.MANAGED_RESOURCE, gardener_kinds.OPERATING_SYSTEM_CONFIG, gardener_kinds.CONTROL_PLANE),
    *(gardener_kinds.NETWORK, kinds.SECRET, kinds.CONFIG_MAP, kinds.DEPLOYMENT, kinds.SERVICE),
)


@dataclass
class OneShoot:
    """A Shoot whose objects are in an API server of its own until those of the seed are copied."""

    number: int
    clock: SteppableClock
    prefixes: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = f"bar-{self.number}"
        shoot = load_shoot(EXAMPLE.read_text(encoding="utf-8"))
        shoot["metadata"]["name"] = self.name
        self.manifest, self.store = shoot, KubeStore(self.clock, Chance(self.number))
        self.region = shoot["spec"]["region"]
        self.zones = sorted({zone for pool in shoot["spec"]["provider"]["workers"] for zone in pool["zones"]})
        self.compute = Compute(
            self.clock,
            Chance(self.number),
            project=f"proj-{self.number}",
            regions={self.region: self.zones},
            latency=LatencyProfile(requests=OBSERVED_REQUESTS),
            on_commit=self._committed,
        )

    def _committed(self, commit: Commit) -> None:
        if (commit.after or {}).get("externalIpv6Prefix"):
            self.prefixes.setdefault(commit.name, commit.at)

    def place(self, seed: KubeStore, token_uri: str, api_server: str) -> None:
        """Build the world, and copy what the seed has of it."""
        world = build(
            *(ApiServers.one(self.store), self.compute, self.manifest),
            nodes=None,
            token_uri=token_uri,
            clock=self.clock,
            chance=Chance(self.number),
        )
        self.manifest, self.namespace = world.shoot, world.technical_id
        seed.create(kinds.NAMESPACE, {"metadata": {"name": self.namespace}})
        for kind in SEED_KINDS:
            namespace = self.namespace if kind.namespaced else None
            for found in self.store.list(kind, namespace):
                for own in ("uid", "ownerReferences"):  # the copy of an owner has another uid
                    found["metadata"].pop(own, None)
                seed.upsert(kind, found)
        seed.create(kinds.SECRET, shoot_access(self.namespace, api_server))

    def trigger(self, seed: KubeStore) -> None:
        """As gardenlet does after the change of `ipFamilies`."""
        spec = self.manifest["spec"]
        networking = {**spec["networking"], "ipFamilies": ["IPv4", "IPv6"]}
        changed = {**self.manifest, "spec": {**spec, "networking": networking}}
        seed.patch(gardener_kinds.CLUSTER, self.namespace, {"spec": {"shoot": changed}})
        annotations = {
            gardener_names.OPERATION: gardener_names.RECONCILE,
            gardener_names.TIMESTAMP: rfc3339(self.clock.now(), fraction=True),
        }
        body = {"metadata": {"annotations": annotations}}
        seed.patch(gardener_kinds.INFRASTRUCTURE, self.name, body, self.namespace)

    def ended(self, seed: KubeStore) -> bool:
        """Whether the infrastructure is dual-stack. RuntimeError if the migration failed."""
        found = seed.get(gardener_kinds.INFRASTRUCTURE, self.name, self.namespace) or {}
        last = found["status"]["lastOperation"]
        if last["state"] in ("Error", "Failed"):
            raise RuntimeError(f"{self.name}: {last['description']}")
        families = dig(found, "status", "providerStatus", "networks", "ipfamilies") or ()
        return last["state"] == "Succeeded" and "IPv6" in families

    async def permitted(self, began: float, events: list[AnyEvent], replaced: float | None) -> float:
        """Seconds that its own project permits. replaced: when the new pod of cloud-controller-manager was alone."""
        operations = await operations_of(self.compute, self.region, self.zones, began)
        per_minute = self.compute.project.limits.requests_per_minute
        reached = {STOP: replaced, PREFIXES: max(self.prefixes.values(), default=None)}
        return permitted(steps_of(events), operations, Settings(), per_minute, reached, OBSERVED_REQUESTS)


def cloud(shoots: list[OneShoot]) -> web.Application:
    """One endpoint for the projects of all Shoots."""
    application = web.Application()

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "simulated", "expires_in": 3600, "token_type": "Bearer"})

    def project_of(shoot: OneShoot) -> Any:
        async def project(_: web.Request) -> web.Response:
            return web.json_response(await shoot.compute.answer("projects.get", "global"))

        return project

    application.router.add_post("/token", token)
    for shoot in shoots:
        path = f"/compute/v1/projects/{shoot.compute.project.name}"
        application.router.add_get(path, project_of(shoot))
        application.add_subapp(path, compute_app(shoot.compute))
    return application


async def measure(number: int, speed: float = 1.0) -> dict[str, Any]:
    """Seconds that the migrations took, and how many times the permitted ones the slowest. `speed` is of the clock."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pauses = Pauses(folder / "clock")
        clock = SteppableClock(time.time(), speed, pauses)
        seed, shoots = KubeStore(clock, Chance(0)), [OneShoot(index, clock) for index in range(number)]
        for each in definitions():
            seed.create(kinds.CRD, each)
        compute_url = await stack.enter_async_context(on_loopback(cloud(shoots)))
        seed_url = await stack.enter_async_context(on_loopback(kubernetes_app(seed)))
        for shoot in shoots:
            url = await stack.enter_async_context(on_loopback(kubernetes_app(shoot.store)))
            shoot.place(seed, f"{compute_url}/token", url)
        stack.callback(asyncio.create_task(clock.pause_while_busy()).cancel)
        pods = [ControllerPods(seed, clock, shoot.namespace) for shoot in shoots]
        for pod in pods:
            stack.callback(asyncio.create_task(pod.run()).cancel)
        events = folder / "events"
        operator = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dualstack", "operator", "--kubeconfig", str(kubeconfig(folder, seed_url))),
            *("--compute-endpoint", compute_url, "--strategy", "compressed", "--events", str(events)),
            *("--clock-origin", repr(clock.origin), "--clock-speed", repr(speed), "--clock-pauses", str(pauses.path)),
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            while True:  # the start of a process is no part of a migration
                if _begun(events):
                    break
                await asyncio.sleep(0.1)
            began, paused, seconds = clock.now(), pauses.seconds, dict[str, float]()
            for shoot in shoots:
                shoot.trigger(seed)
            until = time.monotonic() + LONGEST
            while len(seconds) < number:
                if time.monotonic() > until:
                    raise TimeoutError(f"{number - len(seconds)} of {number} migrations have not ended")
                await asyncio.sleep(0.5)
                for shoot in shoots:
                    if shoot.name not in seconds and shoot.ended(seed):
                        seconds[shoot.name] = clock.now() - began
        finally:
            operator.terminate()
            await operator.wait()
        paused = pauses.seconds - paused
        of_shoot = _events_of(events)
        ratios = [
            seconds[shoot.name] / await shoot.permitted(began, of_shoot[shoot.namespace], pod.replaced)
            for shoot, pod in zip(shoots, pods, strict=True)
        ]
    return {
        "shoots": number,
        "longestSeconds": round(max(seconds.values()), 1),
        "shortestSeconds": round(min(seconds.values()), 1),
        "clockPausedSeconds": round(paused, 1),
        "slowestTimesPermitted": round(max(ratios), 3),
    }


def _begun(path: Path) -> bool:
    """Whether there is an event; the first one says that the operator is ready."""
    return path.exists() and path.stat().st_size > 0


def _events_of(path: Path) -> dict[str, list[AnyEvent]]:
    """The events of each Shoot by its technical ID."""
    events = defaultdict[str, list[AnyEvent]](list)
    for line in path.read_bytes().splitlines():
        event = msgspec.json.decode(line, type=AnyEvent)
        events[event.shoot].append(event)
    return events


def main() -> None:
    figures = asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else SHOOTS))
    value = figures["slowestTimesPermitted"]
    holds = value <= SLOWEST
    bounds = [{"name": "slowest migration", "value": value, "limit": SLOWEST, "holds": holds}]
    sys.stdout.write(json.dumps({"manyMigrations": figures, "bounds": bounds}) + "\n")
    sys.exit(not holds)


if __name__ == "__main__":
    main()
