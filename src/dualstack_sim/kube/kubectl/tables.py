"""`Table` responses: what `kubectl get` prints.

The columns of custom resources are JSONPath expressions in Kubernetes' own dialect
(docs/decisions/0010-json-patch-and-jsonpath.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dualstack_sim.kube.kubectl.printers import Row, age, printer
from dualstack_sim.kube.objects import StoredObject, encoded
from dualstack_sim.kube.types import PrinterColumn, ResourceType

_STEP = re.compile(
    r"\.(?P<member>(?:\\.|[^.\[\\])+)"
    r"|\[(?P<index>-?\d+)\]"
    r"|\[(?P<wild>\*)\]"
    r"|\[['\"](?P<quoted>[^'\"]*)['\"]\]"
    r"|\[\?\(@\.(?P<field>[\w.]+)\s*==\s*['\"](?P<value>[^'\"]*)['\"]\)\]"
)

_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
_NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_AGE = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    f"in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: {_CONVENTIONS}"
)
"""The descriptions of the two columns that every custom type has."""

Step = tuple[str, str, str]
"""Kind of step (`member`, `index`, `wild`, `filter`), its argument, and the value a filter compares with."""


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    for found in _STEP.finditer(text if text.startswith((".", "[")) else f".{text}"):
        if (member := found["member"] or found["quoted"]) is not None:
            steps.append(("member", member.replace("\\", ""), ""))
        elif found["index"] is not None:
            steps.append(("index", found["index"], ""))
        elif found["wild"] is not None:
            steps.append(("wild", "", ""))
        else:
            steps.append(("filter", found["field"], found["value"]))
    return tuple(steps)


def _children(value: Any, step: Step) -> Iterator[Any]:
    kind, argument, wanted = step
    if kind == "member" and isinstance(value, dict) and argument in value:
        yield value[argument]
    elif kind == "index" and isinstance(value, list) and -len(value) <= int(argument) < len(value):
        yield value[int(argument)]
    elif kind == "wild" and isinstance(value, list | dict):
        yield from value.values() if isinstance(value, dict) else value
    elif kind == "filter" and isinstance(value, list):
        yield from (each for each in value if [str(found) for found in find_values(each, f".{argument}")] == [wanted])


def find_values(tree: Any, path: str) -> list[Any]:
    """All values at `path`, without nulls. Supports fields, indexes, wildcards and equality filters."""
    values = [tree]
    for step in _steps(path):
        values = [child for value in values for child in _children(value, step)]
    return [value for value in values if value is not None]


_META_VERSION = "meta.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class TableForm:
    """The table of one type: its columns, and a function from an object and a time (epoch seconds) to its cells."""

    columns: Sequence[PrinterColumn]
    cells: Row


def _custom_cell(column: PrinterColumn, manifest: dict[str, Any], now: float) -> Any:
    found = find_values(manifest, column.path)
    if not found:
        return "<none>" if column.type != "date" else "<unknown>"
    if column.type == "date":
        return age(found[0], now)
    if column.type in ("integer", "number", "boolean"):
        return found[0]
    return ",".join(value if isinstance(value, str) else encoded(value).decode() for value in found)


def table_form(resource: ResourceType, version: str) -> TableForm:
    """The table of `resource`: the columns of its printer or of its CustomResourceDefinition, else name and age."""
    if made := printer(resource):
        return TableForm(*made)
    extra = resource.printer_columns.get(version, ())
    name = PrinterColumn("Name", ".metadata.name", "string", "name", _NAME)
    if not extra:
        extra = (PrinterColumn("Age", ".metadata.creationTimestamp", "date", "", _AGE),)

    def custom(manifest: dict[str, Any], now: float) -> list[Any]:
        return [manifest["metadata"]["name"], *(_custom_cell(column, manifest, now) for column in extra)]

    return TableForm((name, *extra), custom)


def _definition(column: PrinterColumn) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description or column.name,
        "priority": column.priority,
    }


def _shown(stored: StoredObject, api_version: str, include: str) -> dict[str, Any] | None:
    if include == "None":
        return None
    if include == "Object":
        return {**stored.manifest, "apiVersion": api_version}
    return stored.partial_metadata()


def table(
    form: TableForm,
    objects: Sequence[StoredObject],
    *,
    now: float,
    api_version: str,
    include: str = "Metadata",
    metadata: dict[str, Any] | None = None,
    columns: bool = True,
) -> dict[str, Any]:
    """A `meta.k8s.io/v1` Table. `include` is None, Metadata or Object; `columns`: include column definitions."""
    document: dict[str, Any] = {"kind": "Table", "apiVersion": _META_VERSION, "metadata": metadata or {}}
    document["columnDefinitions"] = [_definition(column) for column in form.columns] if columns else None
    document["rows"] = [
        {"cells": form.cells(stored.manifest, now), "object": _shown(stored, api_version, include)}
        for stored in objects
    ]
    return document
