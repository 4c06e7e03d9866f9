"""Answers the packets of other probers, by TCP and UDP, and names the process that answers."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import suppress

SIZE = 8
"""Bytes of a packet: its number. A TCP connection is a sequence of them."""
IDENTITY = 8
"""Bytes that identify a process. A UDP answer is the packet and these; a TCP connection begins with these."""
_BACKLOG = 1024
_BUFFER = 1 << 20
_WITHOUT_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class Responder:
    """Listens on one port with both protocols, for IPv4 and, where the host has it, IPv6."""

    def __init__(self) -> None:
        self.identity = os.urandom(IDENTITY)
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []

    async def start(self, port: int) -> None:
        """Listen on `port`. Raises OSError if it is taken."""
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                listening, bound = _socket(family, socket.SOCK_STREAM, port), _socket(family, socket.SOCK_DGRAM, port)
            except OSError as error:
                if family is socket.AF_INET6 and error.errno in _WITHOUT_IPV6:
                    return
                raise
            loop = asyncio.get_running_loop()
            self._servers.append(
                await loop.create_server(lambda: _Stream(self.identity), sock=listening, backlog=_BACKLOG)
            )
            loop.add_reader(bound, self._reflect, bound)
            self._sockets.append(bound)

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()
        for bound in self._sockets:
            asyncio.get_running_loop().remove_reader(bound)
            bound.close()

    def _reflect(self, bound: socket.socket) -> None:
        """Send back each packet that waits, with the identity."""
        while True:
            try:
                data, sender = bound.recvfrom(SIZE + 1)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error about an earlier answer
            if len(data) == SIZE:
                with suppress(OSError):  # no route back: the packet counts as lost
                    bound.sendto(data + self.identity, sender)


class _Stream(asyncio.Protocol):
    """Sends back what arrives."""

    def __init__(self, identity: bytes) -> None:
        self._identity = identity
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            transport.write(self._identity)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _socket(family: socket.AddressFamily, kind: socket.SocketKind, port: int) -> socket.socket:
    result = socket.socket(family, kind)
    try:
        result.setblocking(False)
        if kind is socket.SOCK_STREAM:
            result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            result.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        if family is socket.AF_INET6:
            result.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        result.bind(("::" if family is socket.AF_INET6 else "0.0.0.0", port))  # noqa: S104
    except OSError:
        result.close()
        raise
    return result
