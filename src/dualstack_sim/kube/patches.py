"""The patch types of the Kubernetes API, except server-side apply. No function changes the tree that it patches.

Strategic merge patch merges lists by key (`dualstack_sim.kube.merging`), for built-in types only. Directives:
`$patch: delete|replace|merge`, `$retainKeys`, `$deleteFromPrimitiveList/<field>` and `$setElementOrder/<field>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jsonpatch
from jsonpointer import JsonPointer, JsonPointerException

from dualstack_sim.kube.decoding import json_word
from dualstack_sim.kube.merging import BUILT_IN, DEFAULT, MergeSchema
from dualstack_sim.kube.objects import copied
from dualstack_sim.kube.status import StatusError, bad_request, unprocessable
from dualstack_sim.kube.types import ResourceType

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch body and its media type."""

    media_type: str
    body: Any


def patch_types(resource: ResourceType) -> tuple[str, ...]:
    """The patches a type accepts; strategic merge needs the merge keys that only built-in types have."""
    if resource.custom:
        return (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
    return (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


def merge_schema(resource: ResourceType) -> MergeSchema:
    """How objects of `resource` merge; those of a custom type as its schema says."""
    structure = resource.structures.get(resource.versions[0])
    if structure is None:
        return BUILT_IN.get(resource.key, DEFAULT)
    return MergeSchema({**structure.merging.fields, **DEFAULT.fields, **_own(structure.merging)})


def _own(merging: MergeSchema) -> dict[str, MergeSchema]:
    return {name: merging.child(name) for name in ("spec", "status") if name in merging.fields}


def merge_patch(target: Any, patch: Any) -> Any:
    """`target` after a merge patch (RFC 7386): null removes a field, lists and scalars are replaced."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Any, patch: Any) -> Any:
    """`target` after a JSON patch (RFC 6902). 400 for a malformed patch, 422 if an operation does not apply."""
    document = copied(target)
    for operation in _operations(patch):
        try:
            document = jsonpatch.apply_patch(document, [{"value": None, **operation}], in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            # The real server's library treats a missing member as null.
            path = operation["path"]
            if operation.get("value") is not None or JsonPointer(path).resolve(document, None) is not None:
                raise unprocessable() from None
        except (jsonpatch.JsonPatchException, JsonPointerException):
            raise unprocessable() from None
    return document


def _operations(patch: Any) -> list[dict[str, Any]]:
    if not isinstance(patch, list):
        why = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        raise bad_request(f"error decoding patch: {why}")
    for operation in patch:
        if not isinstance(operation, dict):
            why = f"json: cannot unmarshal {json_word(operation)} into Go value of type handlers.jsonPatchOp"
            raise bad_request(f"error decoding patch: {why}")
        if not isinstance(operation.get("path"), str):
            raise unprocessable()
        verb = operation.get("op")
        if verb not in ("add", "remove", "replace", "test", "copy", "move"):
            raise unprocessable()
        if verb in ("copy", "move") and not isinstance(operation.get("from"), str):
            raise unprocessable()
    return patch


_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_VALUES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(target: Any, patch: Any, schema: MergeSchema) -> Any:
    """`target` after a strategic merge patch. 400 for an unknown directive or a body of the wrong shape."""
    if not isinstance(patch, dict):
        raise bad_request(f"json: cannot unmarshal {json_word(patch)} into Go value of type map[string]interface {{}}")
    return _merge_object(target if isinstance(target, dict) else {}, patch, schema)


def _without_directives(value: Any) -> Any:
    """A patch as the value of a new field: the tree without its directives."""
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
        merged[key] = _ordered(result, order, schema) if order else _interleaved(items, value, result, schema.key)
    else:
        merged[key] = _without_directives(value)


def _interleaved(items: list[Any], patch: list[Any], result: list[Any], key: str | None) -> list[Any]:
    """`result` in upstream's order for a patch without an order: what it names as in the patch, the rest as before,
    and of two elements that were there the former first; else what the patch names first."""

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    before, named = [name(item) for item in items], [name(entry) for entry in patch]
    left = [item for item in result if name(item) not in named]
    right = sorted((item for item in result if name(item) in named), key=lambda item: named.index(name(item)))
    merged = []
    while left and right:
        both = name(left[0]) in before and name(right[0]) in before
        is_left = both and before.index(name(left[0])) < before.index(name(right[0]))
        merged.append((left if is_left else right).pop(0))
    return [*merged, *left, *right]


def go_map(value: Any) -> str:
    """A tree as Go prints it in an error."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{go_map(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_map, value))}]"
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _merge_values(items: list[Any], patch: list[Any]) -> list[Any]:
    return [*items, *(value for value in patch if value not in items)]


def _merge_keyed(items: list[Any], patch: list[Any], schema: MergeSchema) -> list[Any]:
    key = schema.key
    if any(isinstance(entry, dict) and entry.get(_PATCH) == "replace" and key not in entry for entry in patch):
        return [_without_directives(entry) for entry in patch if entry.get(_PATCH) is None]
    result = list(items)
    for entry in patch:
        if not isinstance(entry, dict):
            raise bad_request(f"the list merges by {key}, and {entry!r} is no object")
        if key not in entry:
            raise StatusError(500, "", f"map: {go_map(entry)} does not contain declared merge key: {key}")
        if entry.get(_PATCH) not in (None, "delete", "merge", "replace"):
            raise StatusError(500, "", f"unknown patch type: {entry[_PATCH]} in map: {go_map(entry)}")
        position = next((at for at, item in enumerate(result) if item.get(key) == entry[key]), None)
        if entry.get(_PATCH) == "delete":
            result = [item for item in result if item.get(key) != entry[key]]
        elif position is None:
            result.append(_without_directives(entry))
        else:
            result[position] = _merge_object(result[position], entry, MergeSchema(schema.fields))
    return result


def _ordered(items: list[Any], order: Sequence[Any], schema: MergeSchema) -> list[Any]:
    """`items` in the order that `order` gives; an item that it does not name stays behind its predecessor."""
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
