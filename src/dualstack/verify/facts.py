"""Reads the state of a cluster once, from Kubernetes and Compute, for the checks to judge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dualstack.clock import Clock
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import first_interface, last_segment
from dualstack.kube.interface import Kube, NotFound
from dualstack.model import names
from dualstack.model.cluster import Cluster
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, POD, SERVICE, Kind, Manifest

T = TypeVar("T")

Taint = tuple[str, str, str]
"""Key, value and effect."""

ATTEMPTS = 40
"""How often a state is read until it is as wanted.

Not a time: with a fast clock on a busy machine, minutes may pass in which no process runs.
"""

INTERVAL = 15.0
"""Seconds between two attempts."""

_RULE_FIELDS = "items/*/forwardingRules(IPAddress),nextPageToken"
_INSTANCE_FIELDS = "items(name,networkInterfaces),nextPageToken"


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """The outcome of one read: the answer, or the error instead of it."""

    outcome: T | DualstackError

    @property
    def value(self) -> T:
        """The answer. Raises the error of the read, so that only the checks that need this answer fail."""
        if isinstance(self.outcome, DualstackError):
            raise self.outcome
        return self.outcome


@dataclass(frozen=True, slots=True)
class Facts:
    """One observation of a cluster.

    dns_service: Service kube-dns. routes: static routes of cloud-controller-manager to this cluster's nodes.
    firewalls: the rules of the cluster's VPC network. interfaces: nic0 of each node's VM, by node name; a node without
    a VM is missing. forwarding_rules: those of the project. taints: those that the cluster's owner gave to node pools.
    """

    cluster: Cluster
    nodes: Reading[list[Manifest]]
    pods: Reading[list[Manifest]]
    dns_service: Reading[Manifest]
    cloud_controller_manager: Reading[Manifest]
    nodes_subnet: Reading[Resource | None]
    services_subnet: Reading[Resource | None]
    routes: Reading[list[Resource]]
    firewalls: Reading[list[Resource]]
    interfaces: Reading[dict[str, Mapping[str, Any]]]
    services: Reading[list[Manifest]]
    forwarding_rules: Reading[list[Resource]]
    taints: frozenset[Taint] = frozenset()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the facts of a cluster come from.

    kube: the cluster's API. control_plane, control_plane_namespace: where the Deployment of cloud-controller-manager
    is; for a hosted control plane this is another API.
    """

    cluster: Cluster
    kube: Kube
    compute: ComputeClient
    control_plane: Kube
    control_plane_namespace: str
    taints: frozenset[Taint] = frozenset()

    async def read(self) -> Facts:
        """Read everything. A failed read is kept as its `Reading`; it raises only when a check uses it."""
        cluster, compute = self.cluster, self.compute
        name, namespace = names.CLOUD_CONTROLLER_MANAGER, self.control_plane_namespace
        nodes = await _read(self.kube.list(NODE))
        requests: dict[str, Awaitable[Any]] = {
            "pods": self.kube.list(POD),
            "dns_service": existing(self.kube, SERVICE, names.KUBE_DNS, names.KUBE_SYSTEM),
            "cloud_controller_manager": existing(self.control_plane, DEPLOYMENT, name, namespace),
            "nodes_subnet": compute.find(cluster.nodes_subnet_path),
            "services_subnet": compute.find(f"regions/{cluster.region}/subnetworks/{cluster.services_subnet}"),
            "routes": self._in_network("global/routes", self._is_node_route),
            "firewalls": self._in_network("global/firewalls", bool),
            "interfaces": self._interfaces(nodes),
            "services": self.kube.list(SERVICE),
            "forwarding_rules": compute.aggregated("forwardingRules", fields=_RULE_FIELDS),
        }
        readings = await asyncio.gather(*map(_read, requests.values()))
        return Facts(cluster, nodes, taints=self.taints, **dict(zip(requests, readings, strict=True)))

    async def settled(self, clock: Clock, is_ready: Callable[[Manifest], bool]) -> bool:
        """Wait until `is_ready` holds for every Node and every DaemonSet in kube-system is rolled out.

        A Node becomes Ready before all of its agents run. False after `ATTEMPTS`; the checks then name the cause.
        """

        async def read() -> bool:
            nodes, daemon_sets = await gather_all(self.kube.list(NODE), self.kube.list(DAEMON_SET, names.KUBE_SYSTEM))
            return all(map(is_ready, nodes)) and all(map(_is_current, daemon_sets))

        return await read_until(read, bool, clock)

    async def _interfaces(self, nodes: Reading[list[Manifest]]) -> dict[str, Mapping[str, Any]]:
        placed = {node["metadata"]["name"]: vm_of(node) for node in nodes.value}
        zones = sorted({zone for zone, _ in placed.values() if zone})
        lists = await gather_all(
            *(self.compute.list(f"zones/{zone}/instances", fields=_INSTANCE_FIELDS) for zone in zones)
        )
        found = {
            (zone, instance["name"]): first_interface(instance)
            for zone, instances in zip(zones, lists, strict=True)
            for instance in instances
        }
        return {name: found[place] for name, place in placed.items() if place in found}

    async def _in_network(self, path: str, wanted: Callable[[Resource], bool]) -> list[Resource]:
        """The resources at `path` of the cluster's VPC network for which `wanted` holds."""
        network = self.cluster.network
        found = await self.compute.list(path)
        return [each for each in found if last_segment(each.get("network", "")) == network and wanted(each)]

    def _is_node_route(self, route: Resource) -> bool:
        named = route["name"].startswith(names.route_prefix(self.cluster.name))
        return named and route.get("description") == names.ROUTE_DESCRIPTION


async def existing(kube: Kube, kind: Kind, name: str, namespace: str | None = None) -> Manifest:
    """The object; NotFound when it does not exist."""
    found = await kube.get(kind, name, namespace)
    if found is None:
        raise NotFound(f"{kind.kind} {f'{namespace}/' if namespace else ''}{name} does not exist")
    return found


async def read_until(read: Callable[[], Awaitable[T]], good: Callable[[T], bool], clock: Clock) -> T:
    """The first result of `read` that is good, else the last of `ATTEMPTS`."""
    for _ in range(ATTEMPTS - 1):
        if good(seen := await read()):
            return seen
        await clock.sleep(INTERVAL)
    return await read()


def vm_of(node: Manifest) -> tuple[str, str]:
    """Zone and name of the Node's VM; empty if its provider ID is unset or malformed."""
    found = names.parse_provider_id(str(node["spec"].get("providerID") or ""))
    return (found.zone, found.name) if found else ("", "")


def is_rolled_out(daemon_set: Manifest) -> bool:
    """Whether the DaemonSet has pods, and all of them are ready and of its latest revision."""
    return bool((daemon_set.get("status") or {}).get("desiredNumberScheduled")) and _is_current(daemon_set)


def _is_current(daemon_set: Manifest) -> bool:
    status = daemon_set.get("status") or {}
    counts = ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady")
    return len({status.get(count, 0) for count in counts}) == 1


async def _read(request: Awaitable[T]) -> Reading[T]:
    try:
        return Reading(await request)
    except DualstackError as error:
        return Reading(error)
