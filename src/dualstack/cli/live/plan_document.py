"""The plan of a migration as a document and as text, and the refusal to follow a plan that no longer holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from dualstack.cli.live.connect import Connected
from dualstack.cli.live.result import ClusterName
from dualstack.cli.words import duration, wrapped
from dualstack.live.disruption import Disruption
from dualstack.live.moved import PlannedFacts, moved
from dualstack.live.state import MEANING, Standing
from dualstack.model.enumeration import listed
from dualstack.model.errors import InvalidInput
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.forecast import PlannedStep
from dualstack.streams import write_result

SCHEMA = "dualstack.plan/v1"


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What one program or person does. command: of this program; empty for others, which have actions.

    seconds: expected duration; absent when it is not known. way_back: how to go back during and after the part.
    """

    command: str
    by: str
    seconds: float | None = None
    expected_outage_seconds: float | None = None
    steps: tuple[PlannedStep, ...] = ()
    actions: tuple[str, ...] = ()
    way_back: str = ""
    point_of_no_return: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Everything that is going to happen, in order. made_at: RFC 3339. facts: what the plan was made from.

    unreachable_now: nodes without a path before the first step. obstacles: why the plan ends before its goal.
    blockers: ids of findings of the preflight that stop the first part. strategy: empty if the plan has none.
    reasons: what a trial has measured, and what follows for the strategy.
    """

    schema: str
    cluster: ClusterName
    made_at: str
    standing: Standing
    nodes: int
    routes: int
    parts: tuple[Part, ...]
    disruption: Disruption
    facts: PlannedFacts
    unreachable_now: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    strategy: str = ""
    reasons: tuple[str, ...] = ()


class WorldMoved(InvalidInput):
    """The cluster has changed since the plan was made; nothing was changed."""


def describe(plan: Plan) -> str:
    """As text, at most 80 columns where names allow it."""
    own = sum(part.seconds or 0.0 for part in plan.parts)
    lines = [
        plan.cluster.describe(),
        f"{plan.nodes} nodes, {plan.routes} routes.",
        f"Stage of the cut-over: {plan.standing} ({MEANING[plan.standing]}).",
        f"Steps of this program: about {duration(own)}. Expected outage: {_outage(plan)}.",
    ]
    if plan.blockers:
        stops = f"Not ready: `dualstack prepare` refuses to begin because of {', '.join(plan.blockers)}"
        lines += wrapped(f"{stops}; `dualstack preflight` shows why and what to do.", "", "  ")
    for reason in plan.reasons:
        chosen = f"Strategy {plan.strategy}: " if plan.strategy else ""
        lines += wrapped(f"{chosen}{reason}.", "", "  ")
    if not plan.parts and not plan.obstacles:
        lines.append("Nothing is left to be done for the routes; `dualstack status` says what follows.")
    for number, part in enumerate(plan.parts, 1):
        lines += ["", *_part(number, part)]
    if plan.parts:
        lines += ["", *_disruption(plan.disruption)]
    for obstacle in plan.obstacles:
        lines += ["", *wrapped(obstacle, "STOPS HERE: ", "  ")]
    if plan.parts and plan.parts[0].command and not plan.obstacles and not plan.blockers:
        lines += ["", f"Next: `{plan.parts[0].command}` begins with part 1."]
    return "\n".join(lines)


def _outage(plan: Plan) -> str:
    longest = max((part.expected_outage_seconds or 0.0 for part in plan.parts), default=0.0)
    if plan.unreachable_now:
        return f"none besides {len(plan.unreachable_now)} nodes that are unreachable already"
    return f"about {duration(longest)}" if longest else "none"


def _part(number: int, part: Part) -> Iterator[str]:
    about = f", about {duration(part.seconds)}" if part.seconds is not None else ""
    yield f"{number}. {part.command or part.by}{about}"
    for step in part.steps:
        what = step.waits or "; ".join(f"{count} {call}" for call, count in step.calls.items()) or step.detail
        yield f"   {step.id:<22} {what:<40} {duration(step.seconds):>12}".rstrip()
        if step.unreachable:
            yield f"   {'':<22} {step.unreachable} nodes are unreachable afterwards"
    risks: dict[str, list[str]] = {}
    for step in part.steps:
        if step.risk:
            risks.setdefault(step.risk, []).append(step.id)
    for risk, steps in risks.items():
        yield from wrapped(f"{', '.join(dict.fromkeys(steps))}: {risk}.", "   Risk of ", "     ")
    for action in part.actions:
        yield from wrapped(action, "   - ", "     ")
    if part.way_back:
        yield from wrapped(f"{part.way_back}.", "   Way back: ", "     ")
    if part.point_of_no_return:
        yield from wrapped(f"{part.point_of_no_return}.", "   Point of no return: ", "     ")


def _disruption(found: Disruption) -> Iterator[str]:
    yield "Disruption of workloads: node replacement"
    yield from wrapped(f"{found.by[0].upper()}{found.by[1:]}.", "   ", "   ")
    for pool in found.pools:
        zones = ", ".join(pool.zones)
        yield from wrapped(
            f"pool {pool.name}: {pool.nodes} nodes in {zones}; {pool.surge} at a time, about {duration(pool.seconds)}",
            "   - ",
            "     ",
        )
    if not found.budgets_known:
        yield "   - PodDisruptionBudgets cannot be read"
    elif found.blocking_budgets:
        names = listed(found.blocking_budgets)
        yield from wrapped(
            f"these PodDisruptionBudgets allow no eviction now, so drains wait for them: {names}",
            "   - ",
            "     ",
        )
    else:
        yield f"   - PodDisruptionBudgets: {found.budgets}, none of them blocks evictions now"
    if found.window:
        yield f"   - maintenance window: {found.window}"


def save(plan: Plan, path: Path) -> None:
    """Write the plan as JSON. Raises OutputLost."""
    write_result(path, msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")


def read_plan(path: Path) -> Plan:
    """The saved plan. InvalidInput for anything else."""
    try:
        found = msgspec.json.decode(path.read_bytes())
        schema = found.get("schema") if isinstance(found, dict) else None
        if schema != SCHEMA:
            raise InvalidInput(
                f"--plan {path}: its schema is {schema!r}, not {SCHEMA!r}; make one with `dualstack plan --out FILE`"
            )
        return msgspec.convert(found, Plan)
    except msgspec.MsgspecError as error:
        raise InvalidInput(
            f"--plan {path}: it is not a plan: {error}; make one with `dualstack plan --out FILE`"
        ) from error


def refuse_moved(path: Path | None, cluster: Connected, facts: CutoverFacts) -> None:
    """Raise WorldMoved if the cluster is not as it was when the plan was made. Without a path, do nothing."""
    if path is None:
        return
    plan = read_plan(path)
    name = cluster.identity.cluster.name
    if plan.cluster.name != name:
        raise WorldMoved(
            f"--plan {path}: it is for cluster {plan.cluster.name}, not {name}; check the context of the kubeconfig, "
            "or make a plan of this cluster with `dualstack plan --out FILE`"
        )
    if found := moved(plan.facts, PlannedFacts.of(cluster.identity.cluster.project, facts)):
        raise WorldMoved(
            *(f"--plan {path}: since the plan was made, {each}" for each in found),
            "nothing was changed; review what has changed, then make a new plan with `dualstack plan --out FILE`",
        )
