"""Which ranges a Cloud NAT translates (docs/reference/compute-engine.md#nat-ranges)."""

from __future__ import annotations

from dualstack.gce.operations import Resource
from dualstack.gce.resources import last_segment

PRIMARY = ""
"""The primary range of a subnet, in place of the name of a secondary one."""


def translates(nat: Resource, subnet: str, secondary: str = PRIMARY) -> bool:
    """Whether what leaves from a range of the subnet (by name) gets an external address of the NAT."""
    if nat.get("type") == "PRIVATE":  # docs/reference/compute-engine.md#private-nat
        return False
    scope = nat.get("sourceSubnetworkIpRangesToNat") or ""
    if scope != "LIST_OF_SUBNETWORKS":
        return scope == "ALL_SUBNETWORKS_ALL_IP_RANGES" or (
            scope == "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES" and secondary == PRIMARY
        )
    for entry in nat.get("subnetworks") or ():
        if last_segment(entry.get("name") or "") == subnet:
            which = entry.get("sourceIpRangesToNat") or ("ALL_IP_RANGES",)
            if "ALL_IP_RANGES" in which:
                return True
            if secondary == PRIMARY:
                return "PRIMARY_IP_RANGE" in which
            return secondary in (entry.get("secondaryIpRangeNames") or ())
    return False
