"""ingress-gce: external passthrough load balancers for Services that are marked for it, in both families.

It runs while a pod of its Deployment is ready, with the network and subnet of its ConfigMap
(docs/reference/gardener.md#ingress-gce). Load balancers of other Services belong to cloud-controller-manager, which
uses target pools; those are not simulated, so such Services stay without an address.
"""

from __future__ import annotations

import asyncio
from configparser import ConfigParser
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from dualstack.model.json_path import dig
from dualstack.model.kinds import CONFIG_MAP, NODE, POD, SERVICE, Manifest
from dualstack.model.names import L4_RBS
from dualstack_sim.actors.cloud_nodes import zone_and_name
from dualstack_sim.actors.compute_api import ComputeApi, Resource
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.pods import is_ready
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.refusals import ComputeConflict, ComputeNotFound, ComputeRefusal, OperationFailed

COMPONENT = "ingress-gce"
ROLE = "glbc"
"""The label `role` of its pods."""
CONFIGURATION = "cloud-provider-config-ingress-gce"
FINALIZER = "gke.networking.io/l4-netlb-v2"
INTERNAL = "networking.gke.io/load-balancer-type"
"""`Internal` on a Service: an internal load balancer, which stays with cloud-controller-manager."""
HEALTH_CHECK_SOURCES = {
    "IPv4": ["130.211.0.0/22", "35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"],
    "IPv6": ["2600:1901:8001::/48"],
}
"""Where Google's health checks come from (docs/reference/compute-engine.md#health-check-ranges)."""
_ANYWHERE = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
_KUBE_PROXY_HEALTH = 10256
_RETRY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the process reads at its start."""

    network: str
    subnetwork: str
    node_tag: str

    @classmethod
    def of(cls, config_map: Manifest) -> Configuration:
        parser = ConfigParser()
        parser.read_string(config_map["data"]["cloudprovider.conf"])
        values = {name: text.strip('"') for name, text in parser["Global"].items()}
        return cls(values["network-name"], values["subnetwork-name"], values["node-tags"])


class IngressGce:
    """One worker: a load balancer is made, and removed, step by step."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._kube, self._compute = context.named(COMPONENT)
        self._services, self._nodes = context.informers.of(SERVICE), context.informers.of(NODE)
        of_seed = context.seed.informers
        self._pods, self._config_maps = of_seed.of(POD), of_seed.of(CONFIG_MAP)
        self._queue = context.queue("load balancers")
        self._recorder = Recorder(context, "l4netlb-controller")
        self._failures: dict[ObjectKey, str] = {}

    async def run(self) -> None:
        await self._context.informers.synced(SERVICE, NODE)
        await self._context.seed.informers.synced(POD, CONFIG_MAP)
        self._services.subscribe(self._service_changed)
        self._nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run())
            group.create_task(self._queue.serve(self._reconcile))

    def _service_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is not None and is_ours(new):
            self._queue.add(key_of(new))

    def _node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if old is None or new is None or is_ready(old) != is_ready(new):
            self._queue_all()

    def _pod_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is not None and _is_own_pod(new) and is_ready(new) and not (old is not None and is_ready(old)):
            self._queue_all()

    def _queue_all(self) -> None:
        for service in self._services.all():
            if is_ours(service):
                self._queue.add(key_of(service))

    def _configuration(self) -> Configuration | None:
        """None while no pod of it is ready."""
        pods = self._pods.all(self._context.namespace)
        config_map = self._config_maps.get(CONFIGURATION, self._context.namespace)
        if config_map is None or not any(_is_own_pod(pod) and is_ready(pod) for pod in pods):
            return None
        return Configuration.of(config_map)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        service, configuration = self._services.get(key[1], key[0]), self._configuration()
        if service is None or configuration is None:
            return None
        balancer = Balancer(self._compute, self._context.namespace, configuration, service)
        try:
            if service["metadata"].get("deletionTimestamp"):
                await balancer.delete()
                await self._set_finalizers(service, present=False)
                return None
            await self._set_finalizers(service, present=True)
            addresses = await balancer.ensure(self._vms())
        except (ComputeRefusal, OperationFailed) as refusal:
            self._report_failure(service, str(refusal))
            return _RETRY_SECONDS
        self._failures.pop(key, None)
        ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
        if dig(service, "status", "loadBalancer", "ingress") != ingress:
            body = {"status": {"loadBalancer": {"ingress": ingress}}}
            namespace, name = key
            written = await self._kube.patch(SERVICE, name, body, namespace, patch_type="merge", subresource="status")
            self._services.observe(written)
            self._recorder.record(
                written, "SyncLoadBalancerSuccessful", "Successfully ensured L4 External LoadBalancer resources"
            )
        return None

    def _report_failure(self, service: Manifest, problem: str) -> None:
        """An Event for each new problem; upstream repeats it, and the API server counts."""
        if self._failures.get(key_of(service)) != problem:
            self._failures[key_of(service)] = problem
            message = f"Error syncing load balancer: {problem}"
            self._recorder.record(service, "SyncLoadBalancerFailed", message, warning=True)

    async def _set_finalizers(self, service: Manifest, *, present: bool) -> None:
        before: list[str] = service["metadata"].get("finalizers") or []
        after = [*before, FINALIZER] if present else [each for each in before if each != FINALIZER]
        if present != (FINALIZER in before):
            namespace, name = key_of(service)
            body = {"metadata": {"finalizers": after or None}}
            await self._kube.patch(SERVICE, name, body, namespace, patch_type="merge")

    def _vms(self) -> dict[str, list[str]]:
        """The names of the VMs of all ready Nodes, by zone."""
        found: dict[str, list[str]] = {}
        for node in self._nodes.all():
            if is_ready(node) and (text := node["spec"].get("providerID")):
                zone, name = zone_and_name(text)
                found.setdefault(zone, []).append(name)
        return {zone: sorted(names) for zone, names in found.items()}


def is_ours(service: Manifest) -> bool:
    """Whether ingress-gce manages the load balancer: by its annotation, or because it has begun to
    (docs/reference/gardener.md#load-balancer-split)."""
    metadata, annotations = service["metadata"], service["metadata"].get("annotations") or {}
    begun = FINALIZER in (metadata.get("finalizers") or ())
    wanted = annotations.get(L4_RBS) == "enabled" and annotations.get(INTERNAL) != "Internal"
    return begun or (service["spec"].get("type") == "LoadBalancer" and wanted)


def _is_own_pod(pod: Manifest) -> bool:
    return bool(dig(pod, "metadata", "labels", "role") == ROLE)


class Balancer:
    """The Compute resources of one Service. Each call may be repeated: what exists stays, as far as it is right."""

    def __init__(self, compute: ComputeApi, cluster: str, configuration: Configuration, service: Manifest) -> None:
        self._compute = compute
        self._configuration = configuration
        self._service = service
        self._cluster = sha256(cluster.encode()).hexdigest()[:8]
        namespace, name = key_of(service)
        mark = sha256(f"{cluster}/{namespace}/{name}".encode()).hexdigest()[:8]
        self._name = f"k8s2-{self._cluster}-{namespace[:20]}-{name[:20]}-{mark}"
        self._region = ""

    async def ensure(self, vms: dict[str, list[str]]) -> list[str]:
        """Make everything for the families of the Service; returns its addresses in their order."""
        spec = self._service["spec"]
        families: list[str] = spec.get("ipFamilies") or ["IPv4"]
        self._region = await self._find_region()
        groups = [await self._group(zone, names) for zone, names in sorted(vms.items())]
        check = await self._make("healthChecks", f"k8s2-{self._cluster}-l4-shared-hc", _health_check())
        service = await self._make("backendServices", self._name, self._backend_service(check, groups))
        await self._update_backends(service, groups)
        addresses = []
        for family in families:
            rule = await self._make("forwardingRules", self._rule_name(family), self._rule(service, family))
            addresses.append(str(rule["IPAddress"]).partition("/")[0])
            await self._firewalls(family)
        for family in {"IPv4", "IPv6"} - set(families):
            await self._remove(f"{self._regional}/forwardingRules/{self._rule_name(family)}")
            await self._remove(f"global/firewalls/{self._firewall_name(family)}")
        return addresses

    async def delete(self) -> None:
        """Remove what belongs to this Service alone; groups, health check and its firewall rules are shared."""
        self._region = await self._find_region()
        for family in ("IPv4", "IPv6"):
            await self._remove(f"{self._regional}/forwardingRules/{self._rule_name(family)}")
            await self._remove(f"global/firewalls/{self._firewall_name(family)}")
        await self._remove(f"{self._regional}/backendServices/{self._name}")

    @property
    def _regional(self) -> str:
        return f"regions/{self._region}"

    def _rule_name(self, family: str) -> str:
        own = "a" + str(self._service["metadata"]["uid"]).replace("-", "")[:31]
        return own if family == "IPv4" else f"{self._name}-ipv6"

    def _firewall_name(self, family: str) -> str:
        return self._name if family == "IPv4" else f"{self._name}-ipv6"

    async def _find_region(self) -> str:
        name = self._configuration.subnetwork
        (found,) = await self._compute.aggregated("subnetworks", matching=f"name eq {name}")
        return str(found["region"]).rsplit("/", 1)[-1]

    async def _group(self, zone: str, names: list[str]) -> str:
        """The instance group of a zone, with exactly these VMs; returns its link."""
        path, name = f"zones/{zone}/instanceGroups", f"k8s-ig--{self._cluster}"
        group = await self._compute.get(f"{path}/{name}")
        if group is None:
            await self._do("POST", path, {"name": name})
            group = await self._compute.call("GET", f"{path}/{name}")
        listed = await self._compute.call("POST", f"{path}/{name}/listInstances", {})
        there = {str(each["instance"]).rsplit("/", 1)[-1] for each in listed.get("items", ())}
        for verb, changed in (("addInstances", set(names) - there), ("removeInstances", there - set(names))):
            if changed:
                body = {"instances": [{"instance": f"zones/{zone}/instances/{each}"} for each in sorted(changed)]}
                await self._do("POST", f"{path}/{name}/{verb}", body)
        return str(group["selfLink"])

    def _backend_service(self, check: Resource, groups: list[str]) -> Resource:
        protocols = {port.get("protocol", "TCP") for port in self._service["spec"]["ports"]}
        return {
            "loadBalancingScheme": "EXTERNAL",
            "protocol": protocols.pop() if len(protocols) == 1 else "UNSPECIFIED",
            "healthChecks": [check["selfLink"]],
            "backends": [{"group": group, "balancingMode": "CONNECTION"} for group in groups],
        }

    async def _update_backends(self, service: Resource, groups: list[str]) -> None:
        if sorted(each["group"] for each in service.get("backends", ())) != sorted(groups):
            backends = [{"group": group, "balancingMode": "CONNECTION"} for group in groups]
            body = {"fingerprint": service["fingerprint"], "backends": backends}
            await self._do("PATCH", f"{self._regional}/backendServices/{self._name}", body)

    def _rule(self, service: Resource, family: str) -> Resource:
        ports = self._service["spec"]["ports"]
        protocols = {port.get("protocol", "TCP") for port in ports}
        several = len(protocols) > 1
        shared = {
            "loadBalancingScheme": "EXTERNAL",
            "backendService": service["selfLink"],
            "networkTier": "PREMIUM",
            "IPProtocol": "L3_DEFAULT" if several else protocols.pop(),
            **({"allPorts": True} if several else {"ports": [str(port["port"]) for port in ports]}),
        }
        if family == "IPv4":
            return shared
        return {
            **shared,
            "ipVersion": "IPV6",
            "subnetwork": f"{self._regional}/subnetworks/{self._configuration.subnetwork}",
        }

    async def _firewalls(self, family: str) -> None:
        """The rules for clients of this Service, and for the health checks of all."""
        spec = self._service["spec"]
        sources = [each for each in spec.get("loadBalancerSourceRanges") or () if (":" in each) == (family == "IPv6")]
        ports: dict[str, list[str]] = {}
        for port in spec["ports"]:
            ports.setdefault(port.get("protocol", "TCP").lower(), []).append(str(port["port"]))
        clients = [{"IPProtocol": protocol, "ports": numbers} for protocol, numbers in ports.items()]
        await self._firewall(self._firewall_name(family), sources or [_ANYWHERE[family]], clients)
        checked = [{"IPProtocol": "tcp", "ports": [str(_KUBE_PROXY_HEALTH)]}]
        suffix = "" if family == "IPv4" else "-ipv6"
        name = f"k8s2-{self._cluster}-l4-shared-hc-fw{suffix}"
        await self._firewall(name, HEALTH_CHECK_SOURCES[family], checked)

    async def _firewall(self, name: str, sources: list[str], allowed: list[dict[str, Any]]) -> None:
        if await self._compute.get(f"global/firewalls/{name}") is None:
            body = {
                "name": name,
                "network": f"global/networks/{self._configuration.network}",
                "sourceRanges": sources,
                "allowed": allowed,
                "targetTags": [self._configuration.node_tag],
            }
            await self._do("POST", "global/firewalls", body)

    async def _make(self, collection: str, name: str, body: Resource) -> Resource:
        """The regional resource, made if it does not exist."""
        path = f"{self._regional}/{collection}"
        found = await self._compute.get(f"{path}/{name}")
        if found is None:
            await self._do("POST", path, {"name": name, **body})
            found = await self._compute.call("GET", f"{path}/{name}")
        return found

    async def _do(self, method: str, path: str, body: Resource) -> None:
        try:
            await self._compute.wait(await self._compute.call(method, path, body))
        except ComputeConflict:
            return  # made by an earlier attempt

    async def _remove(self, path: str) -> None:
        try:
            await self._compute.wait(await self._compute.delete(path))
        except ComputeNotFound:
            return


def _health_check() -> Resource:
    """That of kube-proxy, which every Service with externalTrafficPolicy Cluster shares."""
    return {
        "type": "HTTP",
        "httpHealthCheck": {"port": _KUBE_PROXY_HEALTH, "requestPath": "/healthz"},
        "checkIntervalSec": 8,
        "timeoutSec": 1,
        "healthyThreshold": 1,
        "unhealthyThreshold": 3,
    }
