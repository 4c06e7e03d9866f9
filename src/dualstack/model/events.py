"""The events of a migration (docs/reference/design-rules.md#one-event-stream).

Terminal, log, report and metrics all read this stream. `at` is in seconds since the Unix epoch, by the clock of the
migration. As JSON each event is one object on one line, tagged by `event`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True):
    """Base of all events."""

    at: float
    shoot: str
    """Technical ID of the shoot, e.g. `shoot--foo--bar`."""


class OperatorReady(Event, frozen=True, kw_only=True, tag="operator.ready"):
    """The operator has listed and watches everything that it reconciles; `shoot` is empty."""


class PhaseStarted(Event, frozen=True, kw_only=True, tag="phase.started"):
    """A phase of the migration began; `phase` is one of `PHASES`."""

    phase: str


class PhaseFinished(Event, frozen=True, kw_only=True, tag="phase.finished"):
    """The phase ended and was verified."""

    phase: str


class StepStarted(Event, frozen=True, kw_only=True, tag="step.started"):
    """A step (a planned transition, a barrier or a gate) began."""

    step: str
    detail: str = ""
    targets: tuple[str, ...] = ()


class StepFinished(Event, frozen=True, kw_only=True, tag="step.finished"):
    """The effect of the step was observed."""

    step: str
    detail: str = ""


class StepFailed(Event, frozen=True, kw_only=True, tag="step.failed"):
    """The step failed; it is planned again unless `final`."""

    step: str
    detail: str = ""
    final: bool = False


class Progress(Event, frozen=True, kw_only=True, tag="progress"):
    """Progress as counts of nodes and routes; `eta` in seconds, if known. `nodes_with_alias` is for the cut-over."""

    nodes: int
    nodes_dual_stack: int
    routes_left: int
    nodes_with_alias: int = 0
    eta: float | None = None


class StrategyChosen(Event, frozen=True, kw_only=True, tag="strategy.chosen"):
    """The strategy that moves the routes, and why it was chosen."""

    strategy: str
    reason: str


class OutageExpected(Event, frozen=True, kw_only=True, tag="outage.expected"):
    """The expected outage, announced before the cut-over: from the first deleted route until every host knows the last
    alias.

    seconds: usually; 0 for an order without loss. at_most: also if an operation is slow, or if the cloud does not do
    what an order without loss depends on.
    """

    seconds: float
    detail: str
    at_most: float = 0.0


class OutageMeasured(Event, frozen=True, kw_only=True, tag="outage.measured"):
    """How long some pod CIDR had no route or alias that carries traffic, by the operations of Compute: from the first
    that took effect to the last. Hosts apply the begin and the end later. bound: empty, or how `seconds` is to be read
    where begin or end could not be observed.
    """

    seconds: float
    detail: str = ""
    bound: Literal["", "at most", "at least", "about"] = ""


class PropagationMeasured(Event, frozen=True, kw_only=True, tag="propagation.measured"):
    """How long the slowest host took to learn of an alias, as measured by the probing pods of the decoy check."""

    seconds: float
    detail: str


class Notice(Event, frozen=True, kw_only=True, tag="notice"):
    """An announcement for the user that names the objects concerned; `reason` as in a Kubernetes Event."""

    reason: str
    detail: str


class Waiting(Event, frozen=True, kw_only=True, tag="waiting"):
    """A wait has not come further since `since` (seconds since the epoch); `detail` names what it waits for, and why.

    It is repeated after growing intervals, and is no progress.
    """

    since: float
    detail: str


AnyEvent = (
    OperatorReady
    | PhaseStarted
    | PhaseFinished
    | StepStarted
    | StepFinished
    | StepFailed
    | Progress
    | StrategyChosen
    | OutageExpected
    | OutageMeasured
    | PropagationMeasured
    | Notice
    | Waiting
)

PHASES = ("preparation", "cut-over", "ipv6", "control-plane", "roll-out", "dual-stack", "dns")
"""The phases in the order in which they run."""

PHASES_BACK = ("single-stack", "roll-out")
"""The phases of the rollback from dual-stack to IPv4."""

STEPS = (
    "stop-cloud-controller-manager", "save-routes", "set-overlap-flag", "add-secondary-range",
    "add-alias-canary", "add-aliases", "delete-route-canary", "delete-routes", "clear-overlap-flag",
    "clear-saved-routes", "restore-routes", "remove-alias-canary", "remove-aliases", "remove-secondary-range",
    "restore-cloud-controller-manager", "rollback-drill", "remove-drill-routes", "repeat-alias",
    "create-decoys", "add-decoy-range", "alias-decoys", "drop-decoy-route", "remove-decoys",
    "set-stack-type", "create-services-subnet", "await-ipv6-prefixes", "update-nat", "create-firewall-rules",
    "publish-status", "reconcile-control-plane", "reconcile-network", "reconcile-workers",
    "await-roll-out", "update-kube-apiserver", "update-kube-controller-manager", "update-kube-proxy",
    "restart-coredns", "update-kube-dns",
)  # fmt: skip
"""The steps that act on the cluster or the cloud; barriers are `barrier-<what>`, gates `gate-<what>`."""

Listener = Callable[[AnyEvent], None]
"""Takes each event; must not block and must not raise."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def encode(event: AnyEvent) -> bytes:
    """The event as one line of JSON without the line end."""
    return _encoder.encode(event)


def decode(line: bytes | str) -> AnyEvent:
    """The inverse of `encode`; raises msgspec.DecodeError."""
    return _decoder.decode(line)
