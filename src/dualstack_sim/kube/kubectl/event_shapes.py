"""The two shapes of an Event: `v1` and `events.k8s.io/v1` show the same objects under different field names."""

from __future__ import annotations

from typing import Any

_CORE_TO_EVENTS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "reportingComponent": "reportingController",
}
_EVENTS_TO_CORE = {new: old for old, new in _CORE_TO_EVENTS.items()}


def as_events_api_event(manifest: dict[str, Any]) -> dict[str, Any]:
    """A `v1` Event as `events.k8s.io/v1`."""
    renamed = {_CORE_TO_EVENTS.get(key, key): value for key, value in manifest.items()}
    return {**renamed, "apiVersion": "events.k8s.io/v1"}


def as_core_event(manifest: dict[str, Any]) -> dict[str, Any]:
    """An `events.k8s.io/v1` Event as `v1`."""
    renamed = {_EVENTS_TO_CORE.get(key, key): value for key, value in manifest.items()}
    return {**renamed, "apiVersion": "v1"}
