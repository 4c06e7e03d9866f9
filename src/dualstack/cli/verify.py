"""`dualstack verify`: whether everything holds that must hold."""

from __future__ import annotations

import sys
from typing import Any

import click

from dualstack.cli.live.options import Target, cluster_options, output_options


@click.command()
@cluster_options
@click.option(
    "--expect",
    type=click.Choice(["routes", "prepared", "aliases", "dual-stack"]),
    help="The state in which the cluster should be. Default: the one in which it is, or to which an unfinished change "
    "leads.",
)
@output_options("junit")
def verify(expect: str | None, **options: Any) -> None:
    """Verify the cluster: routes, subnet, NICs, Nodes, pods, Services, DNS, agents, firewall, quotas. Changes nothing.

    Exit status: 0 every check passed or does not apply, 10 a check failed, 11 a check could not read what it needs, 12
    a risk; 1 the cluster cannot be read, 2 invalid input.
    """
    from dualstack.cli.live.verify import run_verify

    sys.exit(run_verify(Target.of(options), expect, **options))
