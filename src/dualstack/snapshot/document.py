"""The document: resources of Compute, objects of Kubernetes, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dualstack.model.errors import InvalidInput

SCHEMA = "dualstack.snapshot/v1"

Resource = dict[str, Any]


class Refusal(msgspec.Struct, frozen=True):
    """A read that an API refused: its HTTP status (0 without an answer), reason and message."""

    status: int
    reason: str
    message: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    compute: resources by path below the project, such as `global/routes/x`; the project itself has the path ``.
    lists: the collections of which every resource is in `compute`, such as `global/routes` or `aggregated/instances`.
    answers: those of calls that return no resource, by call. kubernetes: objects by `apiVersion/Kind`. kinds: which of
    these were listed whole. refusals: by call, `GET path` or `list apiVersion/Kind`. anonymised: names and addresses
    are not the real ones.
    """

    schema: str = SCHEMA
    taken_at: str = ""
    version: str = ""
    project: str = ""
    compute: dict[str, Resource] = {}
    lists: tuple[str, ...] = ()
    answers: dict[str, Resource] = {}
    kubernetes: dict[str, list[Resource]] = {}
    kinds: tuple[str, ...] = ()
    refusals: dict[str, Refusal] = {}
    anonymised: bool = False

    def as_json(self) -> str:
        """The document as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1).decode()


def load(path: Path) -> Snapshot:
    """The document in a file. InvalidInput for anything else, or for another version."""
    try:
        raw = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{path}: not JSON: {error}; write it with `dualstack snapshot -o FILE`") from error
    schema = raw.get("schema") if isinstance(raw, Mapping) else None
    if schema != SCHEMA:
        raise InvalidInput(f"{path}: schema is {schema!r}, must be {SCHEMA!r}; write it with `dualstack snapshot`")
    try:
        return msgspec.convert(raw, Snapshot)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{path}: not a snapshot: {error}") from error
