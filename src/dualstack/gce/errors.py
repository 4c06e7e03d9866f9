"""What Compute Engine refuses, as types: who is at fault, and whether and when a retry makes sense (compute-api.md 2).

ComputeError
└── ComputeRefusal      anything the API or an operation said no to
    ├── NotFound            404 notFound, RESOURCE_NOT_FOUND
    ├── AlreadyExists       409 alreadyExists, RESOURCE_ALREADY_EXISTS
    ├── StaleFingerprint    412 conditionNotMet: read again, then try again
    ├── NotReady            400 resourceNotReady: another operation runs on the resource
    ├── RateLimited         403 rateLimitExceeded: the quota window is used up
    ├── QuotaExceeded       allocation quota, exhausted pools
    ├── InUse               the resource or the address is used by another one
    ├── Invalid             400 invalid, required, ...; also overlapping ranges and UNSUPPORTED_OPERATION
    ├── PermissionDenied    403 forbidden
    ├── PolicyViolated      412 conditionNotMet of an organization policy: only its administrator can help
    ├── Unauthenticated     401, or no token could be fetched
    └── Transient           5xx, an internal error of an operation, a connection that broke
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dualstack.model.errors import ComputeError


class ComputeRefusal(ComputeError):
    """A refusal in the cloud's own words.

    reason: the word that the API gives (`notFound`, `QUOTA_EXCEEDED`, ...); message: its sentence; status: HTTP status,
    0 when there was no answer; call: what was asked; retry_after: seconds after which the same makes sense again, None
    if never.
    """

    retry_after: float | None = None

    def __init__(self, reason: str, message: str, *, status: int = 0, call: str = "") -> None:
        self.reason = reason
        self.message = message
        self.status = status
        self.call = call
        described = f"Error {status}: {message}, {reason}" if status else f"{reason}: {message}"
        super().__init__(f"{call}: {described}" if call else described)


class NotFound(ComputeRefusal):
    """The resource is not there."""


class AlreadyExists(ComputeRefusal):
    """The name is taken."""


class StaleFingerprint(ComputeRefusal):
    """The resource has changed since it was read: read it again and try again."""

    retry_after = 1.0


class NotReady(ComputeRefusal):
    """Another operation runs on the resource (compute-api.md 3)."""

    retry_after = 5.0


class RateLimited(ComputeRefusal):
    """The quota window is used up; it is refilled at the start of the next minute (compute-api.md 4.1).

    limit: requests per minute, where the refusal names them.
    """

    retry_after = 60.0
    limit: int | None = None


class QuotaExceeded(ComputeRefusal):
    """An allocation quota, or the cloud's stock, is used up."""


class InUse(ComputeRefusal):
    """The resource or the address is used by another one."""


class Invalid(ComputeRefusal):
    """The request can never succeed in this state of the project; overlapping ranges among others."""


class PermissionDenied(ComputeRefusal):
    """The service account may not do this, or the API is not enabled for the project, which its words tell."""


class PolicyViolated(ComputeRefusal):
    """An organization policy forbids it. The cloud says it with the reason of a stale fingerprint (W32)."""

    def __init__(self, reason: str, message: str, *, status: int = 0, call: str = "") -> None:
        remedy = "; an administrator of the organization has to allow it for this project"
        super().__init__(reason, message.rstrip(".") + remedy, status=status, call=call)


class Unauthenticated(ComputeRefusal):
    """There is no token, or it is not accepted."""


class Transient(ComputeRefusal):
    """No answer, or one that says nothing about the request."""

    retry_after = 5.0


_CLASSES: tuple[tuple[type[ComputeRefusal], frozenset[str]], ...] = (
    (NotFound, frozenset({"notFound", "RESOURCE_NOT_FOUND"})),
    (AlreadyExists, frozenset({"alreadyExists", "RESOURCE_ALREADY_EXISTS"})),
    (StaleFingerprint, frozenset({"conditionNotMet", "CONDITION_NOT_MET"})),
    (NotReady, frozenset({"resourceNotReady", "RESOURCE_NOT_READY"})),
    (RateLimited, frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RESOURCE_OPERATION_RATE_EXCEEDED"})),
    (
        QuotaExceeded,
        frozenset(
            {
                "quotaExceeded",
                "QUOTA_EXCEEDED",
                "ZONE_RESOURCE_POOL_EXHAUSTED",
                "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
                "RESOURCE_POOL_EXHAUSTED",
                "IP_SPACE_EXHAUSTED",
                "IP_SPACE_EXHAUSTED_WITH_DETAILS",
            }
        ),
    ),
    (
        InUse,
        frozenset(
            {
                "resourceInUseByAnotherResource",
                "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
                "IP_IN_USE_BY_ANOTHER_RESOURCE",
            }
        ),
    ),
    (
        Invalid,
        frozenset(
            {
                "invalid",
                "required",
                "invalidParameter",
                "badRequest",
                "invalidUsage",
                "INVALID_FIELD_VALUE",
                "INVALID_USAGE",
                "UNSUPPORTED_OPERATION",
            }
        ),
    ),
    (PermissionDenied, frozenset({"forbidden"})),
    (Unauthenticated, frozenset({"authError"})),
    (Transient, frozenset({"backendError", "internalError", "INTERNAL_ERROR"})),
)

_BY_REASON = {reason: refusal for refusal, reasons in _CLASSES for reason in reasons}
_BY_STATUS: dict[int, type[ComputeRefusal]] = {
    400: Invalid,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: AlreadyExists,
    412: StaleFingerprint,
    413: QuotaExceeded,
    429: RateLimited,
}


_POLICY = re.compile(r"\bconstraints/[a-z]+\.\w+\b.*\bviolate|\bviolates? constraint constraints/", re.IGNORECASE)
"""How an organization policy speaks, e.g. `Constraint constraints/compute.disableVpcExternalIpv6 violated for ...`."""


def refusal(status: int, answer: object, *, call: str = "") -> ComputeRefusal:
    """The error that an HTTP answer of 400 and above stands for; `answer` is its decoded body, whatever it holds."""
    body = answer.get("error") if isinstance(answer, Mapping) else None
    error: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    first = _first(error.get("errors"))
    reason = str(first.get("reason") or error.get("status") or "")
    message = str(error.get("message") or first.get("message") or f"HTTP status {status}")
    kind = _class_of(status, reason, message)
    refused = kind(reason or kind.__name__, message, status=status, call=call)
    if isinstance(refused, RateLimited):
        refused.limit = _stated_limit(error.get("details"))
    return refused


def _stated_limit(details: object) -> int | None:
    """`quota_limit_value` of the ErrorInfo (compute-api.md 4.1), if it is there and makes sense."""
    metadata = _first(details).get("metadata")
    text = str(metadata.get("quota_limit_value") or "") if isinstance(metadata, Mapping) else ""
    return int(text) or None if text.isdecimal() else None


def operation_refusal(operation: Mapping[str, Any], *, call: str = "") -> ComputeRefusal | None:
    """The error of a finished operation, or None when it succeeded (compute-api.md 2.2)."""
    errors = (operation.get("error") or {}).get("errors") or ()
    if not errors:
        return None
    first = _first(errors)
    reason = str(first.get("code") or "")
    message = "; ".join(str(entry.get("message") or entry.get("code") or "") for entry in errors)
    status = int(operation.get("httpErrorStatusCode") or 0)
    kind = _class_of(status, reason, message)
    described = f"operation {operation.get('name', '')!r} failed: {message}"
    return kind(reason or kind.__name__, described, status=status, call=call)


def no_answer(cause: BaseException, *, call: str = "") -> Transient:
    """The request may or may not have been carried out."""
    words = " ".join(str(cause).split()) or type(cause).__name__
    return Transient("noAnswer", words, call=call)


def _class_of(status: int, reason: str, message: str) -> type[ComputeRefusal]:
    """By reason where it is known. A server error is never the request's fault, whatever reason it gives."""
    if status >= 500:
        return Transient
    if _POLICY.search(message):
        return PolicyViolated
    return _BY_REASON.get(reason) or _BY_STATUS.get(status) or (Invalid if 400 <= status < 500 else ComputeRefusal)


def _first(errors: object) -> Mapping[str, Any]:
    found = next(iter(errors), None) if isinstance(errors, Iterable) else None
    return found if isinstance(found, Mapping) else {}
