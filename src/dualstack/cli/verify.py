"""`dualstack verify`: whether everything holds that must hold."""

from __future__ import annotations

import sys
from typing import Any

import click

from dualstack.cli.live.options import ChangeOptions, cluster_options, output_options, traffic_options


@click.command()
@cluster_options
@click.option(
    "--expect",
    type=click.Choice(["routes", "prepared", "aliases", "dual-stack"]),
    help="The state in which the cluster should be. Default: the one in which it is, or to which an unfinished change "
    "leads.",
)
@traffic_options("each longest interruption is a check")
@click.option("--prober-image", metavar="IMAGE", default="", help="Image with this program for --traffic.")
@click.option(
    "--traffic-seconds",
    type=click.FloatRange(min=1.0),
    default=60.0,
    show_default=True,
    help="How long --traffic measures.",
)
@output_options("junit")
def verify(expect: str | None, traffic_seconds: float, **options: Any) -> None:
    """Verify the cluster: routes, subnet, NICs, Nodes, pods, Services, DNS, agents, firewall, quotas. Changes nothing.

    With --traffic, it also runs a pod on each node for a while, and removes all of it again.

    Exit status: 0 every check passed or does not apply, 10 a check failed, 11 a check could not read what it needs, 12
    a risk; 1 the cluster cannot be read, 2 invalid input.
    """
    from dualstack.cli.live.verify import run_verify

    sys.exit(run_verify(ChangeOptions.of(options), expect, traffic_seconds))
