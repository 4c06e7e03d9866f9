"""Applying objects to the cluster, and waiting until they are in force."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dualstack.clock import Clock
from dualstack.cni import custom_kinds
from dualstack.gardener.controllers import diagnosis
from dualstack.gardener.model.kinds import MANAGED_RESOURCE, OPERATING_SYSTEM_CONFIG
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import kubelet, managed_resource
from dualstack.kube.apply import apply, edit
from dualstack.kube.interface import Kube, NotFound
from dualstack.kube.waiting import Tell, ignore, wait_until
from dualstack.model import kinds
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, SECRET, Kind, Manifest
from dualstack.model.manifests import checksum
from dualstack.model.parts import Part, Presence, mappings_at, name_of, rendered, value_at

KINDS = {
    (kind.api_version, kind.kind): kind for kind in (*vars(kinds).values(), *custom_kinds()) if isinstance(kind, Kind)
}


_HASH = re.compile(r"-[0-9a-f]{8}$")
"""The end of the name of an immutable Secret."""


async def apply_managed(kube: Kube, name: str, namespace: str, parts: Sequence[Part], *, seed: bool = False) -> None:
    """Make the resource manager apply these objects (docs/objects.md); what else the ManagedResource has stays.

    The Secret comes first, so that the resource manager never sees a ManagedResource without its content. UnknownShape
    when a ManagedResource that exists lacks an object that it must have.
    """
    resource = await kube.get(MANAGED_RESOURCE, name, namespace)
    if resource is None:
        await apply(kube, SECRET, Part(managed_resource.secret(name, namespace, rendered(parts))))
        await apply(kube, MANAGED_RESOURCE, Part(managed_resource.managed_resource(name, namespace, seed=seed)))
        return
    secrets = await secrets_of(kube, resource)
    for before, after in zip(secrets, managed_resource.edited(resource, secrets, parts), strict=True):
        if before.get("immutable") and before != after:
            await _replace_secret(kube, resource, before, after)
        elif before != after:
            await edit(kube, SECRET, before, lambda live: _one_secret(resource, live, secrets, parts))


async def secrets_of(kube: Kube, resource: Manifest) -> list[Manifest]:
    """The Secrets that a ManagedResource refers to; NotFound if one is missing."""
    namespace = resource["metadata"]["namespace"]
    result = []
    for index in range(len(mappings_at(resource, "spec", "secretRefs"))):
        name = value_at(resource, str, "spec", "secretRefs", index, "name")
        found = await kube.get(SECRET, name, namespace)
        if found is None:
            raise NotFound(f"Secret {namespace}/{name} of {name_of(resource)} does not exist")
        result.append(found)
    return result


def _one_secret(resource: Manifest, live: Manifest, secrets: Sequence[Manifest], parts: Sequence[Part]) -> Manifest:
    """The live state of one of the Secrets, edited together with the others."""
    name = live["metadata"]["name"]
    together = [live if found["metadata"]["name"] == name else found for found in secrets]
    edited = managed_resource.edited(resource, together, parts)
    return next(found for found in edited if found["metadata"]["name"] == name)


async def _replace_secret(kube: Kube, resource: Manifest, before: Manifest, after: Manifest) -> None:
    """Make the ManagedResource refer to a new Secret, because an immutable one cannot change."""
    old = before["metadata"]["name"]
    new = f"{_HASH.sub('', old)}-{checksum(after['data'])[:8]}"
    fields = ("namespace", "labels", "annotations", "ownerReferences")
    kept = {key: before["metadata"][key] for key in fields if key in before["metadata"]}
    body = {**{key: after[key] for key in after if key != "metadata"}, "metadata": {"name": new, **kept}}
    await apply(kube, SECRET, Part(body))

    def referring(live: Manifest) -> Manifest:
        references = [{**entry, "name": new} if entry["name"] == old else entry for entry in live["spec"]["secretRefs"]]
        return {**live, "spec": {**live["spec"], "secretRefs": references}}

    await edit(kube, MANAGED_RESOURCE, resource, referring)


async def apply_cluster_dns(kube: Kube, shoot: ShootView, addresses: Sequence[str]) -> None:
    """Write the addresses of kube-dns to the kubelets' configuration of every pool, whatever its objects are called."""
    configs = await kube.list(OPERATING_SYSTEM_CONFIG, shoot.technical_id)
    for pool in shoot.pools:
        part = kubelet.operating_system_config(shoot, pool, addresses)
        found = kubelet.of_pool(configs, pool.name)
        for config in found:
            await edit(kube, OPERATING_SYSTEM_CONFIG, config, part.edit)
        if not found:
            await apply(kube, OPERATING_SYSTEM_CONFIG, part)


async def delete_managed(kube: Kube, name: str, namespace: str) -> None:
    """Make the resource manager delete the objects of a ManagedResource; nothing to do when there is none."""
    for kind in (MANAGED_RESOURCE, SECRET):
        if await kube.get(kind, name, namespace) is not None:
            await kube.delete(kind, name, namespace)


def deployment_missing(deployment: Manifest, noun: str = "replicas", default: int = 1) -> str | None:
    """What a Deployment or MachineDeployment lacks until every wanted replica is updated and available, or None.

    One that wants no replicas is complete when it has none. default: replicas where the spec does not state them.
    """
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas", default)
    if _not_observed(deployment):
        return "the change has not been observed"
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if updated < wanted:
        return f"{updated} of {wanted} {noun} are updated"
    if total > updated:
        return f"{total - updated} old {noun} are still there"
    available = status.get("availableReplicas", 0)
    if available < wanted:
        return f"{available} of {wanted} {noun} are available"
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


async def missing_in_cluster(kube: Kube, parts: Sequence[Part]) -> str | None:
    """What is missing until every part is in force: it exists, needs no further edit, and workloads are rolled out.

    Objects of kinds that the product does not know are assumed to be in force.
    """
    for part in parts:
        kind = KINDS.get((part.new["apiVersion"], part.new["kind"]))
        if kind is None:
            continue
        missing = await _missing(kube, kind, part)
        if missing:
            return f"{part.new['kind']} {part.new['metadata']['name']}: {missing}"
    return None


async def await_in_cluster(
    kube: Kube, clock: Clock, parts: Sequence[Part], *, timeout: float = 600.0, tell: Tell = ignore
) -> None:
    """Wait until every part is in force; raises WaitTimeout after `timeout` seconds without progress.

    `tell` and the error name the pods and Nodes that are not ready.
    """

    async def check() -> str | None:
        return await missing_in_cluster(kube, parts)

    await wait_until(
        check,
        clock,
        what="waiting for the change to take effect",
        timeout=timeout,
        extend=True,
        diagnose=lambda: diagnosis.of_workloads(kube, [part.new for part in parts]),
        tell=tell,
    )


async def _missing(kube: Kube, kind: Kind, part: Part) -> str | None:
    live = await kube.get(kind, part.new["metadata"]["name"], part.new["metadata"].get("namespace"))
    if part.presence is Presence.REMOVED:
        return None if live is None else "it still exists"
    if live is None:
        return None if part.presence is Presence.OPTIONAL else "it does not exist yet"
    if part.edit(live) != live:
        return "it is not updated yet"
    if kind == DEPLOYMENT:
        return deployment_missing(live)
    if kind == DAEMON_SET:
        missing = daemon_set_missing(live)
        return missing and daemon_set_missing(live, await _nodes_not_ready(kube))
    return None


async def _nodes_not_ready(kube: Kube) -> int:
    return sum(not is_ready(node) for node in await kube.list(NODE))


def _not_observed(workload: Manifest) -> bool:
    observed = (workload.get("status") or {}).get("observedGeneration", 0)
    return bool(observed < workload["metadata"].get("generation", 0))
