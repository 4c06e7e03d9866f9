"""What every actor shares: the APIs, the clock, chance, the caches, and the names of its world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from dualstack.clock import Clock
from dualstack_sim.actors.compute_api import ComputeApi
from dualstack_sim.actors.informer import Informers, ObjectKey
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.workqueue import Timers, Workqueue
from dualstack_sim.chance import Chance

SEED_NODE = "seed-worker-0"
"""The seed's own node, on which the pods of the shoot's control plane run (docs/objects.md)."""


class Endpoints(Protocol):
    """The observer of pod traffic between nodes (the fabric)."""

    def join(self, at: float, host: str, cidrs: Sequence[str], *, steals_aliases: bool = False) -> None:
        """From `at` (seconds since the epoch) pods with addresses in `cidrs` run on `host`.

        `steals_aliases`: its guest agent makes alias ranges local to the host (docs/reference/cut-over.md#r13).
        """
        ...

    def leave(self, at: float, host: str) -> None:
        """From `at` no pods run on `host`."""
        ...

    def reaches(self, at: float, host: str, address: str) -> bool:
        """Whether a pod of `host` gets an answer from `address` at `at`."""
        ...

    def watch(self, ended: Callable[[int, tuple[str, str], float, float], None] | None) -> None:
        """Call `ended` with family, ordered pair, begin and end of each blackout that ends; None to stop."""
        ...

    def lasting(self, at: float) -> Mapping[int, Mapping[tuple[str, str], float]]:
        """For each IP family the ordered pairs of hosts that have lost connectivity at `at`, and since when."""
        ...

    def unreachable_pairs(self, at: float) -> Sequence[tuple[str, str]]:
        """(source host, destination host) between whose pods no IPv4 packet is delivered at `at`."""
        ...


@dataclass(slots=True)
class ActorContext:
    """One world as its actors see it. `namespace` holds the control plane.

    A world has one API server, or those of garden, seed and shoot. `kube` and the caches are those of the cluster with
    the nodes; `seed` and `garden` are the same world with the API servers that have the control plane and the Shoots.
    """

    kube: KubeApi
    compute: ComputeApi
    clock: Clock
    chance: Chance
    namespace: str
    endpoints: Endpoints
    guest_agent_takes_aliases: bool = False
    """Whether VMs run a guest agent with `ip_aliases = true`. Gardener sets it to `false`
    (docs/reference/gardener.md#guest-agent)."""
    control_plane_host: str | None = SEED_NODE
    """The host without a Node on which all pods of `namespace` run; None if they are scheduled as others."""
    seed_kube: KubeApi | None = None
    """The API server with the control plane; None: `kube`."""
    garden_kube: KubeApi | None = None
    """The API server with the Shoots; None: `kube`."""
    informers: Informers = field(init=False)
    timers: Timers = field(init=False)
    seed: ActorContext = field(init=False)
    garden: ActorContext = field(init=False)

    def __post_init__(self) -> None:
        self.informers = Informers(self.kube, self.clock)
        self.timers = Timers(self.clock)
        self.seed, self.garden = self._on(self.seed_kube), self._on(self.garden_kube)

    def _on(self, kube: KubeApi | None) -> ActorContext:
        """The same world with another API server."""
        if kube is None:
            return self
        other = replace(self, kube=kube, seed_kube=None, garden_kube=None)
        other.timers = self.timers
        return other

    @property
    def api_servers(self) -> list[ActorContext]:
        """The world with each API server that it has."""
        return [self, *(each for each in (self.seed, self.garden) if each is not self)]

    @property
    def project(self) -> str:
        return self.compute.project

    def named(self, user_agent: str) -> tuple[KubeApi, ComputeApi]:
        """Both APIs under an actor's own User-Agent."""
        return self.kube.named(user_agent), self.compute.named(user_agent)

    def queue(self, name: str, *, backoff: float = 0.5, longest: float = 30.0) -> Workqueue[ObjectKey]:
        """A queue of object keys on this world's timers."""
        return Workqueue(self.timers, name=name, backoff=backoff, longest=longest)


class Actor(Protocol):
    """A component of the cluster. It acts only while `run` runs."""

    async def run(self) -> None:
        """Until cancelled."""
        ...


async def run_actors(context: ActorContext, actors: Iterable[Actor]) -> None:
    """Run the caches, the timers and `actors` until cancelled. An unexpected error in one of them ends all."""
    async with asyncio.TaskGroup() as group:
        group.create_task(context.timers.run())
        for each in context.api_servers:
            group.create_task(each.informers.run())
        for actor in actors:
            group.create_task(actor.run())
