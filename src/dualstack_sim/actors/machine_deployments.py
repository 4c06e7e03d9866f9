"""MachineDeployments: one MachineSet for each template, and rolling updates between them
(docs/reference/gardener.md#node-replacement).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from dualstack.clock import rfc3339
from dualstack.gardener.model.kinds import MACHINE_DEPLOYMENT, MACHINE_SET
from dualstack.gardener.model.names import MACHINE_FINALIZER
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.machine_facts import (
    HASH_LABEL,
    adoption,
    is_orphan_of,
    released,
    same_template,
    stripped,
    template_hash,
)
from dualstack_sim.actors.ownership import on_change, on_owned_change
from dualstack_sim.actors.pods import BY_OWNER, by_owner, is_terminating, owner_reference
from dualstack_sim.actors.refusals import AlreadyExists, NotFound
from dualstack_sim.actors.rollout import budget, complete, expired_sets, has_status, next_scales, scale_of, status_of

REVISION = "deployment.kubernetes.io/revision"


class MachineDeployments:
    """RollingUpdate with the arithmetic of Deployments. Availability is that of the machine sets."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._kube, _ = context.seed.named("machine-controller-manager")
        self._deployments = context.seed.informers.of(MACHINE_DEPLOYMENT)
        self._sets = context.seed.informers.of(MACHINE_SET)
        self._queue = context.queue("machine deployments")

    async def run(self) -> None:
        """Until cancelled."""
        self._sets.index(BY_OWNER, by_owner)
        await self._context.seed.informers.synced(MACHINE_DEPLOYMENT, MACHINE_SET)
        self._deployments.subscribe(on_change(self._queue))
        self._sets.subscribe(on_owned_change(self._queue, MACHINE_DEPLOYMENT))
        await self._queue.serve(self._reconcile, workers=4)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        deployment = self._deployments.get(key[1], key[0])
        if deployment is None:
            return None
        if is_terminating(deployment):
            await self._end(deployment)
            return None
        await self._adopt(deployment)
        if not deployment["spec"].get("paused"):
            await self._roll(deployment)
        new, old = self._split(deployment)
        await self._publish(deployment, new, old)
        await self._delete_expired(deployment, old)
        return None

    def _split(self, deployment: Manifest) -> tuple[Manifest | None, list[Manifest]]:
        """The set of the current template, if there is one, and the others, oldest first."""
        sets = self._sets.indexed(BY_OWNER, deployment["metadata"]["uid"])
        sets = sorted(sets, key=lambda each: (str(each["metadata"].get("creationTimestamp", "")), key_of(each)))
        template = deployment["spec"]["template"]
        matching = (s for s in sets if not is_terminating(s) and same_template(s["spec"]["template"], template))
        new = next(matching, None)
        return new, [each for each in sets if each is not new]

    async def _adopt(self, deployment: Manifest) -> None:
        for orphan in self._sets.all(deployment["metadata"]["namespace"]):
            if is_orphan_of(orphan, deployment) and not is_terminating(orphan):
                await self._patch_set(orphan, adoption(MACHINE_DEPLOYMENT, deployment, orphan))

    async def _roll(self, deployment: Manifest) -> None:
        spec = deployment["spec"]
        new, old = self._split(deployment)
        if new is None:
            new = await self._create(deployment, old)
        new = await self._update_in_place(deployment, new)
        wanted = int(spec.get("replicas", 0))
        limits = budget((spec.get("strategy") or {}).get("rollingUpdate"), wanted)
        changes = next_scales(wanted, limits, scale_of(new), [scale_of(each) for each in old])
        by_name = {each["metadata"]["name"]: each for each in (new, *old)}
        await asyncio.gather(
            *(self._patch_set(by_name[name], {"spec": {"replicas": count}}) for name, count in changes.items())
        )

    async def _create(self, deployment: Manifest, sets: Sequence[Manifest]) -> Manifest:
        """Create the MachineSet of the current template with no replicas; with another hash if its name is taken."""
        collisions = 0
        while True:
            hashed = template_hash(deployment["spec"]["template"], collisions)
            try:
                created = await self._kube.create(MACHINE_SET, machine_set_of(deployment, hashed, _revision(sets)))
            except AlreadyExists:
                collisions += 1
                continue
            self._sets.observe(created)
            return created

    async def _update_in_place(self, deployment: Manifest, machine_set: Manifest) -> Manifest:
        """Update the fields of the current set that do not replace machines: node template and minReadySeconds."""
        body = drift(deployment, machine_set)
        return await self._patch_set(machine_set, body, json=True) if body else machine_set

    async def _patch_set(self, machine_set: Manifest, body: Any, *, json: bool = False) -> Manifest:
        name, namespace = machine_set["metadata"]["name"], machine_set["metadata"]["namespace"]
        patch_type: Any = "json" if json else "merge"
        answer = await self._kube.patch(MACHINE_SET, name, body, namespace, patch_type=patch_type)
        self._sets.observe(answer)
        return answer

    async def _publish(self, deployment: Manifest, new: Manifest | None, old: Sequence[Manifest]) -> None:
        status = deployment_status(deployment, new, old, rfc3339(self._context.clock.now()))
        if has_status(deployment, status):
            return
        metadata = deployment["metadata"]
        try:
            answer = await self._kube.patch(
                MACHINE_DEPLOYMENT, metadata["name"], {"status": status}, metadata["namespace"], subresource="status"
            )
        except NotFound:
            return
        self._deployments.observe(answer)

    async def _end(self, deployment: Manifest) -> None:
        """Delete the sets, and remove the finalizer when the last one is gone."""
        metadata = deployment["metadata"]
        sets = self._sets.indexed(BY_OWNER, metadata["uid"])
        for each in sets:
            if not is_terminating(each):
                await self._kube.delete(MACHINE_SET, each["metadata"]["name"], each["metadata"]["namespace"])
        release = released(deployment)
        if not sets and release is not None:
            await self._kube.patch(MACHINE_DEPLOYMENT, metadata["name"], release, metadata["namespace"])

    async def _delete_expired(self, deployment: Manifest, old: Sequence[Manifest]) -> None:
        """Delete the oldest sets without machines beyond revisionHistoryLimit."""
        for each in expired_sets(deployment, old):
            if is_terminating(each):
                continue
            await self._kube.delete(MACHINE_SET, each["metadata"]["name"], each["metadata"]["namespace"])


def drift(deployment: Manifest, machine_set: Manifest) -> list[dict[str, Any]]:
    """The JSON patch that updates the node template and minReadySeconds of the set; empty if nothing changes."""
    wanted, has = deployment["spec"], machine_set["spec"]
    patch: list[dict[str, Any]] = []
    if wanted.get("minReadySeconds", 0) != has.get("minReadySeconds", 0):
        patch.append({"op": "add", "path": "/spec/minReadySeconds", "value": wanted.get("minReadySeconds", 0)})
    node = (wanted["template"].get("spec") or {}).get("nodeTemplate")
    if stripped({"node": node}) != stripped({"node": (has["template"].get("spec") or {}).get("nodeTemplate")}):
        patch.append({"op": "add", "path": "/spec/template/spec/nodeTemplate", "value": node or {}})
    return patch


def deployment_status(deployment: Manifest, new: Manifest | None, old: Sequence[Manifest], now: str) -> dict[str, Any]:
    """The status from those of the machine sets. `now` is the time stamp of conditions that change."""
    name = new["metadata"]["name"] if new is not None else ""
    progressing = _progressing(complete(deployment, new, old), name)
    return status_of(deployment, new, old, progressing, now)


def _progressing(complete: bool, machine_set: str) -> dict[str, str]:
    reason, words = (
        ("NewMachineSetAvailable", "has successfully progressed")
        if complete
        else ("MachineSetUpdated", "is progressing")
    )
    message = f'MachineSet "{machine_set}" {words}.'
    return {"type": "Progressing", "status": "True", "reason": reason, "message": message}


def _revision(sets: Sequence[Manifest]) -> int:
    revisions = [(each["metadata"].get("annotations") or {}).get(REVISION, "0") for each in sets]
    return max((int(text) for text in revisions if text.isdigit()), default=0) + 1


def machine_set_of(deployment: Manifest, hashed: str, revision: int) -> Manifest:
    """The MachineSet `<deployment>-<hash>` of the deployment's template, with no replicas."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    template = spec["template"]
    template_metadata = template.get("metadata") or {}
    labels = {**(template_metadata.get("labels") or {}), HASH_LABEL: hashed}
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    return {
        "apiVersion": MACHINE_SET.api_version,
        "kind": MACHINE_SET.kind,
        "metadata": {
            "name": f"{metadata['name']}-{hashed}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {REVISION: str(revision)},
            "finalizers": [MACHINE_FINALIZER],
            "ownerReferences": [owner_reference(MACHINE_DEPLOYMENT, deployment)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": {"matchLabels": {**selector, HASH_LABEL: hashed}},
            "template": {**template, "metadata": {**template_metadata, "labels": labels}},
        },
    }
