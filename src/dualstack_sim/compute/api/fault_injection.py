"""The interface for fault injection: the backend consults `Faults` once for each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class HttpFault:
    """An HTTP error instead of the answer, such as 503 backendError."""

    status: int = 503
    reason: str = "backendError"
    message: str = "Backend Error"


@dataclass(frozen=True, slots=True)
class ConcurrentChange:
    """A change of the same resource by another client, just before the request is executed.

    `method` "" is the method of the request. A missing fingerprint is filled in.
    """

    body: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""


@dataclass(frozen=True, slots=True)
class QuotaReduction:
    """A quota, a key of `quotas.LIMITS` or a rate group, reduced to `value` for `seconds` (None: permanently)."""

    limit: str
    value: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class VmEnd:
    """A VM that stops immediately or is deleted. `name` is a glob; "" is the VM of the request."""

    becomes: Literal["stopped", "deleted"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """The faults of one request; they can be combined.

    `latency`: simulated seconds added to the operation, or to the response of a call without one.
    `pending`: simulated seconds for which the operation stays PENDING before it starts.
    `operation_error`: (code, message) with which the operation ends instead of taking effect.
    `error_before`, `error_after`: HTTP error before or after the request takes effect.
    `cut`: the connection is closed without an answer, before or after the request takes effect.
    `stale`: a get or list returns the state of that many simulated seconds ago.
    `stuck`: a removal of alias ranges never ends, or ends in an error with the aliases still there.
    `denied`: a glob of permissions that the caller lacks; such a fault applies to every request that needs one.
    `meanwhile`, `quota`, `vm`: side effects, just before the request is executed.
    """

    latency: float = 0.0
    operation_error: tuple[str, str] | None = None
    error_before: HttpFault | None = None
    error_after: HttpFault | None = None
    cut: Literal["before", "after"] | None = None
    pending: float = 0.0
    stale: float = 0.0
    meanwhile: ConcurrentChange | None = None
    quota: QuotaReduction | None = None
    vm: VmEnd | None = None
    denied: str = ""
    stuck: Literal["never", "error"] | None = None


class Faults(Protocol):
    """Decides for each request, in the order of arrival, which fault it gets."""

    def fault_for(self, method: str, target: str, *, removes_aliases: bool = False) -> Fault | None:
        """`method` is the discovery id without `compute.`, `target` the name of the resource or "" for lists.

        `removes_aliases`: whether the request takes alias ranges away from an interface.
        """
        ...

    def denies(self, permission: str) -> bool:
        """Whether the caller lacks a permission, such as `compute.routes.create`."""
        ...

    def not_applied(self, why: str) -> None:
        """Report why the side effects of the last fault could not be applied."""
        ...

    def reseed(self, seed: int) -> None:
        """Draw random decisions from another seed from now on."""
        ...
