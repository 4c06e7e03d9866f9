"""What a trial creates, how long it takes and what it costs at most (docs/evidence.md#cost)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from dualstack.gce.methods import permissions
from dualstack.trial.experiment import BESIDE, Experiment, Place
from dualstack.trial.site import DISK_GB, MACHINE_TYPE, VMS

BUILD = 3.0
"""Minutes to create the site, and to remove it again."""
VM_HOUR = 0.02
"""US dollars of one VM with its disk for an hour, at most (docs/evidence.md#cost)."""
TRAFFIC = 0.02
"""US dollars of the packets between zones in an hour, at most."""

COMMON = (
    "regions.get", "networks.get", "networks.list", "networks.insert", "networks.delete",
    "subnetworks.get", "subnetworks.aggregatedList", "subnetworks.testIamPermissions", "subnetworks.insert",
    "subnetworks.patch", "subnetworks.delete", "routes.list", "routes.insert", "routes.delete",
    "firewalls.list", "firewalls.insert", "firewalls.delete", "instances.aggregatedList", "disks.aggregatedList",
    "disks.delete", "globalOperations.get", "globalOperations.list", "globalOperations.aggregatedList",
    "regionOperations.get", "regionOperations.list", "zoneOperations.get", "zoneOperations.list",
)  # fmt: skip
"""The methods that every trial may call."""
OF_VMS = (
    "instances.get", "instances.testIamPermissions", "instances.insert", "instances.delete",
    "instances.updateNetworkInterface", "instances.setMetadata", "instances.getSerialPortOutput", "disks.get",
)  # fmt: skip


def methods_of(experiments: Sequence[Experiment]) -> tuple[str, ...]:
    """The methods that a trial of these experiments may call."""
    return (*COMMON, *(OF_VMS if any(each.vms for each in experiments) else ()))


def needed(experiments: Sequence[Experiment]) -> tuple[str, ...]:
    """The IAM permissions that they need, sorted."""
    return tuple(permissions(of=methods_of(experiments)))


def minutes(experiments: Sequence[Experiment]) -> float:
    """About how long it takes."""
    times = {place: sum(each.minutes for each in experiments if each.place == place) for place in get_args(Place)}
    return BUILD + max(times.pop(place) for place in BESIDE) + sum(times.values())


def dollars(longest: float) -> float:
    """What a trial costs at most when its VMs run for `longest` minutes."""
    hours = longest / 60
    return hours * (len(VMS) * VM_HOUR + TRAFFIC)


def announcement(
    experiments: Sequence[Experiment], *, project: str, region: str, network: str, longest: float, lifetime: float
) -> list[str]:
    """What is going to happen, in lines. longest, lifetime: minutes of the trial and of its VMs."""
    vms = any(each.vms for each in experiments)
    machines = (
        f", {len(VMS)} VMs ({MACHINE_TYPE}, Debian 12, {DISK_GB} GB disk, no external address) in two zones, routes"
        if vms
        else ""
    )
    lines = [
        f"In project {project}, region {region}, a trial creates:",
        f"  VPC network {network} with subnets, a firewall rule{machines}.",
        "Everything has this prefix in its name and is removed at the end; nothing else in the project is changed.",
        f"{len(experiments)} experiments: {', '.join(each.name for each in experiments)}.",
        f"It takes about {minutes(experiments):.0f} minutes, and ends after {longest:.0f} minutes in any case.",
    ]
    if vms:
        lines.append(
            f"It costs at most about {max(0.01, dollars(lifetime)):.2f} US dollars, if {VM_HOUR:g} US dollars for each "
            "VM and hour with its disk is above the price in this region, which you should check "
            f"(docs/evidence.md#cost). Each VM deletes itself after {lifetime:.0f} minutes, even if this program ends."
        )
    else:
        lines.append("It costs nothing: networks and subnets are free of charge.")
    lines.append(f"Permissions that it needs: {', '.join(needed(experiments))}.")
    return lines
