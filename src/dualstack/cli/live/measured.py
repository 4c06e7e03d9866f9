"""What `--traffic` measures, as checks of `verify` and at the gates of a change."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.model.errors import InvalidInput
from dualstack.traffic.coordinator import Traffic, TrafficSettings
from dualstack.traffic.summary import KindReport, TrafficReport
from dualstack.verify.judging import Check

TOLERATED = 1.0
"""Seconds of an interruption at which a change does not stop: one lost packet of many is no effect of a change."""


@dataclass(slots=True)
class GateWatch:
    """What a change asks at each gate (`dualstack.cutover.actuator.Watch`)."""

    traffic: Traffic
    reported: bool = False

    async def __call__(self) -> str | None:
        """What was interrupted for longer than is tolerated since the measurement began; reported once.

        The steps that follow such a report go back, and end the interruption.
        """
        if self.reported:
            return None
        loss = await self.traffic.loss()
        if loss is None or loss.seconds <= TOLERATED:
            return None
        self.reported = True
        return f"measured traffic was interrupted: {loss}"


def settings_of(image: str, internet: tuple[str, ...]) -> TrafficSettings:
    """What `--traffic` measures. InvalidInput without an image, or for a target that is no address with a port."""
    if not image:
        raise InvalidInput("--traffic: it needs --prober-image, an image of this program that the nodes can pull")
    return TrafficSettings(image, internet=internet)


def traffic_checks(report: TrafficReport) -> tuple[Check, ...]:
    """One check for each kind of flow, and one for the nodes that were not measured."""
    unknown = (*report.silent, *report.unmeasured)
    if report.nodes < 2 and not unknown and not report.kinds:
        return (Check("traffic.nodes", "not-applicable", "with one node there is no other to exchange packets with"),)
    evidence = f"{report.nodes} nodes were measured{', a sample of their pairs' if report.sampled else ''}"
    if unknown:
        evidence += f"; nothing is known about {len(unknown)} nodes, among them {unknown[0]}"
    measured = Check("traffic.nodes", "unknown" if unknown else "passed", evidence)
    return (measured, *map(_check, report.kinds))


def _check(kind: KindReport) -> Check:
    name = f"traffic.{kind.target}-{kind.protocol}-ipv{kind.family}"
    counts = f"{kind.flows} flows, {kind.packets} packets, {kind.lost} lost"
    if kind.unreached:
        source, destination = kind.unreached_pairs[0]
        return Check(name, "failed", f"{kind.unreached} flows never had an answer, such as {source} to {destination}")
    if kind.longest is not None:
        return Check(name, "failed", f"{kind.longest}; {counts}")
    return Check(name, "passed", f"no interruption; {counts}")
