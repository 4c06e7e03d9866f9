"""`dualstack rollback`, and `dualstack prepare --undo`, which is the same to routes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from dualstack.cli.live.change import confirm
from dualstack.cli.live.connect import Connected, connected
from dualstack.cli.live.finish import controller_of
from dualstack.cli.live.options import ChangeOptions
from dualstack.cli.live.outcome import print_outcome
from dualstack.cli.live.prepare import announce, begin, refuse_late
from dualstack.cutover.actuator import Redirection
from dualstack.live.record import PROVEN
from dualstack.live.state import standing
from dualstack.live.work_report import working
from dualstack.model.errors import GateFailed, InvalidInput
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.forecast import forecast
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.strategies.back import irreversible, way_back

STAGES: Mapping[str, Stage] = {
    "routes": Stage.ROUTES,
    "flag": Stage.FLAG,
    "range": Stage.RANGE,
    "aliases": Stage.ALIASES,
}
"""The stages that can be gone back to, by name."""


def run_rollback(options: ChangeOptions, to: str = "routes", *, undo: bool = False) -> None:
    """Take the cluster back and print the result. undo: for `dualstack prepare --undo`."""
    asyncio.run(_rollback(options, STAGES[to], undo=undo))


async def _rollback(options: ChangeOptions, to: Stage, *, undo: bool) -> None:
    async with connected(options.target) as cluster:
        change, facts = await begin(cluster, replace(options, canary="", prober_image=""))
        if undo:
            refuse_late(facts)
        _refuse_gardeners(cluster, facts)
        _refuse_stage(to, facts)
        name = "prepare --undo" if undo else "rollback"
        stopped = not await controller_of(cluster).running()
        remembered = facts.saved_routes or await change.record.notes() or (await working(cluster.kube)).holder
        if not remembered and not forecast(way_back(to), facts, change.settings).steps:
            change.progress.say(f"Nothing to do: the cluster has {to.words}.")
            await print_outcome(change, name, options.output, stopped=stopped)
            return
        announce(change, facts, way_back(to))
        for sentence in irreversible(facts):
            change.progress.say(f"Note: {sentence}.")
        confirm(f"Take cluster {cluster.identity.cluster.name} back to {to.words}?", yes=options.yes)

        async def work(redirection: Redirection) -> None:
            if to is not Stage.ALIASES:
                await change.record.note(PROVEN, None)
            try:
                await change.cut_over().back(redirection, to)
            except GateFailed as error:
                left = await change.cut_over().observe()
                if left.unrouted and (advice := _advice(left)):
                    error.args = (f"{error}; {advice}",)
                raise
            if to is Stage.ROUTES:
                await change.record.clear()

        await change.run(work)
        await print_outcome(change, name, options.output, stopped=stopped)


def _advice(facts: CutoverFacts) -> str:
    """What to do when nodes have no route and cannot get one, as a clause; empty where there is nothing in general."""
    match standing(facts):
        case "prepared":  # they have joined meanwhile
            names = ", ".join(facts.unrouted[:3])
            return f"drain and delete the nodes that have only their alias ({names}), then run the command again"
        case "cutting-over" | "finishing" | "finished":
            return "run `dualstack finish` to go forward, which needs no route"
        case _:
            return ""


def _refuse_gardeners(cluster: Connected, facts: CutoverFacts) -> None:
    """Once Gardener has deleted routes, its cloud-controller-manager takes pod CIDRs from aliases."""
    if cluster.identity.platform == "gardener" and facts.range_present and facts.all_holders and not facts.live_routes:
        raise InvalidInput(
            "Gardener has deleted the routes, and its machines need alias ranges from now on, so this cluster cannot "
            "go back to routes; run `dualstack status` for the next step forward; "
            "docs/rollback.md#after-gardeners-migration says how the Shoot can return to IPv4"
        )


def _refuse_stage(to: Stage, facts: CutoverFacts) -> None:
    """A stage that the cluster has not reached is no way back."""
    if to > stage_of(facts):
        name = next(name for name, stage in STAGES.items() if stage is to)
        raise InvalidInput(
            f"--to {name}: the cluster has not reached that stage ({stage_of(facts).words}); run `dualstack prepare` "
            "to go forward"
        )
