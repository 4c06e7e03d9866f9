"""Cilium, in ManagedResource `extension-networking-cilium-config` (docs/reference/gardener.md#cilium)."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.gardener.model.networks import Networks, network_families
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.cni.interface import Cni, cidr_of
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import checksum, config_map, daemon_set
from dualstack.model.names import KUBE_SYSTEM

_CONFIG_MAP = "cilium-config"
_DAEMON_SET = "cilium"
_IMAGE = "cilium/cilium:v1.17.6"


def configuration(shoot: ShootView, networks: Networks) -> dict[str, str]:
    """The data of ConfigMap `cilium-config`."""
    dual = "IPv6" in network_families(shoot)
    native = shoot.overlay_enabled is False
    result = {
        "identity-allocation-mode": "crd",
        "enable-ipv4": "true",
        "enable-ipv6": "true" if dual else "false",
        "ipam": "kubernetes",
        "k8s-require-ipv4-pod-cidr": "true",
        "k8s-require-ipv6-pod-cidr": "true" if dual else "false",
        "routing-mode": "native" if native else "tunnel",
        "enable-ipv4-masquerade": "true",
        "enable-ipv6-masquerade": "false",
        "enable-bpf-masquerade": "true",
        "ipv4-native-routing-cidr": shoot.pods,
    }
    if not native:
        result["tunnel-protocol"] = "vxlan"
    if dual:
        result["ipv6-native-routing-cidr"] = cidr_of(networks.pods, "IPv6")
    return result


def objects(shoot: ShootView, networks: Networks) -> list[Manifest]:
    """ConfigMap and DaemonSet for the families that the migration allows now."""
    data = configuration(shoot, networks)
    return [
        config_map(_CONFIG_MAP, KUBE_SYSTEM, data),
        daemon_set(
            _DAEMON_SET,
            _IMAGE,
            labels={"k8s-app": "cilium"},
            annotations={"checksum/configmap-cilium": checksum(data)},
            words=["cilium-agent", "--config-dir=/tmp/cilium/config-map"],
            max_unavailable=2,
        ),
    ]


def _is_dual_stack(data: Mapping[str, str]) -> bool:
    return data.get("enable-ipv4") == data.get("enable-ipv6") == "true"


CILIUM = Cni("cilium", _DAEMON_SET, _CONFIG_MAP, objects, _is_dual_stack)
