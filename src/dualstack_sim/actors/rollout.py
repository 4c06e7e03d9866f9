"""The arithmetic of a rolling update: how far each replica set goes up or down now (pure, as upstream's)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Scale:
    """One set of replicas: how many it is asked for and how many of its own are available."""

    name: str
    replicas: int
    available: int


@dataclass(frozen=True, slots=True)
class Budget:
    """How many replicas may be there above, and how many may be missing below, what is wanted."""

    surge: int
    unavailable: int


def share(value: int | str | None, total: int, *, round_up: bool) -> int:
    """An int-or-percent of `total`; ValueError for anything else."""
    if value is None:
        return 0
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    exact = int(text[:-1]) * total / 100
    return math.ceil(exact) if round_up else math.floor(exact)


def budget(rolling_update: dict[str, Any] | None, replicas: int) -> Budget:
    """Both limits resolved: surge rounds up, unavailable down; both zero would never move, so one may be missing."""
    rolling = rolling_update or {}
    surge = share(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = share(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    return Budget(surge, 1 if surge == 0 and unavailable == 0 else unavailable)


def next_scales(wanted: int, limits: Budget, new: Scale, old: Sequence[Scale]) -> dict[str, int]:
    """The replicas that each set should be asked for now; sets that stay as they are are left out.

    `old` is ordered: its first is the first to go down.
    """
    changes: dict[str, int] = {}
    grown = _grow(wanted, limits, new, old)
    if grown != new.replicas:
        changes[new.name] = grown
        new = replace(new, replicas=grown)
    changes.update(_shrink(wanted, limits, new, old))
    return changes


def _grow(wanted: int, limits: Budget, new: Scale, old: Sequence[Scale]) -> int:
    if new.replicas >= wanted:
        return wanted
    room = wanted + limits.surge - new.replicas - sum(each.replicas for each in old)
    return new.replicas + min(max(room, 0), wanted - new.replicas)


def _shrink(wanted: int, limits: Budget, new: Scale, old: Sequence[Scale]) -> dict[str, int]:
    """First the old replicas that are of no use to anyone, then as many available ones as may be missing."""
    replicas = {each.name: each.replicas for each in old}
    least = wanted - limits.unavailable
    missing_new = new.replicas - new.available
    spare = new.replicas + sum(replicas.values()) - least - missing_new
    for each in old:
        dead = min(max(each.replicas - each.available, 0), max(spare, 0))
        replicas[each.name] -= dead
        spare -= dead
    surplus = new.available + sum(min(each.available, replicas[each.name]) for each in old) - least
    for each in old:
        gone = min(replicas[each.name], max(surplus, 0), max(spare, 0))
        replicas[each.name] -= gone
        surplus -= gone
        spare -= gone
    return {each.name: replicas[each.name] for each in old if replicas[each.name] != each.replicas}
