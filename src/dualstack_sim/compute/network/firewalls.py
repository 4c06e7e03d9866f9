"""Firewall rules, which have no fingerprint: the last writer wins (docs/reference/compute-engine.md#firewall-rules)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from dualstack_sim.compute.api.bodies import accept, accept_list, accept_strings, one_of, refuse_changes
from dualstack_sim.compute.api.errors import Json, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import (
    Methods,
    Replaced,
    insertion,
    interface_of,
    new_key,
)
from dualstack_sim.compute.api.shapes import FIREWALL_LOG, PARAMETERS
from dualstack_sim.compute.network.addresses import parse_cidr
from dualstack_sim.compute.project.project import Call
from dualstack_sim.rules import enforced

SCHEMA: dict[str, Any] = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "network": str,
    "priority": int, "sourceRanges": list, "destinationRanges": list, "sourceTags": list, "targetTags": list,
    "sourceServiceAccounts": list, "targetServiceAccounts": list, "allowed": list, "denied": list, "direction": str,
    "disabled": bool, "logConfig": FIREWALL_LOG, "enableLogging": bool, "params": PARAMETERS,
}  # fmt: skip
_RULE: dict[str, type] = {"IPProtocol": str, "ports": list}
_PORT = re.compile(r"[0-9]{1,5}")
_RANGES = ("sourceRanges", "destinationRanges")
_LISTS = (*_RANGES, "sourceTags", "targetTags", "sourceServiceAccounts", "targetServiceAccounts")
_SERVER_SIDE = ("kind", "id", "creationTimestamp", "selfLink", "name")


class Firewalls(Replaced):
    """firewalls.insert, patch, update, delete."""

    collection = "firewalls"

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "firewalls", GLOBAL, body)
        resource = project.inventory.identity(key, "firewall", call.now) | self._rule(body, self._network(body))
        return insertion(project, key, resource)

    def delete(self, call: Call) -> Work:
        key, resource = self._target(call)
        return Work(key, resource["id"], "delete", lambda at: self._project.inventory.put(at, key, None))

    def _replace(self, call: Call, kind: str, *, keep: bool) -> Work:
        key, current = self._target(call)
        body = accept(call.body, SCHEMA)
        refuse_changes(body, current, ("name",))
        network = self._network(body) if "network" in body else current["network"]
        if network != current["network"] and enforced("firewalls.network-fixed"):
            raise invalid("resource.network", body["network"], "The network of a firewall rule cannot be changed.")
        identity = {field: current[field] for field in _SERVER_SIDE}
        after = identity | self._rule(current | body if keep else body, network)
        return Work(key, current["id"], kind, lambda at: self._project.inventory.put(at, key, after))

    def _network(self, body: Json) -> str:
        text = body.get("network", "global/networks/default")
        key, _ = self._project.reference("resource.network", text, "networks", GLOBAL, "network")
        self._project.require_unlocked(key)
        return self._project.links.full(key)

    def _rule(self, body: Json, network: str) -> Json:
        """The checked rule with its defaults."""
        direction = one_of(body.get("direction", "INGRESS"), ("INGRESS", "EGRESS"), "resource.direction")
        priority = body.get("priority", 1000)
        if not 0 <= priority <= 65535 and enforced("firewalls.priority"):
            raise invalid("resource.priority", priority, "Must be between 0 and 65535.")
        if bool(body.get("allowed")) == bool(body.get("denied")) and enforced("firewalls.allow-or-deny"):
            raise invalid("resource.allowed", "", "Exactly one of allowed and denied must be specified.")
        rule: Json = {
            "network": network,
            "direction": direction,
            "priority": priority,
            "disabled": body.get("disabled", False),
            "logConfig": body.get("logConfig", {"enable": False}),
            "description": body.get("description", ""),
        }
        for field in ("allowed", "denied"):
            if body.get(field):
                rule[field] = _protocols(body[field], f"resource.{field}")
        for field in _LISTS:
            if body.get(field):
                rule[field] = accept_strings(body[field], f"resource.{field}")
        _check_families(rule)
        sources = any(rule.get(field) for field in ("sourceRanges", "sourceTags", "sourceServiceAccounts"))
        if direction == "INGRESS" and not sources and enforced("firewalls.default-source"):
            rule["sourceRanges"] = ["0.0.0.0/0"]
        if direction == "EGRESS" and not rule.get("destinationRanges"):
            rule["destinationRanges"] = ["0.0.0.0/0"]
        return rule


def _protocols(entries: list[Any], where: str) -> list[Json]:
    result = []
    for index, entry in enumerate(accept_list(entries, _RULE, where)):
        if not entry.get("IPProtocol"):
            raise required(f"{where}[{index}].IPProtocol")
        for number, text in enumerate(accept_strings(entry.get("ports", []), f"{where}[{index}].ports")):
            if not _are_ports(text):
                why = "Must be a port from 0 to 65535, or a range of such, as in 80 and 8000-9000."
                raise invalid(f"{where}[{index}].ports[{number}]", text, why)
        result.append(entry)
    return result


def _are_ports(text: str) -> bool:
    low, dash, high = text.partition("-")
    ends = [low, high] if dash else [low]
    return all(_PORT.fullmatch(end) for end in ends) and int(low) <= int(ends[-1]) <= 65535


def _check_families(rule: Json) -> None:
    """Refuse a rule with both IPv4 and IPv6 ranges."""
    versions = set()
    for field in _RANGES:
        for index, text in enumerate(rule.get(field, ())):
            network = parse_cidr(text if "/" in text else f"{text}/{128 if ':' in text else 32}")
            if network is None:
                raise invalid(f"resource.{field}[{index}]", text, "Must be a valid CIDR range.")
            versions.add(network.version)
    if len(versions) > 1 and enforced("firewalls.one-family"):
        raise invalid("resource.sourceRanges", "", "IPv4 and IPv6 ranges cannot be mixed in one firewall rule.")


_TYPES = ("HIERARCHY", "NETWORK", "NETWORK_REGIONAL")
"""The types of policies in the order in which they are evaluated."""
_OF_POLICY = ("name", "type", "shortName", "rules")


class EffectiveFirewalls(Methods):
    """networks.getEffectiveFirewalls and instances.getEffectiveFirewalls.

    Policies come with the state of the project; requests neither make nor change them. Source:
    docs/reference/compute-engine.md#effective-firewalls.
    """

    def of_network(self, call: Call) -> Json:
        """Without the policies of a region, which regionNetworkFirewallPolicies.getEffectiveFirewalls would show."""
        network = self._project.inventory.get(Key("networks", GLOBAL, call.name))["selfLink"]
        return _document(self._of("firewalls", network), self._of("firewallPolicies", network, GLOBAL))

    def of_instance(self, call: Call) -> Json:
        instance = self._project.inventory.get(Key("instances", call.scope, call.name))
        network = interface_of(instance, call)["network"]
        region = f"regions/{call.scope.partition('/')[2].rpartition('-')[0]}"
        policies = [
            policy | {"rules": [rule for rule in policy.get("rules", ()) if _targets(rule, instance)]}
            for policy in self._of("firewallPolicies", network, GLOBAL, region)
        ]
        return _document((rule for rule in self._of("firewalls", network) if _targets(rule, instance)), policies)

    def _of(self, collection: str, network: str, *scopes: str) -> Iterator[Json]:
        found = self._project.inventory.of_network(collection, network)
        return (each for key, each in found.items() if not scopes or key.scope in scopes)


def _targets(rule: Json, instance: Json) -> bool:
    """Whether the rule applies to the VM; a rule without targets applies to all."""
    tags, accounts = rule.get("targetTags", ()), rule.get("targetServiceAccounts", ())
    if not tags and not accounts:
        return True
    own = {account.get("email") for account in instance.get("serviceAccounts", ())}
    return bool(set(tags) & set(instance["tags"].get("items", ())) or own & set(accounts))


def _document(rules: Iterable[Json], policies: Iterable[Json]) -> Json:
    firewalls = sorted(rules, key=lambda rule: (rule["priority"], rule["name"]))
    ordered = sorted(policies, key=lambda policy: (_TYPES.index(policy["type"]), policy["name"]))
    shown = [{field: policy[field] for field in _OF_POLICY if field in policy} for policy in ordered]
    return {**({"firewalls": firewalls} if firewalls else {}), **({"firewallPolicys": shown} if shown else {})}
