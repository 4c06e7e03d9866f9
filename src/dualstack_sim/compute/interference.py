"""The place where faults enter: each request asks once what is to go wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class HttpFault:
    """An HTTP error instead of the answer, such as 503 backendError."""

    status: int = 503
    reason: str = "backendError"
    message: str = "Backend Error"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request. The parts can be combined.

    `latency`: simulated seconds added to the operation, or to the answer of a call that starts none.
    `operation_error`: (code, message) with which the operation ends instead of taking effect.
    `error_before`, `error_after`: HTTP error without or with the effect having been started.
    `cut`: the connection is closed without an answer, before or after the effect was started.
    """

    latency: float = 0.0
    operation_error: tuple[str, str] | None = None
    error_before: HttpFault | None = None
    error_after: HttpFault | None = None
    cut: Literal["before", "after"] | None = None


class Faults(Protocol):
    """Decides for each request, in the order of arrival, whether something goes wrong."""

    def consult(self, method: str, target: str) -> Fault | None:
        """`method` is the discovery id without `compute.`, `target` the name of the resource or "" for lists."""
        ...
