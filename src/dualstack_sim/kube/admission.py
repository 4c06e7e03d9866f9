"""Admission: what the API server of a cluster adds to the generic rules, registered by whoever builds the world."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.kube.trees import copied
from dualstack_sim.kube.types import ResourceType

Operation = Literal["CREATE", "UPDATE"]


class Admission(Protocol):
    """Called on every create and on every update of the main resource (not of `status` or `scale`)."""

    def __call__(self, operation: Operation, kind: Kind, old: Manifest | None, new: Manifest) -> Manifest:
        """The object to store: `new`, changed in place or not. Raises a `StatusError` to refuse. `old` is a copy."""
        ...


class AdmissionRegistry:
    """Hooks for each resource type, called in the order in which they were registered."""

    def __init__(self) -> None:
        self._hooks: dict[tuple[str, str], list[Admission]] = {}

    def register(self, group: str, plural: str, hook: Admission) -> None:
        self._hooks.setdefault((group, plural), []).append(hook)

    def admit(
        self, operation: Operation, resource: ResourceType, old: Manifest | None, new: dict[str, Any]
    ) -> dict[str, Any]:
        """`new` as all hooks leave it."""
        hooks = self._hooks.get(resource.key)
        if not hooks:
            return new
        kind = resource.as_kind()
        # Hooks may change what they get, the store shares trees between objects: both sides get their own copy.
        new = copied(new)
        for hook in hooks:
            new = hook(operation, kind, copied(old) if old is not None else None, new)
        return new
