"""Reads what the checks look at, with GET, list and testIamPermissions requests only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace

from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import NotFound
from dualstack.gce.gather import gather_all
from dualstack.gce.methods import METHODS
from dualstack.gce.resources import first_interface, last_segment, network_filter
from dualstack.model.cluster import Cluster
from dualstack.model.errors import DualstackError
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.preflight.inventory import Answer, Inventory, Source

NETWORK_FIELDS = (
    "selfLink,autoCreateSubnetworks,peerings(state),routingConfig(routingMode),networkFirewallPolicyEnforcementOrder"
)
PROJECT_FIELDS = "quotas,commonInstanceMetadata(items)"
SUBNET_FIELDS = (
    "items/*/subnetworks(name,region,network,ipCidrRange,secondaryIpRanges,allowSubnetCidrRoutesOverlap,"
    "ipv6AccessType,stackType,externalIpv6Prefix,purpose,role,description),nextPageToken"
)
ROUTE_FIELDS = "items(name,network,destRange,tags,nextHopNetwork,nextHopPeering),nextPageToken"
FIREWALL_FIELDS = (
    "items(name,network,direction,disabled,allowed,sourceRanges,sourceTags,sourceServiceAccounts,targetTags,"
    "targetServiceAccounts),nextPageToken"
)
ADDRESS_FIELDS = "items(name,address,prefixLength,purpose,network),nextPageToken"
ROUTER_FIELDS = (
    "items/*/routers(name,region,network,bgp(advertiseMode,advertisedGroups),"
    "bgpPeers(name,advertiseMode,advertisedGroups),"
    "nats(name,type,sourceSubnetworkIpRangesToNat,subnetworks)),nextPageToken"
)
STATUS_FIELDS = "result(bestRoutes(destRange),bestRoutesForRouter(destRange))"
INSTANCE_FIELDS = (
    "items/*/instances(name,zone,machineType,guestAccelerators(acceleratorType,acceleratorCount),"
    "networkInterfaces(name,network,subnetwork,accessConfigs(type),aliasIpRanges(ipCidrRange))),nextPageToken"
)
MACHINE_TYPE_FIELDS = "name,zone,guestCpus"
METADATA_FIELDS = "name,labels,metadata(items)"
REGION_FIELDS = "quotas"
FORWARDING_RULE_FIELDS = "items/*/forwardingRules(IPAddress,target,loadBalancingScheme,network),nextPageToken"


_TESTED = {
    "subnetworks": ("subnetworks.patch", "instances.updateNetworkInterface"),
    "instances": ("instances.updateNetworkInterface",),
    "routes": ("routes.delete",),
}
"""The methods of a cut-over whose permissions can be tested on a resource of each collection."""

NEEDED = {
    collection: frozenset(
        permission
        for method in methods
        for permission in (*METHODS[method].permissions, *METHODS[method].inferred)
        if permission.startswith(f"compute.{collection}.")
    )
    for collection, methods in _TESTED.items()
}
"""The permissions that a cut-over needs on resources of each collection, as far as they can be tested there."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """Reads the project of one cluster. The parameters are those of `Inventory`."""

    compute: ComputeClient
    cluster: Cluster
    settings: Settings
    planned_firewalls: tuple[str, ...] = ()
    prober_image: str = ""
    guest_agent: str = ""

    async def read(self, observed: CutoverFacts | DualstackError) -> Inventory:
        """Everything, as far as Compute answers; raises nothing. `observed` is the state of the cluster."""
        inventory = Inventory(
            cluster=self.cluster,
            observed=observed,
            answers=await self._answers(),
            settings=self.settings,
            planned_firewalls=self.planned_firewalls,
            prober_image=self.prober_image,
            guest_agent=self.guest_agent,
        )
        further = await gathered(
            {
                "router status": self._router_status(inventory),
                "machine types": self._machine_types(inventory),
                "machine metadata": self._machine_metadata(inventory),
                "permissions": self._permissions(inventory),
            }
        )
        return replace(inventory, answers={**inventory.answers, **further})

    async def effective_firewalls(self, inventory: Inventory) -> list[Resource]:
        """The firewall rules and policies that apply to one VM of each pool, as source `effective firewalls`."""
        first = {pool.name: machines[0] for pool in self.cluster.pools if (machines := inventory.machines(pool))}
        found = await gather_all(
            *(
                self.compute.get(
                    f"zones/{last_segment(each['zone'])}/instances/{each['name']}/getEffectiveFirewalls",
                    networkInterface=first_interface(each)["name"],
                )
                for each in first.values()
            )
        )
        return [{**effective, "pool": pool} for pool, effective in zip(first, found, strict=True)]

    async def _answers(self) -> dict[Source, Answer]:
        compute = self.compute
        network = await answer(_only(compute.get(f"global/networks/{self.cluster.network}", fields=NETWORK_FIELDS)))
        requests: dict[Source, Awaitable[list[Resource]]] = {
            "project": _only(compute.get("", fields=PROJECT_FIELDS)),
            "region": _only(compute.get(f"regions/{self.cluster.region}", fields=REGION_FIELDS)),
            "subnetworks": compute.aggregated("subnetworks", fields=SUBNET_FIELDS),
            "firewalls": compute.list("global/firewalls", fields=FIREWALL_FIELDS),
            "addresses": compute.list("global/addresses", fields=ADDRESS_FIELDS),
            "routers": compute.aggregated("routers", fields=ROUTER_FIELDS),
            "instances": compute.aggregated("instances", fields=INSTANCE_FIELDS),
            "forwarding rules": compute.aggregated("forwardingRules", fields=FORWARDING_RULE_FIELDS),
        }
        answers: dict[Source, Answer] = {"network": network}
        if isinstance(network, DualstackError):
            answers |= {"routes": network, "peering routes": network}
        else:
            (vpc,) = network
            selection = network_filter(vpc["selfLink"])
            requests |= {
                "routes": compute.list("global/routes", filter=selection, fields=ROUTE_FIELDS),
                "peering routes": self._peering_routes(vpc),
            }
        return answers | await gathered(requests)

    async def _peering_routes(self, network: Resource) -> list[Resource]:
        """The ranges and routes that peers of the network export to it."""
        if not any(peering.get("state") == "ACTIVE" for peering in network.get("peerings") or ()):
            return []
        return await self.compute.list(
            f"global/networks/{self.cluster.network}/listPeeringRoutes", direction="INCOMING"
        )

    async def _router_status(self, inventory: Inventory) -> list[Resource]:
        """The status of each Cloud Router of the network that has BGP peers, with `name` for the router's name."""
        speaking = [router for router in inventory.in_network("routers") if router.get("bgpPeers")]
        paths = (f"regions/{last_segment(each['region'])}/routers/{each['name']}/getRouterStatus" for each in speaking)
        found = await gather_all(*(self.compute.get(path, fields=STATUS_FIELDS) for path in paths))
        return [status | {"name": router["name"]} for router, status in zip(speaking, found, strict=True)]

    async def _machine_types(self, inventory: Inventory) -> list[Resource]:
        """Each machine type of the cluster's VMs, in each zone."""
        machines = [machine for pool in self.cluster.pools for machine in inventory.machines(pool)]
        wanted = {(last_segment(machine["zone"]), last_segment(machine["machineType"])) for machine in machines}
        paths = [f"zones/{zone}/machineTypes/{name}" for zone, name in sorted(wanted)]
        return await gather_all(*(self.compute.get(path, fields=MACHINE_TYPE_FIELDS) for path in paths))

    async def _machine_metadata(self, inventory: Inventory) -> list[Resource]:
        """One VM of each pool with its metadata, which is too large to be read of all VMs."""
        machines = [inventory.machines(pool)[:1] for pool in self.cluster.pools]
        paths = [
            f"zones/{last_segment(found['zone'])}/instances/{found['name']}" for (found,) in filter(None, machines)
        ]
        found = await gather_all(*(self.compute.find(path, fields=METADATA_FIELDS) for path in paths))
        return [machine for machine in found if machine is not None]

    async def _permissions(self, inventory: Inventory) -> list[Resource]:
        """What the caller lacks on the nodes subnet, on a VM and on a route of the cluster."""
        machines = [machine for pool in self.cluster.pools for machine in inventory.machines(pool)]
        paths = {self.cluster.nodes_subnet_path: "subnetworks"}
        paths |= {f"zones/{last_segment(each['zone'])}/instances/{each['name']}": "instances" for each in machines[:1]}
        if isinstance(inventory.observed, CutoverFacts):
            paths |= {f"global/routes/{route.name}": "routes" for route in inventory.observed.routes[:1]}
        granted = await gather_all(*(self._granted(path, NEEDED[kind]) for path, kind in paths.items()))
        return [
            {"object": f"{kind} {last_segment(path)}", "missing": sorted(NEEDED[kind] - found)}
            for (path, kind), found in zip(paths.items(), granted, strict=True)
        ]

    async def _granted(self, path: str, wanted: frozenset[str]) -> frozenset[str]:
        try:
            return await self.compute.granted(path, wanted)
        except NotFound:
            if path == self.cluster.nodes_subnet_path:
                raise
            return wanted  # the VM or route was deleted since it was read


async def _only(request: Awaitable[Resource]) -> list[Resource]:
    return [await request]


async def answer(request: Awaitable[list[Resource]]) -> Answer:
    """The resources, or the error of the request."""
    try:
        return await request
    except DualstackError as error:
        return error


async def gathered(requests: Mapping[Source, Awaitable[list[Resource]]]) -> dict[Source, Answer]:
    """The answers of all requests, which run side by side."""
    return dict(zip(requests, await asyncio.gather(*map(answer, requests.values())), strict=True))
