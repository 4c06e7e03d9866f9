"""Verifies a run: traffic by the simulated world, the cluster by `dualstack.verify`, then what is Gardener's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.cli.rehearsal.claims import Ledger, announced_differences, measured_differences
from dualstack.cli.rehearsal.gardener_checks import GardenerChecks
from dualstack.cli.rehearsal.landscape import DUALSTACK, UPSTREAM, Landscape
from dualstack.cli.rehearsal.record import FORWARD, Record
from dualstack.cli.rehearsal.world import World
from dualstack.plan.strategies import STRATEGIES
from dualstack.verify.checks import BACK_ON_IPV4, DUAL, DUAL_STACK, IPV4, ON_ALIASES, ON_ROUTES, node_fault
from dualstack.verify.facts import read_until
from dualstack.verify.judging import UNREADABLE, Check, Verdict, judge, result, unreadable

LOSSY = (*(name for name, strategy in STRATEGIES.items() if not strategy.lossless), UPSTREAM)
"""The strategies whose loss is accepted: it was chosen by name, or announced with the reason before it began; and
upstream's way, whose loss is measured."""


LONGEST_WAIT = 60.0
"""Seconds that the pods of a node which joins may wait for their first contact: as long as one node may be dark."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run and the world that it ended in. `traffic` is the world's account when the run ended.

    strategy: of the cut-over, or the landscape's way. undisturbed: without kills and faults, so that the announced
    outage can be expected. on_time: the machine followed the clock, so that durations can be compared.
    """

    world: World
    record: Record
    traffic: Mapping[str, Any]
    strategy: str
    landscape: Landscape = DUALSTACK
    undisturbed: bool = True
    on_time: bool = True


async def verify(run: FinishedRun, *, complete: bool) -> list[Check]:
    """Run the checks for the state that the cluster should be in.

    complete: the run reached its end. Otherwise the cluster must be on routes as before, or on aliases when the run
    failed after its cut-over.
    """
    world, record = run.world, run.record
    gardener = GardenerChecks(world)
    rules: dict[str, Callable[[], Awaitable[Verdict]]]
    if complete:
        await world.sources.settled(world.clock, lambda node: node_fault(node, world.sources.taints) is None)
        forward = record.direction is FORWARD
        families = DUAL if forward else IPV4
        checks = judge(await world.sources.read(), DUAL_STACK if forward else BACK_ON_IPV4)
        rules = {
            "constraints.order": lambda: gardener.constraints_in_order(record),
            "constraints.none-left": gardener.constraints_gone,
            "control-plane.flags": lambda: gardener.configured_for(*families),
            "control-plane.ignore-annotation": gardener.nothing_ignored,
            "network.families": lambda: gardener.network_is(*families),
        }
        if not run.landscape.upstream:  # which changes the network and the router in every run
            rules["reconcile.nothing-to-do"] = gardener.nothing_to_reconcile
        if forward:
            rules = {"traffic.ipv6": lambda: ipv6_traffic(world), **rules}
        else:
            # After the reconcile, because it could add the IPv6 ranges again (docs/reference/weaknesses.md#w34).
            rules["reconcile.still-ipv4"] = lambda: gardener.configured_for(*families)
    else:
        # Upstream does not report where its migration stopped, and promises no state.
        on_aliases = record.direction is not FORWARD or record.finished("cut-over")
        expected = {} if run.landscape.upstream else ON_ALIASES if on_aliases else ON_ROUTES

        async def read() -> list[Check]:
            return judge(await world.sources.read(), expected)

        checks = await read_until(read, lambda seen: all(check.status == "passed" for check in seen), world.clock)
        rules = {"control-plane.ignore-annotation": gardener.nothing_ignored}
    checks += [await _judged(name, rule) for name, rule in rules.items()]
    return [
        ipv4_loss(run.traffic, run.strategy, record.started("cut-over")),
        *([] if run.landscape.upstream else [as_stated(run)]),
        first_contact(run.traffic),
        ipv4_now(await world.control("/traffic?summary")),
        *checks,
    ]


async def _judged(name: str, rule: Callable[[], Awaitable[Verdict]]) -> Check:
    try:
        return result(name, await rule())
    except UNREADABLE as error:
        return unreadable(name, error)


def as_stated(run: FinishedRun) -> Check:
    """The outages that the operator has announced and measured are those that the simulated network has recorded."""
    record, name = run.record, "traffic.as-stated"
    begun = record.started("cut-over")
    if begun is None:
        return Check(name, "passed", "no cut-over has begun")
    if not run.on_time:
        return Check(name, "unknown", "not compared, because requests took too long on this machine; use --speed")
    ledger = Ledger.of(run.traffic, record.origin).after(record.origin + begun)
    different = measured_differences(record.measured, ledger)
    if run.undisturbed:
        different += announced_differences(record.announced, ledger)
    if different:
        return Check(name, "failed", "; ".join(different))
    measured = ", ".join(f"{event.bound} {event.seconds:.1f} s".strip() for event in record.measured) or "none"
    limit = f"at most {record.announced:.0f} s" if record.announced else "none"
    evidence = f"outage announced: {limit}; measured: {measured}; by the network: {ledger.longest:.1f} s"
    return Check(name, "passed", evidence)


def ipv4_loss(traffic: Mapping[str, Any], strategy: str, cut_over: float | None = None) -> Check:
    """How long pod pairs had no connectivity during the run; accepted for a strategy that announces its outage.

    cut_over: when the cut-over began, in the seconds of `traffic`. What ended before is no loss of the migration, such
    as the first seconds of a replaced VM.
    """
    lost = [pair for pair in traffic["brokenPairs"] if pair["seconds"]]
    broken = _since(cut_over, lost)
    before = len(lost) - len(broken)
    earlier = f"; {before} pod pairs lost connectivity before the cut-over began" if before else ""
    if not broken:
        later = traffic.get("laterPairs", 0)
        evidence = f"blackout 0.0 s for {traffic['pairs']} pairs and for {later} more that formed during the roll-out"
        return Check("traffic.ipv4", "passed", evidence + earlier)
    families = " and ".join(sorted({pair["family"] for pair in broken}))
    longest = max(pair["seconds"] for pair in broken)
    evidence = f"{len(broken)} pod pairs lost {families} connectivity, for at most {longest:.1f} s"
    return Check("traffic.ipv4", "accepted" if strategy in LOSSY else "failed", evidence + earlier)


def _since(cut_over: float | None, lost: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """These pairs without those that had connectivity again before the cut-over began."""
    return [pair for pair in lost if pair["since"] + pair["waited"] + pair["seconds"] > (cut_over or 0.0)]


def first_contact(traffic: Mapping[str, Any]) -> Check:
    """How long the pods of nodes that joined during the run waited until other nodes reached them, and they those.

    A Node has no route and no alias when it joins, in any cluster: it gets one once it has a pod CIDR.
    """
    waits = [pair for pair in traffic["brokenPairs"] if pair["waited"]]
    if not waits:
        return Check("traffic.new-nodes", "passed", "every node that joined was reachable as soon as its pods ran")
    nodes = len({pair["to"] for pair in waits})
    longest = max(pair["waited"] for pair in waits)
    evidence = f"{nodes} nodes that joined were reachable within {longest:.1f} s; allowed: {LONGEST_WAIT:.0f} s"
    return Check("traffic.new-nodes", "passed" if longest <= LONGEST_WAIT else "failed", evidence)


def ipv4_now(traffic: Mapping[str, Any]) -> Check:
    """Every IPv4 pair has connectivity at the end, whatever the strategy."""
    current = traffic["current"]
    evidence = f"{current} pod pairs have no IPv4 connectivity" if current else "every pod pair has IPv4 connectivity"
    return Check("traffic.ipv4-at-end", "failed" if current else "passed", evidence)


async def ipv6_traffic(world: World) -> Verdict:
    """Pods on each node reach pods on every other node over IPv6, by each host's own view and through the firewall."""
    report = (await world.control("/traffic?summary"))["ipv6"]
    pairs = report["pairs"] + report["laterPairs"]
    alone = len(await world.nodes()) == 1
    current = report["current"]
    evidence = f"{current} pod pairs have no IPv6 connectivity" if current else "every pod pair has IPv6 connectivity"
    return (pairs > 0 or alone) and not current, f"{evidence}; {pairs} pairs formed in all"
