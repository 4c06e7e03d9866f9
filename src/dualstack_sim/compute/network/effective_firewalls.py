"""Which firewall rules bear on a network or on one interface of a VM (compute-api.md 8)."""

from __future__ import annotations

from collections.abc import Iterator

from dualstack_sim.compute.api.errors import Json, invalid, required
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.project.project import Call, Project


class EffectiveFirewalls:
    """networks.getEffectiveFirewalls and instances.getEffectiveFirewalls, by priority. Without policies."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def of_network(self, call: Call) -> Json:
        network = self._project.inventory.get(Key("networks", GLOBAL, call.name))
        return _document(self._rules(network["selfLink"]))

    def of_instance(self, call: Call) -> Json:
        instance = self._project.inventory.get(Key("instances", call.scope, call.name))
        name = call.query.get("networkInterface", "")
        if not name:
            raise required("networkInterface")
        for interface in instance["networkInterfaces"]:
            if interface["name"] == name:
                rules = self._rules(interface["network"])
                return _document(rule for rule in rules if _targets(rule, instance))
        raise invalid("networkInterface", name, "The instance has no such network interface.")

    def _rules(self, network: str) -> Iterator[Json]:
        yield from self._project.inventory.of_network("firewalls", network).values()


def _targets(rule: Json, instance: Json) -> bool:
    """A rule without targets bears on every VM of its network."""
    tags, accounts = rule.get("targetTags", ()), rule.get("targetServiceAccounts", ())
    if not tags and not accounts:
        return True
    own = {account.get("email") for account in instance.get("serviceAccounts", ())}
    return bool(set(tags) & set(instance["tags"].get("items", ())) or own & set(accounts))


def _document(rules: Iterator[Json]) -> Json:
    chosen = sorted(rules, key=lambda rule: (rule["priority"], rule["name"]))
    return {"firewalls": chosen} if chosen else {}
