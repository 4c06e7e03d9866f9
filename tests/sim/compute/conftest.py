from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .cloud import Cloud, running


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made
