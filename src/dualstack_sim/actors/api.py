"""What every actor is given: the two APIs, time, chance, the shared caches, and the names of this world."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dualstack.clock import Clock
from dualstack_sim.actors.compute_api import ComputeApi, Resource
from dualstack_sim.actors.informer import Informer, Informers, ObjectKey, key_of, owner_uid, version_of
from dualstack_sim.actors.kube_api import KubeApi, Listing, PatchType, WatchEvent
from dualstack_sim.actors.refusals import (
    AlreadyExists,
    ComputeConflict,
    ComputeNotFound,
    ComputeRefusal,
    Conflict,
    Expired,
    KubeRefusal,
    NotFound,
    OperationFailed,
    PreconditionFailed,
    RateLimited,
    TooManyRequests,
    Unreachable,
)
from dualstack_sim.actors.workqueue import Timers, Workqueue
from dualstack_sim.chance import Chance

__all__ = [
    "Actor",
    "ActorContext",
    "AlreadyExists",
    "ComputeApi",
    "ComputeConflict",
    "ComputeNotFound",
    "ComputeRefusal",
    "Conflict",
    "Endpoints",
    "Expired",
    "Informer",
    "Informers",
    "KubeApi",
    "KubeRefusal",
    "Listing",
    "NoEndpoints",
    "NotFound",
    "ObjectKey",
    "OperationFailed",
    "PatchType",
    "PreconditionFailed",
    "RateLimited",
    "Resource",
    "Timers",
    "TooManyRequests",
    "Unreachable",
    "WatchEvent",
    "Workqueue",
    "key_of",
    "owner_uid",
    "run_actors",
    "version_of",
]

SEED_NODE = "seed-worker-0"
"""The seed's own node, on which the pods of the shoot's control plane run (docs/objects.md)."""


class Endpoints(Protocol):
    """Whoever watches which nodes' pods can talk to each other (the fabric's traffic)."""

    def join(self, at: float, host: str, cidrs: Sequence[str], *, steals_aliases: bool = False) -> None:
        """From `at` (seconds since the epoch) pods with addresses in `cidrs` run on `host`.

        `steals_aliases`: its guest agent takes alias ranges for the host itself (cutover.md R13, E16).
        """
        ...

    def leave(self, at: float, host: str) -> None:
        """From `at` no pods run on `host`."""
        ...

    def reaches(self, at: float, host: str, address: str) -> bool:
        """Whether a pod of `host` that calls `address` at `at` hears an answer."""
        ...

    def unreachable_pairs(self, at: float) -> Sequence[tuple[str, str]]:
        """(source host, destination host) of which no packet between pods gets across at `at`, over IPv4."""
        ...


class NoEndpoints:
    """Nobody watches."""

    def join(self, at: float, host: str, cidrs: Sequence[str], *, steals_aliases: bool = False) -> None:
        """Not interested."""

    def leave(self, at: float, host: str) -> None:
        """Not interested."""

    def reaches(self, at: float, host: str, address: str) -> bool:
        """Nobody answers."""
        return False

    def unreachable_pairs(self, at: float) -> Sequence[tuple[str, str]]:
        """Nobody knows of any."""
        return ()


@dataclass(slots=True)
class ActorContext:
    """One world as its actors see it. `namespace` holds the control plane; node VMs carry it as a network tag."""

    kube: KubeApi
    compute: ComputeApi
    clock: Clock
    chance: Chance
    namespace: str
    endpoints: Endpoints = field(default_factory=NoEndpoints)
    guest_agent_takes_aliases: bool = False
    """Whether VMs run a guest agent with `ip_aliases = true`; Gardener ships `false` (cutover.md R13)."""
    informers: Informers = field(init=False)
    timers: Timers = field(init=False)

    def __post_init__(self) -> None:
        self.informers = Informers(self.kube, self.clock)
        self.timers = Timers(self.clock)

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
    """A component of the cluster. Made with an `ActorContext`; does nothing before `run`."""

    async def run(self) -> None:
        """Act until cancelled."""
        ...


async def run_actors(context: ActorContext, actors: Iterable[Actor]) -> None:
    """Run the caches, the timers and `actors` until cancelled; a defect in one of them ends them all."""
    async with asyncio.TaskGroup() as group:
        group.create_task(context.timers.run())
        group.create_task(context.informers.run())
        for actor in actors:
            group.create_task(actor.run())
