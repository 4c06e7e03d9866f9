"""Quotas of VMs, which Compute shows: those without room, and what a roll-out adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from dualstack.gce import Resource
from dualstack.gce.resources import first_interface, last_segment
from dualstack.preflight.check import Problem
from dualstack.preflight.inventory import Inventory

_IN_CPUS = ("N1_CPUS", "E2_CPUS", "F1_CPUS", "G1_CPUS")
"""These families count against the quota CPUS (docs/reference/compute-engine.md#regional-quotas)."""


def over_quotas(
    inventory: Inventory, needed: Callable[[Mapping[str, Resource]], Mapping[str, int]]
) -> Iterator[Problem]:
    """The quotas of region and project that have no room. needed: how much of which, given those that exist."""
    (region,), (project,) = inventory.of("region"), inventory.of("project")
    scopes = ((f"region {inventory.cluster.region}", region), (f"project {inventory.cluster.project}", project))
    for about, found in scopes:
        quotas = {quota["metric"]: quota for quota in found.get("quotas") or ()}
        for metric, more in sorted(needed(quotas).items()):
            if metric not in quotas:
                continue
            limit, usage = float(quotas[metric]["limit"]), float(quotas[metric].get("usage") or 0)
            if usage + more > limit:
                evidence = f"quota {metric} is {limit:g}, {usage:g} are used and up to {more} more are needed"
                yield Problem(about, evidence)


def peak(inventory: Inventory, quotas: Mapping[str, Resource]) -> Counter[str]:
    """What the roll-out of all pools adds at most."""
    cpus = {(kind["zone"], kind["name"]): int(kind["guestCpus"]) for kind in inventory.of("machine types")}
    added = Counter[str]()
    for pool in inventory.cluster.pools:
        added["INSTANCES"] += pool.surge
        machines = inventory.machines(pool)
        if any(first_interface(machine).get("accessConfigs") for machine in machines):
            added["IN_USE_ADDRESSES"] += pool.surge
        largest = max(
            (
                (cpus[last_segment(m["zone"]), last_segment(m["machineType"])], last_segment(m["machineType"]))
                for m in machines
            ),
            default=None,
        )
        if largest is not None:
            count, kind = largest
            family = f"{kind.partition('-')[0].upper()}_CPUS"
            added[family if family in quotas and family not in _IN_CPUS else "CPUS"] += pool.surge * count
            added["CPUS_ALL_REGIONS"] += pool.surge * count
        for metric, count in _accelerators(machines).items():
            added[metric] += pool.surge * count
    return added


def _accelerators(machines: list[Resource]) -> Counter[str]:
    """The most GPUs of one of these VMs, by quota (docs/reference/compute-engine.md#accelerator-quotas)."""
    most = Counter[str]()
    for machine in machines:
        found = Counter[str]()
        for entry in machine.get("guestAccelerators") or ():
            kind = last_segment(entry["acceleratorType"]).removeprefix("nvidia-").removeprefix("tesla-")
            for metric in (f"NVIDIA_{kind.upper().replace('-', '_')}_GPUS", "GPUS_ALL_REGIONS"):
                found[metric] += int(entry["acceleratorCount"])
        most |= found
    return most
