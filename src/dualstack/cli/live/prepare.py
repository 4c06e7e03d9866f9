"""`dualstack prepare` and its way back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from dualstack.cli.live.change import Change, Progress, confirm
from dualstack.cli.live.connect import Connected, connected
from dualstack.cli.live.findings import refuse_unknown
from dualstack.cli.live.inspect import inspect
from dualstack.cli.live.measured_cloud import measurements_of, refuse_contradicted, say_risks
from dualstack.cli.live.options import ChangeOptions
from dualstack.cli.live.outcome import print_outcome
from dualstack.cli.live.plan_document import refuse_moved
from dualstack.cli.live.result import ClusterName
from dualstack.cli.live.trigger import Trigger, trigger_of
from dualstack.cli.words import duration
from dualstack.cutover.actuator import Redirection
from dualstack.cutover.interface import DirectionChanged
from dualstack.live.record import PROVEN
from dualstack.live.route_controller import RouteController
from dualstack.model.errors import ComputeError, GateFailed, Interrupted, InvalidInput, KubeError
from dualstack.plan.costs import estimate
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import Barrier, StopController
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.overlap import OVERLAP
from dualstack.plan.strategies.prepare import JOINED, PREPARE, prepared
from dualstack.preflight.finding import Finding, PreflightFailed
from dualstack.preflight.inventory import Inventory
from dualstack.preflight.registry import ALL_CHECKS, run_checks


def run_prepare(options: ChangeOptions, **others: Any) -> None:
    """Prepare the cluster and print the result; `others` as the options of `_prepare`."""
    asyncio.run(_prepare(options, **others))


async def _prepare(
    options: ChangeOptions,
    *,
    accept: Sequence[str],
    watch: bool,
    profile: Path | None,
    trigger: bool,
    now: bool,
) -> None:
    refuse_unknown(accept)
    measured = measurements_of(profile)
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(connected(options.target))
        then: Trigger | None = None
        if trigger:
            found = trigger_of(cluster.identity, options.target.garden_kubeconfig, options.target.shoot, now=now)
            then = await stack.enter_async_context(found)
            await then.rehearse()
        change, facts = await begin(cluster, options)
        proven = PROVEN in await change.record.notes()
        if not (prepared(facts) and proven):
            refuse_late(facts)
            if not facts.begun:
                refuse_contradicted(measured, OVERLAP.name, gardener=cluster.identity.platform == "gardener")
            await check(change, facts, accept)
            announce(change, facts, PREPARE)
            say_risks(measured, change.progress.say)
            edit = f", and then make Shoot {then.shoot} dual-stack" if then else ""
            confirm(f"Prepare cluster {cluster.identity.cluster.name}{edit}?", yes=options.yes)

        async def work(redirection: Redirection) -> None:
            async with change.measured():
                await until_prepared(change, redirection)
            if then is not None:
                change.progress.say(await then.pull(cluster.clock.now()))
            if watch:
                await _watch(change, redirection)

        try:
            await change.run(work)
        except Interrupted:
            if not watch or not prepared(await change.cut_over().observe()):
                raise
        await print_outcome(change, "prepare", options.output, triggered=trigger)


async def until_prepared(change: Change, redirection: Redirection) -> None:
    """Carry the preparation to its end, and remember that every alias is proven."""
    facts = await change.cut_over().observe()
    if PROVEN in await change.record.notes():
        if prepared(facts):
            change.progress.say("Every node has its alias already.")
        else:
            await change.cut_over().forward(JOINED, redirection, at_rest=True)
        return
    await change.cut_over().forward(PREPARE, redirection)
    await change.record.note(PROVEN, "true")


async def _watch(change: Change, redirection: Redirection) -> None:
    """Give nodes that join their alias, also once the routes are gone: until another program renders machine classes
    with aliases, they would have no path. What fails for one of them is said, and no reason to leave the others."""
    clock, said, routed = change.cluster.clock, "", True
    change.progress.say("Watching for nodes that join, until interrupted.")
    while True:
        change.progress.wait("watch", clock.now(), "nodes that join")
        if interruption := await redirection():
            raise DirectionChanged(interruption)
        await clock.sleep(change.settings.node_every)
        try:
            facts = await change.cut_over().observe()
            if routed and facts.pod_cidr_of and not facts.live_routes:
                routed = False
                change.progress.say(
                    "No route is left. Nodes that join still get their alias; once new VMs are created with one, "
                    "interrupt this command and run `dualstack finish`."
                )
            if not routed:
                await change.cut_over().follow()
            elif not prepared(facts):
                await change.cut_over().forward(JOINED, redirection, at_rest=True)
            said = ""
        except (GateFailed, ComputeError, KubeError) as error:
            if str(error) != said:
                said = str(error)
                change.progress.say(f"Retrying: {said}")


async def begin(
    cluster: Connected,
    options: ChangeOptions,
    controller: RouteController | None = None,
    settings: Settings | None = None,
) -> tuple[Change, CutoverFacts]:
    """The change, and the cluster as it is. Without a controller, routes and their controller stay; settings: by
    default those of a preparation. InvalidInput for a canary that is no node with a pod CIDR; WorldMoved for a plan of
    another state."""
    settings = replace(settings or settings_for(cluster, options.prober_image), canary=options.canary)
    change = Change(
        cluster,
        Progress(origin=cluster.clock.now(), quiet=options.quiet, clock=cluster.clock),
        controller,
        options.prober_image if settings.decoys else "",
        settings,
        options.traffic,
    )
    facts = await change.cut_over().observe()
    if options.canary and options.canary not in facts.pod_cidr_of:
        raise InvalidInput(f"--canary {options.canary}: the cluster has no node of this name with a VM and a pod CIDR")
    refuse_moved(options.plan, cluster, facts)
    return change, facts


def settings_for(cluster: Connected, prober_image: str = "") -> Settings:
    """Those of a preparation: with decoys if they have an image, with the repeated alias if Gardener follows."""
    return Settings(decoys=bool(prober_image) or None, repeat_alias=cluster.identity.platform == "gardener")


def refuse_late(facts: CutoverFacts) -> None:
    """Once routes are deleted, nothing can be prepared, and nothing undone while the route controller works."""
    if facts.range_present and facts.all_holders and facts.unrouted and not facts.live_routes:
        raise InvalidInput(
            "no route is left: the cluster is past its preparation; run `dualstack finish`, or `dualstack status` to "
            "see where it stands"
        )


async def check(
    change: Change, facts: CutoverFacts, accept: Sequence[str], strategy: Strategy = PREPARE, *, rescue: bool = False
) -> Inventory:
    """What the preflight has read. PreflightFailed if anything stops the strategy; the risks are said, the notes named.

    rescue: nodes are without connectivity until the change goes on, so blockers are only said.
    """
    inventory = await inspect(change.cluster, facts, strategy, change.settings, change.prober_image)
    findings = [finding for finding in run_checks(inventory, ALL_CHECKS) if finding.id not in accept]
    blockers = [finding for finding in findings if finding.blocks]
    if blockers and not rescue:
        error = PreflightFailed(blockers)
        found = f"{len(blockers)} blocker{'s' if len(blockers) > 1 else ''}"
        error.args = ("\n  - ".join([f"nothing was changed: the preflight found {found}", *map(_describe, blockers)]),)
        raise error
    problems = [finding for finding in findings if finding.status in ("problem", "unknown")]
    for finding in problems:
        if finding.severity != "note":
            change.progress.say(f"{finding.severity}: {_describe(finding)}")
    if notes := ", ".join(dict.fromkeys(finding.id for finding in problems if finding.severity == "note")):
        change.progress.say(f"notes, which `dualstack preflight` shows: {notes}")
    return inventory


def _describe(finding: Finding) -> str:
    return f"{finding.id}: {finding.describe()}"


def announce(change: Change, facts: CutoverFacts, strategy: Strategy, start: CutoverFacts | None = None) -> None:
    """Say what is going to happen. start: the facts at the first step, if that is awaited."""
    start = start or facts
    others = (Barrier, StopController)  # a wait, and what the owner of the cluster does
    steps = [step.id for step in strategy.transitions(start, change.settings) if not isinstance(step, others)]
    seconds = estimate(strategy, start, change.settings)
    change.progress.say(ClusterName.of(change.cluster).describe())
    change.progress.say(f"{len(facts.pod_cidr_of)} nodes, {len(facts.routes)} routes; about {duration(seconds)}.")
    change.progress.say(f"Steps: {', '.join(dict.fromkeys(steps)) or 'none'}.")
