"""What the process that changes a cluster reports of itself: an annotation of its Lease, written with each renewal."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from dualstack.kube.interface import Kube
from dualstack.live import lease


class WorkReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """step: the present step, since: its start, and end: the expected end of the work, both in seconds since the epoch;
    end is 0 when it is not known. awaits: what the work waits for that another program or a person does, as a clause.
    """

    step: str = ""
    since: float = 0.0
    end: float = 0.0
    awaits: str = ""


@dataclass(frozen=True, slots=True)
class Working:
    """The process that holds the Lease. holder: empty without one."""

    holder: str = ""
    renewed: str = ""
    report: WorkReport = field(default_factory=WorkReport)

    @property
    def words(self) -> str:
        """For people; empty without a holder."""
        return f"{self.holder}, Lease renewed {self.renewed}" if self.holder else ""


async def working(kube: Kube) -> Working:
    """The process that changes the cluster now, and its report. Reads only."""
    held = await lease.lease_of(kube).read()
    if not held.holder:
        return Working()
    text = held.annotations.get(lease.PROGRESS) or "{}"
    try:
        report = msgspec.json.decode(text, type=WorkReport)
    except msgspec.MsgspecError:  # of another version: the holder still counts
        report = WorkReport()
    return Working(held.holder, held.renewed, report)
