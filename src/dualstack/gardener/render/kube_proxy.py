"""kube-proxy, in ManagedResource `shoot-core-kube-proxy` (docs/reference/gardener.md#kube-proxy)."""

from __future__ import annotations

from typing import Any

import yaml

from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.families import from_migration_on, has_ipv6, restart_mark
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import config_map, daemon_set
from dualstack.model.names import KUBE_PROXY, KUBE_PROXY_CONFIG, KUBE_SYSTEM, RANGES
from dualstack.model.parts import Part, UnknownShape, value_at, with_value
from dualstack.model.texts import read_mapping, with_yaml_value
from dualstack.model.workloads import with_template_annotation

CONFIG_KEY = "config.yaml"
MODES = {"IPTables": "iptables", "IPVS": "ipvs", "NFTables": "nftables"}
"""The modes of `spec.kubernetes.kubeProxy.mode`, as kube-proxy spells them."""
_RANGES = "clusterCIDR"


def objects(shoot: ShootView, networks: Networks) -> list[Part]:
    """ConfigMap and DaemonSet; the DaemonSet restarts with the ranges. A migration changes `clusterCIDR` only."""

    def edit(live: Manifest) -> Manifest:
        text = value_at(live, str, "data", CONFIG_KEY)
        if not text:
            raise UnknownShape(live, f"it has no key {CONFIG_KEY}")
        return with_value(live, _edited(live, text, networks), "data", CONFIG_KEY)

    mark = None if shoot.proxy_mode == "IPVS" else restart_mark(networks.pods)
    return [
        Part.of(_single_stack(shoot), from_migration_on(shoot, edit)),
        Part.of(
            daemon_set(
                KUBE_PROXY,
                f"kube-proxy:v{shoot.kubernetes_version}",
                labels={"app": "kubernetes", "role": "proxy"},
                words=["/usr/local/bin/kube-proxy", f"--config=/var/lib/kube-proxy-config/{CONFIG_KEY}"],
                max_unavailable="100%",
            ),
            from_migration_on(shoot, lambda live: with_template_annotation(live, RANGES, mark)),
        ),
    ]


def _edited(live: Manifest, text: str, networks: Networks) -> str:
    """The configuration with its cluster CIDR. Without one, as in mode ipvs, nothing depends on the families."""
    try:
        current = read_mapping(text)
    except ValueError as error:
        raise UnknownShape(live, f"{CONFIG_KEY} cannot be read: {error}") from error
    mode = current.get("mode") or MODES["IPTables"]
    if mode not in MODES.values():
        known = ", ".join(MODES.values())
        raise UnknownShape(live, f"kube-proxy runs in mode {mode!r}; the known modes are {known}")
    ranges: Any = current.get(_RANGES)
    if not ranges or not (has_ipv6(networks.pods) or has_ipv6(str(ranges))):
        return text
    try:
        return with_yaml_value(text, _RANGES, ",".join(networks.pods))
    except ValueError as error:
        raise UnknownShape(live, f"{CONFIG_KEY} cannot be changed: {error}") from error


def _single_stack(shoot: ShootView) -> Manifest:
    """The ConfigMap; without a cluster CIDR in IPVS mode."""
    mode = MODES.get(shoot.proxy_mode, shoot.proxy_mode)
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": "/var/lib/kube-proxy-kubeconfig/kubeconfig"},
        "mode": mode,
        **({} if mode == MODES["IPVS"] else {_RANGES: shoot.pods}),
    }
    return config_map(KUBE_PROXY_CONFIG, KUBE_SYSTEM, {CONFIG_KEY: yaml.safe_dump(content, sort_keys=False)})
