"""A clock for tests in which no time passes."""

from __future__ import annotations

import asyncio


class StillClock:
    """Always at the same time (`dualstack.clock.Clock`)."""

    def now(self) -> float:
        return 1_800_000_000.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
