"""Interruptions of a flow, derived from the packets that were answered and those that were not.

The times are those at which packets were sent, by the clock of the sender: a packet that is answered late is not lost.
See docs/traffic.md#the-figure for the bound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol, TypeVar

import msgspec

GRACE = 5.0
"""Seconds after which a packet without an answer counts as lost: a prober may wait for its processor that long."""
REFUSAL_SPACING = 1.5
"""Kernels send at most one ICMP error a second to a host, so packets between two of them were refused as well."""


class Interruption(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A time without answers from `target`. `start` and `end` in seconds since the epoch.

    The true length is within `uncertainty` of `seconds` (docs/traffic.md#the-figure). `refused`: packets were refused
    (TCP reset, ICMP port unreachable), not lost. `restarted`: another process answered afterwards.
    """

    target: str
    start: float
    end: float
    seconds: float
    uncertainty: float
    refused: bool = False
    restarted: bool = False


class _State(Enum):
    OPEN = "no answer yet"
    ANSWERED = "answered"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(slots=True)
class _Packet:
    sent: float
    state: _State = _State.OPEN
    responder: bytes = b""
    took: float = 0.0


@dataclass(slots=True)
class _Run:
    """Consecutive packets with the same missing answer: when the first and the last were sent, and the one before.

    `took`: how long the answer to the one before took.
    """

    state: _State
    before: float
    took: float
    first: float
    last: float


class FlowLog:
    """The packets of one flow to `target`, numbered from 0 in the order in which they are sent.

    A flow begins with its first answer: what was sent before is counted only until then.
    `is_lost` decides about a packet without an answer after `GRACE`, by its number.
    """

    def __init__(self, target: str, is_lost: Callable[[int], bool] = lambda number: True) -> None:
        self.target = target
        self.sent = self.answered = self.refused = self.lost = 0
        self.restarts = 0
        self.slowest = 0.0
        self._is_lost = is_lost
        self._packets: deque[_Packet] = deque()
        self._first = 0
        self._latest: _Packet | None = None
        self._responder = b""
        self._runs: list[_Run] = []

    @property
    def reached(self) -> bool:
        """Whether a packet has ever been answered."""
        return self._latest is not None

    def send(self, at: float) -> int:
        """Record a packet that is sent at `at`; returns its number."""
        self._packets.append(_Packet(at))
        self.sent += 1
        return self._first + len(self._packets) - 1

    def answer(self, number: int, responder: bytes, at: float) -> None:
        """Record the answer to a packet, received at `at`. `responder` identifies the process that answered."""
        packet = self._decide(number, _State.ANSWERED)
        if packet is not None:
            packet.responder, packet.took = responder, at - packet.sent
            self.slowest = max(self.slowest, packet.took)

    def refuse(self, number: int) -> None:
        """Record that a packet was refused."""
        self._decide(number, _State.REFUSED)

    def lose(self, number: int) -> None:
        """Record that a packet is known to be lost."""
        self._decide(number, _State.LOST)

    def refuse_latest(self) -> None:
        """Record a refusal that does not name its packet: of the latest one without an answer."""
        for packet in reversed(self._packets):
            if packet.state is _State.OPEN:
                packet.state = _State.REFUSED
                return

    def settle(self, now: float) -> list[Interruption]:
        """Judge the packets that can be judged at `now`, and return the interruptions that have ended since."""
        ended: list[Interruption] = []
        while self._packets:
            packet = self._packets[0]
            if packet.state is _State.OPEN:
                if now - packet.sent < GRACE:
                    break
                packet.state = _State.LOST if self._is_lost(self._first) else _State.ANSWERED
            self._packets.popleft()
            self._first += 1
            ended.extend(self._judge(packet))
        return ended

    def judged_until(self, now: float) -> float:
        """When the first packet was sent that is not yet judged; `now` if there is none."""
        return self._packets[0].sent if self._packets else now

    def current(self, now: float) -> Interruption | None:
        """The interruption that lasts at `now`."""
        if not self._runs:
            return None
        last = _joined(self._runs)[-1]
        return self._interruption(last, max(now, last.last))

    def _decide(self, number: int, state: _State) -> _Packet | None:
        index = number - self._first
        if 0 <= index < len(self._packets) and self._packets[index].state is _State.OPEN:
            self._packets[index].state = state
            return self._packets[index]
        return None

    def _judge(self, packet: _Packet) -> Iterator[Interruption]:
        if packet.state is _State.ANSWERED:
            yield from self._judge_answered(packet)
            return
        if packet.state is _State.REFUSED:
            self.refused += 1
        else:
            self.lost += 1
        if self._latest is None:
            return  # the target has never been reached, so nothing is interrupted
        if self._runs and self._runs[-1].state is packet.state:
            self._runs[-1].last = packet.sent
        else:
            before = self._runs[-1].last if self._runs else self._latest.sent
            self._runs.append(_Run(packet.state, before, self._latest.took, packet.sent, packet.sent))

    def _judge_answered(self, packet: _Packet) -> Iterator[Interruption]:
        if self._latest is None:
            self.sent -= self.lost + self.refused
            self.lost = self.refused = 0
        self.answered += 1
        restarted = bool(self._responder and packet.responder and packet.responder != self._responder)
        self.restarts += restarted
        runs = _joined(self._runs)
        for run, after in zip(runs, [*(run.first for run in runs), packet.sent][1:], strict=True):
            yield self._interruption(run, after, packet.took, restarted=restarted)
        self._runs.clear()
        self._latest = packet
        self._responder = packet.responder or self._responder

    def _interruption(self, run: _Run, after: float, took: float = 0.0, *, restarted: bool = False) -> Interruption:
        start, end = (run.before + run.first) / 2, (run.last + after) / 2
        uncertainty = (run.first - run.before + after - run.last) / 2 + max(run.took, took)
        return Interruption(self.target, start, end, end - start, uncertainty, run.state is _State.REFUSED, restarted)


def _joined(runs: list[_Run]) -> list[_Run]:
    """The runs, where one without answers that is next to refusals and shorter than their spacing belongs to them."""
    refused = [run.state is _State.REFUSED for run in runs]
    states = [
        _State.REFUSED
        if refused[i] or (any(refused[max(0, i - 1) : i + 2]) and run.last - run.first < REFUSAL_SPACING)
        else run.state
        for i, run in enumerate(runs)
    ]
    result: list[_Run] = []
    for run, state in zip(runs, states, strict=True):
        if result and result[-1].state is state:
            result[-1].last = run.last
        else:
            result.append(replace(run, state=state))
    return result


MOST = 8
"""The interruptions that a report keeps for each kind of flow."""


class _Timed(Protocol):
    @property
    def end(self) -> float: ...

    @property
    def seconds(self) -> float: ...


Timed = TypeVar("Timed", bound=_Timed)


def undominated(interruptions: Iterable[Timed]) -> list[Timed]:
    """Those needed to tell, for every instant, the longest one that ended after it; oldest first.

    One that ended earlier and was not longer than another is left out.
    """
    kept: list[Timed] = []
    for each in sorted(interruptions, key=lambda each: (each.end, each.seconds)):
        while kept and kept[-1].seconds <= each.seconds:
            kept.pop()
        kept.append(each)
    return kept


def longest_since_any(interruptions: Iterable[Interruption], most: int = MOST) -> tuple[Interruption, ...]:
    """As `undominated`, at most `most`.

    Beyond, the one whose end is nearest to that of the longer one before it gives way to it, which then ends later: the
    answer is never too short.
    """
    kept = undominated(interruptions)
    while len(kept) > most:
        index = min(range(len(kept) - 1), key=lambda index: kept[index + 1].end - kept[index].end)
        merged = msgspec.structs.replace(kept[index], end=kept[index + 1].end)
        kept[index : index + 2] = [merged]
    return tuple(kept)
