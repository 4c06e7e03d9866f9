"""The speed of simulated time as an option of the command line."""

from __future__ import annotations

import math
from typing import Any

import click

FASTEST = 10_000.0
"""At a higher speed, timeouts expire before any process can act."""


class Speed(click.FloatRange):
    """Simulated seconds in one second of wall time: a number above 0, at most `FASTEST`."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=FASTEST)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        speed = float(super().convert(value, param, ctx))
        if math.isnan(speed):
            self.fail(f"{value} is not a number.", param, ctx)
        return speed
