"""`dualstack rehearse`: runs and verifies a whole migration against a simulated cloud."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from dualstack.cli.cloud_options import (
    infrastructure_option,
    kubernetes_option,
    landscape_option,
    simulated_world,
    strategy_option,
)
from dualstack.cli.live.options import output_options, snapshot_option


@click.command()
@click.argument(
    "path",
    metavar="SHOOT",
    required=False,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@snapshot_option
@click.option(
    "--nodes",
    type=click.IntRange(min=1),
    help="Number of nodes instead of the pools' minimum; refused if it takes over an hour.",
)
@strategy_option
@landscape_option()
@infrastructure_option()
@click.option(
    "--prepared",
    is_flag=True,
    help="With `--landscape gardener`: run `dualstack prepare` before the Shoot is edited, and `dualstack finish` "
    "afterwards.",
)
@click.option(
    "--decoys/--no-decoys",
    default=None,
    help="Annotate the Shoot so that the operator first tests the cloud's behaviour on a temporary VM, or does not. "
    "Default: with two nodes or more.",
)
@click.option(
    "--rollout",
    type=click.Choice(["auto", "manual"]),
    default="auto",
    show_default=True,
    help="`auto` requests the node roll-out by annotation; `manual` waits until you delete the machines.",
)
@kubernetes_option
@simulated_world(speed=120.0)
@click.option(
    "--kill-at",
    multiple=True,
    metavar="STEP",
    help="Kill the operator with SIGKILL when STEP begins, then restart it; `back:STEP` for a step of the way back. "
    "Repeatable.",
)
@click.option(
    "--and-back",
    is_flag=True,
    help="After a verified migration, go back to IPv4 and verify that too.",
)
@output_options()
@click.pass_context
def rehearse(
    context: click.Context,
    /,
    landscape: str,
    infrastructure: str,
    prepared: bool,
    snapshot: Path | None,
    **options: Any,
) -> None:
    """Rehearse the migration of the cluster that SHOOT describes; `-` reads it from standard input.

    With --snapshot, rehearse `dualstack prepare` and `dualstack finish` on the very cluster of a document of
    `dualstack snapshot`: its network, VMs, routes, ranges and quotas.

    Starts a simulated Google Cloud and Kubernetes on loopback, builds the IPv4-only cluster in it, starts the operator
    as a separate process, adds IPv6 to the Shoot's spec.networking.ipFamilies, and verifies the cluster at the end. A
    failed migration is verified too. Exit status 0 only if every check passed and no packet was lost. An outage is
    reported and accepted where it is announced (`compressed`) or measured (`--landscape gardener` without
    `--prepared`).
    """
    if (options["path"] is None) == (snapshot is None):
        raise click.UsageError("Pass either SHOOT or --snapshot.")
    if snapshot is not None:
        _rehearse_snapshot(context, snapshot)
    from dualstack.cli.rehearsal.landscape import Landscape
    from dualstack.cli.rehearsal.options import Options
    from dualstack.cli.rehearsal.run import run

    given = frozenset(
        name
        for name in ("strategy", "infrastructure")
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    )
    chosen = Landscape(landscape, prepared, infrastructure)
    sys.exit(run(Options(**options, landscape=chosen, given=given)))


_OF_SNAPSHOT = ("speed", "seed", "faults", "profile", "knobs", "output", "quiet")
"""The options that a snapshot takes."""


def _rehearse_snapshot(context: click.Context, snapshot: Path) -> NoReturn:
    from dualstack.cli.rehearsal.live import LiveOptions, run_live

    others = [
        f"--{name.replace('_', '-')}"
        for name in context.params
        if name not in (*_OF_SNAPSHOT, "snapshot", "path")
        and context.get_parameter_source(name) is not ParameterSource.DEFAULT
    ]
    if others:
        raise click.UsageError(f"{', '.join(others)}: no effect with --snapshot; omit it.")
    sys.exit(run_live(LiveOptions(snapshot, **{name: context.params[name] for name in _OF_SNAPSHOT})))
