"""Whether applied objects are healthy and have been rolled out, in the resource manager's words (pure)."""

from __future__ import annotations

from dualstack.model.kinds import Manifest
from dualstack_sim.actors.pods import is_true
from dualstack_sim.actors.rollout import share


def unhealthy(manifest: Manifest) -> str | None:
    """Why the object is not healthy; None when it is, or when its kind has no health."""
    check = {"Deployment": _unhealthy_deployment, "DaemonSet": _unhealthy_daemon_set}.get(manifest.get("kind", ""))
    return check(manifest) if check else None


def progressing(manifest: Manifest) -> str | None:
    """Why the object's roll-out goes on; None when it is complete."""
    check = {"Deployment": _progressing_deployment, "DaemonSet": _progressing_daemon_set}.get(manifest.get("kind", ""))
    return check(manifest) if check else None


def _unhealthy_deployment(manifest: Manifest) -> str | None:
    stale = _outdated(manifest)
    if stale:
        return stale
    if manifest["spec"].get("replicas", 1) == 0 or is_true(manifest, "Available"):
        return None
    return 'condition "Available" has invalid status False (expected True)'


def _unhealthy_daemon_set(manifest: Manifest) -> str | None:
    stale = _outdated(manifest)
    if stale:
        return stale
    status = manifest.get("status") or {}
    desired = int(status.get("desiredNumberScheduled", 0))
    if int(status.get("currentNumberScheduled", 0)) < desired:
        return f"not enough scheduled pods ({status.get('currentNumberScheduled', 0)}/{desired})"
    strategy = manifest["spec"].get("updateStrategy") or {}
    limit = share((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), desired, round_up=True)
    missing = int(status.get("numberUnavailable", 0))
    return f"too many unavailable pods found ({missing}/{desired})" if missing > limit else None


def _progressing_deployment(manifest: Manifest) -> str | None:
    stale = _outdated(manifest)
    if stale:
        return stale
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
    stale = _outdated(manifest)
    if stale:
        return stale
    status = manifest.get("status") or {}
    desired, updated = int(status.get("desiredNumberScheduled", 0)), int(status.get("updatedNumberScheduled", 0))
    return f"{updated} of {desired} replica(s) have been updated" if updated < desired else None


def _outdated(manifest: Manifest) -> str | None:
    generation = manifest["metadata"].get("generation", 0)
    observed = (manifest.get("status") or {}).get("observedGeneration", 0)
    if observed < generation:
        return f"observed generation outdated ({observed}/{generation})"
    return None
