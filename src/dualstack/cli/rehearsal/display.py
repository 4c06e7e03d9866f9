"""What a person sees while a rehearsal runs: a live panel on a terminal, one line per news elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dualstack.cli.rehearsal.record import Record
from dualstack.cli.rehearsal.result import ConstraintChange
from dualstack.model.events import (
    AnyEvent,
    Notice,
    OutageExpected,
    OutageMeasured,
    PhaseFinished,
    PhaseStarted,
    PropagationMeasured,
    StepFailed,
    StepStarted,
    StrategyChosen,
)


class Display(Protocol):
    """Takes news as they come; always on standard error when the result goes to standard output as JSON."""

    def say(self, sentence: str) -> None: ...

    def event(self, event: AnyEvent, record: Record) -> None: ...

    def constraint(self, change: ConstraintChange) -> None: ...

    def refresh(self, record: Record, traffic: Mapping[str, Any], now: float, eta: float | None) -> None: ...

    def close(self) -> None: ...


def make_display(output: str) -> Display:
    """A live panel if a person watches a terminal, else lines on standard error."""
    if output == "text" and sys.stderr.isatty():
        return LiveDisplay(Console(stderr=True))
    return LineDisplay(Console(stderr=True, highlight=False, soft_wrap=True))


def duration(seconds: float) -> str:
    """`seconds` as a person reads it: 12 s, 3 min 05 s, 1 h 02 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def describe(change: ConstraintChange) -> str:
    """One line for a change of a constraint."""
    if change.status is None:
        return f"{change.type} removed"
    return f"{change.type} {change.status} ({change.reason}): {change.message}"


class LineDisplay:
    """One line for each thing that happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False)

    def event(self, event: AnyEvent, record: Record) -> None:
        at = f"{duration(event.at - record.origin):>14}  "
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

    def refresh(self, record: Record, traffic: Mapping[str, Any], now: float, eta: float | None) -> None:
        """Lines tell what happened, not what stands still."""

    def close(self) -> None:
        """Nothing to put away."""


class LiveDisplay:
    """A panel that is drawn anew twice a second: phases, step, nodes, routes, blackout, time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, highlight=False)

    def event(self, event: AnyEvent, record: Record) -> None:
        if isinstance(event, StepFailed):
            self.say(f"{event.step} failed: {event.detail}")
        elif (said := announced(event)) is not None:
            self.say(said)

    def constraint(self, change: ConstraintChange) -> None:
        self.say(f"{duration(change.at):>14}  {describe(change)}")

    def refresh(self, record: Record, traffic: Mapping[str, Any], now: float, eta: float | None) -> None:
        if self._live is None:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        self._live.update(panel(record, traffic, now, eta), refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def announced(event: AnyEvent) -> str | None:
    """What an event has to tell in words: how the routes move, what that costs, what stays behind; else None."""
    match event:
        case StrategyChosen(strategy=strategy, reason=reason):
            return f"strategy {strategy}: {reason}"
        case OutageExpected(detail=detail):
            return detail
        case OutageMeasured(detail=detail) | PropagationMeasured(detail=detail):
            return f"Measured: {detail}"
        case Notice(detail=detail):
            return f"Note: {detail}"
        case _:
            return None


def panel(record: Record, traffic: Mapping[str, Any], now: float, eta: float | None) -> Group:
    """The picture of the rehearsal `now` simulated seconds after the trigger, `eta` of them before its end."""
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
    dark = traffic.get("current", 0)
    table.add_row(
        "blackout",
        Text(
            f"{blackout:.1f} s at most so far, {dark} of {traffic.get('pairs', 0)} pairs dark now",
            style="bold red" if dark else "green" if not blackout else "yellow",
        ),
    )
    table.add_row("time", duration(now) + (f", about {duration(eta)} to go" if eta else ""))
    return Group(phases, table)
