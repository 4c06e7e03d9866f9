"""Reading nested JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def dig(value: Any, *path: str) -> Any:
    """What is at `path` below `value`; None where a key, or the mapping to hold it, is missing."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
