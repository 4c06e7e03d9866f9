"""Server-side apply.

`metadata.managedFields` (FieldsV1) records the fields that each manager applied. The next apply removes fields that the
manager no longer sets and no other manager applied. A field that another manager applied with another value is a
conflict (409) unless forced. It is simpler than upstream: only `Apply` managers own fields (updates are not tracked),
lists merge by the single key of strategic merge, and lists of custom resources are atomic.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dualstack_sim.kube.merging import MergeSchema
from dualstack_sim.kube.objects import lookup
from dualstack_sim.kube.status import Cause, apply_conflict

Path = tuple[str, ...]
"""Path elements in FieldsV1 notation: `f:name`, `k:{"name":"x"}`, `v:"x"`."""

_UNOWNED = frozenset({("f:apiVersion",), ("f:kind",)})
_UNOWNED_METADATA = frozenset(
    f"f:{name}"
    for name in (
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
        "managedFields",
    )
)


@dataclass(frozen=True, slots=True)
class Applier:
    """The field manager, the applied API version, whether to force conflicts, and the time (RFC 3339)."""

    manager: str
    api_version: str
    force: bool
    time: str


def _item_step(key: str, item: dict[str, Any]) -> str:
    return "k:" + json.dumps({key: item.get(key)}, separators=(",", ":"))


def _leaves(tree: Any, schema: MergeSchema, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field in `tree` with its value; an empty object counts as a field."""
    if isinstance(tree, dict) and tree and not schema.replace:
        for key, value in tree.items():
            yield from _leaves(value, schema.child(key), (*path, f"f:{key}"))
    elif isinstance(tree, list) and schema.key:
        for item in tree:
            here = (*path, _item_step(schema.key, item))
            yield (*here, "."), None
            yield from _leaves(item, MergeSchema(schema.fields), here)
    elif isinstance(tree, list) and schema.values:
        for item in tree:
            yield (*path, "v:" + json.dumps(item, separators=(",", ":"))), item
    else:
        yield path, tree


def _owned(config: dict[str, Any], schema: MergeSchema) -> dict[Path, Any]:
    return {
        path: value
        for path, value in _leaves(config, schema)
        if path not in _UNOWNED and not (path[0] == "f:metadata" and (len(path) < 2 or path[1] in _UNOWNED_METADATA))
    }


def _nested(paths: set[Path]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for step in path:
            node = node.setdefault(step, {})
    return root


def _flat(fields: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    for step, below in fields.items():
        if below:
            yield from _flat(below, (*path, step))
        else:
            yield (*path, step)


def _merged(live: Any, config: Any, schema: MergeSchema) -> Any:
    if isinstance(config, dict) and isinstance(live, dict) and not schema.replace:
        return {**live, **{key: _merged(live.get(key), value, schema.child(key)) for key, value in config.items()}}
    if isinstance(config, list) and isinstance(live, list) and schema.key:
        return _merged_items(live, config, schema.key, schema)
    if isinstance(config, list) and isinstance(live, list) and schema.values:
        return [*live, *(value for value in config if value not in live)]
    return config


def _merged_items(live: list[Any], config: list[Any], key: str, schema: MergeSchema) -> list[Any]:
    result = list(live)
    positions = {item.get(key): at for at, item in enumerate(result)}
    for item in config:
        at = positions.get(item.get(key))
        if at is None:
            result.append(item)
        else:
            result[at] = _merged(result[at], item, MergeSchema(schema.fields))
    return result


def _matches(step: str, item: Any) -> bool:
    if step.startswith("v:"):
        return bool(item == json.loads(step[2:]))
    wanted = json.loads(step[2:])
    return isinstance(item, dict) and all(item.get(key) == value for key, value in wanted.items())


def _removed(tree: Any, path: Path) -> Any:
    """`tree` without the field at `path`. Its parents stay, except list items whose `.` is removed."""
    step, *rest = path
    if isinstance(tree, dict) and step.startswith("f:"):
        name = step[2:]
        if name not in tree:
            return tree
        if not rest:
            return {key: value for key, value in tree.items() if key != name}
        return {**tree, name: _removed(tree[name], tuple(rest))}
    if isinstance(tree, list) and step[:2] in ("k:", "v:"):
        if not rest or rest == ["."]:
            return [item for item in tree if not _matches(step, item)]
        return [_removed(item, tuple(rest)) if _matches(step, item) else item for item in tree]
    return tree


def _value_at(tree: Any, path: Path) -> Any:
    for step in path:
        if step.startswith("f:") and isinstance(tree, dict):
            tree = tree.get(step[2:])
        elif step[:2] in ("k:", "v:") and isinstance(tree, list):
            tree = next((item for item in tree if _matches(step, item)), None)
        elif step != ".":
            return None
    return tree


def _readable(path: Path) -> str:
    return "".join(f".{step[2:]}" if step.startswith("f:") else f"[{step[2:]}]" for step in path if step != ".")


def _conflicts(live: Any, owned: dict[Path, Any], others: dict[str, set[Path]]) -> list[tuple[str, Path]]:
    return [
        (manager, path)
        for manager, paths in others.items()
        for path, value in owned.items()
        if path in paths and path[-1] != "." and not path[-1].startswith("v:") and _value_at(live, path) != value
    ]


def server_side_apply(live: dict[str, Any] | None, config: dict[str, Any], schema: MergeSchema, by: Applier) -> Any:
    """The object after `by` applied `config`; `live` is None for a new object. 409 for a conflict."""
    entries: list[dict[str, Any]] = list(lookup(live, ("metadata", "managedFields"), []))
    applied = {
        entry["manager"]: set(_flat(entry.get("fieldsV1") or {}))
        for entry in entries
        if entry.get("operation") == "Apply"
    }
    owned = _owned(config, schema)
    before = applied.pop(by.manager, set())
    conflicts = _conflicts(live, owned, applied) if live is not None else []
    if conflicts and not by.force:
        raise apply_conflict(
            [Cause("FieldManagerConflict", f'conflict with "{name}"', _readable(path)) for name, path in conflicts]
        )
    for manager, path in conflicts:
        applied[manager].discard(path)
    result = _merged(live or {}, config, schema)
    kept_by_others = set().union(*applied.values())
    gone = before - owned.keys() - kept_by_others
    for path in sorted(gone, key=lambda path: (path[-1] != ".", len(path))):
        result = _removed(result, path)
    applied[by.manager] = set(owned)
    result["metadata"] = {
        **result.get("metadata", {}),
        "managedFields": _entries(entries, applied, by),
    }
    return result


def _entries(entries: list[dict[str, Any]], applied: dict[str, set[Path]], by: Applier) -> list[dict[str, Any]]:
    """The new managedFields; an entry with the same fields keeps its time, so a repeated apply changes nothing."""
    kept = [entry for entry in entries if entry.get("operation") != "Apply"]
    former = {entry["manager"]: entry for entry in entries if entry.get("operation") == "Apply"}
    for manager, paths in sorted(applied.items()):
        fields = _nested(paths)
        entry = former.get(manager, {})
        if not paths:
            continue
        if entry.get("fieldsV1") != fields or (manager == by.manager and entry.get("apiVersion") != by.api_version):
            entry = {
                "manager": manager,
                "operation": "Apply",
                "apiVersion": by.api_version if manager == by.manager else entry.get("apiVersion"),
                "time": by.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": fields,
            }
        kept.append(entry)
    return kept
