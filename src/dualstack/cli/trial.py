"""`dualstack trial`: measures the real cloud in a VPC network of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dualstack.cli.live.options import google_options


@click.command()
@click.option("--project", metavar="ID", default="", help="Google Cloud project; an empty one is best.")
@click.option("--region", metavar="REGION", default="", help="Region of the subnets and VMs.")
@click.option("--zone", metavar="ZONE", default="", help="Zone of the first two VMs. Default: the region's first.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the document to this file."
)
@click.option("--experiment", "names", metavar="NAME", multiple=True, help="Only this experiment. Repeatable.")
@click.option("--list", "listed", is_flag=True, help="Show the experiments and their questions; create nothing.")
@click.option("--cleanup", is_flag=True, help="Only remove the resources that killed trials have left in the project.")
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=5, max=600),
    default=90.0,
    show_default=True,
    help="Time limit of the trial. The VMs delete themselves ten minutes later.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only questions, errors and the result.")
@google_options
def trial(**options: Any) -> None:
    """Measure how Google Cloud answers what its documents leave open.

    Creates a VPC network with a few small VMs, tries every transition of a cut-over on it, removes everything, and
    writes one document. Says beforehand what it creates, how long it takes and what it costs at most, and asks.
    `dualstack rehearse --profile FILE` then rehearses on a cloud that behaves as measured.
    """
    from dualstack.cli.live.trial import run_trial

    run_trial(**options)
