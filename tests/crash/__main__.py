"""`python -m tests.crash`: kill the product before and after every call of a migration, and print the outcomes.

Each row is one migration of three nodes in a world of its own: the point of the kill, the call that it hit, the outcome
after a restart, and the longest blackout of any pair in seconds. Exit status 1 if any row is bad, or if an answer of
the simulated Compute Engine contradicts the published description.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator

import click
import msgspec

from tests.contract.witness import Witness, watched_processes
from tests.crash.commands import command_trial
from tests.crash.trial import RunOptions, Verdict, trial
from tests.crash.tripwire import SIDES, Point, kind_of
from tests.crash.whole import whole_trial
from tests.crash.workers import verdicts_of

MUTATIONS = 0.6
"""Share of a sample that hits calls which change something; most calls of a migration only read."""

SPEED = 1000.0
WHOLE_SPEED = 400.0
"""Simulated seconds in one second of wall time: actors compute more than an operator that waits."""


@click.command()
@click.option("--sample", type=click.IntRange(1), help="This many points instead of all.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which points a sample takes.")
@click.option("--whole", is_flag=True, help="The whole migration with all actors, from the Shoot to DNS.")
@click.option(
    "--speed", type=click.FloatRange(1), help="Seconds in one of wall time, by default 1000, and 400 of the whole."
)
@click.option("--strategy", default="overlap", show_default=True)
@click.option(
    "--command",
    type=click.Choice(["prepare", "undo", "finish", "migrate"]),
    help="A command for live clusters instead of the operator's migration.",
)
@click.option("--decoys/--no-decoys", default=True, show_default=True, help="With the decoy check.")
@click.option(
    "--jobs", type=click.IntRange(1), default=3, show_default=True, help="Worlds side by side; each mostly waits."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the table.")
def main(
    sample: int | None,
    seed: int,
    whole: bool,
    speed: float | None,
    strategy: str,
    decoys: bool,
    command: str | None,
    jobs: int,
    as_json: bool,
) -> None:
    """Kill the product at the calls of a migration of three nodes, and check that each migration ends well."""
    began = time.monotonic()
    witness, seen = Witness(), click.get_current_context().with_resource(watched_processes())
    one = command_trial if command else whole_trial if whole else trial
    options = RunOptions(speed or (WHOLE_SPEED if whole else SPEED), strategy, decoys, command or "")
    (baseline,) = verdicts_of([None], one, options, jobs=1)
    if not baseline.good:
        raise click.ClickException(f"the migration fails without a kill: {baseline.outcome}")
    points = list(_points(baseline.calls, sample, seed))

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    say(f"{len(baseline.calls)} calls without a kill; {len(points)} points")
    say(f"{'point':>18}  {'outcome':<12} {'blackout':>8}  call")
    verdicts = []
    for verdict in verdicts_of(points, one, options, jobs=jobs):
        verdicts.append(verdict)
        witness.read(seen)
        say(f"{verdict.point!s:>18}  {verdict.outcome:<12} {verdict.blackout:>8.1f}  {verdict.call}")
    bad = [verdict for verdict in verdicts if not verdict.good]
    summary = {
        "points": len(verdicts),
        "killed": sum(bool(verdict.call) for verdict in verdicts),
        "bad": len(bad),
        "blackoutMax": max((verdict.blackout for verdict in verdicts), default=0.0),
        "answersChecked": witness.answers,
        "wallSeconds": round(time.monotonic() - began, 1),
    }
    if as_json:
        rows = [msgspec.structs.asdict(_Row.of(verdict)) for verdict in verdicts]
        click.echo(msgspec.json.encode({**summary, "rows": rows}))
    else:
        click.echo(", ".join(f"{name} {value}" for name, value in summary.items()))
    faults = witness.take()
    for fault in faults:
        click.echo(fault, err=True)
    sys.exit(1 if bad or faults else 0)


class _Row(msgspec.Struct):
    point: str
    call: str
    outcome: str
    blackout: float
    seconds: float

    @classmethod
    def of(cls, verdict: Verdict) -> _Row:
        return cls(str(verdict.point), verdict.call, verdict.outcome, verdict.blackout, round(verdict.seconds, 1))


def _points(calls: tuple[str, ...], sample: int | None, seed: int) -> Iterator[Point]:
    """Both sides of every call, or a seeded choice of them in which changes have more weight."""
    totals = Counter(kind_of(call) for call in calls)
    changes = [Point("change", number, side) for number in range(1, totals["change"] + 1) for side in SIDES]
    reads = [Point("read", number, side) for number in range(1, totals["read"] + 1) for side in SIDES]
    if sample is None:
        return iter(sorted(changes + reads))
    chance = random.Random(seed)
    count = min(len(changes), round(sample * MUTATIONS))
    chosen = chance.sample(changes, count)
    return iter(sorted(chosen + chance.sample(reads, min(len(reads), sample - count))))


if __name__ == "__main__":
    main()
