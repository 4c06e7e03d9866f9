"""`dualstack trial` and its cleanup."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualstack.cli.live.change import confirm
from dualstack.cli.live.connect import credentials_of
from dualstack.cli.live.options import Target
from dualstack.cli.words import tell, wrapped
from dualstack.clock import Clock
from dualstack.model.errors import DualstackError, Interrupted, InvalidInput
from dualstack.streams import OutputLost, print_out, write_result
from dualstack.trial.cleanup import Cleanup, find_trials
from dualstack.trial.compute import TrialCompute
from dualstack.trial.document import Trial, encode
from dualstack.trial.estimate import announcement
from dualstack.trial.experiments.registry import EXPERIMENTS, chosen
from dualstack.trial.ownership import Owner
from dualstack.trial.run import RESERVE, Run, zones_of


class ResourcesLeft(DualstackError):
    """Not everything could be removed."""


@dataclass(frozen=True, slots=True)
class _Project:
    """Where, and with which credentials."""

    target: Target
    clock: Clock
    quiet: bool

    def compute(self, owner: Owner) -> TrialCompute:
        target = self.target
        return TrialCompute(
            target.project, self.clock, owner, credentials=credentials_of(target), endpoint=target.compute_endpoint
        )

    def say(self, text: str) -> None:
        if not self.quiet:
            tell(text)


def run_trial(
    *,
    region: str,
    zone: str,
    output: Path | None,
    names: Sequence[str],
    listed: bool,
    cleanup: bool,
    max_minutes: float,
    yes: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Perform a trial, list the experiments, or clean up; see the options of the command."""
    target = Target.of(options)
    experiments = chosen(names)
    if listed:
        print_out("\n".join(map(paragraph, _listing())))
        return
    if not target.project:
        raise InvalidInput("--project is required")
    clock = target.clock
    project = _Project(target, clock, quiet)
    if cleanup:
        asyncio.run(_clean_up(project, yes=yes))
        return
    if not region:
        raise InvalidInput("--region is required")
    if output is not None:
        _refuse_unwritable(output)

    async def work() -> Trial:
        owner = Owner.new()
        compute = project.compute(owner)
        try:
            zones = await zones_of(compute, region, zone)
            for text in announcement(
                experiments,
                project=target.project,
                region=region,
                network=owner.network,
                longest=max_minutes,
                lifetime=max_minutes + RESERVE / 60,
            ):
                tell(text)
            confirm("Begin?", yes=yes)
            run = Run(compute, clock, region, zones, experiments, max_minutes * 60, project.say)
            return await _interruptible(run, project.say)
        finally:
            await compute.close()

    _hand_over(asyncio.run(work()), output)


def _hand_over(result: Trial, output: Path | None) -> None:
    """Write or print the document. ResourcesLeft if not everything is removed, Interrupted after a signal."""
    document = encode(result)
    try:
        if output is not None:
            _write(output, document)
            lines = [*summary(result), f"`dualstack rehearse SHOOT --profile {output}` rehearses on such a cloud."]
            print_out("\n".join(map(paragraph, lines if result.knobs else summary(result))))
        else:
            print_out(document.decode().rstrip())
    finally:  # whatever becomes of the document, resources that cost money are named
        if result.left:
            raise ResourcesLeft(f"could not be removed: {'; '.join(result.left)}; run `dualstack trial --cleanup`")
    if result.ended == "it was interrupted":
        raise Interrupted("the trial was interrupted; everything is removed")


def _write(output: Path, document: bytes) -> None:
    """Write the document; print it where that fails, because it took half an hour. Raises OutputLost then."""
    try:
        write_result(output, document)
    except OutputLost:
        print_out(document.decode().rstrip())
        raise


async def _interruptible(run: Run, say: Callable[[str], None]) -> Trial:
    """Perform; the first Ctrl-C or SIGTERM ends the experiments and removes everything, the second ends at once."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()
        say("Interrupted. Ctrl-C again ends at once; `dualstack trial --cleanup` then removes what is left.")
        run.interrupt()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        return await run.perform()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _clean_up(project: _Project, *, yes: bool) -> None:
    """Remove every trial of the project. ResourcesLeft if something stays."""
    finder = project.compute(Owner(""))
    try:
        found = await find_trials(finder)
    finally:
        await finder.close()
    foreign = [trial.owner.network for trial in found if trial.foreign]
    for name in foreign:
        stays = (
            f"VPC network {name} has the name of a trial's network but was not created by a trial; it is not removed."
        )
        tell(stays)
    ours = [trial for trial in found if not trial.foreign]
    if not ours:
        print_out("No resources of a trial are left.")
        return
    for trial in ours:
        tell(f"{trial.owner.network}, created {trial.created}")
    confirm("Remove everything of these trials? None of them may be running.", yes=yes)
    left: list[str] = []
    for trial in ours:
        compute = project.compute(trial.owner)
        try:
            left.extend(await Cleanup(compute, project.clock, project.say).remove_all())
        finally:
            await compute.close()
    if left:
        raise ResourcesLeft(f"could not be removed: {'; '.join(left)}")
    print_out(f"Removed {', '.join(trial.owner.network for trial in ours)}.")


def paragraph(text: str) -> str:
    """Wrapped, with the indent that it has."""
    indent = " " * (len(text) - len(text.lstrip()))
    return "\n".join(wrapped(text.strip(), indent, indent + "  "))


def summary(trial: Trial) -> list[str]:
    """The facts, a paragraph each."""
    decided = [fact for fact in trial.facts if fact.answer]
    lines = [fact.describe() for fact in trial.facts]
    knobs = ", ".join(f"{name}={value}" for name, value in trial.knobs.items())
    lines.append(f"{len(decided)} of {len(trial.facts)} facts decided in {trial.region}; {trial.changes} changes.")
    if knobs:
        lines.append(f"As knobs of the simulated cloud: {knobs}.")
    if trial.ended:
        lines.append(f"The trial ended early: {trial.ended}.")
    return lines


def _listing() -> list[str]:
    lines = []
    for experiment in EXPERIMENTS:
        only = ", only if named" if experiment.by_name else ""
        lines.append(f"{experiment.name} (about {experiment.minutes:g} min{only})")
        lines.extend(f"  {question.id}: {question.text}" for question in experiment.questions)
    return lines


def _refuse_unwritable(path: Path) -> None:
    """InvalidInput before the trial if its document could not be written after it."""
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InvalidInput(f"--output {path}: the folder does not exist or is not writable")
