"""Deploys the probers, tells them which pairs to probe, collects their reports, and removes everything.

    async with Traffic(kube, clock, TrafficSettings(image)) as traffic:
        ...
        loss = await traffic.loss(since=instant)

All state is in the cluster, so a run that was killed is continued by the next one.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

import msgspec

from dualstack.clock import Clock, rfc3339
from dualstack.kube.apply import apply, owned
from dualstack.kube.interface import AlreadyExists, Conflict, Kube, NotFound, Unavailable
from dualstack.kube.lease import Lease, instant
from dualstack.kube.waiting import Tell, ignore, wait_until
from dualstack.model import enumeration
from dualstack.model.enumeration import clauses
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.kinds import CONFIG_MAP, LEASE, NAMESPACE, NODE, POD, SERVICE, Manifest
from dualstack.model.node_pods import node_of, reason_of
from dualstack.traffic.interruptions import Interruption
from dualstack.traffic.manifests import LABELS, OWNED, contents, namespace
from dualstack.traffic.node_report import COORDINATOR, NAME, NodeReport, heartbeat, read_report, stale_after
from dualstack.traffic.node_report import NAMESPACE as HOME
from dualstack.traffic.pairs import (
    ALL_PAIRS_UP_TO,
    INTERVAL,
    PLAN,
    ProbePlan,
    ProberAddress,
    endpoint_of,
    plan_manifest,
    read_plan,
)
from dualstack.traffic.pods import members_of
from dualstack.traffic.summary import PairInterruption, TrafficReport, summarize

HOLD = 60.0
"""Seconds for which a run holds it without a sign of life."""


class TrafficBusy(DualstackError):
    """Another run measures in this cluster."""


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """What is measured. image: of this program. internet: ADDRESS:PORT or [ADDRESS]:PORT, for new TCP connections.

    interval: seconds between two packets of a flow. timeout: seconds without progress after which the start or the
    removal fails; a prober that does not report is waited for about half as long. holder: shown to another run.
    Raises InvalidInput for another spelling of a target on the internet.
    """

    image: str
    internet: tuple[str, ...] = ()
    interval: float = INTERVAL
    timeout: float = 600.0
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}_{os.getpid()}")

    def __post_init__(self) -> None:
        for text in self.internet:
            try:
                endpoint_of(text)
            except ValueError:
                raise InvalidInput(f"--internet {text}: not ADDRESS:PORT or [ADDRESS]:PORT") from None


class Traffic:
    """A measurement, from the start of the probers (`__aenter__`) until everything is removed (`__aexit__`).

    `tell` takes what it waits for. Raises TrafficBusy, KubeError, and WaitTimeout with the nodes and reasons.
    """

    def __init__(self, kube: Kube, clock: Clock, settings: TrafficSettings, tell: Tell = ignore) -> None:
        self.since = 0.0
        self._kube = kube
        self._clock = clock
        self._lease = Lease(kube, COORDINATOR, HOME, HOLD)
        self._settings = settings
        self._tell = tell
        self._plan: ProbePlan | None = None
        self._moved: dict[str, int] = {}
        """The generation since which a node's prober has its addresses."""
        self._unmeasured: tuple[str, ...] = ()
        self._upkeep: asyncio.Task[None] | None = None
        self._planning = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._begin()
        try:
            self._upkeep = asyncio.create_task(self._keep_up())
            wait = partial(
                wait_until,
                clock=self._clock,
                what="traffic probers",
                timeout=self._settings.timeout,
                extend=True,
                tell=self._tell,
            )
            await wait(self._missing_pods, interval=5.0, diagnose=self._diagnose)
            await wait(self._missing_reports, interval=2.0)
            self.since = await self._acquired()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def report(self) -> TrafficReport:
        """What has been measured so far. Raises KubeError."""
        self._check_upkeep()
        plan = await self._update_plan()
        members = {each.node for each in plan.probers}
        valid = await self._valid_reports(members)
        return summarize(
            valid.values(),
            since=self.since,
            silent=members - valid.keys(),
            unmeasured=self._unmeasured,
            sampled=len(members) > ALL_PAIRS_UP_TO,
            ended=self._has_ended,
        )

    async def loss(self, since: float | None = None) -> PairInterruption | None:
        """The longest interruption that ended after `since` or lasts; from the start if `since` is None.

        Returns when every prober has judged the packets until now, or as soon as one has seen an interruption.
        WaitTimeout when a prober does not report: nothing is known then.
        """
        now, begin = self._clock.now(), self.since if since is None else since
        found: list[TrafficReport] = []

        async def missing() -> str | None:
            report = await self.report()
            found.append(report)
            if report.interruption_since(begin) is not None:
                return None
            if report.silent:
                return f"no recent report from {enumeration.nodes(report.silent)}"
            behind = now - report.judged_until
            return f"the last report ends {behind:.0f} s before now" if behind > 0 else None

        await wait_until(
            missing,
            self._clock,
            what="traffic",
            interval=2.0,
            timeout=self._settings.timeout / 2 + 2 * stale_after(len(self._plan.probers) if self._plan else 0),
            tell=self._tell,
        )
        return found[-1].interruption_since(begin)

    # -- beginning and end

    async def _begin(self) -> None:
        """Make the namespace and take it over, then make what is in it."""
        found = await self._kube.get(NAMESPACE, HOME)
        if found is not None and found["metadata"].get("deletionTimestamp"):
            await _gone(self._kube, self._clock, self._settings.timeout, self._tell)
            found = None
        if found is None:
            with suppress(AlreadyExists):
                await self._kube.create(NAMESPACE, namespace())
        else:
            _must_be_ours(found)
        await self._hold(first=True)
        for kind, manifest in contents(self._settings.image):
            await apply(self._kube, kind, owned(manifest))

    async def _end(self) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            (outcome,) = await asyncio.gather(self._upkeep, return_exceptions=True)
            if isinstance(outcome, TrafficBusy):
                return  # it belongs to another run now
        await remove(self._kube, self._clock, timeout=self._settings.timeout, tell=self._tell)

    async def _hold(self, *, first: bool = False) -> None:
        """Renew the Lease; at first, take it if no other run holds it."""
        now, ours = self._clock.now(), self._settings.holder
        held = await self._lease.read()
        if not held.version:
            try:
                await self._lease.take(held, ours, now)
            except AlreadyExists:
                raise TrafficBusy(f"another run has just started to measure traffic in namespace {HOME}") from None
            return
        if held.holder != ours and (not first or now - held.renewed_at < HOLD):
            raise TrafficBusy(
                f"{held.holder} measures traffic in namespace {HOME}, and was alive at {rfc3339(held.renewed_at)}; "
                f"end it, or try again {HOLD:.0f} s after it ended"
            )
        await self._lease.renew(held, ours, now)

    async def _acquired(self) -> float:
        """Since when every flow is measured: kept in the Lease, so that a run that takes over continues."""
        held, now = await self._lease.read(), self._clock.now()
        if since := instant(held.annotations.get(_SINCE, "")):
            return since
        body = {"metadata": {"annotations": {_SINCE: rfc3339(now, fraction=True)}}}
        await self._kube.patch(LEASE, COORDINATOR, body, HOME)
        return now

    def _check_upkeep(self) -> None:
        """Raise what ended the upkeep."""
        if self._upkeep is not None and self._upkeep.done():
            self._upkeep.result()

    async def _keep_up(self) -> None:
        """Hold the Lease, and follow the pods as they come and go. Ends with an error when another run takes over."""
        while True:
            try:
                await self._hold()
                plan = await self._update_plan()
                pause = heartbeat(len(plan.probers))
            except (Unavailable, Conflict):
                pause = heartbeat(0)
            await self._clock.sleep(min(pause, HOLD / 4))

    # -- the probers

    async def _missing_pods(self) -> str | None:
        self._check_upkeep()
        members, without = await self._members()
        if not members:
            return "no pod is ready"
        return f"{len(without)} of {len(members) + len(without)} pods are not ready" if without else None

    async def _members(self) -> tuple[tuple[ProberAddress, ...], list[str]]:
        """The probers that are ready, and the nodes that are ready but have none."""
        members, without, ready = members_of(await self._kube.list(NODE), await self._pods())
        self._unmeasured = without
        return members, [name for name in without if name in ready]

    async def _pods(self) -> list[Manifest]:
        labels = ",".join(f"{key}={value}" for key, value in LABELS.items())
        return await self._kube.list(POD, HOME, labels=labels)

    async def _diagnose(self) -> str:
        """Which pods are not ready, and why."""
        pods = {node_of(pod): pod for pod in await self._pods()}
        _, without = await self._members()
        reasons = [f"{name}: {reason_of(pods.get(name))}" for name in without]
        return clauses(reasons, what=" nodes")

    async def _update_plan(self) -> ProbePlan:
        """Write the plan if the probers are not those of the last one."""
        async with self._planning:
            members, _ = await self._members()
            found = await self._kube.get(CONFIG_MAP, PLAN, HOME)
            before = read_plan(found)
            service = await self._kube.get(SERVICE, NAME, HOME)
            plan = ProbePlan(
                before.generation if before is not None else 0,
                members,
                tuple(((service or {}).get("spec") or {}).get("clusterIPs") or ()),
                self._settings.internet,
                self._settings.interval,
            )
            if plan != before:
                plan = msgspec.structs.replace(plan, generation=plan.generation + 1)
                await apply(self._kube, CONFIG_MAP, owned(plan_manifest(plan, HOME)))
            known = {each.node: each.addresses for each in self._plan.probers} if self._plan is not None else {}
            for each in plan.probers:
                if known.get(each.node) != each.addresses:
                    self._moved[each.node] = plan.generation
            self._plan = plan
            return plan

    async def _missing_reports(self) -> str | None:
        self._check_upkeep()
        plan = await self._update_plan()
        members = {each.node for each in plan.probers}
        valid = await self._valid_reports(members)
        waiting = sorted(name for name in members if name not in valid or valid[name].generation < plan.generation)
        if waiting:
            return f"no report yet from {enumeration.nodes(waiting)}"
        unreached = [
            f"{name} cannot reach {target} ({group.target}, {group.protocol.upper()}, IPv{group.family})"
            for name, report in sorted(valid.items())
            for group in report.groups
            for target in group.unreached_targets
        ]
        return clauses(unreached) or None

    async def _valid_reports(self, members: set[str]) -> Mapping[str, NodeReport]:
        oldest = self._clock.now() - stale_after(len(members))
        read = [found for lease in await self._kube.list(LEASE, HOME) if (found := read_report(lease)) is not None]
        return {report.node: report for at, report in read if report.node in members and at >= oldest}

    def _has_ended(self, report: NodeReport, interruption: Interruption) -> bool:
        """Whether a lasting interruption is about a prober that is no longer there, which a report may not know yet."""
        plan = self._plan
        if plan is None or interruption.target in plan.services or interruption.target in plan.internet:
            return False
        members = {each.node for each in plan.probers}
        return interruption.target not in members or report.generation < self._moved.get(interruption.target, 0)


async def remove(kube: Kube, clock: Clock, *, timeout: float = 600.0, tell: Tell = ignore) -> None:
    """Delete what a measurement made, also one that was killed, and return when it is gone. WaitTimeout says why not.

    Raises InvalidInput if the namespace is not ours.
    """
    found = await kube.get(NAMESPACE, HOME)
    if found is None:
        return
    _must_be_ours(found)
    with suppress(NotFound):
        await kube.delete(NAMESPACE, HOME)
    await _gone(kube, clock, timeout, tell)


async def _gone(kube: Kube, clock: Clock, timeout: float, tell: Tell) -> None:
    async def remains() -> str | None:
        found = await kube.get(NAMESPACE, HOME)
        if found is None:
            return None
        conditions = (found.get("status") or {}).get("conditions") or []
        messages = [each.get("message", "") for each in conditions if each.get("status") == "True"]
        return "; ".join(["it is being deleted", *messages])

    await wait_until(remains, clock, what=f"removal of namespace {HOME}", interval=2.0, timeout=timeout, tell=tell)


_SINCE = "dualstack.dev/measured-since"


def _must_be_ours(found: Manifest) -> None:
    labels = found["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in OWNED.items()):
        wanted = ", ".join(f"{key}={value}" for key, value in OWNED.items())
        raise InvalidInput(
            f"namespace {HOME} exists without the labels {wanted}, so it is not ours; delete or rename it"
        )
