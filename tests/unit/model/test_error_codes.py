"""Gardener's codes for the texts of the cloud (docs/reference/gardener.md#error-codes)."""

from __future__ import annotations

import pytest

from dualstack.gardener.model.error_texts import FAILING, codes_of


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("invalid_grant: account deleted", ("ERR_INFRA_UNAUTHORIZED",)),
        (
            "googleapi: Error 403: quotaExceeded, Quota 'ROUTES' exceeded",
            ("ERR_INFRA_UNAUTHORIZED", "ERR_INFRA_QUOTA_EXCEEDED"),
        ),
        ("RequestLimitExceeded", ("ERR_INFRA_RATE_LIMITS_EXCEEDED",)),
        ("InstanceLimitExceeded", ("ERR_INFRA_QUOTA_EXCEEDED",)),
        ("Error 409: conflict", ("ERR_INFRA_DEPENDENCIES",)),
        ("Error 404: the resource was not found, notFound", ("ERR_CONFIGURATION_PROBLEM",)),
        ("failed to locate user-managed VPC [Name=mine]", ("ERR_CONFIGURATION_PROBLEM",)),
        ("error during apply of object v1/Service is invalid: spec", ("ERR_CONFIGURATION_PROBLEM",)),
        ("TOO MANY REQUESTS", ("ERR_INFRA_RATE_LIMITS_EXCEEDED",)),
        ("RetryableError: again", ("ERR_RETRYABLE_INFRA_DEPENDENCIES",)),
        ("no IPv6 CIDR block was assigned", ()),
        ("", ()),
    ],
)
def test_codes_of_a_text(text: str, codes: tuple[str, ...]) -> None:
    assert codes_of(text) == codes


WORDS = {
    "ERR_INFRA_UNAUTHENTICATED": "Authentication failed, invalid character, invalid_client, cannot fetch token, "
    "InvalidSecretAccessKey",
    "ERR_INFRA_UNAUTHORIZED": "Unauthorized, SignatureDoesNotMatch, invalid_grant, "
    "Authorization Profile was not found, no active subscriptions, "
    "not authorized, AccessDenied, Error 403, SERVICE_ACCOUNT_ACCESS_DENIED",
    "ERR_INFRA_QUOTA_EXCEEDED": "AddressLimitExceeded, Quotas, Quota of nothing exceeded, exceeded quota, "
    "Quota has been met, QUOTA_EXCEEDED, ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
    "ERR_INFRA_RATE_LIMITS_EXCEEDED": "RequestLimitExceeded, Throttling, Too many requests",
    "ERR_INFRA_DEPENDENCIES": "PendingVerification, Access Not Configured, accessNotConfigured, DependencyViolation, "
    "OptInRequired, Conflict, inactive billing state, is already being used, "
    "timeout while waiting for state to become, "
    "InvalidCidrBlock, already busy for, internalerror, internal server error, A resource with the ID",
    "ERR_RETRYABLE_INFRA_DEPENDENCIES": "RetryableError",
    "ERR_INFRA_RESOURCES_DEPLETED": "not available in the current hardware cluster, out of stock",
    "ERR_CONFIGURATION_PROBLEM": "not supported in your requested Availability Zone, notFound, Invalid value, "
    "violates constraint, no attached internet gateway found, invalid VPC attributes, unrecognized feature gate, "
    "runtime-config invalid key, strict decoder error, not allowed to configure an unsupported, duplicate zones, "
    "error during apply of object x is invalid:, overlapping zones, locate user-managed",
    "ERR_RETRYABLE_CONFIGURATION_PROBLEM": "is misconfigured and requires zero voluntary evictions, "
    "SDK.CanNotResolveEndpoint, The requested configuration is currently not supported",
}


@pytest.mark.parametrize(
    ("code", "words"), [(code, words) for code, all_ in WORDS.items() for words in all_.split(", ")]
)
def test_each_word_of_gardeners_table_has_its_code_in_any_case(code: str, words: str) -> None:
    assert codes_of(f"x {words} y") == (code,)
    assert codes_of(words.upper()) == (code,)


def test_retryable_problems_do_not_fail_a_shoot_at_once() -> None:
    assert "ERR_RETRYABLE_CONFIGURATION_PROBLEM" not in FAILING
    assert {"ERR_CONFIGURATION_PROBLEM", "ERR_INFRA_QUOTA_EXCEEDED"} <= FAILING
