"""A TCP connection to one address: one packet at each tick, and its echo.

While packets wait for an acknowledgement, each tick also opens a new connection. The kernel retransmits a lost segment
after 0.2, 0.4, 0.8 ... s, so a connection that had stalled moves again up to as much later; the new connections show
when the path is back (docs/traffic.md#tcp).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dualstack.traffic.interruptions import FlowLog
from dualstack.traffic.pairs import family
from dualstack.traffic.responder import IDENTITY, SIZE

ATTEMPT_TIMEOUT = 0.9
"""Seconds after which an attempt ends, before the kernel repeats its SYN."""
_LONGEST_HANDSHAKE = 0.5
"""Seconds; a handshake that took longer needed a repeated SYN or SYN-ACK, so it tells of a later time."""
MOST_WAITING = 50
"""Packets that may wait for their echo; a stalled connection gets no more."""
_PROMPT = 0.01
"""Seconds within which an echo shows that its packet was not lost. A lost one needs a retransmission."""
_TCP_INFO_SIZE = 232
_UNACKED, _RTT, _TOTAL_RETRANS, _DSACK_DUPS = 24, 68, 100, 216
"""Offsets in `struct tcp_info` of Linux."""


class _Waiting(NamedTuple):
    """A packet without its echo. `retransmissions`: of the connection before it was written."""

    number: int
    sent: float
    retransmissions: int


@dataclass(slots=True)
class _Attempt:
    """`sent_by`: when the SYN had been sent for certain."""

    number: int
    begun: float
    socket: socket.socket
    sent_by: float = 0.0


class TcpFlow:
    """Holds one connection. `hold=False`: none, only an attempt at each tick, for a target that does not echo."""

    def __init__(self, target: str, address: str, port: int, now: Callable[[], float], *, hold: bool = True) -> None:
        self.log = FlowLog(target, self._is_lost)
        self.reconnects = 0
        self._longest_stall = 0.0
        self._peer = (address, port)
        self._family = socket.AF_INET6 if family(address) == 6 else socket.AF_INET
        self._now = now
        self._hold = hold
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._received = b""
        self._identity = b""
        self._waiting: deque[_Waiting] = deque()
        self._attempts: dict[int, _Attempt] = {}
        self._greeting: int | None = None

    def tick(self) -> None:
        """Send a packet; open a connection when there is none or it does not move."""
        now = self._now()
        self._expire(now)
        number = self.log.send(now)
        moves = self._socket is not None and (not self._waiting or _unacknowledged(self._socket) == 0)
        if not self._write(number, now) or not moves:
            self._attempt(number, now)

    def stalled(self, now: float) -> float:
        """The longest time in which an established connection moved no data after a loss."""
        first = self._waiting[0] if self._waiting else None
        lasting = now - first.sent if first is not None and self._sent_again(first) else 0.0
        return max(self._longest_stall, lasting)

    def close(self) -> None:
        """Stop."""
        for attempt in list(self._attempts.values()):
            self._end_attempt(attempt)
        self._disconnect()

    # -- the connection

    def _write(self, number: int, now: float) -> bool:
        """Whether the packet could be given to the kernel."""
        if self._socket is None or len(self._waiting) >= MOST_WAITING:
            return False
        waiting = _Waiting(number, now, net_retransmissions(self._socket))
        try:
            self._socket.send(number.to_bytes(SIZE))
        except BlockingIOError:
            return False
        except OSError as error:
            self._broken(error)
            return False
        self._waiting.append(waiting)
        return True

    def _readable(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(error)
            return
        if not data:
            self._broken(None)
            return
        self._received += data
        if not self._identity and len(self._received) >= IDENTITY:
            self._identity, self._received = self._received[:IDENTITY], self._received[IDENTITY:]
            if self._greeting is not None:
                self.log.answer(self._greeting, self._identity, self._now())
        while self._identity and len(self._received) >= SIZE:
            number, self._received = int.from_bytes(self._received[:SIZE]), self._received[SIZE:]
            self._echoed(number)

    def _echoed(self, number: int) -> None:
        while self._waiting and self._waiting[0].number <= number:
            waiting = self._waiting.popleft()
            self._judge(waiting)

    def _judge(self, waiting: _Waiting) -> None:
        """A late packet was lost if the kernel had to send again; if an attempt was made beside it, that one tells."""
        now = self._now()
        took = now - waiting.sent
        sent_again = took > _PROMPT and self._sent_again(waiting)
        if sent_again:
            self._longest_stall = max(self._longest_stall, took)
        if took > _PROMPT and waiting.number in self._attempts:
            return
        if sent_again:
            self.log.lose(waiting.number)
        else:
            self.log.answer(waiting.number, self._identity, now)

    def _sent_again(self, waiting: _Waiting) -> bool:
        return self._socket is not None and net_retransmissions(self._socket) > waiting.retransmissions

    def _is_lost(self, number: int) -> bool:
        """Whether a packet without an echo is lost: the connection had to send it again, or does not exist."""
        if number == self._greeting:
            return False
        waiting = next((each for each in self._waiting if each.number == number), None)
        return waiting is None or self._sent_again(waiting)

    def _broken(self, error: OSError | None) -> None:
        """The connection was reset or closed by the other side, or the kernel gave it up after many retransmissions."""
        reset = error is None or error.errno in (errno.ECONNRESET, errno.EPIPE)
        for waiting in self._waiting:
            if waiting.number in self._attempts:
                continue
            if reset and not self._sent_again(waiting):
                self.log.refuse(waiting.number)
            else:
                self.log.lose(waiting.number)
        self._disconnect()
        self.reconnects += 1

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        self._socket, self._received, self._identity = None, b"", b""
        self._waiting.clear()

    # -- attempts

    def _attempt(self, number: int, now: float) -> None:
        attempt = _Attempt(number, now, socket.socket(self._family, socket.SOCK_STREAM))
        attempt.socket.setblocking(False)
        attempt.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        outcome = attempt.socket.connect_ex(self._peer)
        attempt.sent_by = self._now()
        self._attempts[number] = attempt
        if outcome == errno.EINPROGRESS:
            self._loop.add_writer(attempt.socket, self._attempted, attempt)
        else:
            self._conclude(attempt, outcome)

    def _attempted(self, attempt: _Attempt) -> None:
        self._conclude(attempt, attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _conclude(self, attempt: _Attempt, outcome: int) -> None:
        took = _handshake(attempt.socket) if outcome == 0 else None
        if outcome == errno.ECONNREFUSED:
            self.log.refuse(attempt.number)
        elif took is None:
            self.log.lose(attempt.number)
        elif not self._hold or self._socket is not None:
            self.log.answer(attempt.number, self._identity, attempt.sent_by + took)
        if outcome == 0 and self._hold and self._socket is None:
            self._adopt(attempt)
        else:
            self._end_attempt(attempt)

    def _adopt(self, attempt: _Attempt) -> None:
        """Hold the new connection. Its packet is answered by the greeting, which identifies the process."""
        self._greeting = attempt.number
        del self._attempts[attempt.number]
        self._loop.remove_writer(attempt.socket)
        self._socket = attempt.socket
        self._loop.add_reader(self._socket, self._readable)

    def _expire(self, now: float) -> None:
        for attempt in [each for each in self._attempts.values() if now - each.begun >= ATTEMPT_TIMEOUT]:
            if _connected(attempt.socket):
                self._conclude(attempt, 0)
            else:
                self.log.lose(attempt.number)
                self._end_attempt(attempt)

    def _end_attempt(self, attempt: _Attempt) -> None:
        """Close with a reset, so that neither side keeps the connection in TIME_WAIT."""
        self._attempts.pop(attempt.number, None)
        self._loop.remove_writer(attempt.socket)
        attempt.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        attempt.socket.close()


def net_retransmissions(connection: socket.socket) -> int:
    """The retransmissions of the connection, without those that the receiver reported as needless (RFC 2883)."""
    info = _info(connection)
    return max(0, _field(info, _TOTAL_RETRANS) - _field(info, _DSACK_DUPS))


def _unacknowledged(connection: socket.socket) -> int:
    """The segments that the other side's kernel has not acknowledged. It acknowledges what its process has not read."""
    return _field(_info(connection), _UNACKED)


def _handshake(connection: socket.socket) -> float | None:
    """The seconds from SYN to SYN-ACK by the kernel's clock; None if one of them had to be repeated."""
    info = _info(connection)
    took = _field(info, _RTT) / 1e6
    return None if _field(info, _TOTAL_RETRANS) or took > _LONGEST_HANDSHAKE else took


def _info(connection: socket.socket) -> bytes:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)


def _field(info: bytes, offset: int) -> int:
    return int.from_bytes(info[offset : offset + 4], sys.byteorder)


def _connected(candidate: socket.socket) -> bool:
    try:
        candidate.getpeername()
    except OSError:
        return False
    return True
