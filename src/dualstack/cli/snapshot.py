"""`dualstack snapshot`: everything that the product reads of a cluster, in one document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dualstack.cli.live.options import Target, cluster_options


@click.command()
@cluster_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. Default: standard output.",
)
@click.option(
    "--from",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Build it from this file instead of a live cluster: the output of `gcloud compute ... list --format=json` or "
    "of `kubectl get ... -o json`. Repeatable.",
)
@click.option("--anonymise", is_flag=True, help="Replace names and addresses; sizes, overlaps and families stay.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def snapshot(**options: Any) -> None:
    """Write one document with every fact that the other commands read; change nothing.

    It never has Secrets, environments of pods or values of VM metadata. `preflight`, `plan` and `status` read it with
    --snapshot, without a cluster.
    """
    from dualstack.cli.live.snapshot import run_snapshot

    run_snapshot(Target.of(options), **options)
