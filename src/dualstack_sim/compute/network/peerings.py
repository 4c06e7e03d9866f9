"""VPC Network Peering: add, update and remove peerings, and list the exchanged routes.

Source: docs/reference/cut-over.md#r10.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import Any

from dualstack_sim.compute.api.bodies import accept, one_of
from dualstack_sim.compute.api.errors import Json, bad_request, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key, check_name, unknown_reference
from dualstack_sim.compute.api.resource_changes import Methods
from dualstack_sim.compute.network.addresses import Network, parse_cidr, uncompressed_prefix
from dualstack_sim.compute.network.peering_conflicts import (
    peering_in_progress,
    peering_lock,
    refuse_overlapping_networks,
)
from dualstack_sim.compute.network.range_conflicts import claims, static_routes
from dualstack_sim.compute.project.project import Call
from dualstack_sim.rules import enforced

PEERING: dict[str, type] = {
    "name": str, "network": str, "autoCreateRoutes": bool, "exchangeSubnetRoutes": bool, "exportCustomRoutes": bool,
    "importCustomRoutes": bool, "exportSubnetRoutesWithPublicIp": bool, "importSubnetRoutesWithPublicIp": bool,
    "peerMtu": int, "stackType": str, "state": str, "stateDetails": str, "updateStrategy": str,
    "connectionStatus": dict,
}  # fmt: skip
_SWITCHES = (
    "exportCustomRoutes", "importCustomRoutes", "exportSubnetRoutesWithPublicIp", "importSubnetRoutesWithPublicIp",
)  # fmt: skip
_DEFAULTS: Json = {
    "autoCreateRoutes": True,
    "exchangeSubnetRoutes": True,
    "exportCustomRoutes": False,
    "importCustomRoutes": False,
    "exportSubnetRoutesWithPublicIp": True,
    "importSubnetRoutesWithPublicIp": False,
    "stackType": "IPV4_ONLY",
    "updateStrategy": "INDEPENDENT",
}
_STACKS = ("IPV4_ONLY", "IPV4_IPV6")
_INACTIVE = {"state": "INACTIVE", "stateDetails": "Waiting for peer network to connect."}
_ACTIVE = {"state": "ACTIVE", "stateDetails": "Connected."}


class Peerings(Methods):
    """networks.addPeering, updatePeering, removePeering, listPeeringRoutes.

    A peering is INACTIVE until the other network creates its side. Networks of other projects never do.
    """

    def add(self, call: Call) -> Work:
        key, current = self._target(call)
        body = accept(call.body, {"name": str, "networkPeering": dict, "peerNetwork": str, "autoCreateRoutes": bool})
        requested = accept(body.get("networkPeering", {}), PEERING, "networkPeering")
        name = check_name(requested.get("name") or body.get("name"))
        peer_text = requested.get("network") or body.get("peerNetwork")
        if not peer_text:
            raise required("networkPeering.network")
        if requested.get("exchangeSubnetRoutes", body.get("autoCreateRoutes", True)) is not True:
            why = "Subnet routes are always exchanged between peered networks."
            raise invalid("networkPeering.exchangeSubnetRoutes", "False", why)
        peer, link = self._peer(peer_text)
        self._check_new(current, name, link)
        if peer is not None:
            self._require_peer_idle(peer)
            if _peering_with(self._project.inventory.get(peer), current["selfLink"]) is not None:
                refuse_overlapping_networks(self._project, current["selfLink"], link)
        stack = one_of(requested.get("stackType", "IPV4_ONLY"), _STACKS, "networkPeering.stackType")
        given = {field: requested[field] for field in _SWITCHES if field in requested}
        peering = {"name": name, "network": link} | _DEFAULTS | given | {"stackType": stack} | _INACTIVE
        return self._work(key, current, peer, "addPeering", [*current.get("peerings", ()), peering])

    def update(self, call: Call) -> Work:
        key, current = self._target(call)
        body = accept(call.body, {"networkPeering": dict})
        requested = accept(body.get("networkPeering", {}), PEERING, "networkPeering")
        present = self._named(current, requested.get("name"))
        if requested.get("network") and self._peer(requested["network"])[1] != present["network"]:
            raise invalid("networkPeering.network", requested["network"], "The peer network cannot be changed.")
        if "stackType" in requested:
            one_of(requested["stackType"], _STACKS, "networkPeering.stackType")
        change = {field: requested[field] for field in (*_SWITCHES, "stackType") if field in requested}
        after = [entry | change if entry == present else entry for entry in current["peerings"]]
        return self._work(key, current, self._other_side(present), "updatePeering", after)

    def remove(self, call: Call) -> Work:
        key, current = self._target(call)
        body = accept(call.body, {"name": str})
        present = self._named(current, body.get("name"))
        after = [entry for entry in current["peerings"] if entry != present]
        return self._work(key, current, self._other_side(present), "removePeering", after)

    def routes(self, call: Call) -> list[Json]:
        """listPeeringRoutes: the routes from the peer (INCOMING) or to the peer (OUTGOING), in one region."""
        current = self._project.inventory.get(Key("networks", GLOBAL, call.name))
        direction = one_of(call.query.get("direction", "INCOMING"), ("INCOMING", "OUTGOING"), "direction")
        region = call.query.get("region", "")
        wanted = call.query.get("peeringName", "")
        rows: list[Json] = []
        for peering in current.get("peerings", ()):
            peer = self._other_side(peering)
            if peering["state"] != "ACTIVE" or peer is None or (wanted and peering["name"] != wanted):
                continue
            back = _peering_with(self._project.inventory.get(peer), current["selfLink"]) or {}
            incoming = direction == "INCOMING"
            source, sender, receiver = (
                (peering["network"], back, peering) if incoming else (current["selfLink"], peering, back)
            )
            rows += self._exchanged(source, sender, receiver, region)
        return rows

    def _exchanged(self, network: str, sender: Json, receiver: Json, region: str) -> Iterator[Json]:
        """The routes that `sender` exports. Custom routes and IPv6 routes depend on the settings of both sides."""
        for claim in claims(self._project, network):
            origin = claim.subnetwork.scope.partition("/")[2]
            if _allows(sender, claim.network) and (not region or origin == region):
                yield {
                    "destRange": _cidr_text(claim.network),
                    "type": "SUBNET_PEERING_ROUTE",
                    "nextHopRegion": origin,
                    "priority": 0,
                    "imported": _allows(receiver, claim.network),
                }
        if sender.get("exportCustomRoutes"):
            for route in static_routes(self._project, network):
                destination = parse_cidr(route["destRange"])
                if "nextHopGateway" in route or route.get("tags") or destination is None:
                    continue
                if _allows(sender, destination):
                    yield {
                        "destRange": route["destRange"],
                        "type": "STATIC_PEERING_ROUTE",
                        "priority": route["priority"],
                        "imported": bool(receiver.get("importCustomRoutes")) and _allows(receiver, destination),
                    }

    # -- helpers

    def _target(self, call: Call) -> tuple[Key, Json]:
        key = self._project.inventory.canonical(Key("networks", GLOBAL, call.name))
        if self._project.operations.is_busy(peering_lock(key)) and enforced("peering.one-at-a-time"):
            raise peering_in_progress()
        self._project.require_idle(key)
        return key, self._project.inventory.get(key)

    def _peer(self, text: str) -> tuple[Key | None, str]:
        """The key of the peer network, None for another project, and its link."""
        links = self._project.links
        key = links.read(text, "networks", GLOBAL)
        if key is None:
            path = text.partition("projects/")[2]
            if not path:
                raise unknown_reference("networkPeering.network", text, "network")
            return None, f"{links.endpoint}/projects/{path}"
        if self._project.inventory.find(key) is None:
            raise unknown_reference("networkPeering.network", text, "network")
        return key, links.full(key)

    def _other_side(self, peering: Json) -> Key | None:
        """The peer network; None if it is in another project or deleted."""
        key = self._project.links.read(peering["network"], "networks", GLOBAL)
        return key if key is not None and self._project.inventory.find(key) else None

    def _check_new(self, current: Json, name: str, link: str) -> None:
        if link == current["selfLink"]:
            raise bad_request("A network cannot be peered with itself.")
        present = current.get("peerings", ())
        for entry in present:
            if entry["name"] == name:
                raise bad_request(f"There is already a peering '{name}' on network '{current['name']}'.")
            if entry["network"] == link:
                peer = link.rpartition("/")[2]
                raise bad_request(f"There is already a peering '{entry['name']}' with network '{peer}'.")
        limit = self._project.limits.peerings_per_network
        if len(present) >= limit and enforced("quotas.peerings"):
            raise bad_request(f"Quota 'PEERINGS_PER_NETWORK' exceeded.  Limit: {float(limit)}")

    def _require_peer_idle(self, peer: Key) -> None:
        if self._project.operations.is_busy(peering_lock(peer)) and enforced("peering.one-at-a-time"):
            raise peering_in_progress()

    @staticmethod
    def _named(current: Json, name: Any) -> Json:
        peerings: list[Json] = current.get("peerings", [])
        for entry in peerings:
            if entry["name"] == name:
                return entry
        raise bad_request(f"There is no peering '{name}' on network '{current['name']}'.")

    def _work(self, key: Key, current: Json, peer: Key | None, kind: str, peerings: list[Json]) -> Work:
        inventory = self._project.inventory

        def finish(at: float) -> None:
            after = {field: value for field, value in inventory.get(key).items() if field != "peerings"}
            inventory.put(at, key, after | ({"peerings": peerings} if peerings else {}))
            self._connect(at, key)
            if peer is not None and inventory.find(peer):
                self._connect(at, peer)

        locks = [peering_lock(key)] + ([peering_lock(peer)] if peer is not None else [])
        return Work(key, current["id"], kind, finish, exclusive=False, also_busy=tuple(locks))

    def _connect(self, at: float, key: Key) -> None:
        """Update the state: a peering is ACTIVE while the other network has its side."""
        inventory = self._project.inventory
        network = inventory.get(key)
        after = []
        for peering in network.get("peerings", ()):
            peer = self._project.links.read(peering["network"], "networks", GLOBAL)
            other = inventory.find(peer) if peer else None
            back = other is not None and _peering_with(other, network["selfLink"]) is not None
            connected = back or not enforced("peering.both-sides")
            after.append(peering | (_ACTIVE if connected else _INACTIVE))
        if after != network.get("peerings", []):
            inventory.put(at, key, network | {"peerings": after})


def _cidr_text(network: Network) -> str:
    return uncompressed_prefix(network) if isinstance(network, IPv6Network) else str(network)


def _allows(side: Json, destination: Network) -> bool:
    """Whether one side of a peering exchanges routes of the destination's IP family."""
    return destination.version == 4 or side.get("stackType") == "IPV4_IPV6" or not enforced("forwarding.peer-ipv6")


def _peering_with(network: Json, link: str) -> Json | None:
    return next((entry for entry in network.get("peerings", ()) if entry["network"] == link), None)
