"""A clock with a variable speed that can be stepped forward.

In a rehearsal the operator computes the time by a formula (docs/decisions/0002-time.md) and does not notice a change.
The clock is then fixed and refuses changes.
"""

from __future__ import annotations

import asyncio
import math
import time

from dualstack.clock import Pauses
from dualstack.model.errors import DualstackError

_SOON = 1e-6
"""Seconds of wall-clock time by which a sleeper may wake early."""


_BEAT = 0.005
"""Seconds of wall time between two looks at whether the event loop keeps up."""

_LATE = 0.01
"""Seconds of wall time by which a look may be late while the event loop keeps up."""

_MOST, _LEAST = 0.012, 0.0005
"""Seconds of wall time by which the clock may advance between two looks: usually, and while the loop is busy."""


class ClockFixed(DualstackError):
    """The clock must not be changed; the message gives the reason."""


class SteppableClock:
    """Implements `dualstack.clock.Clock`. Equals the `ScaledClock` of the same origin and speed until it is changed."""

    def __init__(self, origin: float, speed: float = 1.0, pauses: Pauses | None = None) -> None:
        """pauses: where to keep for how long it stands still, if `pause_while_busy` is used."""
        if not 0.0 <= speed < float("inf"):
            raise ValueError(f"clock speed must be 0 or more, not {speed}")
        self.origin = origin
        self._wall = origin
        self._then = origin
        self._speed = speed
        self._sleepers: set[asyncio.Future[None]] = set()
        self._fixed_for = ""
        self._pauses = pauses

    @property
    def speed(self) -> float:
        """Simulated seconds per second of wall-clock time; 0 stops the clock."""
        return self._speed

    @property
    def stopped(self) -> bool:
        """Whether its time changes only by `step`."""
        return self._speed == 0.0

    @property
    def formula_origin(self) -> float:
        """The origin of the `ScaledClock` with the present speed and time; of no use at speed 1."""
        return (self._then - self._wall * self._speed) / (1.0 - self._speed) if self._speed != 1.0 else self.origin

    @property
    def pauses(self) -> Pauses | None:
        """How long it has stood still, for the clocks of other processes."""
        return self._pauses

    def now(self) -> float:
        return self._nominal() if self._pauses is None else min(self._nominal(), self._pauses.limit)

    def _nominal(self) -> float:
        """The time without the limit that holds until the next look of `pause_while_busy`."""
        return self._then + (self._running_wall() - self._wall) * self._speed

    def _running_wall(self) -> float:
        """The wall time, without that for which the clock stood still."""
        return time.time() - (self._pauses.seconds if self._pauses is not None else 0.0)

    async def sleep(self, seconds: float) -> None:
        due = self.now() + max(0.0, seconds)
        while (left := due - self.now()) > _SOON * self._speed:
            change = asyncio.get_running_loop().create_future()
            self._sleepers.add(change)
            shortest = Pauses.SHORTEST_SLEEP if self._pauses is not None else 0.0
            try:
                await asyncio.wait({change}, timeout=max(left / self._speed, shortest) if self._speed else None)
            finally:
                self._sleepers.discard(change)

    def set_speed(self, speed: float) -> None:
        """Change the speed from now on. ValueError below 0; ClockFixed."""
        if not 0.0 <= speed < float("inf"):
            raise ValueError(f"clock speed must be 0 or more, not {speed}")
        self._refuse_if_fixed()
        self._then, self._wall = self.now(), self._running_wall()
        self._speed = speed
        self._wake()

    def step(self, seconds: float) -> None:
        """Step forward by `seconds`. ValueError below 0; ClockFixed."""
        if not 0.0 <= seconds < float("inf"):
            raise ValueError(f"a step must be 0 or more seconds, not {seconds}")
        self._refuse_if_fixed()
        self._then += seconds
        if self._pauses is not None:
            self._pauses.limit += seconds
        self._wake()

    async def pause_while_busy(self) -> None:
        """Until cancelled: stand still while the event loop has more work than it can do in time.

        Simulated time then hardly depends on how fast this machine is. Without `pauses` it returns at once.
        """
        if self._pauses is None:
            return
        advance = _MOST
        try:
            while True:
                self._pauses.limit = self.now() + advance * self._speed
                looked = time.monotonic()
                await asyncio.sleep(_BEAT)
                late = time.monotonic() - looked - _BEAT
                advance = max(_LEAST, advance / 2.0) if late > _LATE else min(_MOST, advance * 1.25)
                beyond = self._nominal() - self._pauses.limit
                if beyond > 0.0 and self._speed:
                    self._pauses.seconds += beyond / self._speed
        finally:
            self._pauses.limit = math.inf  # other processes wait by this clock while they end

    def fix(self, reason: str) -> None:
        """Refuse changes from now on, for `reason`."""
        self._fixed_for = reason

    @property
    def fixed_for(self) -> str:
        """Why the clock must not be changed; "" if it may be."""
        return self._fixed_for

    def _refuse_if_fixed(self) -> None:
        if self._fixed_for:
            raise ClockFixed(f"the time of this world cannot be changed: {self._fixed_for}")

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
