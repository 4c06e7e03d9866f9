"""The result of a rehearsal as `--output json` prints it (`dualstack.rehearsal/v1`). Times are simulated seconds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

CheckStatus = Literal["passed", "failed", "accepted"]
"""`accepted`: the loss that the strategy which the user chose by name brings with it."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at after the migration, and what was found."""

    id: str
    status: CheckStatus
    evidence: str


class Phase(msgspec.Struct, frozen=True, rename="camel"):
    """A phase of `dualstack.model.events`; `finished_at` is None for the phase in which the rehearsal ended."""

    name: str
    started_at: float
    finished_at: float | None


class ConstraintChange(msgspec.Struct, frozen=True):
    """A migration constraint of the Shoot as it was seen to change; status, reason and message are None on removal."""

    at: float
    type: str
    status: str | None
    reason: str | None
    message: str | None


class Change(msgspec.Struct, frozen=True):
    """Something that the migration left in another state."""

    what: str
    before: str
    after: str


class ShootName(msgspec.Struct, frozen=True):
    name: str
    namespace: str
    technical_id: str = msgspec.field(name="technicalID")
    cni: str


class Time(msgspec.Struct, frozen=True, rename="camel"):
    simulated_seconds: float
    wall_seconds: float


class Nodes(msgspec.Struct, frozen=True, rename="camel"):
    at_start: int
    at_end: int
    replaced: int
    dual_stack: int


class Told(msgspec.Struct, frozen=True):
    """What a person was told before it was done."""

    at: float
    reason: str
    detail: str


class WayBack(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was seen of the way back to IPv4. Its times count from the edit that started it."""

    simulated_seconds: float
    phases: tuple[Phase, ...]
    constraints: tuple[ConstraintChange, ...]
    notices: tuple[Told, ...]
    nodes: Nodes
    changes: tuple[Change, ...]
    checks: tuple[Check, ...]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a rehearsal has to say. `traffic` and `compute` are what the simulated world accounted, in all.

    `back` is there only if the rehearsal went back as well.
    """

    schema: str = "dualstack.rehearsal/v1"
    result: Literal["succeeded", "failed"]
    reason: str | None
    shoot: ShootName
    strategy: str
    profile: str
    assumptions: tuple[str, ...]
    time: Time
    phases: tuple[Phase, ...]
    constraints: tuple[ConstraintChange, ...]
    notices: tuple[Told, ...]
    nodes: Nodes
    changes: tuple[Change, ...]
    traffic: dict[str, Any]
    compute: dict[str, Any]
    checks: tuple[Check, ...]
    kills: tuple[dict[str, Any], ...]
    faults: dict[str, Any]
    back: WayBack | msgspec.UnsetType = msgspec.UNSET


def encode(result: Result) -> str:
    """The result as indented JSON text."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()
