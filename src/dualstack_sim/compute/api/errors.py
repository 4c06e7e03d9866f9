"""Errors of the API: HTTP errors of requests and errors of operations.

Sources: docs/reference/compute-engine.md#errors-of-requests, docs/reference/compute-engine.md#errors-of-operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """A request that is refused. `status` is the HTTP status, `reason` the code that clients match."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        rpc_status: str | None = None,
        details: tuple[Json, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.domain = domain
        self.rpc_status = rpc_status
        self.details = details

    def body(self) -> Json:
        """The error document; only some errors have `status` and `details`.

        Source: docs/reference/compute-engine.md#request-error-shape.
        """
        error: Json = {
            "code": self.status,
            "message": self.message,
            "errors": [{"message": self.message, "domain": self.domain, "reason": self.reason}],
        }
        if self.rpc_status:
            error["status"] = self.rpc_status
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}


@dataclass(frozen=True, slots=True)
class OperationFailure:
    """The error of a finished operation (docs/reference/compute-engine.md#operation-error-shape)."""

    code: str
    message: str
    http_status: int = 400
    http_message: str = "BAD REQUEST"
    details: tuple[Json, ...] = ()


class ConnectionCut(Exception):
    """A fault closes the connection without an answer."""


def not_found(resource: str) -> ApiError:
    """404; `resource` is the partial path `projects/P/...`."""
    return ApiError(404, "notFound", f"The resource '{resource}' was not found")


def already_exists(resource: str) -> ApiError:
    return ApiError(409, "alreadyExists", f"The resource '{resource}' already exists")


def not_ready(resource: str) -> ApiError:
    """400 while another operation runs on `resource` (docs/reference/compute-engine.md#busy-subnetwork)."""
    return ApiError(400, "resourceNotReady", f"The resource '{resource}' is not ready")


def in_use(noun: str, resource: str, user: str) -> ApiError:
    message = f"The {noun} resource '{resource}' is already being used by '{user}'"
    return ApiError(400, "resourceInUseByAnotherResource", message)


def in_use_failure(noun: str, resource: str, user: str) -> OperationFailure:
    message = f"The {noun} resource '{resource}' is already being used by '{user}'"
    return OperationFailure("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", message)


def invalid(field: str, value: object, why: str) -> ApiError:
    """400 `Invalid value for field ...`; `field` is the full path, such as `resource.destRange`."""
    return ApiError(400, "invalid", f"Invalid value for field '{field}': '{value}'. {why}")


def invalid_parameter(value: str, why: str) -> ApiError:
    return ApiError(400, "invalidParameter", f"Invalid value '{value}'. {why}")


def required(field: str) -> ApiError:
    return ApiError(400, "required", f"Required field '{field}' not specified")


def bad_request(message: str) -> ApiError:
    return ApiError(400, "badRequest", message)


def unreadable(message: str) -> ApiError:
    """400 for a body that is not a JSON object."""
    return ApiError(400, "parseError", message)


def condition_not_met(message: str = "Invalid fingerprint.") -> ApiError:
    """412: the fingerprint of the request is stale."""
    return ApiError(412, "conditionNotMet", message)


def quota_exceeded(message: str) -> ApiError:
    """403: an allocation quota is exhausted."""
    return ApiError(403, "quotaExceeded", message)


class OperationFailed(Exception):
    """The request is accepted, and its operation will fail with `failure`."""

    def __init__(self, failure: OperationFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure
