"""The result of a rehearsal as `--output json` prints it (`dualstack.rehearsal/v2`). Times are simulated seconds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from dualstack.cli.live.outcome import Outcome
from dualstack.cli.node_history import NodeHistory
from dualstack.verify.inventory import Change
from dualstack.verify.judging import Check

SCHEMA = "dualstack.rehearsal/v2"
MOST_PAIRS = 100
"""How many broken pairs a result lists: a hundred nodes have 9,900."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Instead of a `Result`, when there is none: the input was refused, a process ended, or a signal came.

    `faults` has one line for each fault of the input.
    """

    schema: str = SCHEMA
    result: Literal["refused", "failed", "interrupted"]
    reason: str
    faults: tuple[str, ...] = ()


class Phase(msgspec.Struct, frozen=True, rename="camel"):
    """A phase of `dualstack.model.events`; `finished_at` is None when the run ended in it."""

    name: str
    started_at: float
    finished_at: float | None


class ConstraintChange(msgspec.Struct, frozen=True):
    """A change of one of the Shoot's migration constraints; status, reason and message are None on removal."""

    at: float
    type: str
    status: str | None
    reason: str | None
    message: str | None


class ShootName(msgspec.Struct, frozen=True):
    name: str
    namespace: str
    technical_id: str = msgspec.field(name="technicalID")
    cni: str


class Time(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`speed` is that of the clock, `request_seconds` the simulated seconds that a small request took on average.

    note: what the user must know about the clock, if anything.
    """

    simulated_seconds: float
    wall_seconds: float
    speed: float
    request_seconds: float
    note: str | None = None


class Nodes(msgspec.Struct, frozen=True, rename="camel"):
    at_start: int
    at_end: int
    replaced: int
    dual_stack: int


class Notice(msgspec.Struct, frozen=True):
    """A notice of the operator before it acts; `reason` as in a Kubernetes Event."""

    at: float
    reason: str
    detail: str


class Seen(msgspec.Struct, frozen=True):
    """The last operation of the Shoot from `at` on, with the codes of its `lastErrors`: what its owner sees."""

    at: float
    state: str
    description: str
    codes: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One direction of a rehearsal. Times count from the edit that started it."""

    simulated_seconds: float
    phases: tuple[Phase, ...]
    constraints: tuple[ConstraintChange, ...]
    notices: tuple[Notice, ...]
    nodes: Nodes
    changes: tuple[Change, ...]
    checks: tuple[Check, ...]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The whole rehearsal. `traffic` (as of `bounded`) and `compute` are the simulated world's accounts of all runs;
    `next_steps` is for the user of a live cluster. `strategy` is None in a landscape that has none. `commands`: the
    results of `dualstack prepare` and `dualstack finish`. `infrastructure` and `owner` are for the landscape
    `gardener`: the Infrastructure controller, and what the owner of the Shoot saw. node_history: empty in a cluster of
    more than 100 nodes.

    `back` is set only if the rehearsal went back as well.
    """

    schema: str = SCHEMA
    result: Literal["succeeded", "failed"]
    reason: str | None
    shoot: ShootName
    landscape: str = "dualstack"
    prepared: bool = False
    infrastructure: str | None = None
    owner: tuple[Seen, ...] = ()
    commands: tuple[Outcome, ...] = ()
    strategy: str | None
    profile: str
    assumptions: tuple[str, ...]
    time: Time
    phases: tuple[Phase, ...]
    constraints: tuple[ConstraintChange, ...]
    notices: tuple[Notice, ...]
    nodes: Nodes
    changes: tuple[Change, ...]
    traffic: dict[str, Any]
    compute: dict[str, Any]
    checks: tuple[Check, ...]
    kills: tuple[dict[str, Any], ...]
    faults: dict[str, Any]
    next_steps: tuple[str, ...] = msgspec.field(name="nextSteps", default=())
    node_history: tuple[NodeHistory, ...] = msgspec.field(name="nodeHistory", default=())
    back: Run | msgspec.UnsetType = msgspec.UNSET


def faults_since(account: dict[str, Any], origin: float) -> dict[str, Any]:
    """The world's account of injected faults, with times in seconds since `origin`."""
    return {**account, "fired": [_since(origin, fault, "at") for fault in account["fired"]]}


def traffic_since(traffic: dict[str, Any], origin: float) -> dict[str, Any]:
    """The world's account of traffic, with times in seconds since `origin`, to the millisecond."""
    account = {key: value for key, value in traffic.items() if key not in {"at", "markedAt"}}
    for family in (account, account["ipv6"]):
        family["blackoutSeconds"] = {key: round(value, 3) for key, value in family["blackoutSeconds"].items()}
    account["brokenPairs"] = [
        {key: round(value, 3) if isinstance(value, float) else value for key, value in pair.items()}
        for pair in (_since(origin, pair, "since") for pair in account["brokenPairs"])
    ]
    account["outages"] = [
        {**_since(origin, outage, "since"), "seconds": round(outage["seconds"], 3)} for outage in account["outages"]
    ]
    return account


def bounded(traffic: dict[str, Any]) -> dict[str, Any]:
    """The account for a result: of `brokenPairs` those without connectivity for longest, and how many lost it
    (`lostPairs`) or waited for their first contact (`waitedPairs`)."""
    broken = traffic["brokenPairs"]
    return {
        **traffic,
        "lostPairs": sum(pair["seconds"] > 0 for pair in broken),
        "waitedPairs": sum(pair["waited"] > 0 for pair in broken),
        "brokenPairs": sorted(broken, key=lambda pair: (-pair["seconds"], -pair["waited"]))[:MOST_PAIRS],
    }


def _since(origin: float, entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {**entry, key: round(entry[key] - origin, 3)}
