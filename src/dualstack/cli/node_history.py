"""What led to the pods of each node, and when it changed: a history of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

NodeWay = Literal["route", "overlap", "alias", "dual", "none", "gone"]
"""overlap: both a route and an alias. dual: an alias, and an IPv6 range of its own. gone: there is no such VM."""

MOST_NODES = 100
"""In larger clusters, the history would exceed the rest of a result, and sampling would slow down a rehearsal."""


class WayChange(msgspec.Struct, frozen=True):
    """at: seconds since the start."""

    at: float
    way: NodeWay


class NodeHistory(msgspec.Struct, frozen=True):
    """The changes of one VM, the first of which is when it was first seen."""

    node: str
    changes: tuple[WayChange, ...]


class History:
    """Collects samples. The times are those of the samples: what changes back between two of them is not seen."""

    def __init__(self) -> None:
        self._changes: dict[str, list[WayChange]] = {}
        self.too_large = False

    def see(self, now: Mapping[str, NodeWay], at: float) -> None:
        """Add what has changed; nothing more once there are more than `MOST_NODES` nodes."""
        self.too_large = self.too_large or len(now) > MOST_NODES
        gone: dict[str, NodeWay] = dict.fromkeys(self._changes.keys() - now.keys(), "gone")
        for name, way in {**gone, **now}.items():
            changes = self._changes.setdefault(name, [])
            if not changes or changes[-1].way != way:
                changes.append(WayChange(round(at, 1), way))

    def nodes(self) -> tuple[NodeHistory, ...]:
        """One for each VM, in the order in which they were seen; empty in a cluster that is too large."""
        if self.too_large:
            return ()
        return tuple(NodeHistory(name, tuple(changes)) for name, changes in self._changes.items())
