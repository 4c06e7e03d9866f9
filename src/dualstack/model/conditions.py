"""Conditions of Shoots (also constraints), Nodes, ManagedResources and Deployments, in lists that are never modified
(docs/reference/gardener.md#condition-updates)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

Condition = dict[str, Any]
"""`{type, status, reason, message, lastTransitionTime, ...}` as in the API."""

UPDATE_TIME = "lastUpdateTime"
HEARTBEAT_TIME = "lastHeartbeatTime"


def find_condition(conditions: Sequence[Condition], kind: str) -> Condition | None:
    """The condition of this type, or None."""
    return next((condition for condition in conditions if condition.get("type") == kind), None)


def condition_status(conditions: Sequence[Condition], kind: str) -> str | None:
    """`True`, `False`, `Unknown` or Gardener's `Progressing`; None when there is no such condition."""
    found = find_condition(conditions, kind)
    return None if found is None else str(found.get("status", "Unknown"))


def is_true(conditions: Sequence[Condition], kind: str) -> bool:
    return condition_status(conditions, kind) == "True"


def with_condition(
    conditions: Sequence[Condition],
    kind: str,
    status: str,
    reason: str,
    message: str,
    *,
    now: float,
    update_key: str = UPDATE_TIME,
) -> list[Condition]:
    """The list with this condition set, in its place or at the end; `now` is in seconds since the epoch.

    `lastTransitionTime` changes with the status only, `update_key` with status, reason or message. If all three are the
    same, the condition stays as it is, so that writing it changes nothing.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    old = find_condition(conditions, kind)
    wanted = {"status": status, "reason": reason, "message": message}
    if old is None:
        fresh = {"type": kind, **wanted, "lastTransitionTime": stamp, update_key: stamp}
        return [*conditions, fresh]
    if all(old.get(key) == value for key, value in wanted.items()):
        return list(conditions)
    transition = old.get("lastTransitionTime", stamp) if old.get("status") == status else stamp
    changed = {**old, **wanted, "lastTransitionTime": transition, update_key: stamp}
    changed.pop("codes", None)
    return [changed if condition is old else condition for condition in conditions]


def without_condition(conditions: Sequence[Condition], kind: str) -> list[Condition]:
    """The list without the condition of this type."""
    return [condition for condition in conditions if condition.get("type") != kind]
