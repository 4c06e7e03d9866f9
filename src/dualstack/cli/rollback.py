"""`dualstack rollback`: back towards routes."""

from __future__ import annotations

from typing import Any

import click

from dualstack.cli.live.options import ChangeOptions, cluster_options, output_options, yes_option


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
@yes_option
@output_options()
def rollback(to: str, **options: Any) -> None:
    """Go back to routes, or to a stage before, without losing a packet: the mirror of `prepare` and `finish`.

    Routes that are missing are created first; where the cloud may refuse that inside the range, a temporary route tries
    it, and nothing is removed if it is refused (docs/rollback.md).
    """
    from dualstack.cli.live.rollback import run_rollback

    run_rollback(ChangeOptions.of(options), to)
