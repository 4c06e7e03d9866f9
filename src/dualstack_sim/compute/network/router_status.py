"""routers.getRouterStatus: the NATs of a router and the routes advertised to its BGP peers.

Source: docs/reference/compute-engine.md#router-status.
"""

from __future__ import annotations

from collections.abc import Iterator

from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import Methods
from dualstack_sim.compute.network.addresses import dotted
from dualstack_sim.compute.network.advertising import advertised_by, policy
from dualstack_sim.compute.project.project import Call

PORTS_PER_ADDRESS = 64_512
_DEFAULT_PORTS = 64
_POOL = 35 << 24 | 190 << 16


class RouterStatus(Methods):
    """Counts the VMs that each NAT serves and the addresses that they need. BGP peers send no routes."""

    def get(self, call: Call) -> Json:
        router = self._project.inventory.get(Key("routers", call.scope, call.name))
        result: Json = {"network": router["network"]}
        nats = [self._nat(call.scope, router, nat) for nat in router.get("nats", ())]
        if nats:
            result["natStatus"] = nats
        peers = [self._peer(router, peer) for peer in router.get("bgpPeers", ())]
        if peers:
            result["bgpPeerStatus"] = peers
        return {"kind": "compute#routerStatusResponse", "result": result}

    def _peer(self, router: Json, peer: Json) -> Json:
        inventory, links = self._project.inventory, self._project.links
        key = links.read(router["network"], "networks", GLOBAL)
        subnetworks = inventory.of_network("subnetworks", router["network"]).values()
        heard = advertised_by(policy(router, peer), router, inventory.get(key) if key else {}, subnetworks)
        status: Json = {
            field: peer[field] for field in ("name", "ipAddress", "peerIpAddress", "linkedVpnTunnel") if field in peer
        }
        down = peer.get("enable") == "FALSE"
        return status | {
            "status": "DOWN" if down else "UP",
            "state": "Idle" if down else "Established",
            "numLearnedRoutes": 0,
            "advertisedRoutes": [
                {"kind": "compute#route", "network": router["network"], "destRange": text, "priority": 100}
                for text in heard
            ],
        }

    def _nat(self, scope: str, router: Json, nat: Json) -> Json:
        served = sum(1 for interface in self._interfaces(scope, router["network"]) if _serves(nat, interface))
        needed = -(-served * nat.get("minPortsPerVm", _DEFAULT_PORTS) // PORTS_PER_ADDRESS)
        status: Json = {"name": nat["name"], "numVmEndpointsWithNatMappings": served, "minExtraNatIpsNeeded": 0}
        if nat.get("natIps"):
            status |= {
                "userAllocatedNatIpResources": nat["natIps"],
                "userAllocatedNatIps": list(self._addresses(nat["natIps"])),
                "minExtraNatIpsNeeded": max(0, needed - len(nat["natIps"])),
            }
        elif needed:
            drawn = self._project.chance.generator("nat-addresses", router["id"], nat["name"]).randrange(1 << 12)
            status["autoAllocatedNatIps"] = [dotted(_POOL + (drawn << 4) + number) for number in range(needed)]
        return status

    def _addresses(self, links: list[str]) -> Iterator[str]:
        for link in links:
            key = self._project.links.read(link, "addresses", "")
            address = self._project.inventory.find(key) if key else None
            if address is not None:
                yield address["address"]

    def _interfaces(self, scope: str, network: str) -> Iterator[Json]:
        """Interfaces of running VMs of the region without an external address."""
        for zone in self._project.regions[scope.partition("/")[2]]:
            for vm in self._project.inventory.table("instances", f"zones/{zone}").values():
                if vm["status"] == "RUNNING":
                    for interface in vm["networkInterfaces"]:
                        if interface["network"] == network and not interface.get("accessConfigs"):
                            yield interface


def _serves(nat: Json, interface: Json) -> bool:
    if nat["sourceSubnetworkIpRangesToNat"] != "LIST_OF_SUBNETWORKS":
        return True
    return any(entry["name"] == interface["subnetwork"] for entry in nat.get("subnetworks", ()))
