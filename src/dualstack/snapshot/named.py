"""Finds what people have named in a snapshot, and says which words are no names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from dualstack.cni import CNIS
from dualstack.model.names import POD_RANGE_NAME, ROUTE_DESCRIPTION
from dualstack.snapshot.document import Snapshot
from dualstack.snapshot.sanitise import CONFIG_MAPS

KEPT_NAMES = frozenset(
    {
        "default", "kube-system", "kube-public", "kube-node-lease", "kubernetes", "kube-dns", "kube-proxy", "coredns",
        "cluster-autoscaler", "cluster-autoscaler-status", "node-local-dns", "nodelocaldns", "metrics-server",
        "external-dns", "apiserver-proxy", "cloud-controller-manager", "kube-apiserver",
        "kube-controller-manager", "kube-scheduler", "etcd", "kops-controller", "dns-controller",
        "node-problem-detector", "network-problem-detector-host", "network-problem-detector-pod",
        "dualstack-prober", "dualstack-traffic",
        "default-pool", "default-internet-gateway",
        "nodes", POD_RANGE_NAME, "nic0", "tcp", "udp",
        "node", "pod", "pods", "proxy", "system", "internal", "external", "network", "service", "services", "cluster",
        "master", "worker", "controller", "server", "agent", "web", "ssh", "http", "https", "global", "compute", "kube",
        *CONFIG_MAPS,
        *(name for cni in CNIS for name in (cni.daemon_set, *cni.names)),
    }
)  # fmt: skip
"""Names of systems, which checks look for, and words of the two APIs, which name nothing."""

PROGRAM = re.compile(
    r"(kube-|coredns|external-dns|cloud-controller-manager|cluster-autoscaler|pause|"
    r"hyperkube|etcd|node-local-dns|metrics-server|network-problem|node-problem|apiserver-proxy|kops|dns-controller|"
    rf"dualstack|{'|'.join(program for cni in CNIS for program in cni.programs)})"
)
"""The beginnings of names of programs that many clusters run."""

_CATALOGUES = ("regions", "zones", "machineTypes", "images", "diskTypes", "acceleratorTypes", "licenses")
_LINK = re.compile(
    r"projects/(?P<project>[^/\s\"']+)(?:/(?:global|regions/[^/]+|zones/[^/]+)/(?P<kind>[A-Za-z]+)/(?P<name>[^/\s\"']+))?"
)
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_CHOSEN = ("labels", "annotations", "data", "matchLabels", "selector", "nodeSelector")
"""Objects whose keys people choose."""
_TAGS = ("sourceTags", "targetTags")
_POLICIES = {"firewallPolicys": ("name", "shortName", "displayName"), "rules": ("ruleName",), "firewalls": ("name",)}
"""Lists of effective firewalls, with the fields that name an entry."""
_PUBLIC = frozenset({"debian-cloud", "ubuntu-os-cloud", "cos-cloud", "gardener-project", "sap-se-gcp-gardenlinux"})
"""Projects of public images."""
POOLS = ("worker.gardener.cloud/pool", "kops.k8s.io/instancegroup", "cloud.google.com/gke-nodepool")


def named(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that was named by a person, some more than once."""
    yield "project", snapshot.project
    for found in snapshot.kubernetes.get("v1/ConfigMap", ()):
        if domain := (found.get("data") or {}).get("domain"):
            yield "domain", domain
    for path, resource in snapshot.compute.items():
        collection = path.rpartition("/")[0].rpartition("/")[2]
        ours = collection == "routes" and resource.get("description") == ROUTE_DESCRIPTION
        if collection not in _CATALOGUES and not ours and resource.get("name"):
            yield collection.lower().rstrip("s") or "project", str(resource["name"])
        yield from _inside(resource)
    for answer in snapshot.answers.values():
        yield from _inside(answer)
    for kind, objects in snapshot.kubernetes.items():
        for found in objects:
            yield from _of_object(kind.rpartition("/")[2].lower(), found)


def _of_object(kind: str, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    metadata = found.get("metadata") or {}
    owners = [str(owner.get("name") or "") for owner in metadata.get("ownerReferences") or ()]
    yield from (("owner", owner) for owner in owners)
    if generated := metadata.get("generateName"):
        yield kind, str(generated).rstrip("-")
    if kind not in ("pod", "customresourcedefinition") or not (owners or generated):
        yield kind, str(metadata.get("name") or "")
    yield "namespace", str(metadata.get("namespace") or "")
    labels = metadata.get("labels") or {}
    yield from (("pool", str(labels[key])) for key in POOLS if labels.get(key))
    for webhook in found.get("webhooks") or ():
        yield "webhook", str(webhook.get("name") or "")
    yield from _inside({name: value for name, value in found.items() if name != "metadata"})


def _inside(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The names within a resource: links, tags, and parts with names of their own."""
    match value:
        case str():
            yield from _linked(value)
            if name in ("projectNumber", "xpnHostProject"):
                yield "number" if value.isdigit() else "project", value
        case list():
            if name in _TAGS:
                yield from (("tag", str(each)) for each in value)
            if name in _POLICIES:
                yield from (("policy", str(each[key])) for each in value for key in _POLICIES[name] if each.get(key))
            for each in value:
                if isinstance(each, Mapping) and name in _NAMED:
                    yield _NAMED[name], str(each.get("name") or each.get("rangeName") or "")
                yield from _inside(each, name)
        case Mapping():
            if name == "tags":
                yield from (("tag", str(each)) for each in value.get("items") or ())
            for key, each in value.items():
                yield from _inside(each, key)


def _linked(text: str) -> Iterator[tuple[str, str]]:
    """The project and the resource of each link in a text."""
    for found in _LINK.finditer(text):
        if found["project"].isdigit():
            yield "number", found["project"]
        elif found["project"] not in _PUBLIC:
            yield "project", found["project"]
            if found["name"] and found["kind"] not in (*_CATALOGUES, "routes"):
                yield found["kind"].lower().rstrip("s"), found["name"].partition("?")[0]


def structural_keys(value: Any) -> frozenset[str]:
    """The keys of all objects but those that people choose: a name like one of these must stay."""
    found: set[str] = set()
    stack = [msgspec.to_builtins(value)]
    while stack:
        match stack.pop():
            case dict() as each:
                found.update(each)
                stack += [inner for key, inner in each.items() if key not in _CHOSEN]
            case list() as each:
                stack += each
            case _:
                pass
    return frozenset(key for key in found if key.isalnum())


_NAMED = {
    "peerings": "peering",
    "nats": "nat",
    "bgpPeers": "peer",
    "interfaces": "interface",
    "secondaryIpRanges": "range",
    "accessConfigs": "access",
}
"""Lists whose entries have names of their own, each with the kind."""
