"""`dualstack plan`, and the check of `--plan` before a change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dualstack.cli.live.change import Change, Progress
from dualstack.cli.live.connect import Connected, connected
from dualstack.cli.live.finish import STOPPED, as_finish_begins, controller_of
from dualstack.cli.live.inspect import inspect
from dualstack.cli.live.measured_cloud import contradicted, measurements_of
from dualstack.cli.live.options import Target
from dualstack.cli.live.plan_document import SCHEMA, Part, Plan, describe, save
from dualstack.cli.live.prepare import settings_for
from dualstack.cli.live.result import ClusterName, print_result
from dualstack.live.advice import STOP_ROUTES
from dualstack.live.disruption import disruption
from dualstack.live.identify import SHOOT_INFO, Identity
from dualstack.live.moved import PlannedFacts
from dualstack.live.record import PROVEN
from dualstack.live.state import standing
from dualstack.model.errors import DualstackError, KubeError
from dualstack.model.kinds import CONFIG_MAP, DISRUPTION_BUDGET, Manifest
from dualstack.model.names import KUBE_SYSTEM
from dualstack.plan.assumptions import open_questions
from dualstack.plan.costs import outage
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.forecast import Forecast, forecast
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.compressed import COMPRESSED
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.overlap import OVERLAP
from dualstack.plan.strategies.prepare import PREPARE, prepared
from dualstack.preflight.registry import ALL_CHECKS, run_checks
from dualstack.trial.measurements import Measurements

_NO_ROUTES = (
    "delete-routes, where the cloud refuses a route inside the pod range; otherwise `dualstack rollback` creates the "
    "routes again (docs/rollback.md)"
)
"""The point of no return outside of Gardener (docs/reference/cut-over.md#k1)."""
CHECKED = ("dualstack prepare", "dualstack migrate --strategy compressed")
"""The commands of parts that begin with the preflight."""


class PlanIncomplete(DualstackError):
    """The plan does not reach its end; the message says why."""


def run_plan(
    target: Target, *, out: Path | None, profile: Path | None, prober_image: str, output: str, quiet: bool
) -> None:
    """Print the plan. PlanIncomplete when a step cannot be performed."""
    plan = asyncio.run(_plan(target, measurements_of(profile), prober_image, quiet=quiet))
    if out is not None:
        save(plan, out)
    print_result(plan, describe(plan), output)
    if plan.obstacles:
        raise PlanIncomplete(f"the plan ends before its goal: {'; '.join(plan.obstacles)}")


async def _plan(target: Target, measured: Measurements | None, prober_image: str, *, quiet: bool) -> Plan:
    async with connected(target) as cluster:
        progress = Progress(cluster.clock.now(), quiet)
        progress.say(f"Reading {ClusterName.of(cluster).describe()} ...")
        facts = await Change(cluster, progress).cut_over().observe()
        running, budgets, shoot_info = await asyncio.gather(
            controller_of(cluster).running(), _budgets(cluster), cluster.kube.get(CONFIG_MAP, SHOOT_INFO, KUBE_SYSTEM)
        )
        settings = settings_for(cluster, prober_image)
        proven = PROVEN in await Change(cluster, progress).record.notes()
        plan = plan_of(
            cluster.identity,
            ClusterName.of(cluster),
            facts,
            settings,
            routes_created=bool(running),
            proven=proven,
            budgets=budgets,
            shoot_info=shoot_info,
            made_at=cluster.clock.now(),
            measured=measured,
        )
        if not any(part.command in CHECKED for part in plan.parts):
            return plan
        strategy = COMPRESSED if plan.strategy == COMPRESSED.name else PREPARE
        inventory = await inspect(cluster, facts, strategy, settings, prober_image)
        blockers = dict.fromkeys(finding.id for finding in run_checks(inventory, ALL_CHECKS) if finding.blocks)
        return msgspec.structs.replace(plan, blockers=tuple(blockers))


async def _budgets(cluster: Connected) -> list[Manifest] | None:
    try:
        return await cluster.kube.list(DISRUPTION_BUDGET)
    except KubeError:
        return None


def plan_of(
    identity: Identity,
    name: ClusterName,
    facts: CutoverFacts,
    settings: Settings,
    *,
    routes_created: bool,
    proven: bool = False,
    budgets: Iterable[Manifest] | None,
    shoot_info: Manifest | None,
    made_at: float,
    measured: Measurements | None = None,
) -> Plan:
    """The plan for a cluster. settings: of the preparation. routes_created: whether a route controller is at work.
    proven: whether an earlier `prepare` has proven every alias. measured: by a trial."""
    gardener = identity.platform == "gardener"
    plan = Plan(
        schema=SCHEMA,
        cluster=name,
        made_at=datetime.fromtimestamp(made_at, UTC).isoformat(timespec="seconds"),
        standing=standing(facts),
        nodes=len(facts.pod_cidr_of),
        routes=len(facts.routes),
        parts=(),
        unreachable_now=facts.unreachable,
        disruption=disruption(identity, budgets, shoot_info),
        facts=PlannedFacts.of(identity.cluster.project, facts),
    )
    reason = contradicted(measured, OVERLAP.name, gardener=gardener)
    if reason and facts.live_routes and not facts.range_present:
        found = _otherwise(plan, identity, facts, reason, routes_created=routes_created)
        return msgspec.structs.replace(found, reasons=(reason, *(measured.risks if measured else ())))
    parts, obstacles = _without_loss(identity, facts, settings, routes_created=routes_created, proven=proven)
    return msgspec.structs.replace(
        plan, parts=parts, obstacles=obstacles, strategy=OVERLAP.name, reasons=_reasons(measured, gardener=gardener)
    )


def _reasons(measured: Measurements | None, *, gardener: bool) -> tuple[str, ...]:
    """What the plan rests on, if a trial has measured anything."""
    if measured is None:
        return ()
    unknown = open_questions(OVERLAP.name, measured.answers, gardener=gardener)
    left = f"; not measured: {', '.join(unknown)}" if unknown else ""
    return f"{measured.describe()}, the cloud contradicts no assumption of {OVERLAP.name}{left}", *measured.risks


def _otherwise(plan: Plan, identity: Identity, facts: CutoverFacts, reason: str, *, routes_created: bool) -> Plan:
    """The plan where the order without loss is excluded, without reasons: the shortest outage, or nothing to do."""
    if identity.platform == "gardener":
        way = (
            f"{reason}. Do not prepare this Shoot: edit ipFamilies in a maintenance window and accept the outage of "
            "Gardener's own order, or let `dualstack operator` reconcile its infrastructure with strategy "
            f"{COMPRESSED.name}"
        )
        return msgspec.structs.replace(plan, obstacles=(way,))
    stop = STOP_ROUTES[identity.platform]
    by_hand = Part(command="", by="You", actions=(f"{stop[0].upper()}{stop[1:]}.",), expected_outage_seconds=0.0)
    others = (by_hand,) if routes_created else ()
    found = forecast(COMPRESSED, replace(facts, controller=STOPPED), Settings())
    expected = round(outage(COMPRESSED, facts, Settings()).seconds, 1)
    part = _part(
        f"dualstack migrate --strategy {COMPRESSED.name}",
        found,
        "",
        _NO_ROUTES,
    )
    part = msgspec.structs.replace(part, expected_outage_seconds=expected)
    parts = (*others, part)
    return msgspec.structs.replace(plan, parts=parts, obstacles=found.obstacles, strategy=COMPRESSED.name)


def _without_loss(
    identity: Identity, facts: CutoverFacts, settings: Settings, *, routes_created: bool, proven: bool
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The parts of the order without loss, and why it ends before its goal, if it does."""
    done = (prepared(facts) and proven) or standing(facts) in ("cutting-over", "finishing", "finished")
    first = Forecast(steps=(), after=facts) if done else forecast(PREPARE, facts, settings)
    after = as_finish_begins(identity.platform, first.after)  # it has not seen what `prepare` saw
    last = forecast(FINISH, after, Settings()) if not first.obstacles else Forecast(steps=(), after=after)
    parts = [_part("dualstack prepare", first, "`dualstack prepare --undo`, after every step")] if first.steps else []
    if routes_created and not first.obstacles:
        parts.append(_other_side(identity, facts))
    if last.steps:
        deletes = any("routes.delete" in step.calls for step in last.steps)
        parts.append(
            _part(
                "dualstack finish",
                last,
                "a failed gate restores the routes that its step has deleted" if deletes else "",
                _NO_ROUTES if deletes else "",
            )
        )
    return tuple(parts), (*first.obstacles, *last.obstacles)


def _part(command: str, found: Forecast, way_back: str, point_of_no_return: str = "") -> Part:
    """A part of this program. Both strategies lose nothing."""
    return Part(
        command=command,
        by="dualstack",
        seconds=round(sum(step.seconds for step in found.steps), 1),
        expected_outage_seconds=0.0,
        steps=found.steps,
        way_back=way_back,
        point_of_no_return=point_of_no_return,
    )


def _other_side(identity: Identity, facts: CutoverFacts) -> Part:
    stop = STOP_ROUTES[identity.platform]
    first = f"{stop[0].upper()}{stop[1:]}."
    if identity.platform != "gardener":
        return Part(
            command="",
            by="You",
            actions=(first, "Routes stay until `dualstack finish` deletes them."),
            expected_outage_seconds=0.0,
            point_of_no_return="none; set the flags back, then run `dualstack prepare --undo`",
        )
    deletion = (
        f"Gardener deletes {len(facts.routes)} routes, makes the subnet dual-stack and adds the IPv6 subnet for "
        "Services, firewall rules and NAT. Each packet already follows an alias."
    )
    return Part(
        command="",
        by="Gardener",
        actions=(first, deletion, "Gardener replaces the nodes, then updates the control plane, the CNI and DNS."),
        expected_outage_seconds=0.0,
        point_of_no_return="the edit of ipFamilies; the API refuses to remove a family "
        "(docs/reference/gardener.md#mask-blocks-rollback), and subnets keep their IPv6 ranges",
    )
