"""CustomResourceDefinitions, and the resource types that they define."""

from __future__ import annotations

from typing import Any

from dualstack.clock import Clock, rfc3339
from dualstack_sim.kube.objects import lookup
from dualstack_sim.kube.storage import Change, Storage
from dualstack_sim.kube.structural import Structure
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
    """The resource type of a definition, with its served versions."""
    spec = definition["spec"]
    names = spec["names"]
    served = {each["name"]: each for each in spec["versions"] if each.get("served", True)}
    # Upstream, subresources may differ between versions; here all versions of a type have the same.
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
        schemas=(schemas := {name: lookup(each, ("schema", "openAPIV3Schema"), {}) for name, each in served.items()}),
        structures={name: Structure(schema) for name, schema in schemas.items()},
    )


class CustomTypes:
    """Serves a new definition at once, with condition Established; deletes the objects of a deleted one."""

    def __init__(self, registry: Registry, storage: Storage, clock: Clock) -> None:
        self._registry = registry
        self._storage = storage
        self._clock = clock
        storage.listen(self._observe)

    def _observe(self, resource: ResourceType, change: Change) -> None:
        if resource.key != _KEY:
            return
        described = custom_type(change.object.manifest)
        if change.type == "DELETED":
            self._withdraw(described)
            return
        self._registry.add(described)
        if change.type == "ADDED":
            established = self._established(change.object.manifest)
            self._storage.put(resource, {**change.object.manifest, "status": established}, change.object)
            self._storage.begin(described)

    def _withdraw(self, resource: ResourceType) -> None:
        for stored in self._storage.collection(resource).objects():
            if self._storage.get(resource, stored.namespace, stored.name) is not None:
                self._storage.drop(resource, stored)
        self._storage.remove_type(resource)
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
        """Serve the types of `definitions` and no other custom types."""
        for resource in [each for each in self._registry if each.custom]:
            self._registry.remove(resource.key)
        for definition in definitions:
            self._registry.add(custom_type(definition))
