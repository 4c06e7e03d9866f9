"""The query parameters that every method knows (compute-api.md 1.2)."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack_sim.compute.api.errors import invalid_parameter
from dualstack_sim.compute.api.partial import Mask, read_mask
from dualstack_sim.rules import enforced

_BOOLEANS = ("includeAllScopes", "returnPartialSuccess", "prettyPrint")
_CHOICES = {"alt": ("json",), "views": ("DEFAULT", "WITH_UTILIZATION")}
"""Responses are written as JSON alone; `media` and `proto`, which the real API knows too, are refused."""


def asked_of(query: Mapping[str, str]) -> Mask | None:
    """What of the response is asked for, None for all of it; 400 if a parameter has no such value.

    It is read before anything is carried out, so that nobody is refused what has happened.
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
