"""`dualstack status`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from dualstack.cli.live.change import Change, Progress
from dualstack.cli.live.connect import Connected, connected
from dualstack.cli.live.finish import controller_of
from dualstack.cli.live.options import Target
from dualstack.cli.live.prepare import settings_for
from dualstack.cli.live.result import ClusterName, print_result
from dualstack.cli.live.waiting import REMIND_EVERY
from dualstack.cli.words import bullets, duration, wrapped
from dualstack.live.lease import DURATION
from dualstack.live.state import MEANING, NodeState, Standing, node_states, standing
from dualstack.live.work_report import Working, working
from dualstack.model.errors import ComputeError, GateFailed, KubeError
from dualstack.plan.costs import estimate
from dualstack.plan.facts import KEPT, CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.prepare import PREPARE

WATCH_EVERY = 5.0
MOST_NODES = 20
"""How many nodes the text form lists; JSON has all of them."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """timeout: seconds after which the wait fails."""

    until: Literal["prepared", "finished"]
    timeout: float


class Status(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where the cut-over of a cluster stands. works: the process that changes it now; empty without one. step, awaits:
    what it reports. time_left: expected seconds until that process ends, or that the next command needs;
    time_left_with_decoys: if that is a `prepare` with a decoy check.
    """

    schema: str
    cluster: ClusterName
    standing: Standing
    overlap_flag: bool
    pod_range: bool
    stack_type: str
    routes: int
    foreign_routes: tuple[str, ...] = ()
    route_controller: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    works: str = ""
    step: str = ""
    awaits: str = ""
    time_left: float | None = None
    time_left_with_decoys: float | None = None
    nodes: tuple[NodeState, ...] = ()
    next_steps: tuple[str, ...] = ()

    def waiting_words(self) -> str:
        """What the cut-over waits for now, in one clause."""
        nodes = [node for node in self.nodes if node.waits_for or node.problem]
        of_node = [f"{nodes[0].name} waits for {nodes[0].waits_for or nodes[0].problem}"] if nodes else []
        controller = self.route_controller if self.standing in ("prepared", "cutting-over") else ()
        step = f"step {self.step}" if self.step else "a program that starts to work" if self.works else ""
        reasons = list(filter(None, (step, self.awaits, *controller[:1], *of_node))) or list(self.next_steps[-1:])
        return f"{self.standing}: {'; '.join(reasons)}"

    def describe(self) -> str:
        """As text, at most 80 columns where names allow it."""
        paths = Counter(node.path for node in self.nodes)
        by_path = ", ".join(f"{count} by {path}" for path, count in sorted(paths.items()))
        dual_stack = sum(node.dual_stack for node in self.nodes)
        controller = self.route_controller if self.standing in ("prepared", "cutting-over") else ()
        flag = "set" if self.overlap_flag else "not set"
        pod_range = "present" if self.pod_range else "absent"
        decoys = self.time_left_with_decoys
        checked = f", or {duration(decoys)} with --prober-image" if decoys else ""
        rows = [
            ("cut-over", f"{self.standing} ({MEANING[self.standing]})"),
            ("nodes", f"{len(self.nodes)}: {by_path}; {dual_stack} dual-stack"),
            ("subnet", f"{self.cluster.nodes_subnet}, {self.stack_type}; pod range {pod_range}, overlap flag {flag}"),
            ("routes", f"{self.routes} of the cluster, {len(self.foreign_routes)} of others in the pod range"),
            *(("route controller", text) for text in controller),
            *([("works now", self.works)] if self.works else []),
            *([("step", self.step)] if self.step else []),
            *([("waits for", self.awaits)] if self.awaits else []),
            *([("time left", f"about {duration(self.time_left)}{checked}")] if self.time_left else []),
            *([("UNREACHABLE", ", ".join(self.unreachable[:3]))] if self.unreachable else []),
        ]
        lines = [self.cluster.describe()]
        lines += [line for name, text in rows for line in wrapped(text, f"  {name:<18}", " " * 20)]
        shown = [node for node in self.nodes if node.problem or node.waits_for]
        lines += [line for node in shown[:MOST_NODES] for line in wrapped(_node_line(node), "  ", "    ")]
        lines += [f"  ... and {len(shown) - MOST_NODES} more nodes"] if len(shown) > MOST_NODES else []
        return "\n".join([*lines, *bullets(self.next_steps)])


def _node_line(node: NodeState) -> str:
    waits = f"waits for {node.waits_for}" if node.waits_for else ""
    return f"node {node.name}: {'; '.join(filter(None, (node.path, node.problem, waits)))}"


def run_status(target: Target, *, watch: bool, wait: Waiting | None, output: str, quiet: bool) -> None:
    """Print the status; with `watch`, again whenever it changes; with `wait`, once it is as wanted."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_status(target, output, watch=watch, wait=wait, quiet=quiet))


async def _status(target: Target, output: str, *, watch: bool, wait: Waiting | None, quiet: bool) -> None:
    async with connected(target) as cluster:
        if wait:
            found, reason = await wait_for(cluster, wait, Progress(cluster.clock.now(), quiet).say)
            print_result(found, found.describe(), output)
            if reason:
                raise GateFailed(reason)
            return
        last: Status | None = None
        while True:
            found = await read_status(cluster)
            if found != last:
                print_result(found, found.describe(), output)
            if not watch:
                return
            last = found
            await cluster.clock.sleep(WATCH_EVERY)


async def wait_for(cluster: Connected, wait: Waiting, say: Callable[[str], None]) -> tuple[Status, str]:
    """The status once it is as wanted, or the last one and why the wait has ended, as a sentence."""
    clock, since = cluster.clock, cluster.clock.now()
    witness, said, said_at = Witness(), "", since
    found: Status | None = None
    while True:
        try:
            found = await read_status(cluster)
        except (KubeError, ComputeError) as error:
            if found is None:
                raise
            sentence = f"The cluster cannot be read: {error}"
        else:
            if found.standing == wait.until and not found.works:
                return found, ""
            if reason := witness.end(found, clock.now()):
                return found, reason
            sentence = found.waiting_words()
        if sentence != said or clock.now() > said_at + REMIND_EVERY:
            left = f"; about {duration(found.time_left)} left" if found.works and found.time_left else ""
            say(f"{duration(clock.now() - since):>14}  {sentence}{left}")
            said, said_at = sentence, clock.now()
        if clock.now() > since + wait.timeout:
            return found, f"the cut-over is not {wait.until} after {duration(wait.timeout)}: {found.waiting_words()}"
        await clock.sleep(WATCH_EVERY)


@dataclass(slots=True)
class Witness:
    """Notices that the process on which a wait depends has ended without success."""

    works: str = ""
    since: float = 0.0

    def end(self, found: Status, now: float) -> str:
        """Why waiting is in vain, as a clause; empty while it is not."""
        before, self.works = self.works, found.works
        if found.works != before:
            self.since = now
        stuck = found.standing in ("routes", "preparing", "cutting-over", "finishing")
        if before and not found.works and stuck:
            return f"{before.partition(',')[0]} has ended; stage of the cut-over: {found.standing}"
        if found.works and now > self.since + 2 * DURATION:
            return f"{found.works}: it has not renewed its Lease for {now - self.since:.0f} s, so it has probably ended"
        return ""


async def read_status(cluster: Connected) -> Status:
    """Read everything once."""
    controller = controller_of(cluster)
    change = Change(cluster, Progress(cluster.clock.now()), controller)
    facts = await change.cut_over().observe()
    now, works = standing(facts), await working(cluster.kube)
    running = tuple(await controller.running())
    without, decoys = (
        time_left(facts, now, works, cluster.clock.now(), settings_for(cluster, image)) for image in ("", "any")
    )
    return Status(
        schema="dualstack.status/v1",
        cluster=ClusterName.of(cluster),
        standing=now,
        overlap_flag=facts.subnet.overlap_flag,
        pod_range=facts.range_present,
        stack_type=facts.subnet.stack_type,
        routes=len(facts.routes),
        foreign_routes=tuple(route.name for route in facts.foreign_routes),
        route_controller=running,
        unreachable=facts.unreachable,
        works=works.words,
        step=works.report.step,
        awaits=works.report.awaits,
        time_left=without,
        time_left_with_decoys=decoys if decoys != without else None,
        nodes=node_states(facts, change.progress.dual_stack),
        next_steps=change.next_steps(facts, stopped=not running),
    )


def time_left(facts: CutoverFacts, now: Standing, works: Working, at: float, settings: Settings) -> float | None:
    """Expected seconds until the working process ends, else those of the next command; None when a person is next."""
    if works.report.end:
        return max(0.0, works.report.end - at)
    match now:
        case "routes" | "preparing":
            return estimate(PREPARE, replace(facts, controller=KEPT), settings)
        case "prepared" | "cutting-over" | "finishing" if facts.controller.gone:
            return estimate(FINISH, facts, Settings())
        case _:
            return None
