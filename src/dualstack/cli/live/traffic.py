"""Measured traffic in the commands for live clusters (docs/traffic.md)."""

from __future__ import annotations

from collections.abc import Callable

import click

from dualstack.cli.live.options import Command, add

TOLERATED = 1.0
"""Seconds of an interruption at which a change does not stop: one lost packet of many is no effect of a change."""


def traffic_options(what: str) -> Callable[[Command], Command]:
    """Add `--traffic` and `--internet`. what: the clause about what happens with the measurement."""
    return lambda command: add(
        command,
        click.option(
            "--traffic",
            is_flag=True,
            help=f"Measure real traffic between the nodes with small pods of --prober-image; {what} (docs/traffic.md).",
        ),
        click.option(
            "--internet",
            multiple=True,
            metavar="ADDRESS:PORT",
            help="With --traffic, also connect to this target on the internet. Repeatable.",
        ),
    )
