"""The reports of the probing pods, one Lease for each node (docs/objects.md).

A probe has arrived when the address answered, even by refusing the connection. A report is written when it changes, and
every `HEARTBEAT` seconds to distinguish a dead pod from an idle one: a sixth as often as kubelets renew their Leases.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from dualstack.clock import parse_rfc3339, rfc3339
from dualstack.model.kinds import LEASE, Manifest

NAMESPACE = "dualstack-prober"
"""Its own namespace limits what the pods may write, and deleting it removes everything."""
NAME = "dualstack-prober"
ANNOTATION = "dualstack.dev/probes"
PORT = 9
"""An unused port: the decoy's kernel refuses the connection, which is an answer."""

PERIOD = 1.0
"""Seconds between two probes of an address."""
LOST_AFTER = 3.0
"""Seconds without an answer after which an address counts as unreachable; single packets may be lost."""
HEARTBEAT = 60.0
"""Seconds after which an unchanged report is written again."""
STALE = 150.0
"""Seconds after which a report is no longer valid."""


class ProbeResult(msgspec.Struct, frozen=True, rename="camel"):
    """How a node reaches an address. `first`: when it was first reached, in seconds since the epoch; None if never.

    `interruptions`: how often it became unreachable after that.
    """

    reached: bool = False
    first: float | None = None
    interruptions: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """The report of one node on all addresses, written at `at`."""

    node: str
    at: float
    results: dict[str, ProbeResult]

    def of(self, address: str) -> ProbeResult:
        """The result for the address; never reached if the report lacks it."""
        return self.results.get(address, ProbeResult())


class ProbeLog:
    """Collects the results of one node's probes."""

    def __init__(self, node: str, addresses: Iterable[str]) -> None:
        self._node = node
        self._results = dict.fromkeys(addresses, ProbeResult())
        self._answered: dict[str, float] = {}
        self._written: tuple[float, dict[str, ProbeResult]] | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The probed addresses."""
        return tuple(self._results)

    def note(self, address: str, *, arrived: bool, at: float) -> None:
        """Record a probe."""
        result = self._results[address]
        if arrived:
            self._answered[address] = at
            first = at if result.first is None else result.first
            self._results[address] = msgspec.structs.replace(result, reached=True, first=first)
        elif result.reached and at - self._answered[address] >= LOST_AFTER:
            self._results[address] = msgspec.structs.replace(
                result, reached=False, interruptions=result.interruptions + 1
            )

    def due(self, now: float) -> bool:
        """Whether a report should be written."""
        if self._written is None:
            return True
        at, results = self._written
        return results != self._results or now - at >= HEARTBEAT

    def written(self, now: float) -> None:
        """Record that the present report was written."""
        self._written = (now, dict(self._results))

    def lease(self, now: float) -> Manifest:
        """The report as a Lease, as body of a create or a merge patch."""
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {
                "name": self._node,
                "namespace": NAMESPACE,
                "annotations": {ANNOTATION: msgspec.json.encode(self._results).decode()},
            },
            "spec": {
                "holderIdentity": self._node,
                "leaseDurationSeconds": int(STALE),
                "renewTime": rfc3339(now, fraction=True),
            },
        }


def read_report(lease: Manifest) -> Report | None:
    """The report in a Lease; None if it has none that can be read."""
    metadata = lease["metadata"]
    text = (metadata.get("annotations") or {}).get(ANNOTATION, "")
    try:
        at = parse_rfc3339((lease.get("spec") or {}).get("renewTime") or "")
        results = msgspec.json.decode(text, type=dict[str, ProbeResult])
    except (ValueError, msgspec.DecodeError):
        return None
    return Report(metadata["name"], at, results)
