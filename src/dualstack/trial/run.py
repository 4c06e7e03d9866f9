"""A trial from the first request to the last: site, experiments, removal, document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from dualstack.clock import Clock, rfc3339
from dualstack.gce.errors import ComputeRefusal, NotFound, PermissionDenied, PolicyViolated, Unauthenticated
from dualstack.gce.gather import all_or_none
from dualstack.gce.resources import last_segment
from dualstack.model.errors import ComputeError, DualstackError, InvalidInput
from dualstack.trial.cleanup import Cleanup
from dualstack.trial.compute import TrialCompute
from dualstack.trial.document import Fact, Trial
from dualstack.trial.estimate import needed
from dualstack.trial.experiment import BESIDE, Answer, Experiment, Lab, Place, undecided
from dualstack.trial.ladder import Ladder
from dualstack.trial.measuring import Measuring, all_orders, idle_orders
from dualstack.trial.site import MACHINE_TYPE, VMS, Site

RESERVE = 600.0
"""Seconds after the end of a trial in which its VMs still run, for the removal."""
_ONE_VM = ("a",)
_OF_PROJECT = ("create", "list")
"""Permissions that a single resource does not have; what needs them comes first in any case."""


class TrialFailed(DualstackError):
    """The site could not be built. Whatever was made is removed again."""


@dataclass
class Run:
    """One trial. longest: seconds until the last experiment ends, done or not."""

    compute: TrialCompute
    clock: Clock
    region: str
    zones: tuple[str, ...]
    experiments: Sequence[Experiment]
    longest: float
    say: Callable[[str], None] = lambda _: None
    _work: asyncio.Task[str] | None = None

    def interrupt(self) -> None:
        """End the experiments; everything is removed all the same."""
        if self._work is not None:
            self._work.cancel()

    async def perform(self) -> Trial:
        """The document. Everything is removed first, however the experiments end."""
        began = self.clock.now()
        facts: list[Fact] = []
        site = Site(self.compute, self.region, self.zones, began + self.longest + RESERVE)
        ended = ""
        left: tuple[str, ...] = ()
        try:
            self._work = asyncio.create_task(self._experiments(site, began + self.longest, facts))
            ended = await self._work
        except asyncio.CancelledError:
            ended = "it was interrupted"
        finally:
            self.say("Removing everything.")
            left = await Cleanup(self.compute, self.clock, self.say).remove_all()
        return Trial(
            id=self.compute.owner.id,
            version=version("dualstack"),
            started_at=rfc3339(began),
            ended_at=rfc3339(self.clock.now()),
            region=self.region,
            zones=self.zones,
            machine_type=MACHINE_TYPE,
            image=site.image,
            ended=ended,
            facts=tuple(facts),
            left=tuple(self.compute.hidden(each) for each in left),
            requests=self.compute.requests,
            changes=self.compute.changes,
        )

    async def _experiments(self, site: Site, deadline: float, facts: list[Fact]) -> str:
        """Perform the experiments into `facts`; why not all of them, or an empty text."""
        measuring = Measuring(self.compute, self.clock, site)
        try:
            await self._build(site, measuring)
            ladder = Ladder(self.compute, self.clock, site, measuring)
            lab = Lab(self.compute, self.clock, site, measuring, ladder)
            await all_or_none(*(self._in_turn(place, lab, deadline, facts) for place in BESIDE))
            await self._in_turn("network", lab, deadline, facts)
        finally:
            await measuring.stop()
            order = [question.id for experiment in self.experiments for question in experiment.questions]
            facts.sort(key=lambda fact: order.index(fact.id))
        return "" if len(facts) == len(order) else "its time was over"

    async def _in_turn(self, place: Place, lab: Lab, deadline: float, facts: list[Fact]) -> None:
        """Perform the experiments of one place, one after another, while there is time."""
        for experiment in self.experiments:
            if experiment.place == place and self.clock.now() < deadline:
                facts.extend(await self._one(experiment, lab, deadline))

    async def _build(self, site: Site, measuring: Measuring) -> None:
        self.say("Creating the VPC network.")
        try:
            await site.build_network()
            await self._test_permissions(site.nodes, "subnetworks")
            if not any(each.vms for each in self.experiments):
                return
            self.say("Creating the VMs.")
            traffic = any(each.traffic for each in self.experiments)
            orders, letters = (all_orders(site.expires), VMS) if traffic else (idle_orders(site.expires), _ONE_VM)
            await site.build_vms(orders, site.expires - self.clock.now(), letters)
            await self._test_permissions(site.vms[0].path, "instances")
        except (PermissionDenied, PolicyViolated, Unauthenticated) as error:
            raise TrialFailed(f"the trial could not begin: {error}; docs/evidence.md lists what it needs") from error
        except ComputeRefusal as error:
            raise TrialFailed(f"the trial could not begin: {error}") from error
        if traffic:
            self.say("Waiting for the VMs to report.")
            await measuring.start()
            if measuring.problem:
                self.say(f"Nothing can be measured. {measuring.problem}")

    async def _test_permissions(self, path: str, collection: str) -> None:
        """TrialFailed if one of the permissions that Compute can test on a resource is missing."""
        of_resource = [name for name in needed(self.experiments) if name.startswith(f"compute.{collection}.")]
        wanted = [name for name in of_resource if name.rpartition(".")[2] not in _OF_PROJECT]
        missing = sorted(set(wanted) - await self.compute.granted(path, wanted))
        if missing:
            raise TrialFailed(f"permissions are missing: {', '.join(missing)}; docs/evidence.md lists what it needs")

    async def _one(self, experiment: Experiment, lab: Lab, deadline: float) -> list[Fact]:
        """Perform one experiment until the deadline; what it lacks an answer to is undecided."""
        self.say(f"{experiment.name}: {experiment.questions[0].text}")
        self.compute.record_as(experiment.name)
        task = asyncio.ensure_future(experiment.run(lab))
        alarm = asyncio.ensure_future(self.clock.sleep(deadline - self.clock.now()))
        why = ""
        answers: Sequence[Answer] = ()
        try:
            await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                answers = task.result()
            else:
                why = "the time of the trial was over"
        except ComputeError as error:
            why = f"a request failed: {error}"
        finally:
            task.cancel()
            alarm.cancel()
            await asyncio.gather(task, alarm, return_exceptions=True)
        return self._facts(experiment, lab, answers, why)

    def _facts(self, experiment: Experiment, lab: Lab, answers: Sequence[Answer], why: str) -> list[Fact]:
        given = {answer.id: answer for answer in answers}
        exchanges = self.compute.exchanges(experiment.name)
        facts = []
        for question in experiment.questions:
            answer = given.get(question.id) or undecided(question.id, why or "the experiment came to no answer")
            lab.known[question.id] = answer
            fact = Fact(
                id=question.id,
                question=question.text,
                experiment=experiment.name,
                answer=answer.answer,
                confidence=answer.confidence,
                explanation=self.compute.hidden(answer.explanation),
                repetitions=answer.repetitions,
                knobs=answer.knobs,
                seconds=answer.seconds,
                exchanges=exchanges,
                packets=answer.packets,
            )
            exchanges = ()  # they belong to the whole experiment
            self.say(f"  {fact.verdict}")
            facts.append(fact)
        return facts


async def zones_of(compute: TrialCompute, region: str, wanted: str = "") -> tuple[str, ...]:
    """The zone `wanted` and another one of the region. InvalidInput if the region or the zone does not exist."""
    try:
        found = await compute.get(f"regions/{region}", fields="zones")
    except NotFound:
        raise InvalidInput(f"--region {region}: project {compute.project} has no such region") from None
    names = [last_segment(str(link)) for link in found.get("zones") or ()]
    if wanted and wanted not in names:
        raise InvalidInput(f"--zone {wanted}: must be one of {', '.join(names)}")
    return tuple(([wanted] if wanted else []) + [name for name in names if name != wanted])[:2]
