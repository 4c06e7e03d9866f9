"""Query parameters of all methods, and partial responses such as `fields=items(name,selfLink),nextPageToken`.

Sources: docs/reference/compute-engine.md#parameter-values, docs/reference/compute-engine.md#partial-responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dualstack_sim.compute.api.errors import ApiError, invalid_parameter
from dualstack_sim.rules import enforced

Mask = dict[str, "Mask | None"]
"""Field -> mask of its subfields, None for the whole field."""
_BOOLEANS = ("includeAllScopes", "returnPartialSuccess", "prettyPrint")
_CHOICES = {"alt": ("json",), "views": ("DEFAULT", "WITH_UTILIZATION")}
"""Responses are JSON only; `media` and `proto`, which the real API supports, are refused."""


def parse_fields(query: Mapping[str, str]) -> Mask | None:
    """The mask for the response, None for the whole document. Raises ApiError 400 for a bad parameter value.

    Called before the request is executed, so that a refused request has no effect.
    """
    if not query:
        return None
    if enforced("requests.parameter-form"):
        _check(query)
    fields = query.get("fields")
    return read_mask(fields) if fields and enforced("requests.partial-response") else None


def _check(query: Mapping[str, str]) -> None:
    for name in _BOOLEANS:
        if name in query and query[name].lower() not in ("", "true", "false", "1", "0"):
            raise invalid_parameter(query[name], f"The parameter '{name}' must be a boolean.")
    for name, choices in _CHOICES.items():
        if query.get(name) and query[name] not in choices:
            raise invalid_parameter(query[name], f"The parameter '{name}' must be one of: {', '.join(choices)}.")


def _bad(text: str) -> ApiError:
    return invalid_parameter(text, "Invalid field selection.")


@lru_cache(maxsize=128)
def read_mask(text: str) -> Mask:
    """The mask of a `fields` parameter. Raises ApiError 400 for a malformed one."""
    mask, position = _read(text, 0, 0)
    if position != len(text):
        raise _bad(text)
    return mask


def _read(text: str, position: int, depth: int) -> tuple[Mask, int]:
    if depth > 10:
        raise _bad(text)
    mask: Mask = {}
    while True:
        path, position = _path(text, position)
        inner: Mask | None = None
        if position < len(text) and text[position] == "(":
            inner, position = _read(text, position + 1, depth + 1)
            if position >= len(text) or text[position] != ")":
                raise _bad(text)
            position += 1
        _enter(mask, path, inner)
        if position < len(text) and text[position] == ",":
            position += 1
            continue
        return mask, position


def _path(text: str, position: int) -> tuple[list[str], int]:
    end = position
    while end < len(text) and text[end] not in ",()":
        end += 1
    path = text[position:end].strip().split("/")
    if not all(path) or len(path) > 20:
        raise _bad(text)
    return path, end


def _enter(mask: Mask, path: list[str], inner: Mask | None) -> None:
    for part in path[:-1]:
        below = mask.setdefault(part, {})
        if below is None:
            return
        mask = below
    mask[path[-1]] = inner


def select(value: Any, mask: Mask | None) -> Any:
    """The parts of a document that a mask selects, also inside lists; `*` is every field."""
    if mask is None:
        return value
    if isinstance(value, list):
        return [select(entry, mask) for entry in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for field, part in value.items():
        if field in mask:
            kept[field] = select(part, mask[field])
        elif "*" in mask:
            kept[field] = select(part, mask["*"])
    return kept
