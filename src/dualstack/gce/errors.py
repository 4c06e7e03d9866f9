"""The errors of Compute Engine as types (docs/reference/compute-engine.md#operations-and-errors).

All are `ComputeRefusal`s. `retry_after` is the number of seconds after which the same request makes sense again. The
client repeats requests that end in RateLimited, NotReady or Transient; docs/architecture.md#retries has all retries.

| class            | when                                                                                | retry_after |
|------------------|-------------------------------------------------------------------------------------|-------------|
| NotFound         | 404 notFound, RESOURCE_NOT_FOUND                                                    |             |
| AlreadyExists    | 409 alreadyExists, RESOURCE_ALREADY_EXISTS                                          |             |
| StaleFingerprint | 412 conditionNotMet: the resource has changed since it was read                     | 1           |
| NotReady         | 400 resourceNotReady: another operation runs on the resource                        | 5           |
| RateLimited      | 403 rateLimitExceeded, 429: the quota of this minute is used up                     | 60          |
| QuotaExceeded    | an allocation quota, or the capacity of a zone or an address range, is used up      |             |
| InUse            | another resource uses the resource or the address                                   |             |
| Invalid          | 400 invalid, required, ...; overlapping ranges; UNSUPPORTED_OPERATION               |             |
| PermissionDenied | 403 forbidden: a missing permission, or the API is not enabled, as its message says |             |
| PolicyViolated   | 412 conditionNotMet that names an organization policy                               |             |
| Unauthenticated  | 401, or no token could be fetched                                                   |             |
| Transient        | 5xx, an internal error of an operation, no answer, no token endpoint                | 5           |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dualstack.model.errors import ComputeError


class ComputeRefusal(ComputeError):
    """An error in the words of Compute Engine.

    reason: its reason (`notFound`, `QUOTA_EXCEEDED`, ...); message: its message; status: the HTTP status, 0 without an
    answer; call: the request.
    """

    in_operation = False
    """Whether the request was accepted, and its operation failed."""

    def __init__(self, reason: str, message: str, *, status: int = 0, call: str = "") -> None:
        self.reason = reason
        self.message = message
        self.status = status
        self.call = call
        described = f"Error {status}: {message}, {reason}" if status else f"{reason}: {message}"
        super().__init__(f"{call}: {described}" if call else described)


class NotFound(ComputeRefusal):
    """The resource does not exist."""


class AlreadyExists(ComputeRefusal):
    """The name is taken."""


class StaleFingerprint(ComputeRefusal):
    """The resource has changed since it was read. Read it again, then try again."""

    retry_after = 1.0


class NotReady(ComputeRefusal):
    """Another operation runs on the resource (docs/reference/compute-engine.md#busy-subnetwork)."""

    retry_after = 5.0


class RateLimited(ComputeRefusal):
    """The quota window is used up until the next full minute (docs/reference/compute-engine.md#rate-windows).

    limit: requests per minute, if the error states them.
    """

    retry_after = 60.0
    limit: int | None = None


class QuotaExceeded(ComputeRefusal):
    """An allocation quota or the available capacity is used up."""


class InUse(ComputeRefusal):
    """Another resource uses the resource or the address."""


class Invalid(ComputeRefusal):
    """The request cannot succeed in the present state of the project, for example because ranges overlap."""


class PermissionDenied(ComputeRefusal):
    """The service account lacks a permission, or the API is not enabled for the project."""


class PolicyViolated(ComputeRefusal):
    """An organization policy forbids the request. Its reason is that of a stale fingerprint."""

    def __init__(self, reason: str, message: str, *, status: int = 0, call: str = "") -> None:
        remedy = "; an administrator of the organization has to allow it for this project"
        super().__init__(reason, message.rstrip(".") + remedy, status=status, call=call)


class Unauthenticated(ComputeRefusal):
    """There is no token, or it is not accepted."""


class Transient(ComputeRefusal):
    """No answer, or one that is no fault of the request."""

    retry_after = 5.0


# HTTP status, reasons of requests, and codes of operations.
_MEANING: dict[type[ComputeRefusal], str] = {
    NotFound: "404 notFound RESOURCE_NOT_FOUND",
    AlreadyExists: "409 alreadyExists RESOURCE_ALREADY_EXISTS",
    StaleFingerprint: "412 conditionNotMet CONDITION_NOT_MET",
    NotReady: "resourceNotReady RESOURCE_NOT_READY",
    RateLimited: "429 rateLimitExceeded userRateLimitExceeded RESOURCE_OPERATION_RATE_EXCEEDED",
    QuotaExceeded: "413 quotaExceeded QUOTA_EXCEEDED ZONE_RESOURCE_POOL_EXHAUSTED RESOURCE_POOL_EXHAUSTED "
    "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS IP_SPACE_EXHAUSTED IP_SPACE_EXHAUSTED_WITH_DETAILS",
    InUse: "resourceInUseByAnotherResource RESOURCE_IN_USE_BY_ANOTHER_RESOURCE IP_IN_USE_BY_ANOTHER_RESOURCE",
    Invalid: "400 invalid required invalidParameter badRequest invalidUsage INVALID_FIELD_VALUE INVALID_USAGE "
    "UNSUPPORTED_OPERATION",
    PermissionDenied: "403 forbidden",
    Unauthenticated: "401 authError",
    Transient: "backendError internalError INTERNAL_ERROR",
}
_KINDS = {reason: kind for kind, reasons in _MEANING.items() for reason in reasons.split()}

_POLICY = re.compile(r"\bconstraints/[a-z]+\.\w+\b.*\bviolate|\bviolates? constraint constraints/", re.IGNORECASE)
"""For example `Constraint constraints/compute.disableVpcExternalIpv6 violated for ...`."""


def refusal(status: int, answer: object, *, call: str = "") -> ComputeRefusal:
    """The error for an HTTP answer with status 400 or above; `answer` is its decoded body, of any form."""
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
    """`quota_limit_value` of the ErrorInfo, if it is a number (docs/reference/compute-engine.md#rate-limit-errors)."""
    metadata = _first(details).get("metadata")
    text = str(metadata.get("quota_limit_value") or "") if isinstance(metadata, Mapping) else ""
    return int(text) or None if text.isdecimal() else None


def operation_refusal(operation: Mapping[str, Any], *, call: str = "") -> ComputeRefusal | None:
    """The error of a finished operation, or None (docs/reference/compute-engine.md#operation-error-shape)."""
    error = operation.get("error")
    errors = error.get("errors") if isinstance(error, Mapping) else error
    if not errors:
        return None
    entries = [entry for entry in errors if isinstance(entry, Mapping)] if isinstance(errors, list) else []
    reason = str(_first(entries).get("code") or "")
    words = [str(entry.get("message") or entry.get("code") or "") for entry in entries]
    message = "; ".join(filter(None, words)) or str(operation.get("httpErrorMessage") or errors)
    given = operation.get("httpErrorStatusCode")
    status = given if isinstance(given, int) else 0
    kind = _class_of(status, reason, message)
    described = f"operation {operation.get('name', '')!r} failed: {message}"
    failed = kind(reason or kind.__name__, described, status=status, call=call)
    failed.in_operation = True
    return failed


def no_answer(cause: BaseException, *, call: str = "") -> Transient:
    """The request may or may not have been carried out."""
    words = " ".join(str(cause).split()) or type(cause).__name__
    return Transient("noAnswer", words, call=call)


def _class_of(status: int, reason: str, message: str) -> type[ComputeRefusal]:
    """By the reason if it is known, else by the status. A status of 500 and above is Transient, whatever the reason."""
    if status >= 500:
        return Transient
    if _POLICY.search(message):
        return PolicyViolated
    return _KINDS.get(reason) or _KINDS.get(str(status)) or (Invalid if 400 <= status < 500 else ComputeRefusal)


def _first(errors: object) -> Mapping[str, Any]:
    found = next(iter(errors), None) if isinstance(errors, Iterable) else None
    return found if isinstance(found, Mapping) else {}
