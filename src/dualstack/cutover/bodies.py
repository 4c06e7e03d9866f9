"""Bodies of PATCH requests on the nodes subnet and on nic0, from the resource as read; None when nothing changes.

A list replaces the one that is there, so each body repeats what is to stay (docs/reference/cut-over.md#r12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Body = dict[str, Any]

Change = Callable[[Mapping[str, Any]], Body | None]
"""From a resource as read to the body of its PATCH without fingerprint; None when it needs no change."""


def with_range(subnet: Mapping[str, Any], name: str, cidr: str) -> Body | None:
    """The secondary ranges with one more."""
    ranges, ours = _ranges(subnet), {"rangeName": name, "ipCidrRange": cidr}
    return None if ours in ranges else {"secondaryIpRanges": [*ranges, ours]}


def without_range(subnet: Mapping[str, Any], name: str) -> Body | None:
    """The secondary ranges without the one of that name."""
    ranges = _ranges(subnet)
    kept = [entry for entry in ranges if entry["rangeName"] != name]
    return None if kept == ranges else {"secondaryIpRanges": kept}


def with_first_alias(interface: Mapping[str, Any], name: str, cidr: str) -> Body | None:
    """The aliases with this one at the beginning: cloud-controller-manager reads only the first."""
    aliases, ours = _aliases(interface), {"ipCidrRange": cidr, "subnetworkRangeName": name}
    others = [alias for alias in aliases if alias != ours]
    return None if aliases[:1] == [ours] else {"aliasIpRanges": [ours, *others]}


def with_last_aliases(interface: Mapping[str, Any], name: str, cidrs: Iterable[str]) -> Body | None:
    """The aliases with these behind the others."""
    aliases = _aliases(interface)
    added = [alias for cidr in cidrs if (alias := {"ipCidrRange": cidr, "subnetworkRangeName": name}) not in aliases]
    return {"aliasIpRanges": [*aliases, *added]} if added else None


def without_aliases(interface: Mapping[str, Any], name: str) -> Body | None:
    """The aliases without those of the range of that name."""
    aliases = _aliases(interface)
    kept = [alias for alias in aliases if alias.get("subnetworkRangeName") != name]
    return None if kept == aliases else {"aliasIpRanges": kept}


def _ranges(subnet: Mapping[str, Any]) -> list[Body]:
    """The secondary ranges as a request may hold them; answers carry more fields."""
    return [
        {"rangeName": entry["rangeName"], "ipCidrRange": entry["ipCidrRange"]}
        for entry in subnet.get("secondaryIpRanges") or ()
    ]


def _aliases(interface: Mapping[str, Any]) -> list[Body]:
    return [
        {field: alias[field] for field in ("ipCidrRange", "subnetworkRangeName") if alias.get(field)}
        for alias in interface.get("aliasIpRanges") or ()
    ]
