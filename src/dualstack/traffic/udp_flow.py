"""A UDP stream to one address: one packet at each tick, and its answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from dualstack.traffic.interruptions import FlowLog
from dualstack.traffic.pairs import family
from dualstack.traffic.responder import IDENTITY, SIZE


class UdpFlow:
    """Sends from one socket for as long as it exists, so the packets have the same addresses and ports."""

    def __init__(self, target: str, address: str, port: int, now: Callable[[], float]) -> None:
        self.log = FlowLog(target)
        self._now = now
        self._socket = socket.socket(socket.AF_INET6 if family(address) == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._peer = (address, port)
        self._connected = False
        self._loop = asyncio.get_running_loop()

    def tick(self) -> None:
        """Send a packet."""
        number = self.log.send(self._now())
        if not self._connect():
            return
        try:
            self._socket.send(number.to_bytes(SIZE))
        except ConnectionRefusedError:  # of an earlier packet; this one was not sent
            self.log.refuse(number)
        except OSError:
            return  # no route or no buffer: it counts as lost

    def close(self) -> None:
        """Stop."""
        if self._connected:
            self._loop.remove_reader(self._socket)
        self._socket.close()

    def _connect(self) -> bool:
        """Choose the local address; fails while there is no route to the target."""
        if not self._connected:
            try:
                self._socket.connect(self._peer)
            except OSError:
                return False
            self._connected = True
            self._loop.add_reader(self._socket, self._readable)
        return True

    def _readable(self) -> None:
        while True:
            try:
                data = self._socket.recv(SIZE + IDENTITY + 1)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                self.log.refuse_latest()
                continue
            except OSError:
                continue  # another ICMP error: the packet counts as lost
            if len(data) == SIZE + IDENTITY:
                self.log.answer(int.from_bytes(data[:SIZE]), data[SIZE:], self._now())
