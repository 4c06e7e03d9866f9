"""How fast the simulated clock may run on this machine.

The processes of a rehearsal need wall time for each request, during which simulated time passes. If one request takes
many simulated seconds, all durations and outages become longer than on the real cloud. So the clock is slowed down
before the run where this machine is too slow for the requested speed, and the result states how long requests took.
"""

from __future__ import annotations

import bisect
import statistics
import time
from dataclasses import dataclass, field, replace
from functools import partial

import aiohttp
import msgspec

from dualstack.cli.rehearsal.display import nodes_at_once, typical_duration
from dualstack.cli.rehearsal.record import FORWARD
from dualstack.cli.rehearsal.world import WorldAddress
from dualstack.gardener.model.shoot import ShootView

REQUEST = 0.5
"""Simulated seconds that a request may take before the run; during the run, the processes also work on others."""

COMPARABLE = 1.0
"""Simulated seconds for a request up to which the outages of a run are compared with their announcement."""

BEHIND = 1.5
"""Simulated seconds for a request above which the durations of a run are not to be trusted."""

SLOWEST = 2.0
"""The clock is not slowed down below this speed."""

MEASURED_AT = 200.0
"""The highest speed at which requests are measured; at a much higher one the world is busy with its own heartbeats."""

_SAMPLES = 25

MOST_NODES = 1000
"""No larger cluster has been tried; at this size, the estimate is an hour at best."""

PAIR_SECONDS = 0.003
"""Seconds of processor time for each pair of nodes: every host sees each change, and every pair is observed."""

CAPACITY = 20_000.0
"""Nodes times simulated seconds that one processor simulates in a second, besides the work for pairs."""

LONGEST = 3600.0
"""Seconds of wall time that a rehearsal may take on an idle machine."""


@dataclass(slots=True)
class Pace:
    """The speed of the clock, and the simulated seconds that requests took."""

    requested: float
    speed: float
    _samples: list[float] = field(default_factory=list)

    def note(self, seconds: float) -> None:
        """Add the simulated duration of one small request during the run."""
        self._samples.append(seconds)

    @property
    def request_seconds(self) -> float:
        """Simulated seconds that a request took on average."""
        return statistics.fmean(self._samples) if self._samples else 0.0

    @property
    def comparable(self) -> bool:
        """Whether requests were quick enough for an outage to last no longer than on the real cloud."""
        return self.request_seconds <= COMPARABLE

    @property
    def behind(self) -> bool:
        """Whether this machine could not follow the clock."""
        return self.request_seconds > BEHIND

    def describe(self) -> str | None:
        """One sentence if the machine did not follow the requested speed; None if it did."""
        if self.behind:
            better = max(1, int(self.speed * REQUEST / self.request_seconds))
            return (
                f"this machine fell behind its clock: a request took {self.request_seconds:.1f} simulated seconds on "
                f"average, so durations and outages are too long; use --speed {better}"
            )
        if self.speed < self.requested:
            return f"slowed down to --speed {self.speed:.0f}, which this machine can follow, from {self.requested:.0f}"
        return None


def too_large(shoot: ShootView) -> str | None:
    """Why the cluster cannot be rehearsed within `LONGEST`, with the largest number that can; None if it can."""
    nodes = sum(pool.minimum for pool in shoot.pools)
    if nodes <= MOST_NODES and _wall_seconds(shoot, nodes) <= LONGEST:
        return None
    # The estimate grows with the number, so that the largest one can be found by bisection.
    most = bisect.bisect_right(range(1, MOST_NODES + 1), LONGEST, key=partial(_wall_seconds, shoot))
    at_once = nodes_at_once(shoot)
    return (
        f"a rehearsal would take longer than {LONGEST / 3600:.0f} h; the largest possible number is {most}, with "
        f"{at_once} {'node' if at_once == 1 else 'nodes'} replaced at a time (maxSurge and maxUnavailable of the pools)"
    )


def _wall_seconds(shoot: ShootView, nodes: int) -> float:
    """How long a rehearsal takes on an idle machine, roughly (docs/measurements.md#rehearsals-of-large-clusters)."""
    return PAIR_SECONDS * nodes**2 + typical_duration(FORWARD, shoot, nodes) * nodes / CAPACITY


async def choose_speed(address: WorldAddress, requested: float) -> tuple[WorldAddress, Pace]:
    """Measure requests to the world, which is at rest, and set its clock to `requested` or what this machine follows.

    Nothing else may use the clock of `address` yet.
    """
    url = address.control.rstrip("/") + "/clock"
    async with aiohttp.ClientSession() as session:
        samples = []
        for _ in range(_SAMPLES):
            began = time.monotonic()
            async with session.get(url) as response:
                await response.read()
            samples.append(time.monotonic() - began)
        fastest = max(SLOWEST, float(int(REQUEST / statistics.median(samples))))
        async with session.post(url, json={"speed": min(requested, fastest)}) as response:
            answer = msgspec.json.decode(await response.read())
    clock = replace(address.clock, origin=answer["origin"], speed=answer["speed"])
    return replace(address, clock=clock), Pace(requested, clock.speed)
