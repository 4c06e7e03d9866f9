"""Checks of the fields and types of request bodies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_interface
from typing import Any

from dualstack_sim.compute.api.errors import Json, bad_request, invalid
from dualstack_sim.rules import enforced

Schema = Mapping[str, Any]
"""Field -> a type, a tuple of enum values, `[element]` for a list, or the schema of an object."""

_WORDS = {str: "a string", bool: "a boolean", int: "a number", list: "an array", dict: "an object"}


def accept(body: Mapping[str, Any], schema: Schema, where: str = "resource") -> Json:
    """The given fields without nulls, which count as absent. Raises ApiError 400 for unknown fields and wrong types."""
    accepted: Json = {}
    for field, value in body.items():
        kind = schema.get(field)
        if kind is None:
            if not enforced("requests.unknown-field"):
                continue
            raise bad_request(
                f"Invalid JSON payload received. Unknown name \"{field}\" at '{where}': Cannot find field."
            )
        if value is not None or not enforced("requests.null-is-absent"):
            accepted[field] = _typed(value, kind, f"{where}.{field}")
    return accepted


def _typed(value: Any, kind: Any, where: str) -> Any:
    if isinstance(kind, Mapping):
        return accept(_typed(value, dict, where), kind, where)
    if isinstance(kind, list):
        return [_typed(entry, kind[0], f"{where}[{index}]") for index, entry in enumerate(_typed(value, list, where))]
    if isinstance(kind, tuple):
        return one_of(_typed(value, str, where), kind, where)
    return _plain(value, kind, where)


def _plain(value: Any, kind: type, where: str) -> Any:
    if kind is int:
        if isinstance(value, str) and value.lstrip("-").isdigit() and len(value) < 20:
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise invalid(where, value, "Must be a number.")
    if kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        raise invalid(where, value, "Must be a number.")
    if not isinstance(value, kind):
        raise invalid(where, value, f"Must be {_WORDS[kind]}.")
    return value


def accept_list(value: list[Any], schema: Schema, where: str) -> list[Json]:
    """A checked list of objects of one schema."""
    result = []
    for index, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise invalid(f"{where}[{index}]", entry, "Must be an object.")
        result.append(accept(entry, schema, f"{where}[{index}]"))
    return result


def accept_strings(value: list[Any], where: str) -> list[str]:
    """A checked list of strings."""
    for index, entry in enumerate(value):
        if not isinstance(entry, str):
            raise invalid(f"{where}[{index}]", entry, "Must be a string.")
    return value


def echoed(body: Json, fields: Collection[str]) -> Json:
    """The given ones of fields that are stored and shown unchanged, without other effect."""
    return {field: body[field] for field in fields if body.get(field) not in (None, "", [], {})}


def refuse_changes(body: Json, current: Json, fields: Iterable[str]) -> None:
    """Refuse changes of these fields; clients may send the current values."""
    for field in fields:
        if field in body and not same(body[field], current.get(field)):
            raise invalid(f"resource.{field}", "", "Updating this field is not supported.")


def same(one: Any, other: Any) -> bool:
    """Whether two values differ only in fields that the server adds, in absence, or in the spelling of IPv6."""
    return bool(_bare(one) == _bare(other))


def _bare(value: Any) -> Any:
    """The value without fields that the server adds and with one spelling of IPv6; None for an empty value."""
    if isinstance(value, dict):
        return {k: _bare(v) for k, v in value.items() if k not in ("kind", "fingerprint") and v not in ([], {})} or None
    if isinstance(value, list):
        return [_bare(entry) for entry in value] or None
    if isinstance(value, str) and value.count(":") > 1 and enforced("requests.ipv6-text"):
        with suppress(ValueError):
            return ip_interface(value)
    return None if value == "" else value


def accept_labels(value: Mapping[str, Any], where: str) -> Json:
    """A checked map of strings."""
    for name, text in value.items():
        if not isinstance(text, str):
            raise invalid(f"{where}['{name}']", text, "Must be a string.")
    return dict(value)


def one_of(value: Any, allowed: tuple[str, ...], where: str) -> str:
    """A checked enum value."""
    if value not in allowed:
        raise invalid(where, value, f"Must be one of: {', '.join(allowed)}.")
    return str(value)
