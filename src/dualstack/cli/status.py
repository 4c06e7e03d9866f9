"""`dualstack status`: where the cut-over of a cluster stands."""

from __future__ import annotations

from typing import Any

import click

from dualstack.cli.live.options import Target, cluster_options, output_options, snapshot_option


@click.command()
@cluster_options
@snapshot_option
@click.option("--watch", is_flag=True, help="Show the status whenever it changes, until interrupted.")
@click.option("--wait", is_flag=True, help="Wait until the cut-over has reached --until, then show the status.")
@click.option(
    "--until",
    type=click.Choice(["prepared", "finished"]),
    default="finished",
    show_default=True,
    help="What --wait waits for.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=86400.0,
    show_default=True,
    metavar="SECONDS",
    help="Time after which --wait fails.",
)
@output_options()
def status(watch: bool, wait: bool, until: Any, timeout: float, **options: Any) -> None:
    """Show where the cut-over stands: stage, nodes, what it waits for, time left, and what to do next. Changes nothing.

    With --wait, exit status 1 when the process that works on the cluster ends without success, or after --timeout.
    """
    from dualstack.cli.live.status import Waiting, run_status

    if watch and wait:
        raise click.UsageError("--watch and --wait exclude each other.")
    target = Target.of(options)
    if wait and target.snapshot:
        raise click.UsageError("--snapshot never changes, so --wait cannot wait for it.")
    run_status(target, watch=watch, wait=Waiting(until, timeout) if wait else None, **options)
