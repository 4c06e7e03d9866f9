"""`dualstack finish`: what is left once the route controller has stopped."""

from __future__ import annotations

from typing import Any

import click

from dualstack.cli.live.options import Target, cluster_options, output_options, plan_option


@click.command()
@cluster_options
@click.option("--canary", metavar="NODE", default="", help="The node that loses its route first. Default: any.")
@click.option("--no-wait", is_flag=True, help="Fail instead of waiting until the route controller has stopped.")
@plan_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@output_options()
def finish(no_wait: bool, **options: Any) -> None:
    """Finish the cut-over of a prepared cluster: prove every alias, delete the routes that are left, clear the flag.

    Waits until the route controller has stopped: Gardener stops it when the Shoot becomes dual-stack; elsewhere, you
    set --configure-cloud-routes=false on cloud-controller-manager, as this command describes.
    """
    from dualstack.cli.live.finish import run_finish

    run_finish(Target.of(options), wait=not no_wait, **options)
