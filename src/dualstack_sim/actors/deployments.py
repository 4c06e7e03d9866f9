"""The Deployment controller: one ReplicaSet for each pod template, and rolling updates between them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from dualstack.clock import rfc3339
from dualstack.model.kinds import DEPLOYMENT, POD, REPLICA_SET, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.ownership import on_change, on_owned_change
from dualstack_sim.actors.pods import BY_OWNER, by_owner, condition, is_terminating, owner_reference, template_hash
from dualstack_sim.actors.refusals import AlreadyExists, NotFound
from dualstack_sim.actors.rollout import budget, complete, expired_sets, has_status, next_scales, scale_of, status_of

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


class DeploymentController:
    """RollingUpdate and Recreate. The new ReplicaSet has the template of the Deployment, apart from the hash label."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._kube, _ = context.named("deployment-controller")
        self._deployments = context.informers.of(DEPLOYMENT)
        self._sets = context.informers.of(REPLICA_SET)
        self._pods = context.informers.of(POD)
        self._queue = context.queue("deployments")

    async def run(self) -> None:
        self._sets.index(BY_OWNER, by_owner)
        self._pods.index(BY_OWNER, by_owner)
        await self._context.informers.synced(DEPLOYMENT, REPLICA_SET, POD)
        self._deployments.subscribe(on_change(self._queue))
        self._sets.subscribe(on_owned_change(self._queue, DEPLOYMENT))
        await self._queue.serve(self._reconcile, workers=4)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        deployment = self._deployments.get(key[1], key[0])
        if deployment is None or is_terminating(deployment):
            return None
        sets = self._sets.indexed(BY_OWNER, deployment["metadata"]["uid"])
        new = newest_of(deployment, sets)
        old = sorted(
            (each for each in sets if new is None or key_of(each) != key_of(new)),
            key=lambda each: (each["metadata"].get("creationTimestamp", ""), each["metadata"]["name"]),
        )
        if deployment["spec"].get("paused"):
            await self._publish(deployment, new, old)
            return None
        wait = None
        if deployment["spec"].get("strategy", {}).get("type") == "Recreate":
            wait = await self._recreate(deployment, new, old)
        else:
            await self._roll(deployment, new or await self._create(deployment, sets, replicas=0), old)
        sets = self._sets.indexed(BY_OWNER, deployment["metadata"]["uid"])
        new = newest_of(deployment, sets)
        await self._publish(deployment, new, [each for each in sets if each is not new])
        await self._delete_expired(deployment, old)
        return wait

    async def _roll(self, deployment: Manifest, new: Manifest, old: Sequence[Manifest]) -> None:
        wanted = int(deployment["spec"].get("replicas", 1))
        limits = budget(deployment["spec"].get("strategy", {}).get("rollingUpdate"), wanted)
        changes = next_scales(wanted, limits, scale_of(new), [scale_of(each) for each in old])
        await self._resize({each["metadata"]["name"]: each for each in (new, *old)}, changes)

    async def _recreate(self, deployment: Manifest, new: Manifest | None, old: Sequence[Manifest]) -> float | None:
        """Scale down, wait until no old pod is left, scale up. Seconds until the next check while old pods exist."""
        await self._resize(
            {each["metadata"]["name"]: each for each in old},
            {each["metadata"]["name"]: 0 for each in old if each["spec"].get("replicas", 1)},
        )
        if any(self._pods.indexed(BY_OWNER, each["metadata"]["uid"]) for each in old):
            return 2.0
        wanted = int(deployment["spec"].get("replicas", 1))
        if new is None:
            await self._create(deployment, old, replicas=wanted)
        elif new["spec"].get("replicas", 1) != wanted:
            await self._resize({new["metadata"]["name"]: new}, {new["metadata"]["name"]: wanted})
        return None

    async def _create(self, deployment: Manifest, sets: Sequence[Manifest], *, replicas: int) -> Manifest:
        """Create the ReplicaSet of the current template, with another hash if its name is taken."""
        metadata, spec = deployment["metadata"], deployment["spec"]
        collisions = 0
        while True:
            hashed = template_hash({**spec["template"], "collisions": collisions} if collisions else spec["template"])
            manifest = _replica_set(deployment, hashed, replicas, revision=_next_revision(sets))
            try:
                created = await self._kube.create(REPLICA_SET, manifest)
            except AlreadyExists:
                known = await self._kube.get(REPLICA_SET, manifest["metadata"]["name"], metadata["namespace"])
                if known is not None and _same_template(deployment, known) and _owned(known, deployment):
                    self._sets.observe(known)
                    return known
                collisions += 1
                continue
            self._sets.observe(created)
            return created

    async def _resize(self, sets: Mapping[str, Manifest], changes: Mapping[str, int]) -> None:
        async def one(name: str, replicas: int) -> None:
            patch = {"spec": {"replicas": replicas}}
            namespace = sets[name]["metadata"]["namespace"]
            self._sets.observe(await self._kube.patch(REPLICA_SET, name, patch, namespace))

        await asyncio.gather(*(one(name, replicas) for name, replicas in changes.items()))

    async def _publish(self, deployment: Manifest, new: Manifest | None, old: Sequence[Manifest]) -> None:
        status = deployment_status(deployment, new, old, rfc3339(self._context.clock.now()))
        if has_status(deployment, status):
            return
        metadata = deployment["metadata"]
        try:
            self._deployments.observe(
                await self._kube.patch(
                    DEPLOYMENT, metadata["name"], {"status": status}, metadata["namespace"], subresource="status"
                )
            )
        except NotFound:
            return

    async def _delete_expired(self, deployment: Manifest, old: Sequence[Manifest]) -> None:
        """Delete the oldest ReplicaSets without replicas beyond revisionHistoryLimit."""
        for each in expired_sets(deployment, old):
            await self._kube.delete(REPLICA_SET, each["metadata"]["name"], each["metadata"]["namespace"])


def newest_of(deployment: Manifest, sets: Sequence[Manifest]) -> Manifest | None:
    """The ReplicaSet with the current template of the Deployment; the oldest if there are several."""
    matching = [each for each in sets if not is_terminating(each) and _same_template(deployment, each)]
    return min(matching, key=lambda each: str(each["metadata"].get("creationTimestamp", "")), default=None)


def deployment_status(deployment: Manifest, new: Manifest | None, old: Sequence[Manifest], now: str) -> dict[str, Any]:
    """The Deployment's status from those of its ReplicaSets; `now` stamps conditions that change."""
    name = new["metadata"]["name"] if new is not None else ""
    progressing = _progressing(complete(deployment, new, old), name, condition(deployment, "Progressing"))
    return status_of(deployment, new, old, progressing, now)


def _progressing(complete: bool, replica_set: str, before: Mapping[str, Any] | None) -> dict[str, str]:
    message = f'ReplicaSet "{replica_set}" is progressing.'
    settled = f'ReplicaSet "{replica_set}" has successfully progressed.'
    # A pod that is replaced later is not a new rollout: the condition stays as it was when the rollout ended.
    if complete or (before is not None and before.get("message") == settled):
        return {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": settled}
    return {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": message}


def _same_template(deployment: Manifest, replica_set: Manifest) -> bool:
    template = replica_set["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    wanted = deployment["spec"]["template"]
    wanted_metadata = wanted.get("metadata") or {}
    return bool(
        labels == (wanted_metadata.get("labels") or {})
        and (metadata.get("annotations") or {}) == (wanted_metadata.get("annotations") or {})
        and template.get("spec") == wanted.get("spec")
    )


def _owned(replica_set: Manifest, deployment: Manifest) -> bool:
    return deployment["metadata"]["uid"] in by_owner(replica_set)


def _next_revision(sets: Sequence[Manifest]) -> int:
    revisions = [int((each["metadata"].get("annotations") or {}).get(REVISION, 0)) for each in sets]
    return max(revisions, default=0) + 1


def _replica_set(deployment: Manifest, hashed: str, replicas: int, *, revision: int) -> Manifest:
    metadata, spec = deployment["metadata"], deployment["spec"]
    template = spec["template"]
    template_metadata = template.get("metadata") or {}
    labels = {**(template_metadata.get("labels") or {}), HASH_LABEL: hashed}
    selector = spec.get("selector") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{hashed}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {REVISION: str(revision)},
            "ownerReferences": [owner_reference(DEPLOYMENT, deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": {
                **selector,
                "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: hashed},
            },
            "template": {**template, "metadata": {**template_metadata, "labels": labels}},
        },
    }
