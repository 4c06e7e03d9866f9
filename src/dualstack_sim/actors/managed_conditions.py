"""The conditions of a ManagedResource and the health of its objects, as the resource manager reports them (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dualstack.model.kinds import Manifest
from dualstack_sim.actors.pods import condition, is_true
from dualstack_sim.actors.rollout import share, stamped

APPLIED, HEALTHY, PROGRESSING = "ResourcesApplied", "ResourcesHealthy", "ResourcesProgressing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One condition without its times."""

    type: str
    status: bool
    reason: str
    message: str

    def as_condition(self) -> dict[str, str]:
        status = "True" if self.status else "False"
        return {"type": self.type, "status": status, "reason": self.reason, "message": self.message}


def ignored() -> list[Verdict]:
    """The conditions of an ignored ManagedResource, independent of its resources."""
    words = ("ManagedResourceIgnored", "ManagedResource is marked to be ignored.")
    return [Verdict(APPLIED, True, *words), Verdict(HEALTHY, True, *words), Verdict(PROGRESSING, False, *words)]


def applied() -> Verdict:
    return Verdict(APPLIED, True, "ApplySucceeded", "All resources are applied.")


def not_applied(reason: str, message: str) -> Verdict:
    return Verdict(APPLIED, False, reason, message)


def assessed(resources: Iterable[Manifest]) -> list[Verdict]:
    """Health and progress of the live objects; the message names the first that is unhealthy or progressing."""
    live = list(resources)
    healthy = Verdict(HEALTHY, True, "ResourcesHealthy", "All resources are healthy.")
    at_rest = Verdict(PROGRESSING, False, "ResourcesRolledOut", "All resources have been fully rolled out.")
    return [_first(live, unhealthy, "Unhealthy", healthy), _first(live, progressing, "Progressing", at_rest)]


def _first(live: list[Manifest], check: Callable[[Manifest], str | None], word: str, fine: Verdict) -> Verdict:
    """The opposite of `fine` for the first object in which the check finds a reason."""
    for manifest in live:
        if why := check(manifest):
            message = f"{_named(manifest)} is {word.lower()}: {why}"
            return replace(fine, status=not fine.status, reason=f"{manifest['kind']}{word}", message=message)
    return fine


def _named(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f'{manifest["kind"]} "{metadata.get("namespace", "")}/{metadata["name"]}"'


def rendered(managed: Manifest, verdicts: Iterable[Verdict], now: str) -> list[dict[str, str]]:
    """The conditions with their times, which are kept where nothing changes."""
    return [stamped(verdict.as_condition(), condition(managed, verdict.type), now) for verdict in verdicts]


def unhealthy(manifest: Manifest) -> str | None:
    """Why the object is not healthy; None if it is, or if its kind has no health."""
    check = {"Deployment": _unhealthy_deployment, "DaemonSet": _unhealthy_daemon_set}.get(manifest.get("kind", ""))
    return _outdated(manifest) or check(manifest) if check else None


def progressing(manifest: Manifest) -> str | None:
    """Why the object's rollout is not complete; None if it is."""
    check = {"Deployment": _progressing_deployment, "DaemonSet": _progressing_daemon_set}.get(manifest.get("kind", ""))
    return _outdated(manifest) or check(manifest) if check else None


def _unhealthy_deployment(manifest: Manifest) -> str | None:
    if manifest["spec"].get("replicas", 1) == 0 or is_true(manifest, "Available"):
        return None
    return 'condition "Available" has invalid status False (expected True)'


def _unhealthy_daemon_set(manifest: Manifest) -> str | None:
    status = manifest.get("status") or {}
    desired = int(status.get("desiredNumberScheduled", 0))
    if int(status.get("currentNumberScheduled", 0)) < desired:
        return f"not enough scheduled pods ({status.get('currentNumberScheduled', 0)}/{desired})"
    strategy = manifest["spec"].get("updateStrategy") or {}
    limit = share((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), desired, round_up=True)
    missing = int(status.get("numberUnavailable", 0))
    return f"too many unavailable pods found ({missing}/{desired})" if missing > limit else None


def _progressing_deployment(manifest: Manifest) -> str | None:
    status, wanted = manifest.get("status") or {}, int(manifest["spec"].get("replicas", 1))
    updated = int(status.get("updatedReplicas", 0))
    if updated < wanted:
        return f"{updated} of {wanted} replica(s) have been updated"
    pending = int(status.get("replicas", 0)) - updated
    if pending > 0:
        return f"{pending} outdated replica(s) are pending termination"
    available = int(status.get("availableReplicas", 0))
    return f"{available} of {wanted} updated replica(s) are available" if available < wanted else None


def _progressing_daemon_set(manifest: Manifest) -> str | None:
    status = manifest.get("status") or {}
    desired, updated = int(status.get("desiredNumberScheduled", 0)), int(status.get("updatedNumberScheduled", 0))
    return f"{updated} of {desired} replica(s) have been updated" if updated < desired else None


def _outdated(manifest: Manifest) -> str | None:
    generation = manifest["metadata"].get("generation", 0)
    observed = (manifest.get("status") or {}).get("observedGeneration", 0)
    if observed < generation:
        return f"observed generation outdated ({observed}/{generation})"
    return None
