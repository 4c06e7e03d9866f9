"""`dualstack finish`: what is left once the route controller has stopped."""

from __future__ import annotations

from typing import Any

import click

from dualstack.cli.live.options import (
    ChangeOptions,
    cluster_options,
    no_wait_option,
    output_options,
    plan_option,
    traffic_options,
    yes_option,
)


@click.command()
@cluster_options
@click.option("--canary", metavar="NODE", default="", help="The node that loses its route first. Default: any.")
@no_wait_option
@plan_option
@traffic_options("the next gate stops the command if traffic was lost")
@click.option("--prober-image", metavar="IMAGE", default="", help="Image with this program for --traffic.")
@yes_option
@output_options()
def finish(no_wait: bool, **options: Any) -> None:
    """Finish the cut-over of a prepared cluster: prove every alias, delete the routes that are left, clear the flag.

    Waits until the route controller has stopped: Gardener stops it when the Shoot becomes dual-stack; elsewhere, you
    set --configure-cloud-routes=false on cloud-controller-manager, as this command describes.
    """
    from dualstack.cli.live.finish import run_finish

    run_finish(ChangeOptions.of(options), wait=not no_wait)
