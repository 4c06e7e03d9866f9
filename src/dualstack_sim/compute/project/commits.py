"""The stream of committed changes that the forwarding plane follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PUBLISHED = frozenset({"networks", "subnetworks", "routes", "instances", "firewalls", "routers"})


@dataclass(frozen=True, slots=True)
class Commit:
    """One effective change at simulated time `at` (seconds since the epoch, as scheduled and not as executed).

    `before` and `after` are public JSON resources and shared with the backend: read, never change.
    `before` is what the previous commit of this resource carried as `after`.
    """

    at: float
    collection: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


CommitListener = Callable[[Commit], None]
