"""Machines: each creates a VM, follows the health of its Node, and in the end drains and deletes both
(docs/reference/gardener.md#machine-creation).
"""

from __future__ import annotations

from typing import Any

from dualstack.clock import parse_rfc3339, rfc3339
from dualstack.gardener.model.kinds import MACHINE, MACHINE_CLASS
from dualstack.gardener.model.names import MACHINE_FINALIZER
from dualstack.model.json_path import dig
from dualstack.model.kinds import NODE, POD, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.drain import Drainer
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.machine_facts import (
    FORCE_DELETION,
    node_problem,
    phase_of,
    released,
    updated_at,
    without_heartbeats,
    zone_of,
)
from dualstack_sim.actors.machine_instances import InvalidClass, MachineInstances
from dualstack_sim.actors.pods import BY_NODE, by_node, condition, is_terminating
from dualstack_sim.actors.refusals import ComputeRefusal, Conflict, NotFound, OperationFailed

CREATION_SECONDS = 1200.0
HEALTH_SECONDS = 600.0
DRAIN_SECONDS = 7200.0
"""Timeouts: to join the cluster, to recover, and to drain before the remaining pods are deleted."""

_FORCE_AFTER_NOT_READY_SECONDS = 300.0
_FIRST_RETRY, _LONGEST_RETRY = 5.0, 180.0
_TURN_SECONDS = 30.0
_AT_ONCE = 50
_IN_PROGRESS = ("", "Pending", "CrashLoopBackOff", "Failed", "Terminating")


class MachineReconciler:
    """Reconciles up to fifty machines at a time, because a creation or deletion waits for its VM."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._clock = context.clock
        self._kube, _ = context.seed.named("machine-controller-manager")
        self._shoot, _ = context.named("machine-controller-manager")
        self._machines = context.seed.informers.of(MACHINE)
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._queue = context.queue("machines")
        self._instances = MachineInstances(context)
        self._drainer = Drainer(context)
        self._failures: dict[str, tuple[int, float]] = {}
        self._failing: set[ObjectKey] = set()
        """Machines whose phase Failed is being written."""

    async def run(self) -> None:
        """Until cancelled."""
        self._pods.index(BY_NODE, by_node)
        await self._machines.synced()
        await self._context.informers.synced(NODE, POD)
        self._machines.subscribe(self._machine_changed)
        self._nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)
        await self._queue.serve(self._reconcile, workers=_AT_ONCE)

    def _machine_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is not None:
            self._queue.add(key_of(new))
        elif old is not None:
            self._failures.pop(old["metadata"]["uid"], None)

    def _node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        node = new or old
        if node is None or (old is not None and new is not None and _conditions(old) == _conditions(new)):
            return
        self._queue.add((self._context.namespace, node["metadata"]["name"]))

    def _pod_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        """A deleted pod may be the last one of a Node that is drained."""
        if new is not None or old is None:
            return
        name = old["spec"].get("nodeName", "")
        machine = self._machines.get(name, self._context.namespace)
        if machine is not None and is_terminating(machine):
            self._queue.add_soon((self._context.namespace, name))

    async def _reconcile(self, key: ObjectKey) -> float | None:
        machine = self._machines.get(key[1], key[0])
        if machine is None:
            return None
        try:
            if is_terminating(machine):
                return await self._end(machine)
            if MACHINE_FINALIZER not in (machine["metadata"].get("finalizers") or ()):
                machine = await self._add_finalizer(machine)
            if not machine["spec"].get("providerID"):
                return await self._create(machine)
            return await self._check(machine)
        except NotFound:
            return None  # deleted meanwhile

    async def _add_finalizer(self, machine: Manifest) -> Manifest:
        finalizers = [*(machine["metadata"].get("finalizers") or ()), MACHINE_FINALIZER]
        return await self._patch(machine, {"metadata": {"finalizers": finalizers}})

    # -- creation

    async def _create(self, machine: Manifest) -> float | None:
        metadata, wait = machine["metadata"], self._postponed_for(machine)
        if phase_of(machine) == "Failed" or wait > 0:
            return wait or None
        try:
            machine_class = await self._class_of(machine)
            provider_id = await self._instances.create(metadata["name"], machine_class)
        except (ComputeRefusal, OperationFailed, InvalidClass) as refusal:
            return await self._creation_failed(machine, str(refusal))
        self._failures.pop(metadata["uid"], None)
        change = {"metadata": {"labels": {"node": metadata["name"]}}, "spec": {"providerID": provider_id}}
        machine = await self._patch(machine, change)
        await self._write(machine, "Pending", "Creating machine on cloud provider", "Processing", "Create")
        return self._left_to_join(machine)

    async def _class_of(self, machine: Manifest) -> Manifest:
        """Read for each VM, because it is updated in place (docs/reference/gardener.md#machine-class-in-place)."""
        name = dig(machine, "spec", "class", "name") or ""
        found = await self._kube.get(MACHINE_CLASS, name, machine["metadata"]["namespace"]) if name else None
        if found is None:
            raise InvalidClass(f'machineclass.machine.sapcloud.io "{name}" not found')
        return found

    async def _creation_failed(self, machine: Manifest, why: str) -> float | None:
        """Record the failure, and retry with backoff until the time to join is over."""
        if self._left_to_join(machine) <= 0:
            await self._give_up_joining(machine)
            return None
        wait = self._postpone(machine)
        await self._record_failure(machine, "CrashLoopBackOff", f"Cloud provider message - {why}", "Create")
        return wait

    def _left_to_join(self, machine: Manifest) -> float:
        return parse_rfc3339(machine["metadata"]["creationTimestamp"]) + CREATION_SECONDS - self._clock.now()

    async def _give_up_joining(self, machine: Manifest) -> None:
        name = machine["metadata"]["name"]
        words = f"Machine {name} failed to join the cluster in 20m0s minutes."
        await self._write(machine, "Failed", words, "Failed", "Create")

    # -- health

    async def _check(self, machine: Manifest) -> float | None:
        """Update the phase from the health of the Node. Returns the seconds until a timeout, if one runs."""
        node = self._nodes.get(machine["metadata"]["name"])
        problem, phase = node_problem(node), phase_of(machine)
        if phase == "Failed":
            return None
        if phase in ("Running", "Unknown"):
            if problem is not None:
                return await self._unhealthy(machine, problem, node)
            await self._healthy(machine, node)
            return None
        if problem is None:
            words = f"Machine {machine['metadata']['name']} successfully joined the cluster"
            await self._write(machine, "Running", words, "Successful", "Create", node=node)
            return None
        left = self._left_to_join(machine)
        if left <= 0:
            await self._give_up_joining(machine)
            return None
        if phase != "Pending":
            await self._write(machine, "Pending", "Creating machine on cloud provider", "Processing", "Create")
        return left

    async def _healthy(self, machine: Manifest, node: Manifest | None) -> None:
        if phase_of(machine) == "Unknown":
            words = f"Machine {machine['metadata']['name']} successfully re-joined the cluster"
            await self._write(machine, "Running", words, "Successful", "HealthCheck", node=node)
        elif without_heartbeats(dig(machine, "status", "conditions")) != without_heartbeats(
            dig(node, "status", "conditions")
        ):
            await self._patch(machine, {"status": {"conditions": _conditions(node)}}, subresource="status")

    async def _unhealthy(self, machine: Manifest, problem: str, node: Manifest | None) -> float | None:
        name = machine["metadata"]["name"]
        if phase_of(machine) == "Running":
            words = f"Machine {name} is unhealthy - changing MachineState to Unknown. {problem}"
            await self._write(machine, "Unknown", words, "Processing", "HealthCheck", node=node)
            return HEALTH_SECONDS
        left = updated_at(machine) + HEALTH_SECONDS - self._clock.now()
        if left > 0:
            return left
        if self._others_in_progress(machine):
            return _TURN_SECONDS
        words = f"Machine {name} health checks failing since last 10m0s minutes. Updating machine phase to Failed."
        self._failing.add(key_of(machine))
        try:
            await self._write(machine, "Failed", f"{words} {problem}", "Failed", "HealthCheck", node=node)
        finally:
            self._failing.discard(key_of(machine))
        return None

    def _others_in_progress(self, machine: Manifest) -> bool:
        """Whether another machine of the deployment is being replaced. One at a time limits the effect of an outage."""
        deployment = (machine["metadata"].get("labels") or {}).get("name")
        return any(
            is_terminating(other) or key_of(other) in self._failing or phase_of(other) in _IN_PROGRESS
            for other in self._machines.all(machine["metadata"]["namespace"])
            if (other["metadata"].get("labels") or {}).get("name") == deployment and key_of(other) != key_of(machine)
        )

    # -- deletion

    async def _end(self, machine: Manifest) -> float | None:
        """Drain the Node, delete the VM, then the Node, and remove the finalizer."""
        metadata, release = machine["metadata"], released(machine)
        if release is None:
            return None
        if phase_of(machine) != "Terminating":
            words = "Machine deletion process initiated. Cordoning and draining the node"
            machine = await self._write(machine, "Terminating", words, "Processing", "Delete")
        node = self._nodes.get(metadata["name"])
        if node is not None:
            wait = await self._drainer.drain(node, force=self._must_force(machine, node))
            if wait is not None:
                return wait
        wait = await self._delete_vm(machine)
        if wait > 0:
            return wait
        if node is not None:
            await self._delete_node(node)
        await self._kube.patch(MACHINE, metadata["name"], release, metadata["namespace"])
        self._machines.forget(machine)
        return None

    def _must_force(self, machine: Manifest, node: Manifest) -> bool:
        """Whether to drain by force: on request, after two hours, or if the Node is not ready for five minutes."""
        metadata, now = machine["metadata"], self._clock.now()
        if (metadata.get("labels") or {}).get(FORCE_DELETION) == "True":
            return True
        if now >= parse_rfc3339(metadata["deletionTimestamp"]) + DRAIN_SECONDS:
            return True
        ready = condition(node, "Ready")
        if ready is None or ready.get("status") == "True" or not ready.get("lastTransitionTime"):
            return False
        return now >= parse_rfc3339(ready["lastTransitionTime"]) + _FORCE_AFTER_NOT_READY_SECONDS

    async def _delete_vm(self, machine: Manifest) -> float:
        """Returns 0 when the VM is gone, else the seconds until the next attempt."""
        wait = self._postponed_for(machine)
        if wait > 0:
            return wait
        zone = await self._zone_of(machine)
        if zone is None:
            return 0.0
        try:
            await self._instances.delete(machine["metadata"]["name"], zone)
        except (ComputeRefusal, OperationFailed) as refusal:
            wait = self._postpone(machine)
            await self._record_failure(machine, "Terminating", f"VM deletion failed: {refusal}", "Delete")
            return wait
        return 0.0

    async def _zone_of(self, machine: Manifest) -> str | None:
        """The zone of the VM: from its provider ID, else from its class; None if neither is known."""
        provider_id = machine["spec"].get("providerID")
        try:
            if provider_id:
                return zone_of(provider_id)
            zone = dig(await self._class_of(machine), "providerSpec", "zone")
        except (ValueError, InvalidClass):
            return None
        return str(zone) if zone else None

    async def _delete_node(self, node: Manifest) -> None:
        metadata = node["metadata"]
        try:
            await self._shoot.delete(NODE, metadata["name"], uid=metadata["uid"])
        except Conflict:
            return  # another Node of the same name
        self._nodes.forget(node)

    # -- failed attempts, and writes

    def _postpone(self, machine: Manifest) -> float:
        """Count a failed attempt. Returns the seconds until the next one (exponential backoff)."""
        uid = machine["metadata"]["uid"]
        attempts, _ = self._failures.get(uid, (0, 0.0))
        wait = min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(attempts, 10))
        self._failures[uid] = attempts + 1, self._clock.now() + wait
        return wait

    def _postponed_for(self, machine: Manifest) -> float:
        """Seconds until the next attempt. Changes of the Machine, among them our own, do not shorten the backoff."""
        _, due = self._failures.get(machine["metadata"]["uid"], (0, 0.0))
        return max(0.0, due - self._clock.now())

    async def _record_failure(self, machine: Manifest, phase: str, words: str, operation: str) -> None:
        """Written once for each reason; the time stamp alone is not updated."""
        if phase_of(machine) != phase or dig(machine, "status", "lastOperation", "description") != words:
            await self._write(machine, phase, words, "Failed", operation)

    async def _write(
        self, machine: Manifest, phase: str, words: str, state: str, operation: str, *, node: Manifest | None = None
    ) -> Manifest:
        """Write the phase, the last operation and, with `node`, a copy of its conditions."""
        now = rfc3339(self._clock.now())
        status: dict[str, Any] = {
            "currentStatus": {"phase": phase, "lastUpdateTime": now, "timeoutActive": state == "Processing"},
            "lastOperation": {"description": words, "state": state, "type": operation, "lastUpdateTime": now},
        }
        if node is not None:
            status["conditions"] = _conditions(node)
        return await self._patch(machine, {"status": status}, subresource="status")

    async def _patch(self, machine: Manifest, body: Manifest, *, subresource: str | None = None) -> Manifest:
        metadata = machine["metadata"]
        answer = await self._kube.patch(MACHINE, metadata["name"], body, metadata["namespace"], subresource=subresource)
        self._machines.observe(answer)
        return answer


def _conditions(node: Manifest | None) -> list[dict[str, Any]]:
    return list(dig(node, "status", "conditions") or ())
