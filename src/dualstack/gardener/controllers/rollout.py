"""Applying objects to the cluster, and waiting until they are in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dualstack.clock import Clock
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.gardener.render import managed_resource
from dualstack.gardener.render.cni import CUSTOM_KINDS
from dualstack.kube.apply import apply, covers
from dualstack.kube.interface import Kube
from dualstack.kube.waiting import wait_until
from dualstack.model import kinds
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, SECRET, Kind, Manifest

KINDS = {
    (kind.api_version, kind.kind): kind for kind in (*vars(kinds).values(), *CUSTOM_KINDS) if isinstance(kind, Kind)
}


async def apply_managed(
    kube: Kube, name: str, namespace: str, objects: Sequence[Manifest], *, seed: bool = False
) -> None:
    """Make the resource manager apply exactly these objects (docs/objects.md).

    The Secret comes first, so that the resource manager never sees a ManagedResource without its content.
    """
    await apply(kube, SECRET, managed_resource.secret(name, namespace, objects))
    await apply(kube, MANAGED_RESOURCE, managed_resource.managed_resource(name, namespace, seed=seed))


async def delete_managed(kube: Kube, name: str, namespace: str) -> None:
    """Make the resource manager delete the objects of a ManagedResource; nothing to do when there is none."""
    for kind in (MANAGED_RESOURCE, SECRET):
        if await kube.get(kind, name, namespace) is not None:
            await kube.delete(kind, name, namespace)


def deployment_missing(deployment: Manifest) -> str | None:
    """What a Deployment lacks until every wanted replica is updated and available, or None.

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
    """What a DaemonSet lacks until every pod is updated and available, or None.

    Pods on nodes that are not ready do not count: while nodes start and stop, a rollout would never be complete.
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
    """What is missing until every manifest is in force: it exists as stated, and workloads are rolled out.

    Manifests of kinds that the product does not know are assumed to be in force.
    """
    for wanted in manifests:
        kind = KINDS.get((wanted["apiVersion"], wanted["kind"]))
        if kind is None:
            continue
        missing = await _missing(kube, kind, wanted)
        if missing:
            return f"{wanted['kind']} {wanted['metadata']['name']}: {missing}"
    return None


async def await_in_cluster(kube: Kube, clock: Clock, manifests: list[Manifest], *, timeout: float = 600.0) -> None:
    """Wait until every manifest is in force; raises WaitTimeout after `timeout` seconds without progress."""

    async def check() -> str | None:
        return await missing_in_cluster(kube, manifests)

    await wait_until(check, clock, what="waiting for the change to take effect", timeout=timeout, extend=True)


async def _missing(kube: Kube, kind: Kind, wanted: Manifest) -> str | None:
    live = await kube.get(kind, wanted["metadata"]["name"], wanted["metadata"].get("namespace"))
    if live is None:
        return "it does not exist yet"
    if not covers(_content(live), _content(wanted)):
        return "it is not updated yet"
    if kind == DEPLOYMENT:
        return deployment_missing(live)
    if kind == DAEMON_SET:
        missing = daemon_set_missing(live)
        return missing and daemon_set_missing(live, await _nodes_not_ready(kube))
    return None


async def _nodes_not_ready(kube: Kube) -> int:
    return sum(not is_ready(node) for node in await kube.list(NODE))


def _content(manifest: Manifest) -> dict[str, Any]:
    """The fields that the manifest states, without metadata and status."""
    return {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata", "status")}


def _not_observed(workload: Manifest) -> bool:
    observed = (workload.get("status") or {}).get("observedGeneration", 0)
    return bool(observed < workload["metadata"].get("generation", 0))
