"""Reading the facts of the cut-over: a handful of lists, side by side, whatever the size of the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dualstack.controllers.infrastructure.controller_manager import CloudControllerManager
from dualstack.controllers.infrastructure.decoys import RANGE as DECOY_RANGE
from dualstack.controllers.infrastructure.decoys import Decoys, decoy_name, decoy_routes, is_decoy
from dualstack.controllers.infrastructure.desired import Desired
from dualstack.controllers.infrastructure.drill import drill_routes
from dualstack.controllers.infrastructure.record import InfrastructureRecord
from dualstack.controllers.infrastructure.routes import FIELDS as ROUTE_FIELDS
from dualstack.controllers.infrastructure.routes import Ownership, deployments_of, network_filter, split
from dualstack.controllers.infrastructure.together import together
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.resources import alias_ranges, first_interface, same_resource, secondary_ranges
from dualstack.kube.interface import Kube
from dualstack.model import cidr, names
from dualstack.model.conditions import condition_status
from dualstack.model.infrastructure import InfrastructureState
from dualstack.model.kinds import MACHINE, NODE, Manifest
from dualstack.model.shoot import ShootView
from dualstack.plan.facts import AliasFacts, CutoverFacts, NodeFacts, SavedRoute, SubnetFacts

NETWORK_PROBLEMS = ("ClusterNetworkProblem", "HostNetworkProblem")
"""Conditions that the network problem detector sets on Nodes."""

INSTANCE_FIELDS = "items(name,status,description,networkInterfaces),nextPageToken"


@dataclass(frozen=True, slots=True)
class Observation:
    """The facts, and what goes with them.

    unwell: which of the cluster's Nodes are not well, with what is wrong. interfaces: nic0 of each VM as read. uids: of
    the Nodes. network: link of the VPC network. decoy_zone: where the decoy VM is, None while there is none.
    """

    facts: CutoverFacts
    unwell: Mapping[str, str]
    interfaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    uids: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    decoy_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads one Shoot's part of both APIs. Raises ComputeRefusal or KubeError."""

    compute: ComputeClient
    kube: Kube
    record: InfrastructureRecord
    manager: CloudControllerManager
    desired: Desired
    shoot: ShootView
    decoys: Decoys

    async def observe(self) -> Observation:
        """Everything as it is now; the nodes subnet must exist."""
        subnet, state, controller, nodes, machines = await asyncio.gather(
            self.compute.get(self.desired.subnet_path(self.desired.nodes_subnet)),
            self.record.state(),
            self.manager.observe(),
            self.kube.list(NODE),
            self.kube.list(MACHINE, self.desired.ns),
        )
        zones = self._zones(nodes, machines, state)
        routes, instances = await asyncio.gather(
            self.compute.list("global/routes", filter=network_filter(subnet["network"]), fields=ROUTE_FIELDS),
            self._instances(zones),
        )
        members = self._members(nodes, machines, zones, instances)
        of_drill, of_decoys = (made(self.desired, subnet["network"]) for made in (drill_routes, decoy_routes))
        drills = [route for route in routes if of_drill.owns(route)]
        to_decoys = [route for route in routes if of_decoys.owns(route)]
        routes = [route for route in routes if route not in drills and route not in to_decoys]
        named = instances.get(decoy_name(self.desired.ns))
        decoy = named if is_decoy(named, subnet["network"]) else None
        ours, foreign = split(routes, self._ownership(subnet, state, members, instances, zones))
        facts = CutoverFacts(
            pods_cidr=cidr.canonical(self.desired.pods),
            range_name=names.POD_RANGE_NAME,
            subnet=_subnet(subnet, self.desired),
            routes=tuple(ours),
            foreign_routes=tuple(foreign),
            decoys=await self.decoys.observe(decoy, to_decoys, subnet),
            drill_routes=tuple(route["name"] for route in drills),
            nodes=tuple(_node(name, member, instances.get(name), subnet) for name, member in members.items()),
            saved_routes=tuple(
                SavedRoute(route.instance_name, cidr.canonical(route.destination_cidr), route.zone)
                for route in state.routes
            ),
            controller=controller,
            complaining=complaining(nodes),
        )
        interfaces = {name: first_interface(instances[name]) for name in members if name in instances}
        uids = {node["metadata"]["name"]: node["metadata"]["uid"] for node in nodes}
        return Observation(
            facts, unwell(nodes), interfaces, uids, subnet["network"], decoy["zone"] if decoy is not None else None
        )

    async def _instances(self, zones: Iterable[str]) -> dict[str, Resource]:
        """The VMs whose names begin like the cluster's, by name; `zone` is the zone's name."""

        async def in_zone(zone: str) -> list[Resource]:
            named = f"name eq {self.desired.ns}-.*"
            found = await self.compute.list(f"zones/{zone}/instances", filter=named, fields=INSTANCE_FIELDS)
            return [instance | {"zone": zone} for instance in found]

        listed = await together(*(in_zone(zone) for zone in zones))
        return {instance["name"]: instance for found in listed for instance in found}

    def _zones(self, nodes: Iterable[Manifest], machines: Iterable[Manifest], state: InfrastructureState) -> list[str]:
        """The zones in which the cluster has, or had, machines."""
        zones = {zone for pool in self.shoot.pools for zone in pool.zones}
        zones |= {route.zone for route in state.routes}
        zones |= {zone for found in (*nodes, *machines) if (zone := _zone(found))}
        return sorted(zones)

    def _members(
        self,
        nodes: Iterable[Manifest],
        machines: Iterable[Manifest],
        zones: list[str],
        instances: Mapping[str, Resource],
    ) -> dict[str, _Member]:
        """The cluster's machines by name: a Machine, a Node, or both; machine, VM and Node share one name."""
        members: dict[str, _Member] = {}
        by_node = {node["metadata"]["name"]: node for node in nodes}
        for found in (*machines, *by_node.values()):
            name = found["metadata"]["name"]
            zone = _zone(found) or (instances[name]["zone"] if name in instances else zones[0] if zones else "")
            node = by_node.get(name)
            members.setdefault(name, _Member(zone, _pod_cidr(node) if node else None))
        return dict(sorted(members.items()))

    def _ownership(
        self,
        subnet: Resource,
        state: InfrastructureState,
        members: Mapping[str, _Member],
        instances: Mapping[str, Resource],
        zones: list[str],
    ) -> Ownership:
        return Ownership(
            network=subnet["network"],
            pods=self.desired.pods,
            ns=self.desired.ns,
            machines=frozenset(members),
            vms=frozenset(instances),
            zones=frozenset(zones),
            deployments=deployments_of(((pool.name, pool.zones) for pool in self.shoot.pools), self.desired.ns),
            remembered=frozenset((route.instance_name, route.destination_cidr) for route in state.routes),
        )


@dataclass(frozen=True, slots=True)
class _Member:
    zone: str
    pod_cidr: str | None


def unwell(nodes: Iterable[Manifest]) -> dict[str, str]:
    """The Nodes that are not Ready or say that they have no network, with the reason."""
    found = {}
    for node in nodes:
        conditions = (node.get("status") or {}).get("conditions") or ()
        if condition_status(conditions, "Ready") != "True":
            found[node["metadata"]["name"]] = "is not Ready"
        elif condition_status(conditions, "NetworkUnavailable") == "True":
            found[node["metadata"]["name"]] = "says that its network is unavailable"
        elif problem := _network_problem(conditions):
            found[node["metadata"]["name"]] = problem
    return found


def complaining(nodes: Iterable[Manifest]) -> frozenset[str]:
    """The Nodes whose pods do not reach others, by what the network problem detector says."""
    return frozenset(
        node["metadata"]["name"]
        for node in nodes
        if _network_problem((node.get("status") or {}).get("conditions") or ())
    )


def _network_problem(conditions: Iterable[Mapping[str, Any]]) -> str:
    """What Gardener's network problem detector says on the Node: the one who tries whether pods reach each other."""
    for condition in conditions:
        if condition.get("type") in NETWORK_PROBLEMS and condition.get("status") == "True":
            return f"reports {condition['type']}: {condition.get('message') or 'no details'}"
    return ""


def _subnet(subnet: Resource, desired: Desired) -> SubnetFacts:
    return SubnetFacts(
        name=subnet["name"],
        region=desired.region,
        overlap_flag=bool(subnet.get("allowSubnetCidrRoutesOverlap")),
        flag_visible="allowSubnetCidrRoutesOverlap" in subnet,
        stack_type=subnet.get("stackType") or "IPV4_ONLY",
        secondary_ranges=tuple(
            (name, cidr.canonical(text)) for name, text in secondary_ranges(subnet) if name != DECOY_RANGE
        ),
    )


def _node(name: str, member: _Member, instance: Mapping[str, Any] | None, subnet: Resource) -> NodeFacts:
    if instance is None:
        return NodeFacts(name, member.zone, member.pod_cidr, instance_exists=False, running=False)
    interface = first_interface(instance)
    return NodeFacts(
        name=name,
        zone=instance["zone"],
        pod_cidr=member.pod_cidr,
        running=instance.get("status") == "RUNNING",
        aliases=tuple(AliasFacts(_alias(text), range_name) for text, range_name in alias_ranges(interface)),
        subnet_ok=same_resource(interface.get("subnetwork") or "", subnet["selfLink"]),
    )


def _alias(text: str) -> str:
    """An alias may be one address."""
    return cidr.canonical(text if "/" in text else f"{text}/32")


def _pod_cidr(node: Manifest) -> str | None:
    """The Node's IPv4 pod CIDR, the one that a route or an alias carries."""
    spec = node.get("spec") or {}
    ranges = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return next((cidr.canonical(text) for text in ranges if cidr.family(text) == "IPv4"), None)


def _zone(found: Manifest) -> str:
    """The zone in a `gce:///<project>/<zone>/<name>` provider ID, else in the well-known label, else empty."""
    parts = str((found.get("spec") or {}).get("providerID") or "").removeprefix("gce:///").split("/")
    labels = found["metadata"].get("labels") or {}
    return parts[1] if len(parts) == 3 else str(labels.get("topology.kubernetes.io/zone") or "")
