from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.sim.compute.cloud import Cloud, Setting, running


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made


@pytest.fixture
async def held() -> AsyncIterator[Cloud]:
    """A cloud in which time stands still unless the test moves it, so operations keep running."""
    async with running(Setting(by_hand=True)) as made:
        yield made
