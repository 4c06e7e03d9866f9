"""Cilium, as a running cluster shows it."""

from __future__ import annotations

from collections.abc import Iterator

from dualstack.model import cidr
from dualstack.model.cni.interface import Cni, SystemObjects
from dualstack.model.kinds import Kind

_GROUP = "cilium.io"
_CONFIG_MAP = "cilium-config"


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


CILIUM = Cni(
    "Cilium",
    "cilium",
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
)
