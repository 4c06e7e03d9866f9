"""Writes objects: creates what is missing, and patches named fields of what exists.

A patch has only the differences, so everything else stays as it is. It carries the resource version that the edit has
seen, because a merge patch replaces lists and texts as a whole: when another writer was faster, the API server answers
with a conflict, and the edit is made again on the new object (docs/decisions/0013-patches-of-named-fields.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from dualstack.kube.interface import AlreadyExists, Conflict, Kube, NotFound
from dualstack.model.kinds import Kind, Manifest
from dualstack.model.parts import Edit, Part

ATTEMPTS = 5
"""How often a write is attempted against the newest version of an object."""

Result = TypeVar("Result")

_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
"""The metadata that `difference` compares; the API server owns the rest."""


async def apply(kube: Kube, kind: Kind, part: Part) -> bool:
    """Create the object, or edit it if it exists. True if something was written. Conflict after five attempts."""
    name, namespace = part.new["metadata"]["name"], part.new["metadata"].get("namespace")
    live = await kube.get(kind, name, namespace)
    if live is None:
        try:
            await kube.create(kind, part.new)
        except AlreadyExists:
            live = await kube.get(kind, name, namespace)
            if live is None:
                raise NotFound(f"{kind.plural} {name} was deleted while it was applied") from None
        else:
            return True
    return await edit(kube, kind, live, part.edit)


async def edit(kube: Kube, kind: Kind, live: Manifest, change: Edit) -> bool:
    """Patch what `change` changes in the live object. True if something was written. Conflict after five attempts."""
    name, namespace = live["metadata"]["name"], live["metadata"].get("namespace")
    known = [live]

    async def read() -> Manifest:
        found = known.pop() if known else await kube.get(kind, name, namespace)
        if found is None:
            raise NotFound(f"{kind.plural} {name} was deleted while it was changed")
        return found

    async def write(seen: Manifest) -> bool:
        patch = merge_patch(seen, change(seen))
        if not patch:
            return False
        metadata = {**patch.get("metadata", {}), "resourceVersion": seen["metadata"]["resourceVersion"]}
        await kube.patch(kind, name, {**patch, "metadata": metadata}, namespace)
        return True

    return await until_current(read, write)


async def until_current(
    read: Callable[[], Awaitable[Manifest]], write: Callable[[Manifest], Awaitable[Result]]
) -> Result:
    """What `write` returns for the object that `read` returns; both again after a Conflict, five attempts in all."""
    for _ in range(ATTEMPTS - 1):
        with suppress(Conflict):
            return await write(await read())
    return await write(await read())


def owned(item: Manifest) -> Part:
    """The part of an object that belongs to the product alone: every field that it states is set."""

    def edit(live: Manifest) -> Manifest:
        return {**live, **_merged(live, _stated(item))}

    return Part(item, edit)


def merge_patch(before: Manifest, after: Manifest) -> Manifest:
    """The merge patch that turns `before` into `after`; empty if they are equal (RFC 7396)."""
    patch: Manifest = {key: None for key in before if key not in after}
    for key, value in after.items():
        if before.get(key) == value:
            continue
        nested = isinstance(value, dict) and isinstance(before.get(key), dict)
        patch[key] = merge_patch(before[key], value) if nested else value
    return patch


def difference(live: Manifest, wanted: Manifest) -> dict[str, Any]:
    """The merge patch that makes `live` cover `wanted`, without status; empty if it does already.

    Fields that `wanted` leaves out stay. For objects that Gardener writes as a whole from the Shoot.
    """
    return merge_patch(live, _merged(live, _stated(wanted)))


def _stated(wanted: Manifest) -> Manifest:
    """The fields that may be written: those of the content, and of the metadata what the API server does not own."""
    stated = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind", "status", "metadata")}
    metadata = {key: value for key, value in wanted.get("metadata", {}).items() if key in _METADATA}
    return {**stated, **({"metadata": metadata} if metadata else {})}


def _merged(live: Any, wanted: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {**live, **{key: _merged(live.get(key), value) for key, value in wanted.items()}}
    if isinstance(wanted, list) and isinstance(live, list):
        return _merged_list(live, wanted)
    return wanted


def _merged_list(live: list[Any], wanted: list[Any]) -> list[Any]:
    """Entries with a name are merged by name; other lists are replaced."""
    if not _named(wanted) or not _named(live):
        return wanted
    there = {entry["name"]: entry for entry in live}
    names = {entry["name"] for entry in wanted}
    merged = {entry["name"]: _merged(there.get(entry["name"], {}), entry) for entry in wanted}
    kept = [merged.pop(entry["name"]) if entry["name"] in names else entry for entry in live]
    return kept + list(merged.values())


def _named(entries: list[Any]) -> bool:
    return bool(entries) and all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries)
