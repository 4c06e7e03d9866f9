"""The errors that have Gardener's error codes (docs/reference/gardener.md#error-codes)."""

from __future__ import annotations

from dualstack.gardener.model.error_texts import (
    CONFIGURATION_PROBLEM,
    DEPENDENCIES,
    QUOTA_EXCEEDED,
    RATE_LIMITS_EXCEEDED,
    RETRYABLE_DEPENDENCIES,
    UNAUTHENTICATED,
    UNAUTHORIZED,
    codes_of,
)
from dualstack.gardener.shoot_access import ShootError
from dualstack.gce import errors as gce
from dualstack.kube import interface as kube
from dualstack.kube.waiting import WaitTimeout
from dualstack.model.errors import ComputeError, DualstackError, GateFailed, InvalidInput, Unsupported
from dualstack.preflight.finding import Cause, PreflightFailed

_BY_CLASS: dict[type[DualstackError], str] = {
    ShootError: RETRYABLE_DEPENDENCIES,
    InvalidInput: CONFIGURATION_PROBLEM,
    Unsupported: CONFIGURATION_PROBLEM,
    GateFailed: RETRYABLE_DEPENDENCIES,
    kube.Unavailable: RETRYABLE_DEPENDENCIES,
    gce.NotFound: CONFIGURATION_PROBLEM,
    gce.Invalid: CONFIGURATION_PROBLEM,
    gce.PolicyViolated: CONFIGURATION_PROBLEM,
    gce.NotReady: RETRYABLE_DEPENDENCIES,
    gce.Transient: RETRYABLE_DEPENDENCIES,
    gce.RateLimited: RATE_LIMITS_EXCEEDED,
    gce.QuotaExceeded: QUOTA_EXCEEDED,
    gce.InUse: DEPENDENCIES,
    gce.Unauthenticated: UNAUTHENTICATED,
}
"""The code of each class of errors. Other Compute errors are classified by their text."""

_BY_CAUSE: dict[Cause, str] = {
    "configuration": CONFIGURATION_PROBLEM,
    "quota": QUOTA_EXCEEDED,
    "permission": UNAUTHORIZED,
}
"""The code of a finding of the preflight; that of what may change by itself is `RETRYABLE_DEPENDENCIES`."""


class CodedError(DualstackError):
    """An error that has the codes of its cause."""

    codes: tuple[str, ...] = ()


def error_codes(error: DualstackError) -> tuple[str, ...]:
    """The codes of an error: its own, else those of its class, else those that match the text of an API error.

    A wait that timed out has the codes of its diagnosis, else that of dependencies that may still become ready.

    A conflict between two writers of a Kubernetes object has no code, although its text matches
    `ERR_INFRA_DEPENDENCIES`.
    """
    if isinstance(error, CodedError):
        return error.codes
    if isinstance(error, PreflightFailed):
        causes = {finding.cause for finding in error.findings}
        return tuple(code for cause, code in _BY_CAUSE.items() if cause in causes) or (RETRYABLE_DEPENDENCIES,)
    if isinstance(error, WaitTimeout):
        return codes_of(error.why) or (RETRYABLE_DEPENDENCIES,)
    for kind, code in _BY_CLASS.items():
        if isinstance(error, kind):
            return (code,)
    if isinstance(error, gce.PermissionDenied):
        return tuple(dict.fromkeys((UNAUTHORIZED, *codes_of(str(error)))))
    return codes_of(str(error)) if isinstance(error, ComputeError | kube.Invalid) else ()
