"""Health and readiness, served by a thread of their own, so that a stuck event loop is reported and not only silent."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Protocol

import structlog

from dualstack.kube.interface import Unauthenticated, Unavailable
from dualstack.model.errors import InvalidInput, KubeError
from dualstack.model.kinds import Kind
from dualstack.operator.leadership import Leadership

BEAT = 1.0
"""Wall seconds between two signs of life of the event loop."""

REFUSED = 300.0
"""Wall seconds for which the API server has refused the credentials, after which a restart reads all of them again."""

STUCK = 30.0
"""Wall seconds without a sign of life after which the event loop counts as stuck."""

ASK, ANSWER = 15.0, 10.0
"""Wall seconds between two questions to an API server, and after which one counts as unanswered."""


class Answering(Protocol):
    """An API server that may hang."""

    async def probe(self, kind: Kind) -> None:
        """List at most one object of the kind. Raises KubeError."""
        ...


class Health:
    """What /healthz and /readyz answer: "" is good, anything else is the reason why not."""

    def __init__(self) -> None:
        self._problems: dict[Kind, str] | None = None
        self._beat = time.monotonic()
        self._refused_since: dict[Kind, float] = {}
        self._unanswered: dict[str, str] = {}
        self.leadership: Leadership | None = None
        """None: this process does not wait for others."""

    def expect(self, kinds: Iterable[Kind]) -> None:
        """Not ready before each of these kinds is listed."""
        self._problems = {kind: f"{kind.plural}: not listed yet" for kind in kinds}

    async def beat(self) -> None:
        """Give a sign of life until cancelled."""
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(BEAT)

    async def ask(self, kube: Answering, server: str, kind: Kind) -> None:
        """Note whether the API server answers, until cancelled.

        The watches of one that hangs stay open, and look as those of one without changes.
        """
        log = structlog.get_logger("dualstack")
        while True:
            await asyncio.sleep(ASK)
            try:
                async with asyncio.timeout(ANSWER):
                    await kube.probe(kind)
            except TimeoutError:
                problem = f"{server} has not answered within {ANSWER:.0f} s"
            except Unavailable as error:
                problem = f"{server}: {error}"
            except KubeError:  # an answer, which the watch of the kind gets too
                problem = ""
            else:
                problem = ""
            before, self._unanswered[server] = self._unanswered.get(server, ""), problem
            if problem and problem != before:
                log.warning("the Kubernetes API does not answer", error=problem)
            elif before and not problem:
                log.info("the Kubernetes API answers again", server=server)

    def listed(self, kind: Kind) -> None:
        """The kind was listed, and its changes are followed."""
        self._refused_since.pop(kind, None)
        self._note(kind, "")

    def failed(self, kind: Kind, error: Exception) -> None:
        """The list or the watch of the kind failed."""
        if isinstance(error, Unauthenticated):
            self._refused_since.setdefault(kind, time.monotonic())
        else:
            self._refused_since.pop(kind, None)
        self._note(kind, f"{kind.plural}: {error}")

    def unhealthy(self) -> str:
        """Why the process should be restarted."""
        now = time.monotonic()
        if now - self._beat > STUCK:
            return f"the event loop has not run for {now - self._beat:.0f} s"
        refused = now - min(tuple(self._refused_since.values()), default=now)
        if refused > REFUSED:
            return f"the API server has not accepted the credentials for {refused:.0f} s"
        return ""

    def unready(self) -> str:
        """Why the process does not know the current state of what it reconciles, or cannot take over."""
        if self._problems is None:
            return "the operator is starting"
        stands_by = self.leadership is not None and not self.leadership.leads
        problems = [] if stands_by else [*self._unanswered.values(), *self._problems.values()]
        if self.leadership is not None:
            problems.append(self.leadership.problem)
        return self.unhealthy() or "; ".join(filter(None, problems))

    def remark(self) -> str:
        """What a good answer says."""
        if self.leadership is None or self.leadership.leads:
            return "ok"
        return f"ok: stands by, {self.leadership.leader or 'no process'} leads"

    @property
    def synced(self) -> bool:
        """Whether every kind is listed and followed."""
        return self._problems is not None and not any(self._problems.values())

    def _note(self, kind: Kind, problem: str) -> None:
        if self._problems is not None:
            self._problems[kind] = problem


class _Server(ThreadingHTTPServer):
    """Listens on all IPv4 and IPv6 addresses of the machine."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def serve_health(health: Health, port: int) -> Callable[[], None]:
    """Serve /healthz and /readyz on all interfaces; returns what stops it. InvalidInput if the port cannot be used."""
    reasons = {"/healthz": health.unhealthy, "/readyz": health.unready}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = reasons.get(self.path.partition("?")[0])
            reason = found() if found else "not found"
            body = (reason or health.remark()).encode()
            self.send_response(404 if found is None else 503 if reason else 200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes are not logged."""

    try:
        server = _Server(("", port), Handler)
    except OSError as error:
        raise InvalidInput(f"--health-port {port}: {error.strerror}; choose a free port") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="health", daemon=True)
    thread.start()
    return partial(stop, server, thread)


def stop(server: BaseServer, thread: threading.Thread) -> None:
    """Stop a server and the thread in which it serves."""
    server.shutdown()
    server.server_close()
    thread.join(timeout=1.0)
