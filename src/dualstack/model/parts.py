"""One object of a component: how it is created, and which of its fields a migration changes.

docs/decisions/0013-patches-of-named-fields.md says why these are edits of the object and not a second description.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self, TypeVar

from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

Value = TypeVar("Value")
_TYPES: dict[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "a text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}

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
    words = (dig(item, "metadata", key) for key in ("namespace", "name"))
    return f"{item.get('kind', 'object')} {'/'.join(str(word) for word in words if word)}"


def value_at(item: Manifest, expected: type[Value], *path: str | int) -> Value:
    """The value at `path`, of keys and of indexes in lists; an empty one where a key is missing or null.

    UnknownShape, with the path, when it or a value on the way to it has another type.
    """
    value: Any = item
    for depth, key in enumerate(path):
        kind: type = list if isinstance(key, int) else dict
        container: Any = _typed(item, kind, value, path[:depth])
        value = container[key] if isinstance(key, int) else container.get(key)
    return _typed(item, expected, value, path)


def mappings_at(item: Manifest, *path: str | int) -> list[Manifest]:
    """The list of mappings at `path`, as `value_at`."""
    return [value_at(item, dict, *path, index) for index in range(len(value_at(item, list, *path)))]


def texts_at(item: Manifest, *path: str | int) -> list[str]:
    """The list of texts at `path`, as `value_at`."""
    return [value_at(item, str, *path, index) for index in range(len(value_at(item, list, *path)))]


def with_value(item: Manifest, value: Any, *path: str | int) -> Manifest:
    """The object with another value at `path`; errors as `value_at`."""
    value_at(item, list if isinstance(path[-1], int) else dict, *path[:-1])
    result: Manifest = _with_value(item, value, path)
    return result


def _with_value(place: Any, value: Any, path: tuple[str | int, ...]) -> Any:
    if not path:
        return value
    key = path[0]
    if isinstance(key, int):
        return [*place[:key], _with_value(place[key], value, path[1:]), *place[key + 1 :]]
    return {**(place or {}), key: _with_value((place or {}).get(key), value, path[1:])}


def _typed(item: Manifest, expected: type[Value], value: Any, path: tuple[str | int, ...]) -> Value:
    if value is None and not (path and isinstance(path[-1], int)):
        return expected()
    if isinstance(value, expected):
        return value
    where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")
    found = _TYPES.get(type(value), type(value).__name__)
    raise UnknownShape(item, f"{where} is {found} where {_TYPES[expected]} is expected")
