"""How long a rehearsal still takes: the operator's own estimate for the cut-over, experience for the other phases."""

from __future__ import annotations

import math

from dualstack.cli.rehearsal.direction import FORWARD
from dualstack.cli.rehearsal.record import Record
from dualstack.gardener.model.shoot import ShootView

_SECONDS_PER_WAVE = 600.0
"""A machine's creation, boot, minReadySeconds of 500 (gardener-behaviour.md 5.2) and the old one's removal."""

_TYPICAL = {
    "preparation": 30.0,
    "cut-over": 1200.0,
    "ipv6": 50.0,
    "control-plane": 60.0,
    "dual-stack": 120.0,
    "dns": 100.0,
    "single-stack": 240.0,
}
_DAEMON_SET_SECONDS = 8.0
"""One node of a DaemonSet's rolling update."""


def remaining(record: Record, shoot: ShootView, now: float) -> float | None:
    """Simulated seconds to the end of the migration at `now` (seconds since the trigger); None before it has begun."""
    if not record.phases:
        return None
    current = record.current_phase() or record.phases[-1].name
    phases = record.direction.phases
    later = phases[phases.index(current) + 1 :] if current in phases else ()
    nodes = record.progress.nodes if record.progress else sum(pool.minimum for pool in shoot.pools)
    return _of_current(record, shoot, current, now, nodes) + sum(_typical(phase, shoot, nodes) for phase in later)


def _of_current(record: Record, shoot: ShootView, phase: str, now: float, nodes: int) -> float:
    started = next(entry for entry in record.phases if entry.name == phase)
    if started.finished_at is not None:
        return 0.0
    elapsed = now - started.started_at
    progress = record.progress
    if phase == "cut-over" and progress and progress.eta is not None:
        return progress.eta
    done = _migrated(record)
    if phase == "roll-out" and done:
        return elapsed / done * max(0, shoot_nodes(shoot, nodes) - done)
    return max(0.0, _typical(phase, shoot, nodes) - elapsed)


def _migrated(record: Record) -> int:
    """How many nodes have the families of the way's end."""
    if record.progress is None:
        return 0
    dual = record.progress.nodes_dual_stack
    return dual if record.direction is FORWARD else record.progress.nodes - dual


def shoot_nodes(shoot: ShootView, nodes: int) -> int:
    """The wanted number of nodes: those seen, less the surge that the roll-out adds for a while."""
    return max(1, min(nodes, sum(pool.minimum for pool in shoot.pools)))


def _typical(phase: str, shoot: ShootView, nodes: int) -> float:
    if phase == "roll-out":
        at_once = max(1, sum(pool.max_surge + pool.max_unavailable for pool in shoot.pools))
        return math.ceil(nodes / at_once) * _SECONDS_PER_WAVE
    return _TYPICAL[phase] + (_DAEMON_SET_SECONDS * nodes if phase == "dual-stack" else 0.0)
