"""The options by which commands choose what the simulated cloud is like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def cloud_profile(command: Command) -> Command:
    """Add `--profile` and `--knob`."""
    knob = click.option(
        "--knob",
        "knobs",
        multiple=True,
        metavar="NAME=VALUE",
        help="Answer one open question otherwise than the profile does, such as K1=allow. May be given several times.",
    )
    profile = click.option(
        "--profile",
        default="documented",
        show_default=True,
        help="How the simulated cloud answers what no document settles: `documented`, `pessimistic` or `optimistic`.",
    )
    return profile(knob(command))
