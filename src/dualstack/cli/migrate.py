"""`dualstack migrate`: the whole infrastructure of a cluster that no other controller reconciles."""

from __future__ import annotations

from typing import Any

import click

from dualstack.cli.cloud_options import strategy_option
from dualstack.cli.live.options import (
    ChangeOptions,
    accept_option,
    canary_option,
    cluster_options,
    no_wait_option,
    output_options,
    plan_option,
    profile_option,
    traffic_options,
)


@click.command()
@cluster_options
@click.option(
    "--until",
    "goal",
    type=click.Choice(["flag", "range", "aliases", "finished", "dual-stack"]),
    default="dual-stack",
    show_default=True,
    help="Where to end: the overlap flag set, the pod range added, aliases beside every route, aliases only, or also "
    "the nodes subnet dual-stack.",
)
@strategy_option
@click.option(
    "--accept-outage",
    type=click.FloatRange(min=0.0),
    metavar="SECONDS",
    help="For a strategy with an outage: continue without a prompt if the expected outage is not longer than this.",
)
@click.option("--prober-image", metavar="IMAGE", default="", help="As that of `prepare`: proves aliases first.")
@canary_option
@accept_option
@no_wait_option
@plan_option
@profile_option
@traffic_options("the next gate stops the migration if traffic was lost")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation, except of an outage.")
@output_options()
def migrate(no_wait: bool, **options: Any) -> None:
    """Migrate the infrastructure of a cluster without Gardener: flag, range, aliases, routes away, flag off, subnet.

    It is `dualstack prepare`, the wait until you have stopped the route controller of cloud-controller-manager, and
    `dualstack finish` in one command; then the nodes subnet becomes dual-stack. Run it again to resume after an
    interruption. In a Gardener shoot, gardenlet and provider-gcp do this work, so the command refuses and says how to
    hand over.
    """
    from dualstack.cli.live.migrate import run_migrate

    run_migrate(ChangeOptions.of(options), wait=not no_wait, **options)
