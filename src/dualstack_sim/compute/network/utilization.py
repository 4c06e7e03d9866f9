"""Subnetworks with `views=WITH_UTILIZATION`: numbers of used and free addresses.

Source: docs/reference/compute-engine.md#utilization.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.network.addresses import VM_PREFIX, Block
from dualstack_sim.compute.project.project import Project

VIEW = "WITH_UTILIZATION"
_RESERVED = 4


def with_utilization(project: Project, subnetwork: Json) -> Json:
    """The subnetwork with `utilizationDetails`: one entry for each IPv4 range and one for the IPv6 prefix."""
    key = project.links.read(subnetwork["selfLink"], "subnetworks", "")
    if key is None:
        return subnetwork
    blocks = project.pool(key).blocks()
    secondary = [
        _of_range(entry["rangeName"], entry["ipCidrRange"], 0, blocks)
        for entry in subnetwork.get("secondaryIpRanges", ())
    ]
    primary = _of_range("", subnetwork["ipCidrRange"], _RESERVED, blocks)
    details: Json = {"ipv4Utilizations": [primary, *secondary]}
    for field, shown in (
        ("externalIpv6Prefix", "externalIpv6InstanceUtilization"),
        ("internalIpv6Prefix", "internalIpv6Utilization"),
    ):
        if field in subnetwork:
            details[shown] = _of_prefix(project, key)
    return subnetwork | {"utilizationDetails": details}


def _of_range(name: str, text: str, reserved: int, blocks: tuple[Block, ...]) -> Json:
    network = IPv4Network(text)
    first, last = int(network.network_address), int(network.broadcast_address)
    taken = sum(block.last - block.first + 1 for block in blocks if first <= block.first and block.last <= last)
    shown: Json = {"rangeName": name} if name else {}
    total = network.num_addresses - reserved
    return shown | {"totalAllocatedIp": str(taken), "totalFreeIp": str(total - taken)}


def _of_prefix(project: Project, key: Key) -> Json:
    """The /96s of VMs come from the first /65 of the /64."""
    taken = project.pool(key).allocated_ipv6() << (128 - VM_PREFIX)
    return {"totalAllocatedIp": _wide(taken), "totalFreeIp": _wide((1 << 63) - taken)}


def _wide(number: int) -> Json:
    return {"high": str(number >> 64), "low": str(number & ((1 << 64) - 1))}
