"""What a migration changes, as text: take it before and after, and compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from dualstack.gce import Resource
from dualstack.gce.resources import secondary_ranges
from dualstack.model.kinds import Manifest
from dualstack.verify.checks import MANAGER_FLAGS
from dualstack.verify.facts import Facts

_ABSENT = "none"


class Change(msgspec.Struct, frozen=True):
    """One difference between two inventories."""

    what: str
    before: str
    after: str


def inventory(facts: Facts) -> dict[str, str]:
    """State by name, in the order in which a migration changes it. Raises the error of a failed read."""
    cluster = facts.cluster
    rules = (rule["name"].removeprefix(f"{cluster.name}-") for rule in facts.firewalls.value)
    return {
        "node routes": str(len(facts.routes.value)),
        f"subnet {cluster.nodes_subnet}": _subnet(facts.nodes_subnet.value),
        f"subnet {cluster.services_subnet}": _subnet(facts.services_subnet.value),
        "firewall rules": ", ".join(sorted(rules)),
        "cloud-controller-manager": shown_flags(facts.cloud_controller_manager.value.flags[0], *MANAGER_FLAGS),
        "nodes": _families(facts.nodes.value),
        "kube-dns": ", ".join(facts.dns_service.value["spec"]["clusterIPs"]),
    }


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """What differs between two inventories."""
    return tuple(
        Change(what, before.get(what, _ABSENT), state)
        for what, state in after.items()
        if before.get(what, _ABSENT) != state
    )


def shown_flags(found: Mapping[str, str], *names: str) -> str:
    """These flags, as `name=value` words."""
    return " ".join(f"{name}={found.get(name)}" for name in names)


def _subnet(subnet: Resource | None) -> str:
    if subnet is None:
        return _ABSENT
    ranges = [f"{name} {cidr}" for name, cidr in secondary_ranges(subnet)]
    return ", ".join([subnet["stackType"], *filter(None, [subnet.get("externalIpv6Prefix")]), *ranges])


def _families(nodes: list[Manifest]) -> str:
    counts = Counter(len(node["spec"].get("podCIDRs") or ()) for node in nodes)
    return ", ".join(f"{number} {'dual-stack' if cidrs == 2 else 'IPv4'}" for cidrs, number in sorted(counts.items()))
