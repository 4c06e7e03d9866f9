"""Gardener's error codes and the texts that have them (docs/reference/gardener.md#error-codes)."""

from __future__ import annotations

import re

UNAUTHENTICATED = "ERR_INFRA_UNAUTHENTICATED"
UNAUTHORIZED = "ERR_INFRA_UNAUTHORIZED"
QUOTA_EXCEEDED = "ERR_INFRA_QUOTA_EXCEEDED"
RATE_LIMITS_EXCEEDED = "ERR_INFRA_RATE_LIMITS_EXCEEDED"
DEPENDENCIES = "ERR_INFRA_DEPENDENCIES"
RETRYABLE_DEPENDENCIES = "ERR_RETRYABLE_INFRA_DEPENDENCIES"
RESOURCES_DEPLETED = "ERR_INFRA_RESOURCES_DEPLETED"
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
