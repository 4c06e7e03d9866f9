"""Metadata: the items of a VM and of the project (docs/reference/compute-engine.md#metadata-fingerprints)."""

from __future__ import annotations

import re

from dualstack_sim.compute.api.bodies import accept, accept_list
from dualstack_sim.compute.api.errors import Json, condition_not_met, invalid
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.project.project import Call, Project

SCHEMA: dict[str, type] = {"kind": str, "items": list, "fingerprint": str}
_KEY = re.compile(r"[a-zA-Z0-9-_]{1,128}")
_FIRST_FINGERPRINT = "bXV0ZWFnYWluIQ=="


def checked_items(body: Json) -> list[Json]:
    """The items of a metadata object. Raises ApiError 400 for bad ones."""
    given = accept(body, SCHEMA, "resource.metadata")
    items = accept_list(given.get("items", []), {"key": str, "value": str}, "resource.metadata.items")
    for index, item in enumerate(items):
        if not _KEY.fullmatch(item.get("key", "")):
            where = f"resource.metadata.items[{index}].key"
            raise invalid(where, item.get("key", ""), f"Must be a match of regex '{_KEY.pattern}'")
    return items


class ProjectMetadata:
    """projects.setCommonInstanceMetadata, and what projects.get shows of it.

    The metadata is stored as a resource `projects` once it has been set.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._key = Key("projects", GLOBAL, project.name)

    def shown(self) -> Json:
        """The common metadata of all VMs."""
        stored = self._project.inventory.find(self._key)
        found: Json = (stored or {}).get("commonInstanceMetadata") or {
            "kind": "compute#metadata",
            "fingerprint": _FIRST_FINGERPRINT,
        }
        return found

    def set(self, call: Call) -> Work:
        """Replace all items; 412 without the current fingerprint."""
        project, key = self._project, self._key
        body = accept(call.body, SCHEMA)
        if body.get("fingerprint") != self.shown()["fingerprint"]:
            raise condition_not_met("Supplied fingerprint does not match current metadata fingerprint.")
        items = checked_items(body)

        def finish(at: float) -> None:
            metadata: Json = {"kind": "compute#metadata", "fingerprint": project.inventory.fingerprint(key, "metadata")}
            stored = project.inventory.find(key) or project.inventory.identity(key, "project", at)
            shown = metadata | ({"items": items} if items else {})
            project.inventory.put(at, key, stored | {"commonInstanceMetadata": shown})

        return Work(key, project.number, "setCommonInstanceMetadata", finish, exclusive=False)
