"""PodDisruptionBudgets: their status, as the disruption controller keeps it, and what an eviction may do."""

from __future__ import annotations

import math
from typing import Any

from dualstack_sim.kube.history import Change
from dualstack_sim.kube.records import Record
from dualstack_sim.kube.selectors import selects
from dualstack_sim.kube.shelves import Shelves
from dualstack_sim.kube.status import Cause, StatusError, internal, too_many_requests
from dualstack_sim.kube.trees import lookup
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


def _share(value: Any, total: int) -> int:
    """An IntOrString against `total`; percentages round up, as the disruption controller rounds them."""
    if isinstance(value, str):
        return math.ceil(int(value.rstrip("%")) * total / 100)
    return int(value)


def _healthy(pod: Record) -> bool:
    return is_ready(pod.manifest) and not pod.being_deleted


class DisruptionController:
    """Keeps the status of every budget in step with the pods it selects, at once and not after a delay."""

    def __init__(self, registry: Registry, shelves: Shelves) -> None:
        self._registry = registry
        self._shelves = shelves
        shelves.listen(self._observe)

    def _observe(self, resource: ResourceType, change: Change) -> None:
        if resource.key == _BUDGETS and change.type != "DELETED":
            self._refresh(change.record)
        elif resource.key == _PODS and self._matters(change):
            for budget in self._budgets(change.record):
                self._refresh(budget)
        elif resource.scale is not None and self._resized(resource, change):
            self._refresh_namespace(change.record.namespace)

    @staticmethod
    def _matters(change: Change) -> bool:
        before = change.previous
        if change.type != "MODIFIED" or before is None:
            return True
        return _healthy(before) != _healthy(change.record) or before.labels != change.record.labels

    @staticmethod
    def _resized(resource: ResourceType, change: Change) -> bool:
        if resource.scale is None or change.previous is None:
            return False
        path = resource.scale.spec
        return bool(lookup(change.previous.manifest, path) != lookup(change.record.manifest, path))

    def _all(self, key: TypeKey, namespace: str | None) -> list[Record]:
        resource = self._registry.get(key)
        return self._shelves.shelf(resource).records(namespace) if resource else []

    def _refresh_namespace(self, namespace: str | None) -> None:
        for budget in self._all(_BUDGETS, namespace):
            self._refresh(budget)

    def _budgets(self, pod: Record) -> list[Record]:
        return [
            budget
            for budget in self._all(_BUDGETS, pod.namespace)
            if selects(lookup(budget.manifest, ("spec", "selector")), pod.labels)
        ]

    def _expected(self, pods: list[Record]) -> int:
        """How many pods there should be: the sum of what their controllers are scaled to."""
        controllers: dict[str, int] = {}
        for pod in pods:
            owner = next((each for each in pod.metadata.get("ownerReferences") or () if each.get("controller")), None)
            if owner is None:
                controllers[pod.uid] = 1
            elif owner["uid"] not in controllers:
                controllers[owner["uid"]] = self._scaled_to(pod.namespace, owner)
        return sum(controllers.values())

    def _scaled_to(self, namespace: str | None, owner: dict[str, Any]) -> int:
        group = owner["apiVersion"].rpartition("/")[0]
        resource = self._registry.by_kind(group, owner["kind"])
        record = self._shelves.get(resource, namespace, owner["name"]) if resource else None
        if resource is None or record is None or resource.scale is None:
            return 0
        replicas = lookup(record.manifest, resource.scale.spec, 0)
        return replicas if isinstance(replicas, int) else 0

    def _refresh(self, budget: Record) -> None:
        resource = self._registry.get(_BUDGETS)
        current = self._shelves.get(resource, budget.namespace, budget.name) if resource else None
        if resource is None or current is None:
            return
        spec = current.manifest.get("spec") or {}
        pods = [pod for pod in self._all(_PODS, budget.namespace) if selects(spec.get("selector"), pod.labels)]
        healthy = sum(1 for pod in pods if _healthy(pod))
        if spec.get("maxUnavailable") is not None:
            expected = self._expected(pods)
            desired = max(0, expected - _share(spec["maxUnavailable"], expected))
        else:
            percentage = isinstance(spec.get("minAvailable"), str)
            expected = self._expected(pods) if percentage else len(pods)
            desired = _share(spec.get("minAvailable", 1), expected)
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
            self._shelves.put(resource, {**current.manifest, "status": status}, current)

    def check_eviction(self, pod: Record) -> None:
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
    def _refusal(budget: Record, pod: Record) -> StatusError | None:
        status = budget.manifest.get("status") or {}
        healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
        if not is_ready(pod.manifest):
            # IfHealthyBudget: a pod that serves nobody may go while the others are enough.
            if (
                lookup(budget.manifest, ("spec", "unhealthyPodEvictionPolicy")) == "AlwaysAllow"
                or healthy >= desired > 0
            ):
                return None
        elif status.get("disruptionsAllowed", 0) > 0:
            return None
        message = f"The disruption budget {budget.name} needs {desired} healthy pods and has {healthy} currently"
        return too_many_requests(_REFUSAL, [Cause("DisruptionBudget", message)])
