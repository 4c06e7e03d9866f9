"""Quota windows: what a refusal teaches, and how much of a window is used
(docs/reference/compute-engine.md#rate-windows)."""

from __future__ import annotations

import pytest
from tests.unit.gardener.controllers.scripted_world import ScriptedClock

from dualstack.gce.errors import RateLimited, refusal
from dualstack.gce.pacing import LEAST, WINDOW, QuotaWindows, group_of


@pytest.mark.parametrize(
    ("method", "path", "group"),
    [
        ("GET", "", "read"),
        ("GET", "global/networks/n", "read"),
        ("GET", "global/routes", "list"),
        ("GET", "aggregated/subnetworks", "heavy"),
        ("GET", "global/operations/o", "operation"),
        ("GET", "regions/r1-west/subnetworks/s", "read r1-west"),
        ("GET", "zones/r1-west-b/operations", "list r1-west"),
        ("GET", "zones/r1-west-b/operations/o", "operation r1-west"),
        ("DELETE", "global/routes/r", "change"),
        ("PATCH", "zones/r1-west-b/instances/i/updateNetworkInterface", "change r1-west"),
        ("POST", "regions/r1-west/subnetworks", "change r1-west"),
    ],
)
def test_requests_are_grouped_by_their_rate_quota(method: str, path: str, group: str) -> None:
    assert group_of(method, path) == group


async def turn(windows: QuotaWindows, group: str) -> None:
    """Count a request once the group has room for it, as the client does."""
    while not windows.take(group):
        await windows.room(group)


class Quota:
    """A fixed window that bears `limit` requests."""

    def __init__(self, limit: int, *, states_it: bool) -> None:
        self.clock = ScriptedClock()
        self.windows = QuotaWindows(self.clock)
        self.limit = limit
        self.states_it = states_it
        self.served: dict[int, int] = {}
        self.refusals = 0

    async def request(self) -> None:
        while True:
            await turn(self.windows, "change")
            window = int(self.clock.now() // WINDOW)
            if self.served.get(window, 0) < self.limit:
                self.served[window] = self.served.get(window, 0) + 1
                return
            self.refusals += 1
            self.windows.refused("change", self.limit if self.states_it else None)


@pytest.mark.parametrize("states_it", [True, False])
async def test_every_window_is_used_with_few_refusals(states_it: bool) -> None:
    quota = Quota(150, states_it=states_it)
    for _ in range(900):
        await quota.request()
    first, *full = [quota.served[window] for window in sorted(quota.served)]
    assert first <= 150
    assert all(used >= 0.85 * 150 for used in full[:-1])
    assert quota.refusals <= (1 if states_it else len(quota.served))


async def test_the_fullest_window_of_a_group_is_remembered() -> None:
    clock = ScriptedClock()
    windows = QuotaWindows(clock)
    for requests in (3, 7, 2):
        for _ in range(requests):
            assert windows.take("list")
        await clock.sleep(WINDOW)
    assert windows.peaks() == {"list": 7}


async def test_refused_requests_continue_when_the_next_window_begins() -> None:
    clock = ScriptedClock()
    windows = QuotaWindows(clock)
    await clock.sleep(WINDOW - clock.now() % WINDOW + 40.0)
    await turn(windows, "change")
    windows.refused("change")
    refused_at = clock.now()
    await turn(windows, "change")
    assert clock.now() == refused_at + 20.0


async def test_a_raised_quota_is_used_eventually() -> None:
    quota = Quota(100, states_it=False)
    for _ in range(250):
        await quota.request()
    quota.limit = 200
    for _ in range(1500):
        await quota.request()
    assert max(quota.served.values()) >= 0.85 * 200


async def test_an_early_refusal_does_not_block_the_window() -> None:
    """The cloud's previous window may still last when ours begins."""
    clock = ScriptedClock()
    windows = QuotaWindows(clock)
    await turn(windows, "change")
    windows.refused("change")
    began = clock.now()
    for _ in range(LEAST):
        await turn(windows, "change")
    assert clock.now() - began <= WINDOW


@pytest.mark.parametrize(
    ("details", "limit"),
    [
        ([{"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit_value": "150"}}], 150),
        ([{"metadata": {"quota_limit_value": "many"}}], None),
        ([{"metadata": "none"}], None),
        (None, None),
    ],
)
def test_the_limit_is_taken_from_a_refusal_that_states_it(details: object, limit: int | None) -> None:
    body = {"error": {"code": 403, "errors": [{"reason": "rateLimitExceeded"}], "details": details}}
    refused = refusal(403, body)
    assert isinstance(refused, RateLimited)
    assert refused.limit == limit
