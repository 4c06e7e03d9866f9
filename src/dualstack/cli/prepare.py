"""`dualstack prepare`: everything that can be done while the cluster is IPv4 and its routes stay."""

from __future__ import annotations

from typing import Any

import click

from dualstack.cli.live.options import (
    ChangeOptions,
    accept_option,
    canary_option,
    cluster_options,
    output_options,
    plan_option,
    profile_option,
    shoot_options,
    traffic_options,
    yes_option,
)


@click.command()
@cluster_options
@shoot_options
@click.option(
    "--prober-image",
    metavar="IMAGE",
    default="",
    help="Image with this program. With it, a temporary VM first proves that this cloud delivers packets to alias "
    "ranges without a route (docs/reference/cut-over.md#decoys).",
)
@canary_option
@accept_option
@click.option("--undo", is_flag=True, help="Go back to routes: remove aliases, range and flag.")
@click.option("--watch", is_flag=True, help="Keep running, and give nodes that join their alias, until interrupted.")
@click.option("--trigger", is_flag=True, help="Make the Shoot dual-stack when the cluster is prepared.")
@click.option(
    "--now",
    is_flag=True,
    help="With --trigger: request a reconcile, also outside of the maintenance window of a Shoot that confines changes "
    "to it.",
)
@plan_option
@profile_option
@traffic_options("the next gate stops the preparation if traffic was lost")
@yes_option
@output_options()
def prepare(undo: bool, **options: Any) -> None:
    """Prepare a running IPv4 cluster: overlap flag, secondary pod range and alias ranges. Routes stay.

    No packet is lost, and nothing changes for pods. Afterwards, the controller that deletes the routes loses nothing
    either: edit the Shoot's spec.networking.ipFamilies, or set --configure-cloud-routes=false on
    cloud-controller-manager; then run `dualstack finish`. A cluster may stay prepared indefinitely.
    """
    from dualstack.cli.live.prepare import run_prepare
    from dualstack.cli.live.rollback import run_rollback

    if options["now"] and not options["trigger"]:
        raise click.UsageError("--now needs --trigger.")
    others = [name for name in ("watch", "plan", "profile", "traffic", "trigger") if options[name]]
    if undo and others:
        raise click.UsageError(f"--undo and --{others[0]} exclude each other.")
    common = ChangeOptions.of(options)
    if undo:
        run_rollback(common, undo=True)
    else:
        run_prepare(common, **options)
