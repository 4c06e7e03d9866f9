"""CustomResourceDefinitions: what each of them makes the server serve."""

from __future__ import annotations

from typing import Any

from dualstack.clock import Clock, rfc3339
from dualstack_sim.kube.history import Change
from dualstack_sim.kube.shelves import Shelves
from dualstack_sim.kube.trees import lookup
from dualstack_sim.kube.types import PrinterColumn, Registry, ResourceType, ScalePaths, version_priority

_KEY = ("apiextensions.k8s.io", "customresourcedefinitions")


def _path(text: str | None) -> tuple[str, ...]:
    return tuple(step for step in (text or "").split(".") if step)


def _scale(subresources: dict[str, Any]) -> ScalePaths | None:
    scale = subresources.get("scale")
    if not scale:
        return None
    selector = _path(scale.get("labelSelectorPath"))
    return ScalePaths(_path(scale.get("specReplicasPath")), _path(scale.get("statusReplicasPath")), selector or None)


def _columns(version: dict[str, Any]) -> tuple[PrinterColumn, ...]:
    return tuple(
        PrinterColumn(
            each["name"],
            each["jsonPath"],
            each.get("type", "string"),
            each.get("format", ""),
            each.get("description", ""),
            each.get("priority", 0),
        )
        for each in version.get("additionalPrinterColumns") or ()
    )


def custom_type(definition: dict[str, Any]) -> ResourceType:
    """The resource type that a definition describes, with the versions it serves."""
    spec = definition["spec"]
    names = spec["names"]
    served = {each["name"]: each for each in spec["versions"] if each.get("served", True)}
    # Subresources may differ between versions upstream; here a type has them in all versions or in none.
    subresources: dict[str, Any] = {}
    for version in served.values():
        subresources.update(version.get("subresources") or {})
    return ResourceType(
        group=spec["group"],
        versions=tuple(sorted(served, key=version_priority)),
        kind=names["kind"],
        plural=names["plural"],
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular") or names["kind"].lower(),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        has_status="status" in subresources,
        scale=_scale(subresources),
        generation="all-but-status",
        custom=True,
        unconditional_update=False,
        printer_columns={name: _columns(version) for name, version in served.items()},
        schemas={name: lookup(version, ("schema", "openAPIV3Schema"), {}) for name, version in served.items()},
    )


class CustomTypes:
    """Follows the definitions: a new one is served at once and Established, a deleted one takes its objects along."""

    def __init__(self, registry: Registry, shelves: Shelves, clock: Clock) -> None:
        self._registry = registry
        self._shelves = shelves
        self._clock = clock
        shelves.listen(self._observe)

    def _observe(self, resource: ResourceType, change: Change) -> None:
        if resource.key != _KEY:
            return
        described = custom_type(change.record.manifest)
        if change.type == "DELETED":
            self._withdraw(described)
            return
        self._registry.add(described)
        if change.type == "ADDED":
            established = self._established(change.record.manifest)
            self._shelves.put(resource, {**change.record.manifest, "status": established}, change.record)

    def _withdraw(self, resource: ResourceType) -> None:
        for record in self._shelves.shelf(resource).records():
            if self._shelves.get(resource, record.namespace, record.name) is not None:
                self._shelves.drop(resource, record)
        self._shelves.remove_type(resource)
        self._registry.remove(resource.key)

    def _established(self, definition: dict[str, Any]) -> dict[str, Any]:
        now = rfc3339(self._clock.now())
        spec = definition["spec"]
        names = {"singular": spec["names"]["kind"].lower(), **spec["names"]}
        names.setdefault("listKind", f"{names['kind']}List")
        return {
            "acceptedNames": names,
            "conditions": [
                {
                    "type": "NamesAccepted",
                    "status": "True",
                    "lastTransitionTime": now,
                    "reason": "NoConflicts",
                    "message": "no conflicts found",
                },
                {
                    "type": "Established",
                    "status": "True",
                    "lastTransitionTime": now,
                    "reason": "InitialNamesAccepted",
                    "message": "the initial names have been accepted",
                },
            ],
            "storedVersions": [each["name"] for each in spec["versions"] if each.get("storage")],
        }

    def rebuild(self, definitions: list[dict[str, Any]]) -> None:
        """Serve exactly the types of `definitions`."""
        for resource in [each for each in self._registry if each.custom]:
            self._registry.remove(resource.key)
        for definition in definitions:
            self._registry.add(custom_type(definition))
