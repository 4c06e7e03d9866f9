"""Checks of how the cluster is installed: versions, CNI, autoscaler, DNS and its maintenance."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualstack.cni import CNIS, known, known_names
from dualstack.gce import Resource
from dualstack.model.enumeration import listed
from dualstack.model.json_path import dig
from dualstack.model.maintenance import next_window, time_of_day
from dualstack.model.workloads import flags_of
from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.inventory import Inventory

FIRST_DUAL_STACK = (1, 23)
"""The first version in which dual-stack is stable (docs/reference/kubernetes.md#dual-stack-versions)."""

SERVICE_CIDRS = ((1, 31), (1, 32))
"""The versions with ServiceCIDR objects in beta (docs/reference/kubernetes.md#service-cidrs)."""

AUTOSCALER_STATUS = "cluster-autoscaler-status"
"""The ConfigMap that a cluster-autoscaler writes in the cluster, wherever it runs."""


@Check(
    "kubernetes-version",
    "blocker",
    reads=("nodes",),
    fine="every kubelet has a version in which dual-stack is stable",
    consequence="its node has one pod CIDR whatever the cluster is",
    remedy="update Kubernetes first",
)
def kubernetes_version(inventory: Inventory) -> Iterator[Problem]:
    """Dual-stack is stable from 1.23 (docs/reference/kubernetes.md#dual-stack-versions)."""
    for text, names in sorted(_by_version(inventory).items()):
        version = _version(text)
        if version is None or version < FIRST_DUAL_STACK:
            yield Problem(f"node {listed(names, most=1)}", f"kubelet {text or 'without a version'}")


@Check(
    "service-cidrs",
    "note",
    reads=("nodes",),
    fine="the version has ServiceCIDR objects that may become dual-stack, or none",
    consequence="where feature gate MultiCIDRServiceAllocator is on, kube-apiserver refuses a second Service range",
    remedy="leave the feature gate off, or update to 1.33 first",
)
def service_cidrs(inventory: Inventory) -> Iterator[Problem]:
    """The conversion was repaired for 1.33 (docs/reference/kubernetes.md#service-cidrs)."""
    versions = {version for text in _by_version(inventory) if (version := _version(text)) is not None}
    for version in sorted(versions & set(SERVICE_CIDRS)):
        yield Problem(f"cluster {inventory.cluster.name}", f"Kubernetes {version[0]}.{version[1]}")


@Check(
    "native-routing",
    "blocker",
    reads=("config maps", "ip pools"),
    fine="no known CNI encapsulates packets between pods",
    consequence="routes and aliases do not carry the pods' traffic, and an overlay has no dual-stack here",
    remedy="switch the CNI to native routing, and wait until every node has its route",
)
def native_routing(inventory: Inventory) -> Iterator[Problem]:
    """Pods must be routed by the VPC (docs/preflight.md#objects)."""
    for cni in CNIS:
        yield from (Problem(*found) for found in cni.encapsulation(inventory.system_objects, inventory.cluster.pods))


@Check(
    "cni-known",
    "risk",
    reads=("config maps", "ip pools", "daemon sets"),
    fine="the CNI is one whose configuration was read",
    consequence="whether it encapsulates packets, and how it becomes dual-stack, is not known",
    remedy="check that it routes pods natively and supports two families",
)
def cni_known(inventory: Inventory) -> Iterator[Problem]:
    """The CNIs of `dualstack.cni` are known (docs/preflight.md#objects)."""
    names = {name for name, _ in _config(inventory)}
    pools, sets = inventory.of("ip pools"), {each["metadata"]["name"] for each in inventory.of("daemon sets")}
    if not (pools or any(cni.config_map in names or cni.daemon_set in sets for cni in known())):
        yield Problem(f"cluster {inventory.cluster.name}", f"kube-system has no object of {known_names()}")


@Check(
    "cluster-autoscaler",
    "risk",
    reads=("config maps", "deployments"),
    fine="no cluster-autoscaler was found",
    consequence="a node that it adds has no alias until `prepare --watch` or the allocator gives it one, and each node "
    "that comes or goes changes what was planned",
    remedy="pause it while the cut-over runs, or leave `dualstack prepare --watch` running",
    cause="",
)
def cluster_autoscaler(inventory: Inventory) -> Iterator[Problem]:
    """The set of nodes should not change meanwhile (docs/reference/cut-over.md#pre-freeze)."""
    reports = any(name == AUTOSCALER_STATUS for name, _ in _config(inventory))
    running = [
        each
        for each in inventory.of("deployments")
        if "cluster-autoscaler" in each["metadata"]["name"] and dig(each, "spec", "replicas") != 0
    ]
    for deployment in running:
        metadata = deployment["metadata"]
        yield Problem(f"Deployment {metadata.get('namespace', 'default')}/{metadata['name']}", "it is deployed")
    if reports and not running:
        yield Problem(
            f"ConfigMap kube-system/{AUTOSCALER_STATUS}", "a cluster-autoscaler outside of the cluster writes it"
        )


@Check(
    "cluster-dns",
    "risk",
    reads=("services", "deployments", "daemon sets"),
    fine="Service kube-dns and at least two replicas of CoreDNS exist, without node-local-dns",
    consequence="names are not resolved while its pod moves, or not in the way that dual-stack expects",
    remedy="run two replicas of CoreDNS on different nodes; with node-local-dns, keep resolv.conf of pods on IPv4",
)
def cluster_dns(inventory: Inventory) -> Iterator[Problem]:
    """CoreDNS is restarted before kube-dns becomes dual-stack (docs/reference/kubernetes.md#dns-families)."""
    in_system = [each for each in inventory.of("services") if each["metadata"].get("namespace") == "kube-system"]
    if not any(each["metadata"]["name"] == "kube-dns" for each in in_system):
        yield Problem("Service kube-system/kube-dns", "it does not exist")
    for deployment in inventory.of("deployments"):
        metadata, replicas = deployment["metadata"], deployment["spec"].get("replicas", 1)
        named = metadata.get("namespace") == "kube-system" and metadata["name"] in ("coredns", "kube-dns")
        if named and replicas < 2:
            yield Problem(f"Deployment kube-system/{metadata['name']}", f"it has {replicas} replicas")
    for daemon in inventory.of("daemon sets"):
        if daemon["metadata"]["name"] in ("node-local-dns", "nodelocaldns"):
            evidence = "it listens on addresses of one family"
            yield Problem(f"DaemonSet {daemon['metadata'].get('namespace')}/{daemon['metadata']['name']}", evidence)


@Check(
    "node-mask-flag",
    "risk",
    reads=("control plane pods",),
    fine="no kube-controller-manager has flag --node-cidr-mask-size",
    consequence="with two cluster CIDRs kube-controller-manager does not start",
    remedy="replace the flag by --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 together with --cluster-cidr",
)
def node_mask_flag(inventory: Inventory) -> Iterator[Problem]:
    """The flag is for one family (docs/reference/kubernetes.md#node-mask-flags)."""
    for pod in inventory.of("control plane pods"):
        name = pod["metadata"]["name"]
        if name.startswith("kube-controller-manager") and "node-cidr-mask-size" in (flags := flags_of(pod)):
            yield Problem(f"pod kube-system/{name}", f"--node-cidr-mask-size={flags['node-cidr-mask-size']}")


@Check(
    "maintenance-window",
    "note",
    reads=("config maps",),
    fine="the cluster shows no maintenance window",
    consequence="Gardener may update Kubernetes and machine images and replace nodes in it",
    remedy="prepare and edit the Shoot when the cut-over ends before the window; the nodes are replaced in it",
    cause="",
)
def maintenance_window(inventory: Inventory) -> Iterator[Problem]:
    """ConfigMap shoot-info has the window (docs/reference/gardener.md#shoot-info)."""
    for name, data in _config(inventory):
        begin, end = (str(data.get(f"maintenance{which}") or "") for which in ("Begin", "End"))
        if name == "shoot-info" and begin and end:
            following = next_window(begin, inventory.now)
            when = f"; the next one begins at {following:%Y-%m-%d %H:%M} UTC" if following is not None else ""
            yield Problem(
                f"cluster {inventory.cluster.name}", f"daily from {time_of_day(begin)} to {time_of_day(end)}{when}"
            )


def _by_version(inventory: Inventory) -> dict[str, list[str]]:
    """The names of the Nodes by the version of their kubelet."""
    found: dict[str, list[str]] = {}
    for node in inventory.of("nodes"):
        text = str(dig(node, "status", "nodeInfo", "kubeletVersion") or "")
        found.setdefault(text, []).append(node["metadata"]["name"])
    if not found:
        raise NotApplicable("the cluster has no Node")
    return found


def _version(text: str) -> tuple[int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _config(inventory: Inventory) -> list[tuple[str, Resource]]:
    """Name and data of each ConfigMap that was read."""
    return [(each["metadata"]["name"], each.get("data") or {}) for each in inventory.of("config maps")]
