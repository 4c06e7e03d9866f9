"""Limited run times of VMs, and guests that shut down (docs/reference/compute-engine.md#run-duration)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from dualstack_sim.compute.api.errors import ApiError, Json, bad_request, invalid
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

_SHORTEST, _LONGEST = 30, 120 * 86400
_AGAIN = 30.0
"""Seconds until the end of a VM is tried again that another operation delayed."""


def check_run_duration(scheduling: Json) -> None:
    """Raises ApiError 400 for a run time without its action, or out of bounds."""
    if "maxRunDuration" not in scheduling:
        return
    seconds = run_duration(scheduling)
    if not _SHORTEST <= seconds <= _LONGEST and enforced("instances.run-duration-bounds"):
        why = f"Must be between {_SHORTEST} and {_LONGEST} seconds."
        raise invalid("resource.scheduling.maxRunDuration", seconds, why)
    action = scheduling.get("instanceTerminationAction")
    if action not in ("STOP", "DELETE") and enforced("instances.run-duration-action"):
        raise bad_request("instanceTerminationAction must be specified when maxRunDuration is specified.")


def run_duration(scheduling: Json) -> int:
    """The run time in seconds."""
    return int(scheduling["maxRunDuration"].get("seconds", 0))


class RunLimits:
    """Stops or deletes each VM at the end of its run time. methods: `instances.stop` and `instances.delete`."""

    def __init__(
        self,
        project: Project,
        at: Callable[[float, Callable[[float], None]], None],
        methods: Mapping[str, Callable[[Call], Work]],
    ) -> None:
        self._project = project
        self._at = at
        self._methods = methods

    def instance_changed(self, commit: Commit) -> None:
        """Watch a VM that starts. The VMs of a saved state keep the ends of their run times."""
        before, after = commit.before or {}, commit.after or {}
        starts = after.get("status") == "RUNNING" and before.get("status") != "RUNNING"
        if not starts or "maxRunDuration" not in after.get("scheduling", {}):
            return
        key = Key("instances", f"zones/{after['zone'].rpartition('/')[2]}", after["name"])
        started = datetime.fromisoformat(after["lastStartTimestamp"]).timestamp()
        due = max(commit.at, started + run_duration(after["scheduling"]))
        self._at(due, lambda at: self._end(at, key, after))

    def power_off(self, at: float, key: Key) -> None:
        """The guest shuts down: the VM becomes TERMINATED. Raises ApiError while another operation runs on it."""
        self._perform(at, "instances.stop", key)

    def _end(self, at: float, key: Key, started: Json) -> None:
        present = self._project.inventory.find(key)
        if present is None or present["status"] != "RUNNING" or not enforced("instances.run-duration"):
            return
        if any(present.get(field) != started.get(field) for field in ("id", "lastStartTimestamp")):
            return
        try:
            self._perform(at, f"instances.{present['scheduling']['instanceTerminationAction'].lower()}", key)
        except ApiError:  # another operation runs on the VM
            self._at(at + _AGAIN, lambda later: self._end(later, key, started))

    def _perform(self, at: float, method: str, key: Key) -> None:
        self._project.run(at, method, self._methods[method](Call(method, key.scope, key.name, at)))
