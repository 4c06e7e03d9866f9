"""A client that costs as little as possible: HTTP/1.1 over a few connections, one request at a time on each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECTIONS = 8


class Refused(Exception):
    """The server answered a request of the benchmark with a status other than 200."""


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    path: str
    body: bytes = b""

    def encoded(self) -> bytes:
        head = f"{self.verb} {self.path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n"
        if self.body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
        return f"{head}\r\n".encode() + self.body


async def _answered(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200"):
        raise Refused(f"{head.splitlines()[0].decode()}: {body[:300].decode()}")
    return body


async def _work(url: str, requests: Iterator[Request]) -> None:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=2**24)
    try:
        for request in requests:
            writer.write(request.encoded())
            await _answered(reader)
    finally:
        writer.close()


async def drive(url: str, requests: list[Request]) -> float:
    """Seconds of wall time that all requests took together."""
    shared = iter(requests)
    begun = time.perf_counter()
    await asyncio.gather(*(_work(url, shared) for _ in range(CONNECTIONS)))
    return time.perf_counter() - begun


async def fetch(url: str, path: str) -> tuple[float, bytes]:
    """Seconds and body of one GET on a connection of its own."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=2**24)
    try:
        begun = time.perf_counter()
        writer.write(Request("GET", path).encoded())
        body = await _answered(reader)
        return time.perf_counter() - begun, body
    finally:
        writer.close()
