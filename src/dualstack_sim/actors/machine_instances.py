"""The VMs of the machine controller, from machine classes (docs/reference/gardener.md#machine-creation)."""

from __future__ import annotations

import re
from typing import Any

from dualstack.model.errors import DualstackError
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.compute_api import Resource
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.refusals import ComputeConflict, ComputeNotFound, ComputeRefusal

_POLL_SECONDS = 5.0
_TIMEOUT_SECONDS = 300.0


class InvalidClass(DualstackError):
    """The machine class is not valid; the message names every invalid field."""


class MachineInstances:
    """Creates and deletes the VMs of machines, and waits for the operations."""

    def __init__(self, context: ActorContext) -> None:
        self._clock = context.clock
        _, self._compute = context.named("machine-controller-manager")

    async def create(self, name: str, machine_class: Manifest) -> str:
        """Create the VM `name`, or adopt it if it exists. Returns its provider ID when it runs.

        InvalidClass, ComputeRefusal or OperationFailed.
        """
        spec = machine_class.get("providerSpec") or {}
        faults = class_faults(spec)
        if faults:
            raise InvalidClass("; ".join(faults))
        zone = spec["zone"]
        try:
            await self._compute.wait(await self._compute.insert(f"zones/{zone}/instances", instance_body(name, spec)))
        except ComputeConflict:
            await self._adopt(name, zone)
        return f"gce:///{self._compute.project}/{zone}/{name}"

    async def delete(self, name: str, zone: str) -> None:
        """Delete the VM, if it exists, and wait for the operation. ComputeRefusal or OperationFailed."""
        try:
            await self._compute.wait(await self._compute.delete(f"zones/{zone}/instances/{name}"))
        except ComputeNotFound:
            return

    async def _adopt(self, name: str, zone: str) -> None:
        """Wait until a VM whose creation began before the controller was restarted runs."""
        path = f"zones/{zone}/instances/{name}"
        until = self._clock.now() + _TIMEOUT_SECONDS
        while True:
            instance = await self._compute.get(path, fields="status")
            status = instance["status"] if instance is not None else "gone"
            if status == "RUNNING":
                return
            if status not in ("PROVISIONING", "STAGING") or self._clock.now() > until:
                raise ComputeRefusal(409, "alreadyExists", f"the instance {name} exists, but its status is {status}")
            await self._clock.sleep(_POLL_SECONDS)


def class_faults(spec: Manifest) -> list[str]:
    """The invalid fields of a providerSpec, one message each (docs/reference/gardener.md#machine-validation)."""
    faults = [
        f"providerSpec.{name}: Required value" for name in ("zone", "region", "machineType") if not spec.get(name)
    ]
    interfaces = spec.get("networkInterfaces") or []
    if not interfaces:
        faults.append("providerSpec.networkInterfaces: Required value")
    for index, interface in enumerate(interfaces):
        where = f"providerSpec.networkInterfaces[{index}]"
        if not interface.get("network") and not interface.get("subnetwork"):
            faults.append(f"{where}: Required value: either network or subnetwork or both is required")
        for field, allowed in _ALLOWED.items():
            value = interface.get(field, "")
            if value not in ("", *allowed):
                faults.append(f'{where}.{field}: Unsupported value: "{value}": supported values: {", ".join(allowed)}')
        size = interface.get("ipCidrRange", "")
        if size and not _is_size(size):
            faults.append(f'{where}.ipCidrRange: Invalid value: "{size}": must be of the form /N with N from 0 to 32')
    return faults


_ALLOWED = {"stackType": ("IPV4_IPV6", "IPV4_ONLY"), "ipv6accessType": ("EXTERNAL", "INTERNAL")}


def _is_size(text: object) -> bool:
    match = re.fullmatch(r"/(\d{1,2})", str(text))
    return match is not None and int(match[1]) <= 32


def instance_body(name: str, spec: Manifest) -> Resource:
    """The body of instances.insert for a valid providerSpec."""
    zone = spec["zone"]
    body: Resource = {
        "name": name,
        "description": spec.get("description"),
        "canIpForward": spec.get("canIpForward", False),
        "deletionProtection": spec.get("deletionProtection", False),
        "machineType": f"zones/{zone}/machineTypes/{spec['machineType']}",
        "minCpuPlatform": spec.get("minCpuPlatform"),
        "labels": spec.get("labels"),
        "scheduling": spec.get("scheduling"),
        "tags": {"items": list(spec.get("tags") or ())},
        "disks": [_disk(zone, disk) for disk in spec.get("disks") or ()],
        "metadata": {"items": list(spec.get("metadata") or ())},
        "networkInterfaces": [_interface(spec["region"], each) for each in spec["networkInterfaces"]],
        "serviceAccounts": spec.get("serviceAccounts"),
    }
    return {field: value for field, value in body.items() if value not in (None, [], {})}


def _disk(zone: str, disk: Manifest) -> Resource:
    return {
        "autoDelete": disk.get("autoDelete", True),
        "boot": disk.get("boot", False),
        "initializeParams": {
            "diskSizeGb": str(disk.get("sizeGb", 50)),
            "diskType": f"zones/{zone}/diskTypes/{disk.get('type', 'pd-standard')}",
            **({"labels": disk["labels"]} if disk.get("labels") else {}),
            **({"sourceImage": disk["image"]} if disk.get("image") else {}),
        },
    }


def _interface(region: str, interface: Manifest) -> Resource:
    nic: dict[str, Any] = {}
    if not interface.get("disableExternalIP"):
        nic["accessConfigs"] = [{}]
    if interface.get("network"):
        nic["network"] = f"global/networks/{interface['network']}"
    if interface.get("subnetwork"):
        nic["subnetwork"] = f"regions/{region}/subnetworks/{interface['subnetwork']}"
    if interface.get("stackType") != "IPV4_IPV6" and not interface.get("useAliasIPs"):
        return nic
    if interface.get("stackType"):
        nic["stackType"] = interface["stackType"]
    if interface.get("ipv6accessType"):
        nic["ipv6AccessType"] = interface["ipv6accessType"]
    if interface.get("ipCidrRange"):
        alias = {"ipCidrRange": interface["ipCidrRange"], "subnetworkRangeName": interface.get("subnetworkRangeName")}
        nic["aliasIpRanges"] = [{field: value for field, value in alias.items() if value}]
    return nic
