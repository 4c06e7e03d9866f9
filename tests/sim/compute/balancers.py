"""Short ways to make the load balancers that Kubernetes makes."""

from __future__ import annotations

from typing import Any

from tests.sim.compute.cloud import NETWORK, NODES, REGION, ZONE, Cloud, Json, instance

GROUP = f"{ZONE}/instanceGroups/k8s-ig"
SERVICE = f"{REGION}/backendServices/k8s-svc"
CHECK = f"{REGION}/healthChecks/k8s-hc"
RULE = f"{REGION}/forwardingRules/k8s-fr"
RULE6 = f"{REGION}/forwardingRules/k8s-fr6"
DUAL = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}


def health_check(name: str = "k8s-hc", **fields: Any) -> Json:
    return {"name": name, "type": "HTTP", "httpHealthCheck": {"port": 10256, "requestPath": "/healthz"}, **fields}


def service(name: str = "k8s-svc", **fields: Any) -> Json:
    return {
        "name": name,
        "protocol": "TCP",
        "loadBalancingScheme": "EXTERNAL",
        "healthChecks": [CHECK],
        "backends": [{"group": GROUP, "balancingMode": "CONNECTION"}],
        **fields,
    }


def rule(name: str = "k8s-fr", **fields: Any) -> Json:
    return {
        "name": name,
        "IPProtocol": "TCP",
        "ports": ["80"],
        "loadBalancingScheme": "EXTERNAL",
        "backendService": SERVICE,
        **fields,
    }


def rule6(name: str = "k8s-fr6", **fields: Any) -> Json:
    return rule(name, **{"ipVersion": "IPV6", "subnetwork": NODES, **fields})


def members(*names: str) -> Json:
    return {"instances": [{"instance": f"{ZONE}/instances/{name}"} for name in names]}


async def with_dual_nodes(cloud: Cloud, nodes: int = 2) -> None:
    """A dual-stack subnetwork with that many dual-stack VMs, `vm0` and so on, all RUNNING."""
    cloud.populate()
    await cloud.patch_nodes(**DUAL)
    while "ipv6CidrRange" not in await cloud.get(NODES):
        await cloud.clock.sleep(2.0)
    for number in range(nodes):
        await cloud.do("POST", f"{ZONE}/instances", instance(f"vm{number}", stackType="IPV4_IPV6"))


async def with_group(cloud: Cloud, *names: str) -> None:
    await cloud.do("POST", f"{ZONE}/instanceGroups", {"name": "k8s-ig"})
    if names:
        await cloud.do("POST", f"{GROUP}/addInstances", members(*names))


async def with_service(cloud: Cloud, *names: str, **fields: Any) -> None:
    """Group with these VMs, health check, and backend service."""
    await with_group(cloud, *names)
    await cloud.do("POST", f"{REGION}/healthChecks", health_check())
    await cloud.do("POST", f"{REGION}/backendServices", service(**fields))


async def allow(cloud: Cloud, name: str, *ranges: str, ports: tuple[str, ...] = ("80",)) -> None:
    body = {"name": name, "network": NETWORK, "sourceRanges": list(ranges)}
    await cloud.do("POST", "global/firewalls", body | {"allowed": [{"IPProtocol": "tcp", "ports": list(ports)}]})


async def with_load_balancer(cloud: Cloud, *names: str) -> None:
    """What ingress-gce makes for a dual-stack Service: service, two forwarding rules, and firewall rules."""
    await with_service(cloud, *names)
    await cloud.do("POST", f"{REGION}/forwardingRules", rule())
    await cloud.do("POST", f"{REGION}/forwardingRules", rule6())
    await allow(cloud, "k8s-fw", "0.0.0.0/0")
    await allow(cloud, "k8s-fw6", "::/0")
    ranges = ("35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22")
    await allow(cloud, "k8s-hc-fw", *ranges, ports=("10256",))
    await allow(cloud, "k8s-hc-fw6", "2600:1901:8001::/48", ports=("10256",))
