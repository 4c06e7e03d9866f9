"""Sends the requests of a recording to a simulated cloud over HTTP, with its names of operations and fingerprints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.contract.recordings.recording import Json, Recorded
from tests.sim.compute.cloud import Cloud, HandClock

SPEEDS = (1.0, 10.0, 60.0)
"""Simulated seconds in one second of `at`: one of these in each recording."""


@dataclass(frozen=True)
class Outcome:
    """The answer to one recorded request."""

    request: Recorded
    status: int
    document: Json


@dataclass
class Replay:
    """Replays a recording on `cloud`, in which time stands still unless the replay moves it to the recorded instants.

    Names of operations and fingerprints are replaced by those of `cloud`. `renamed` replaces further segments of
    paths, such as a numeric id: recorded segment -> segment.
    """

    cloud: Cloud
    renamed: Mapping[str, str] = field(default_factory=dict)
    _operations: dict[str, str] = field(default_factory=dict)

    async def run(self, requests: Iterable[Recorded]) -> list[Outcome]:
        """The answers, in order."""
        requests = list(requests)
        started, speed = started_operations(requests), speed_of(requests)
        clock = self.cloud.clock
        assert isinstance(clock, HandClock), "set up the cloud with Setting(by_hand=True)"
        begin = clock.now()
        outcomes = []
        for number, request in enumerate(requests):
            clock.advance(max(0.0, begin + request.at * speed - clock.now()))
            path = "/".join(self._segment(segment) for segment in request.path.split("/"))
            body = await self._current(request, path)
            address = f"{self.cloud.root}/compute/v1/{path}"
            async with self.cloud.session.request(
                request.method, address, json=body, params=dict(request.query)
            ) as response:
                outcomes.append(Outcome(request, response.status, await response.json()))
            if number in started:
                self._operations[started[number]] = str(outcomes[-1].document.get("name", ""))
        return outcomes

    def _segment(self, segment: str) -> str:
        return self._operations.get(segment) or self.renamed.get(segment, segment)

    async def _current(self, request: Recorded, path: str) -> Json | None:
        """The body with the current fingerprint in place of the recorded one."""
        if request.body is None or "fingerprint" not in request.body:
            return request.body
        resource = await self.cloud.get(_resource(path))
        holder = resource
        if request.path.endswith("/updateNetworkInterface"):
            name = request.query["networkInterface"]
            holder = next(entry for entry in resource["networkInterfaces"] if entry["name"] == name)
        return request.body | {"fingerprint": holder["fingerprint"]}


def _resource(path: str) -> str:
    """The path of the resource within its project, without a custom verb."""
    parts = path.split("/")[2:]
    return "/".join(parts[:3] if parts[0] == "global" else parts[:4])


def started_operations(requests: Sequence[Recorded]) -> dict[int, str]:
    """The index of each request that started an operation that is read later, with the recorded name of the operation.

    The name of an operation has the simulated instant of its start in milliseconds, but the recordings do not have the
    answers. So operations are assigned to the changes of their scope by time.
    """
    reads, speed = _first_reads(requests), speed_of(requests)
    changes: dict[str, list[int]] = defaultdict(list)
    for number, request in enumerate(requests):
        if request.changes and request.status < 400:
            changes[request.scope].append(number)
    started: dict[int, str] = {}
    epoch = None
    for name, read in sorted(reads.items(), key=lambda entry: _milliseconds(entry[0])):
        free = [number for number in changes[requests[read].scope] if number < read and number not in started]
        if epoch is None:
            first = min(free)
            epoch = _milliseconds(name) / 1000 - requests[first].at * speed
        instant = (_milliseconds(name) / 1000 - epoch) / speed
        started[min(free, key=lambda number: (abs(requests[number].at - instant) > 0.01, number))] = name
    return started


def speed_of(requests: Sequence[Recorded]) -> float:
    """Simulated seconds in one second of `at`, from the names of the first and the last operation; 60 with less than
    two."""
    reads = _first_reads(requests)
    names = sorted(reads, key=_milliseconds)
    if len(names) < 2:
        return SPEEDS[-1]
    simulated = (_milliseconds(names[-1]) - _milliseconds(names[0])) / 1000
    recorded = requests[reads[names[-1]]].at - requests[reads[names[0]]].at
    return min(SPEEDS, key=lambda speed: abs(simulated - speed * recorded))


def _first_reads(requests: Sequence[Recorded]) -> dict[str, int]:
    """The index of the first read of each operation, by its name."""
    reads: dict[str, int] = {}
    for number, request in enumerate(requests):
        if request.operation:
            reads.setdefault(request.operation, number)
    return reads


def _milliseconds(operation: str) -> int:
    return int(operation.split("-")[1])
