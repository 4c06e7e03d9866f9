"""Counting the whole VPC network, whoever its VMs and routes belong to: the limits of hybrid subnets hold for it."""

from __future__ import annotations

from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import NotFound, PermissionDenied
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import network_filter, same_resource
from dualstack.model.cluster import Cluster
from dualstack.plan.automatic import NetworkFacts


async def count_network(compute: ComputeClient, cluster: Cluster) -> NetworkFacts:
    """Four lists over all zones and regions (cutover.md 3.2). Raises ComputeRefusal."""
    link = str((await compute.get(f"global/networks/{cluster.network}", fields="selfLink"))["selfLink"])
    instances, routes, subnets = await gather_all(
        compute.aggregated("instances", fields="items/*/instances(networkInterfaces(network)),nextPageToken"),
        compute.list(
            "global/routes",
            filter=network_filter(link),
            fields="items(network,nextHopNetwork,nextHopPeering),nextPageToken",
        ),
        compute.aggregated(
            "subnetworks", fields="items/*/subnetworks(name,network,allowSubnetCidrRoutesOverlap),nextPageToken"
        ),
    )
    balancers = await _forwarding_rules(compute)
    return NetworkFacts(
        interfaces=sum(
            same_resource(interface.get("network") or "", link)
            for instance in instances
            for interface in instance.get("networkInterfaces") or ()
        ),
        surge=cluster.surge,
        custom_routes=sum(
            same_resource(route.get("network") or "", link)
            and not route.get("nextHopNetwork")
            and not route.get("nextHopPeering")
            for route in routes
        ),
        hybrid_subnets=sum(
            same_resource(subnet.get("network") or "", link)
            and bool(subnet.get("allowSubnetCidrRoutesOverlap"))
            and subnet["name"] != cluster.nodes_subnet
            for subnet in subnets
        ),
        forwarding_rules=None if balancers is None else sum(_is_internal(rule, link) for rule in balancers),
    )


def _is_internal(rule: Resource, network: str) -> bool:
    """Of an internal passthrough load balancer; proxies have scheme INTERNAL_MANAGED."""
    return rule.get("loadBalancingScheme") == "INTERNAL" and same_resource(rule.get("network") or "", network)


async def _forwarding_rules(compute: ComputeClient) -> list[Resource] | None:
    """Of the whole project; None where nobody may ask, or where the API has none."""
    try:
        return await compute.aggregated(
            "forwardingRules", fields="items/*/forwardingRules(loadBalancingScheme,network),nextPageToken"
        )
    except (NotFound, PermissionDenied):
        return None
