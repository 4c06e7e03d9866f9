"""The errors of the two API clients."""

from __future__ import annotations

from typing import Any

from dualstack.model.errors import ComputeError, KubeError


class KubeRefusal(KubeError):
    """The Kubernetes API answered with a `metav1.Status` failure, or did not answer (`code` 0)."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}


class NotFound(KubeRefusal):
    """404."""


class Conflict(KubeRefusal):
    """409 Conflict: the object has changed, or a precondition does not hold."""


class AlreadyExists(KubeRefusal):
    """409 AlreadyExists."""


class Expired(KubeRefusal):
    """410: the resourceVersion is older than the history of the server."""


class TooManyRequests(KubeRefusal):
    """429: an eviction that a PodDisruptionBudget does not allow now, or throttling."""


class Unreachable(KubeRefusal):
    """The connection failed, or the server answered 5xx. A retry may succeed."""


_REASONS: dict[str, type[KubeRefusal]] = {
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "Conflict": Conflict,
    "Expired": Expired,
    "Gone": Expired,
    "TooManyRequests": TooManyRequests,
}
_CODES: dict[int, type[KubeRefusal]] = {404: NotFound, 409: Conflict, 410: Expired, 429: TooManyRequests}


def kube_refusal(code: int, status: dict[str, Any]) -> KubeRefusal:
    """The typed error for HTTP `code` and its `metav1.Status`."""
    reason = str(status.get("reason", ""))
    message = str(status.get("message", f"HTTP {code}"))
    kind = _REASONS.get(reason) or _CODES.get(code) or (Unreachable if code >= 500 else KubeRefusal)
    return kind(code, reason, message, status.get("details"))


class ComputeRefusal(ComputeError):
    """Compute Engine refused a request. `code` is HTTP's (0: no answer), `reason` that of the body's first error."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message


class ComputeNotFound(ComputeRefusal):
    """404 notFound."""


class ComputeConflict(ComputeRefusal):
    """409 alreadyExists: a resource of that name exists."""


class PreconditionFailed(ComputeRefusal):
    """412 conditionNotMet: the fingerprint is stale."""


class RateLimited(ComputeRefusal):
    """403 rateLimitExceeded: the rate quota is exhausted (docs/reference/compute-engine.md#api-rate-quotas)."""


class OperationFailed(ComputeError):
    """An operation failed; `code` is that of its first error, e.g. `IP_SPACE_EXHAUSTED`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def compute_refusal(code: int, body: dict[str, Any]) -> ComputeRefusal:
    """The typed error for HTTP `code` and its body (docs/reference/compute-engine.md#errors-of-requests)."""
    error = body.get("error", {})
    errors = error.get("errors") or [{}]
    reason = str(errors[0].get("reason", ""))
    message = str(error.get("message", f"HTTP {code}"))
    if reason == "rateLimitExceeded" or code == 429:
        return RateLimited(code, reason, message)
    kinds: dict[int, type[ComputeRefusal]] = {404: ComputeNotFound, 409: ComputeConflict, 412: PreconditionFailed}
    return kinds.get(code, ComputeRefusal)(code, reason, message)
