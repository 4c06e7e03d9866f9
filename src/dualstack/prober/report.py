"""What the probing pods of the decoy check report, one Lease for each node (docs/objects.md).

A probe has arrived when anybody answered, be it with a refusal. Reports are written when something changed, and now and
then so that a silent pod is told from a contented one: a sixth of what kubelets write for the same purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from dualstack.model.kinds import LEASE, Manifest

NAMESPACE = "dualstack-prober"
"""Of its own, so that its pods may write nothing else, and so that everything goes with it."""
NAME = "dualstack-prober"
ANNOTATION = "dualstack.dev/probes"
PORT = 9
"""Where nobody listens: the decoy's kernel refuses, which is an answer."""

PERIOD = 1.0
"""Seconds between two probes of an address."""
LOST_AFTER = 3.0
"""Seconds without an answer after which an address counts as lost: a single packet may go astray anywhere."""
HEARTBEAT = 60.0
"""Seconds after which a report is written again although nothing changed."""
STALE = 150.0
"""Seconds after which a report says nothing any more."""


class Sight(msgspec.Struct, frozen=True, rename="camel"):
    """How an address looks from a node. `first`: when it was reached first, in seconds since the epoch; None if never.

    `interruptions`: how often it was lost again after that.
    """

    reached: bool = False
    first: float | None = None
    interruptions: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What one node says of all addresses, at `at`."""

    node: str
    at: float
    sights: dict[str, Sight]

    def of(self, address: str) -> Sight:
        """The address as seen from the node; never reached if it says nothing about it."""
        return self.sights.get(address, Sight())


class Logbook:
    """What one node sees, kept up probe by probe."""

    def __init__(self, node: str, addresses: Iterable[str]) -> None:
        self._node = node
        self._sights = dict.fromkeys(addresses, Sight())
        self._answered: dict[str, float] = {}
        self._written: tuple[float, dict[str, Sight]] | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """What the book is about."""
        return tuple(self._sights)

    def note(self, address: str, *, arrived: bool, at: float) -> None:
        """A probe was answered, or not."""
        sight = self._sights[address]
        if arrived:
            self._answered[address] = at
            first = at if sight.first is None else sight.first
            self._sights[address] = msgspec.structs.replace(sight, reached=True, first=first)
        elif sight.reached and at - self._answered[address] >= LOST_AFTER:
            self._sights[address] = msgspec.structs.replace(sight, reached=False, interruptions=sight.interruptions + 1)

    def due(self, now: float) -> bool:
        """Whether there is something to write."""
        if self._written is None:
            return True
        at, sights = self._written
        return sights != self._sights or now - at >= HEARTBEAT

    def written(self, now: float) -> None:
        """What the book says now has been written."""
        self._written = (now, dict(self._sights))

    def lease(self, now: float) -> Manifest:
        """The report as it is written; create and merge patch take the same body."""
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {
                "name": self._node,
                "namespace": NAMESPACE,
                "annotations": {ANNOTATION: msgspec.json.encode(self._sights).decode()},
            },
            "spec": {
                "holderIdentity": self._node,
                "leaseDurationSeconds": int(STALE),
                "renewTime": datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            },
        }


def read_report(lease: Manifest) -> Report | None:
    """The report in a Lease; None when it holds none that can be read."""
    metadata = lease["metadata"]
    text = (metadata.get("annotations") or {}).get(ANNOTATION, "")
    try:
        at = datetime.fromisoformat((lease.get("spec") or {}).get("renewTime") or "").timestamp()
        sights = msgspec.json.decode(text, type=dict[str, Sight])
    except (ValueError, msgspec.DecodeError):
        return None
    return Report(metadata["name"], at, sights)
