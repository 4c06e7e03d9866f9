"""One process of several leads, and another one changes nothing, whatever happens to either."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from dualstack.kube.interface import Unavailable
from dualstack.model.kinds import LEASE, NAMESPACE, Kind, Manifest
from dualstack.operator.leadership import DURATION, FENCE, NAME, RENEWAL, RETRY, Leadership, LeadershipLost
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from tests.support.store_kube import StoreKube
from tests.support.virtual_time import VirtualClock, VirtualLoop


class Api(StoreKube):
    """Does not answer while `down`."""

    down = False

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        self._check()
        return await super().get(kind, name, namespace)

    async def patch(self, *arguments: Any, **options: Any) -> Manifest:
        self._check()
        return await super().patch(*arguments, **options)

    def _check(self) -> None:
        if self.down:
            raise Unavailable("down")


class World:
    """An API server with processes that want to lead."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        store = KubeStore(self.clock, Chance(1))
        store.create(NAMESPACE, {"metadata": {"name": "garden"}})
        self.api = Api(store)

    def process(self, name: str, api: Api | None = None) -> Leadership:
        return Leadership(api or self.api, "garden", name, self.clock)

    async def holder(self) -> str:
        lease = await self.api.get(LEASE, NAME, "garden")
        return str(lease["spec"]["holderIdentity"]) if lease else ""


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    made.jumping.grace = 0.0
    yield made
    made.close()


async def _stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_x6_of_two_that_start_at_once_one_leads(loop: VirtualLoop) -> None:
    async def story() -> None:
        world = World()
        both = [world.process("a"), world.process("b")]
        tasks = [asyncio.create_task(each.acquire()) for each in both]
        await world.clock.sleep(5.0)
        assert [each.leads for each in both].count(True) == 1
        (leader,) = (each for each in both if each.leads)
        (other,) = (each for each in both if not each.leads)
        assert other.leader == leader.identity == await world.holder()
        with pytest.raises(LeadershipLost):
            await other.confirm()
        await _stop(*tasks)

    loop.run_until_complete(story())


@pytest.mark.parametrize("released", [False, True])
def test_x6_another_takes_over_within_15_s(loop: VirtualLoop, released: bool) -> None:
    async def story() -> None:
        world = World()
        first, second = world.process("a"), world.process("b")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        waiting = asyncio.create_task(second.acquire())
        await world.clock.sleep(3600.5)
        assert not second.leads
        await _stop(keeping)  # as if it was killed
        if released:
            await first.release()
        began = world.clock.now()
        await waiting
        taken = world.clock.now() - began
        assert taken < (RETRY if released else DURATION + RETRY) + 0.1 <= 15.0
        assert await world.holder() == "b"
        await world.clock.sleep(FENCE)
        with pytest.raises(LeadershipLost, match=r"^(b|another process) has taken Lease garden/dualstack-operator"):
            await first.confirm()

    loop.run_until_complete(story())


@pytest.mark.parametrize("pause", [0.5 * FENCE, FENCE, DURATION, DURATION + 1.5 * RETRY, 3600.0])
def test_x6_a_change_is_only_allowed_while_no_other_can_have_the_lease(loop: VirtualLoop, pause: float) -> None:
    """Given a leader that stops for a while, when it goes on, then it may change something only if it still leads."""

    async def story() -> None:
        world = World()
        first, second = world.process("a"), world.process("b")
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await world.clock.sleep(pause)
        allowed = True
        try:
            await first.confirm()
        except LeadershipLost:
            allowed = False
        assert allowed == (await world.holder() == "a") == (not second.leads)
        assert allowed == (pause <= DURATION)
        await _stop(waiting)

    loop.run_until_complete(story())


def test_x6_while_the_api_is_down_nothing_changes_and_the_leader_stays(loop: VirtualLoop) -> None:
    async def story() -> None:
        world = World()
        first = world.process("a")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        with capture_logs() as lines:
            world.api.down = True
            await world.clock.sleep(FENCE + RENEWAL)
            with pytest.raises(Unavailable):
                await first.confirm()
            assert "down" in first.problem
            world.api.down = False
            await world.clock.sleep(RENEWAL + 0.1)
        await first.confirm()
        assert first.problem == ""
        logged = [line["event"] for line in lines]
        assert logged == [
            "cannot renew the Lease; nothing is changed meanwhile",
            "the Lease can be renewed again",
        ]
        await _stop(keeping)

    loop.run_until_complete(story())


def test_x6_a_leader_that_was_cut_off_ends_when_another_has_taken_over(loop: VirtualLoop) -> None:
    async def story() -> None:
        world = World()
        cut_off = Api(world.api._store)
        first, second = world.process("a", cut_off), world.process("b")
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        cut_off.down = True
        await second.acquire()
        with pytest.raises(Unavailable):
            await first.confirm()
        cut_off.down = False
        with pytest.raises(LeadershipLost, match=r"^b has taken Lease garden/dualstack-operator; this process"):
            await keeping
        with suppress(LeadershipLost):
            await first.release()
        assert await world.holder() == "b"

    loop.run_until_complete(story())
