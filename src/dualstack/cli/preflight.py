"""`dualstack preflight`: what stands in the way of the migration of a live cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dualstack.cli.live.options import Target, cluster_options, output_options, shoot_options, snapshot_option

_FAIL_ON = click.option(
    "--fail-on",
    type=click.Choice(["blocker", "risk", "note"]),
    default="blocker",
    show_default=True,
    help="The least severity that makes the exit status other than 0.",
)


@click.group(invoke_without_command=True)
@cluster_options
@shoot_options
@snapshot_option
@click.option("--accept", multiple=True, metavar="ID", help="Accept the finding ID: it is shown, but does not count.")
@_FAIL_ON
@click.option("--prober-image", metavar="IMAGE", default="", help="The image that `dualstack prepare` is going to get.")
@output_options("junit", "markdown", "html")
@click.pass_context
def preflight(context: click.Context, /, **options: Any) -> None:
    """Show everything that stands in the way of the migration of a running cluster. Changes nothing.

    First the rights of both credentials, then quotas, ranges, routes, nodes and the objects of the cluster
    (docs/preflight.md). Exit status: 0 ready, 10 a blocker, 11 a risk, 12 a note that counts (--fail-on); 1 the cluster
    cannot be read, 2 invalid input.
    """
    if context.invoked_subcommand is None:
        from dualstack.cli.live.preflight import run_preflight

        run_preflight(Target.of(options), **options)


@preflight.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_FAIL_ON
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True, help="Format."
)
def diff(old: Path, new: Path, fail_on: Any, output: str) -> None:
    """Show what has changed between two reports that were saved with `dualstack preflight -o json`.

    Exit status: as that of the preflight, by the findings that are new or worse.
    """
    from dualstack.cli.live.preflight import run_difference

    run_difference(old, new, fail_on=fail_on, output=output)
