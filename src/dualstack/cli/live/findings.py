"""The result of a preflight as a document, and the difference of two. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal, get_args

import msgspec

from dualstack.cli.live.result import ClusterName
from dualstack.model.errors import InvalidInput
from dualstack.preflight.finding import Finding, Severity
from dualstack.preflight.registry import ALL_CHECKS

SCHEMA = "dualstack.preflight/v1"
DIFFERENCE_SCHEMA = "dualstack.preflight-diff/v1"
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the worst to the least."""

STATUS_OF: dict[Severity, int] = {"blocker": 10, "risk": 11, "note": 12}
"""The exit status by the worst finding that counts."""

Change = Literal["new", "worse", "changed", "better", "gone"]


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """All findings about a cluster. accepted: ids of findings that do not count. fail_on: the least severity that does.

    worst: the severity of the worst finding that counts; empty when none does. seconds: since the epoch.
    """

    schema: str
    cluster: ClusterName
    read_at: float
    fail_on: Severity
    findings: tuple[Finding, ...]
    accepted: tuple[str, ...] = ()
    worst: Severity | Literal[""] = ""

    @classmethod
    def of(
        cls,
        cluster: ClusterName,
        findings: Iterable[Finding],
        *,
        read_at: float,
        fail_on: Severity,
        accepted: Iterable[str],
    ) -> Report:
        """The report of these findings."""
        found, ids = tuple(findings), tuple(dict.fromkeys(accepted))
        return cls(
            schema=SCHEMA,
            cluster=cluster,
            read_at=read_at,
            fail_on=fail_on,
            findings=found,
            accepted=ids,
            worst=worst((each for each in found if is_open(each) and each.id not in ids), fail_on),
        )

    @property
    def open(self) -> tuple[Finding, ...]:
        """Problems and unknowns that are not accepted."""
        return tuple(each for each in self.findings if is_open(each) and each.id not in self.accepted)

    @property
    def open_but_accepted(self) -> tuple[Finding, ...]:
        """Problems and unknowns that are accepted."""
        return tuple(each for each in self.findings if is_open(each) and each.id in self.accepted)


class Changed(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A finding that differs between two reports; `old` or `new` is absent where the finding is not open."""

    change: Change
    old: Finding | None = None
    new: Finding | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What has changed from one report to another. worst: of the findings that are new or worse and count."""

    schema: str
    cluster: ClusterName
    fail_on: Severity
    changes: tuple[Changed, ...]
    unchanged: int
    worst: Severity | Literal[""] = ""


def is_open(finding: Finding) -> bool:
    """Whether it is a problem, or one that cannot be excluded."""
    return finding.status in ("problem", "unknown")


def worst(findings: Iterable[Finding], fail_on: Severity) -> Severity | Literal[""]:
    """The worst severity of these findings that is at least `fail_on`; empty without one."""
    counting = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    present = {finding.severity for finding in findings}
    return next((severity for severity in counting if severity in present), "")


def refuse_unknown(accepted: Iterable[str]) -> None:
    """InvalidInput for an accepted id that no check has."""
    faults, known = [], [check.id for check in ALL_CHECKS]
    for name in accepted:
        if name not in known:
            near = get_close_matches(name, known, 1)
            faults.append(f"--accept {name}: no finding has this id{f'; did you mean {near[0]}?' if near else ''}")
    if faults:
        raise InvalidInput(*faults)


def parse(document: bytes, name: str) -> Report:
    """The report in a JSON document. InvalidInput for anything else; `name` is that of the document."""
    try:
        found = msgspec.json.decode(document)
        schema = found.get("schema") if isinstance(found, dict) else None
        if schema != SCHEMA:
            raise InvalidInput(
                f"{name}: its schema is {schema!r}, not {SCHEMA!r}; save a report with `dualstack preflight -o json`"
            )
        return msgspec.convert(found, Report)
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"{name}: it is not a report of `dualstack preflight -o json`: {error}") from error


def difference(old: Report, new: Report, fail_on: Severity) -> Difference:
    """What differs between two reports about the same cluster. InvalidInput for different clusters."""
    names = [f"{each.cluster.project}/{each.cluster.name}" for each in (old, new)]
    if names[0] != names[1]:
        raise InvalidInput(f"the reports are about different clusters, {' and '.join(names)}")
    before = {(each.id, each.object): each for each in old.open}
    after = {(each.id, each.object): each for each in new.open}
    changes = [
        *(_changed(before.get(key), finding) for key, finding in after.items()),
        *(Changed(change="gone", old=finding) for key, finding in before.items() if key not in after),
    ]
    found = tuple(each for each in changes if each is not None)
    counting = (each.new for each in found if each.new is not None and each.change in ("new", "worse"))
    return Difference(
        schema=DIFFERENCE_SCHEMA,
        cluster=new.cluster,
        fail_on=fail_on,
        changes=found,
        unchanged=sum(each is None for each in changes),
        worst=worst(counting, fail_on),
    )


def _changed(old: Finding | None, new: Finding) -> Changed | None:
    if old is None:
        return Changed(change="new", new=new)
    ranks = SEVERITIES.index(old.severity), SEVERITIES.index(new.severity)
    if ranks[0] != ranks[1]:
        return Changed(change="worse" if ranks[1] < ranks[0] else "better", old=old, new=new)
    if (old.status, old.evidence) != (new.status, new.evidence):
        return Changed(change="changed", old=old, new=new)
    return None
