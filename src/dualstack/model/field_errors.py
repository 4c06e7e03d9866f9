"""Field errors in the format of the Kubernetes API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec


class FaultKind(Enum):
    """The kind of a field error; the value is its text."""

    REQUIRED = "Required value"
    INVALID = "Invalid value"
    FORBIDDEN = "Forbidden"
    NOT_SUPPORTED = "Unsupported value"
    DUPLICATE = "Duplicate value"


_CAUSES = {
    FaultKind.REQUIRED: "FieldValueRequired",
    FaultKind.INVALID: "FieldValueInvalid",
    FaultKind.FORBIDDEN: "FieldValueForbidden",
    FaultKind.NOT_SUPPORTED: "FieldValueNotSupported",
    FaultKind.DUPLICATE: "FieldValueDuplicate",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One field error. `str()` gives e.g. `spec.networking.nodes: Required value: a nodes CIDR must be provided`."""

    field: str
    kind: FaultKind
    value: Any
    message: str

    @property
    def reason(self) -> str:
        """The `reason` of a StatusCause, e.g. `FieldValueInvalid`."""
        return _CAUSES[self.kind]

    @property
    def body(self) -> str:
        """The text after the field: kind, value (if the kind shows one), message."""
        shown = "" if self.kind in (FaultKind.REQUIRED, FaultKind.FORBIDDEN) else f": {_shown(self.value)}"
        return f"{self.kind.value}{shown}" + (f": {self.message}" if self.message else "")

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


def required(field: str, message: str) -> Fault:
    return Fault(field, FaultKind.REQUIRED, None, message)


def invalid(field: str, value: Any, message: str) -> Fault:
    return Fault(field, FaultKind.INVALID, value, message)


def forbidden(field: str, message: str) -> Fault:
    return Fault(field, FaultKind.FORBIDDEN, None, message)


def duplicate(field: str, value: Any) -> Fault:
    return Fault(field, FaultKind.DUPLICATE, value, "")


def not_supported(field: str, value: Any, supported: Sequence[str]) -> Fault:
    listed = ", ".join(f'"{entry}"' for entry in supported)
    return Fault(field, FaultKind.NOT_SUPPORTED, value, f"supported values: {listed}")


def _shown(value: Any) -> str:
    return "null" if value is None else msgspec.json.encode(value).decode()
