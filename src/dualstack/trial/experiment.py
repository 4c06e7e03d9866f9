"""What an experiment is, what it is given, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from dualstack.clock import Clock
from dualstack.gce import Resource
from dualstack.gce.errors import ComputeRefusal
from dualstack.trial.compute import FLAG, Outcome, TrialCompute
from dualstack.trial.document import Confidence, Distribution, Packets
from dualstack.trial.ladder import Ladder
from dualstack.trial.measuring import Measuring
from dualstack.trial.site import Site

READS = 4
"""Reads of one resource until a change shows: some may be old."""
READ_PAUSE = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an experiment says about one of its questions; fields as in `document.Fact`."""

    id: str
    answer: str = ""
    explanation: str = ""
    confidence: Confidence = "certain"
    knobs: dict[str, str] = field(default_factory=dict)
    repetitions: int = 1
    seconds: dict[str, Distribution] = field(default_factory=dict)
    packets: tuple[Packets, ...] = ()


def undecided(identity: str, why: str) -> Answer:
    """No answer, with the reason."""
    return Answer(identity, "", why, "undecided")


def no_flag(identity: str) -> Answer:
    """No answer, because v1 does not have the overlap flag."""
    return undecided(identity, "The overlap flag has no effect in v1 (T1).")


Change = Callable[[], Awaitable[Outcome]]


@dataclass
class Lab:
    """What an experiment works with. `known`: the answers so far, by id."""

    compute: TrialCompute
    clock: Clock
    site: Site
    measuring: Measuring
    ladder: Ladder
    known: dict[str, Answer] = field(default_factory=dict)

    async def read(self, path: str, shows: Callable[[Resource], bool]) -> Resource:
        """The resource once it shows a change; as it was read last if it never does."""
        for attempt in range(READS):
            if attempt:
                await self.clock.sleep(READ_PAUSE)
            found = await self.compute.get(path)
            if shows(found):
                break
        return found

    async def ground(self) -> None:
        """Bring the VMs' subnet back to S0, where nothing but routes leads to the pods."""
        await self.ladder.go(0)

    async def flagged_subnet(self, word: str) -> tuple[str, str] | None:
        """A new subnet with the overlap flag, and a /20 for its range; None if v1 does not know the flag."""
        primary, secondary = self.site.ranges()
        path = await self.site.make_subnet(self.site.fresh(word), primary)
        outcome = await self.compute.patch_subnet(path, {FLAG: True})
        if not outcome.accepted or not is_flagged(await self.read(path, is_flagged)):
            return None
        return path, secondary

    async def add_range(self, subnet: str, cidr: str, name: str = "pods") -> Outcome:
        """Add the only secondary range to a subnet."""
        return await self.compute.patch_subnet(
            subnet, {"secondaryIpRanges": [{"rangeName": name, "ipCidrRange": cidr}]}
        )

    async def undo(self, *changes: Callable[[], Awaitable[object]]) -> None:
        """Take changes back, one after another, also if one of them fails."""
        for change in changes:
            with suppress(ComputeRefusal):
                await change()

    async def insert_route(
        self, suffix: str, destination: str, letter: str = "a", *, of_quota: bool = False
    ) -> Outcome:
        """Try to create a route to a VM. of_quota: as for `TrialCompute.attempt`."""
        body = self.site.route_body(suffix, destination, self.site.vm(letter))
        return await self.compute.attempt(lambda: self.compute.post("global/routes", body), of_quota=of_quota)


def is_flagged(subnet: Resource) -> bool:
    """Whether a subnet has the overlap flag."""
    return bool(subnet.get(FLAG))


@dataclass(frozen=True, slots=True)
class Question:
    """One open fact. id: as in docs/evidence.md; knob: the setting of the simulated cloud that it decides, if any."""

    id: str
    text: str
    knob: str = ""


Place = Literal["subnets", "vms", "network"]
"""What an experiment changes: `subnets` and routes of its own, beside others; the `vms` and their subnet, one
experiment after another; or so much of the `network` that it runs alone, after all others."""
BESIDE: tuple[Place, ...] = ("vms", "subnets")
"""The places in which experiments run at the same time."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment. vms: whether it needs VMs; traffic: whether it measures packets; minutes: how long it takes.

    `run` answers every question, undecided or not, and removes what would disturb the experiments after it.
    """

    name: str
    questions: tuple[Question, ...]
    run: Callable[[Lab], Awaitable[Sequence[Answer]]]
    minutes: float
    place: Place
    vms: bool = True
    traffic: bool = False
    by_name: bool = False
    """Whether it runs only if it is named, because it disturbs others in the project."""
