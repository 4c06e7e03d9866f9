"""Resource types: their discovery information, and the rules that differ between types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dualstack.model.kinds import Kind
from dualstack_sim.kube.structural import Structure

TypeKey = tuple[str, str]
"""Group and plural name, which identify a type in all its versions."""

GenerationRule = Literal["none", "spec", "spec-and-annotations", "all-but-status"]
"""Which changes increment `metadata.generation`. `none`: the type has no generation."""

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """The paths of the fields in the scale subresource. At `selector` is a label selector or a string."""

    spec: tuple[str, ...] = ("spec", "replicas")
    status: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] | None = ("spec", "selector")


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource other than `status` and `scale`; `group`, `version` and `kind` are those of its body."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """One additional printer column of a CustomResourceDefinition."""

    name: str
    path: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One resource type. The first of `versions` is the preferred version and the storage version."""

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    has_status: bool = False
    scale: ScalePaths | None = None
    subresources: tuple[Subresource, ...] = ()
    generation: GenerationRule = "none"
    custom: bool = False
    unconditional_update: bool = True
    """Whether a PUT without resourceVersion is accepted."""
    keeps_status_on_create: bool = False
    status_carries_metadata: bool = False
    """Whether a write to `status` may change labels and annotations."""
    returns_deleted: bool = False
    """Whether a completed deletion returns the object instead of a Status."""
    printer_columns: Mapping[str, tuple[PrinterColumn, ...]] = field(default_factory=dict)
    schemas: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    structures: Mapping[str, Structure] = field(default_factory=dict)
    """By version, for custom types."""
    stored_as: TypeKey | None = None
    """The type that stores the objects, if two groups serve the same objects (events)."""

    @property
    def key(self) -> TypeKey:
        return (self.group, self.plural)

    @property
    def storage_key(self) -> TypeKey:
        return self.stored_as or self.key

    @property
    def qualified(self) -> str:
        """`deployments.apps`, `nodes`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @property
    def singular_name(self) -> str:
        return self.singular or self.kind.lower()

    def api_version(self, version: str | None = None) -> str:
        version = version or self.versions[0]
        return f"{self.group}/{version}" if self.group else version

    def as_kind(self) -> Kind:
        return Kind(self.group, self.versions[0], self.kind, self.plural, self.namespaced)


class Registry:
    """All served types; CustomResourceDefinitions add and remove some."""

    def __init__(self, types: Iterable[ResourceType] = ()) -> None:
        self._types: dict[TypeKey, ResourceType] = {}
        self.revision = 0
        """Incremented with every change, so that documents derived from the registry can be cached."""
        for each in types:
            self.add(each)

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._types.values())

    def add(self, resource: ResourceType) -> None:
        self._types[resource.key] = resource
        self.revision += 1

    def remove(self, key: TypeKey) -> None:
        if self._types.pop(key, None) is not None:
            self.revision += 1

    def get(self, key: TypeKey) -> ResourceType | None:
        return self._types.get(key)

    def served(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The type at this path; None if the server does not serve it in this version."""
        resource = self._types.get((group, plural))
        return resource if resource is not None and version in resource.versions else None

    def by_kind(self, group: str, kind: str) -> ResourceType | None:
        return next((each for each in self if each.group == group and each.kind == kind), None)

    def groups(self) -> dict[str, list[str]]:
        """Versions of each group, preferred version first; the core group is the empty string."""
        found: dict[str, list[str]] = {}
        for each in self:
            versions = found.setdefault(each.group, [])
            versions.extend(version for version in each.versions if version not in versions)
        for versions in found.values():
            versions.sort(key=version_priority)
        return found

    def in_version(self, group: str, version: str) -> list[ResourceType]:
        return sorted(
            (each for each in self if each.group == group and version in each.versions), key=lambda each: each.plural
        )


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Sort key: v2, v1, v1beta2, v1beta1, v1alpha1, then names of another form."""
    digits, stage, number = "", "", ""
    body = version.removeprefix("v")
    for letter in body:
        if letter.isdigit():
            if stage:
                number += letter
            else:
                digits += letter
        else:
            stage += letter
    rank = {"": 0, "beta": 1, "alpha": 2}.get(stage, 3) if version.startswith("v") and digits else 3
    return (rank, -int(digits or 0), -int(number or 0), version)
