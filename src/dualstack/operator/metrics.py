"""Metrics for Prometheus (docs/metrics.md). Ages are those at the scrape, by the clock of the migration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dualstack.clock import Clock, ScaledClock
from dualstack.gardener.error_codes import error_codes
from dualstack.gce.access import ComputeClients
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.events import (
    PHASES,
    PHASES_BACK,
    AnyEvent,
    OutageExpected,
    OutageMeasured,
    PhaseFinished,
    PhaseStarted,
    Progress,
    StepFailed,
    StepFinished,
    StepStarted,
    Waiting,
)
from dualstack.operator.health import stop
from dualstack.operator.leadership import Leadership
from dualstack.operator.output import EventStream
from dualstack.operator.queue import Key, reason_of

STOP, RESTORED = "stop-cloud-controller-manager", ("restore-cloud-controller-manager", "reconcile-control-plane")
"""The step that stops cloud-controller-manager or its route controller, and those after which it runs again."""


class Metrics:
    """Prometheus metrics in their own registry."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.registry = CollectorRegistry()
        self._ages = _Ages(clock or ScaledClock())
        self.registry.register(self._ages)
        self._reconciles = self._counter(
            "reconciles", "Reconciles by controller and how they ended", "controller", "result"
        )
        self._errors = self._counter("errors", "Failed reconciles by the code of their error", "controller", "code")
        self._steps = self._counter("steps", "Steps by shoot and how they ended", "shoot", "step", "result")
        self._phase = self._gauge("phase", "Whether a phase of the migration runs", "shoot", "phase")
        self._nodes = self._gauge("nodes", "Nodes by what carries their pod CIDR, or dual-stack", "shoot", "state")
        self._routes = self._gauge("routes_left", "Node routes left", "shoot")
        self._expected = self._gauge("outage_expected_seconds", "Announced outage of the cut-over", "shoot")
        self._at_most = self._gauge(
            "outage_expected_at_most_seconds", "Announced outage if operations are slow", "shoot"
        )
        self._measured = self._gauge("outage_measured_seconds", "Measured outage of the cut-over", "shoot")
        self._lost = self._gauge("events_lost", "Events that could not be written")
        self._waiting = self._gauge(
            "waiting_seconds", "How long the present wait has not come further; 0 while there is progress", "shoot"
        )
        self.leadership: Leadership | None = None
        """None: this process does not wait for others."""
        leader = self._gauge("leader", "Whether this process leads; 0 while it stands by")
        leader.set_function(lambda: self.leadership is None or self.leadership.leads)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"dualstack_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"dualstack_{name}", text, labels, registry=self.registry)

    def serve(self, port: int) -> Callable[[], None]:
        """Serve /metrics on all interfaces; returns a function that stops it. InvalidInput if the port is taken."""
        try:
            server, thread = start_http_server(port, registry=self.registry)
        except OSError as error:
            raise InvalidInput(f"--metrics-port {port}: {error.strerror}") from error
        return partial(stop, server, thread)

    def watch(self, events: EventStream) -> None:
        """Count the events that the stream loses."""
        self._lost.set_function(lambda: events.writer.lost)

    def count_calls(self, computes: ComputeClients) -> None:
        """Show the calls and quota windows of these clients."""
        self.registry.register(_Calls(computes))

    def outcome(self, key: Key, result: str) -> None:
        """Count a reconcile."""
        self._reconciles.labels(key.controller, result).inc()

    def failed(self, key: Key, error: DualstackError) -> None:
        """Count an error by its codes, or by its class if it has none."""
        for code in error_codes(error) or (reason_of(error),):
            self._errors.labels(key.controller, code).inc()

    def forget(self, shoot: str) -> None:
        """Remove every series of a Shoot that is gone."""
        self._ages.forget(shoot)
        for metric in (
            self._steps,
            self._phase,
            self._nodes,
            self._routes,
            self._expected,
            self._at_most,
            self._measured,
            self._waiting,
        ):
            metric.remove_by_labels({"shoot": shoot})

    def event(self, event: AnyEvent) -> None:
        """Update the metrics for an event."""
        if event.shoot:
            since = event.since if isinstance(event, Waiting) else event.at
            self._waiting.labels(event.shoot).set(event.at - since)
            self._ages.event(event)
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
            case OutageExpected(shoot=shoot, seconds=seconds, at_most=at_most):
                self._expected.labels(shoot).set(seconds)
                self._at_most.labels(shoot).set(max(seconds, at_most))
            case OutageMeasured(shoot=shoot, seconds=seconds):
                self._measured.labels(shoot).set(seconds)
            case Progress(shoot=shoot, routes_left=routes):
                for state, number in states(event).items():
                    self._nodes.labels(shoot, state).set(number)
                self._routes.labels(shoot).set(routes)
            case _:
                pass


def states(progress: Progress) -> dict[str, int]:
    """Nodes by state: `route`, `overlap` (route and alias), `alias`, `dual` (dual-stack, from the roll-out on)."""
    dual = progress.nodes_dual_stack
    nodes = progress.nodes - dual
    if not progress.nodes_with_alias and not progress.routes_left:  # the roll-out: no node has a route any more
        return {"route": 0, "overlap": 0, "alias": nodes, "dual": dual}
    route = max(0, nodes - progress.nodes_with_alias)
    overlap = min(max(0, progress.routes_left - route), nodes - route)
    return {"route": route, "overlap": overlap, "alias": nodes - route - overlap, "dual": dual}


class _Ages(Collector):
    """Since when each shoot's step runs, and since when its cloud-controller-manager is stopped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: dict[str, tuple[str, float]] = {}
        self._stopped: dict[str, float] = {}
        self._seen: set[str] = set()

    def event(self, event: AnyEvent) -> None:
        self._seen.add(event.shoot)
        match event:
            case StepStarted(shoot=shoot, step=step, at=at):
                if self._steps.get(shoot, ("", 0.0))[0] != step:  # a step that is tried again goes on
                    self._steps[shoot] = (step, at)
                if step == STOP:
                    self._stopped.setdefault(shoot, at)
            case StepFinished(shoot=shoot, step=step):
                self._steps.pop(shoot, None)
                if step in RESTORED:
                    self._stopped.pop(shoot, None)
            case StepFailed(shoot=shoot, final=True):
                self._steps.pop(shoot, None)
            case _:
                pass

    def forget(self, shoot: str) -> None:
        self._seen.discard(shoot)
        self._steps.pop(shoot, None)
        self._stopped.pop(shoot, None)

    def collect(self) -> Iterator[Metric]:
        now = self._clock.now()
        steps = GaugeMetricFamily("dualstack_step_seconds", "Age of the present step", labels=["shoot", "step"])
        for shoot, (step, since) in list(self._steps.items()):
            steps.add_metric([shoot, step], max(0.0, now - since))
        yield steps
        stopped = GaugeMetricFamily(
            "dualstack_cloud_controller_manager_stopped_seconds",
            "How long cloud-controller-manager, or its route controller, has been stopped; 0 while it runs",
            labels=["shoot"],
        )
        for shoot in sorted(self._seen.copy()):
            stopped.add_metric([shoot], max(0.0, now - self._stopped.get(shoot, now)))
        yield stopped


class _Calls(Collector):
    """What the Compute clients have sent."""

    def __init__(self, computes: ComputeClients) -> None:
        self._computes = computes

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "dualstack_compute_calls",
            "Requests to Compute by method and result",
            labels=["project", "method", "result"],
        )
        used = GaugeMetricFamily(
            "dualstack_quota_window_used", "Requests in the present quota window", labels=["project", "group"]
        )
        limit = GaugeMetricFamily(
            "dualstack_quota_window_limit", "Known limit of requests in a quota window", labels=["project", "group"]
        )
        totals: dict[tuple[str, str, str], int] = {}
        for client in self._computes.all():
            for (method, result), number in list(client.calls.items()):
                key = (client.project, method, result)
                totals[key] = totals.get(key, 0) + number
            for group, count, known in client.quota_windows():
                used.add_metric([client.project, group], count)
                if known is not None:
                    limit.add_metric([client.project, group], known)
        for labels, number in totals.items():
            calls.add_metric(labels, number)
        yield from (calls, used, limit)
