"""Errors of the Kubernetes API: `metav1.Status` objects with the texts of the real API server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """One error of one field, as `details.causes` lists it. `reason` is a `metav1.CauseType`."""

    reason: str
    message: str
    field: str = ""

    def document(self) -> dict[str, str]:
        body = {"reason": self.reason, "message": self.message}
        return {**body, "field": self.field} if self.field else body

    @property
    def sentence(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def duplicate_value(field: str, value: str) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {value}", field)


def invalid_value(field: str, value: str, detail: str) -> Cause:
    """`value` appears verbatim: strings include their quotes."""
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {detail}", field)


def forbidden_value(field: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", field)


def required_value(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", field)


def unsupported_value(field: str, value: str, supported: Sequence[str]) -> Cause:
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return Cause("FieldValueNotSupported", f"Unsupported value: {value}: supported values: {choices}", field)


class StatusError(Exception):
    """The request is rejected with HTTP `code`, `reason` (metav1.StatusReason) and `message`."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def document(self) -> dict[str, Any]:
        """The `metav1.Status` response."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if not self.reason:
            del body["reason"]
        if self.details is not None:
            body["details"] = self.details
        return body


def success(*, name: str, group: str, plural: str, uid: str | None = None) -> dict[str, Any]:
    """The `metav1.Status` response of a completed deletion."""
    details = {"name": name, "kind": plural}
    if group:
        details["group"] = group
    if uid:
        details["uid"] = uid
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _details(name: str, group: str, plural: str, **more: Any) -> dict[str, Any]:
    named = {"name": name, "group": group, "kind": plural}
    return {**{key: value for key, value in named.items() if value}, **more}


def _qualified(group: str, plural: str) -> str:
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> StatusError:
    return StatusError(
        404, "NotFound", f'{_qualified(group, plural)} "{name}" not found', _details(name, group, plural)
    )


def unknown_path() -> StatusError:
    """404: the path or resource type is not served."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(group: str, plural: str, name: str, *, being_deleted: bool = False) -> StatusError:
    message = f'{_qualified(group, plural)} "{name}" already exists'
    if being_deleted:
        message = f"object is being deleted: {message}"
    return StatusError(409, "AlreadyExists", message, _details(name, group, plural))


def conflict(group: str, plural: str, name: str, why: str | None = None) -> StatusError:
    """409; by default because the resourceVersion is not current."""
    why = why or ("the object has been modified; please apply your changes to the latest version and try again")
    message = f'Operation cannot be fulfilled on {_qualified(group, plural)} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(name, group, plural))


def apply_conflict(causes: Sequence[Cause]) -> StatusError:
    """409: another field manager owns a field that an apply patch changes."""
    managers = ", ".join(f"conflict with {cause.message.removeprefix('conflict with ')}" for cause in causes)
    plural = "s" if len(causes) != 1 else ""
    fields = ", ".join(cause.field for cause in causes)
    message = f"Apply failed with {len(causes)} conflict{plural}: {managers}: {fields}"
    return StatusError(409, "Conflict", message, {"causes": [cause.document() for cause in causes]})


def forbidden(group: str, plural: str, name: str, why: str) -> StatusError:
    """403: admission or authorization rejects the request. `why` follows the colon.

    Without a name it is about the type, without `plural` about a path that is no resource.
    """
    named = _qualified(group, plural) + (f' "{name}"' if name else "")
    message = f"{named} is forbidden: {why}" if plural else f"forbidden: {why}"
    return StatusError(403, "Forbidden", message, _details(name, group, plural))


def unauthorized() -> StatusError:
    """401: the server does not know the credentials."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> StatusError:
    """422: the object is invalid. All `causes` are reported together, and equal sentences once."""
    sentences = list(dict.fromkeys(cause.sentence for cause in causes))
    text = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    qualified = f"{kind}.{group}" if group else kind
    details = _details(name, group, kind, causes=[cause.document() for cause in causes])
    return StatusError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def unprocessable() -> StatusError:
    """422 without causes: a JSON patch that does not apply to the object."""
    return StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def unsupported_patch(custom: bool, accepted: Sequence[str]) -> StatusError:
    """415: the type has no such patch. Two servers answer: that of custom types, and that of the others."""
    if custom:
        return unsupported_media_type(accepted)
    return StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def method_not_allowed() -> StatusError:
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def not_acceptable(offered: Sequence[str]) -> StatusError:
    message = f"only the following media types are accepted: {', '.join(offered)}"
    return StatusError(406, "NotAcceptable", message)


def unsupported_media_type(accepted: Sequence[str]) -> StatusError:
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return StatusError(415, "UnsupportedMediaType", message)


def expired(message: str) -> StatusError:
    """410: the resourceVersion or continue token is too old."""
    return StatusError(410, "Expired", message)


def too_large_resource_version(asked: int, current: int) -> StatusError:
    cause = Cause("ResourceVersionTooLarge", "Too large resource version")
    return StatusError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        {"causes": [cause.document()], "retryAfterSeconds": 1},
    )


def too_many_requests(message: str, causes: Sequence[Cause] = (), retry_after: int = 0) -> StatusError:
    details: dict[str, Any] = {"causes": [cause.document() for cause in causes]}
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    return StatusError(429, "TooManyRequests", message, details)


def internal(message: str) -> StatusError:
    return StatusError(500, "InternalError", message)
