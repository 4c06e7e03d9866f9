"""Cilium, in ManagedResource `extension-networking-cilium-config` (docs/reference/gardener.md#cilium)."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.gardener.model.names import RANGES
from dualstack.gardener.model.networks import Networks, network_families
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.cni.interface import Cni, cidr_of
from dualstack.gardener.render.families import from_migration_on, restart_mark
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import config_map, daemon_set
from dualstack.model.names import KUBE_SYSTEM
from dualstack.model.parts import Part, UnknownShape
from dualstack.model.workloads import with_template_annotation

_CONFIG_MAP = "cilium-config"
_DAEMON_SET = "cilium"
_IMAGE = "cilium/cilium:v1.17.6"
_KNOWN = {
    "routing-mode": ("native",),
    "tunnel": ("disabled",),
    "ipam": ("kubernetes",),
    "kube-proxy-replacement": ("true", "false", "strict", "partial", "disabled", "probe"),
}
"""Settings on which a migration depends, with the values that it supports."""


def objects(shoot: ShootView, networks: Networks) -> list[Part]:
    """ConfigMap and DaemonSet for the families that the migration allows now.

    A migration changes the keys of `_changes`; the DaemonSet restarts with the ranges.
    """
    dual = "IPv6" in network_families(shoot)
    pods = cidr_of(networks.pods, "IPv6") if dual else ""
    agent = daemon_set(
        _DAEMON_SET,
        _IMAGE,
        labels={"k8s-app": "cilium"},
        words=["cilium-agent", "--config-dir=/tmp/cilium/config-map"],
        max_unavailable=2,
    )
    mark = restart_mark(networks.pods) if dual else None
    return [
        Part.of(_single_stack(shoot), from_migration_on(shoot, lambda live: _edited(live, pods))),
        Part.of(agent, lambda live: with_template_annotation(live, RANGES, mark)),
    ]


def _edited(live: Manifest, pods: str) -> Manifest:
    """The ConfigMap with `pods` as the IPv6 range; empty removes IPv6."""
    data = live.get("data") or {}
    for key, values in _KNOWN.items():
        if key in data and data[key] not in values:
            raise UnknownShape(live, f"{key} is {data[key]!r}; a migration needs {' or '.join(values)}")
    if "enable-ipv6" not in data and "enable-ipv4" not in data:
        raise UnknownShape(live, "it has neither enable-ipv4 nor enable-ipv6")
    if not pods and data.get("enable-ipv6") != "true":
        return live
    changed = {**data, **_changes(pods)}
    return {**live, "data": {key: value for key, value in changed.items() if value is not None}}


def _changes(pods: str) -> dict[str, str | None]:
    dual = "true" if pods else "false"
    return {
        "enable-ipv6": dual,
        "k8s-require-ipv6-pod-cidr": dual,
        "enable-ipv6-masquerade": "false",
        "ipv6-native-routing-cidr": pods or None,
    }


def _single_stack(shoot: ShootView) -> Manifest:
    native = shoot.overlay_enabled is False
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
        "ipv4-native-routing-cidr": shoot.pods,
    }
    return config_map(_CONFIG_MAP, KUBE_SYSTEM, data if native else {**data, "tunnel-protocol": "vxlan"})


def _is_dual_stack(data: Mapping[str, str]) -> bool:
    return data.get("enable-ipv4") == data.get("enable-ipv6") == "true"


CILIUM = Cni("cilium", _DAEMON_SET, _CONFIG_MAP, objects, _is_dual_stack)
