"""Shows a rehearsal while it runs: a live panel on a terminal, else one line for each event."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dualstack.cli.rehearsal.record import FORWARD, Direction, Record
from dualstack.cli.rehearsal.result import ConstraintChange, Seen
from dualstack.cli.words import announced, duration
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.events import AnyEvent, PhaseFinished, PhaseStarted, StepFailed, StepStarted


def make_display(output: str, *, quiet: bool = False) -> Display:
    """A live panel if standard error is a terminal, else lines; nothing if `quiet`."""
    if output == "text" and sys.stderr.isatty() and not quiet:
        return LiveDisplay(Console(stderr=True))
    return Display(Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty(), quiet=quiet))


def describe(change: ConstraintChange) -> str:
    """One line for a change of a constraint."""
    if change.status is None:
        return f"{change.type} removed"
    return f"{change.type} {change.status} ({change.reason}): {change.message}"


class Display:
    """Prints one line for each event."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False)

    def event(self, event: AnyEvent, record: Record) -> None:
        at = f"{duration(record.since(event.at)):>14}  "
        match event:
            case PhaseStarted(phase=phase):
                self.say(f"{at}{phase}")
            case PhaseFinished(phase=phase):
                self.say(f"{at}{phase}: done")
            case StepStarted(step=step, detail=detail):
                self.say(f"{at}  {step}{f': {detail}' if detail else ''}")
            case StepFailed(step=step, detail=detail):
                self.say(f"{at}  {step} FAILED: {detail}")
            case _:
                if (said := announced(event)) is not None:
                    self.say(f"{at}  {said}")

    def constraint(self, change: ConstraintChange) -> None:
        self.say(f"{duration(change.at):>14}  constraint {describe(change)}")

    def owner(self, seen: Seen) -> None:
        if seen.state != "Processing":
            self.say(f"{duration(seen.at):>14}  Shoot {seen.state}: {seen.description}")

    def refresh(self, record: Record, traffic: Mapping[str, Any], now: float, eta: float | None) -> None:
        """Does nothing: lines are for events."""

    def close(self) -> None:
        """Does nothing."""


class LiveDisplay(Display):
    """Draws a panel with phases, step, nodes, routes, blackout and time, below notices and constraints."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None

    def event(self, event: AnyEvent, record: Record) -> None:
        if isinstance(event, StepFailed) or announced(event) is not None:
            super().event(event, record)

    def refresh(self, record: Record, traffic: Mapping[str, Any], now: float, eta: float | None) -> None:
        if self._live is None:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        self._live.update(panel(record, traffic, now, eta), refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def panel(record: Record, traffic: Mapping[str, Any], now: float, eta: float | None) -> Group:
    """The panel at `now` simulated seconds after the start of the run, `eta` of them before its end."""
    phases = Text()
    for name in record.direction.phases:
        style = "green" if record.finished(name) else "bold cyan" if record.current_phase() == name else "dim"
        phases.append(f" {name} ", style=style)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column()
    step = record.step
    table.add_row("step", f"{step.name} {step.detail}" if step else "waiting for the operator")
    if record.progress:
        progress = record.progress
        table.add_row("nodes", f"{progress.nodes_dual_stack}/{progress.nodes} dual-stack")
        table.add_row("routes left", str(progress.routes_left))
    blackout = traffic.get("blackoutSeconds", {}).get("max", 0.0)
    broken = traffic.get("current", 0)
    table.add_row(
        "blackout",
        Text(
            f"at most {blackout:.1f} s so far; {broken} of {traffic.get('pairs', 0)} pod pairs without connectivity",
            style="bold red" if broken else "green" if not blackout else "yellow",
        ),
    )
    quiet = record.progress_limit.quiet(now)
    ahead = f", about {duration(eta)} to go" if eta else ""
    table.add_row("simulated time", duration(now) + (f"; no progress for {duration(quiet)}" if quiet else ahead))
    return Group(phases, table)


# Time to the end ----------------------------------------------------------------------------------------------------

_SECONDS_PER_WAVE = 600.0
"""New machine, minReadySeconds of 500, removal of the old one (docs/reference/gardener.md#min-ready-seconds)."""

_TYPICAL = {
    "preparation": 30.0,
    "cut-over": 1200.0,
    "ipv6": 50.0,
    "control-plane": 60.0,
    "dual-stack": 120.0,
    "dns": 100.0,
    "single-stack": 240.0,
}
_DAEMON_SET_SECONDS = 8.0
"""One node of a DaemonSet's rolling update."""


def typical_duration(direction: Direction, shoot: ShootView, nodes: int) -> float:
    """The usual duration of a run with so many nodes in simulated seconds."""
    return sum(_typical(phase, shoot, nodes) for phase in direction.phases)


def nodes_at_once(shoot: ShootView) -> int:
    """How many nodes the pools replace at a time."""
    return max(1, sum(pool.max_surge + pool.max_unavailable for pool in shoot.pools))


def remaining(record: Record, shoot: ShootView, now: float) -> float | None:
    """Simulated seconds to the end of the run at `now` (seconds since its start); None before its first phase.

    The cut-over's part is the operator's estimate; the other phases have typical lengths.
    """
    if not record.phases:
        return None
    current = record.current_phase() or record.phases[-1].name
    phases = record.direction.phases
    later = phases[phases.index(current) + 1 :] if current in phases else ()
    nodes = record.progress.nodes if record.progress else sum(pool.minimum for pool in shoot.pools)
    return _of_current(record, shoot, current, now, nodes) + sum(_typical(phase, shoot, nodes) for phase in later)


def _of_current(record: Record, shoot: ShootView, phase: str, now: float, nodes: int) -> float:
    started = next(entry for entry in record.phases if entry.name == phase)
    if started.finished_at is not None:
        return 0.0
    elapsed, progress = now - started.started_at, record.progress
    if phase == "cut-over" and progress and progress.eta is not None:
        return progress.eta
    if phase == "roll-out" and progress:
        dual = progress.nodes_dual_stack
        if done := dual if record.direction is FORWARD else progress.nodes - dual:
            wanted = max(1, min(nodes, sum(pool.minimum for pool in shoot.pools)))  # without the surge
            return elapsed / done * max(0, wanted - done)
    return max(0.0, _typical(phase, shoot, nodes) - elapsed)


def _typical(phase: str, shoot: ShootView, nodes: int) -> float:
    if phase == "roll-out":
        return math.ceil(nodes / nodes_at_once(shoot)) * _SECONDS_PER_WAVE
    return _TYPICAL[phase] + (_DAEMON_SET_SECONDS * nodes if phase == "dual-stack" else 0.0)
