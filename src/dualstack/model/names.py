"""Names that Kubernetes components give to things: system components, and the routes of cloud-controller-manager."""

from __future__ import annotations

CLOUD_CONTROLLER_MANAGER = "cloud-controller-manager"
L4_RBS = "cloud.google.com/l4-rbs"
"""`enabled` on a Service: ingress-gce looks after its load balancer, not cloud-controller-manager (6.4)."""
KUBE_SYSTEM = "kube-system"
KUBE_PROXY = "kube-proxy"
KUBE_PROXY_CONFIG = "kube-proxy-config"
COREDNS = "coredns"
KUBE_DNS = "kube-dns"
KUBE_DNS_SELECTOR = "k8s-app=kube-dns"
POD_RANGE_NAME = "ipv4-pod-cidr"
ROUTE_DESCRIPTION = "k8s-node-route"
ROUTE_PRIORITY = 1000
_ROUTE_PREFIX_LENGTH = 26


def route_prefix(ns: str) -> str:
    """What the names of the cluster's node routes begin with: 26 characters of the cluster name and `-` (8.4)."""
    return ns[:_ROUTE_PREFIX_LENGTH] + "-"


def route(ns: str, node_uid: str) -> str:
    """The name of the route to a node's pod CIDR (8.4)."""
    return route_prefix(ns) + node_uid


def provider_id(project: str, zone: str, instance: str) -> str:
    return f"gce:///{project}/{zone}/{instance}"
