"""Where two objects differ, and where a migration may make them differ."""

from __future__ import annotations

from typing import Any


def changed_paths(before: Any, after: Any, prefix: str = "") -> set[str]:
    """The paths at which two values differ; entries of lists that all have a name or a path are compared by it."""
    left, right = _by_name(before), _by_name(after)
    if isinstance(left, dict | None) and isinstance(right, dict | None) and (left or right):
        keys = (left or {}).keys() | (right or {}).keys()
        return {
            path
            for key in keys
            for path in changed_paths((left or {}).get(key), (right or {}).get(key), f"{prefix}{key}.")
        }
    return set() if before == after else {prefix.removesuffix(".")}


def _by_name(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return {str(each.get("name", each.get("path", index))): each for index, each in enumerate(value)}
    return value


_CALICO_IPV6 = (
    "IP6",
    "IP6_AUTODETECTION_METHOD",
    "CALICO_IPV6POOL_CIDR",
    "CALICO_IPV6POOL_VXLAN",
    "CALICO_IPV6POOL_NAT_OUTGOING",
    "CALICO_ROUTER_ID",
)
_CONTAINERS = "spec.template.spec.containers"
_CALICO_ENVIRONMENT = f"{_CONTAINERS}.calico-node.env"

MAY_CHANGE: dict[tuple[str, str], set[str]] = {
    ("Deployment", "kube-apiserver"): {f"{_CONTAINERS}.kube-apiserver.command"},
    ("Deployment", "kube-controller-manager"): {f"{_CONTAINERS}.kube-controller-manager.command"},
    ("Deployment", "cloud-controller-manager"): {f"{_CONTAINERS}.cloud-controller-manager.command"},
    ("ConfigMap", "kube-proxy-config"): {"data.config.yaml"},
    ("DaemonSet", "kube-proxy"): {"spec.template.metadata.annotations.dualstack.dev/ranges"},
    ("ConfigMap", "calico-config"): {"data.cni_network_config"},
    ("DaemonSet", "calico-node"): {
        f"{_CALICO_ENVIRONMENT}.FELIX_IPV6SUPPORT.value",
        *(f"{_CALICO_ENVIRONMENT}.{name}.{key}" for name in _CALICO_IPV6 for key in ("name", "value")),
    },
    ("ConfigMap", "cilium-config"): {
        "data.enable-ipv6",
        "data.k8s-require-ipv6-pod-cidr",
        "data.ipv6-native-routing-cidr",
    },
    ("DaemonSet", "cilium"): {"spec.template.metadata.annotations.dualstack.dev/ranges"},
    ("Deployment", "coredns"): {"spec.template.metadata.annotations.gardener.cloud/restarted-at"},
    ("Service", "kube-dns"): {"spec.ipFamilyPolicy", "spec.clusterIPs"},
    ("OperatingSystemConfig", ""): {"spec.files./var/lib/kubelet/config/kubelet.content.inline.data"},
    ("MachineClass", ""): {
        f"providerSpec.networkInterfaces.0.{key}"
        for key in ("useAliasIPs", "stackType", "ipv6accessType", "ipCidrRange", "subnetworkRangeName")
    },
}
"""Every path that a migration or the way back may change, by kind and name; an empty name stands for all of a kind."""


def may_change(kind: str, name: str) -> set[str]:
    """The paths of one object."""
    return MAY_CHANGE.get((kind, name), set()) | MAY_CHANGE.get((kind, ""), set())
