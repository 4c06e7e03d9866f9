"""`python -m tests.mutants`: changes one place of the product at a time and lists the changes that no test notices.

accepted.toml lists the survivors that no test can or should notice, each with its reason. Exit status 1 when a change
survives that is not listed, or, in a run over everything, when a listed one does not survive.
"""

from __future__ import annotations

import random
import resource
import sys
import tomllib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import click

from tests.mutants.mutations import Mutation, mutations, sites
from tests.mutants.recording import recording
from tests.mutants.runs import Run, exchanged, imported, preload

ACCEPTED = Path(__file__).with_name("accepted.toml")
TESTS = {
    "plan": ("tests/unit/plan", "tests/unit/cutover", "tests/property", "tests/sim/cutover"),
    "cutover": ("tests/unit/cutover", "tests/property", "tests/sim/cutover", "tests/sim/infrastructure"),
    "preflight": ("tests/unit/preflight", "tests/sim/preflight"),
}
"""The folders with the tests of each package; those of the first are quick."""

Key = tuple[str, str, str]


@click.command()
@click.option("--package", "packages", multiple=True, type=click.Choice(list(TESTS)), help="By default all.")
@click.option("--sample", type=click.IntRange(1), help="This many changes instead of all.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which changes a sample takes.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Runs side by side.")
def main(packages: tuple[str, ...], sample: int | None, seed: int, jobs: int) -> None:
    """Change the product in one place at a time, and list the changes that no test notices."""
    chosen = packages or tuple(TESTS)
    preload(TESTS)
    reasons = accepted()
    work = list(_chosen(chosen, sample, seed))
    click.echo(f"{len(work)} mutations")
    left = list[Run]()
    for package in chosen:
        about = recording(TESTS[package], tuple(TESTS))
        runs = [Run(it, about.tests_of(it)) for it in work if it.module.split(".")[1] == package]
        left += exchanged(runs, TESTS[package][0], jobs=jobs)
    click.echo(f"{len(left)} of them are not noticed where the code is exchanged; they run again, imported")
    survived = set[Key]()
    unexplained = 0
    for mutation in imported(_announced(left), jobs=jobs):
        survived.add(key_of(mutation))
        if key_of(mutation) not in reasons:
            unexplained += 1
            click.echo(mutation)
    stale = [] if sample else sorted(reasons.keys() - survived & {key_of(it) for it in work})
    for path, was, becomes in stale:
        click.echo(f"{path} is listed but does not survive; remove it from accepted.toml:\n  - {was}\n  + {becomes}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    click.echo(
        f"{len(work)} mutations, {len(survived)} survived, {unexplained} of them without a reason; "
        f"{used.ru_utime + used.ru_stime:.0f} s of processor time"
    )
    sys.exit(1 if unexplained or stale else 0)


def _announced(work: Sequence[Run]) -> Iterator[Run]:
    """Shows on standard error how many have begun."""
    for number, run in enumerate(work, 1):
        if number % 25 == 0:
            click.echo(f"{number} of {len(work)}", err=True)
        yield run


def accepted() -> dict[Key, str]:
    """The reason of each survivor that is listed."""
    entries = tomllib.loads(ACCEPTED.read_text(encoding="utf-8")).get("survivor", ())
    return {(entry["path"], entry["was"], entry["becomes"]): entry["reason"] for entry in entries}


def key_of(mutation: Mutation) -> Key:
    """What a listed survivor is recognised by; line numbers change too often."""
    return mutation.path, mutation.was, mutation.becomes


def _chosen(packages: Sequence[str], sample: int | None, seed: int) -> Iterator[Mutation]:
    places = list(sites(packages))
    if sample:
        random.Random(seed).shuffle(places)
    return islice(mutations(places), sample)


if __name__ == "__main__":
    main()
