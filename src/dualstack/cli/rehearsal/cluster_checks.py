"""Checks of what Kubernetes shows after the migration (gardener-behaviour.md 2.6, 6, 7, 8.1, 11)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import msgspec
import yaml

from dualstack.cli.rehearsal.endpoints import Endpoints
from dualstack.gardener.model.kinds import MANAGED_RESOURCE, NETWORK
from dualstack.gardener.model.names import POOL_LABEL
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.conditions import find_condition
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, NODE, POD, SERVICE, Manifest
from dualstack.model.names import KUBE_PROXY, KUBE_PROXY_CONFIG

Verdict = tuple[bool, str]
_BOTH = ["IPv4", "IPv6"]
_Taint = tuple[str, str, str]


def flags(deployment: Manifest) -> dict[str, str]:
    """The `--name=value` flags of the first container of a Deployment."""
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    words = [*container.get("command", []), *container.get("args", [])]
    return dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))


def nodes_have_two_pod_cidrs(nodes: list[Manifest]) -> Verdict:
    """Every Node has an IPv4 and an IPv6 pod CIDR, in this order."""
    wrong = [
        f"{node['metadata']['name']}: {node['spec'].get('podCIDRs')}"
        for node in nodes
        if [ip_network(cidr).version for cidr in node["spec"].get("podCIDRs", [])] != [4, 6]
    ]
    return bool(nodes) and not wrong, "; ".join(wrong) or f"{len(nodes)} of {len(nodes)} with [IPv4, IPv6]"


async def nodes_ready(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """Every Node is Ready, its network available, and none is cordoned or waits for its initialisation.

    The taints that the owner gave to a pool belong there.
    """
    of_pools = {pool.name: {_taint(taint) for taint in pool.taints} for pool in shoot.pools}
    nodes = await endpoints.list_all(NODE)
    wrong = [f"{node['metadata']['name']} {fault}" for node in nodes if (fault := _node_fault(node, of_pools))]
    return not wrong, "; ".join(wrong) or f"{len(nodes)} of {len(nodes)} Ready, network available, no taint"


def _node_fault(node: Manifest, of_pools: Mapping[str, set[_Taint]]) -> str | None:
    conditions = node["status"].get("conditions", [])
    ready = find_condition(conditions, "Ready")
    network = find_condition(conditions, "NetworkUnavailable")
    if not ready or ready["status"] != "True":
        return "is not Ready"
    if not network or network["status"] != "False":
        return "has no network"
    pool = node["metadata"].get("labels", {}).get(POOL_LABEL, "")
    taints = {_taint(taint) for taint in node["spec"].get("taints") or ()}
    if taints - of_pools.get(pool, set()) or node["spec"].get("unschedulable"):
        return "is tainted or cordoned"
    return None


def _taint(taint: Mapping[str, Any]) -> _Taint:
    return taint["key"], taint.get("value") or "", taint["effect"]


async def cloud_controller_manager(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """It runs, as cloud allocator, without routes, for both families."""
    deployment = await endpoints.get(DEPLOYMENT, "cloud-controller-manager", shoot.technical_id)
    found = flags(deployment)
    ready = deployment["status"].get("readyReplicas", 0)
    shown = ("cidr-allocator-type", "configure-cloud-routes", "cluster-cidr")
    evidence = f"{ready} ready, {', '.join(f'{name}={found.get(name)}' for name in shown)}"
    good = (
        ready == 1
        and found.get("cidr-allocator-type") == "CloudAllocator"
        and found.get("configure-cloud-routes") == "false"
        and _two(found.get("cluster-cidr"))
        and _two(found.get("service-cluster-ip-range"))
    )
    return good, evidence


async def control_plane_flags(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """kube-apiserver, kube-controller-manager, kube-proxy and ingress-gce have their dual-stack values."""
    namespace = shoot.technical_id
    api_server = flags(await endpoints.get(DEPLOYMENT, "kube-apiserver", namespace))
    controller_manager = flags(await endpoints.get(DEPLOYMENT, "kube-controller-manager", namespace))
    ingress = await endpoints.get(DEPLOYMENT, "ingress-gce", namespace)
    wrong = [
        what
        for what, good in {
            "kube-apiserver service-cluster-ip-range": _two(api_server.get("service-cluster-ip-range")),
            "kube-controller-manager cluster-cidr": _two(controller_manager.get("cluster-cidr")),
            "kube-controller-manager service-cluster-ip-range": _two(
                controller_manager.get("service-cluster-ip-range")
            ),
            "kube-controller-manager node-cidr-mask-size-ipv4": "node-cidr-mask-size-ipv4" in controller_manager,
            "kube-controller-manager node-cidr-mask-size-ipv6": "node-cidr-mask-size-ipv6" in controller_manager,
            "ingress-gce": ingress["status"].get("readyReplicas", 0) == 1,
            **(await proxy_has(endpoints, shoot, 2)),
        }.items()
        if not good
    ]
    if wrong:
        return False, f"not dual-stack: {', '.join(wrong)}"
    return True, f"services {api_server['service-cluster-ip-range']}, pods {controller_manager['cluster-cidr']}"


async def proxy_has(endpoints: Endpoints, shoot: ShootView, families: int) -> dict[str, bool]:
    """Whether kube-proxy has so many pod ranges and runs with them everywhere; is gone where the Shoot wants none."""
    if not shoot.kube_proxy_enabled:
        left = [found["metadata"]["name"] for found in await endpoints.list_all(DAEMON_SET, "kube-system")]
        return {"kube-proxy": KUBE_PROXY not in left}
    content = await endpoints.get(CONFIG_MAP, KUBE_PROXY_CONFIG, "kube-system")
    ranges = yaml.safe_load(content["data"]["config.yaml"]).get("clusterCIDR", "").split(",")
    right = [ip_network(part).version for part in ranges if part] == [4, 6][:families]
    return {
        "kube-proxy clusterCIDR": shoot.proxy_mode == "IPVS" or right,
        "kube-proxy roll-out": is_rolled_out(await endpoints.get(DAEMON_SET, KUBE_PROXY, "kube-system")),
    }


async def nothing_ignored(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """No ManagedResource carries the annotations that held the cloud-controller-manager down."""
    ignored = [
        resource["metadata"]["name"]
        for resource in await endpoints.list_all(MANAGED_RESOURCE, shoot.technical_id)
        if resource["metadata"].get("annotations", {}).keys()
        & {"resources.gardener.cloud/ignore", "gcp.provider.extensions.gardener.cloud/remove-ignore"}
    ]
    return not ignored, f"ignored: {ignored}" if ignored else "no ManagedResource is ignored"


async def network_families(endpoints: Endpoints, shoot: ShootView) -> Verdict:
    """The Network reports both families, and its CNI runs with both on every node."""
    network = await endpoints.get(NETWORK, shoot.name, shoot.technical_id)
    families = network["status"].get("ipFamilies")
    name = "calico-node" if shoot.cni == "calico" else "cilium"
    daemon_set = await endpoints.get(DAEMON_SET, name, "kube-system")
    configuration = await endpoints.get(CONFIG_MAP, f"{shoot.cni}-config", "kube-system")
    dual = cni_is_dual(shoot.cni, configuration["data"])
    evidence = f"Network {families}, {name} rolled out: {is_rolled_out(daemon_set)}, configuration dual-stack: {dual}"
    return families == _BOTH and is_rolled_out(daemon_set) and dual, evidence


def cni_is_dual(cni: str, data: dict[str, str]) -> bool:
    """Whether the data of the CNI's ConfigMap configures both families."""
    if cni == "cilium":
        return data.get("enable-ipv4") == "true" and data.get("enable-ipv6") == "true"
    ipam = next(
        plugin["ipam"] for plugin in msgspec.json.decode(data["cni_network_config"])["plugins"] if "ipam" in plugin
    )
    return len(ipam.get("ranges", [])) == 2 and ipam.get("assign_ipv4") == ipam.get("assign_ipv6") == "true"


async def dns_service(endpoints: Endpoints) -> Verdict:
    """kube-dns is PreferDualStack with a cluster IP of each family, IPv4 first."""
    spec = (await endpoints.get(SERVICE, "kube-dns", "kube-system"))["spec"]
    addresses = spec.get("clusterIPs", [])
    good = spec.get("ipFamilyPolicy") == "PreferDualStack" and spec.get("ipFamilies") == _BOTH and len(addresses) == 2
    return good, f"{spec.get('ipFamilyPolicy')} {addresses}"


async def pod_addresses(endpoints: Endpoints) -> Verdict:
    """Pods of the pod network: those that were made after the switch have both families, none has a wrong one."""
    pods = pods_on_nodes(await endpoints.list_all(POD))
    counts = [len(pod["status"].get("podIPs", [])) for pod in pods]
    dns = [
        len(pod["status"].get("podIPs", []))
        for pod in pods
        if pod["metadata"].get("labels", {}).get("k8s-app") == "kube-dns"
    ]
    evidence = f"{counts.count(2)} pods with two addresses, {counts.count(1)} older ones keep their IPv4 address"
    return bool(dns) and set(dns) == {2} and set(counts) <= {1, 2}, evidence


def pods_on_nodes(pods: list[Manifest]) -> list[Manifest]:
    """The pods that have an address of the pod network, on nodes of the shoot."""
    return [
        pod
        for pod in pods
        if not pod["spec"].get("hostNetwork")
        and pod["spec"].get("nodeName")
        and not pod["spec"]["nodeName"].startswith("seed-")
    ]


def _two(value: str | None) -> bool:
    return bool(value) and [ip_network(part).version for part in str(value).split(",")] == [4, 6]


def is_rolled_out(daemon_set: dict[str, Any]) -> bool:
    """Whether every pod of the DaemonSet is of its new form and ready."""
    status = daemon_set["status"]
    wanted = status.get("desiredNumberScheduled", 0)
    return bool(wanted) and status.get("updatedNumberScheduled") == wanted == status.get("numberReady")
