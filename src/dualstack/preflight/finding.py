"""What the preflight returns: findings, and the error for those that stop a migration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from dualstack.model.errors import DualstackError

Status = Literal["ok", "problem", "unknown", "not-applicable"]
Severity = Literal["blocker", "risk", "note"]
Subject = Literal["", "pods", "services", "nodes", "decoys"]
Cause = Literal["", "configuration", "quota", "permission", "unavailable"]

PAUSE = 300.0
"""Seconds until the preflight is worth repeating when only a user can remove what it found."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result of one check for one object.

    object: what the finding is about, for example `subnet x`. evidence: what was read. subject: the setting of the
    cluster that is concerned, if one is. cause: what must change: the `configuration`, a `quota`, a `permission`;
    `unavailable` when the read failed for another reason; empty for the state of the cluster, which may change. fix: a
    command or a manifest that carries out the remedy, to be reviewed first; empty where there is none.
    """

    id: str
    status: Status
    severity: Severity
    object: str
    evidence: str
    consequence: str = ""
    remedy: str = ""
    subject: Subject = ""
    cause: Cause = ""
    fix: str = ""

    @property
    def blocks(self) -> bool:
        """Whether it stops a migration: a blocker, or one that could not be ruled out."""
        return self.severity == "blocker" and self.status in ("problem", "unknown")

    def describe(self) -> str:
        """`<object>: <evidence>; <consequence>; <remedy>`."""
        return "; ".join(filter(None, (f"{self.object}: {self.evidence}", self.consequence, self.remedy)))


class PreflightFailed(DualstackError):
    """The migration would not reach its end; nothing was changed. The message has one line for each finding."""

    def __init__(self, findings: Iterable[Finding], describe: Callable[[Finding], str] = Finding.describe) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(map(describe, self.findings)))
        if any(finding.cause not in ("", "unavailable") for finding in self.findings):
            self.retry_after = PAUSE
