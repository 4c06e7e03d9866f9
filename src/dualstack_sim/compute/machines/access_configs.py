"""External IPv4 addresses of VMs: add, delete and update access configs.

Source: docs/reference/compute-engine.md#access-configs-fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from dualstack_sim.compute.api.bodies import accept, accept_list, echoed, one_of
from dualstack_sim.compute.api.errors import Json, bad_request, invalid, not_found, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.api.resource_changes import Methods, change_target, interface_of
from dualstack_sim.compute.network.addresses import dotted, parse_ipv4
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

SCHEMA: dict[str, type] = {
    "kind": str, "type": str, "name": str, "natIP": str, "networkTier": str, "setPublicPtr": bool,
    "publicPtrDomainName": str, "externalIpv6": str, "externalIpv6PrefixLength": int, "securityPolicy": str,
    "ipCollection": str,
}  # fmt: skip
_ECHOED = ("setPublicPtr", "publicPtrDomainName", "securityPolicy", "ipCollection")
TYPES = ("ONE_TO_ONE_NAT",)
TIERS = ("PREMIUM", "STANDARD", "FIXED_STANDARD", "STANDARD_OVERRIDES_FIXED_STANDARD")


def access_configs(project: Project, instance: Key, interface: str, entries: list[Any], where: str) -> list[Json]:
    """The checked IPv4 access configs of a new interface: at most one."""
    configs = accept_list(entries, SCHEMA, f"{where}.accessConfigs")
    if len(configs) > 1 and enforced("access.one-config"):
        raise invalid(f"{where}.accessConfigs", "", "At most one access config currently supported.")
    return [access_config(project, instance, interface, config, f"{where}.accessConfigs[0]") for config in configs]


def access_config(project: Project, instance: Key, interface: str, body: Json, where: str) -> Json:
    """A new access config with defaults; 400 if another VM uses the requested address."""
    for field in ("externalIpv6", "externalIpv6PrefixLength"):
        if body.get(field) and enforced("access.family"):
            raise invalid(f"{where}.{field}", body[field], "Applies to ipv6AccessConfigs only.")
    wanted = body.get("natIP")
    if wanted and parse_ipv4(f"{wanted}/32") is None and enforced("access.family"):
        raise invalid(f"{where}.natIP", wanted, "Must be an IPv4 address.")
    user = nat_users(project).get(wanted, "") if wanted else ""
    if user and enforced("access.address-once"):
        why = f"The address is already being used by '{user.partition('/compute/v1/')[2]}'."
        raise invalid(f"{where}.natIP", wanted, why)
    return {
        "kind": "compute#accessConfig",
        "type": one_of(body.get("type") or "ONE_TO_ONE_NAT", TYPES, f"{where}.type"),
        "name": body.get("name") or "External NAT",
        "natIP": wanted or _drawn(project, *instance, interface),
        "networkTier": check_tier(body, f"{where}.networkTier"),
    } | echoed(body, _ECHOED)


def ipv6_access_config(entries: list[Any], where: str) -> Json:
    """The checked IPv6 access config of a new interface, with the address that it requests; defaults without one."""
    configs = accept_list(entries, SCHEMA, f"{where}.ipv6AccessConfigs")
    if len(configs) > 1 and enforced("access.one-config"):
        raise invalid(f"{where}.ipv6AccessConfigs", "", "At most one access config currently supported.")
    body, where = (configs or [{}])[0], f"{where}.ipv6AccessConfigs[0]"
    if body.get("natIP") and enforced("access.family"):
        raise invalid(f"{where}.natIP", body["natIP"], "Applies to accessConfigs (IPv4) only.")
    return {
        "kind": "compute#accessConfig",
        "type": one_of(body.get("type") or "DIRECT_IPV6", ("DIRECT_IPV6",), f"{where}.type"),
        "name": body.get("name") or "external-ipv6",
        "networkTier": check_tier(body, f"{where}.networkTier", premium_only=True),
    } | echoed(body, (*_ECHOED, "externalIpv6", "externalIpv6PrefixLength"))


def check_tier(body: Json, where: str, *, premium_only: bool = False) -> str:
    """The checked networkTier, PREMIUM if absent (docs/reference/compute-engine.md#ipv6-tier)."""
    tier = one_of(body.get("networkTier") or "PREMIUM", TIERS, where)
    if premium_only and tier != "PREMIUM" and enforced("access.ipv6-premium"):
        raise invalid(where, tier, "Only PREMIUM is supported for IPv6 and for internal addresses.")
    return tier


def _drawn(project: Project, *what: str) -> str:
    number = project.chance.generator("external-address", *what).randrange(1 << 20)
    return dotted(int(IPv4Address("34.64.0.0")) + number)


def release_ephemeral(project: Project, interfaces: list[Json]) -> list[Json]:
    """The interfaces of a stopping VM, without ephemeral external addresses."""
    reserved = {address["address"] for _, address in project.inventory.all("addresses")}

    def left(config: Json) -> Json:
        kept = config.get("natIP") in reserved or not enforced("access.ephemeral-address")
        return config if kept else {field: value for field, value in config.items() if field != "natIP"}

    return [_with_configs(interface, left) for interface in interfaces]


def assign_ephemeral(project: Project, instance: Key, interfaces: list[Json]) -> list[Json]:
    """The interfaces of a starting VM, with new ephemeral external addresses."""

    def given(config: Json) -> Json:
        if "natIP" in config:
            return config
        return config | {"natIP": _drawn(project, *instance, project.inventory.fingerprint(instance, "address"))}

    return [_with_configs(interface, given) for interface in interfaces]


def _with_configs(interface: Json, change: Callable[[Json], Json]) -> Json:
    configs = interface.get("accessConfigs")
    return interface | {"accessConfigs": [change(config) for config in configs]} if configs else interface


def nat_users(project: Project) -> dict[str, str]:
    """External IPv4 address -> link of the VM that has it."""
    return {
        config["natIP"]: instance["selfLink"]
        for _, instance in project.inventory.all("instances")
        for interface in instance["networkInterfaces"]
        for config in interface.get("accessConfigs", ())
        if "natIP" in config
    }


class AccessConfigs(Methods):
    """instances.addAccessConfig, deleteAccessConfig, updateAccessConfig. Each changes the interface's fingerprint."""

    def add(self, call: Call) -> Work:
        key, interface = self._interface(call)
        body = accept(call.body, SCHEMA)
        if interface.get("accessConfigs") and enforced("access.one-config"):
            raise bad_request("At most one access config currently supported.")
        config = access_config(self._project, key, interface["name"], body, "resource")
        return self._work(call, key, interface["name"], [config])

    def delete(self, call: Call) -> Work:
        key, interface = self._interface(call)
        name = call.query.get("accessConfig", "")
        if not name:
            raise required("accessConfig")
        self._require(key, interface, name)
        return self._work(call, key, interface["name"], [])

    def update(self, call: Call) -> Work:
        """Refuse changes of the address and the tier."""
        key, interface = self._interface(call)
        body = accept(call.body, SCHEMA)
        current = self._require(key, interface, body.get("name", "External NAT"))
        for field in ("natIP", "networkTier", "type"):
            if body.get(field) and body[field] != current.get(field):
                raise invalid(f"resource.{field}", body[field], "Updating this field is not supported.")
        names = ("setPublicPtr", "publicPtrDomainName")
        return self._work(call, key, interface["name"], [current | {f: body[f] for f in names if f in body}])

    def _require(self, key: Key, interface: Json, name: str) -> Json:
        for config in interface.get("accessConfigs", ()):
            if config["name"] == name:
                return dict(config)
        raise not_found(f"{self._project.links.partial(key)}/{interface['name']}/accessConfigs/{name}")

    def _interface(self, call: Call) -> tuple[Key, Json]:
        key, instance = change_target(self._project, Key("instances", call.scope, call.name), shared=True)
        return key, interface_of(instance, call)

    def _work(self, call: Call, key: Key, name: str, configs: list[Json]) -> Work:
        inventory = self._project.inventory

        def finish(at: float) -> None:
            current = inventory.get(key)
            interfaces = [
                self._with(key, interface, configs) if interface["name"] == name else interface
                for interface in current["networkInterfaces"]
            ]
            inventory.put(at, key, current | {"networkInterfaces": interfaces})

        kind = call.method.rpartition(".")[2]
        return Work(key, inventory.get(key)["id"], kind, finish, exclusive=False)

    def _with(self, key: Key, interface: Json, configs: list[Any]) -> Json:
        kept = {field: value for field, value in interface.items() if field != "accessConfigs"}
        kept["fingerprint"] = self._project.inventory.fingerprint(key, interface["name"])
        return kept | ({"accessConfigs": configs} if configs else {})
