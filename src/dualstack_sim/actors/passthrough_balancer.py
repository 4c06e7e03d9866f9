"""The Compute resources of an external load balancer of ingress-gce (docs/reference/gardener.md#netlb-resources)."""

from __future__ import annotations

from configparser import ConfigParser
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.compute_api import ComputeApi, Resource
from dualstack_sim.actors.informer import key_of
from dualstack_sim.actors.refusals import ComputeConflict, ComputeNotFound, ComputeRefusal

STATIC_ADDRESSES = "networking.gke.io/load-balancer-ip-addresses"
"""Names of reserved addresses on a Service, one for each family."""
HEALTH_CHECK_SOURCES = {
    "IPv4": ["130.211.0.0/22", "35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"],
    "IPv6": ["2600:1901:8001::/48"],
}
"""Where Google's health checks come from (docs/reference/compute-engine.md#health-check-ranges)."""
_ANYWHERE = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
_KUBE_PROXY_HEALTH = 10256
_MOST_PORTS = 5
_SUFFIXES = {"IPv4": "", "IPv6": "-ipv6"}


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
        """Make everything for the families of the Service; returns its addresses, IPv4 first as upstream."""
        families: list[str] = self._service["spec"].get("ipFamilies") or ["IPv4"]
        self._region = await self._find_region()
        groups = [await self._group(zone, names) for zone, names in sorted(vms.items())]
        check = await self._make("healthChecks", self._check_name(local=self._local), self._health_check())
        wanted = self._backend_service(check, groups)
        service = await self._make("backendServices", self._name, wanted)
        await self._update_service(service, wanted)
        addresses = []
        for family in sorted(families):
            rule = await self._ensure_rule(service, family)
            addresses.append(str(rule["IPAddress"]).partition("/")[0])
            await self._firewalls(family)
        for family in {"IPv4", "IPv6"} - set(families):
            await self._remove_family(family)
        return addresses

    async def delete(self, zones: list[str]) -> None:
        """Remove what belongs to this Service, and what it has shared if no other Service uses it."""
        self._region = await self._find_region()
        for family in ("IPv4", "IPv6"):
            await self._remove_family(family)
        await self._remove(f"{self._regional}/backendServices/{self._name}")
        for local in (True, False):
            name = self._check_name(local=local)
            if await self._remove_unused(f"{self._regional}/healthChecks/{name}"):
                for suffix in _SUFFIXES.values():
                    await self._remove(f"global/firewalls/{name}-fw{suffix}")
        for zone in zones:
            await self._remove_unused(f"zones/{zone}/instanceGroups/k8s-ig--{self._cluster}")

    async def _remove_family(self, family: str) -> None:
        await self._remove(f"{self._regional}/forwardingRules/{self._rule_name(family)}")
        if family == "IPv4":
            await self._remove(f"{self._regional}/addresses/{self._rule_name(family)}")
        await self._remove(f"global/firewalls/{self._firewall_name(family)}")

    async def _remove_unused(self, path: str) -> bool:
        """False while another resource uses it."""
        try:
            await self._remove(path)
        except ComputeRefusal as refusal:
            if refusal.reason != "resourceInUseByAnotherResource":
                raise
            return False
        return True

    @property
    def _local(self) -> bool:
        return bool(self._service["spec"].get("externalTrafficPolicy") == "Local")

    def _check_name(self, *, local: bool) -> str:
        """The health check of this Service alone, or that of all with externalTrafficPolicy Cluster."""
        return self._name if local else f"k8s2-{self._cluster}-l4-shared-hc"

    @property
    def _check_port(self) -> int:
        """Of kube-proxy: for this Service, if the API has given it one, or for the node."""
        number = self._service["spec"].get("healthCheckNodePort") if self._local else None
        return int(number or _KUBE_PROXY_HEALTH)

    @property
    def _regional(self) -> str:
        return f"regions/{self._region}"

    def _rule_name(self, family: str) -> str:
        own = "a" + str(self._service["metadata"]["uid"]).replace("-", "")[:31]
        return own if family == "IPv4" else f"{self._name}-ipv6"

    def _firewall_name(self, family: str) -> str:
        return self._name + _SUFFIXES[family]

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

    async def _update_service(self, service: Resource, wanted: Resource) -> None:
        def compared(resource: Resource) -> tuple[object, ...]:
            groups = sorted(each["group"] for each in resource.get("backends", ()))
            return groups, resource["protocol"], resource["healthChecks"]

        if compared(service) != compared(wanted):
            body = {**wanted, "fingerprint": service["fingerprint"]}
            await self._do("PATCH", f"{self._regional}/backendServices/{self._name}", body)

    async def _ensure_rule(self, service: Resource, family: str) -> Resource:
        """The forwarding rule, made again with the same address when its ports or its address must change."""
        name = self._rule_name(family)
        path, reservation = f"{self._regional}/forwardingRules/{name}", f"{self._regional}/addresses/{name}"
        wanted, static = self._rule(service, family), await self._static_address(family)
        found = await self._compute.get(path)
        if found is not None:
            address = static or str(found["IPAddress"])
            if found["IPAddress"] == address and _served(found) == _served(wanted):
                return found
            if not static and family == "IPv4":
                await self._do("POST", f"{self._regional}/addresses", {"name": name, "address": address})
            await self._remove(path)
        else:
            address = static
        made = await self._make("forwardingRules", name, {**wanted, **({"IPAddress": address} if address else {})})
        if found is not None and not static and family == "IPv4":
            # Refused where Compute keeps a reservation that is in use; then it goes with the Service.
            await self._remove_unused(reservation)
        return made

    async def _static_address(self, family: str) -> str:
        """What the Service requests: a reserved address by its name, or an IPv4 address; empty for none."""
        names = str(dig(self._service, "metadata", "annotations", STATIC_ADDRESSES) or "")
        for name in filter(None, (each.strip() for each in names.split(","))):
            found = await self._compute.call("GET", f"{self._regional}/addresses/{name}")
            if (":" in found["address"]) == (family == "IPv6"):
                length = f"/{found['prefixLength']}" if family == "IPv6" else ""
                return f"{found['address']}{length}"
        return str(self._service["spec"].get("loadBalancerIP") or "") if family == "IPv4" else ""

    def _rule(self, service: Resource, family: str) -> Resource:
        ports = self._service["spec"]["ports"]
        protocols = {port.get("protocol", "TCP") for port in ports}
        several = len(protocols) > 1
        shared = {
            "loadBalancingScheme": "EXTERNAL",
            "backendService": service["selfLink"],
            "networkTier": "PREMIUM",
            "IPProtocol": "L3_DEFAULT" if several else protocols.pop(),
            **({"allPorts": True} if several else _ports([int(port["port"]) for port in ports])),
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
        checked = [{"IPProtocol": "tcp", "ports": [str(self._check_port)]}]
        name = f"{self._check_name(local=self._local)}-fw{_SUFFIXES[family]}"
        await self._firewall(name, HEALTH_CHECK_SOURCES[family], checked)

    async def _firewall(self, name: str, sources: list[str], allowed: list[dict[str, Any]]) -> None:
        found, path = await self._compute.get(f"global/firewalls/{name}"), "global/firewalls"
        body = {"sourceRanges": sources, "allowed": allowed}
        if found is None:
            network, tags = f"global/networks/{self._configuration.network}", [self._configuration.node_tag]
            await self._do("POST", path, {"name": name, "network": network, "targetTags": tags, **body})
        elif any(found[field] != value for field, value in body.items()):
            await self._do("PATCH", f"{path}/{name}", body)

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

    def _health_check(self) -> Resource:
        return {
            "type": "HTTP",
            "httpHealthCheck": {"port": self._check_port, "requestPath": "/healthz"},
            "checkIntervalSec": 8,
            "timeoutSec": 1,
            "healthyThreshold": 1,
            "unhealthyThreshold": 3,
        }


def _ports(numbers: list[int]) -> Resource:
    """Single ports, of which a rule has at most five, or the range that has them all."""
    if len(numbers) > _MOST_PORTS:
        return {"portRange": f"{min(numbers)}-{max(numbers)}"}
    return {"ports": [str(number) for number in numbers]}


def _served(rule: Resource) -> tuple[str, list[str], str, bool]:
    """Protocol and ports of a forwarding rule; Compute adds a range to ports that stand side by side."""
    ports = sorted(rule.get("ports", ()))
    return rule["IPProtocol"], ports, "" if ports else rule.get("portRange", ""), bool(rule.get("allPorts"))
