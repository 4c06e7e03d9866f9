"""What a Deployment and a MachineDeployment say of themselves, from their sets of replicas (pure, as upstream)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dualstack.model.kinds import Manifest
from dualstack_sim.actors.pods import condition
from dualstack_sim.actors.rollout import Scale, budget


def status_of(
    deployment: Manifest, new: Manifest | None, old: Sequence[Manifest], progressing: Mapping[str, str], now: str
) -> dict[str, Any]:
    """The status; `progressing` is its condition of that type, `now` stamps conditions that change."""
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
        "conditions": [_stamped(each, condition(deployment, each["type"]), now) for each in conditions],
    }


def complete(deployment: Manifest, new: Manifest | None, old: Sequence[Manifest]) -> bool:
    """Every replica is of the present template and available."""
    wanted = int(deployment["spec"].get("replicas", 0))
    every = _every(new, old)
    replicas, available = _total(every, "replicas"), _total(every, "availableReplicas")
    return _total(_every(new), "replicas") == wanted == replicas == available


def shows(deployment: Manifest, status: Mapping[str, Any]) -> bool:
    """Whether the deployment has this status already; what is zero may be left out."""
    live = deployment.get("status") or {}
    return all(live.get(name) == value or (not value and name not in live) for name, value in status.items())


def scale_of(replicas: Manifest) -> Scale:
    """One set of replicas as the arithmetic of a roll-out sees it."""
    return Scale(
        replicas["metadata"]["name"],
        int(replicas["spec"].get("replicas", 0)),
        int((replicas.get("status") or {}).get("availableReplicas", 0)),
    )


def outlived(deployment: Manifest, old: Sequence[Manifest]) -> list[Manifest]:
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


def _stamped(fresh: Mapping[str, str], before: Mapping[str, Any] | None, now: str) -> dict[str, str]:
    """With the times of the condition before as far as nothing changed."""
    known = before or {}
    same = all(known.get(name) == value for name, value in fresh.items())
    kept = known.get("status") == fresh["status"]
    return {
        **fresh,
        "lastUpdateTime": known.get("lastUpdateTime", now) if same else now,
        "lastTransitionTime": known.get("lastTransitionTime", now) if kept else now,
    }
