"""Reads the fields of Compute resources that decisions depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

DUAL_STACK = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
"""The two fields of a dual-stack subnet; one request sets both
(docs/reference/compute-engine.md#subnetwork-updates)."""


@dataclass(frozen=True, slots=True)
class InstanceReference:
    """An instance as named by a URL or a partial path."""

    project: str | None
    zone: str
    name: str


def instance_reference(link: str) -> InstanceReference | None:
    """Parses `[.../projects/<p>/]zones/<z>/instances/<i>`; None for other links (docs/reference/weaknesses.md#w27)."""
    parts = urlsplit(link).path.strip("/").split("/")
    if len(parts) < 4 or parts[-4] != "zones" or parts[-2] != "instances":
        return None
    project = parts[-5] if len(parts) >= 6 and parts[-6] == "projects" else None
    return InstanceReference(project, parts[-3], parts[-1])


def last_segment(link: str) -> str:
    """The name at the end of a link."""
    return link.rstrip("/").rpartition("/")[2]


def same_resource(left: str, right: str) -> bool:
    """Whether two links name the same resource; host and API version do not matter
    (docs/reference/compute-engine.md#names-paths-and-references)."""
    return _from_project(left) == _from_project(right)


def first_interface(instance: Mapping[str, Any]) -> Mapping[str, Any]:
    """nic0, else the first one, else an empty mapping (docs/reference/gardener.md#node-prefixes)."""
    interfaces: list[Mapping[str, Any]] = instance.get("networkInterfaces") or []
    return next((entry for entry in interfaces if entry.get("name") == "nic0"), interfaces[0] if interfaces else {})


def secondary_ranges(subnetwork: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(name, CIDR) of each secondary range, in the subnet's order."""
    return tuple((entry["rangeName"], entry["ipCidrRange"]) for entry in subnetwork.get("secondaryIpRanges") or ())


def alias_ranges(interface: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(CIDR, range name) of each alias range, in the interface's order; the name is empty for the primary range."""
    return tuple(
        (entry["ipCidrRange"], entry.get("subnetworkRangeName") or "") for entry in interface.get("aliasIpRanges") or ()
    )


def ipv6_prefix(subnetwork: Mapping[str, Any]) -> str | None:
    """The subnet's external /64 as the cloud spells it, or None while it has none."""
    return subnetwork.get("externalIpv6Prefix") or None


def _from_project(link: str) -> str:
    path = urlsplit(link).path
    _, found, rest = path.partition("projects/")
    return rest if found else path.strip("/")


def network_filter(network: str) -> str:
    """The server-side filter for the resources of one network, by its selfLink, as cloud-controller-manager sends it
    (docs/reference/weaknesses.md#w23)."""
    return f"(network eq {network})"
