"""Lengths of time as kubectl abbreviates them."""

from __future__ import annotations

from typing import Any

from dualstack.clock import parse_rfc3339

_UNKNOWN = "<unknown>"


def duration(seconds: float) -> str:
    """`45s`, `5m12s`, `3h`, `12d`: the two leading units while they say something, then one."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 2:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if days < 2:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365 if days < 2920 else 0, "d")


def _two(major: int, unit: str, minor: int, smaller: str) -> str:
    return f"{major}{unit}{minor}{smaller}" if minor else f"{major}{unit}"


def age(stamp: Any, now: float) -> str:
    """How long ago an RFC 3339 time stamp was."""
    if not stamp:
        return _UNKNOWN
    try:
        return duration(now - parse_rfc3339(stamp))
    except (AttributeError, TypeError, ValueError):
        return _UNKNOWN
