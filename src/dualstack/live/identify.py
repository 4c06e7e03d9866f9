"""Finds out what a cluster is: its platform, names and ranges, from its API and from Compute. Reads only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import NotFound
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import first_interface, last_segment
from dualstack.kube.interface import Kube
from dualstack.model import cidr
from dualstack.model.cluster import Cluster, NodePool
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import CONFIG_MAP, NODE, POD, Manifest
from dualstack.model.maintenance import time_of_day
from dualstack.model.names import KUBE_SYSTEM, ROUTE_DESCRIPTION, InstanceName, parse_provider_id, route_prefix
from dualstack.model.texts import read_mapping
from dualstack.model.workloads import flags_of, is_cloud_controller_manager

PlatformName = Literal["gardener", "kops", "kubeadm", "other"]

SHOOT_INFO, KUBEADM_CONFIG = "shoot-info", "kubeadm-config"
_INSTANCE_FIELDS = "items(name,networkInterfaces(network,subnetwork)),nextPageToken"
_ROUTE_FIELDS = "items(name,description,network,destRange,nextHopInstance),nextPageToken"
_POOL_LABELS: Mapping[PlatformName, str] = {
    "gardener": "worker.gardener.cloud/pool",
    "kops": "kops.k8s.io/instancegroup",
}
_GKE = "cloud.google.com/gke-nodepool"
_DEFAULT_NAME = "kubernetes"
"""The default of cloud-controller-manager's `--cluster-name`."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the user states about the cluster; empty where it is to be found out."""

    project: str = ""
    cluster_name: str = ""
    pods: str = ""
    services: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A cluster and its platform. evidence: what shows the platform. window: a shoot's maintenance window, if any."""

    platform: PlatformName
    evidence: str
    cluster: Cluster
    window: str = ""


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """What the cluster's API shows of its configuration. config_maps: in kube-system, by name; pods: likewise."""

    nodes: tuple[Manifest, ...]
    config_maps: Mapping[str, Manifest]
    pods: tuple[Manifest, ...] = ()

    def flag(self, name: str) -> str:
        """The value of a flag of a control plane pod; empty when no pod shows it."""
        values = (flags_of(pod).get(name) for pod in self.pods if pod["spec"].get("containers"))
        return next((value for value in values if value), "")


def project_of(objects: ClusterObjects, stated: Stated) -> str:
    """The project of the nodes' VMs. InvalidInput when it is not one, or not the stated one."""
    if not objects.nodes:
        raise InvalidInput("the cluster has no Node that can be listed; check the context of the kubeconfig")
    found = {vm.project for vm in _vms(objects.nodes).values()}
    if len(found) != 1:
        raise InvalidInput(f"the Nodes are in several projects, {', '.join(sorted(found))}; one is supported")
    (project,) = found
    if stated.project not in ("", project):
        raise InvalidInput(
            f"--project {stated.project}: the Nodes of the cluster are in project {project}; check the context of the "
            "kubeconfig"
        )
    return project


async def read_objects(kube: Kube) -> ClusterObjects:
    """Nodes, ConfigMaps and the pods of the control plane that run in the cluster."""
    nodes, pods = await gather_all(kube.list(NODE), kube.list(POD, KUBE_SYSTEM))
    found = {name: await kube.get(CONFIG_MAP, name, KUBE_SYSTEM) for name in (SHOOT_INFO, KUBEADM_CONFIG)}
    return ClusterObjects(
        tuple(nodes),
        {name: each for name, each in found.items() if each is not None},
        tuple(pod for pod in pods if _controls(pod)),
    )


async def identify(compute: ComputeClient, objects: ClusterObjects, stated: Stated) -> Identity:
    """The cluster. InvalidInput for one that is not supported, or of which something cannot be found out."""
    platform, evidence = platform_of(objects)
    vms = _vms(objects.nodes)
    regions = {vm.zone.rpartition("-")[0] for vm in vms.values()}
    if len(regions) != 1:
        raise InvalidInput(f"the Nodes are in several regions, {', '.join(sorted(regions))}; one is supported")
    (region,) = regions
    subnet = await _nodes_subnet(compute, region, vms)
    networking = ipv4_ranges(platform, objects, stated)
    routes = await compute.list("global/routes", fields=_ROUTE_FIELDS)
    name = _name(platform, objects, stated, vms, routes)
    return Identity(
        platform,
        evidence,
        Cluster(
            name=name,
            project=compute.project,
            region=region,
            network=last_segment(subnet["network"]),
            nodes_subnet=subnet["name"],
            nodes=subnet["ipCidrRange"],
            pods=networking["pods"],
            services_subnet=f"{name}-services",
            services=networking["services"],
            pools=tuple(_pools(platform, objects.nodes, vms, name)),
            vm_name_prefix=f"{name}-" if platform == "gardener" else "",
        ),
        maintenance_window(objects.config_maps.get(SHOOT_INFO)),
    )


def platform_of(objects: ClusterObjects) -> tuple[PlatformName, str]:
    """The platform, and what shows it. InvalidInput for GKE, whose stack type its own API changes."""
    labels = {label for node in objects.nodes for label in node["metadata"].get("labels") or {}}
    if _GKE in labels:
        raise InvalidInput(
            f"this is a GKE cluster (Node label {_GKE}); change it with "
            "`gcloud container clusters update NAME --stack-type=ipv4-ipv6`"
        )
    if SHOOT_INFO in objects.config_maps:
        return "gardener", f"ConfigMap {KUBE_SYSTEM}/{SHOOT_INFO}"
    if _POOL_LABELS["kops"] in labels:
        return "kops", f"Node label {_POOL_LABELS['kops']}"
    if KUBEADM_CONFIG in objects.config_maps:
        return "kubeadm", f"ConfigMap {KUBE_SYSTEM}/{KUBEADM_CONFIG}"
    return "other", "no object of Gardener, kOps or kubeadm"


def ipv4_ranges(platform: PlatformName, objects: ClusterObjects, stated: Stated) -> dict[str, str]:
    """The IPv4 ranges of pods and services, in canonical form."""
    found = {"pods": stated.pods, "services": stated.services}
    data = {name: each.get("data") or {} for name, each in objects.config_maps.items()}
    if platform == "gardener":
        info = data[SHOOT_INFO]
        read = {"pods": info.get("podNetwork"), "services": info.get("serviceNetwork")}
    else:
        read = {"pods": objects.flag("cluster-cidr"), "services": objects.flag("service-cluster-ip-range")}
        if platform == "kubeadm":
            configuration = _cluster_configuration(data[KUBEADM_CONFIG])
            read = {
                "pods": dig(configuration, "networking", "podSubnet") or read["pods"],
                "services": dig(configuration, "networking", "serviceSubnet") or read["services"],
            }
    for name, option in (("pods", "--pod-cidr"), ("services", "--service-cidr")):
        texts = [text.strip() for text in (found[name] or str(read[name] or "")).split(",")]
        try:
            found[name] = next(cidr.canonical(text) for text in texts if cidr.family(text) == "IPv4")
        except (StopIteration, ValueError):
            if found[name]:
                raise InvalidInput(f"{option} {found[name]}: it has no IPv4 range in CIDR notation") from None
            what = f"has {texts[0]!r} as" if texts[0] else "does not show"
            raise InvalidInput(f"the cluster {what} IPv4 range of its {name}; state it with {option}") from None
    for node in objects.nodes:
        own = node.get("spec", {}).get("podCIDR") or ""
        if cidr.is_cidr(own) and cidr.family(own) == "IPv4" and not cidr.contains(found["pods"], own):
            raise InvalidInput(
                f"--pod-cidr {found['pods']}: Node {node['metadata']['name']} has pod CIDR {own} outside of it; "
                "state the range that has the pods of all Nodes"
            )
    return found


def _cluster_configuration(data: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        return read_mapping(data.get("ClusterConfiguration") or "{}")
    except ValueError as error:
        raise InvalidInput(f"ConfigMap {KUBE_SYSTEM}/{KUBEADM_CONFIG}: ClusterConfiguration: {error}") from error


def _name(
    platform: PlatformName,
    objects: ClusterObjects,
    stated: Stated,
    vms: Mapping[str, InstanceName],
    routes: Iterable[Resource],
) -> str:
    """The cluster name that cloud-controller-manager names routes with. InvalidInput when the routes show another."""
    if platform == "gardener":
        info = objects.config_maps[SHOOT_INFO].get("data") or {}
        found = f"shoot--{info.get('projectName')}--{info.get('shootName')}"
    else:
        found = objects.flag("cluster-name") or _DEFAULT_NAME
    name = stated.cluster_name or found
    hosts = {vm.name for vm in vms.values()}
    ours = [
        route["name"]
        for route in routes
        if route.get("description") == ROUTE_DESCRIPTION and last_segment(route.get("nextHopInstance") or "") in hosts
    ]
    others = [route for route in ours if not route.startswith(route_prefix(name))]
    if others:
        raise InvalidInput(
            f"route {others[0]} leads to a node of the cluster, but its name does not begin with {route_prefix(name)}: "
            f"the cluster name is not {name}; state the value of cloud-controller-manager's --cluster-name with "
            "--cluster-name"
        )
    return name


async def _nodes_subnet(compute: ComputeClient, region: str, vms: Mapping[str, InstanceName]) -> Resource:
    """The subnet of nic0 of most nodes; a preflight finding reports the others."""
    zones = sorted({vm.zone for vm in vms.values()})
    lists = await gather_all(*(compute.list(f"zones/{zone}/instances", fields=_INSTANCE_FIELDS) for zone in zones))
    known = {(zone, each["name"]): each for zone, found in zip(zones, lists, strict=True) for each in found}
    interfaces = [first_interface(known[vm.zone, vm.name]) for vm in vms.values() if (vm.zone, vm.name) in known]
    subnets = Counter(last_segment(each["subnetwork"]) for each in interfaces if each.get("subnetwork"))
    if not subnets:
        raise InvalidInput(
            f"project {compute.project} has none of the VMs that the Nodes name; check --project and the context of "
            "the kubeconfig"
        )
    name = min(subnets, key=lambda each: (-subnets[each], each))
    hosts = {_project(each["subnetwork"]) for each in interfaces if each.get("subnetwork")} - {"", compute.project}
    if hosts:
        raise InvalidInput(
            f"the subnet of the nodes is in project {min(hosts)}, and their VMs are in {compute.project}: a cluster in "
            "a Shared VPC is not supported, because its routes and ranges belong to the host project; it needs nodes "
            f"in a network of project {compute.project}"
        )
    try:
        return await compute.get(f"regions/{region}/subnetworks/{name}")
    except NotFound as error:
        raise InvalidInput(f"the subnet of the nodes cannot be read: {error}") from error


def _project(link: str) -> str:
    """The project of a resource's link; empty for a link without one."""
    return link.partition("projects/")[2].partition("/")[0]


def _pools(
    platform: PlatformName, nodes: Iterable[Manifest], vms: Mapping[str, InstanceName], name: str
) -> Iterable[NodePool]:
    label = _POOL_LABELS.get(platform)
    zones: dict[str, list[str]] = {}
    for node in nodes:
        pool = (node["metadata"].get("labels") or {}).get(label or "") or "nodes"
        zones.setdefault(pool, []).append(vms[node["metadata"]["name"]].zone)
    for pool, found in sorted(zones.items()):
        prefixes = (f"{name}-{pool}-z",) if platform == "gardener" else ()
        yield NodePool(pool, tuple(sorted(set(found))), vm_name_prefixes=prefixes, nodes=len(found))


def _vms(nodes: Iterable[Manifest]) -> dict[str, InstanceName]:
    """The VM of each Node. InvalidInput for a Node on another cloud."""
    found = {}
    for node in nodes:
        name, text = node["metadata"]["name"], str(dig(node, "spec", "providerID") or "")
        vm = parse_provider_id(text)
        if vm is not None:
            found[name] = vm
        elif text and not re.match("gce:", text):
            raise InvalidInput(f"Node {name} has provider ID {text!r}: the cluster is not on Google Compute Engine")
        else:
            raise InvalidInput(
                f"Node {name} has provider ID {text!r}, not gce://PROJECT/ZONE/NAME; cloud-controller-manager sets it "
                "within minutes, or delete the Node if its VM is gone"
            )
    return found


def _controls(pod: Manifest) -> bool:
    """Whether the pod's flags describe the cluster."""
    name = str(pod["metadata"]["name"])
    components = ("kube-apiserver", "kube-controller-manager")
    return is_cloud_controller_manager(pod) or name.startswith(components)


def maintenance_window(shoot_info: Manifest | None) -> str:
    """`22:00 +01:00 to 23:00 +01:00` of a shoot; empty without one."""
    begin, end = (str(dig(shoot_info or {}, "data", f"maintenance{name}") or "") for name in ("Begin", "End"))
    return f"{time_of_day(begin)} to {time_of_day(end)}" if begin and end else ""
