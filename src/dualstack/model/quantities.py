"""Quantities of Kubernetes, such as `50Gi` or `200m`."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from dualstack.model.errors import InvalidInput

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]+))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {f"{letter}i": index for index, letter in enumerate("KMGTPE", start=1)}


def whole_number(text: str) -> int:
    """The value, rounded up to a whole number; InvalidInput if it is not a quantity."""
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(f"{text!r} is not a quantity such as 50Gi")
    number, unit = Fraction(found[1]) * Fraction(10) ** int(found[3] or 0), found[2] or ""
    return math.ceil(number * (1024 ** _BINARY[unit] if unit in _BINARY else Fraction(10) ** _DECIMAL[unit]))


def gibibytes(text: str) -> int:
    """The size in GiB, rounded up: 1024 for `1Ti`; InvalidInput if it is not a quantity."""
    return -(-whole_number(text) // 1024**3)
