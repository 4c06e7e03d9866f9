"""The outages of a simulated network, as the rehearsal's comparison reads them."""

from __future__ import annotations

from dualstack.cli.rehearsal.claims import Ledger
from dualstack_sim.fabric import Fabric


def ledger_of(fabric: Fabric, now: float) -> Ledger:
    """What `fabric` has recorded of outages until `now`."""
    report = fabric.traffic.report(now)
    spans = tuple((outage.since, outage.since + outage.seconds) for outage in report.outages)
    return Ledger(spans, report.propagation)
