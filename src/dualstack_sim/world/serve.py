"""`dualstack sim serve`: both API servers, the actors and the control endpoint in one process."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from lightkube.config.kubeconfig import SingleConfig

from dualstack.clock import ScaledClock
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import SECRET, Manifest
from dualstack.stdin_watch import exit_when_stdin_closes
from dualstack_sim.actors.actor_group import ActorGroup
from dualstack_sim.actors.compute_api import ComputeApi
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.service_addresses import ServiceAddresses
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.api.server import create_app as create_compute_app
from dualstack_sim.fabric import Fabric
from dualstack_sim.faults import FaultPlan, load_faults, refuse_impossible
from dualstack_sim.kube.access import ADMIN_TOKEN
from dualstack_sim.kube.server import create_app as create_kube_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.rules.profiles import Profile, choose
from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.api_server.server import build_on
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.certificate import Certificate, self_signed
from dualstack_sim.world.compute_serve import listen, on_signals, start_site
from dualstack_sim.world.control import STATE, create_control
from dualstack_sim.world.kubeconfig import kubeconfig
from dualstack_sim.world.platforms import PLATFORMS, Platform
from dualstack_sim.world.trial_vms import TrialVms

_SETTLE_SECONDS = 1800.0
"""Simulated seconds within which the cluster must come to rest."""

_SETTLE_WALL_SECONDS, _NODE_WALL_SECONDS = 110.0, 5.0
"""Wall seconds that it gets at least: for any cluster, and for each node."""

_BUILD_SPEED = 300.0
"""The highest speed of the clock until then; at a higher one, most of the simulated time would pass unused."""


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """The options of `dualstack sim serve`. `cluster` is a description for the platform: a Shoot for `gardener`.

    infrastructure: the Infrastructure controller of a landscape with gardenlet (`world/gardener/knobs.py`).
    env_file: gets shell variables that name the world.
    kubernetes: the API server to fill instead of a simulated one (docs/simulated-kubernetes.md#a-real-api-server).
    rbac: the simulated API servers authorize each request (docs/simulated-kubernetes.md#rbac).
    """

    cluster: Manifest
    nodes: int | None
    seed: int
    faults: Path | None
    clock: ScaledClock | SteppableClock
    platform: str = "gardener"
    project: str = "proj-1"
    end_with_stdin: bool = False
    profile: Profile = field(default_factory=choose)
    infrastructure: str | None = None
    env_file: Path | None = None
    kubernetes: SingleConfig | None = None
    rbac: bool = False


def run(options: WorldOptions) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP or, with `end_with_stdin`, until standard input closes.

    Prints one line of JSON with the endpoints when the cluster is at rest.
    """
    asyncio.run(_serve(options))


async def _serve(options: WorldOptions) -> None:
    end = _EndOnce(asyncio.current_task())
    on_signals(end)
    if options.end_with_stdin:
        exit_when_stdin_closes(end)
    with contextlib.suppress(asyncio.CancelledError):
        async with AsyncExitStack() as stack:
            facts = await start(options, stack)
            if options.env_file is not None:
                options.env_file.write_text(_environment(facts), encoding="utf-8")
            sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


class _EndOnce:
    """Cancels a task once, also before the cluster is at rest."""

    def __init__(self, task: asyncio.Task[None] | None) -> None:
        self._task = task

    def __call__(self) -> None:
        task, self._task = self._task, None
        if task:
            task.cancel()


async def start(options: WorldOptions, stack: AsyncExitStack) -> dict[str, Any]:
    """Start a world; it stops when `stack` closes. Returns the endpoints and other facts for clients."""
    garden = replace(options.profile.garden, infrastructure=options.infrastructure)
    platform = PLATFORMS[options.platform](options.cluster, options.nodes, replace(options.profile, garden=garden))
    # Clients in Go send no credentials without TLS.
    certificate = self_signed("dualstack simulated API server") if options.rbac else None
    connector = aiohttp.TCPConnector(limit=0, ssl=certificate.client() if certificate else True)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
    world = _World(options, platform, session, certificate)
    await world.serve(stack)
    actors = await stack.enter_async_context(world.actors())
    # Stamps of a real API server are translated with the speed alone.
    if isinstance(options.clock, SteppableClock) and options.kubernetes is None:
        pausing = asyncio.create_task(options.clock.pause_while_busy())
        stack.callback(pausing.cancel)
    await world.settle(actors)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dualstack-sim-")))
    return world.facts(folder)


class _World:
    """The cloud, the API servers and the control endpoint of one world, and the address of each."""

    def __init__(
        self,
        options: WorldOptions,
        platform: Platform,
        session: aiohttp.ClientSession,
        certificate: Certificate | None,
    ) -> None:
        self._options, self._platform, self._session = options, platform, session
        self._certificate = certificate
        self._clock, self._chance, profile = options.clock, Chance(options.seed), options.profile
        # A real API server has the objects of every cluster.
        self._clusters = platform.api_servers if options.kubernetes is None else ("shoot",)
        self._listeners = {name: listen() for name in ("compute", "control", *self._clusters)}
        self._urls = {
            name: f"{'https' if certificate and name in self._clusters else 'http'}://127.0.0.1:{it.getsockname()[1]}"
            for name, it in self._listeners.items()
        }
        self._authority = certificate.authority if certificate else None
        self._token = ADMIN_TOKEN if options.kubernetes is None else None  # the proxy adds credentials
        self._kubes = {name: KubeApi(self._urls[name], session, token=self._token) for name in self._clusters}
        rules = load_faults(options.faults) if options.faults else []
        self._faults = FaultPlan(rules, self._chance, self._clock)
        self._fabric = Fabric(self._clock, self._chance, profile.lag, profile.fabric, profile.measured)
        self._compute = Compute(
            self._clock,
            self._chance,
            project=options.project,
            regions=platform.regions,
            endpoint=f"{self._urls['compute']}/compute/v1",
            knobs=profile.knobs,
            latency=profile.latency,
            quotas=platform.quotas,
            on_commit=self._fabric.on_commit,
            faults=self._faults,
        )
        refuse_impossible(rules, self._compute.methods)
        self._trial_vms = TrialVms(self._clock, self._chance, self._compute, self._fabric)
        self._control = create_control(self._clock, self._fabric, self._compute, self._faults)

    async def serve(self, stack: AsyncExitStack) -> None:
        """Build the cluster, and answer requests to all endpoints until `stack` closes."""
        stack.push_async_callback(self._trial_vms.close)
        applications = await self._kubernetes(stack)
        self._faults.begin_with(self._compute.begin_with)
        for part in self._platform.controls:  # known once it is built
            part.add_routes(self._control.router)
        applications |= {"compute": create_compute_app(self._compute), "control": self._control}
        for name, application in applications.items():
            context = self._certificate.server if self._certificate and name in self._clusters else None
            await start_site(application, self._listeners[name], stack, context)

    async def _kubernetes(self, stack: AsyncExitStack) -> dict[str, web.Application]:
        """The simulated API servers by name, with the objects of the cluster; none where a real one has them."""
        if self._options.kubernetes is not None:
            await build_on(
                self._options.kubernetes,
                self._clock,
                self._listeners["shoot"],
                self._kubes["shoot"],
                lambda objects: self._build(ApiServers.one(objects)),
                stack,
            )
            return {}
        stores = {name: KubeStore(self._clock, self._chance) for name in self._clusters}
        shoot, seed = stores["shoot"], stores.get("seed", stores["shoot"])
        self._build(ApiServers(garden=stores.get("garden", shoot), seed=seed, shoot=shoot))
        platform = self._platform
        addresses = ServiceAddresses(shoot, platform.namespace, platform.api_server, control_plane=seed)
        shoot.admission.register("", "services", addresses)
        return {name: create_kube_app(store, rbac=self._options.rbac) for name, store in stores.items()}

    def _build(self, servers: ApiServers) -> None:
        token_uri = f"{self._urls['compute']}/token"
        try:
            self._platform.build(servers, self._compute, token_uri=token_uri, clock=self._clock, chance=self._chance)
        except ApiError as refused:
            raise InvalidInput(f"the simulated cloud refuses the cluster: {refused.message}") from refused
        for secret in self._platform.access(self._urls["shoot"], self._token, self._authority):
            servers.seed.create(SECRET, secret)

    def actors(self) -> ActorGroup:
        """Everything that acts on the cluster by itself: controllers, kubelets, the machines."""
        platform = self._platform
        context = ActorContext(
            kube=self._kubes["shoot"],
            seed_kube=self._kubes.get("seed"),
            garden_kube=self._kubes.get("garden"),
            compute=ComputeApi(self._urls["compute"], self._session, self._options.project),
            clock=self._clock,
            chance=self._chance,
            namespace=platform.namespace,
            endpoints=self._fabric.traffic,
            guest_agent_takes_aliases=platform.guest_agent,
            control_plane_host=platform.control_plane_host,
        )
        return ActorGroup(context, platform.guests(context), platform.actors(context), platform.workloads)

    async def settle(self, actors: ActorGroup) -> None:
        """Wait until the cluster is at rest, and remember it as the beginning."""
        clock, speed = self._clock, self._clock.speed
        if isinstance(clock, SteppableClock) and speed > _BUILD_SPEED:
            clock.set_speed(_BUILD_SPEED)
        settling = clock.speed * (_SETTLE_WALL_SECONDS + _NODE_WALL_SECONDS * self._platform.node_count)
        await actors.settled(max(_SETTLE_SECONDS, settling))
        if isinstance(clock, SteppableClock):
            clock.set_speed(speed)
        self._fabric.rest(clock.now())
        with contextlib.suppress(ApiError):  # a client already changes resources: /reset stays refused
            self._control[STATE].remember_start(self._compute.dump())

    def facts(self, folder: Path) -> dict[str, Any]:
        """The endpoints and other facts for clients; writes a kubeconfig for each API server into the folder."""
        files = {name: folder / f"{name}-kubeconfig" for name in self._clusters}
        for name, file in files.items():
            file.write_text(kubeconfig(self._urls[name], self._token, self._authority), encoding="utf-8")
        clock, left_out = self._clock, list(self._platform.left_out)
        return {
            "computeEndpoint": self._urls["compute"],
            "kubeconfig": str(files["shoot"]),
            **{f"{name}Kubeconfig": str(files.get(name, files["shoot"])) for name in self._platform.api_servers},
            "controlEndpoint": self._urls["control"],
            "clock": {
                "origin": clock.formula_origin if isinstance(clock, SteppableClock) else clock.origin,
                "speed": clock.speed,
            },
            "project": self._options.project,
            **({"leftOut": left_out} if left_out else {}),
        }


def _environment(facts: Mapping[str, Any]) -> str:
    """Shell commands that set what `dualstack` and kubectl read."""
    variables = {
        "KUBECONFIG": facts["kubeconfig"],
        **{
            f"{name.upper()}_KUBECONFIG": facts[f"{name}Kubeconfig"]
            for name in ("garden", "seed")
            if f"{name}Kubeconfig" in facts
        },
        "DUALSTACK_COMPUTE_ENDPOINT": facts["computeEndpoint"],
        "DUALSTACK_CLOCK_ORIGIN": facts["clock"]["origin"],
        "DUALSTACK_CLOCK_SPEED": facts["clock"]["speed"],
    }
    return "".join(f"export {name}={shlex.quote(str(value))}\n" for name, value in variables.items())
