"""The facts that a commit of the Compute API changes, and the names of hosts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.fabric.blocks import Block, parse_block
from dualstack_sim.fabric.facts import (
    Fact,
    FirewallRule,
    Interface,
    Key,
    Machine,
    Peering,
    PortRange,
    StaticRoute,
    SubnetFlag,
    SubnetRanges,
)
from dualstack_sim.rules import enforced

HostOf = Callable[[str, str], str]
"""`host_of(zone, name)`: the host name of the VM `name` in `zone`."""


class HostNames:
    """Host names of VMs: NAME, or ZONE/NAME if a VM of another zone had the name first.

    VM names are unique only in their zone. A name keeps its first zone, so that a route to a deleted VM does not lead
    to a VM with the same name in another zone.
    """

    def __init__(self) -> None:
        self._first_zone: dict[str, str] = {}

    def of(self, zone: str, name: str) -> str:
        """The host name of the VM."""
        return name if self._first_zone.setdefault(name, zone) == zone else f"{zone}/{name}"

    def find(self, text: str, hosts: Collection[str]) -> str | None:
        """The one of `hosts` with this NAME or ZONE/NAME; None if there is none or the name is ambiguous."""
        zone, _, name = text.rpartition("/")
        exact = name if zone and self._first_zone.get(name) == zone else text
        if exact in hosts:
            return exact
        namesakes = [host for host in hosts if host.endswith(f"/{text}")]
        return namesakes[0] if len(namesakes) == 1 else None


Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """The new state of one resource; `fact` is None if it was deleted."""

    network: str
    key: Key
    fact: Fact | None


def changes(commit: Commit, host_of: HostOf) -> list[Change]:
    """The facts that `commit` changes; empty if it does not affect forwarding."""
    before = dict(_facts(commit.collection, commit.before, host_of))
    after = dict(_facts(commit.collection, commit.after, host_of))
    gone = [Change(network, key, None) for network, key in before if (network, key) not in after]
    return gone + [Change(*place, fact) for place, fact in after.items() if before.get(place) != fact]


def firewall_facts(resources: Iterable[Resource], network: str) -> list[FirewallRule]:
    """The enabled rules of the network with this link."""
    return [_firewall(rule) for rule in resources if rule["network"] == network and not _is_disabled(rule)]


def machine_fact(resource: Resource) -> Machine:
    """The VM under its own name."""
    return _machine(resource, resource["name"])


def _facts(collection: str, resource: Resource | None, host_of: HostOf) -> Iterator[tuple[tuple[str, Key], Fact]]:
    if resource is None:
        return
    match collection:
        case "networks":
            network, facts = resource["name"], _peerings(resource)
        case "subnetworks":
            network, facts = _last(resource["network"]), _subnet_facts(resource)
        case "routes" if "nextHopNetwork" not in resource:
            network, facts = _last(resource["network"]), iter((_route(resource, host_of),))
        case "firewalls" if not _is_disabled(resource):
            network, facts = _last(resource["network"]), iter((_firewall(resource),))
        case "instances":
            yield from _instance_facts(resource, host_of)
            return
        case _:  # subnet routes are derived from subnets
            return
    for fact in facts:
        yield (network, fact.key), fact


def _peerings(resource: Resource) -> Iterator[Fact]:
    for body in resource.get("peerings") or ():
        if body["state"] == "ACTIVE":
            yield Peering(
                peer=_last(body["network"]),
                exports=bool(body.get("exportCustomRoutes")),
                imports=bool(body.get("importCustomRoutes")),
                ipv6=body.get("stackType") == "IPV4_IPV6",
            )


def _is_disabled(firewall: Resource) -> bool:
    return bool(firewall.get("disabled")) and enforced("forwarding.firewall-disabled")


def _subnet_facts(resource: Resource) -> Iterator[Fact]:
    region, name = _last(resource["region"]), resource["name"]
    texts = [resource.get("ipCidrRange")]
    texts += [secondary["ipCidrRange"] for secondary in resource.get("secondaryIpRanges") or ()]
    texts.append(
        resource.get("externalIpv6Prefix") or resource.get("internalIpv6Prefix") or resource.get("ipv6CidrRange")
    )
    yield SubnetRanges(region, name, tuple(parse_block(text) for text in texts if text))
    yield SubnetFlag(region, name, bool(resource.get("allowSubnetCidrRoutesOverlap")))


def _route(resource: Resource, host_of: HostOf) -> StaticRoute:
    instance = resource.get("nextHopInstance")
    others = sorted(field for field in resource if field.startswith("nextHop") and resource[field])
    return StaticRoute(
        name=resource["name"],
        destination=parse_block(resource["destRange"]),
        priority=int(resource.get("priority", 1000)),
        instance=host_of(_zone(instance), _last(instance)) if instance else None,
        region=_region_of_zone(_zone(instance)) if instance else "",
        next_hop="instance" if instance else _last(str(resource[others[0]])) if others else "",
        tags=frozenset(resource.get("tags") or ()),
    )


def _instance_facts(resource: Resource, host_of: HostOf) -> Iterator[tuple[tuple[str, Key], Fact]]:
    interfaces = resource.get("networkInterfaces") or []
    if not interfaces:
        return
    zone = _last(resource["zone"])
    machine = _machine(resource, host_of(zone, resource["name"]))
    yield (_last(interfaces[0]["network"]), machine.key), machine
    for number, body in enumerate(interfaces):
        interface = _interface(machine.name, body.get("name", f"nic{number}"), body)
        yield (_last(body["network"]), interface.key), interface


def _machine(resource: Resource, host: str) -> Machine:
    return Machine(
        name=host,
        region=_region_of_zone(_last(resource["zone"])),
        running=resource.get("status") == "RUNNING",
        can_ip_forward=bool(resource.get("canIpForward")),
        tags=frozenset((resource.get("tags") or {}).get("items") or ()),
        address_manager=address_manager(resource.get("metadata")),
    )


_HANDLES = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), False),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), True),
}
"""By the value of the key (docs/reference/compute-engine.md#guest-agent-booleans)."""


def address_manager(metadata: Resource | None) -> bool | None:
    """Whether metadata lets the guest agent handle alias ranges; None unless the key that stops it is a boolean.

    Source: docs/reference/compute-engine.md#guest-agent-metadata.
    """
    values = {item["key"]: str(item.get("value", "")) for item in (metadata or {}).get("items", ())}
    return _HANDLES.get(values.get("disable-address-manager", ""))


def _interface(instance: str, name: str, body: Resource) -> Interface:
    primary = body.get("networkIP")
    # an alias that is only a mask has no addresses yet
    aliases = [alias["ipCidrRange"] for alias in body.get("aliasIpRanges") or ()]
    return Interface(
        instance=instance,
        name=name,
        primary=parse_block(primary) if primary else None,
        aliases=tuple(parse_block(alias) for alias in aliases if not alias.startswith("/")),
        ipv6=_ipv6_range(body),
    )


def _ipv6_range(body: Resource) -> Block | None:
    """The /96 of a dual-stack NIC, external or internal (docs/reference/compute-engine.md#vm-prefixes)."""
    for config in body.get("ipv6AccessConfigs") or ():
        if config.get("externalIpv6"):
            return parse_block(f"{config['externalIpv6']}/{config.get('externalIpv6PrefixLength', 96)}")
    if body.get("ipv6Address"):
        return parse_block(f"{body['ipv6Address']}/{body.get('internalIpv6PrefixLength', 96)}")
    return None


def _firewall(resource: Resource) -> FirewallRule:
    egress = resource.get("direction") == "EGRESS"
    ranges = resource.get("destinationRanges" if egress else "sourceRanges")
    if not ranges and not resource.get("sourceTags") and not resource.get("sourceServiceAccounts"):
        ranges = ["0.0.0.0/0"]
    return FirewallRule(
        name=resource["name"],
        priority=int(resource.get("priority", 1000)),
        allow=not resource.get("denied"),
        ranges=tuple(parse_block(text) for text in ranges or ()),
        traffic=tuple(_port_range(entry) for entry in resource.get("allowed") or resource.get("denied") or ()),
        target_tags=frozenset(resource.get("targetTags") or ()),
        egress=egress,
    )


def _port_range(entry: Resource) -> PortRange:
    ports = []
    for text in entry.get("ports") or ():
        low, _, high = str(text).partition("-")
        ports.append((int(low), int(high or low)))
    return PortRange(str(entry["IPProtocol"]).lower(), tuple(ports))


def _last(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def _zone(url: str) -> str:
    """The zone in an instance URL `.../zones/Z/instances/I`; empty when there is none."""
    parts = url.split("/")
    return parts[parts.index("zones") + 1] if "zones" in parts[:-1] else ""


def _region_of_zone(zone: str) -> str:
    return zone.rpartition("-")[0]
