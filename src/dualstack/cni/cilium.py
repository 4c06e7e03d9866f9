"""Cilium (docs/reference/gardener.md#cilium)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dualstack.cni.interface import FIELD, Cni, PodNetwork, SystemObjects, cidr_of
from dualstack.model import cidr
from dualstack.model.field_errors import Fault, invalid, not_supported
from dualstack.model.json_path import dig
from dualstack.model.kinds import Kind, Manifest
from dualstack.model.manifests import config_map, daemon_set
from dualstack.model.memory import from_memory, with_memory
from dualstack.model.names import KUBE_SYSTEM, RANGES
from dualstack.model.parts import Part, UnknownShape, value_at
from dualstack.model.workloads import with_template_annotation

_GROUP = "cilium.io"
_CONFIG_MAP = "cilium-config"
_DAEMON_SET = "cilium"
_IMAGE = "cilium/cilium:v1.17.6"
_FIELDS = {
    FIELD: "apiVersion kind debug kubeproxy hubble tunnel store ipv4 ipv6 bpfSocketLBHostnsOnly cni "
    "egressGateway mtu devices directRoutingDevice loadBalancingMode l2Announcements "
    "ipv4NativeRoutingCIDREnabled ipv6NativeRoutingCIDREnabled overlay snatToUpstreamDNS snatOutOfCluster "
    "enableIpv4Masquerade enableIpv6Masquerade enableBPFMasquerade bgpControlPlane policyAuditMode "
    "encryption",
    f"{FIELD}.kubeproxy": "k8sServiceHost k8sServicePort",
    f"{FIELD}.overlay": "enabled createPodRoutes",
    **{
        f"{FIELD}.{key}": "enabled"
        for key in (
            *("hubble", "ipv4", "ipv6", "bpfSocketLBHostnsOnly", "egressGateway", "snatToUpstreamDNS"),
            *("snatOutOfCluster", "bgpControlPlane"),
        )
    },
    f"{FIELD}.cni": "exclusive",
    f"{FIELD}.l2Announcements": "enabled leaseDuration leaseRenewDeadline leaseRetryPeriod",
    f"{FIELD}.encryption": "mode enabled nodeToNodeEnabled strictMode",
}
"""The fields of a NetworkConfig, by path."""
_VALUES = {
    "tunnel": ("vxlan", "geneve", "disabled"),
    "store": ("kubernetes",),
    "loadBalancingMode": ("snat", "dsr", "hybrid"),
}
"""The allowed values of fields of a NetworkConfig."""
_ROUTING = "ipv6-native-routing-cidr"
_WITHOUT_IPV6 = {
    "enable-ipv6": "false",
    "k8s-require-ipv6-pod-cidr": "false",
    "enable-ipv6-masquerade": "false",
    _ROUTING: None,
}
"""The settings that a migration changes, in a single-stack cluster; None for none."""
_HOST = re.compile(r"[0-9A-Fa-f:.]+|(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DEVICE = re.compile(r"[^/\s]{1,15}")
_KNOWN = {
    "routing-mode": ("native",),
    "tunnel": ("disabled",),
    "ipam": ("kubernetes",),
    "kube-proxy-replacement": ("true", "false", "strict", "partial", "disabled", "probe"),
}
"""Settings on which a migration depends, with the values that it supports."""


def _encapsulation(objects: SystemObjects, _pods: str) -> Iterator[tuple[str, str]]:
    data = objects.data(_CONFIG_MAP) or {}
    tunnel = data.get("tunnel", "disabled")
    mode = data.get("routing-mode") or ("tunnel" if tunnel != "disabled" else "native")
    if mode != "native":
        protocol = data.get("tunnel-protocol") or data.get("tunnel") or "vxlan"
        yield f"ConfigMap kube-system/{_CONFIG_MAP}", f"routing mode {mode}, protocol {protocol}"


def _masquerade(objects: SystemObjects, _pods: str) -> str:
    """The setting, unless all addresses are exempt (docs/reference/kubernetes.md#masquerading)."""
    data = objects.data(_CONFIG_MAP) or {}
    exempt = cidr.covered(cidr.INTERNET, [data.get("ipv4-native-routing-cidr")])
    on = data.get("enable-ipv4-masquerade") == "true" and not exempt
    return f"ConfigMap kube-system/{_CONFIG_MAP} has enable-ipv4-masquerade: true" if on else ""


def _objects(network: PodNetwork) -> list[Part]:
    """ConfigMap and DaemonSet.

    A migration changes the keys of `_WITHOUT_IPV6`; the DaemonSet restarts with the ranges.
    """
    dual = network.dual_stack
    pods = cidr_of(network.pods, "IPv6") if dual else ""
    agent = daemon_set(
        _DAEMON_SET,
        _IMAGE,
        labels={"k8s-app": "cilium"},
        words=["cilium-agent", "--config-dir=/tmp/cilium/config-map"],
        max_unavailable=2,
    )
    mark = ",".join(network.pods) if dual else None
    return [
        Part.of(_single_stack(network), lambda live: _edited(live, pods)),
        Part.of(agent, lambda live: with_template_annotation(live, RANGES, mark)),
    ]


def _edited(live: Manifest, pods: str) -> Manifest:
    """The ConfigMap with `pods` as the IPv6 range; empty removes IPv6."""
    data = value_at(live, dict, "data")
    for key, values in _KNOWN.items():
        if key in data and data[key] not in values:
            raise UnknownShape(live, f"{key} is {data[key]!r}; a migration needs {' or '.join(values)}")
    if "enable-ipv6" not in data and "enable-ipv4" not in data:
        raise UnknownShape(live, "it has neither enable-ipv4 nor enable-ipv6")
    if not pods and data.get("enable-ipv6") != "true":
        return live
    if not pods:
        live, settings = from_memory(live, _WITHOUT_IPV6)
    else:
        settings = {**dict.fromkeys(_WITHOUT_IPV6, "true"), "enable-ipv6-masquerade": "false", _ROUTING: pods}
        live = live if data.get("enable-ipv6") == "true" else with_memory(live, data, _WITHOUT_IPV6)
    changed = {**data, **settings}
    return {**live, "data": {key: value for key, value in changed.items() if value is not None}}


def _single_stack(network: PodNetwork) -> Manifest:
    native = network.native_routing
    data = {
        "identity-allocation-mode": "crd",
        "enable-ipv4": "true",
        "enable-ipv6": "false",
        "ipam": "kubernetes",
        "k8s-require-ipv4-pod-cidr": "true",
        "k8s-require-ipv6-pod-cidr": "false",
        "routing-mode": "native" if native else "tunnel",
        "enable-ipv4-masquerade": "true",
        "enable-ipv6-masquerade": "false",
        "enable-bpf-masquerade": "true",
        "ipv4-native-routing-cidr": network.pods[0],
    }
    return config_map(_CONFIG_MAP, KUBE_SYSTEM, data if native else {**data, "tunnel-protocol": "vxlan"})


def _is_dual_stack(data: Mapping[str, str]) -> bool:
    return data.get("enable-ipv4") == data.get("enable-ipv6") == "true"


def _validate(config: Mapping[str, Any], _families: Sequence[str], _proxy: bool) -> Iterator[Fault]:
    """The errors of networking-cilium's admission (docs/reference/gardener.md#cni-admission)."""
    for key, values in _VALUES.items():
        value = config.get(key)
        if value is not None and value not in values:
            yield not_supported(f"{FIELD}.{key}", value, values)
    if (config.get("mtu") or 0) < 0:
        yield invalid(f"{FIELD}.mtu", config["mtu"], "mtu must be a positive integer")
    port = dig(config, "kubeproxy", "k8sServicePort")
    if port is not None and not 1 <= port <= 65535:
        yield invalid(f"{FIELD}.kubeproxy.k8sServicePort", port, "must be between 1 and 65535")
    host = dig(config, "kubeproxy", "k8sServiceHost")
    if host is not None and not _HOST.fullmatch(host):
        yield invalid(f"{FIELD}.kubeproxy.k8sServiceHost", host, "must be an IP address or a DNS name")
    devices = {f"devices[{index}]": device for index, device in enumerate(config.get("devices") or ())}
    if (device := config.get("directRoutingDevice")) is not None:
        devices["directRoutingDevice"] = device
    for key, device in devices.items():
        if not _DEVICE.fullmatch(device):
            yield invalid(f"{FIELD}.{key}", device, f'must match the pattern "{_DEVICE.pattern}"')
    encryption = config.get("encryption") or {}
    if encryption.get("enabled") and encryption.get("strictMode") and encryption.get("mode") != "wireguard":
        message = "strict mode can only be used with wireguard as encryption mode"
        yield invalid(f"{FIELD}.encryption.mode", encryption.get("mode"), message)


CILIUM = Cni(
    "Cilium",
    _DAEMON_SET,
    _CONFIG_MAP,
    _encapsulation,
    _masquerade,
    mtu_key="mtu",
    policies=(
        Kind(_GROUP, "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies"),
        Kind(_GROUP, "v2", "CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies", namespaced=False),
    ),
    names=("cilium-operator",),
    programs=("cilium", "operator-generic$"),
    domain=_GROUP,
    network_type="cilium",
    objects=_objects,
    is_dual_stack=_is_dual_stack,
    validate=_validate,
    fields=_FIELDS,
)
