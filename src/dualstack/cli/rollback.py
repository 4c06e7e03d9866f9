"""`dualstack rollback`: back towards routes."""

from __future__ import annotations

from typing import Any

import click

from dualstack.cli.live.options import Target, cluster_options, output_options


@click.command()
@cluster_options
@click.option(
    "--to",
    type=click.Choice(["routes", "flag", "range", "aliases"]),
    default="routes",
    show_default=True,
    help="Stage to return to: `aliases` has routes and aliases, `range` routes and the range, `flag` routes and the "
    "flag.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@output_options()
def rollback(to: str, **options: Any) -> None:
    """Go back to routes, or to a stage before, without losing a packet: the mirror of `prepare` and `finish`.

    Routes that are missing are created first; where the cloud may refuse that inside the range, a temporary route tries
    it, and nothing is removed if it is refused (docs/rollback.md).
    """
    from dualstack.cli.live.rollback import run_rollback

    run_rollback(Target.of(options), to=to, **options)
