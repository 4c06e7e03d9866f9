"""Merge patch (RFC 7386) and JSON patch (RFC 6902). Neither changes the tree it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dualstack_sim.kube.status import StatusError, bad_request, unprocessable
from dualstack_sim.kube.trees import copied


def merge_patch(target: Any, patch: Any) -> Any:
    """`target` changed as the merge patch says; null removes, lists and scalars replace."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


class _Absent(Exception):
    """The pointer leads nowhere."""


def _steps(pointer: Any) -> list[str]:
    if pointer == "":
        return []
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise _Absent(str(pointer))
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def _index(items: list[Any], step: str, *, end: bool) -> int:
    """The position `step` names in `items`; one past the last is allowed when `end`."""
    if step == "-" and end:
        return len(items)
    if not step.isdigit() or (len(step) > 1 and step[0] == "0"):
        raise _Absent(step)
    position = int(step)
    if position >= len(items) + end:
        raise _Absent(step)
    return position


def _descend(tree: Any, step: str) -> Any:
    if isinstance(tree, dict):
        if step not in tree:
            raise _Absent(step)
        return tree[step]
    if isinstance(tree, list):
        return tree[_index(tree, step, end=False)]
    raise _Absent(step)


def _read(tree: Any, steps: list[str]) -> Any:
    for step in steps:
        tree = _descend(tree, step)
    return tree


def _add(tree: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    parent, last = _read(tree, steps[:-1]), steps[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(_index(parent, last, end=True), value)
    else:
        raise _Absent(last)
    return tree


def _remove(tree: Any, steps: list[str]) -> Any:
    if not steps:
        raise _Absent("")
    parent, last = _read(tree, steps[:-1]), steps[-1]
    _descend(parent, last)
    if isinstance(parent, list):
        del parent[int(last)]
    else:
        del parent[last]
    return tree


def _replace(tree: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    parent, last = _read(tree, steps[:-1]), steps[-1]
    _descend(parent, last)
    if isinstance(parent, list):
        parent[int(last)] = value
    else:
        parent[last] = value
    return tree


def _test(tree: Any, path: str, value: Any) -> Any:
    # A missing member equals null, as the library that the real server uses has it.
    try:
        actual = _read(tree, _steps(path))
    except _Absent:
        actual = None
    if actual != value or isinstance(actual, bool) != isinstance(value, bool):
        raise unprocessable(f"testing value {path} failed: test failed")
    return tree


def _apply(tree: Any, operation: dict[str, Any]) -> Any:
    path = operation["path"]
    value = copied(operation.get("value"))
    verbs: dict[str, Callable[[], Any]] = {
        "add": lambda: _add(tree, _steps(path), value),
        "remove": lambda: _remove(tree, _steps(path)),
        "replace": lambda: _replace(tree, _steps(path), value),
        "test": lambda: _test(tree, path, value),
        "copy": lambda: _add(tree, _steps(path), copied(_read(tree, _steps(operation["from"])))),
        "move": lambda: _move(tree, operation["from"], path),
    }
    return verbs[operation["op"]]()


def _move(tree: Any, source: str, target: str) -> Any:
    value = _read(tree, _steps(source))
    return _add(_remove(tree, _steps(source)), _steps(target), value)


def _checked(patch: Any) -> list[dict[str, Any]]:
    """The operations of `patch`; 400 if it is no JSON patch."""
    if not isinstance(patch, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    for operation in patch:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise bad_request("invalid JSON patch: each operation needs op and path")
        verb = operation.get("op")
        if verb not in ("add", "remove", "replace", "test", "copy", "move"):
            raise unprocessable(f"Unexpected kind: {verb}")
        if verb in ("copy", "move") and not isinstance(operation.get("from"), str):
            raise bad_request(f"invalid JSON patch: {verb} needs from")
    return patch


def json_patch(target: Any, patch: Any) -> Any:
    """`target` with all operations applied in order, or a refusal and nothing done."""
    tree = copied(target)
    for operation in _checked(patch):
        try:
            tree = _apply(tree, operation)
        except _Absent as absent:
            raise _misfit(operation, str(absent)) from None
    return tree


def _misfit(operation: dict[str, Any], step: str) -> StatusError:
    if operation["op"] in ("remove", "replace"):
        return unprocessable(
            f"{operation['op']} operation does not apply: doc is missing path: {operation['path']}: missing value"
        )
    where = f'"{operation["path"]}" at "{step}"'
    return unprocessable(f"{operation['op']} operation does not apply: doc is missing path: {where}: missing value")
