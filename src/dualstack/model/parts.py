"""One object of a component: how it is created, and which of its fields a migration changes.

docs/decisions/0013-patches-of-named-fields.md says why these are edits of the object and not a second description.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Self

from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Manifest

Edit = Callable[[Manifest], Manifest]
"""Takes an object and returns it with the fields of a migration set. The argument stays as it is, and a second call
changes nothing. Raises UnknownShape when the object has no place for these fields."""


class UnknownShape(InvalidInput):
    """An object that the product did not create looks different from what it can change without harm."""

    def __init__(self, item: Manifest, fact: str) -> None:
        super().__init__(f"{name_of(item)}: {fact}")


class Presence(Enum):
    """What to do when a component exists without this object."""

    REQUIRED = "required"
    """The component is not the one that the product knows."""
    ADDED = "added"
    """Add it."""
    OPTIONAL = "optional"
    """Go on without it."""
    REMOVED = "removed"
    """It must not exist: remove it."""


def unchanged(item: Manifest) -> Manifest:
    """The edit of an object in which a migration changes nothing."""
    return item


@dataclass(frozen=True, slots=True)
class Part:
    """An object of a component. `new` is what is created when the object or the whole component is missing."""

    new: Manifest
    edit: Edit = unchanged
    presence: Presence = Presence.REQUIRED

    @classmethod
    def of(cls, single_stack: Manifest, edit: Edit = unchanged, presence: Presence = Presence.REQUIRED) -> Self:
        """The part whose object is created as the edit of `single_stack`, the object of an IPv4-only cluster."""
        return cls(edit(single_stack), edit, presence)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        return identity(self.new)


def rendered(parts: Iterable[Part]) -> list[Manifest]:
    """The objects of a component that is created."""
    return [part.new for part in parts if part.presence is not Presence.REMOVED]


def identity(item: Manifest) -> tuple[str, str, str, str]:
    """API version, kind, namespace and name."""
    metadata = item["metadata"]
    return item["apiVersion"], item["kind"], metadata.get("namespace") or "", metadata["name"]


def name_of(item: Manifest) -> str:
    """Kind, namespace and name, for messages: `Deployment shoot--foo--bar/kube-apiserver`."""
    metadata = item["metadata"]
    return f"{item['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"
