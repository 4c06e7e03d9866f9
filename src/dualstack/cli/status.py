"""`dualstack status`: where the cut-over of a cluster stands."""

from __future__ import annotations

from typing import Any

import click

from dualstack.cli.live.options import Target, cluster_options, output_options, snapshot_option


@click.command()
@cluster_options
@snapshot_option
@click.option("--watch", is_flag=True, help="Show it again whenever it changes, until interrupted.")
@output_options()
def status(watch: bool, **options: Any) -> None:
    """Show where the cut-over stands: stage, nodes, what is left, and what to do next. Changes nothing."""
    from dualstack.cli.live.status import run_status

    run_status(Target.of(options), watch=watch, **options)
