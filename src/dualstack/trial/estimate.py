"""What a trial creates, how long it takes and what it costs at most (docs/evidence.md#cost)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
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
    """What a trial costs at most when its VMs run for `longest` minutes: a whole number of cents."""
    return math.ceil(longest / 60 * (len(VMS) * VM_HOUR + TRAFFIC) * 100) / 100


def announcement(
    experiments: Sequence[Experiment], *, project: str, region: str, network: str, longest: float, lifetime: float
) -> list[str]:
    """What is going to happen, a paragraph each. longest, lifetime: minutes of the trial and of its VMs."""
    vms = any(each.vms for each in experiments)
    count = len(VMS) if any(each.traffic for each in experiments) else 1
    machines = f", routes, {count} VMs ({MACHINE_TYPE}, Debian 12, {DISK_GB} GB disk, no external address)"
    cost = (
        f"It costs at most {dollars(lifetime):.2f} US dollars, by an assumed bound of {VM_HOUR:g} for each VM and hour "
        f"(docs/evidence.md#cost). Each VM deletes itself after {lifetime:.0f} minutes, even if this program ends."
    )
    site = f"VPC network {network} with subnets, a firewall rule{machines if vms else ''}"
    return [
        "Permissions that it needs, which roles/compute.admin has:",
        *(
            f"  {collection}: {', '.join(name.rpartition('.')[2] for name in names)}"
            for collection, names in groupby(needed(experiments), lambda name: name.rpartition(".")[0])
        ),
        f"Experiments: {', '.join(each.name for each in experiments)}.",
        f"In project {project}, region {region}, it creates {site}.",
        "Everything has this prefix in its name and is removed at the end; nothing else in the project is changed.",
        f"It takes about {minutes(experiments):.0f} minutes, and ends after {longest:.0f} minutes in any case.",
        cost if vms else "It costs nothing: networks and subnets are free of charge.",
    ]
