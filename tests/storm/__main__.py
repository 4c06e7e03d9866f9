"""`python -m tests.storm --runs N --seed S`: random worlds, faults and kills, judged by the rules of a cut-over.

The same seed gives the same result. Exit status 1 when a rule was broken; each such seed is printed as a command.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from tests.storm.scenario import Scenario


@click.command()
@click.option("--runs", type=click.IntRange(1), default=20, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the first run; each further one adds 1.")
@click.option("--nodes", type=click.IntRange(1), help="Of every world, instead of 1 to 12.")
def main(runs: int, seed: int, nodes: int | None) -> None:
    """Run the scenarios one after another."""
    failed, size = 0, f" --nodes {nodes}" if nodes else ""
    for number in range(seed, seed + runs):
        scenario = Scenario.of(number)
        if nodes is not None:
            scenario = replace(scenario, nodes=nodes)
        line, broken = scenario.run()
        click.echo(f"{number}: {scenario.nodes} nodes, {scenario.strategy}: {line}")
        if broken:
            failed += 1
            click.echo(
                f"  broken: {'; '.join(broken)}\n  {scenario}\n  make storm STORM='--runs 1 --seed {number}{size}'"
            )
    click.echo(f"{runs - failed} of {runs} kept every rule")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
