"""Hosts in network namespaces of their own, joined by a router that drops packets of named pairs. Needs root.

Every host has an IPv4 and an IPv6 address and one link to the router. The names of the namespaces carry the id of the
test process, and the next use removes those of processes that have ended.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

_PREFIX = "dst"
_GATEWAY = "10.76.0.1"
_CLONE_NEWNET = 0x40000000


class Hosts:
    """`count` hosts, numbered from 0. Use as a context manager through `hosts`."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._name = f"{_PREFIX}-{os.getpid()}-{time.monotonic_ns() % 10**9}"
        self.router = f"{self._name}-r"
        self._drops: set[tuple[str, str]] = set()

    def namespace(self, host: int) -> str:
        return f"{self._name}-{host}"

    @staticmethod
    def addresses(host: int) -> tuple[str, str]:
        """IPv4 and IPv6."""
        return f"10.77.{host // 200}.{host % 200 + 1}", f"fd77::{host + 1:x}"

    def make(self) -> None:
        _ip(f"netns add {self.router}", *(f"netns add {self.namespace(host)}" for host in range(self._count)))
        self._shell(
            self.router, "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
        )
        router = ["link set lo up", f"address add {_GATEWAY}/32 dev lo"]
        for host in range(self._count):
            ipv4, ipv6 = self.addresses(host)
            link = f"host{host}"
            router += [
                f"link add {link} type veth peer name eth0 netns {self.namespace(host)}",
                f"link set {link} up",
                f"address add fe80::1/64 dev {link} nodad",
                f"route add {ipv4}/32 dev {link}",
                f"route add {ipv6}/128 dev {link}",
            ]
        _ip(*router, namespace=self.router)
        for host in range(self._count):
            ipv4, ipv6 = self.addresses(host)
            _ip(
                "link set lo up",
                f"address add {ipv4}/32 dev eth0",
                f"address add {ipv6}/128 dev eth0 nodad",
                "link set eth0 up",
                f"route add {_GATEWAY}/32 dev eth0 scope link",
                f"route add default via {_GATEWAY} dev eth0",
                "route add default via fe80::1 dev eth0",
                namespace=self.namespace(host),
            )

    def remove(self) -> None:
        """Delete the namespaces, and their links with them."""
        for name in [self.router, *(self.namespace(host) for host in range(self._count))]:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def drop(self, pairs: Collection[tuple[int, int]]) -> tuple[float, float]:
        """Drop all packets from the first host to the second of each pair. Returns the times before and after."""
        return self._rules("add", pairs)

    def deliver(self, pairs: Collection[tuple[int, int]]) -> tuple[float, float]:
        """Deliver them again."""
        return self._rules("delete", pairs)

    def listen(self) -> socket.socket:
        """A listening socket in the router's namespace, at an address that every host reaches."""
        made: list[socket.socket] = []

        def work() -> None:
            with Path(f"/var/run/netns/{self.router}").open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_server((_GATEWAY, 0)))

        thread = Thread(target=work)
        thread.start()
        thread.join()
        return made[0]

    def command(self, host: int, *words: str) -> list[str]:
        """The command line that runs `words` on a host."""
        return ["ip", "netns", "exec", self.namespace(host), *words]

    def _rules(self, verb: str, pairs: Collection[tuple[int, int]]) -> tuple[float, float]:
        lines = [
            [
                f"rule {verb} pref 10 from {self.addresses(source)[place]} to {self.addresses(other)[place]} blackhole"
                for source, other in pairs
            ]
            for place in (0, 1)
        ]
        before = time.time()
        _ip(*lines[0], namespace=self.router, family=4)
        _ip(*lines[1], namespace=self.router, family=6)
        return before, time.time()

    @staticmethod
    def _shell(namespace: str, script: str) -> None:
        subprocess.run(["ip", "netns", "exec", namespace, "sh", "-c", script], check=True)


@contextmanager
def hosts(count: int) -> Iterator[Hosts]:
    """`count` hosts, removed afterwards also if the test fails."""
    _remove_left_over()
    made = Hosts(count)
    try:
        made.make()
        yield made
    finally:
        made.remove()


def _remove_left_over() -> None:
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout.split("\n")
    for name in (line.split()[0] for line in listed if line.startswith(f"{_PREFIX}-")):
        if not Path("/proc", name.split("-")[1]).exists():
            subprocess.run(["ip", "netns", "delete", name], check=False)


def _ip(*lines: str, namespace: str = "", family: int | None = None) -> None:
    words = ["ip", *([f"-{family}"] if family else []), *(["-n", namespace] if namespace else []), "-batch", "-"]
    subprocess.run(words, input="\n".join(lines), text=True, check=True)
