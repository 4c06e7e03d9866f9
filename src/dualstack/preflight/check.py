"""What a check is: a pure function that looks at an inventory and yields problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dualstack.gce.errors import PermissionDenied, Unauthenticated
from dualstack.kube import interface as kube
from dualstack.model.errors import DualstackError
from dualstack.preflight.finding import Cause, Finding, Severity, Status, Subject
from dualstack.preflight.inventory import Inventory, Source


class NotApplicable(Exception):
    """Raised by a check that does not concern the cluster in its present state; the message says why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be: the object, and what was read of it. fix: as in `Finding`. severity: None
    for that of the check."""

    object: str
    evidence: str
    subject: Subject = ""
    fix: str = ""
    severity: Severity | None = None


_DENIALS = (PermissionDenied, Unauthenticated, kube.Forbidden, kube.Unauthenticated)

Look = Callable[[Inventory], Iterable[Problem]]


def _nothing(_: Inventory) -> Iterable[Problem]:
    return ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check, used as the decorator of its function: `@Check("the-id", "blocker", reads=..., ...)`.

    reads: the sources that the function looks at. fine: the evidence when it finds no problem. consequence, remedy:
    clauses. cause: of its problems.
    """

    id: str
    severity: Severity
    reads: tuple[Source, ...]
    fine: str
    consequence: str
    remedy: str
    cause: Cause = "configuration"
    look: Look = _nothing

    def __call__(self, look: Look) -> Check:
        """The check with its function."""
        return replace(self, look=look)

    def findings(self, inventory: Inventory) -> list[Finding]:
        """At least one finding, whatever the state of the cluster and whatever could be read."""
        name = f"cluster {inventory.cluster.name}"
        found: list[Finding] = []
        try:
            found.extend(self._open("problem", problem, self.cause) for problem in self.look(inventory))
        except NotApplicable as reason:
            found.append(self._closed("not-applicable", name, str(reason)))
        except DualstackError as error:
            denied = isinstance(error, _DENIALS)
            cause: Cause = "permission" if denied else "unavailable"
            found.append(self._open("unknown", Problem(name, f"could not be checked: {error}"), cause))
        return found or [self._closed("ok", name, self.fine)]

    def _open(self, status: Status, problem: Problem, cause: Cause) -> Finding:
        known = status == "problem"
        again = "grant the permission" if cause == "permission" else "run the preflight again"
        return Finding(
            id=self.id,
            status=status,
            severity=problem.severity or self.severity,
            object=problem.object,
            evidence=problem.evidence,
            consequence=self.consequence if known else f"if the problem exists, {self.consequence}",
            remedy=self.remedy if known else again,
            subject=problem.subject,
            cause=cause,
            fix=problem.fix,
        )

    def _closed(self, status: Status, about: str, evidence: str) -> Finding:
        return Finding(id=self.id, status=status, severity=self.severity, object=about, evidence=evidence)
