"""Side effects of injected faults: a concurrent change, the end of a VM, a reduced quota."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from dualstack_sim.compute.api.errors import ApiError, Json
from dualstack_sim.compute.api.fault_injection import ConcurrentChange, Fault, QuotaReduction, VmEnd
from dualstack_sim.compute.api.methods import Mutation
from dualstack_sim.compute.api.operations import Effect, Operations
from dualstack_sim.compute.api.paths import COLLECTIONS
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.machines.access_configs import release_ephemeral
from dualstack_sim.compute.project.inventory import timestamp
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.compute.project.quotas import Limits, with_reduced_limit

_BUSY = 1.0
"""Simulated seconds between attempts to delete a VM with a running operation."""

_FINGERPRINTS: Mapping[str, tuple[str, str]] = {
    "setLabels": ("labelFingerprint", "labelFingerprint"),
    "setTags": ("fingerprint", "tags"),
    "setMetadata": ("fingerprint", "metadata"),
    "patch": ("fingerprint", "fingerprint"),
    "update": ("fingerprint", "fingerprint"),
}
"""Verb -> the field of the body for the fingerprint, and the field of the resource that has it."""


class FaultEffects:
    """Applies the side effects of faults. `schedule` runs a callback at an instant."""

    def __init__(
        self, project: Project, mutations: Mapping[str, Mutation], schedule: Callable[[float, Effect], None]
    ) -> None:
        self._project = project
        self._mutations = mutations
        self._schedule = schedule
        self._original_limits: Limits = project.limits
        self._reductions: list[QuotaReduction] = []

    def apply(self, call: Call, fault: Fault) -> None:
        """Apply the side effects of `fault` on `call`. Raises ApiError with the reason if that is not possible."""
        if fault.quota is not None:
            self._reduce_quota(call.now, fault.quota)
        if fault.vm is not None:
            self._end(call, fault.vm)
        if fault.meanwhile is not None:
            self._change(call, fault.meanwhile)

    def begin_with(self, at: float, method: str, target: str, count: int, fault: Fault) -> None:
        """Apply the side effects to the initial state, at once and without a request.

        A VM that ends, and a change, apply to the first `count` resources whose name matches. Raises ApiError if none
        does, or if a change is refused.
        """
        if fault.quota is not None:
            self._reduce_quota(at, fault.quota)
        if fault.vm is not None:
            end = fault.vm
            for key in self._matching("instances", end.name or target, count):
                if end.becomes == "deleted":
                    call = Call("instances.delete", key.scope, key.name, at)
                    Operations.run_immediately(at, self._mutations[call.method](call))
                else:
                    self._stop(at, key)
        if fault.meanwhile is not None:
            self._change_at_start(at, fault.meanwhile.method or method, target, count, fault.meanwhile.body)

    def _change_at_start(self, at: float, method: str, target: str, count: int, body: Mapping[str, object]) -> None:
        collection, _, verb = method.partition(".")
        mutation = self._mutations.get(method)
        if mutation is None:
            raise ApiError(404, "notFound", f"{method} is not a method that changes resources")
        if verb == "insert":
            places = [Key(collection, self._scope_of(collection), "")]
        else:
            places = self._matching(COLLECTIONS.get(collection, collection), target, count)
        for key in places:
            query = {"networkInterface": "nic0"} if verb == "updateNetworkInterface" else {}
            call = Call(method, key.scope, key.name, at, query, dict(body))
            call = replace(call, body=self._with_fingerprint(call, method, dict(body)))
            Operations.run_immediately(at, mutation(call))

    def _matching(self, collection: str, pattern: str, count: int) -> list[Key]:
        found = sorted(key for key, _ in self._project.inventory.all(collection) if fnmatchcase(key.name, pattern))
        if not found:
            raise ApiError(404, "notFound", f"there are no {collection} whose name matches {pattern!r}")
        return found[:count]

    def _scope_of(self, collection: str) -> str:
        """Where an insert without a request takes place: the first zone or region of resources that are not global."""
        region = min(self._project.regions)
        if collection in ("instances", "disks", "instanceGroups"):
            return f"zones/{self._project.regions[region][0]}"
        return f"regions/{region}" if collection in ("subnetworks", "routers", "addresses") else "global"

    def reset(self) -> None:
        """Restore all quotas, because the scheduled restorations are dropped."""
        self._reductions.clear()
        self._project.limits = self._original_limits

    # -- a quota

    def _reduce_quota(self, at: float, reduction: QuotaReduction) -> None:
        self._reductions.append(reduction)
        self._apply_reductions()
        if reduction.seconds is not None:
            self._schedule(at + reduction.seconds, lambda _at: self._release(reduction))

    def _release(self, reduction: QuotaReduction) -> None:
        if reduction in self._reductions:
            self._reductions.remove(reduction)
            self._apply_reductions()

    def _apply_reductions(self) -> None:
        limits = self._original_limits
        for reduction in self._reductions:
            limits = with_reduced_limit(limits, reduction.limit, reduction.value)
        self._project.limits = limits

    # -- a VM

    def _end(self, call: Call, end: VmEnd) -> None:
        pattern = end.name or call.name
        found = {key: vm for key, vm in self._project.inventory.all("instances") if fnmatchcase(key.name, pattern)}
        running = sorted(key for key, vm in found.items() if vm["status"] == "RUNNING")
        if not running:
            raise ApiError(404, "notFound", f"there is no running VM named {pattern!r}")
        key = running[0]
        if end.becomes == "deleted":
            self._delete(call.now, key)
        else:
            self._stop(call.now, key)

    def _stop(self, at: float, key: Key) -> None:
        vm = self._project.inventory.get(key)
        stopped = {"status": "TERMINATED", "lastStopTimestamp": timestamp(at)}
        interfaces = release_ephemeral(self._project, vm["networkInterfaces"])
        self._project.inventory.put(at, key, vm | stopped | {"networkInterfaces": interfaces})

    def _delete(self, at: float, vm: Key) -> None:
        """Delete the VM by an ordinary request, repeated while other operations run on it."""
        if self._project.operations.is_busy(vm):
            self._schedule(at + _BUSY, lambda later: self._delete(later, vm))
        elif self._project.inventory.find(vm) is not None:
            call = Call("instances.delete", vm.scope, vm.name, at)
            self._project.run(at, call.method, self._mutations[call.method](call))

    # -- a concurrent change

    def _change(self, call: Call, meanwhile: ConcurrentChange) -> None:
        method = meanwhile.method or call.method
        body = {**call.body, **meanwhile.body} if method.endswith(".insert") else dict(meanwhile.body)
        other = replace(call, method=method, body=self._with_fingerprint(call, method, body))
        mutation = self._mutations.get(method)
        if mutation is None:
            raise ApiError(404, "notFound", f"{method} is not a method that changes resources")
        Operations.run_immediately(call.now, mutation(other))

    def _with_fingerprint(self, call: Call, method: str, body: Json) -> Json:
        """The body with the current fingerprint, unless it has one."""
        collection, _, verb = method.partition(".")
        resource = self._project.inventory.find(Key(collection, call.scope, call.name)) or {}
        if verb == "updateNetworkInterface":
            field, holder = "fingerprint", _interface(resource, call.query.get("networkInterface", ""))
        elif verb in _FINGERPRINTS:
            field, place = _FINGERPRINTS[verb]
            holder = resource.get(place)
        else:
            return body
        current = holder.get("fingerprint") if isinstance(holder, dict) else holder
        return {field: current, **body} if current is not None else body


def _interface(instance: Json, name: str) -> Json | None:
    return next((entry for entry in instance.get("networkInterfaces", ()) if entry["name"] == name), None)
