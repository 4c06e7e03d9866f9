"""A cluster in which every check of `verify` passes, by the state that it is in."""

from __future__ import annotations

from typing import Any

from dualstack.model.cluster import Cluster
from dualstack.verify.expectations import EXPECTED, rules_for
from dualstack.verify.facts import ControllerManager, Facts, Reading
from dualstack.verify.judging import judge

CLUSTER = Cluster(
    name="demo",
    project="proj-1",
    region="europe-west1",
    network="vpc",
    nodes_subnet="nodes",
    nodes="10.0.0.0/24",
    pods="10.96.0.0/16",
    services_subnet="demo-services",
    services="10.97.0.0/16",
)
IPV6 = "2600:1900:0:1::"
PROXY = "kind: KubeProxyConfiguration\nclusterCIDR: {ranges}\n"


def node(dual: bool) -> dict[str, Any]:
    addresses = ["10.0.0.2", f"{IPV6}1"][: 1 + dual]
    conditions = [{"type": "Ready", "status": "True"}, {"type": "NetworkUnavailable", "status": "False"}]
    return {
        "metadata": {"name": "n1"},
        "spec": {
            "providerID": "gce://proj-1/europe-west1-b/n1",
            "podCIDRs": ["10.96.0.0/24", f"{IPV6}/112"][: 1 + dual],
        },
        "status": {
            "addresses": [{"type": "InternalIP", "address": each} for each in addresses],
            "conditions": conditions,
        },
    }


def pod(dual: bool) -> dict[str, Any]:
    addresses = ["10.96.0.5", f"{IPV6}5"][: 1 + dual]
    return {
        "metadata": {"name": "dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": each} for each in addresses]},
    }


def service(dual: bool) -> dict[str, Any]:
    addresses = ["10.97.0.10", "2600:1900:0:2::a"][: 1 + dual]
    return {
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": addresses[0],
            "clusterIPs": addresses,
            "ipFamilies": ["IPv4", "IPv6"][: 1 + dual],
            "ipFamilyPolicy": "PreferDualStack" if dual else "SingleStack",
        },
    }


def facts(state: str) -> Facts:
    """A cluster that is right in the state."""
    dual, ranged = state == "dual-stack", state != "routes"
    routed = state in ("routes", "prepared")
    alias = [{"ipCidrRange": "10.96.0.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}]
    interface: dict[str, Any] = {"name": "nic0", "stackType": "IPV4_IPV6" if dual else "IPV4_ONLY"}
    flags = {"configure-cloud-routes": "true"}
    if ranged:
        interface["aliasIpRanges"] = alias
    if dual:
        interface["ipv6AccessConfigs"] = [{"externalIpv6": IPV6}]
    if not routed:
        flags = {"configure-cloud-routes": "false", "cidr-allocator-type": "CloudAllocator"}
    subnet = {
        "stackType": "IPV4_IPV6" if dual else "IPV4_ONLY",
        "allowSubnetCidrRoutesOverlap": state == "prepared",
        "secondaryIpRanges": [{"rangeName": "ipv4-pod-cidr", "ipCidrRange": CLUSTER.pods}] if ranged else [],
        **({"externalIpv6Prefix": f"{IPV6}/64"} if dual else {}),
    }
    route = {
        "name": "demo-1",
        "destRange": "10.96.0.0/24",
        "nextHopInstance": "projects/proj-1/zones/europe-west1-b/instances/n1",
    }
    firewall = {"name": "own", "direction": "INGRESS", "allowed": [{}], "sourceRanges": [f"{IPV6}/64"]}
    ranges = f"{CLUSTER.pods},{IPV6}/64" if dual else CLUSTER.pods
    agent = {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberReady": 1}
    return Facts(
        cluster=CLUSTER,
        nodes=Reading([node(dual)]),
        pods=Reading([pod(dual)]),
        dns_service=Reading(service(dual)),
        cloud_controller_manager=Reading(ControllerManager((flags,), 1, 1)),
        nodes_subnet=Reading(subnet),
        services_subnet=Reading(None),
        routes=Reading([route] if routed else []),
        firewalls=Reading([firewall]),
        interfaces=Reading({"n1": interface}),
        services=Reading([service(dual)]),
        forwarding_rules=Reading([]),
        daemon_sets=Reading([{"metadata": {"name": "kube-proxy"}, "status": agent}]),
        proxy_configurations=Reading([PROXY.format(ranges=ranges)]),
        quotas=Reading([{"metric": "ROUTES", "limit": 200, "usage": 3}, {"metric": "OFF", "limit": 0, "usage": 0}]),
        default_routes=Reading([{"destRange": each, "nextHopGateway": "x"} for each in ("0.0.0.0/0", "::/0")]),
        routers=Reading([router()]),
        network=Reading({"name": "vpc", "mtu": 1500}),
        network_policies=Reading([policy("10.0.0.0/8", "fd00::/8")]),
        cni_configurations=Reading([calico_config("1500")]),
        ip_pools=Reading([]),
    )


def router(**nat: Any) -> dict[str, Any]:
    return {
        "name": "r",
        "network": "x/vpc",
        "region": "x/regions/europe-west1",
        "nats": [
            {
                "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
                **(nat or {"subnetworks": [{"name": "x/subnetworks/nodes"}]}),
            }
        ],
    }


def policy(*blocks: str) -> dict[str, Any]:
    peers = [{"ipBlock": {"cidr": block}} for block in blocks]
    return {"metadata": {"name": "p", "namespace": "shop"}, "spec": {"egress": [{"to": peers}, {}]}}


def calico_config(mtu: str) -> dict[str, Any]:
    return {"metadata": {"name": "calico-config"}, "data": {"veth_mtu": mtu}}


def not_passed(found: Facts, state: str) -> dict[str, tuple[str, str]]:
    """Status and evidence of the checks that did not pass, by id."""
    expected = next(each for each in EXPECTED if each == state)
    checks = judge(found, rules_for(expected, gardener=False), unread="unknown")
    return {check.id: (check.status, check.evidence) for check in checks if check.status != "passed"}
