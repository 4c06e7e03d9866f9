"""The conditions of a ManagedResource, in the resource manager's words (pure; gardener-behaviour.md 2.10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dualstack.model.kinds import Manifest
from dualstack_sim.actors.health import progressing, unhealthy
from dualstack_sim.actors.pods import condition

APPLIED, HEALTHY, PROGRESSING = "ResourcesApplied", "ResourcesHealthy", "ResourcesProgressing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One condition without its times."""

    type: str
    status: bool
    reason: str
    message: str


def ignored() -> list[Verdict]:
    """What an ignored ManagedResource says, whatever its resources are like."""
    words = ("ManagedResourceIgnored", "ManagedResource is marked to be ignored.")
    return [Verdict(APPLIED, True, *words), Verdict(HEALTHY, True, *words), Verdict(PROGRESSING, False, *words)]


def applied() -> Verdict:
    return Verdict(APPLIED, True, "ApplySucceeded", "All resources are applied.")


def not_applied(reason: str, message: str) -> Verdict:
    return Verdict(APPLIED, False, reason, message)


def judged(resources: Iterable[Manifest]) -> list[Verdict]:
    """Health and progress of the live objects; the first that is not well is named."""
    live = list(resources)
    return [_health(live), _progress(live)]


def _health(live: list[Manifest]) -> Verdict:
    for manifest in live:
        why = unhealthy(manifest)
        if why:
            message = f"{_named(manifest)} is unhealthy: {why}"
            return Verdict(HEALTHY, False, f"{manifest['kind']}Unhealthy", message)
    return Verdict(HEALTHY, True, "ResourcesHealthy", "All resources are healthy.")


def _progress(live: list[Manifest]) -> Verdict:
    for manifest in live:
        why = progressing(manifest)
        if why:
            message = f"{_named(manifest)} is progressing: {why}"
            return Verdict(PROGRESSING, True, f"{manifest['kind']}Progressing", message)
    return Verdict(PROGRESSING, False, "ResourcesRolledOut", "All resources have been fully rolled out.")


def _named(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f'{manifest["kind"]} "{metadata.get("namespace", "")}/{metadata["name"]}"'


def rendered(managed: Manifest, verdicts: Iterable[Verdict], now: str) -> list[dict[str, Any]]:
    """The conditions with their times: unchanged where nothing changed."""
    return [_stamped(verdict, condition(managed, verdict.type), now) for verdict in verdicts]


def _stamped(verdict: Verdict, before: dict[str, Any] | None, now: str) -> dict[str, Any]:
    fresh = {
        "type": verdict.type,
        "status": "True" if verdict.status else "False",
        "reason": verdict.reason,
        "message": verdict.message,
    }
    if before is None:
        return {**fresh, "lastTransitionTime": now, "lastUpdateTime": now}
    same = all(before.get(name) == value for name, value in fresh.items())
    kept = before.get("status") == fresh["status"]
    return {
        **fresh,
        "lastTransitionTime": before.get("lastTransitionTime", now) if kept else now,
        "lastUpdateTime": before.get("lastUpdateTime", now) if same else now,
    }
