"""Which of all firewall rules and policies decide about new connections to a VM over IPv6.

Policies of the organization and its folders come first; the network says whether its own come before or after the
firewall rules of the VPC. Within a policy and among the rules of the VPC the lowest priority decides
(docs/reference/compute-engine.md#firewall-order). A rule counts only if it holds for every address of the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv6Network, ip_network
from typing import Literal

from dualstack.gce import Resource

EVERYWHERE = IPv6Network("::/0")
BEFORE = "BEFORE_CLASSIC_FIREWALL"
OF_THE_NETWORK = ("NETWORK", "NETWORK_REGIONAL")
"""The types of policies that belong to a network; all others are evaluated before them."""

Action = Literal["allow", "deny", "goto_next"]
_INSPECT = "apply_security_profile_group"
_ALL_PORTS = ((0, 65535),)
_PARTIAL_SOURCES = (
    "srcAddressGroups",
    "srcFqdns",
    "srcNetworks",
    "srcRegionCodes",
    "srcSecureTags",
    "srcThreatIntelligences",
)
"""Conditions that narrow the source in a way that cannot be compared with a range."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """protocol: as in the rule, lower case. ports: ranges, both ends included; all of them for other protocols."""

    protocol: str
    ports: tuple[tuple[int, int], ...]

    def covers(self, other: Traffic) -> bool:
        """Whether all of `other` is in it."""
        if self.protocol == "all":
            return True
        inside = all(any(low <= first and last <= high for low, high in self.ports) for first, last in other.ports)
        return self.protocol == other.protocol and inside

    def __str__(self) -> str:
        shown = (f"{low}" if low == high else f"{low}-{high}" for low, high in self.ports)
        return self.protocol if self.ports == _ALL_PORTS else " ".join((self.protocol, *shown))


@dataclass(frozen=True, slots=True)
class Rule:
    """An ingress rule in effect. name: empty for a rule of a policy. number: its priority. policy: None for a firewall
    rule of the VPC."""

    name: str
    number: int
    action: Action
    traffic: tuple[Traffic, ...]
    policy: Policy | None = None
    inspects: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """type: as in the API, such as `HIERARCHY`."""

    name: str
    type: str


def deciding(effective: Resource, order: str, source: IPv6Network) -> Iterator[tuple[Rule, bool]]:
    """The rules that allow or deny new connections from all of `source`, with the traffic that no rule before has
    decided, and whether the rule comes before those of the VPC. order: `networkFirewallPolicyEnforcementOrder`."""
    decided: list[Traffic] = []
    for stage, ahead in _stages(effective, order, source):
        passed: list[Traffic] = []
        for rule in stage:
            open_ = tuple(each for each in rule.traffic if not _covered(each, (*decided, *passed)))
            if rule.action == "goto_next":
                passed.extend(open_)
            elif open_:
                decided.extend(open_)
                yield replace(rule, traffic=open_), ahead


def _stages(effective: Resource, order: str, source: IPv6Network) -> Iterator[tuple[list[Rule], bool]]:
    """The rules of each policy, and those of the VPC, in order of evaluation; with whether the VPC's come later."""
    policies = list(effective.get("firewallPolicys") or ())
    own = sorted(
        (each for each in policies if each.get("type") in OF_THE_NETWORK),
        key=lambda each: OF_THE_NETWORK.index(each["type"]),
    )
    first = [each for each in policies if each not in own]
    before = order == BEFORE
    for policy in (*first, *(own if before else ())):
        yield list(_of_policy(policy, source)), True
    yield list(_of_vpc(effective.get("firewalls") or (), source)), False
    for policy in () if before else own:
        yield list(_of_policy(policy, source)), False


def _of_policy(policy: Resource, source: IPv6Network) -> Iterator[Rule]:
    about = Policy(str(policy.get("shortName") or policy.get("displayName") or policy.get("name")), str(policy["type"]))
    for number, rule in _by_priority(policy.get("rules") or (), 0):
        match, action = rule.get("match") or {}, str(rule.get("action"))
        if (
            rule.get("direction", "INGRESS") == "INGRESS"
            and not rule.get("disabled")
            and rule.get("targetType", "INSTANCES") == "INSTANCES"
            and _matches(match, source)
        ):
            yield Rule(
                name="",
                number=number,
                action="allow" if action == _INSPECT else _action(action),
                traffic=tuple(_traffic(each, "ipProtocol") for each in match.get("layer4Configs") or ()),
                policy=about,
                inspects=action == _INSPECT,
            )


def _action(text: str) -> Action:
    return "allow" if text == "allow" else "goto_next" if text == "goto_next" else "deny"


def _matches(match: Resource, source: IPv6Network) -> bool:
    """Whether the condition of a policy's rule holds for every address of the source."""
    if any(match.get(name) for name in _PARTIAL_SOURCES):
        return False
    context = match.get("srcNetworkType") or match.get("srcNetworkContext") or "UNSPECIFIED"
    if context not in ("UNSPECIFIED", "INTERNET" if source == EVERYWHERE else "UNSPECIFIED"):
        return False
    ranges = match.get("srcIpRanges") or ()
    return _contain(ranges, source) or (not ranges and context == "INTERNET")


def _of_vpc(rules: Iterable[Resource], source: IPv6Network) -> Iterator[Rule]:
    """At equal priority a rule that denies comes first (docs/reference/compute-engine.md#firewall-priority)."""
    denying_first = sorted(rules, key=lambda each: (not each.get("denied"), each["name"]))
    for number, rule in _by_priority(denying_first, 1000):
        if rule.get("direction", "INGRESS") == "INGRESS" and not rule.get("disabled"):
            entries = rule.get("denied") or rule.get("allowed") or ()
            if _contain(rule.get("sourceRanges") or (), source):
                yield Rule(
                    name=str(rule["name"]),
                    number=number,
                    action="deny" if rule.get("denied") else "allow",
                    traffic=tuple(_traffic(each, "IPProtocol") for each in entries),
                )


def _by_priority(rules: Iterable[Resource], default: int) -> list[tuple[int, Resource]]:
    """The rules with their priorities in order of evaluation; in their own order at equal priority."""
    return sorted(((int(rule.get("priority", default)), rule) for rule in rules), key=lambda each: each[0])


def _traffic(entry: Resource, name: str) -> Traffic:
    ports = tuple(_ports(str(text)) for text in entry.get("ports") or ())
    return Traffic(str(entry.get(name) or "all").lower(), ports or _ALL_PORTS)


def _ports(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def _contain(ranges: Iterable[str], source: IPv6Network) -> bool:
    networks = (ip_network(text, strict=False) for text in ranges)
    return any(isinstance(each, IPv6Network) and source.subnet_of(each) for each in networks)


def _covered(traffic: Traffic, by: Iterable[Traffic]) -> bool:
    return any(each.covers(traffic) for each in by)
