"""Names of system components, of VMs in provider IDs, and of the routes of cloud-controller-manager."""

from __future__ import annotations

import re
from typing import NamedTuple

CLOUD_CONTROLLER_MANAGER = "cloud-controller-manager"
L4_RBS = "cloud.google.com/l4-rbs"
"""`enabled` on a Service: ingress-gce manages its load balancer (docs/reference/gardener.md#load-balancer-split)."""
KUBE_SYSTEM = "kube-system"
KUBE_PROXY = "kube-proxy"
KUBE_PROXY_CONFIG = "kube-proxy-config"
COREDNS = "coredns"
KUBE_DNS = "kube-dns"
KUBE_DNS_SELECTOR = "k8s-app=kube-dns"
RANGES = "dualstack.dev/ranges"
"""Ours, on the pods of kube-proxy and of a CNI: the pod ranges for which they were restarted."""
POD_RANGE_NAME = "ipv4-pod-cidr"
ROUTE_DESCRIPTION = "k8s-node-route"
ROUTE_PRIORITY = 1000
_ROUTE_PREFIX_LENGTH = 26
_PROVIDER_ID = re.compile(r"gce:///?([^/\s]+)/([^/\s]+)/([^/\s]+)")


def route_prefix(ns: str) -> str:
    """The prefix of the cluster's node routes: 26 characters of the cluster name and `-`."""
    return ns[:_ROUTE_PREFIX_LENGTH] + "-"


def route(ns: str, node_uid: str) -> str:
    """The name of the route to a node's pod CIDR (docs/reference/gardener.md#node-route)."""
    return route_prefix(ns) + node_uid


class InstanceName(NamedTuple):
    """What identifies a VM in Google Cloud."""

    project: str
    zone: str
    name: str


def parse_provider_id(text: str) -> InstanceName | None:
    """The VM that a provider ID names; None for any other text.

    cloud-controller-manager writes `gce://<project>/<zone>/<name>` on Nodes, machine-controller-manager
    `gce:///<project>/<zone>/<name>` on Machines (docs/reference/gardener.md#provider-ids).
    """
    found = _PROVIDER_ID.fullmatch(text)
    return InstanceName(*found.groups()) if found else None
