"""kube-proxy, in ManagedResource `shoot-core-kube-proxy` (docs/reference/gardener.md#kube-proxy)."""

from __future__ import annotations

import yaml

from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import checksum, config_map, daemon_set
from dualstack.model.names import KUBE_PROXY, KUBE_PROXY_CONFIG, KUBE_SYSTEM

CONFIG_KEY = "config.yaml"


def configuration(shoot: ShootView, networks: Networks) -> Manifest:
    """The KubeProxyConfiguration; without a cluster CIDR in IPVS mode."""
    ipvs = shoot.proxy_mode == "IPVS"
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": "/var/lib/kube-proxy-kubeconfig/kubeconfig"},
        "mode": "ipvs" if ipvs else "iptables",
        **({} if ipvs else {"clusterCIDR": ",".join(networks.pods)}),
    }


def objects(shoot: ShootView, networks: Networks) -> list[Manifest]:
    """ConfigMap and DaemonSet; the DaemonSet rolls with the configuration."""
    content = configuration(shoot, networks)
    return [
        config_map(KUBE_PROXY_CONFIG, KUBE_SYSTEM, {CONFIG_KEY: yaml.safe_dump(content, sort_keys=False)}),
        daemon_set(
            KUBE_PROXY,
            f"kube-proxy:v{shoot.kubernetes_version}",
            labels={"app": "kubernetes", "role": "proxy"},
            annotations={"checksum/configmap-config": checksum(content)},
            words=["/usr/local/bin/kube-proxy", f"--config=/var/lib/kube-proxy-config/{CONFIG_KEY}"],
            max_unavailable="100%",
        ),
    ]
