"""The latest requests that the API answered, to see what a client sends."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from dualstack_sim.compute.api.errors import Json

KEPT = 20_000


class Served(NamedTuple):
    """One request. `status` is 0 if a fault closed the connection."""

    at: float
    method: str
    scope: str
    target: str
    status: int
    caller: str


class Journal:
    """The last `kept` requests, oldest first."""

    def __init__(self, kept: int = KEPT) -> None:
        self._entries: deque[Served] = deque(maxlen=kept)
        self.total = 0

    def note(self, served: Served) -> None:
        self._entries.append(served)
        self.total += 1

    def entries(self, *, method: str = "", caller: str = "", limit: int = KEPT) -> list[Json]:
        """The latest `limit` requests of that method id and of callers whose User-Agent starts with `caller`."""
        chosen = [
            entry._asdict()
            for entry in self._entries
            if (not method or entry.method == method) and entry.caller.startswith(caller)
        ]
        return chosen[max(0, len(chosen) - limit) :]

    def clear(self) -> None:
        self._entries.clear()
        self.total = 0
