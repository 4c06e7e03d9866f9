"""PodDisruptionBudgets: the status that the disruption controller maintains, and the check of evictions."""

from __future__ import annotations

import math
from typing import Any

from dualstack_sim.kube.objects import StoredObject, lookup
from dualstack_sim.kube.selectors import selects
from dualstack_sim.kube.status import Cause, StatusError, internal, too_many_requests
from dualstack_sim.kube.storage import Change, Storage
from dualstack_sim.kube.types import Registry, ResourceType, TypeKey

_PODS: TypeKey = ("", "pods")
_BUDGETS: TypeKey = ("policy", "poddisruptionbudgets")
_REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether the pod's condition Ready is True."""
    return any(
        each.get("type") == "Ready" and each.get("status") == "True"
        for each in lookup(pod, ("status", "conditions"), ())
    )


def _scaled_value(value: Any, total: int) -> int:
    """The value of an IntOrString; percentages of `total` round up, as in the disruption controller."""
    if isinstance(value, str):
        return math.ceil(int(value.rstrip("%")) * total / 100)
    return int(value)


def _healthy(pod: StoredObject) -> bool:
    return is_ready(pod.manifest) and not pod.being_deleted


class DisruptionController:
    """Updates the status of every budget at the instant at which its pods change."""

    def __init__(self, registry: Registry, storage: Storage) -> None:
        self._registry = registry
        self._storage = storage
        storage.listen(self._observe)

    def _observe(self, resource: ResourceType, change: Change) -> None:
        if resource.key == _BUDGETS and change.type != "DELETED":
            self._refresh(change.object)
        elif resource.key == _PODS and self._is_relevant(change):
            for budget in self._budgets(change.object):
                self._refresh(budget)
        elif resource.scale is not None and self._resized(resource, change):
            self._refresh_namespace(change.object.namespace)

    @staticmethod
    def _is_relevant(change: Change) -> bool:
        before = change.previous
        if change.type != "MODIFIED" or before is None:
            return True
        return _healthy(before) != _healthy(change.object) or before.labels != change.object.labels

    @staticmethod
    def _resized(resource: ResourceType, change: Change) -> bool:
        if resource.scale is None or change.previous is None:
            return False
        path = resource.scale.spec
        return bool(lookup(change.previous.manifest, path) != lookup(change.object.manifest, path))

    def _all(self, key: TypeKey, namespace: str | None) -> list[StoredObject]:
        resource = self._registry.get(key)
        return self._storage.collection(resource).objects(namespace) if resource else []

    def _refresh_namespace(self, namespace: str | None) -> None:
        for budget in self._all(_BUDGETS, namespace):
            self._refresh(budget)

    def _budgets(self, pod: StoredObject) -> list[StoredObject]:
        return [
            budget
            for budget in self._all(_BUDGETS, pod.namespace)
            if selects(lookup(budget.manifest, ("spec", "selector")), pod.labels)
        ]

    def _expected(self, pods: list[StoredObject]) -> int:
        """The expected number of pods: the sum of the replicas of their controllers."""
        controllers: dict[str, int] = {}
        for pod in pods:
            owner = next((each for each in pod.metadata.get("ownerReferences") or () if each.get("controller")), None)
            if owner is None:
                controllers[pod.uid] = 1
            elif owner["uid"] not in controllers:
                controllers[owner["uid"]] = self._replicas_of(pod.namespace, owner)
        return sum(controllers.values())

    def _replicas_of(self, namespace: str | None, owner: dict[str, Any]) -> int:
        group = owner["apiVersion"].rpartition("/")[0]
        resource = self._registry.by_kind(group, owner["kind"])
        stored = self._storage.get(resource, namespace, owner["name"]) if resource else None
        if resource is None or stored is None or resource.scale is None:
            return 0
        replicas = lookup(stored.manifest, resource.scale.spec, 0)
        return replicas if isinstance(replicas, int) else 0

    def _refresh(self, budget: StoredObject) -> None:
        resource = self._registry.get(_BUDGETS)
        current = self._storage.get(resource, budget.namespace, budget.name) if resource else None
        if resource is None or current is None:
            return
        spec = current.manifest.get("spec") or {}
        pods = [pod for pod in self._all(_PODS, budget.namespace) if selects(spec.get("selector"), pod.labels)]
        healthy = sum(1 for pod in pods if _healthy(pod))
        if spec.get("maxUnavailable") is not None:
            expected = self._expected(pods)
            desired = max(0, expected - _scaled_value(spec["maxUnavailable"], expected))
        else:
            percentage = isinstance(spec.get("minAvailable"), str)
            expected = self._expected(pods) if percentage else len(pods)
            desired = _scaled_value(spec.get("minAvailable", 1), expected)
        allowed = max(0, healthy - desired) if expected else 0
        status = {
            **(current.manifest.get("status") or {}),
            "observedGeneration": current.metadata.get("generation", 1),
            "expectedPods": expected,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
        }
        if status != current.manifest.get("status"):
            self._storage.put(resource, {**current.manifest, "status": status}, current)

    def check_eviction(self, pod: StoredObject) -> None:
        """429 if evicting `pod` would violate a budget; 500 if several budgets select it."""
        if pod.being_deleted or lookup(pod.manifest, ("status", "phase")) in ("Succeeded", "Failed", "Pending"):
            return
        budgets = self._budgets(pod)
        if not budgets:
            return
        if len(budgets) > 1:
            raise internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            )
        refusal = self._refusal(budgets[0], pod)
        if refusal is not None:
            raise refusal

    @staticmethod
    def _refusal(budget: StoredObject, pod: StoredObject) -> StatusError | None:
        status = budget.manifest.get("status") or {}
        healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
        if not is_ready(pod.manifest):
            # IfHealthyBudget: an unhealthy pod may be evicted while enough other pods are healthy.
            if (
                lookup(budget.manifest, ("spec", "unhealthyPodEvictionPolicy")) == "AlwaysAllow"
                or healthy >= desired > 0
            ):
                return None
        elif status.get("disruptionsAllowed", 0) > 0:
            return None
        message = f"The disruption budget {budget.name} needs {desired} healthy pods and has {healthy} currently"
        return too_many_requests(_REFUSAL, [Cause("DisruptionBudget", message)])
