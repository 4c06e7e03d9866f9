"""From rules to results: what a check is, and what it is called when its facts cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from dualstack.model.errors import DualstackError
from dualstack.verify.facts import Facts, NotApplicable

Verdict = tuple[bool, str]
Rule = Callable[[Facts], Verdict]

CheckStatus = Literal["passed", "failed", "accepted", "risk", "unknown", "not-applicable"]
"""`accepted`: the loss that the chosen strategy brings with it. `risk`, `unknown`: a check in `RISKS` failed, or its
facts could not be read. `not-applicable`: the cluster, or this access to it, has nothing to check."""


class Check(msgspec.Struct, frozen=True):
    """The result of one check."""

    id: str
    status: CheckStatus
    evidence: str


UNREADABLE = (DualstackError, LookupError, TypeError, ValueError, AttributeError)
"""What reading a missing or malformed object raises."""


RISKS = frozenset(
    {
        "services.load-balancers",
        "services.addresses",
        "compute.exposure",
        "compute.quotas",
        "dns.families",
        "compute.egress",
        "compute.nat-ranges",
        "policies.families",
    }
)
"""Checks of what a migration makes possible and another program does: they do not decide whether it succeeded."""


def judge(facts: Facts, rules: Mapping[str, Rule], unread: CheckStatus = "failed") -> list[Check]:
    """Apply every rule. A check that needs a fact which could not be read gets the status `unread`."""
    return [_judged(name, rule, facts, unread) for name, rule in rules.items()]


def _judged(name: str, rule: Rule, facts: Facts, unread: CheckStatus) -> Check:
    try:
        check = result(name, rule(facts))
        return msgspec.structs.replace(check, status="risk") if name in RISKS and check.status == "failed" else check
    except NotApplicable as error:
        return Check(name, "not-applicable", str(error))
    except UNREADABLE as error:
        return msgspec.structs.replace(unreadable(name, error), status="unknown" if name in RISKS else unread)


def result(name: str, verdict: Verdict) -> Check:
    """The verdict as a result."""
    good, evidence = verdict
    return Check(name, "passed" if good else "failed", evidence)


def unreadable(name: str, error: Exception) -> Check:
    """A failed check whose facts could not be read."""
    return Check(name, "failed", f"could not be read: {type(error).__name__}: {error}")
