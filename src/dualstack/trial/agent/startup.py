#!/usr/bin/python3
# dualstack-trial-agent 1
"""The agent of `dualstack trial`: the start-up script of its VMs, for the python3 of Debian 12 alone.

It is one file, because a VM gets it as one value of its metadata.

Orders come in the metadata attribute `dualstack-trial-orders`; reports go to the second serial port, one line each
(docs/evidence.md#agent). Everything above `main` that does not take a socket is also what simulated VMs run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import time
import tty
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Protocol

MARK = "dualstack-trial-agent 1"
"""Identifies this script, and the version of its protocol, in the metadata of a VM."""
ORDERS = "dualstack-trial-orders"
PREFIX = "dualstack-trial "
WINDOW = 0.1
"""Seconds; packets are counted by the window in which they were sent."""
GRACE = 1.0
"""Seconds within which an answer counts. Windows are reported when they are as old."""
REPORT = 1.0
"""Seconds between two reports."""
FACTS = 5.0
"""Seconds between two readings of the facts."""
RECONNECT = 0.2
BROKEN = 30.0
"""Seconds without an acknowledgement after which the kernel gives up a TCP connection."""
ALONE = 3600.0
"""Seconds without orders after which the VM shuts down."""
_SIZE = 8
"""Bytes of a packet: its number."""
_MOST_WAITING = 4096
_IP_PKTINFO = 8
_METADATA = "http://169.254.169.254"

Json = dict[str, Any]


class Windows:
    """The packets of one flow in windows of 100 ms on the clock, which begin at multiples of `WINDOW`."""

    def __init__(self) -> None:
        self._sent: dict[int, int] = {}
        self._answered: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._next: int | None = None

    def send(self, number: int, at: float) -> None:
        """Packet `number` is sent at `at`."""
        window = _window(at)
        if self._next is None:
            self._next = window
        self._sent[window] = self._sent.get(window, 0) + 1
        self._waiting[number] = window

    def answer(self, number: int) -> None:
        """The answer to a packet arrives. The second one, and one of a window that is reported, have no effect."""
        window = self._waiting.pop(number, None)
        if window is not None:
            self._answered[window] = self._answered.get(window, 0) + 1

    def take(self, until: float) -> Json | None:
        """The windows that ended before `until` and were not taken yet, without gaps; None if there is none."""
        first, end = self._next, _window(until)
        if first is None or end <= first:
            return None
        self._next = end
        self._waiting = {number: window for number, window in self._waiting.items() if window >= end}
        numbers = range(first, end)
        return {
            "from": round(first * WINDOW, 3),
            "sent": [self._sent.pop(window, 0) for window in numbers],
            "answered": [self._answered.pop(window, 0) for window in numbers],
        }


def _window(at: float) -> int:
    return round(at * 1000) // round(WINDOW * 1000)


def read_orders(text: str) -> Json:
    """Orders with every field, from the metadata attribute. Raises ValueError with the reason."""
    given = json.loads(text)
    if not isinstance(given, dict):
        raise ValueError("the orders are not an object")  # noqa: TRY004 (one error for all reasons)
    orders: Json = {"sequence": 0, "addresses": [], "flows": [], "echo": [], "facts": [], "until": 0.0} | given
    orders["flows"] = [{"source": None, "interval": WINDOW} | flow for flow in orders["flows"]]
    for flow in orders["flows"]:
        missing = {"id", "kind", "target", "port"} - flow.keys()
        if missing or flow["kind"] not in ("udp", "tcp") or not flow["interval"] > 0:
            raise ValueError(f"not a flow: {flow}")
    return orders


def report_line(name: str, now: float, orders: Json, flows: Json, facts: Json, errors: list[str]) -> str:
    """One report as it is written to the serial port."""
    report = {
        "sequence": orders["sequence"],
        "vm": name,
        "time": round(now, 3),
        "window": WINDOW,
        "flows": flows,
        "facts": facts,
        "errors": errors,
    }
    return PREFIX + json.dumps(report, separators=(",", ":")) + "\n"


class Source(Protocol):
    """A flow, real or simulated."""

    def taken(self, until: float) -> Json | None: ...


def collect(now: float, flows: Mapping[str, Source], ended: list[tuple[float, str, Source]]) -> Json:
    """The parts of a report at `now`. A flow that ended is reported to its end before one with the same id begins."""
    parts: Json = {}
    for each in list(ended):
        at, identity, flow = each
        if now - at > GRACE + WINDOW and identity not in parts:
            ended.remove(each)
            if (part := flow.taken(at + WINDOW)) is not None:
                parts[identity] = part
    waiting = {identity for _, identity, _ in ended}
    for identity, flow in flows.items():
        if identity not in parts and identity not in waiting and (part := flow.taken(now - GRACE)) is not None:
            parts[identity] = part
    return parts


class Flow(ABC):
    """One flow by its order: a packet at each interval, counted in `windows`."""

    def __init__(self, order: Json, now: Callable[[], float]) -> None:
        self.order = order
        self.windows = Windows()
        self.connections = 0
        self._now = now
        self._number = 0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self._tick()))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def taken(self, until: float) -> Json | None:
        """The next part of the report."""
        windows = self.windows.take(until)
        return None if windows is None else windows | {"connections": self.connections}

    @abstractmethod
    def transmit(self, number: int) -> None:
        """Send a packet."""

    async def _tick(self) -> None:
        """Send until cancelled. After a delay of more than a second, what was missed is not sent."""
        due = self._now()
        while True:
            self._number += 1
            self.windows.send(self._number, self._now())
            with suppress(OSError):  # no route, no buffer, or refused: the packet has no answer
                self.transmit(self._number)
            due = max(due + self.order["interval"], self._now() - GRACE)
            await asyncio.sleep(max(0.0, due - self._now()))

    def _bound(self, kind: socket.SocketKind) -> socket.socket:
        """A socket that sends from the source of the order."""
        target, source = self.order["target"], self.order["source"]
        bound = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, kind)
        bound.setblocking(False)
        try:
            if source:
                bound.bind((source, 0))
        except OSError:
            bound.close()
            raise
        return bound


class UdpFlow(Flow):
    """Sends from one socket for as long as it exists."""

    _socket: socket.socket | None = None

    def stop(self) -> None:
        super().stop()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def transmit(self, number: int) -> None:
        if self._socket is None:
            made = self._bound(socket.SOCK_DGRAM)
            asyncio.get_running_loop().add_reader(made, self._read, made)
            self._socket = made
        self._socket.sendto(number.to_bytes(_SIZE, "big"), (self.order["target"], self.order["port"]))

    def _read(self, bound: socket.socket) -> None:
        with suppress(OSError):
            while True:
                self.windows.answer(int.from_bytes(bound.recv(_SIZE), "big"))


class TcpFlow(Flow):
    """Holds one connection, and makes a new one when it breaks."""

    _writer: asyncio.StreamWriter | None = None

    def start(self) -> None:
        super().start()
        self._tasks.append(asyncio.get_running_loop().create_task(self._hold()))

    def transmit(self, number: int) -> None:
        writer = self._writer
        if writer is not None and writer.transport.get_write_buffer_size() < _MOST_WAITING:
            writer.write(number.to_bytes(_SIZE, "big"))

    async def _hold(self) -> None:
        while True:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await self._connection()
            await asyncio.sleep(RECONNECT)

    async def _connection(self) -> None:
        """One connection until it breaks."""
        bound = self._bound(socket.SOCK_STREAM)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(BROKEN * 1000))
        try:
            async with asyncio.timeout(GRACE):
                await asyncio.get_running_loop().sock_connect(bound, (self.order["target"], self.order["port"]))
            reader, writer = await asyncio.open_connection(sock=bound)
        except BaseException:
            bound.close()
            raise
        self._writer, self.connections = writer, self.connections + 1
        try:
            while True:
                self.windows.answer(int.from_bytes(await reader.readexactly(_SIZE), "big"))
        finally:
            self._writer = None
            writer.transport.abort()


class Echo:
    """Sends back what arrives on a port, by UDP from the address that it was sent to, and by TCP."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Listen for IPv4, and for IPv6 where the host has it. Raises OSError if the port is taken."""
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 (the VM's purpose)
            try:
                self._listen(family, host)
                self._servers.append(await asyncio.start_server(_echo, host, self._port, family=family))
            except OSError:
                if family is socket.AF_INET:
                    raise

    def stop(self) -> None:
        for server in self._servers:
            server.close()
        for bound in self._sockets:
            asyncio.get_running_loop().remove_reader(bound)
            bound.close()

    def _listen(self, family: socket.AddressFamily, host: str) -> None:
        bound = socket.socket(family, socket.SOCK_DGRAM)
        self._sockets.append(bound)
        bound.setblocking(False)
        if family is socket.AF_INET:
            bound.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        bound.bind((host, self._port))
        asyncio.get_running_loop().add_reader(bound, self._reflect, bound)

    def _reflect(self, bound: socket.socket) -> None:
        while True:
            try:
                data, received, _, sender = bound.recvmsg(_SIZE, 256)
            except OSError:
                return
            with suppress(OSError):  # no route back: the packet has no answer
                bound.sendmsg([data], [_from_there(*message) for message in received], 0, sender)


def _from_there(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """The control message that makes the answer leave from the address that the packet came to."""
    if level == socket.IPPROTO_IP:
        _, _, destination = struct.unpack("=I4s4s", data[:12])
        return level, kind, struct.pack("=I4s4s", 0, destination, b"\0" * 4)
    return level, kind, data[:16] + b"\0" * 4


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


class SerialPort:
    """Writes lines and never waits for the port: what it does not take now is written later."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK, 0o600)
        if os.isatty(self._descriptor):
            tty.setraw(self._descriptor)
        self._waiting = b""

    def write(self, line: str) -> None:
        self._waiting += line.encode()
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._waiting = self._waiting[os.write(self._descriptor, self._waiting) :]
        except BlockingIOError:
            loop.add_writer(self._descriptor, self._flush)
            return
        if self._waiting:
            loop.call_soon(self._flush)
        else:
            with suppress(OSError):  # a regular file, as in tests, cannot be waited for
                loop.remove_writer(self._descriptor)


class Agent:
    """Carries out orders, and reports."""

    def __init__(self, name: str, serial: SerialPort, power_off: list[str]) -> None:
        self._name, self._serial, self._power_off = name, serial, power_off
        self._offset = time.time() - time.monotonic()
        self._began = self.now()
        self._orders: Json = read_orders("{}")
        self._flows: dict[str, Flow] = {}
        self._ended: list[tuple[float, str, Source]] = []
        self._echoes: dict[int, Echo] = {}
        self._addresses: set[str] = set()
        self._facts: Json = {}
        self._read_at = 0.0
        self.errors: list[str] = []

    def now(self) -> float:
        """Seconds since the epoch; the wall clock is read only while no flow runs, so that windows stay in order."""
        return time.monotonic() + self._offset

    async def follow(self, orders: Json) -> None:
        """Change to new orders. Flows, addresses and ports that stay are not interrupted."""
        if not self._flows:
            self._offset = time.time() - time.monotonic()
        self._orders, self._read_at, self.errors = orders, 0.0, []
        wanted = set(orders["addresses"])
        for address in sorted(wanted - self._addresses):
            await self._run("ip", "address", "replace", address, "dev", "lo")
        for address in sorted(self._addresses - wanted):
            await self._run("ip", "address", "delete", address, "dev", "lo")
        self._addresses = wanted
        for port in sorted(self._echoes.keys() - orders["echo"]):
            self._echoes.pop(port).stop()
        for port in sorted(set(orders["echo"]) - self._echoes.keys()):
            self._echoes[port] = Echo(port)
            try:
                await self._echoes[port].start()
            except OSError as error:
                self.errors.append(f"port {port}: {error}")
        self._follow_flows({flow["id"]: flow for flow in orders["flows"]})

    def _follow_flows(self, wanted: dict[str, Json]) -> None:
        for identity, flow in list(self._flows.items()):
            if wanted.get(identity) != flow.order:
                flow.stop()
                self._ended.append((self.now(), identity, self._flows.pop(identity)))
        for identity in wanted.keys() - self._flows.keys():
            made = UdpFlow if wanted[identity]["kind"] == "udp" else TcpFlow
            self._flows[identity] = made(wanted[identity], self.now)
            self._flows[identity].start()

    async def work(self) -> None:
        """Report until cancelled."""
        while True:
            await self._read_facts()
            now = self.now()
            if now > (self._orders["until"] or self._began + ALONE):
                await self._run(*self._power_off)
            self._serial.write(
                report_line(
                    self._name, now, self._orders, collect(now, self._flows, self._ended), self._facts, self.errors[-5:]
                )
            )
            await asyncio.sleep(REPORT)

    async def _read_facts(self) -> None:
        if self.now() - self._read_at < FACTS:
            return
        self._read_at = self.now()
        self._facts = {name: await READERS[name](self._run) for name in self._orders["facts"] if name in READERS}

    async def _run(self, *words: str) -> str | None:
        """What a program prints; None, and an error in the report, if it fails."""
        try:
            process = await asyncio.create_subprocess_exec(
                *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
        except OSError as error:
            self.errors.append(f"{words[0]}: {error.strerror}")
            return None
        output, problem = await process.communicate()
        if process.returncode != 0:
            self.errors.append(f"{' '.join(words)}: {problem.decode(errors='replace').strip()}")
            return None
        return output.decode(errors="replace")


Run = Callable[..., Coroutine[Any, Any, str | None]]


async def _local_routes(run: Run) -> list[str] | None:
    """The local routes of the guest agent, which it marks with protocol 66."""
    output = await run("ip", "-json", "route", "show", "table", "local", "proto", "66")
    return None if output is None else sorted(str(route["dst"]) for route in json.loads(output or "[]"))


async def _addresses6(run: Run) -> list[str] | None:
    """The global IPv6 addresses of the NICs."""
    output = await run("ip", "-json", "-6", "address", "show", "scope", "global")
    if output is None:
        return None
    links = [link for link in json.loads(output or "[]") if link.get("ifname") not in (None, "lo")]
    return sorted(str(entry["local"]) for link in links for entry in link.get("addr_info", ()) if entry)


async def _guest_agent(run: Run) -> Json | None:
    """Whether a guest agent runs, and the version of its package."""
    units = ("google-guest-agent.service", "google-guest-agent-manager.service")
    output = await run("systemctl", "show", "--property=ActiveState", *units)
    version = await run("dpkg-query", "--show", "--showformat=${Version}", "google-guest-agent")
    return None if output is None else {"running": "ActiveState=active" in output.split(), "version": version}


READERS: dict[str, Callable[[Run], Coroutine[Any, Any, Any]]] = {
    "local-routes": _local_routes,
    "addresses6": _addresses6,
    "agent": _guest_agent,
}


async def _get(url: str, timeout: float = 90.0) -> tuple[str, str]:
    """The text of a metadata value, and its ETag. Raises OSError."""

    def get() -> tuple[str, str]:
        request = urllib.request.Request(url, headers={"Metadata-Flavor": "Google"})  # noqa: S310 (a URL of ours)
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            return response.read().decode(), response.headers.get("ETag", "")

    return await asyncio.to_thread(get)


async def _follow_metadata(agent: Agent, metadata: str) -> None:
    """Take each new value of the orders. The metadata server answers a waiting request when the value changes."""
    url, etag = f"{metadata}/computeMetadata/v1/instance/attributes/{ORDERS}", ""
    while True:
        wait = f"?wait_for_change=true&timeout_sec=60&last_etag={etag}" if etag else ""
        try:
            text, new = await _get(url + wait)
        except (OSError, ValueError):  # there are no orders yet, or the server does not answer now
            etag = ""
            await asyncio.sleep(1.0)
            continue
        if new != etag or not new:
            try:
                await agent.follow(read_orders(text))
            except (ValueError, TypeError, AttributeError) as error:
                agent.errors.append(f"orders not understood: {error}")
        if not new:
            await asyncio.sleep(1.0)
        etag = new


async def run(metadata: str, serial: SerialPort, power_off: list[str]) -> None:
    """Work until the VM ends."""
    while True:
        try:
            name, _ = await _get(f"{metadata}/computeMetadata/v1/instance/name", 5.0)
            break
        except OSError:
            await asyncio.sleep(1.0)
    agent = Agent(name, serial, power_off)
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.work())
        group.create_task(_follow_metadata(agent, metadata))


def main() -> None:
    """Without options, as on a VM; the options are for tests of this file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata", default=_METADATA)
    parser.add_argument("--serial", default="/dev/ttyS1")
    parser.add_argument("--power-off", default="systemctl poweroff")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(run(options.metadata, SerialPort(options.serial), options.power_off.split()))


if __name__ == "__main__":
    main()
