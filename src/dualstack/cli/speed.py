"""How fast simulated time runs, as an option of the command line."""

from __future__ import annotations

import math
from typing import Any

import click

FASTEST = 10_000.0
"""Above it no machine keeps up: whatever waits for something has waited too long before anybody could act."""


class Speed(click.FloatRange):
    """Simulated seconds in one second of wall time: above 0, at most `FASTEST`, and a number."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=FASTEST)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        speed = float(super().convert(value, param, ctx))
        if math.isnan(speed):
            self.fail(f"{value} is not a number.", param, ctx)
        return speed
