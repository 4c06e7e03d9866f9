"""Calico, as a running cluster shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dualstack.model import cidr
from dualstack.model.cni.interface import Cni, SystemObjects
from dualstack.model.kinds import Kind

_GROUP = "crd.projectcalico.org"
_CONFIG_MAP = "calico-config"
IP_POOL = Kind(_GROUP, "v1", "IPPool", "ippools", namespaced=False)


def _encapsulation(objects: SystemObjects, pods: str) -> Iterator[tuple[str, str]]:
    """VXLAN as the back end of all pools, and the mode of each pool in the range."""
    if (objects.data(_CONFIG_MAP) or {}).get("calico_backend") == "vxlan":
        yield f"ConfigMap kube-system/{_CONFIG_MAP}", "calico_backend is vxlan"
    for pool in objects.ip_pools():
        spec = pool.get("spec") or {}
        modes = {mode: spec.get(mode) for mode in ("ipipMode", "vxlanMode") if spec.get(mode, "Never") != "Never"}
        if modes and not spec.get("disabled") and cidr.overlap(str(spec.get("cidr")), pods):
            yield f"IPPool {pool['metadata']['name']}", ", ".join(f"{mode} {value}" for mode, value in modes.items())


def _masquerade(objects: SystemObjects, pods: str) -> str:
    """The pools with natOutgoing, if they have every pod (docs/reference/kubernetes.md#masquerading)."""
    specs: dict[str, Any] = {pool["metadata"]["name"]: pool.get("spec") or {} for pool in objects.ip_pools()}
    found = {name: spec.get("cidr") for name, spec in specs.items() if spec.get("natOutgoing")}
    covered = cidr.covered(pods, found.values())
    return f"IPPool {', '.join(sorted(found))} has natOutgoing: true" if covered else ""


CALICO = Cni(
    "Calico",
    "calico-node",
    _CONFIG_MAP,
    _encapsulation,
    _masquerade,
    mtu_key="veth_mtu",
    ip_pools=(IP_POOL,),
    policies=(
        Kind(_GROUP, "v1", "NetworkPolicy", "networkpolicies"),
        Kind(_GROUP, "v1", "GlobalNetworkPolicy", "globalnetworkpolicies", namespaced=False),
    ),
    names=("calico-kube-controllers", "calico-typha", "default-ipv4-ippool", "default-ipv6-ippool"),
    programs=("calico", "(cni|node|typha|kube-controllers)$"),
    domain="projectcalico.org",
)
