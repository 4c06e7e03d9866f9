"""`dualstack migrate`: `prepare`, the owner's change of the route controller, and `finish`, in one process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from dualstack.cli.live.change import Change, confirm, interruptible
from dualstack.cli.live.connect import connected
from dualstack.cli.live.findings import refuse_unknown
from dualstack.cli.live.finish import controller_of
from dualstack.cli.live.measured_cloud import contradicted, measurements_of, refuse_contradicted, say_risks
from dualstack.cli.live.options import ChangeOptions
from dualstack.cli.live.outcome import print_outcome
from dualstack.cli.live.prepare import announce, begin, check, until_prepared
from dualstack.cli.live.waiting import await_ready
from dualstack.cutover.actuator import Redirection
from dualstack.live.advice import hand_over
from dualstack.live.record import PROVEN
from dualstack.live.route_controller import RouteController
from dualstack.live.state import standing
from dualstack.model.errors import InvalidInput
from dualstack.model.events import StrategyChosen
from dualstack.plan.automatic import Choice, decide
from dualstack.plan.costs import describe_outage, outage
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.strategies import AUTO, choose
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.overlap import OVERLAP
from dualstack.plan.strategies.prepare import PREPARE
from dualstack.plan.strategies.until import DUAL_STACK, until
from dualstack.trial.measurements import Measurements

STAGES: Mapping[str, Stage] = {"flag": Stage.FLAG, "range": Stage.RANGE, "aliases": Stage.ALIASES}
"""The values of `--until` in which every route stays."""


def run_migrate(options: ChangeOptions, **others: Any) -> None:
    """Migrate the cluster and print the result; `others` as the options of `_migrate`."""
    asyncio.run(_migrate(options, **others))


async def _migrate(
    options: ChangeOptions,
    *,
    goal: str,
    strategy: str,
    accept_outage: float | None,
    accept: Sequence[str],
    wait: bool,
    profile: Path | None,
) -> None:
    refuse_unknown(accept)
    measured = measurements_of(profile)
    async with connected(options.target) as cluster:
        if cluster.identity.platform == "gardener":
            raise InvalidInput(hand_over(cluster.identity))
        controller = controller_of(cluster)
        change, facts = await begin(cluster, options, controller)
        _refuse_past(goal, facts)
        chosen, stage = OVERLAP, STAGES.get(goal)
        proven = PROVEN in await change.record.notes()  # aliases are in place, so the preflight has passed
        if not facts.finished and not proven:
            chosen = await _chosen(change, facts, strategy, accept, measured)
            _refuse_stage(goal, chosen)
        if not facts.finished:
            announce(change, facts, chosen if stage is None else until(PREPARE, stage))
            say_risks(measured, change.progress.say)
        whole = goal == "dual-stack" and facts.subnet.stack_type != "IPV4_IPV6"
        if whole:
            name = cluster.identity.cluster.nodes_subnet
            change.progress.say(f"The last step makes subnet {name} dual-stack, which no command can undo.")
        if whole or not facts.finished:
            confirm(f"Migrate the infrastructure of cluster {cluster.identity.cluster.name}?", yes=options.yes)
        _confirm_outage(change, chosen, facts, accept_outage)
        await _carry_out(change, controller, chosen, goal, wait=wait)
        await print_outcome(change, "migrate", options.output)


async def _carry_out(change: Change, controller: RouteController, strategy: Strategy, goal: str, *, wait: bool) -> None:
    """Everything that is left until the goal. While the route controller works, every route stays."""
    keeping = replace(change, controller=None)
    stage = STAGES.get(goal)

    async def prepare(redirection: Redirection) -> None:
        async with keeping.measured():
            if stage in (None, Stage.ALIASES):
                await until_prepared(keeping, redirection)
                return
            await keeping.cut_over().forward(until(PREPARE, stage), redirection)
            await keeping.cut_over().interrupted()  # takes back what is only on trial

    async def stopped() -> str:
        running = await controller.running()
        return f"{running[0]}; {controller.remedy}" if running else ""

    async def finish(redirection: Redirection) -> None:
        await await_ready(change, stopped, redirection, wait=wait)
        async with change.measured():
            await change.cut_over().forward(FINISH if strategy.lossless else strategy, redirection)
            if goal == "dual-stack":
                await change.cut_over().forward(DUAL_STACK, redirection, at_rest=True)
        await change.record.note(PROVEN, None)
        await change.record.clear()

    if stage is not None or (strategy.lossless and await controller.running()):
        await keeping.run(prepare)
    if stage is None:
        await change.run(finish)


async def _chosen(
    change: Change, facts: CutoverFacts, requested: str, accept: Sequence[str], measured: Measurements | None
) -> Strategy:
    """The strategy, with nothing that stops it. PreflightFailed, or InvalidInput for an unknown finding."""
    rescue = facts.begun and bool(facts.unreachable)
    assumed = OVERLAP if requested == AUTO else choose(requested)
    if requested != AUTO and not facts.begun:
        refuse_contradicted(measured, requested)
    inventory = await check(change, facts, accept, assumed, rescue=rescue)
    if requested != AUTO:
        return assumed
    choice: Choice = decide(
        facts,
        replace(inventory.usage, decoys=int(bool(change.settings.decoys))),
        contradicted=contradicted(measured, OVERLAP.name),
    )
    cluster = change.cluster
    name = cluster.identity.cluster.name
    change.progress.event(
        StrategyChosen(at=cluster.clock.now(), shoot=name, strategy=choice.strategy, reason=choice.reason)
    )
    strategy = choose(choice.strategy)
    if strategy is not assumed:
        await check(change, facts, accept, strategy, rescue=rescue)
    return strategy


def _refuse_past(goal: str, facts: CutoverFacts) -> None:
    """InvalidInput when the cluster is past the goal."""
    stage = STAGES.get(goal)
    if stage is not None and stage_of(facts) > stage and not (goal == "aliases" and standing(facts) == "prepared"):
        raise InvalidInput(
            f"--until {goal}: the cluster is past that stage ({stage_of(facts).words}); run "
            f"`dualstack rollback --to {goal}` to go back to it"
        )


def _refuse_stage(goal: str, strategy: Strategy) -> None:
    """InvalidInput for a stage that the strategy does not have."""
    if goal in STAGES and not strategy.lossless:
        raise InvalidInput(
            f"--until {goal}: strategy {strategy.name} has no such stage, because it deletes the routes first; use "
            "--until finished or --until dual-stack"
        )


def _confirm_outage(change: Change, strategy: Strategy, facts: CutoverFacts, accepted: float | None) -> None:
    """Have the outage typed, or given by `--accept-outage`. InvalidInput for a shorter one; `--yes` does not count."""
    expected = round(outage(strategy, facts, change.settings).seconds)
    if strategy.lossless or expected == 0:
        return
    change.progress.say(describe_outage(strategy, facts, change.settings))
    if accepted is None:
        if not sys.stdin.isatty():
            raise InvalidInput(
                f"strategy {strategy.name} has an expected outage of {expected} s, and standard input is not a "
                f"terminal to type it; pass --accept-outage {expected}"
            )
        with interruptible():
            accepted = click.prompt(f"Type the outage in seconds ({expected}) to continue", type=float, err=True)
    if accepted < expected:
        raise InvalidInput(
            f"an outage of {accepted:.0f} s was accepted, but {expected} s are expected; nothing was changed"
        )
