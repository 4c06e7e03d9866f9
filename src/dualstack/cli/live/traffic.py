"""Measured traffic in the commands for live clusters (docs/traffic.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

TOLERATED = 1.0
"""Seconds of an interruption at which a change does not stop: one lost packet of many is no effect of a change."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """The options `--traffic` and `--internet`."""

    traffic: bool = False
    internet: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: dict[str, Any]) -> Measuring:
        """From the options of a command, which are removed from `options`."""
        return cls(options.pop("traffic"), options.pop("internet"))


def traffic_options(what: str) -> Callable[[Command], Command]:
    """Add `--traffic` and `--internet`. what: the clause about what happens with the measurement."""
    options = (
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
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)
