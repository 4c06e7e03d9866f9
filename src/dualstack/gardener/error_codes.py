"""Gardener's error codes and the errors that have them (docs/reference/gardener.md#error-codes)."""

from __future__ import annotations

import re

from dualstack.gce import errors as gce
from dualstack.kube import interface as kube
from dualstack.model.errors import ComputeError, DualstackError, InvalidInput, Unsupported
from dualstack.preflight.finding import Cause, PreflightFailed

UNAUTHENTICATED = "ERR_INFRA_UNAUTHENTICATED"
UNAUTHORIZED = "ERR_INFRA_UNAUTHORIZED"
QUOTA_EXCEEDED = "ERR_INFRA_QUOTA_EXCEEDED"
RATE_LIMITS_EXCEEDED = "ERR_INFRA_RATE_LIMITS_EXCEEDED"
DEPENDENCIES = "ERR_INFRA_DEPENDENCIES"
RETRYABLE_DEPENDENCIES = "ERR_RETRYABLE_INFRA_DEPENDENCIES"
RESOURCES_DEPLETED = "ERR_INFRA_RESOURCES_DEPLETED"
CLEANUP_CLUSTER_RESOURCES = "ERR_CLEANUP_CLUSTER_RESOURCES"
CONFIGURATION_PROBLEM = "ERR_CONFIGURATION_PROBLEM"
RETRYABLE_CONFIGURATION_PROBLEM = "ERR_RETRYABLE_CONFIGURATION_PROBLEM"
PROBLEMATIC_WEBHOOK = "ERR_PROBLEMATIC_WEBHOOK"

_WORDS: dict[str, tuple[str, ...]] = {
    UNAUTHENTICATED: (
        "Authentication failed",
        "invalid character",
        "invalid_client",
        "cannot fetch token",
        "InvalidSecretAccessKey",
    ),
    UNAUTHORIZED: (
        "Unauthorized",
        "SignatureDoesNotMatch",
        "invalid_grant",
        "Authorization Profile was not found",
        "no active subscriptions",
        "not authorized",
        "AccessDenied",
        "Error 403",
        "SERVICE_ACCOUNT_ACCESS_DENIED",
    ),
    QUOTA_EXCEEDED: (
        "(?<!Request)LimitExceeded",
        "Quotas",
        "Quota.*exceeded",
        "exceeded quota",
        "Quota has been met",
        "QUOTA_EXCEEDED",
        "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
    ),
    RATE_LIMITS_EXCEEDED: ("RequestLimitExceeded", "Throttling", "Too many requests"),
    DEPENDENCIES: (
        "PendingVerification",
        "Access Not Configured",
        "accessNotConfigured",
        "DependencyViolation",
        "OptInRequired",
        "Conflict",
        "inactive billing state",
        "is already being used",
        "timeout while waiting for state to become",
        "InvalidCidrBlock",
        "already busy for",
        "internalerror",
        "internal server error",
        "A resource with the ID",
    ),
    RETRYABLE_DEPENDENCIES: ("RetryableError",),
    RESOURCES_DEPLETED: ("not available in the current hardware cluster", "out of stock"),
    CONFIGURATION_PROBLEM: (
        "not supported in your requested Availability Zone",
        "notFound",
        "Invalid value",
        "violates constraint",
        "no attached internet gateway found",
        "invalid VPC attributes",
        "unrecognized feature gate",
        "runtime-config invalid key",
        "strict decoder error",
        "not allowed to configure an unsupported",
        "error during apply of object .* is invalid:",
        "duplicate zones",
        "overlapping zones",
        "locate user-managed",
    ),
    RETRYABLE_CONFIGURATION_PROBLEM: (
        "is misconfigured and requires zero voluntary evictions",
        r"SDK\.CanNotResolveEndpoint",
        "The requested configuration is currently not supported",
    ),
}

_BY_CLASS: dict[type[DualstackError], str] = {
    InvalidInput: CONFIGURATION_PROBLEM,
    Unsupported: CONFIGURATION_PROBLEM,
    gce.NotFound: CONFIGURATION_PROBLEM,
    gce.Invalid: CONFIGURATION_PROBLEM,
    gce.PolicyViolated: CONFIGURATION_PROBLEM,
    gce.NotReady: RETRYABLE_DEPENDENCIES,
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
"""The code of a finding of the preflight; what may change by itself has none."""

_PATTERNS = {code: re.compile("|".join(words), re.IGNORECASE) for code, words in _WORDS.items()}

FAILING = frozenset(
    {
        UNAUTHENTICATED,
        UNAUTHORIZED,
        DEPENDENCIES,
        QUOTA_EXCEEDED,
        RATE_LIMITS_EXCEEDED,
        CONFIGURATION_PROBLEM,
        PROBLEMATIC_WEBHOOK,
    }
)
"""Codes with which gardenlet sets the Shoot to `Failed` instead of `Error`."""


def codes_of(text: str) -> tuple[str, ...]:
    """Every code whose patterns match the error text, in the order of the table."""
    return tuple(code for code, pattern in _PATTERNS.items() if pattern.search(text))


class CodedError(DualstackError):
    """An error that has the codes of its cause."""

    codes: tuple[str, ...] = ()


def error_codes(error: DualstackError) -> tuple[str, ...]:
    """The codes of an error: its own, else those of its class, else those that match the text of an API error.

    A conflict between two writers of a Kubernetes object has no code, although its text matches
    `ERR_INFRA_DEPENDENCIES`.
    """
    if isinstance(error, CodedError):
        return error.codes
    if isinstance(error, PreflightFailed):
        causes = {finding.cause for finding in error.findings}
        return tuple(code for cause, code in _BY_CAUSE.items() if cause in causes)
    for kind, code in _BY_CLASS.items():
        if isinstance(error, kind):
            return (code,)
    if isinstance(error, gce.PermissionDenied):
        return tuple(dict.fromkeys((UNAUTHORIZED, *codes_of(str(error)))))
    return codes_of(str(error)) if isinstance(error, ComputeError | kube.Invalid) else ()
