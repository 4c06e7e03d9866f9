"""What the prober of a node reports: one Lease for each node, of bounded size.

A report has one group for each kind of target, protocol and IP family. Within a group, only the flows with the longest
interruptions are named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from dualstack.clock import parse_rfc3339, rfc3339
from dualstack.model.kinds import LEASE, Manifest
from dualstack.traffic.interruptions import MOST, Interruption, longest_since_any

NAMESPACE = "dualstack-traffic"
"""Its own namespace limits what the pods may write, and deleting it removes everything."""
NAME = "dualstack-traffic"
COORDINATOR = "dualstack-traffic-coordinator"
"""Name of the Lease of the run that measures; it keeps two runs apart."""
ANNOTATION = "dualstack.dev/traffic"
PORT = 9471
"""The TCP and UDP port on which the probers answer."""

Target = Literal["pod", "service", "internet"]
Protocol = Literal["udp", "tcp"]


class FlowGroup(msgspec.Struct, frozen=True, rename="camel"):
    """The flows of one node to one kind of target, with one protocol, in one IP family.

    packets: sent; each is answered, refused or lost, or not yet judged. unreached: flows that have never had an answer,
    of which the first are named. reconnects: TCP connections that broke and were opened again, with some targets.
    stalled: the longest time in which an established TCP connection moved no data after a loss, in seconds, and its
    target. restarts: how often another process answered than before. ended: see `kept`. lasting: the
    longest interruptions that have not ended.
    """

    target: Target
    protocol: Protocol
    family: int
    flows: int = 0
    packets: int = 0
    answered: int = 0
    refused: int = 0
    lost: int = 0
    unreached: int = 0
    unreached_targets: tuple[str, ...] = ()
    reconnects: int = 0
    reconnected_targets: tuple[str, ...] = ()
    restarts: int = 0
    stalled: float = 0.0
    stalled_target: str = ""
    ended: tuple[Interruption, ...] = ()
    lasting: tuple[Interruption, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """Target, protocol and family."""
        return self.target, self.protocol, self.family

    def with_lasting(self, lasting: Iterable[Interruption]) -> FlowGroup:
        """The group with these interruptions that last, shortened to what a report holds."""
        longest_first = sorted(lasting, key=lambda each: -each.seconds)
        return msgspec.structs.replace(self, lasting=tuple(longest_first[:MOST]))


def is_loss(target: Target, interruption: Interruption) -> bool:
    """Whether packets were lost. A process that restarts refuses packets; a Service then chooses another one."""
    return not (interruption.restarted and (interruption.refused or target == "service"))


def kept(target: Target, ended: Iterable[Interruption]) -> tuple[Interruption, ...]:
    """The interruptions that a report keeps: of those with loss and of those without, so that none hides the other."""
    every = list(ended)
    losses = [each for each in every if is_loss(target, each)]
    others = [each for each in every if not is_loss(target, each)]
    return longest_since_any(losses) + longest_since_any(others)


class NodeReport(msgspec.Struct, frozen=True, rename="camel"):
    """The report of the prober on `node`, which started at `began`, about the time until `judged_until`.

    `generation`: of the plan that it follows. `late`: the most that a packet was sent later than an interval after the
    one before it, in seconds; `slowest`: the longest that an answer took. Both make figures less certain. Times in
    seconds since the epoch, by the prober's monotonic clock.
    """

    node: str
    began: float
    judged_until: float
    generation: int
    late: float
    slowest: float
    groups: tuple[FlowGroup, ...]


def heartbeat(nodes: int) -> float:
    """Seconds after which a report without news is written again: all probers write at most 10 a second together."""
    return max(5.0, nodes / 10)


def stale_after(nodes: int) -> float:
    """Seconds after which a report is no longer valid: two missed heartbeats, and some reserve."""
    return 2.5 * heartbeat(nodes) + 30.0


def lease_of(report: NodeReport, at: float, duration: float) -> Manifest:
    """The report as a Lease, as body of a create or a merge patch. duration: seconds for which it is valid."""
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": {
            "name": report.node,
            "namespace": NAMESPACE,
            "annotations": {ANNOTATION: msgspec.json.encode(report).decode()},
        },
        "spec": {
            "holderIdentity": report.node,
            "leaseDurationSeconds": int(duration),
            "renewTime": rfc3339(at, fraction=True),
        },
    }


def read_report(lease: Manifest) -> tuple[float, NodeReport] | None:
    """When the report in a Lease was written, and the report; None if it has none that can be read."""
    text = (lease["metadata"].get("annotations") or {}).get(ANNOTATION, "")
    try:
        at = parse_rfc3339((lease.get("spec") or {}).get("renewTime") or "")
        return at, msgspec.json.decode(text, type=NodeReport)
    except (ValueError, msgspec.DecodeError):
        return None
