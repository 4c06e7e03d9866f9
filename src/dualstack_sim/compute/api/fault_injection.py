"""The place where faults enter: each request asks once what is to go wrong with it."""

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
    """Somebody else's change of the same resource, done before the request is carried out.

    `method` "" is that of the request. A fingerprint that the method asks for and the body lacks is the present one.
    """

    body: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""


@dataclass(frozen=True, slots=True)
class QuotaReduction:
    """A quota lowered to `value`, for `seconds` or, at None, for good. `limit`: a name of `quotas.LIMITS` or group."""

    limit: str
    value: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class VmEnd:
    """A VM that stops at once, or that somebody deletes. `name`: a glob; "" is the VM that the request is about."""

    becomes: Literal["stopped", "deleted"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request. The parts can be combined.

    `latency`: simulated seconds added to the operation, or to the answer of a call that starts none.
    `pending`: simulated seconds for which the operation stays PENDING before anything of it begins.
    `operation_error`: (code, message) with which the operation ends instead of taking effect.
    `error_before`, `error_after`: HTTP error without or with the effect having been started.
    `cut`: the connection is closed without an answer, before or after the effect was started.
    `stale`: the answer of a get or list is the one of so many simulated seconds ago.
    `meanwhile`, `quota`, `vm`: what else happens, just before the request is carried out.
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


class Faults(Protocol):
    """Decides for each request, in the order of arrival, whether something goes wrong."""

    def consult(self, method: str, target: str) -> Fault | None:
        """`method` is the discovery id without `compute.`, `target` the name of the resource or "" for lists."""
        ...

    def not_applied(self, why: str) -> None:
        """What the fault that was handed out last says could not be brought about."""
        ...

    def reseed(self, seed: int) -> None:
        """Let what is decided by chance come from another seed from now on."""
        ...
