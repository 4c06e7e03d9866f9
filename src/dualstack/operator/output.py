"""The operator's output: events as JSON lines, a log on standard error, metrics for Prometheus."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from dualstack.model.errors import InvalidInput
from dualstack.model.events import (
    PHASES,
    PHASES_BACK,
    AnyEvent,
    Listener,
    PhaseFinished,
    PhaseStarted,
    Progress,
    StepFailed,
    StepFinished,
    Waiting,
    encode,
)
from dualstack.operator.leadership import Leadership
from dualstack.operator.queue import Key
from dualstack.streams import BackgroundWriter


class EventStream:
    """Writes each event as one line as soon as it is emitted."""

    def __init__(self, descriptor: int, target: str) -> None:
        self._target = target
        self.writer = BackgroundWriter(descriptor, self._changed)

    @classmethod
    def open(cls, target: str) -> EventStream:
        """Appends to the file, or writes to standard output for `-`; InvalidInput if it cannot be opened."""
        if target == "-":
            return cls(1, "standard output")
        try:
            return cls(os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), target)
        except OSError as error:
            raise InvalidInput(f"--events {target}: {error.strerror}") from error

    def write(self, event: AnyEvent) -> None:
        """Write the event, now or later. What cannot be written is lost and counted; the migration goes on."""
        self.writer.write(encode(event) + b"\n")

    def _changed(self, error: OSError | None) -> None:
        log = structlog.get_logger("dualstack.events")
        if error is None:
            log.warning("events are written again", events=self._target, lost=self.writer.lost)
        else:
            log.warning("events cannot be written", events=self._target, error=error.strerror)


class Metrics:
    """Prometheus metrics in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reconciles = Counter(
            "dualstack_reconciles",
            "Reconciles by controller and how they ended",
            ["controller", "result"],
            registry=self.registry,
        )
        self._steps = Counter(
            "dualstack_steps", "Steps by shoot and how they ended", ["shoot", "step", "result"], registry=self.registry
        )
        self._phase = Gauge(
            "dualstack_phase", "Whether a phase of the migration runs", ["shoot", "phase"], registry=self.registry
        )
        self._nodes = Gauge("dualstack_nodes", "Nodes by stack", ["shoot", "stack"], registry=self.registry)
        self._routes = Gauge("dualstack_routes_left", "Node routes left", ["shoot"], registry=self.registry)
        self._lost = Gauge("dualstack_events_lost", "Events that could not be written", registry=self.registry)
        self._waiting = Gauge(
            "dualstack_waiting_seconds",
            "How long the present wait has not come further; 0 while there is progress",
            ["shoot"],
            registry=self.registry,
        )

        self.leadership: Leadership | None = None
        """None: this process does not wait for others."""
        Gauge(
            "dualstack_leader", "Whether this process leads; 0 while it stands by", registry=self.registry
        ).set_function(lambda: self.leadership is None or self.leadership.leads)

    def serve(self, port: int) -> Callable[[], None]:
        """Serve /metrics on all interfaces; returns a function that stops it. InvalidInput if the port is taken."""
        try:
            server, thread = start_http_server(port, registry=self.registry)
        except OSError as error:
            raise InvalidInput(f"--metrics-port {port}: {error.strerror}") from error

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join(timeout=1.0)

        return stop

    def watch(self, events: EventStream) -> None:
        """Count the events that the stream loses."""
        self._lost.set_function(lambda: events.writer.lost)

    def outcome(self, key: Key, result: str) -> None:
        """Count a reconcile."""
        self._reconciles.labels(key.controller, result).inc()

    def event(self, event: AnyEvent) -> None:
        """Update the metrics for an event."""
        if event.shoot:
            since = event.since if isinstance(event, Waiting) else event.at
            self._waiting.labels(event.shoot).set(event.at - since)
        match event:
            case PhaseStarted(shoot=shoot, phase=name):
                for phase in (*PHASES, *PHASES_BACK):
                    self._phase.labels(shoot, phase).set(phase == name)
            case PhaseFinished(shoot=shoot, phase=name):
                self._phase.labels(shoot, name).set(0)
            case StepFinished(shoot=shoot, step=step):
                self._steps.labels(shoot, step, "finished").inc()
            case StepFailed(shoot=shoot, step=step):
                self._steps.labels(shoot, step, "failed").inc()
            case Progress(shoot=shoot, nodes=nodes, nodes_dual_stack=dual, routes_left=routes):
                self._nodes.labels(shoot, "dual").set(dual)
                self._nodes.labels(shoot, "single").set(nodes - dual)
                self._routes.labels(shoot).set(routes)
            case _:
                pass


def log_event(event: AnyEvent) -> None:
    """Log the event, except Progress, which changes too often."""
    if isinstance(event, Progress):
        return
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "at"}
    structlog.get_logger("dualstack").info(str(event.__struct_config__.tag), **fields)


def all_of(*listeners: Listener) -> Listener:
    """One listener that passes each event on to all."""

    def notify(event: AnyEvent) -> None:
        for listener in listeners:
            listener(event)

    return notify


def configure_logging(*, debug: bool = False) -> None:
    """Log to standard error as key=value, including warnings and errors of libraries."""
    level = logging.DEBUG if debug else logging.INFO
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="timestamp=%(asctime)s level=%(levelname)s logger=%(name)s event=%(message)r",
    )
