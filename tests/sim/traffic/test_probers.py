"""The prober processes on hosts whose packets are really dropped: the figures are the truth within the stated bound."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from dualstack.traffic.interruptions import Interruption
from dualstack.traffic.node_report import NodeReport
from dualstack.traffic.pairs import INTERVAL
from tests.sim.traffic.probers import Drop, groups, name, probers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FLOWS = [("pod", "tcp", 4), ("pod", "tcp", 6), ("pod", "udp", 4), ("pod", "udp", 6)]


def assert_figure(found: Interruption, drop: Drop, report: NodeReport, interval: float = INTERVAL) -> None:
    """The truth is within the uncertainty: one interval, and what the process was late and the answers took."""
    assert abs(found.seconds - drop.seconds) <= found.uncertainty + drop.uncertainty, (found, drop)
    assert found.uncertainty <= interval + report.late + report.slowest
    assert not found.refused
    assert not found.restarted
    assert found.start - found.uncertainty <= drop.began[1]
    assert found.end + found.uncertainty >= drop.ended[0]


def interruptions(report: NodeReport, target: str | None = None) -> dict[tuple[str, str, int], list[Interruption]]:
    """By kind of flow; to `target` or to all."""
    return {
        key: [each for each in group.ended if target in (None, each.target)] for key, group in groups(report).items()
    }


async def test_two_drops_and_none(tmp_path: Path) -> None:
    async with probers(3, tmp_path) as scene:
        for host in range(3):
            await scene.start(host)
        scene.plan(range(3))
        await scene.connected(range(3))
        long = await scene.drop([(0, 1), (1, 0)], 2.4)
        await asyncio.sleep(4.0)  # until the established connections move again
        short = await scene.drop([(0, 1), (1, 0)], 0.7)
        await asyncio.sleep(2.0)
        reports = await scene.reports_after(range(3), time.time())
        for host, other in ((0, 1), (1, 0)):
            report = reports[host]
            assert list(groups(report)) == FLOWS
            for key, (first, second) in interruptions(report).items():
                assert {first.target, second.target} == {name(other)}, key
                assert_figure(first, long, report)
                assert_figure(second, short, report)
            for key, group in groups(report).items():
                assert group.packets >= group.answered + group.lost > 0
                assert (group.refused, group.reconnects, group.lasting) == (0, 0, ())
                assert (group.stalled > long.seconds - INTERVAL) == (key[1] == "tcp")
        for group in reports[2].groups:
            assert (group.flows, group.lost, group.refused, group.ended, group.lasting) == (2, 0, 0, (), ())
            assert group.packets - group.answered < 100  # those not yet judged


async def test_a_drop_in_one_direction_interrupts_the_flows_of_both(tmp_path: Path) -> None:
    async with probers(3, tmp_path) as scene:
        for host in range(3):
            await scene.start(host)
        scene.plan(range(3))
        await scene.connected(range(3))
        drop = await scene.drop([(0, 1)], 1.6)
        await asyncio.sleep(2.0)
        reports = await scene.reports_after(range(3), time.time())
        for host, other in ((0, 1), (1, 0)):
            for (found,) in interruptions(reports[host]).values():
                assert found.target == name(other)
                assert_figure(found, drop, reports[host])
        assert not any(interruptions(reports[2]).values())


async def test_an_interruption_is_reported_while_it_lasts(tmp_path: Path) -> None:
    async with probers(2, tmp_path) as scene:
        for host in range(2):
            await scene.start(host)
        scene.plan(range(2))
        await scene.connected(range(2))
        scene.made.drop([(0, 1)])
        began = time.time()
        await asyncio.sleep(1.0)
        reports = await scene.reports_after(range(2), began + 2.0)
        for report in reports.values():
            for group in report.groups:
                (lasting,) = group.lasting
                assert lasting.start == pytest.approx(began, abs=0.3 + report.late)
                assert abs(lasting.end - lasting.start - lasting.seconds) < 1e-6
                assert group.ended == ()


async def test_a_prober_that_is_killed_and_restarted_is_not_a_loss(tmp_path: Path) -> None:
    async with probers(3, tmp_path) as scene:
        for host in range(3):
            await scene.start(host)
        scene.plan(range(3))
        await scene.connected(range(3))
        await scene.kill(1)
        await asyncio.sleep(3.0)
        again = time.time()
        await scene.start(1)
        await scene.connected([1], since=again)
        reports = await scene.reports_after([0, 2], time.time())
        for report in reports.values():
            for key, found in interruptions(report, name(1)).items():
                assert found, key
                assert all(each.refused and each.restarted for each in found), (key, found)
                assert max(each.seconds for each in found) > 2.5
            for key, found in interruptions(report).items():
                assert {each.target for each in found} == {name(1)}, key
            for group in report.groups:
                assert group.restarts == 1
                assert group.reconnects == (group.protocol == "tcp")
                assert group.reconnected_targets == ((name(1),) if group.protocol == "tcp" else ())


async def test_thirty_probers_of_which_some_lose_packets(tmp_path: Path) -> None:
    """With a longer interval, because they share the processors of one machine."""
    members, cut_off, interval = range(30), range(20, 30), 1.0
    pairs = [pair for other in cut_off for pair in ((0, other), (other, 0))]
    async with probers(30, tmp_path) as scene:
        for host in members:
            await scene.start(host)
        scene.plan(members, interval=interval)
        await scene.connected(members)
        drop = await scene.drop(pairs, 3.0)
        await asyncio.sleep(3.0)
        reports = await scene.reports_after(members, time.time())
        for host, report in reports.items():
            assert list(groups(report)) == FLOWS
            assert all(group.flows == 29 for group in report.groups)
            for key, found in interruptions(report).items():
                assert bool(found) == (host == 0 or host in cut_off), (host, key, found)
                for each in found:
                    assert each.target in ({name(other) for other in cut_off} if host == 0 else {name(0)})
                    assert_figure(each, drop, report, interval)


async def test_a_service_and_a_target_on_the_internet(tmp_path: Path) -> None:
    """Host 2 has the Service's addresses, and host 3 plays the internet: it refuses, which is an answer too."""
    async with probers(4, tmp_path) as scene:
        for host in range(3):
            await scene.start(host)
        ipv4, ipv6 = scene.made.addresses(3)
        scene.plan(range(2), services=scene.made.addresses(2), internet=(f"{ipv4}:9471", f"[{ipv6}]:9471"))
        await scene.start(3)
        await scene.connected(range(2))
        drop = await scene.drop([(0, 2), (2, 1)], 1.2)
        internet = await scene.drop([(1, 3)], 4.0)
        reports = await scene.reports_after(range(2), time.time())
        for host, report in reports.items():
            found = interruptions(report)
            for protocol in ("tcp", "udp"):
                for version, address in zip((4, 6), scene.made.addresses(2), strict=True):
                    (each,) = found["service", protocol, version]
                    assert each.target == address
                    assert_figure(each, drop, report)
                    assert found["pod", protocol, version] == []
            for version in (4, 6):
                each_internet = found["internet", "tcp", version]
                assert len(each_internet) == (host == 1)
                for each in each_internet:
                    assert abs(each.seconds - internet.seconds) <= each.uncertainty + internet.uncertainty
                    assert each.uncertainty <= 1.0 + INTERVAL + report.late + report.slowest
