"""Cloud Routers with NAT; without fingerprint, "not ready" during a change.

Source: docs/reference/compute-engine.md#cloud-routers-and-cloud-nat.
"""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.api.bodies import accept, echoed, refuse_changes
from dualstack_sim.compute.api.errors import Json, invalid
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import Methods, insertion, new_key
from dualstack_sim.compute.api.shapes import ADVERTISED, BGP_PEERS, PARAMETERS, ROUTER_INTERFACES
from dualstack_sim.compute.network.addresses import parse_cidr
from dualstack_sim.compute.network.advertising import BGP_DEFAULTS
from dualstack_sim.compute.network.nats import checked_nats
from dualstack_sim.compute.project.project import Call
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
_CHANGED = (
    "description", "interfaces", "bgpPeers", "bgp", "nats", "encryptedInterconnectRouter", "md5AuthenticationKeys",
    "nccGateway",
)  # fmt: skip


class Routers(Methods):
    """routers.insert, patch, update, delete."""

    collection = "routers"

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
        resource |= self._changes(key, resource["network"], body)
        return insertion(project, key, resource)

    def patch(self, call: Call) -> Work:
        """JSON merge; `nats` is replaced as a whole list."""
        key, current = self._target(call)
        change = self._changes(key, current["network"], self._accepted(call, current), current.get("bgp", {}))
        if "nats" in change and not enforced("routers.nats-replaced"):
            change["nats"] = [*current.get("nats", ()), *change["nats"]]
        return self._put(key, current, "patch", _tidy(current | change))

    def update(self, call: Call) -> Work:
        key, current = self._target(call)
        kept = {field: value for field, value in current.items() if field not in _CHANGED}
        change = self._changes(key, current["network"], self._accepted(call, current))
        return self._put(key, current, "update", _tidy(kept | change))

    def delete(self, call: Call) -> Work:
        key, resource = self._target(call)
        return Work(key, resource["id"], "delete", lambda at: self._project.inventory.put(at, key, None))

    def _put(self, key: Key, current: Json, kind: str, after: Json) -> Work:
        return Work(key, current["id"], kind, lambda at: self._project.inventory.put(at, key, after))

    def _accepted(self, call: Call, current: Json) -> Json:
        """The checked body of a change, which cannot change the name or the network."""
        body = accept(call.body, SCHEMA)
        refuse_changes(body, current, ("name",))
        if body.get("network"):
            key, _ = self._project.reference("resource.network", body["network"], "networks", GLOBAL, "network")
            refuse_changes({"network": self._project.links.full(key)}, current, ("network",))
        return body

    def _changes(self, router: Key, network: str, body: Json, bgp: Json | None = None) -> Json:
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
            change["nats"] = checked_nats(self._project, router, network, body["nats"])
        return change


def _check_advertised(policy: Json, where: str) -> None:
    for index, entry in enumerate(policy.get("advertisedIpRanges", ())):
        text = entry.get("range", "")
        if parse_cidr(text) is None:
            raise invalid(f"{where}.advertisedIpRanges[{index}].range", text, "Must be a CIDR address range.")


def _tidy(resource: Json) -> Json:
    """The resource without empty lists."""
    return {field: value for field, value in resource.items() if value != []}
