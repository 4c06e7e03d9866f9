"""The stream of committed changes, which the data path follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PUBLISHED = frozenset({"networks", "subnetworks", "routes", "instances", "firewalls", "routers", "projects"})


@dataclass(frozen=True, slots=True)
class Commit:
    """One effective change at simulated time `at` (seconds since the epoch, as scheduled).

    `before` and `after` are public JSON resources shared with the backend; listeners must not modify them. `before` is
    the `after` of the previous commit of this resource.
    """

    at: float
    collection: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


CommitListener = Callable[[Commit], None]
