"""cilium (gardener-behaviour.md 7.3; ManagedResource `extension-networking-cilium-config`)."""

from __future__ import annotations

from dualstack.gardener.model.networks import Networks, network_families
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.families import cidr_of
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import checksum, config_map, daemon_set
from dualstack.model.names import KUBE_SYSTEM

CONFIG_NAME = "cilium-config"
DAEMON_SET_NAME = "cilium"
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
    """ConfigMap and DaemonSet for the families that the CNI may configure now (7.1)."""
    data = configuration(shoot, networks)
    return [
        config_map(CONFIG_NAME, KUBE_SYSTEM, data),
        daemon_set(
            DAEMON_SET_NAME,
            _IMAGE,
            labels={"k8s-app": "cilium"},
            annotations={"checksum/configmap-cilium": checksum(data)},
            words=["cilium-agent", "--config-dir=/tmp/cilium/config-map"],
            max_unavailable=2,
        ),
    ]
