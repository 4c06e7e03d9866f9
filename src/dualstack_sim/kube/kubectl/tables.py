"""`Table` answers: what `kubectl get` prints. Columns are those of the real server's printers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dualstack_sim.kube.kubectl.ages import age
from dualstack_sim.kube.kubectl.columns import Row, row_maker
from dualstack_sim.kube.kubectl.jsonpath import find
from dualstack_sim.kube.records import Record
from dualstack_sim.kube.trees import encoded
from dualstack_sim.kube.types import PrinterColumn, ResourceType

_META_VERSION = "meta.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class TableForm:
    """How one type is shown as a table: its columns, and the cells of one object at a time (epoch seconds)."""

    columns: Sequence[PrinterColumn]
    cells: Row


def _custom_cell(column: PrinterColumn, manifest: dict[str, Any], now: float) -> Any:
    found = find(manifest, column.path)
    if not found:
        return "<none>" if column.type != "date" else "<unknown>"
    if column.type == "date":
        return age(found[0], now)
    if column.type in ("integer", "number", "boolean"):
        return found[0]
    return ",".join(value if isinstance(value, str) else encoded(value).decode() for value in found)


def table_form(resource: ResourceType, version: str) -> TableForm:
    """The table of `resource`: the printers' columns, a definition's additional ones, or just name and age."""
    if made := row_maker(resource):
        return TableForm(*made)
    extra = resource.printer_columns.get(version, ())
    name = PrinterColumn("Name", ".metadata.name", "string", "name")
    if not extra:
        extra = (PrinterColumn("Age", ".metadata.creationTimestamp", "date"),)

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


def _shown(record: Record, api_version: str, include: str) -> dict[str, Any] | None:
    if include == "None":
        return None
    if include == "Object":
        return {**record.manifest, "apiVersion": api_version}
    return partial_metadata(record)


def partial_metadata(record: Record) -> dict[str, Any]:
    """An object reduced to its metadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _META_VERSION, "metadata": record.metadata}


def table(
    form: TableForm,
    records: Sequence[Record],
    *,
    now: float,
    api_version: str,
    include: str = "Metadata",
    metadata: dict[str, Any] | None = None,
    columns: bool = True,
) -> dict[str, Any]:
    """A `meta.k8s.io/v1` Table. `include` is None, Metadata or Object; `columns`: with column definitions."""
    document: dict[str, Any] = {"kind": "Table", "apiVersion": _META_VERSION, "metadata": metadata or {}}
    document["columnDefinitions"] = [_definition(column) for column in form.columns] if columns else None
    document["rows"] = [
        {"cells": form.cells(record.manifest, now), "object": _shown(record, api_version, include)}
        for record in records
    ]
    return document
