"""Rolling updates of Deployments and MachineDeployments: the next scale of each replica set, and the status
(pure, as upstream).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dualstack.model.kinds import Manifest
from dualstack_sim.actors.pods import condition


@dataclass(frozen=True, slots=True)
class Scale:
    """One replica set: its desired and its available replicas."""

    name: str
    replicas: int
    available: int


@dataclass(frozen=True, slots=True)
class Budget:
    """How many replicas may exist above, and may be unavailable below, the desired number."""

    surge: int
    unavailable: int


def share(value: int | str | None, total: int, *, round_up: bool) -> int:
    """An int-or-percent of `total`. ValueError for anything else."""
    if value is None:
        return 0
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    exact = int(text[:-1]) * total / 100
    return math.ceil(exact) if round_up else math.floor(exact)


def budget(rolling_update: dict[str, Any] | None, replicas: int) -> Budget:
    """Resolve both limits: surge rounds up, unavailable down. If both are zero, one replica may be unavailable."""
    rolling = rolling_update or {}
    surge = share(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = share(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    return Budget(surge, 1 if surge == 0 and unavailable == 0 else unavailable)


def next_scales(wanted: int, limits: Budget, new: Scale, old: Sequence[Scale]) -> dict[str, int]:
    """The next replicas by name of the sets that change. The first of `old` is scaled down first."""
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
    """First the unavailable old replicas, then as many available ones as may be unavailable."""
    replicas = {each.name: each.replicas for each in old}
    least = wanted - limits.unavailable
    missing_new = new.replicas - new.available
    spare = new.replicas + sum(replicas.values()) - least - missing_new
    for each in old:
        unavailable = min(max(each.replicas - each.available, 0), max(spare, 0))
        replicas[each.name] -= unavailable
        spare -= unavailable
    surplus = new.available + sum(min(each.available, replicas[each.name]) for each in old) - least
    for each in old:
        gone = min(replicas[each.name], max(surplus, 0), max(spare, 0))
        replicas[each.name] -= gone
        surplus -= gone
        spare -= gone
    return {each.name: replicas[each.name] for each in old if replicas[each.name] != each.replicas}


def status_of(
    deployment: Manifest, new: Manifest | None, old: Sequence[Manifest], progressing: Mapping[str, str], now: str
) -> dict[str, Any]:
    """The status with the given Progressing condition. `now` is the time stamp of conditions that change."""
    wanted = int(deployment["spec"].get("replicas", 0))
    every = _every(new, old)
    replicas, available = _total(every, "replicas"), _total(every, "availableReplicas")
    limits = budget((deployment["spec"].get("strategy") or {}).get("rollingUpdate"), wanted)
    conditions = [_available(available >= wanted - limits.unavailable), progressing]
    return {
        "observedGeneration": int(deployment["metadata"].get("generation", 0)),
        "replicas": replicas,
        "updatedReplicas": _total(_every(new), "replicas"),
        "readyReplicas": _total(every, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available, replicas - available),
        "conditions": [stamped(each, condition(deployment, each["type"]), now) for each in conditions],
    }


def complete(deployment: Manifest, new: Manifest | None, old: Sequence[Manifest]) -> bool:
    """Whether every replica has the current template and is available."""
    wanted = int(deployment["spec"].get("replicas", 0))
    every = _every(new, old)
    replicas, available = _total(every, "replicas"), _total(every, "availableReplicas")
    return _total(_every(new), "replicas") == wanted == replicas == available


def has_status(deployment: Manifest, status: Mapping[str, Any]) -> bool:
    """Whether the deployment already has this status; zero values may be absent."""
    live = deployment.get("status") or {}
    return all(live.get(name) == value or (not value and name not in live) for name, value in status.items())


def scale_of(replicas: Manifest) -> Scale:
    """The scale of a ReplicaSet or MachineSet."""
    return Scale(
        replicas["metadata"]["name"],
        int(replicas["spec"].get("replicas", 0)),
        int((replicas.get("status") or {}).get("availableReplicas", 0)),
    )


def expired_sets(deployment: Manifest, old: Sequence[Manifest]) -> list[Manifest]:
    """The oldest sets without replicas beyond revisionHistoryLimit."""
    idle = [s for s in old if not s["spec"].get("replicas") and not (s.get("status") or {}).get("replicas")]
    limit = int(deployment["spec"].get("revisionHistoryLimit", 10))
    return idle[: max(0, len(idle) - limit)]


def _every(new: Manifest | None, old: Sequence[Manifest] = ()) -> list[Manifest]:
    return [*old, new] if new is not None else list(old)


def _total(sets: Sequence[Manifest], name: str) -> int:
    return sum(int((each.get("status") or {}).get(name, 0)) for each in sets)


def _available(enough: bool) -> dict[str, str]:
    return {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    }


def stamped(fresh: Mapping[str, str], before: Mapping[str, Any] | None, now: str) -> dict[str, str]:
    """The condition `fresh` with its times: those of the previous one as far as nothing changes."""
    known = before or {}
    same = all(known.get(name) == value for name, value in fresh.items())
    kept = known.get("status") == fresh["status"]
    return {
        **fresh,
        "lastUpdateTime": known.get("lastUpdateTime", now) if same else now,
        "lastTransitionTime": known.get("lastTransitionTime", now) if kept else now,
    }
