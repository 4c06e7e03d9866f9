"""Applies manifests: merges the wanted fields into the live object, and writes only if that changes it.

Fields that the manifest leaves out stay as they are: defaults, additions of webhooks, status.
"""

from __future__ import annotations

from typing import Any

from dualstack.kube.interface import AlreadyExists, Kube, NotFound
from dualstack.model.kinds import Kind, Manifest

OWNED_WHOLE = ("data", "stringData", "binaryData")
"""Top-level fields whose keys all belong to the applier: keys that the manifest lacks are removed."""
_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")


async def apply(kube: Kube, kind: Kind, wanted: Manifest) -> bool:
    """Create or patch the object so that it covers the manifest. True if something was written."""
    name, namespace = wanted["metadata"]["name"], wanted["metadata"].get("namespace")
    live = await kube.get(kind, name, namespace)
    if live is None:
        try:
            await kube.create(kind, wanted)
        except AlreadyExists:
            live = await kube.get(kind, name, namespace)
            if live is None:
                raise NotFound(f"{kind.plural} {name} was deleted while it was applied") from None
        else:
            return True
    change = difference(live, wanted)
    if not change:
        return False
    await kube.patch(kind, name, change, namespace)
    return True


def difference(live: Manifest, wanted: Manifest) -> dict[str, Any]:
    """The merge patch that makes `live` cover `wanted`, without status; empty if it does already."""
    change: dict[str, Any] = {}
    for key, value in wanted.items():
        if key in ("apiVersion", "kind", "status"):
            continue
        if key == "metadata":
            metadata = _merge_patch(live.get("metadata") or {}, {k: v for k, v in value.items() if k in _METADATA})
            if metadata:
                change["metadata"] = metadata
            continue
        patch = _field_patch(live.get(key), value)
        if patch is not _SAME:
            change[key] = patch
        if key in OWNED_WHOLE:
            gone = {name: None for name in (live.get(key) or {}) if name not in value}
            if gone:
                change[key] = {**change.get(key, {}), **gone}
    return change


def covers(live: Any, wanted: Any) -> bool:
    """Whether `live` has every value of `wanted`; entries of lists that have a name are compared by name."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            key in live and covers(live[key], value) if value is not None else live.get(key) is None
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(live, list) and _covers_list(live, wanted)
    return bool(live == wanted)


class _Same:
    """Marks a field that needs no patch, because None is a value."""


_SAME = _Same()


def _merge_patch(live: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    patches = {key: _field_patch(live.get(key), value) for key, value in wanted.items()}
    return {key: patch for key, patch in patches.items() if patch is not _SAME}


def _field_patch(live: Any, wanted: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return _merge_patch(live, wanted) or _SAME
    if isinstance(wanted, list) and isinstance(live, list):
        merged = _merged_list(live, wanted)
        return _SAME if merged == live else merged
    return _SAME if live == wanted else wanted


def _merged(live: Any, wanted: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {**live, **{key: _merged(live.get(key), value) for key, value in wanted.items()}}
    if isinstance(wanted, list) and isinstance(live, list):
        return _merged_list(live, wanted)
    return wanted


def _merged_list(live: list[Any], wanted: list[Any]) -> list[Any]:
    """A merge patch replaces lists, so entries with a name are merged here; other lists are replaced."""
    if not _named(wanted) or not _named(live):
        return wanted
    there = {entry["name"]: entry for entry in live}
    names = {entry["name"] for entry in wanted}
    merged = {entry["name"]: _merged(there.get(entry["name"], {}), entry) for entry in wanted}
    kept = [merged.pop(entry["name"]) if entry["name"] in names else entry for entry in live]
    return kept + list(merged.values())


def _covers_list(live: list[Any], wanted: list[Any]) -> bool:
    if _named(wanted) and _named(live):
        there = {entry["name"]: entry for entry in live}
        return all(entry["name"] in there and covers(there[entry["name"]], entry) for entry in wanted)
    return len(live) == len(wanted) and all(covers(left, right) for left, right in zip(live, wanted, strict=True))


def _named(entries: list[Any]) -> bool:
    return bool(entries) and all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries)
