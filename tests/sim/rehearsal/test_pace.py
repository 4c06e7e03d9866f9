"""The simulated clock runs only as fast as this machine can follow, and the result says so."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import web

from dualstack.cli.rehearsal.pace import REQUEST, SLOWEST, Pace, choose_speed
from dualstack.cli.rehearsal.world import WorldAddress
from dualstack.clock import ScaledClock
from dualstack_sim.steppable_clock import SteppableClock
from tests.sim.rehearsal.command import rehearse
from tests.support.loopback import on_loopback


@pytest.mark.parametrize(
    ("answer_seconds", "requested", "slowed"), [(0.0, 20.0, False), (0.02, 5000.0, True), (0.5, 50.0, True)]
)
async def test_r4_the_clock_is_slowed_down_to_what_requests_allow(
    answer_seconds: float, requested: float, slowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dualstack.cli.rehearsal.pace._SAMPLES", 3)
    clock = SteppableClock(origin=time.time(), speed=10.0)

    async def slow(request: web.Request) -> web.Response:
        if request.method == "POST":
            clock.set_speed((await request.json())["speed"])
        await asyncio.sleep(answer_seconds)
        return web.json_response({"origin": clock.formula_origin, "speed": clock.speed})

    application = web.Application()
    application.router.add_route("*", "/clock", slow)
    async with on_loopback(application) as url:
        address = WorldAddress("", url, Path(), Path(), Path(), ScaledClock(clock.origin, clock.speed))
        paced, pace = await choose_speed(address, requested)
    assert pace.speed == paced.clock.speed == clock.speed
    if slowed:
        assert SLOWEST <= pace.speed <= max(SLOWEST, REQUEST / answer_seconds)
        assert f"slowed down to --speed {pace.speed:.0f}" in (pace.describe() or "")
    else:
        assert (pace.speed, pace.describe()) == (requested, None)
    assert paced.clock.now() == pytest.approx(clock.now(), abs=0.1 * clock.speed)


def test_p33_a_world_that_falls_behind_its_clock_is_reported() -> None:
    pace = Pace(requested=400.0, speed=400.0)
    for seconds in (0.4, 4.0, 1.6):
        pace.note(seconds)
    assert pace.request_seconds == pytest.approx(2.0)
    assert "a request took 2.0 simulated seconds on average" in (pace.describe() or "")
    assert "use --speed 100" in (pace.describe() or "")
    followed = Pace(requested=100.0, speed=100.0)
    followed.note(0.5)
    assert followed.describe() is None


@pytest.mark.slow
def test_r4_the_highest_speed_ends_well_and_says_that_it_was_slowed_down() -> None:
    outcome = rehearse("--nodes", "2", speed="10000")
    assert outcome.status == 0, outcome.err
    clock = outcome.result["time"]
    assert clock["speed"] < 10000
    assert f"--speed {clock['speed']:.0f}" in clock["note"] or "fell behind" in clock["note"]
    assert "The clock was slowed down to" in outcome.err
