"""GPUs of VMs: types, machine types that have or admit them, quotas, and live migration.

Source: docs/reference/compute-engine.md#accelerators.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from dualstack_sim.compute.api.errors import (
    Json,
    OperationFailed,
    OperationFailure,
    bad_request,
    invalid,
    not_found,
)
from dualstack_sim.compute.api.references import Key, unknown_reference
from dualstack_sim.compute.api.resource_changes import Methods
from dualstack_sim.compute.machines.run_limits import check_run_duration
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.compute.project.quotas import ALL_GPUS
from dualstack_sim.rules import enforced


class Accelerator(NamedTuple):
    """A type of GPU: the series of machine types that have it, the counts that a VM can have, and its quota."""

    series: str
    counts: tuple[int, ...]
    metric: str
    description: str


TYPES: Mapping[str, Accelerator] = {
    "nvidia-a100-80gb": Accelerator("a2", (1, 2, 4, 8), "NVIDIA_A100_80GB_GPUS", "NVIDIA A100 80GB"),
    "nvidia-l4": Accelerator("g2", (1, 2, 4, 8), "NVIDIA_L4_GPUS", "NVIDIA L4"),
    "nvidia-tesla-a100": Accelerator("a2", (1, 2, 4, 8, 16), "NVIDIA_A100_GPUS", "NVIDIA A100 40GB"),
    "nvidia-tesla-p100": Accelerator("n1", (1, 2, 4), "NVIDIA_P100_GPUS", "NVIDIA Tesla P100"),
    "nvidia-tesla-p4": Accelerator("n1", (1, 2, 4), "NVIDIA_P4_GPUS", "NVIDIA Tesla P4"),
    "nvidia-tesla-t4": Accelerator("n1", (1, 2, 4), "NVIDIA_T4_GPUS", "NVIDIA T4"),
    "nvidia-tesla-v100": Accelerator("n1", (1, 2, 4, 8), "NVIDIA_V100_GPUS", "NVIDIA V100"),
}
_BUILT_IN = {"a2-highgpu": "nvidia-tesla-a100", "a2-ultragpu": "nvidia-a100-80gb"}
_L4_OF_VCPUS = {"4": 1, "8": 1, "12": 1, "16": 1, "24": 2, "32": 1, "48": 4, "96": 8}
_COUNTED = re.compile(r"(a2-(?:high|ultra)gpu)-([0-9]+)g")
_G2 = re.compile(r"g2-standard-([0-9]+)")


class AcceleratorTypes(Methods):
    """acceleratorTypes.get and the rows of its lists; every zone has every type."""

    def get(self, call: Call) -> Json:
        if call.name not in TYPES:
            raise not_found(self._project.links.partial(Key("acceleratorTypes", call.scope, call.name)))
        return self._row(call.scope, call.name)

    def rows(self, scope: str) -> list[Json]:
        return [self._row(scope, name) for name in TYPES] if scope.startswith("zones/") else []

    def _row(self, scope: str, name: str) -> Json:
        return {
            "kind": "compute#acceleratorType",
            "id": str(10_000 + sorted(TYPES).index(name)),
            "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
            "name": name,
            "description": TYPES[name].description,
            "zone": self._project.links.within(scope),
            "selfLink": self._project.links.full(Key("acceleratorTypes", scope, name)),
            "maximumCardsPerInstance": TYPES[name].counts[-1],
        }


def checked_accelerators(project: Project, scope: str, machine: str, entries: list[Json]) -> list[Json]:
    """The GPUs of a new VM with full links, those of its machine type included. Raises ApiError 400 for bad ones."""
    result: list[Json] = []
    for index, entry in enumerate(entries):
        field = f"resource.guestAccelerators[{index}]"
        key = project.links.read(entry.get("acceleratorType", ""), "acceleratorTypes", scope)
        if key is None or key.name not in TYPES or key.scope != scope:
            raise unknown_reference(f"{field}.acceleratorType", entry.get("acceleratorType", ""), "accelerator type")
        count = entry.get("acceleratorCount", 0)
        if count not in TYPES[key.name].counts and enforced("accelerators.counts"):
            allowed = ", ".join(map(str, TYPES[key.name].counts))
            raise invalid(f"{field}.acceleratorCount", count, f"{key.name} can be attached {allowed} times.")
        if not machine.startswith(f"{TYPES[key.name].series}-") and enforced("accelerators.machine-types"):
            raise bad_request(f"[{machine}, {key.name}] features are not compatible for creating instance.")
        result.append({"acceleratorType": project.links.full(key), "acceleratorCount": count})
    return result or _built_in(project, scope, machine)


def _built_in(project: Project, scope: str, machine: str) -> list[Json]:
    counted, g2 = _COUNTED.fullmatch(machine), _G2.fullmatch(machine)
    if counted and counted[1] in _BUILT_IN:
        name, count = _BUILT_IN[counted[1]], int(counted[2])
    elif g2 and g2[1] in _L4_OF_VCPUS:
        name, count = "nvidia-l4", _L4_OF_VCPUS[g2[1]]
    else:
        return []
    return [{"acceleratorType": project.links.full(Key("acceleratorTypes", scope, name)), "acceleratorCount": count}]


def checked_scheduling(body: Json, accelerators: list[Json]) -> Json:
    """The scheduling of a VM with its defaults; 400 for live migration where it is not possible."""
    given = body.get("scheduling", {})
    spot = bool(given.get("preemptible")) or given.get("provisioningModel") == "SPOT"
    scheduling: Json = {
        "onHostMaintenance": "TERMINATE" if spot else "MIGRATE",
        "automaticRestart": not spot,
        "preemptible": spot,
        "provisioningModel": "SPOT" if spot else "STANDARD",
    } | given
    check_run_duration(scheduling)
    migrates = scheduling["onHostMaintenance"] == "MIGRATE"
    if accelerators and migrates and enforced("accelerators.no-live-migration"):
        raise bad_request("Instances with guest accelerators do not support live migration.")
    if spot and migrates and enforced("instances.spot-terminates"):
        where, why = "resource.scheduling.onHostMaintenance", "A preemptible instance can only be terminated."
        raise invalid(where, "MIGRATE", why)
    if spot and scheduling["automaticRestart"] and enforced("instances.spot-terminates"):
        raise bad_request("Scheduling must have preemptible be false when AutomaticRestart is true.")
    return scheduling


def check_quota(project: Project, scope: str, accelerators: list[Json]) -> None:
    """Raises OperationFailed if the region or the project has no quota for these GPUs."""
    region = project.region_of(scope)
    for entry in accelerators:
        accelerator, more = TYPES[_name(entry)], entry["acceleratorCount"]
        limits = project.limits
        for metric, place, limit, present in (
            (
                accelerator.metric,
                region,
                limits.gpu_limit(accelerator.metric),
                used(project, accelerator.metric, region),
            ),
            (ALL_GPUS, "", limits.gpu_limit(ALL_GPUS), used(project, ALL_GPUS, "")),
        ):
            if present + more > limit and enforced("quotas.gpus"):
                where = f"in region {place}" if place else "globally"
                message = f"Quota '{metric}' exceeded.  Limit: {float(limit)} {where}."
                raise OperationFailed(OperationFailure("QUOTA_EXCEEDED", message, 403, "FORBIDDEN"))


def used(project: Project, metric: str, region: str) -> int:
    """The GPUs of a quota in a region; of all types and regions for `GPUS_ALL_REGIONS`."""
    return sum(
        entry["acceleratorCount"]
        for key, vm in project.inventory.all("instances")
        for entry in vm.get("guestAccelerators", ())
        if metric == ALL_GPUS or (TYPES[_name(entry)].metric == metric and project.region_of(key.scope) == region)
    )


def quota_rows(project: Project, region: str) -> list[dict[str, Any]]:
    """The quotas of GPUs as regions.get shows them."""
    return [
        {
            "metric": metric,
            "limit": float(project.limits.gpu_limit(metric)),
            "usage": float(used(project, metric, region)),
        }
        for metric in sorted({accelerator.metric for accelerator in TYPES.values()})
    ]


def _name(entry: Json) -> str:
    return str(entry["acceleratorType"]).rpartition("/")[2]
