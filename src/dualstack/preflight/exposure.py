"""Checks of what becomes reachable, or stops being reachable, when nodes and pods have public IPv6 addresses."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from dualstack.gce import Resource
from dualstack.gce.nats import translates
from dualstack.gce.resources import last_segment
from dualstack.kube.masquerading import masquerader
from dualstack.model.enumeration import listed
from dualstack.model.errors import DualstackError
from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.firewall_order import EVERYWHERE, Policy, Rule, deciding
from dualstack.preflight.inventory import Inventory

ICMP6 = ("58", "icmp6", "icmpv6", "ipv6-icmp")
"""ICMPv6 in a firewall rule (docs/reference/compute-engine.md#firewall-icmpv6)."""


@Check(
    "ipv6-exposure",
    "risk",
    reads=("network", "effective firewalls"),
    fine="no firewall rule and no firewall policy admits IPv6 from everywhere",
    consequence="it applies to nodes and pods as soon as they have public IPv6 addresses, which no NAT protects",
    remedy="limit its source ranges or its targets before the nodes are replaced",
)
def ipv6_exposure(inventory: Inventory) -> Iterator[Problem]:
    """Every address of an external subnet is public (docs/reference/compute-engine.md#external-ipv6-public)."""
    if isinstance(inventory.answers["effective firewalls"], DualstackError):  # the rules of the VPC are known at least
        yield from _exposed_by_the_network(inventory)
    for rule, reached in _decisions(inventory, EVERYWHERE, "allow"):
        shown = f"{'inspects and allows' if rule.inspects else 'allows'} {_shown(rule)} from {EVERYWHERE} to {reached}"
        yield _problem(inventory, rule, shown)


@Check(
    "ipv6-firewall",
    "risk",
    reads=("network", "firewalls", "effective firewalls", "subnetworks"),
    fine="firewall rules admit IPv6 between the nodes, with ICMPv6, and no firewall policy denies it",
    consequence="over IPv6, nodes and pods do not reach each other, and packets that are too large are lost silently",
    remedy="once the subnet has its IPv6 range, allow all protocols, with ICMPv6 (protocol 58), from it",
)
def ipv6_firewall(inventory: Inventory) -> Iterator[Problem]:
    """Ingress is denied where no rule allows it (docs/reference/compute-engine.md#firewall-defaults)."""
    admitted = any(_admits_ipv6(rule) and _protocols(rule) & {*ICMP6, "all"} for rule in _rules(inventory))
    if inventory.platform != "gardener" and not admitted:
        fix = (
            f"gcloud compute firewall-rules create {inventory.cluster.name}-ipv6 --project {inventory.cluster.project} "
            f"--network {inventory.cluster.network} --direction INGRESS --allow all --source-ranges SUBNET_IPV6_PREFIX"
        )
        evidence = "no firewall rule allows ICMPv6 from an IPv6 range"
        yield Problem(f"network {inventory.cluster.network}", evidence, fix=fix)
    prefix = inventory.nodes_subnet.get("externalIpv6Prefix")
    source = IPv6Network(prefix) if prefix else EVERYWHERE
    denied = False
    for rule, reached in _decisions(inventory, source, "deny", ahead=True):
        denied = True
        shown = f"denies {_shown(rule)} from {source} to {reached} before the firewall rules of the network count"
        yield _problem(inventory, rule, shown)
    if inventory.platform == "gardener" and not denied:
        raise NotApplicable("Gardener creates the rules for IPv6, and no firewall policy comes before them")


@Check(
    "firewall-sources",
    "note",
    reads=("network", "firewalls"),
    fine="no firewall rule names its sources by tag or service account",
    consequence="it matches the addresses of VMs, not those of pods, over either family",
    remedy="name the ranges of the pods where pods are to be admitted",
)
def firewall_sources(inventory: Inventory) -> Iterator[Problem]:
    """Tags stand for addresses of interfaces (docs/reference/compute-engine.md#firewall-alias-sources)."""
    found = [
        rule["name"]
        for rule in _rules(inventory)
        if (rule.get("sourceTags") or rule.get("sourceServiceAccounts")) and not rule.get("sourceRanges")
    ]
    if found:
        evidence = f"rules {listed(sorted(found))} have source tags or source service accounts"
        yield Problem(f"network {inventory.cluster.network}", evidence)


@Check(
    "nat-ranges",
    "risk",
    reads=("network", "routers"),
    fine="Cloud NAT translates the pod range as well as the nodes, or does not serve the nodes subnet",
    consequence="packets that leave a node with the address of a pod in the new range are not translated, so they do "
    "not reach the internet",
    remedy="let the NAT translate all ranges of the subnet, or check that every node masquerades its pods",
)
def nat_ranges(inventory: Inventory) -> Iterator[Problem]:
    """NAT may cover primary ranges or named secondary ranges only (docs/reference/compute-engine.md#nat-ranges).

    Only then it matters whether nodes masquerade, which DaemonSets, ConfigMaps and IP pools show."""
    cluster = inventory.cluster
    nats = [(router, nat) for router, nat in _nats(inventory) if translates(nat, cluster.nodes_subnet)]
    covered = any(translates(nat, cluster.nodes_subnet, cluster.pod_range_name) for _, nat in _nats(inventory))
    if covered or not nats:
        return
    if by := masquerader(cluster.pods, inventory.system_objects):
        raise NotApplicable(f"packets of pods leave with the address of their node: {by}")
    for router, nat in nats:
        evidence = (
            f"it translates the primary range of subnet {cluster.nodes_subnet}, and no Cloud NAT translates its "
            f"secondary range {cluster.pod_range_name}"
        )
        yield Problem(f"Cloud NAT {router}/{nat['name']}", evidence)


@Check(
    "ipv6-egress",
    "note",
    reads=("network", "routers"),
    fine="no Cloud NAT of the region translates addresses",
    consequence="over IPv6 nothing is translated: pods and nodes leave with their own public addresses, which allow "
    "lists of others do not have",
    remedy="give partners the IPv6 ranges of the subnets, or keep such connections on IPv4",
)
def ipv6_egress(inventory: Inventory) -> Iterator[Problem]:
    """Cloud NAT translates IPv4 (docs/reference/compute-engine.md#nat-ranges)."""
    for router, nat in _nats(inventory):
        yield Problem(f"Cloud NAT {router}/{nat['name']}", "IPv4 connections leave with its addresses")


def _exposed_by_the_network(inventory: Inventory) -> Iterator[Problem]:
    """The firewall rules of the VPC that admit IPv6 from everywhere, whichever VMs they are for."""
    for rule in _rules(inventory):
        targets = [*(rule.get("targetTags") or ()), *(rule.get("targetServiceAccounts") or ())]
        about = f"targets {', '.join(targets)}" if targets else "all VMs of the network"
        for known, _ in deciding({"firewalls": [rule]}, "", EVERYWHERE):
            if known.action == "allow":
                yield _problem(inventory, known, f"allows {_shown(known)} from {EVERYWHERE} to {about}")


def _decisions(
    inventory: Inventory, source: IPv6Network, action: str, *, ahead: bool = False
) -> Iterator[tuple[Rule, str]]:
    """The rules that decide so about connections to the nodes, with the nodes. ahead: only those before the VPC's."""
    order = inventory.network.get("networkFirewallPolicyEnforcementOrder", "")
    found: dict[Rule, list[str]] = {}
    effective = inventory.of("effective firewalls")
    for each in effective:
        for rule, first in deciding(each, order, source):
            if rule.action == action and (first or not ahead):
                found.setdefault(rule, []).append(each["pool"])
    for rule, pools in found.items():
        every = len(pools) == len(effective)
        yield rule, "the nodes" if every else f"pool{'s' * (len(pools) > 1)} {', '.join(sorted(pools))}"


def _problem(inventory: Inventory, rule: Rule, shown: str) -> Problem:
    """The problem that a rule is; `shown`: what it does."""
    project = inventory.cluster.project
    match rule.policy:
        case None:
            fix = f"gcloud compute firewall-rules describe {rule.name} --project {project}"
            return Problem(f"firewall rule {rule.name}", f"it {shown}", fix=fix)
        case Policy(name, "HIERARCHY"):
            kind, command, place = "hierarchical firewall policy", "firewall-policies", "--organization ORGANIZATION"
        case Policy(name, "NETWORK_REGIONAL"):
            kind, command = "firewall policy", "network-firewall-policies"
            place = f"--firewall-policy-region {inventory.cluster.region} --project {project}"
        case Policy(name, _):
            kind, command = "firewall policy", "network-firewall-policies"
            place = f"--global-firewall-policy --project {project}"
    fix = f"gcloud compute {command} rules describe {rule.number} --firewall-policy {name} {place}"
    return Problem(f"{kind} {name}", f"its rule {rule.number} {shown}", fix=fix)


def _shown(rule: Rule) -> str:
    return "; ".join(map(str, rule.traffic))


def _rules(inventory: Inventory) -> list[Resource]:
    """The rules of the network that are in effect, by name. Only those for ingress have sources."""
    found = [rule for rule in inventory.in_network("firewalls") if not rule.get("disabled")]
    return sorted(found, key=lambda rule: str(rule["name"]))


def _nats(inventory: Inventory) -> Iterator[tuple[str, Resource]]:
    """Each NAT of the region with the name of its router."""
    for router in inventory.in_network("routers"):
        if last_segment(router["region"]) == inventory.cluster.region:
            for nat in router.get("nats") or ():
                yield str(router["name"]), nat


def _admits_ipv6(rule: Resource) -> bool:
    return any(":" in text for text in rule.get("sourceRanges") or ())


def _protocols(rule: Resource) -> set[str]:
    return {str(entry.get("IPProtocol")).lower() for entry in rule.get("allowed") or ()}
