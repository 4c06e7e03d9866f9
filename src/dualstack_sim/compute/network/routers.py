"""Cloud Routers with NAT; without fingerprint, "not ready" during a change.

Source: docs/reference/compute-engine.md#cloud-routers-and-cloud-nat.
"""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.api.bodies import accept, accept_list, echoed, one_of, refuse_changes
from dualstack_sim.compute.api.errors import Json, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key, check_name
from dualstack_sim.compute.api.resource_changes import change_target, insertion, new_key
from dualstack_sim.compute.api.shapes import ADVERTISED, BGP_PEERS, PARAMETERS, ROUTER_INTERFACES
from dualstack_sim.compute.network.addresses import parse_cidr
from dualstack_sim.compute.network.advertising import BGP_DEFAULTS
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

_BGP = {
    "asn": int, "advertiseMode": ("DEFAULT", "CUSTOM"), "advertisedGroups": [("ALL_SUBNETS",)],
    "advertisedIpRanges": ADVERTISED, "keepaliveInterval": int, "identifierRange": str,
}  # fmt: skip
SCHEMA: dict[str, Any] = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "region": str,
    "network": str, "interfaces": ROUTER_INTERFACES, "bgpPeers": BGP_PEERS, "bgp": _BGP, "nats": list,
    "encryptedInterconnectRouter": bool, "md5AuthenticationKeys": [{"name": str, "key": str}], "nccGateway": str,
    "params": PARAMETERS,
}  # fmt: skip
_LOG = {"enable": bool, "filter": ("ALL", "ERRORS_ONLY", "TRANSLATIONS_ONLY")}
NAT_SCHEMA: dict[str, Any] = {
    "name": str, "type": str, "sourceSubnetworkIpRangesToNat": str, "subnetworks": list, "natIps": [str],
    "drainNatIps": [str], "natIpAllocateOption": str, "autoNetworkTier": str, "minPortsPerVm": int,
    "maxPortsPerVm": int, "enableDynamicPortAllocation": bool, "enableEndpointIndependentMapping": bool,
    "udpIdleTimeoutSec": int,
    "icmpIdleTimeoutSec": int, "tcpEstablishedIdleTimeoutSec": int, "tcpTransitoryIdleTimeoutSec": int,
    "tcpTimeWaitTimeoutSec": int, "logConfig": _LOG, "rules": list, "endpointTypes": [str], "nat64Subnetworks": list,
    "sourceSubnetworkIpRangesToNat64": str,
}  # fmt: skip
_WHICH = ("ALL_IP_RANGES", "PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES")
_NAT_SUBNETWORK: dict[str, Any] = {"name": str, "sourceIpRangesToNat": [_WHICH], "secondaryIpRangeNames": [str]}
_SOURCES = ("ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES", "LIST_OF_SUBNETWORKS")
_CHANGED = (
    "description", "interfaces", "bgpPeers", "bgp", "nats", "encryptedInterconnectRouter", "md5AuthenticationKeys",
    "nccGateway",
)  # fmt: skip
_NAT_DEFAULTS: Json = {
    "type": "PUBLIC", "endpointTypes": ["ENDPOINT_TYPE_VM"], "enableEndpointIndependentMapping": False,
    "icmpIdleTimeoutSec": 30, "udpIdleTimeoutSec": 30, "tcpEstablishedIdleTimeoutSec": 1200,
    "tcpTransitoryIdleTimeoutSec": 30, "tcpTimeWaitTimeoutSec": 120, "autoNetworkTier": "PREMIUM",
}  # fmt: skip


class Routers:
    """routers.insert, patch, update, delete."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "routers", call.scope, body, "network")
        network, _ = project.reference("resource.network", body["network"], "networks", GLOBAL, "network")
        project.require_unlocked(network)
        resource = project.inventory.identity(key, "router", call.now) | {
            "region": project.links.within(call.scope),
            "network": project.links.full(network),
            "encryptedInterconnectRouter": body.get("encryptedInterconnectRouter", False),
        }
        resource |= self._changes(call.scope, resource["network"], body)
        return insertion(project, key, resource)

    def patch(self, call: Call) -> Work:
        """JSON merge; `nats` is replaced as a whole list."""
        key, current = self._target(call)
        change = self._changes(call.scope, current["network"], self._accepted(call, current), current.get("bgp", {}))
        if "nats" in change and not enforced("routers.nats-replaced"):
            change["nats"] = [*current.get("nats", ()), *change["nats"]]
        return self._put(key, current, "patch", _tidy(current | change))

    def update(self, call: Call) -> Work:
        key, current = self._target(call)
        kept = {field: value for field, value in current.items() if field not in _CHANGED}
        change = self._changes(call.scope, current["network"], self._accepted(call, current))
        return self._put(key, current, "update", _tidy(kept | change))

    def delete(self, call: Call) -> Work:
        key, resource = self._target(call)
        return Work(key, resource["id"], "delete", lambda at: self._project.inventory.put(at, key, None))

    def _put(self, key: Key, current: Json, kind: str, after: Json) -> Work:
        return Work(key, current["id"], kind, lambda at: self._project.inventory.put(at, key, after))

    def _target(self, call: Call) -> tuple[Key, Json]:
        return change_target(self._project, Key("routers", call.scope, call.name))

    def _accepted(self, call: Call, current: Json) -> Json:
        """The checked body of a change, which cannot change the name or the network."""
        body = accept(call.body, SCHEMA)
        refuse_changes(body, current, ("name",))
        if body.get("network"):
            key, _ = self._project.reference("resource.network", body["network"], "networks", GLOBAL, "network")
            refuse_changes({"network": self._project.links.full(key)}, current, ("network",))
        return body

    def _changes(self, scope: str, network: str, body: Json, bgp: Json | None = None) -> Json:
        """The checked fields of `body`; fields missing in `bgp` keep their current values."""
        change = {field: body[field] for field in _CHANGED if field in body}
        _check_advertised(body.get("bgp", {}), "resource.bgp")
        for index, peer in enumerate(body.get("bgpPeers", ())):
            _check_advertised(peer, f"resource.bgpPeers[{index}]")
        if "bgp" in change:
            change["bgp"] = BGP_DEFAULTS | (bgp or {}) | change["bgp"]
        if "md5AuthenticationKeys" in change:  # only the names, because the keys are secrets
            change["md5AuthenticationKeys"] = [echoed(key, ("name",)) for key in change["md5AuthenticationKeys"]]
        if "nats" in change:
            change["nats"] = self._nats(scope, network, body["nats"])
        return change

    def _nats(self, scope: str, network: str, entries: list[Any]) -> list[Json]:
        names: set[str] = set()
        result = []
        for index, entry in enumerate(accept_list(entries, NAT_SCHEMA, "resource.nats")):
            where = f"resource.nats[{index}]"
            for field in ("name", "sourceSubnetworkIpRangesToNat"):
                if not entry.get(field):
                    raise required(f"{where}.{field}")
            check_name(entry["name"])
            if entry["name"] in names:
                raise invalid(f"{where}.name", entry["name"], "Duplicate NAT name.")
            names.add(entry["name"])
            result.append(_NAT_DEFAULTS | entry | self._nat_parts(scope, network, entry, where))
        return result

    def _nat_parts(self, scope: str, network: str, entry: Json, where: str) -> Json:
        one_of(entry["sourceSubnetworkIpRangesToNat"], _SOURCES, f"{where}.sourceSubnetworkIpRangesToNat")
        option = one_of(entry.get("natIpAllocateOption"), ("AUTO_ONLY", "MANUAL_ONLY"), f"{where}.natIpAllocateOption")
        mismatch = (option == "MANUAL_ONLY") != bool(entry.get("natIps"))
        if mismatch and enforced("routers.nat-addresses"):
            raise invalid(f"{where}.natIps", "", "natIps go with natIpAllocateOption MANUAL_ONLY and only with it.")
        parts: Json = {}
        if entry.get("natIps"):
            parts["natIps"] = [
                self._project.links.full(
                    self._project.reference(f"{where}.natIps[{index}]", value, "addresses", scope, "address")[0]
                )
                for index, value in enumerate(entry["natIps"])
            ]
        if entry.get("subnetworks"):
            parts["subnetworks"] = [
                self._nat_subnetwork(scope, network, subnetwork, f"{where}.subnetworks[{index}]")
                for index, subnetwork in enumerate(
                    accept_list(entry["subnetworks"], _NAT_SUBNETWORK, f"{where}.subnetworks")
                )
            ]
        return parts

    def _nat_subnetwork(self, scope: str, network: str, entry: Json, where: str) -> Json:
        key, subnetwork = self._project.reference(
            f"{where}.name", entry.get("name", ""), "subnetworks", scope, "subnetwork"
        )
        self._project.require_unlocked(key)
        if subnetwork["network"] != network and enforced("routers.nat-subnetwork"):
            raise invalid(f"{where}.name", entry["name"], "The subnetwork is not in the network of the router.")
        return entry | {"name": subnetwork["selfLink"]}


def _check_advertised(policy: Json, where: str) -> None:
    for index, entry in enumerate(policy.get("advertisedIpRanges", ())):
        text = entry.get("range", "")
        if parse_cidr(text) is None:
            raise invalid(f"{where}.advertisedIpRanges[{index}].range", text, "Must be a CIDR address range.")


def _tidy(resource: Json) -> Json:
    """The resource without empty lists."""
    return {field: value for field, value in resource.items() if value != []}
