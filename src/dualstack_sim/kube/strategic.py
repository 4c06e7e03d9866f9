"""Strategic merge patch: the Kubernetes patch that merges lists by key. Built-in types only.

Directives: `$patch: delete|replace|merge`, `$retainKeys`, `$deleteFromPrimitiveList/<field>`,
`$setElementOrder/<field>`. The tree that is patched is not changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dualstack_sim.kube.merge_schema import MergeSchema
from dualstack_sim.kube.status import bad_request

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_VALUES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(target: Any, patch: Any, schema: MergeSchema) -> Any:
    """`target` changed as the strategic merge patch says. 400 for a directive or a shape that makes no sense."""
    if not isinstance(patch, dict):
        raise bad_request("a strategic merge patch must be an object")
    return _merge_object(target if isinstance(target, dict) else {}, patch, schema)


def _without_directives(value: Any) -> Any:
    """What a patch adds where nothing was: the same tree less the instructions in it."""
    if isinstance(value, dict):
        return {
            key: _without_directives(child)
            for key, child in value.items()
            if child is not None and not key.startswith((_DELETE_VALUES, _ORDER)) and key not in (_PATCH, _RETAIN)
        }
    if isinstance(value, list):
        return [
            _without_directives(item)
            for item in value
            if not (isinstance(item, dict) and item.get(_PATCH) in ("delete", "replace"))
        ]
    return value


def _merge_object(target: dict[str, Any], patch: dict[str, Any], schema: MergeSchema) -> dict[str, Any]:
    directive = patch.get(_PATCH)
    if directive == "delete":
        return {}
    if directive == "replace" or schema.replace:
        replacement: dict[str, Any] = _without_directives(patch)
        return replacement
    if directive not in (None, "merge"):
        raise bad_request(f"Unknown patch type found: {directive}")
    merged = dict(target)
    if _RETAIN in patch:
        merged = {key: value for key, value in merged.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key in (_PATCH, _RETAIN) or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE_VALUES):
            field = key.removeprefix(_DELETE_VALUES)
            merged[field] = [item for item in merged.get(field) or () if item not in value]
            continue
        _merge_field(merged, key, value, schema.child(key), patch.get(_ORDER + key))
    for key, order in patch.items():
        field = key.removeprefix(_ORDER)
        below = schema.child(field)
        if key.startswith(_ORDER) and field not in patch and (below.key or below.values) and merged.get(field):
            merged[field] = _ordered(merged[field], order, below)
    return merged


def _merge_field(
    merged: dict[str, Any], key: str, value: Any, schema: MergeSchema, order: Sequence[Any] | None
) -> None:
    if value is None:
        merged.pop(key, None)
        return
    current = merged.get(key)
    if isinstance(value, dict):
        merged[key] = _merge_object(current if isinstance(current, dict) else {}, value, schema)
    elif isinstance(value, list) and (schema.key or schema.values):
        items = current if isinstance(current, list) else []
        result = _merge_keyed(items, value, schema) if schema.key else _merge_values(items, value)
        merged[key] = _ordered(result, order, schema) if order else result
    else:
        merged[key] = _without_directives(value)


def _merge_values(items: list[Any], patch: list[Any]) -> list[Any]:
    return [*items, *(value for value in patch if value not in items)]


def _merge_keyed(items: list[Any], patch: list[Any], schema: MergeSchema) -> list[Any]:
    key = schema.key
    if any(isinstance(entry, dict) and entry.get(_PATCH) == "replace" and key not in entry for entry in patch):
        return [_without_directives(entry) for entry in patch if entry.get(_PATCH) is None]
    result = list(items)
    for entry in patch:
        if not isinstance(entry, dict) or key not in entry:
            raise bad_request(f"map: {entry} does not contain declared merge key: {key}")
        position = next((at for at, item in enumerate(result) if item.get(key) == entry[key]), None)
        if entry.get(_PATCH) == "delete":
            result = [item for item in result if item.get(key) != entry[key]]
        elif position is None:
            result.append(_without_directives(entry))
        else:
            result[position] = _merge_object(result[position], entry, MergeSchema(schema.fields))
    return result


def _ordered(items: list[Any], order: Sequence[Any], schema: MergeSchema) -> list[Any]:
    """`items` with those that `order` names in that order; the others keep their place behind their predecessor."""
    key = schema.key
    names = [entry.get(key) if key and isinstance(entry, dict) else entry for entry in order]
    rank = {name: at for at, name in enumerate(names) if isinstance(name, str | int)}
    last = -1.0
    places = []
    for at, item in enumerate(items):
        name = item.get(key) if key and isinstance(item, dict) else item
        last = rank.get(name, last) if isinstance(name, str | int) else last
        places.append((last, name not in rank, at, item))
    return [item for *_, item in sorted(places, key=lambda place: place[:3])]
