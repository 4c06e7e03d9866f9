"""`dualstack plan`: what a migration of a live cluster is going to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dualstack.cli.live.options import (
    Target,
    cluster_options,
    output_options,
    profile_option,
    shoot_options,
    snapshot_option,
)


@click.command()
@cluster_options
@shoot_options
@snapshot_option
@profile_option
@click.option("--prober-image", metavar="IMAGE", default="", help="The image that `prepare` is going to get.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan as JSON, for --plan.")
@output_options()
def plan(out: Path | None, profile: Path | None, prober_image: str, **options: Any) -> None:
    """Show everything that is going to happen, step by step: calls, duration, risk, outage, way back. Changes nothing.

    With `--plan FILE`, `dualstack prepare` and `dualstack finish` refuse to change a cluster that is not as it was when
    the plan was made.
    """
    from dualstack.cli.live.plan import run_plan

    run_plan(Target.of(options), out=out, profile=profile, prober_image=prober_image, **options)
