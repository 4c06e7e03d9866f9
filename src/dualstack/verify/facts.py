"""Reads the state of a cluster once, from Kubernetes and Compute, for the checks to judge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dualstack.clock import Clock
from dualstack.cni import CNIS
from dualstack.cni.interface import SystemObjects
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import first_interface, last_segment
from dualstack.kube import masquerading
from dualstack.kube.interface import Kube, NotFound
from dualstack.model import names
from dualstack.model.cluster import Cluster
from dualstack.model.conditions import find_condition
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import (
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    NETWORK_POLICY,
    NODE,
    POD,
    SERVICE,
    Kind,
    Manifest,
)
from dualstack.model.workloads import flags_of, is_cloud_controller_manager

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
_ROUTER_FIELDS = "items/*/routers(name,network,region,nats),nextPageToken"
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


class NotApplicable(DualstackError):
    """A fact that this kind of access, or this kind of cluster, does not have; the message says why."""


UNREAD: Reading[Any] = Reading(NotApplicable("it was not read"))


@dataclass(frozen=True, slots=True)
class ControllerManager:
    """cloud-controller-manager as it runs. flags: of its Deployment, or of each of its pods."""

    flags: tuple[Mapping[str, str], ...]
    wanted: int
    ready: int


@dataclass(frozen=True, slots=True)
class Facts:
    """One observation of a cluster.

    dns_service: Service kube-dns. routes: static routes of cloud-controller-manager to this cluster's nodes.
    firewalls: the rules of the cluster's VPC network. interfaces: nic0 of each node's VM, by node name; a node without
    a VM is missing. forwarding_rules: those of the project. daemon_sets: those in kube-system. proxy_configurations:
    the configuration files of kube-proxy. quotas: of the project and of the region, as Compute answers them.
    default_routes: to every address, without tags. routers: of the project. cni_configurations: the ConfigMaps of
    CNIs and of ip-masq-agent. ip_pools: of CNIs. taints: those that the cluster's owner gave to
    node pools.
    """

    cluster: Cluster
    nodes: Reading[list[Manifest]]
    pods: Reading[list[Manifest]]
    dns_service: Reading[Manifest]
    cloud_controller_manager: Reading[ControllerManager]
    nodes_subnet: Reading[Resource | None]
    services_subnet: Reading[Resource | None]
    routes: Reading[list[Resource]]
    firewalls: Reading[list[Resource]]
    interfaces: Reading[dict[str, Mapping[str, Any]]]
    services: Reading[list[Manifest]]
    forwarding_rules: Reading[list[Resource]]
    daemon_sets: Reading[list[Manifest]]
    proxy_configurations: Reading[list[str]]
    quotas: Reading[list[Resource]]
    default_routes: Reading[list[Resource]] = UNREAD
    routers: Reading[list[Resource]] = UNREAD
    network: Reading[Resource | None] = UNREAD
    network_policies: Reading[list[Manifest]] = UNREAD
    cni_configurations: Reading[list[Manifest]] = UNREAD
    ip_pools: Reading[list[Manifest]] = UNREAD
    taints: frozenset[Taint] = frozenset()

    @property
    def system_objects(self) -> SystemObjects:
        """What shows the CNI and who masquerades pods; a read raises its error."""
        return SystemObjects(
            lambda: self.daemon_sets.value, lambda: self.cni_configurations.value, lambda: self.ip_pools.value
        )


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the facts of a cluster come from.

    kube: the cluster's API. control_plane, control_plane_namespace: where cloud-controller-manager runs; for a hosted
    control plane this is another API, and None when it cannot be read.
    """

    cluster: Cluster
    kube: Kube
    compute: ComputeClient
    control_plane: Kube | None
    control_plane_namespace: str
    taints: frozenset[Taint] = frozenset()

    async def read(self) -> Facts:
        """Read everything. A failed read is kept as its `Reading`; it raises only when a check uses it."""
        cluster, compute = self.cluster, self.compute
        nodes = await _read(self.kube.list(NODE))
        requests: dict[str, Awaitable[Any]] = {
            "pods": self.kube.list(POD),
            "dns_service": existing(self.kube, SERVICE, names.KUBE_DNS, names.KUBE_SYSTEM),
            "cloud_controller_manager": self._controller_manager(),
            "nodes_subnet": compute.find(cluster.nodes_subnet_path),
            "services_subnet": compute.find(f"regions/{cluster.region}/subnetworks/{cluster.services_subnet}"),
            "routes": self._in_network("global/routes", self._is_node_route),
            "firewalls": self._in_network("global/firewalls", bool),
            "interfaces": self._interfaces(nodes),
            "services": self.kube.list(SERVICE),
            "forwarding_rules": compute.aggregated("forwardingRules", fields=_RULE_FIELDS),
            "daemon_sets": self.kube.list(DAEMON_SET, names.KUBE_SYSTEM),
            "proxy_configurations": self._proxy_configurations(),
            "quotas": self._quotas(),
            "default_routes": self._in_network("global/routes", _is_default),
            "routers": compute.aggregated("routers", fields=_ROUTER_FIELDS),
            "network": compute.find(f"global/networks/{cluster.network}", fields="name,mtu"),
            "network_policies": self.kube.list(NETWORK_POLICY),
            "cni_configurations": self._config_maps(*masquerading.shown_by()),
            "ip_pools": self._ip_pools(),
        }
        readings = await asyncio.gather(*map(_read, requests.values()))
        return Facts(cluster, nodes, taints=self.taints, **dict(zip(requests, readings, strict=True)))

    async def settled(self, clock: Clock, is_ready: Callable[[Manifest], bool]) -> bool:
        """Wait until `is_ready` holds for every Node and every DaemonSet in kube-system is rolled out.

        A Node becomes Ready before all of its agents run. False after `ATTEMPTS`; the checks then name the cause.
        """

        async def read() -> bool:
            nodes, daemon_sets = await gather_all(self.kube.list(NODE), self.kube.list(DAEMON_SET, names.KUBE_SYSTEM))
            return all(map(is_ready, nodes)) and all(map(is_current, daemon_sets))

        return await read_until(read, bool, clock)

    async def _controller_manager(self) -> ControllerManager:
        """From its Deployment, else from its pods: elsewhere it is a DaemonSet, or a static pod on each node."""
        if self.control_plane is None:
            raise NotApplicable("it runs outside of the cluster, where this kubeconfig gives no access")
        name, namespace = names.CLOUD_CONTROLLER_MANAGER, self.control_plane_namespace
        deployment = await self.control_plane.get(DEPLOYMENT, name, namespace)
        if deployment is not None:
            ready = (deployment.get("status") or {}).get("readyReplicas", 0)
            return ControllerManager((flags_of(deployment),), deployment["spec"].get("replicas", 1), ready)
        pods = [pod for pod in await self.control_plane.list(POD, namespace) if is_cloud_controller_manager(pod)]
        if not pods:
            raise NotFound(f"namespace {namespace} has neither a Deployment nor a pod of {name}")
        states = [find_condition((pod.get("status") or {}).get("conditions") or [], "Ready") for pod in pods]
        ready = len([state for state in states if state and state["status"] == "True"])
        return ControllerManager(tuple(map(flags_of, pods)), len(pods), ready)

    async def _proxy_configurations(self) -> list[str]:
        """The files that the pods of kube-proxy mount, one for each node pool in some clusters; else those of the
        usual names."""
        found = await self.kube.list(DAEMON_SET, names.KUBE_SYSTEM)
        proxies = [each for each in found if each["metadata"]["name"].startswith(names.KUBE_PROXY)]
        volumes = [volume for each in proxies for volume in each["spec"]["template"]["spec"].get("volumes") or ()]
        mounted = {volume["configMap"]["name"] for volume in volumes if volume.get("configMap")}
        wanted = sorted(mounted) if mounted or not proxies else [names.KUBE_PROXY, names.KUBE_PROXY_CONFIG]
        read = (self.kube.get(CONFIG_MAP, name, names.KUBE_SYSTEM) for name in wanted)
        maps = [each for each in await gather_all(*read) if each is not None]
        texts = [text for each in maps for text in (each.get("data") or {}).values()]
        return [text for text in texts if "KubeProxyConfiguration" in text]

    async def _config_maps(self, *wanted: str) -> list[Manifest]:
        found = await gather_all(*(self.kube.get(CONFIG_MAP, name, names.KUBE_SYSTEM) for name in wanted))
        return [each for each in found if each is not None]

    async def _ip_pools(self) -> list[Manifest]:
        found: list[Manifest] = []
        for kind in (kind for cni in CNIS for kind in cni.ip_pools):
            with contextlib.suppress(NotFound):  # the cluster does not have the kind
                found += await self.kube.list(kind)
        return found

    async def _quotas(self) -> list[Resource]:
        project, region = await gather_all(
            self.compute.get("", fields="quotas"),
            self.compute.get(f"regions/{self.cluster.region}", fields="quotas"),
        )
        return [*(project.get("quotas") or ()), *(region.get("quotas") or ())]

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


def _is_default(route: Resource) -> bool:
    return route.get("destRange") in ("0.0.0.0/0", "::/0") and not route.get("tags")


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
    return bool((daemon_set.get("status") or {}).get("desiredNumberScheduled")) and is_current(daemon_set)


def is_current(daemon_set: Manifest) -> bool:
    """Whether all pods that it wants are ready and of its latest revision."""
    status = daemon_set.get("status") or {}
    counts = ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady")
    return len({status.get(count, 0) for count in counts}) == 1


async def _read(request: Awaitable[T]) -> Reading[T]:
    try:
        return Reading(await request)
    except DualstackError as error:
        return Reading(error)
