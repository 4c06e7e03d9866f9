"""One process at a time changes a cluster, whatever happens to the others."""

from __future__ import annotations

import asyncio

import pytest

from dualstack.clock import rfc3339
from dualstack.kube.interface import Kube
from dualstack.live import work_report
from dualstack.live.lease import ABANDONED, CONFIRMED, DURATION, NAME, RENEWAL, Holder, LeaseNotHeld
from dualstack.model.kinds import LEASE
from dualstack.model.manifests import manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from tests.support.store_kube import StoreKube

NOW = 1_800_000_000.0


class OwnClock:
    """The clock of one process: it goes on only while the process sleeps, or when a test says so."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.time = NOW + ahead

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)

    async def moment(self) -> float:
        """As work: the time at which it begins."""
        return self.time


class Stopped(OwnClock):
    """Of a process that is stopped: none of its waits ends."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def kube() -> Kube:
    return StoreKube(KubeStore(OwnClock(), Chance(1)))


async def done() -> str:
    return "done"


async def test_it_holds_the_lease_while_it_works_and_releases_it(kube: Kube) -> None:
    seen = []

    async def work() -> None:
        seen.append((await work_report.working(kube)).words)

    await Holder(kube, OwnClock(), "a").alone(work, print)
    assert seen[0].startswith("a, Lease renewed ")
    assert (await work_report.working(kube)).words == ""
    assert await Holder(kube, OwnClock(), "b").alone(done, print) == "done"


async def test_nothing_is_done_before_the_lease_is_held(kube: Kube) -> None:
    """The holder renews it, so the second process is refused, and has not begun."""
    first, second = OwnClock(), OwnClock()
    begun: list[str] = []
    holding = asyncio.Event()

    async def long() -> None:
        holding.set()
        await asyncio.Event().wait()

    async def begin() -> None:
        begun.append("second")

    working = asyncio.create_task(Holder(kube, first, "a").alone(long, print))
    await holding.wait()
    with pytest.raises(LeaseNotHeld, match=r"^a works on this cluster"):
        await Holder(kube, second, "b").alone(begin, print)
    assert begun == []
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def left_behind(kube: Kube, renewed: float) -> None:
    spec = {"holderIdentity": "killed", "leaseDurationSeconds": 60, "renewTime": rfc3339(renewed, fraction=True)}
    await kube.create(LEASE, manifest(LEASE, NAME, "kube-system", spec=spec))


@pytest.mark.parametrize("ahead", [-300.0, 0.0, 300.0])
async def test_the_lease_of_a_killed_process_is_taken_after_a_minute_whatever_the_clocks_say(
    kube: Kube, ahead: float
) -> None:
    await left_behind(kube, NOW)
    clock, said = OwnClock(ahead), list[str]()
    begun = await Holder(kube, clock, "b").alone(clock.moment, said.append)
    assert DURATION < begun - NOW - ahead <= DURATION + RENEWAL
    assert len(said) == 1
    assert "held by killed" in said[0]


async def test_an_abandoned_lease_is_taken_at_once(kube: Kube) -> None:
    await left_behind(kube, NOW - ABANDONED - 1.0)
    clock = OwnClock()
    assert await Holder(kube, clock, "b").alone(clock.moment, print) == NOW


async def test_a_stopped_holder_changes_nothing_after_another_process_took_the_lease(kube: Kube) -> None:
    stopped, released = Stopped(), asyncio.Event()
    holder = Holder(kube, stopped, "a")
    outcome: list[str] = []
    changed = asyncio.Event()

    async def work() -> None:
        await holder.confirm()
        outcome.append("changed while it held the Lease")
        changed.set()
        await released.wait()
        await holder.confirm()
        outcome.append("changed afterwards")

    working = asyncio.create_task(holder.alone(work, print))
    await changed.wait()
    other = asyncio.Event()

    async def takes_over() -> None:
        other.set()
        await asyncio.Event().wait()

    taking = asyncio.create_task(Holder(kube, OwnClock(), "b").alone(takes_over, print))
    await other.wait()
    stopped.time += CONFIRMED + DURATION
    released.set()
    with pytest.raises(LeaseNotHeld, match=r"^b has taken"):
        await working
    assert outcome == ["changed while it held the Lease"]
    assert ((await work_report.working(kube)).words).startswith("b,")
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)


async def test_many_changes_at_once_confirm_a_lease_once(kube: Kube) -> None:
    clock = Stopped()
    holder = Holder(kube, clock, "a")

    async def work() -> None:
        clock.time += CONFIRMED
        await asyncio.gather(*(holder.confirm() for _ in range(50)))

    await holder.alone(work, print)
    assert isinstance(kube, StoreKube)
    assert len([write for write in kube.writes if write[1] == "Lease"]) == 3


async def test_without_the_lease_nothing_may_be_changed(kube: Kube) -> None:
    with pytest.raises(LeaseNotHeld, match="does not hold Lease"):
        await Holder(kube, OwnClock(), "a").confirm()


async def test_a_lease_that_was_taken_and_released_meanwhile_is_lost(kube: Kube) -> None:
    """What this process knows of the cluster is out of date."""
    clock = Stopped()
    holder = Holder(kube, clock, "a")

    async def work() -> None:
        clock.time += DURATION + CONFIRMED
        await Holder(kube, OwnClock(2 * ABANDONED), "b").alone(done, print)
        await holder.confirm()

    with pytest.raises(LeaseNotHeld, match=r"^another process has taken"):
        await holder.alone(work, print)
