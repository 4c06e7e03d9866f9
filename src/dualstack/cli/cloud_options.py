"""The options by which commands choose what the simulated world is like."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from dualstack.cli.speed import Speed

Command = TypeVar("Command", bound=Callable[..., Any])


def simulated_world(*, speed: float) -> Callable[[Command], Command]:
    """Add `--speed` (with this default), `--seed`, `--faults`, `--profile` and `--knob`, in this order."""
    options = (
        click.option(
            "--speed",
            type=Speed(),
            default=speed,
            show_default=True,
            help="Simulated seconds in one second of wall time.",
        ),
        click.option(
            "--seed",
            type=int,
            default=0,
            show_default=True,
            help="The same seed gives the same world, ids and latencies.",
        ),
        click.option(
            "--faults", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What goes wrong, as YAML."
        ),
        click.option(
            "--profile",
            default="documented",
            show_default=True,
            help="How the simulated cloud answers what no document settles: `documented`, `pessimistic` or "
            "`optimistic`.",
        ),
        click.option(
            "--knob",
            "knobs",
            multiple=True,
            metavar="NAME=VALUE",
            help="Answer one open question otherwise than the profile does, such as K1=allow. May be given several "
            "times.",
        ),
    )

    def add(command: Command) -> Command:
        return reduce(lambda decorated, option: option(decorated), reversed(options), command)

    return add
