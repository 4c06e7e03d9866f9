"""A trial on the simulated Compute Engine over HTTP, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from dualstack.gce import Resource
from dualstack.trial.cleanup import Cleanup, find_trials
from dualstack.trial.compute import TrialCompute
from dualstack.trial.document import Trial
from dualstack.trial.experiments.registry import chosen
from dualstack.trial.ownership import Owner
from dualstack.trial.run import Run, zones_of
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.server import create_app
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.fabric import Fabric
from dualstack_sim.faults import FaultPlan
from dualstack_sim.faults.plan import FaultRule
from dualstack_sim.rules.profiles import Profile, choose
from dualstack_sim.world.trial_vms import TrialVms
from tests.support.loopback import on_loopback
from tests.support.virtual_time import VirtualClock

REGION = "europe-west1"
OWNER = Owner("0123abcd")
FEW_ROUTES = Limits(static_routes_per_network=40)
"""A quota that a trial uses up with few requests."""
COLLECTIONS = ("networks", "subnetworks", "routes", "firewalls", "instances", "disks")


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it has any effect."""


class MortalCompute(TrialCompute):
    """Ends the process at its request number `dies_at`: before it is sent, or once Compute has answered it."""

    dies_at = 0
    answered = False
    sent: list[str]

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str | None]
    ) -> Resource:
        self.sent = [*getattr(self, "sent", []), f"{method} {path}"]
        dying = self.dies_at and len(self.sent) >= self.dies_at
        if dying and not (self.answered and len(self.sent) == self.dies_at):
            raise Killed
        answer = await super()._send(method, path, body, query)
        if dying:
            raise Killed
        return answer


@dataclass
class World:
    """One project, which has a VPC network of another owner."""

    clock: VirtualClock
    compute: Compute
    url: str

    def client(self, owner: Owner = OWNER) -> MortalCompute:
        return MortalCompute("proj-1", self.clock, owner, endpoint=self.url)

    async def trial(
        self,
        *names: str,
        compute: MortalCompute | None = None,
        longest: float = 6 * 3600.0,
        owner: Owner = OWNER,
        heard: Callable[[Run, str], None] = lambda run, text: None,
    ) -> Trial:
        """Perform a trial of these experiments; heard: takes what it says."""
        client = compute or self.client(owner)
        try:
            zones = await zones_of(client, REGION)
            run = Run(client, self.clock, REGION, zones, chosen(names), longest)
            run.say = partial(heard, run)
            return await run.perform()
        finally:
            await client.close()

    async def clean_up(self) -> tuple[str, ...]:
        """`dualstack trial --cleanup`, in a new process; what is left."""
        finder = self.client(Owner(""))
        found = [trial for trial in await find_trials(finder) if not trial.foreign]
        await finder.close()
        left: list[str] = []
        for trial in found:
            client = self.client(trial.owner)
            left.extend(await Cleanup(client, self.clock).remove_all())
            await client.close()
        return tuple(left)

    def resources(self) -> dict[str, Any]:
        """Everything that exists in the project, without what Compute makes by itself."""
        return {
            f"{key.scope}/{collection}/{key.name}": document
            for collection in COLLECTIONS
            for key, document in self.compute.project.inventory.all(collection)
        }


@asynccontextmanager
async def world(
    profile: str = "documented",
    knobs: Sequence[str] = (),
    faults: Sequence[FaultRule] = (),
    *,
    seed: int = 1,
    limits: Limits = FEW_ROUTES,
) -> AsyncIterator[World]:
    """A project on a cloud with this profile."""
    clock, chance = VirtualClock(), Chance(seed)
    chosen_profile: Profile = choose(profile, tuple(knobs))
    fabric = Fabric(clock, chance, chosen_profile.lag, chosen_profile.fabric)
    compute = Compute(
        clock,
        chance,
        knobs=chosen_profile.knobs,
        latency=chosen_profile.latency,
        quotas=limits,
        on_commit=fabric.on_commit,
        faults=FaultPlan(faults, chance, clock),
    )
    compute.place("networks", "global", {"name": "prod", "autoCreateSubnetworks": False})
    link = "projects/proj-1/global/networks/prod"
    compute.place(
        "subnetworks", f"regions/{REGION}", {"name": "prod-nodes", "network": link, "ipCidrRange": "10.95.0.0/24"}
    )
    fabric.rest(clock.now())
    guests = TrialVms(clock, chance, compute, fabric)
    async with on_loopback(create_app(compute)) as url:
        try:
            yield World(clock, compute, url)
        finally:
            await guests.close()
            await compute.close()
