"""When a workload has taken its new form: read from the object, in the words that a waiting person needs."""

from __future__ import annotations

from typing import Any

from dualstack.clock import Clock
from dualstack.kube.apply import covers
from dualstack.kube.interface import Kube
from dualstack.kube.waiting import wait_until
from dualstack.model import kinds
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, Kind, Manifest

KINDS = {(kind.api_version, kind.kind): kind for kind in vars(kinds).values() if isinstance(kind, Kind)}


def deployment_missing(deployment: Manifest) -> str | None:
    """What a Deployment lacks until every wanted replica is of the new form and available, or None.

    A Deployment that wants no replicas is complete when it has none.
    """
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas", 1)
    if _not_observed(deployment):
        return "the change has not been observed"
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if updated < wanted:
        return f"{updated} of {wanted} replicas are updated"
    if total > updated:
        return f"{total - updated} old replicas are still there"
    available = status.get("availableReplicas", 0)
    if available < wanted:
        return f"{available} of {wanted} replicas are available"
    return None


def daemon_set_missing(daemon_set: Manifest, nodes_not_ready: int = 0) -> str | None:
    """What a DaemonSet lacks until every pod is of the new form and available, or None.

    Pods on nodes that are not ready (they boot, they go) hold nobody up; a roll-out would never be complete otherwise.
    """
    status = daemon_set.get("status") or {}
    if _not_observed(daemon_set):
        return "the change has not been observed"
    wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    if updated < wanted - nodes_not_ready:
        return f"{updated} of {wanted} pods are updated"
    available = status.get("numberAvailable", 0)
    if available < wanted - nodes_not_ready:
        return f"{available} of {wanted} pods are available"
    return None


def is_ready(node: Manifest) -> bool:
    """Whether the Node reports Ready."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)


async def missing_in_cluster(kube: Kube, manifests: list[Manifest]) -> str | None:
    """What is missing until every manifest is in force: live and as stated, workloads rolled out.

    Kinds that the product does not read are taken for granted.
    """
    for wanted in manifests:
        kind = KINDS.get((wanted["apiVersion"], wanted["kind"]))
        if kind is None:
            continue
        missing = await _missing(kube, kind, wanted)
        if missing:
            return f"{wanted['kind']} {wanted['metadata']['name']}: {missing}"
    return None


async def await_in_cluster(kube: Kube, clock: Clock, manifests: list[Manifest], *, patience: float = 600.0) -> None:
    """Wait until every manifest is in force; NotInTime names the first that is not and makes no progress."""

    async def check() -> str | None:
        return await missing_in_cluster(kube, manifests)

    await wait_until(check, clock, what="waiting for the change to take effect", patience=patience, extend=True)


async def _missing(kube: Kube, kind: Kind, wanted: Manifest) -> str | None:
    live = await kube.get(kind, wanted["metadata"]["name"], wanted["metadata"].get("namespace"))
    if live is None:
        return "it is not there yet"
    if not covers(_content(live), _content(wanted)):
        return "it does not have its new form yet"
    if kind == DEPLOYMENT:
        return deployment_missing(live)
    if kind == DAEMON_SET:
        missing = daemon_set_missing(live)
        return missing and daemon_set_missing(live, await _nodes_not_ready(kube))
    return None


async def _nodes_not_ready(kube: Kube) -> int:
    return sum(not is_ready(node) for node in await kube.list(NODE))


def _content(manifest: Manifest) -> dict[str, Any]:
    """What the manifest states, without what only the API server or the controllers write."""
    return {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata", "status")}


def _not_observed(workload: Manifest) -> bool:
    observed = (workload.get("status") or {}).get("observedGeneration", 0)
    return bool(observed < workload["metadata"].get("generation", 0))
