"""Checks of what a cluster shows that has gone back to IPv4 after its migration (gardener-behaviour.md 9)."""

from __future__ import annotations

from ipaddress import ip_network

from dualstack.cli.rehearsal.cluster_checks import cni_is_dual, flags, is_rolled_out, pods_on_nodes, proxy_has
from dualstack.cli.rehearsal.compute_checks import interface_of, nodes_subnet_resource
from dualstack.cli.rehearsal.endpoints import Endpoints
from dualstack.gardener.model.kinds import NETWORK
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.network import daemon_set_name
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, NODE, POD, SERVICE
from dualstack.model.names import POD_RANGE_NAME

Verdict = tuple[bool, str]


async def subnet_keeps_the_range(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """The pod range stays, for the pods live on aliases of it; so does the stack type. The overlap flag is off."""
    subnet = await nodes_subnet_resource(endpoints, shoot)
    ranges = {entry["rangeName"]: entry["ipCidrRange"] for entry in subnet.get("secondaryIpRanges", [])}
    flag = subnet.get("allowSubnetCidrRoutesOverlap", False)
    evidence = f"overlap flag {str(flag).lower()}, {subnet['stackType']} stays, ranges {ranges}"
    return not flag and ranges.get(POD_RANGE_NAME) == shoot.pods, evidence


async def interfaces_ipv4(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """Every node's NIC has IPv4 alone, and the node's only pod CIDR as its first alias."""
    wrong: list[str] = []
    nodes = await endpoints.list_all(NODE)
    for node in nodes:
        name, pod_cidrs = node["metadata"]["name"], node["spec"].get("podCIDRs", [])
        interface = await interface_of(endpoints, node)
        aliases = [alias["ipCidrRange"] for alias in interface.get("aliasIpRanges", [])]
        if interface.get("stackType") != "IPV4_ONLY" or interface.get("ipv6AccessConfigs"):
            wrong.append(f"{name} is {interface.get('stackType')}")
        elif len(pod_cidrs) != 1 or aliases[:1] != pod_cidrs:
            wrong.append(f"{name} has aliases {aliases}, its Node {pod_cidrs}")
    evidence = f"{len(nodes)} of {len(nodes)} IPV4_ONLY, alias first and equal to the pod CIDR"
    return bool(nodes) and not wrong, "; ".join(wrong) or evidence


async def components_ipv4(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """Every component has IPv4 alone; pods stay on aliases, so cloud-controller-manager makes no routes."""
    namespace = shoot.technical_id
    api_server = flags(await endpoints.get(DEPLOYMENT, "kube-apiserver", namespace))
    manager = flags(await endpoints.get(DEPLOYMENT, "kube-controller-manager", namespace))
    cloud_deployment = await endpoints.get(DEPLOYMENT, "cloud-controller-manager", namespace)
    cloud = flags(cloud_deployment)
    ingress = await endpoints.get(DEPLOYMENT, "ingress-gce", namespace)
    wanted = {
        "kube-apiserver service-cluster-ip-range": api_server.get("service-cluster-ip-range") == shoot.services,
        "kube-controller-manager cluster-cidr": manager.get("cluster-cidr") == shoot.pods,
        "kube-controller-manager service-cluster-ip-range": manager.get("service-cluster-ip-range") == shoot.services,
        "kube-controller-manager node-cidr-mask-size": manager.get("node-cidr-mask-size")
        == str(shoot.node_cidr_mask_size),
        "cloud-controller-manager cluster-cidr": cloud.get("cluster-cidr") == shoot.pods,
        "cloud-controller-manager service-cluster-ip-range": cloud.get("service-cluster-ip-range") == shoot.services,
        "cloud-controller-manager cidr-allocator-type": cloud.get("cidr-allocator-type") == "CloudAllocator",
        "cloud-controller-manager configure-cloud-routes": cloud.get("configure-cloud-routes") == "false",
        "cloud-controller-manager ready": cloud_deployment["status"].get("readyReplicas") == 1,
        "ingress-gce": ingress["spec"]["replicas"] == 0,
        **(await proxy_has(endpoints, shoot, 1)),
    }
    wrong = [what for what, good in wanted.items() if not good]
    if wrong:
        return False, f"not as for IPv4: {', '.join(wrong)}"
    return True, f"services {api_server['service-cluster-ip-range']}, pods {manager['cluster-cidr']}, no routes"


async def nodes_have_one_pod_cidr(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """Every Node has an IPv4 pod CIDR and no other."""
    nodes = await endpoints.list_all(NODE)
    wrong = [
        f"{node['metadata']['name']}: {node['spec'].get('podCIDRs')}"
        for node in nodes
        if [ip_network(cidr).version for cidr in node["spec"].get("podCIDRs", [])] != [4]
    ]
    return bool(nodes) and not wrong, "; ".join(wrong) or f"{len(nodes)} of {len(nodes)} with [IPv4]"


async def network_is_ipv4(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """The Network reports IPv4, and its CNI runs with that on every node."""
    network = await endpoints.get(NETWORK, shoot.name, shoot.technical_id)
    families = network["status"].get("ipFamilies")
    daemon_set = await endpoints.get(DAEMON_SET, daemon_set_name(shoot), "kube-system")
    configuration = await endpoints.get(CONFIG_MAP, f"{shoot.cni}-config", "kube-system")
    dual, rolled_out = cni_is_dual(shoot.cni, configuration["data"]), is_rolled_out(daemon_set)
    evidence = f"Network {families}, {daemon_set_name(shoot)} rolled out: {rolled_out}, dual-stack: {dual}"
    return families == ["IPv4"] and rolled_out and not dual, evidence


async def dns_is_single_stack(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """kube-dns has its IPv4 address and has given the other back."""
    spec = (await endpoints.get(SERVICE, "kube-dns", "kube-system"))["spec"]
    addresses = spec.get("clusterIPs", [])
    good = spec.get("ipFamilyPolicy") == "SingleStack" and spec.get("ipFamilies") == ["IPv4"] and len(addresses) == 1
    return good, f"{spec.get('ipFamilyPolicy')} {addresses}"


async def pods_have_ipv4_alone(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """No pod of the pod network has an IPv6 address left: each is younger than the change of the CNI."""
    pods = pods_on_nodes(await endpoints.list_all(POD))
    counts = [len(pod["status"].get("podIPs", [])) for pod in pods]
    return bool(counts) and set(counts) == {1}, f"{counts.count(1)} of {len(counts)} pods with one address"
