"""The allocators of pod CIDRs: from the cluster CIDR, or from the VM's NIC
(docs/reference/gardener.md#range-allocator, docs/reference/gardener.md#cloud-allocator).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network

from dualstack.model.conditions import find_condition
from dualstack.model.kinds import NODE, Manifest
from dualstack_sim.actors.cloud_nodes import UNAVAILABLE_TAINT, Machines, ipv6_address, set_network_available
from dualstack_sim.actors.compute_api import Resource
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.controller_flags import ControllerFlags
from dualstack_sim.actors.informer import Informer, ObjectKey, key_of
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.refusals import ComputeRefusal, KubeRefusal

_MOST_RETRIES = 20
_FIRST_RETRY, _LONGEST_RETRY = 0.25, 15.0
_NOT_AVAILABLE = "CIDRNotAvailable"


class NoCidrs(Exception):
    """No CIDRs can be allocated; the message is the allocator's. `event` is the reason of the Event, if any."""

    def __init__(self, message: str, event: str | None = None) -> None:
        super().__init__(message)
        self.event = event


class CloudAllocator:
    """Pod CIDRs are the first alias range and the first /112 of the /96 of the NIC."""

    def __init__(self, context: ActorContext, flags: ControllerFlags, machines: Machines, nodes: Informer) -> None:
        self._context = context
        self._kube = context.named("cloud-controller-manager")[0]
        self._stack_type = flags.stack_type
        self._machines = machines
        self._nodes = nodes
        self._queue = context.queue("cloud-allocator")
        self._failures: dict[ObjectKey, int] = {}
        self._recorder = Recorder(context, "cidrAllocator")

    def node_changed(self, old: Manifest | None, new: Manifest) -> None:
        """Queue a Node that is new, has no CIDR, or whose network is not known to be available."""
        condition = find_condition(new.get("status", {}).get("conditions", []), "NetworkUnavailable")
        tainted = any(taint["key"] == UNAVAILABLE_TAINT for taint in new["spec"].get("taints") or ())
        unsettled = not new["spec"].get("podCIDR") or condition is None or condition["status"] != "False" or tainted
        if old is None or unsettled:
            self._queue.add(key_of(new))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run())
            group.create_task(self._queue.serve(self._allocate, workers=4))

    async def _allocate(self, key: ObjectKey) -> float | None:
        node = self._nodes.get(key[1])
        if node is None:
            return None
        try:
            await self._update(node)
        except NoCidrs as refusal:
            return self._retry_in(key, node, refusal.event)
        except KubeRefusal:
            return self._retry_in(key, node, None)
        self._failures.pop(key, None)
        return None

    def _retry_in(self, key: ObjectKey, node: Manifest, event: str | None) -> float | None:
        """Seconds until the next attempt; None after the twentieth: then only a change queues the Node again."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        if event and failures == 1:  # upstream repeats it, and the API server counts
            self._recorder.record(node, event, f"Node {key[1]} status is now: {event}", warning=True)
        if failures > _MOST_RETRIES:
            del self._failures[key]
            return None
        return min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** (failures - 1))

    async def _update(self, node: Manifest) -> None:
        name = node["metadata"]["name"]
        if not node["spec"].get("providerID"):
            raise NoCidrs(f"node {name} doesn't have providerID")
        try:
            instance = await self._machines.of(node)
        except ComputeRefusal as refusal:
            raise NoCidrs(f"failed to get instance of node {name}: {refusal}", _NOT_AVAILABLE) from refusal
        if instance is None:
            raise NoCidrs(f"failed to get instance of node {name}: not found", _NOT_AVAILABLE)
        cidrs = nic_cidrs(name, instance["networkInterfaces"][:1], self._stack_type)
        if node["spec"].get("podCIDRs", []) != cidrs:
            try:
                node = await self._kube.patch(NODE, name, {"spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}})
            except KubeRefusal as refusal:
                raise NoCidrs(str(refusal), "CIDRAssignmentFailed") from refusal
        now = self._context.clock.now()
        self._nodes.observe(
            await set_network_available(self._kube, node, "NodeController create implicit route", now, available=True)
        )


class RangeAllocator:
    """Pod CIDRs are the lowest free blocks of the cluster's ranges."""

    def __init__(self, context: ActorContext, flags: ControllerFlags, nodes: Informer, component: str) -> None:
        """component: the program that it runs in."""
        self._kube = context.named(component)[0]
        self._cluster = next(network for network in flags.cluster_cidrs if isinstance(network, IPv4Network))
        self._mask = flags.node_mask
        self._nodes = nodes
        self._queue = context.queue("range-allocator")

    def node_changed(self, old: Manifest | None, new: Manifest) -> None:
        """Queue a Node without a pod CIDR."""
        if not new["spec"].get("podCIDR"):
            self._queue.add(key_of(new))

    async def run(self) -> None:
        await self._queue.serve(self._allocate)

    async def _allocate(self, key: ObjectKey) -> float | None:
        node = self._nodes.get(key[1])
        if node is None or node["spec"].get("podCIDR"):
            return None
        taken = [cidr for other in self._nodes.all() for cidr in other["spec"].get("podCIDRs") or ()]
        cidr = lowest_free(self._cluster, self._mask, taken)
        if cidr is None:
            return 15.0
        self._nodes.observe(await self._kube.patch(NODE, key[1], {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}))
        return None


def check_nodes(flags: ControllerFlags, nodes: Iterable[Manifest]) -> None:
    """ValueError for a Node with more CIDRs than the cluster: the range allocator does not start then."""
    if not flags.runs_node_ipam or flags.allocator != "RangeAllocator":
        return
    for node in nodes:
        cidrs = node["spec"].get("podCIDRs") or ()
        if len(cidrs) > len(flags.cluster_cidrs):
            name = node["metadata"]["name"]
            raise ValueError(f"node {name} has {len(cidrs)} pod CIDRs, the cluster has {len(flags.cluster_cidrs)}")


def nic_cidrs(node: str, interfaces: list[Resource], stack_type: str) -> list[str]:
    """The pod CIDRs that a Node gets from its VM's NIC; NoCidrs with the allocator's message."""
    aliases = [entry["ipCidrRange"] for nic in interfaces for entry in nic.get("aliasIpRanges") or ()]
    address = next((ipv6_address(nic) for nic in interfaces), None)
    if not aliases and not address:
        words = f"failed to allocate cidr: Node {node} has no ranges from which CIDRs can be allocated"
        raise NoCidrs(words, _NOT_AVAILABLE)
    ipv4 = aliases[:1]
    ipv6 = [str(ip_network(f"{address}/112", strict=False))] if address else []
    cidrs = {"IPv4": ipv4, "IPv6": ipv6, "IPv4_IPv6": [*ipv4, *ipv6], "IPv6_IPv4": [*ipv6, *ipv4]}[stack_type]
    if len(cidrs) != stack_type.count("IPv"):
        raise NoCidrs(
            f"failed to allocate cidr: Node {node} has no ranges from which CIDRs can be allocated "
            f"for the cluster stack family {stack_type}"
        )
    return cidrs


def lowest_free(cluster: IPv4Network, mask: int, taken: Iterable[str]) -> str | None:
    """The lowest /mask block of `cluster` that overlaps none of `taken`; None if none is left."""
    size = 1 << (32 - mask)
    occupied: set[int] = set()
    for cidr in taken:
        network = ip_network(cidr)
        if isinstance(network, IPv4Network) and network.overlaps(cluster):
            start = int(network.network_address) // size
            end = int(network.broadcast_address) // size
            occupied.update(range(start, end + 1))
    first = int(cluster.network_address) // size
    for block in range(first, first + cluster.num_addresses // size):
        if block not in occupied:
            return str(IPv4Network((block * size, mask)))
    return None
