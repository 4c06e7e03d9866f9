"""Gardener's codes for the cloud's words (gardener-behaviour.md 3.4)."""

from __future__ import annotations

import pytest

from dualstack.model.error_codes import FAILING, codes_of


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


def test_retryable_problems_do_not_fail_a_shoot_at_once() -> None:
    assert "ERR_RETRYABLE_CONFIGURATION_PROBLEM" not in FAILING
    assert {"ERR_CONFIGURATION_PROBLEM", "ERR_INFRA_QUOTA_EXCEEDED"} <= FAILING
