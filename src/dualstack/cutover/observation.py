"""Observes one cluster: a few lists, read side by side, whatever its size."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dualstack.cutover.decoys import RANGE as DECOY_RANGE
from dualstack.cutover.decoys import Decoys, decoy_name, decoy_routes, is_decoy
from dualstack.cutover.platform import Member, Platform
from dualstack.cutover.rollback_drill import drill_routes
from dualstack.cutover.route_ownership import FIELDS as ROUTE_FIELDS
from dualstack.cutover.route_ownership import Ownership, split
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import alias_ranges, first_interface, network_filter, same_resource, secondary_ranges
from dualstack.model import cidr
from dualstack.model.cluster import Cluster
from dualstack.model.conditions import condition_status
from dualstack.model.kinds import Manifest
from dualstack.model.names import parse_provider_id
from dualstack.plan.facts import NO_NETWORK, AliasFacts, CutoverFacts, NodeFacts, SavedRoute, SubnetFacts
from dualstack.plan.gates import CLAUSES
from dualstack.plan.steps.headroom import HEADROOM_RANGE
from dualstack.plan.steps.subnet import RANGE_CANARY

NETWORK_PROBLEMS = ("ClusterNetworkProblem", "HostNetworkProblem")
"""Node conditions that Gardener's network problem detector sets."""

TRIALS = (RANGE_CANARY, HEADROOM_RANGE)
"""Names of our temporary ranges inside the pod CIDR."""

RANGE_PROVEN = "range-proven"
"""The note that a range canary has passed."""

DISPROVED = "disproved"
"""The note of what a trial has shown this cloud not to do."""

INSTANCE_FIELDS = "items(name,status,description,networkInterfaces),nextPageToken"


@dataclass(frozen=True, slots=True)
class Cloud:
    """What an observation reads of Compute: the nodes subnet, all routes of its network, and the VMs by name."""

    subnet: Resource
    routes: list[Resource]
    instances: Mapping[str, Resource]


@dataclass(frozen=True, slots=True)
class Observation:
    """The facts, and what the actuator needs in addition.

    interfaces: nic0 of each VM as read, by the VM's name. uids: of the Nodes, by name. decoy_zone: zone of the decoy
    VM; None while there is none.
    """

    facts: CutoverFacts
    cloud: Cloud
    interfaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    uids: Mapping[str, str] = field(default_factory=dict)
    decoy_zone: str | None = None

    @property
    def network(self) -> str:
        """Link of the VPC network."""
        link: str = self.cloud.subnet["network"]
        return link


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads one cluster from Compute and from its platform. Raises ComputeRefusal or KubeError."""

    compute: ComputeClient
    platform: Platform
    cluster: Cluster
    decoys: Decoys

    async def observe(self, *, network: str = "", cloud: Cloud | None = None) -> Observation:
        """The state as it is now. The nodes subnet must exist.

        network: its link, if it is known already. cloud: what Compute is known to contain; read if it is not given.
        """
        saved, notes, controller, found = await asyncio.gather(
            self.platform.saved_routes(),
            self.platform.notes(),
            self.platform.route_controller(),
            self.platform.members(),
        )
        members = {member.name: member for member in sorted(found, key=lambda member: member.name)}
        zones = self._zones(members.values(), saved)
        if cloud is None:
            (subnet, listed), instances = await asyncio.gather(
                self._subnet_and_routes(network), self._instances(zones, members)
            )
            cloud = Cloud(subnet, listed, instances)
        subnet, listed, instances = cloud.subnet, cloud.routes, cloud.instances
        of_drill, of_decoys = (made(self.cluster, subnet["network"]) for made in (drill_routes, decoy_routes))
        drills = [route for route in listed if of_drill.owns(route)]
        to_decoys = [route for route in listed if of_decoys.owns(route)]
        routes = [route for route in listed if route not in drills and route not in to_decoys]
        ownership = Ownership.of(
            self.cluster, subnet["network"], machines=members, vms=instances, zones=zones, saved=saved
        )
        ours, foreign = split(routes, ownership)
        named = instances.get(decoy_name(self.cluster.name))
        decoy = named if is_decoy(named, subnet["network"]) else None
        nodes = {name: member.node for name, member in members.items() if member.node is not None}
        machines = tuple(_node(member, instances.get(name), subnet, zones) for name, member in members.items())
        facts = CutoverFacts(
            pods_cidr=cidr.canonical(self.cluster.pods),
            range_name=self.cluster.pod_range_name,
            subnet=_subnet(subnet, self.cluster),
            routes=tuple(ours),
            foreign_routes=tuple(foreign),
            range_canary=_trial(RANGE_CANARY, subnet, self.cluster),
            headroom_trial=bool(_trial(HEADROOM_RANGE, subnet, self.cluster)),
            headroom_holders=tuple(node.name for node in machines if node.has_alias_in(HEADROOM_RANGE)),
            range_proven=RANGE_PROVEN in notes,
            disproved=next((known for known in CLAUSES if known == notes.get(DISPROVED)), ""),
            decoys=await self.decoys.observe(decoy, to_decoys, subnet),
            drill_routes=tuple(route["name"] for route in drills),
            nodes=machines,
            saved_routes=saved,
            controller=controller,
            with_network_problem=with_network_problem(members.values()),
            network_watched=_network_watched(node for name, node in nodes.items() if name in instances),
            unhealthy={name: problem for name, node in nodes.items() if (problem := _problem(node))},
            unidentified=self._unidentified(members, instances, subnet),
        )
        return Observation(
            facts,
            cloud,
            interfaces={name: first_interface(instances[name]) for name in members if name in instances},
            uids={name: node["metadata"]["uid"] for name, node in nodes.items()},
            decoy_zone=decoy["zone"] if decoy is not None else None,
        )

    def _unidentified(
        self, members: Mapping[str, Member], instances: Mapping[str, Resource], subnet: Resource
    ) -> dict[str, str]:
        """The running VMs and the Nodes of which it is not certain that they belong together, each with the reason.

        Without a Node of its name, the pod CIDR of a VM is unknown and so is whether its pods are reachable
        (docs/reference/design-rules.md#unknown-is-not-good).
        """
        prefixes = tuple(prefix for pool in self.cluster.pools for prefix in pool.vm_name_prefixes)
        found = {}
        for name, instance in instances.items():
            in_subnet = same_resource(first_interface(instance).get("subnetwork") or "", subnet["selfLink"])
            ours = name in members or (in_subnet and name.startswith(prefixes))
            if ours and instance.get("status") == "RUNNING" and (name not in members or members[name].node is None):
                found[f"VM {name}"] = "runs, but the API server shows no Node of its name"
        for name, member in members.items():
            if member.node is not None and not member.provider_ids and name not in instances:
                found[f"node {name}"] = "has no provider ID, and no VM of the cluster has its name"
            for text in member.provider_ids:
                vm = parse_provider_id(text)
                if vm is None:
                    found[f"node {name}"] = f"has provider ID {text!r}, which is not gce://<project>/<zone>/<name>"
                elif (vm.project, vm.name) != (self.cluster.project, name):
                    found[f"node {name}"] = f"has provider ID {text!r}, which names another VM"
        return found

    async def _subnet_and_routes(self, network: str) -> tuple[Resource, list[Resource]]:
        """Side by side when the network is known, because each request takes a while during an outage too."""
        path = self.cluster.nodes_subnet_path
        if not network:
            subnet = await self.compute.get(path)
            return subnet, await self._routes(subnet["network"])
        return await asyncio.gather(self.compute.get(path), self._routes(network))

    async def _routes(self, network: str) -> list[Resource]:
        return await self.compute.list("global/routes", filter=network_filter(network), fields=ROUTE_FIELDS)

    async def _instances(self, zones: Iterable[str], members: Mapping[str, Member]) -> Mapping[str, Resource]:
        """The VMs in these zones that can be the cluster's, by name; `zone` is the zone's name.

        Two zones may have VMs of one name: a machine whose zone is known is the VM in that zone.
        """
        prefix = self.cluster.vm_name_prefix

        async def in_zone(zone: str) -> list[Resource]:
            query = {"filter": f"name eq {prefix}.*"} if prefix else {}
            found = await self.compute.list(f"zones/{zone}/instances", fields=INSTANCE_FIELDS, **query)
            return [instance | {"zone": zone} for instance in found]

        listed = await gather_all(*(in_zone(zone) for zone in zones))
        return {
            instance["name"]: instance
            for found in listed
            for instance in found
            if (member := members.get(instance["name"])) is None or member.zone in ("", instance["zone"])
        }

    def _zones(self, members: Iterable[Member], saved: Iterable[SavedRoute]) -> list[str]:
        """The zones in which the cluster has, or had, machines."""
        zones = {*self.cluster.zones, *(route.zone for route in saved), *(member.zone for member in members)}
        return sorted(zones - {""})


def with_network_problem(members: Iterable[Member]) -> frozenset[str]:
    """The names of the members whose Nodes report a network problem."""
    return frozenset(member.name for member in members if member.node is not None and _network_problem(member.node))


def pod_cidrs(members: Iterable[Member]) -> dict[str, str]:
    """The IPv4 pod CIDR of each member whose Node has one."""
    return {member.name: found for member in members if member.node is not None and (found := _pod_cidr(member.node))}


def _problem(node: Manifest) -> str:
    """Why the Node is not healthy; empty when it is Ready and has a network."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    if condition_status(conditions, "Ready") != "True":
        return "is not Ready"
    if condition_status(conditions, "NetworkUnavailable") == "True":
        return NO_NETWORK
    return _network_problem(node)


def _network_problem(node: Manifest) -> str:
    """What Gardener's network problem detector reports on the Node: it tries whether pods reach each other."""
    for condition in (node.get("status") or {}).get("conditions") or ():
        if condition.get("type") in NETWORK_PROBLEMS and condition.get("status") == "True":
            return f"reports {condition['type']}: {condition.get('message') or 'no details'}"
    return ""


def _network_watched(nodes: Iterable[Manifest]) -> bool:
    """Whether the network problem detector writes conditions of one of these Nodes; True when there is none."""
    known = [(node.get("status") or {}).get("conditions") or () for node in nodes]
    types = {condition.get("type") for conditions in known for condition in conditions}
    return not known or not types.isdisjoint(NETWORK_PROBLEMS)


def _subnet(subnet: Resource, cluster: Cluster) -> SubnetFacts:
    return SubnetFacts(
        name=subnet["name"],
        region=cluster.region,
        overlap_flag=bool(subnet.get("allowSubnetCidrRoutesOverlap")),
        flag_visible="allowSubnetCidrRoutesOverlap" in subnet,
        stack_type=subnet.get("stackType") or "IPV4_ONLY",
        secondary_ranges=tuple(
            (name, cidr.canonical(text))
            for name, text in secondary_ranges(subnet)
            if name != DECOY_RANGE and not (name in TRIALS and cidr.contains(cluster.pods, text))
        ),
    )


def _trial(wanted: str, subnet: Resource, cluster: Cluster) -> str:
    """The CIDR of one of our temporary ranges; empty without one. A range of that name outside the pod CIDR is not
    ours."""
    found = (text for name, text in secondary_ranges(subnet) if name == wanted)
    return next((cidr.canonical(text) for text in found if cidr.contains(cluster.pods, text)), "")


def _node(member: Member, instance: Resource | None, subnet: Resource, zones: list[str]) -> NodeFacts:
    pod_cidr = _pod_cidr(member.node) if member.node else None
    if instance is None:
        zone = member.zone or next(iter(zones), "")
        return NodeFacts(member.name, zone, pod_cidr, instance_exists=False, running=False)
    interface = first_interface(instance)
    return NodeFacts(
        name=member.name,
        zone=instance["zone"],
        pod_cidr=pod_cidr,
        running=instance.get("status") == "RUNNING",
        aliases=tuple(AliasFacts(_alias(text), range_name) for text, range_name in alias_ranges(interface)),
        subnet_ok=same_resource(interface.get("subnetwork") or "", subnet["selfLink"]),
    )


def _alias(text: str) -> str:
    """The CIDR of an alias range, which Compute may also show as a single address."""
    return cidr.canonical(text if "/" in text else f"{text}/32")


def _pod_cidr(node: Manifest) -> str | None:
    """The Node's IPv4 pod CIDR: the one that a route or an alias serves."""
    spec = node.get("spec") or {}
    ranges = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return next((cidr.canonical(text) for text in ranges if cidr.family(text) == "IPv4"), None)
