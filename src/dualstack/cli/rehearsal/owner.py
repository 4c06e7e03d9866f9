"""The owner of a Shoot in a Gardener landscape: what they do during a migration, and which phase the Shoot shows.

gardenlet advances a migration only when it reconciles the Shoot, and it replaces no node by itself
(docs/reference/gardener.md#reconcile-triggers). So the owner requests the roll-out and the next reconciles, and a retry
of a Failed Shoot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dualstack.cli.rehearsal.record import migration_constraints
from dualstack.cli.rehearsal.result import Seen
from dualstack.gardener.model.names import (
    DNS_MIGRATION,
    NODES_MIGRATION,
    OPERATION,
    TASK_DEPLOY_INFRASTRUCTURE,
    TASKS,
)
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

PAUSE = 60.0
"""Seconds for which the Shoot must be at rest before its owner does something."""
MOST_RETRIES = 5
"""Retries of a Shoot that is Failed again and again until its owner gives up."""

ROLL_OUT = "rollout-workers=*"


@dataclass(slots=True)
class Owner:
    """rollout: `auto` requests the roll-out by annotation; with `manual`, machines are deleted by hand.

    prepared: the first run leaves the routes (docs/reference/gardener.md#prepared-first-run).
    """

    rollout: str
    prepared: bool = False
    rolled_out: bool = False
    retries: int = 0
    rests_since: float | None = None
    seen: list[Seen] = field(default_factory=list)
    """What `kubectl get shoot` shows, over time."""

    def look(self, shoot: Manifest, at: float) -> Seen | None:
        """Take the Shoot as it is `at` seconds after the edit; what is new in its last operation."""
        last = dig(shoot, "status", "lastOperation") or {}
        codes = [code for error in dig(shoot, "status", "lastErrors") or () for code in error.get("codes") or ()]
        entry = Seen(at, last.get("state", ""), last.get("description", ""), tuple(dict.fromkeys(codes)))
        if self.seen and (self.seen[-1].state, self.seen[-1].description) == (entry.state, entry.description):
            return None
        self.seen.append(entry)
        return entry

    def due(self, shoot: Manifest, now: float) -> dict[str, str] | None:
        """The annotations to set now, once the Shoot has rested for `PAUSE`; `now` is in seconds."""
        if not is_settled(shoot) and dig(shoot, "status", "lastOperation", "state") != "Failed":
            self.rests_since = None
            return None
        if self.rests_since is None:
            self.rests_since = now
        if now - self.rests_since < PAUSE:
            return None
        self.rests_since = None
        request = self.next_request(shoot)
        return None if self.gave_up else request

    def next_request(self, shoot: Manifest) -> dict[str, str] | None:
        """The annotations that a Shoot at rest needs now; None if it needs none.

        Call it once for each rest, because it remembers what it has requested.
        """
        operation = self._operation(shoot)
        if operation != ROLL_OUT or not self.prepared:
            return None if operation is None else {OPERATION: operation}
        self.prepared = self.rolled_out = False
        return {OPERATION: "reconcile", TASKS: TASK_DEPLOY_INFRASTRUCTURE}

    def _operation(self, shoot: Manifest) -> str | None:
        if dig(shoot, "metadata", "annotations", OPERATION):
            return None
        state = dig(shoot, "status", "lastOperation", "state")
        if state == "Failed":
            self.retries += 1
            return "retry"
        if not is_settled(shoot):
            return None
        constraints = migration_constraints(shoot)
        if not constraints:
            return None
        self.retries = 0
        migrating = constraints.get(NODES_MIGRATION, ("",))[0] == "Progressing"
        if migrating and self.rollout == "auto" and not self.rolled_out:
            self.rolled_out = True
            return ROLL_OUT
        return "reconcile"

    @property
    def gave_up(self) -> bool:
        return self.retries > MOST_RETRIES


def is_settled(shoot: Manifest) -> bool:
    """Whether the last operation has succeeded for the present spec."""
    status: Mapping[str, Any] = shoot.get("status") or {}
    observed = status.get("observedGeneration") == shoot["metadata"].get("generation")
    return bool(observed and dig(status, "lastOperation", "state") == "Succeeded")


def phase_of(shoot: Manifest) -> str | None:
    """The phase that the Shoot itself shows after the edit; None once the migration is over or before it begins."""
    constraints = migration_constraints(shoot)
    if NODES_MIGRATION in constraints:
        if constraints[NODES_MIGRATION][0] == "True":
            return "dual-stack"
        if len(dig(shoot, "status", "networking", "nodes") or ()) < 2:
            return "cut-over"
        return "roll-out" if is_settled(shoot) or _rolling(shoot) else "control-plane"
    return "dns" if DNS_MIGRATION in constraints else None


def _rolling(shoot: Manifest) -> bool:
    return bool(dig(shoot, "status", "manualWorkerPoolRollout", "pendingWorkersRollouts"))
