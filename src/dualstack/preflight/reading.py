"""Reads what the checks look at, with GET and list requests only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import ComputeRefusal
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import last_segment, network_filter, same_resource
from dualstack.model.cluster import Cluster
from dualstack.model.errors import DualstackError
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.preflight.inventory import Answer, Inventory, Source

NETWORK_FIELDS = "selfLink,peerings(state),routingConfig(routingMode)"
PROJECT_FIELDS = "quotas"
SUBNET_FIELDS = (
    "items/*/subnetworks(name,region,network,ipCidrRange,secondaryIpRanges,allowSubnetCidrRoutesOverlap,"
    "ipv6AccessType),nextPageToken"
)
ROUTE_FIELDS = "items(name,network,destRange,nextHopNetwork,nextHopPeering),nextPageToken"
FIREWALL_FIELDS = "items(name),nextPageToken"
ADDRESS_FIELDS = "items(name,address,prefixLength,purpose,network),nextPageToken"
ROUTER_FIELDS = (
    "items/*/routers(name,region,network,bgp(advertiseMode,advertisedGroups),"
    "bgpPeers(name,advertiseMode,advertisedGroups)),nextPageToken"
)
STATUS_FIELDS = "result(bestRoutes(destRange),bestRoutesForRouter(destRange))"
INSTANCE_FIELDS = "items/*/instances(networkInterfaces(network)),nextPageToken"
FORWARDING_RULE_FIELDS = "items/*/forwardingRules(loadBalancingScheme,network),nextPageToken"


@dataclass(frozen=True, slots=True)
class Preflight:
    """Reads the project of one cluster. The parameters are those of `Inventory`."""

    compute: ComputeClient
    cluster: Cluster
    settings: Settings
    planned_firewalls: tuple[str, ...] = ()
    prober_image: str = ""

    async def read(self, observed: CutoverFacts | DualstackError) -> Inventory:
        """Everything, as far as Compute answers; raises nothing. `observed` is the state of the cluster."""
        return Inventory(
            cluster=self.cluster,
            observed=observed,
            answers=await self._answers(),
            settings=self.settings,
            planned_firewalls=self.planned_firewalls,
            prober_image=self.prober_image,
        )

    async def _answers(self) -> dict[Source, Answer]:
        compute = self.compute
        network = await _answer(_only(compute.get(f"global/networks/{self.cluster.network}", fields=NETWORK_FIELDS)))
        requests: dict[Source, Awaitable[list[Resource]]] = {
            "project": _only(compute.get("", fields=PROJECT_FIELDS)),
            "firewalls": compute.list("global/firewalls", fields=FIREWALL_FIELDS),
            "addresses": compute.list("global/addresses", fields=ADDRESS_FIELDS),
            "routers": compute.aggregated("routers", fields=ROUTER_FIELDS),
            "instances": compute.aggregated("instances", fields=INSTANCE_FIELDS),
            "forwarding rules": compute.aggregated("forwardingRules", fields=FORWARDING_RULE_FIELDS),
        }
        answers: dict[Source, Answer] = {"network": network}
        if isinstance(network, ComputeRefusal):
            answers |= {"subnetworks": network, "routes": network, "peering routes": network}
        else:
            selection = network_filter(network[0]["selfLink"])
            requests |= {
                "subnetworks": compute.aggregated("subnetworks", filter=selection, fields=SUBNET_FIELDS),
                "routes": compute.list("global/routes", filter=selection, fields=ROUTE_FIELDS),
                "peering routes": self._peering_routes(network[0]),
            }
        answers |= zip(requests, await asyncio.gather(*map(_answer, requests.values())), strict=True)
        routers = answers["routers"]
        if isinstance(network, ComputeRefusal) or isinstance(routers, ComputeRefusal):
            answers["router status"] = network if isinstance(network, ComputeRefusal) else routers
        else:
            answers["router status"] = await _answer(self._router_status(routers, network[0]["selfLink"]))
        return answers

    async def _peering_routes(self, network: Resource) -> list[Resource]:
        """The ranges and routes that peers of the network export to it."""
        if not any(peering.get("state") == "ACTIVE" for peering in network.get("peerings") or ()):
            return []
        return await self.compute.list(
            f"global/networks/{self.cluster.network}/listPeeringRoutes", direction="INCOMING"
        )

    async def _router_status(self, routers: Iterable[Resource], network: str) -> list[Resource]:
        """The status of each Cloud Router of the network that has BGP peers, with `name` for the router's name."""
        speaking = [
            router
            for router in routers
            if router.get("bgpPeers") and same_resource(router.get("network") or "", network)
        ]
        paths = (f"regions/{last_segment(each['region'])}/routers/{each['name']}/getRouterStatus" for each in speaking)
        found = await gather_all(*(self.compute.get(path, fields=STATUS_FIELDS) for path in paths))
        return [status | {"name": router["name"]} for router, status in zip(speaking, found, strict=True)]


async def _only(request: Awaitable[Resource]) -> list[Resource]:
    return [await request]


async def _answer(request: Awaitable[list[Resource]]) -> Answer:
    try:
        return await request
    except ComputeRefusal as refusal:
        return refusal
