"""`python -m tests.mutants`: changes one place of the product at a time and lists the changes that no test notices.

accepted.toml lists the survivors that no test can or should notice, each with its reason. Exit status 1 when a change
survives that is not listed, or, in a run over everything, when a listed one does not survive.
"""

from __future__ import annotations

import random
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import click

from tests.mutants.mutations import Mutation, mutations, sites
from tests.mutants.runs import passes, preload, survivors

ACCEPTED = Path(__file__).with_name("accepted.toml")
TESTS = {
    "plan": ("tests/unit/plan", "tests/unit/cutover", "tests/property"),
    "cutover": ("tests/unit/cutover", "tests/property", "tests/sim/cutover", "tests/sim/infrastructure"),
    "preflight": ("tests/unit/preflight", "tests/sim/preflight"),
}
"""The tests of each package, the quickest first: a run ends with the first that fails."""

MARGIN = 3.0
"""A mutation may make its tests this many times as slow; one that hangs counts as noticed."""

Key = tuple[str, str, str]


@click.command()
@click.option("--package", "packages", multiple=True, type=click.Choice(list(TESTS)), help="By default all.")
@click.option("--sample", type=click.IntRange(1), help="This many changes instead of all.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which changes a sample takes.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Runs side by side.")
def main(packages: tuple[str, ...], sample: int | None, seed: int, jobs: int) -> None:
    """Change the product in one place at a time, and list the changes that no test notices."""
    began, chosen = time.monotonic(), packages or tuple(TESTS)
    preload(TESTS)
    slowest = max(_baseline(package) for package in chosen)
    work = list(_chosen(chosen, sample, seed))
    click.echo(f"{len(work)} mutations; the tests take at most {slowest:.0f} s")
    reasons = accepted()
    survived = set[Key]()
    unexplained = 0
    for mutation in survivors(_announced(work), jobs=jobs, seconds=MARGIN * slowest + 30):
        survived.add(key_of(mutation))
        if key_of(mutation) not in reasons:
            unexplained += 1
            click.echo(mutation)
    stale = [] if sample else sorted(reasons.keys() - survived & {key_of(it) for it in work})
    for path, was, becomes in stale:
        click.echo(f"{path} is listed but does not survive; remove it from accepted.toml:\n  - {was}\n  + {becomes}")
    click.echo(
        f"{len(work)} mutations, {len(survived)} survived, {unexplained} of them without a reason; "
        f"{time.monotonic() - began:.0f} s"
    )
    sys.exit(1 if unexplained or stale else 0)


def _announced(work: Sequence[Mutation]) -> Iterator[tuple[Mutation, Sequence[str]]]:
    """The mutations with their tests; shows on standard error how many have begun."""
    for number, mutation in enumerate(work, 1):
        if number % 25 == 0:
            click.echo(f"{number} of {len(work)}", err=True)
        yield mutation, tests_of(mutation)


def accepted() -> dict[Key, str]:
    """The reason of each survivor that is listed."""
    entries = tomllib.loads(ACCEPTED.read_text(encoding="utf-8")).get("survivor", ())
    return {(entry["path"], entry["was"], entry["becomes"]): entry["reason"] for entry in entries}


def key_of(mutation: Mutation) -> Key:
    """What a listed survivor is recognised by; line numbers change too often."""
    return mutation.path, mutation.was, mutation.becomes


def tests_of(mutation: Mutation) -> Sequence[str]:
    """The folders with the tests of the mutated module."""
    return _folders(mutation.module.split(".")[1])


def _folders(package: str) -> list[str]:
    return [folder for folder in TESTS[package] if Path(folder).is_dir()]


def _baseline(package: str) -> float:
    seconds = passes(_folders(package))
    if seconds is None:
        raise click.ClickException(f"the tests of {package} fail without a mutation: pytest {' '.join(TESTS[package])}")
    return seconds


def _chosen(packages: Sequence[str], sample: int | None, seed: int) -> Iterator[Mutation]:
    places = list(sites(packages))
    if sample:
        random.Random(seed).shuffle(places)
    return islice(mutations(places), sample)


if __name__ == "__main__":
    main()
