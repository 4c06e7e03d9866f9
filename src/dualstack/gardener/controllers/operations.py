"""Which operation an extension object is in, and Gardener's words for it (gardener-behaviour.md 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.gardener.model.names import OPERATION
from dualstack.model.kinds import Manifest

CREATE, RECONCILE_TYPE, DELETE, MIGRATE, RESTORE = "Create", "Reconcile", "Delete", "Migrate", "Restore"
"""Values of `lastOperation.type`."""

WAIT_FOR_STATE = "wait-for-state"
"""Operation annotation of an object whose state is still on its way from the other seed."""


@dataclass(frozen=True, slots=True)
class Words:
    """Descriptions of `lastOperation`: when it begins, when it succeeded, and before the error when it failed."""

    begin: str
    error: str
    success: str


def words_of(operation: str, noun: str, kind: str) -> Words:
    """The descriptions of an operation on an object of `kind`, which in a sentence is the `noun`.

    Gardener writes the noun where it reconciles, and the kind everywhere else.
    """
    match operation:
        case "Delete":
            return _words(f"deleting the {kind}", f"deleting {kind}", f"deleted {kind}")
        case "Migrate":
            return _words(f"starting migration of the {kind}", f"migrating {kind}", f"migrated {kind}")
        case "Restore":
            return _words(f"restoring the {kind}", f"restoring {kind}", f"restored {kind}")
        case _:
            return _words(f"reconciling the {noun}", f"reconciling {noun}", f"reconciled {noun}")


def _words(begin: str, doing: str, done: str) -> Words:
    return Words(sentence(begin), f"error {doing}", sentence(f"successfully {done}"))


def operation_of(found: Manifest) -> str | None:
    """The value of `gardener.cloud/operation`, if any."""
    value: str | None = (found["metadata"].get("annotations") or {}).get(OPERATION)
    return value


def operation_type(found: Manifest) -> str:
    """The first that holds: asked to migrate, deleted, asked to restore, never reconciled, cut off, `Reconcile`."""
    asked = operation_of(found)
    last = (found.get("status") or {}).get("lastOperation") or {}
    if asked == MIGRATE.lower():
        return MIGRATE
    if found["metadata"].get("deletionTimestamp"):
        return DELETE
    if asked == RESTORE.lower():
        return RESTORE
    if not last:
        return CREATE
    if last.get("state") != "Succeeded" and last.get("type") in (CREATE, MIGRATE, RESTORE):
        return str(last["type"])
    return RECONCILE_TYPE


def sentence(text: str) -> str:
    """First letter upper case, a full stop at the end, as Gardener writes descriptions."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
