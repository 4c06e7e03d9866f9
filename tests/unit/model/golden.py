"""The Shoot of the golden scenario in each of its phases (docs/reference/gardener.md#golden-scenario)."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

from dualstack.gardener.model import constraints as rules
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.model.kinds import Manifest

EXAMPLES = Path(__file__).parents[3] / "examples"

P4, S4, N4 = "100.96.0.0/11", "100.64.0.0/13", "10.250.0.0/16"
P6 = N6 = "2600:1900:4010:1234::/64"
S6 = "2600:1900:4010:5678::/108"
RAW_P6 = "2600:1900:4010:1234:0:0:0:0/64"
"""P6 as GCP spells it; upstream stores it so in status.networking."""
API4, API6 = "100.64.0.1", "2600:1900:4010:5678::1"
DNS4, DNS6 = "100.64.0.10", "2600:1900:4010:5678::a"

PHASES = ("P0", "P1", "P2", "P3", "P4", "P5")
_CONSTRAINTS = {
    "P1": rules.NODES_NOT_MIGRATED,
    "P2": rules.NODES_MIGRATED,
    "P3": rules.DNS_MIGRATING,
    "P4": rules.DNS_READY,
}


def shoot_file() -> Manifest:
    """examples/shoot.yaml."""
    return load_shoot((EXAMPLES / "shoot.yaml").read_text(encoding="utf-8"))


def shoot_in(phase: str, *, cni: str = "calico") -> Manifest:
    """The Shoot as it stands in a phase; in P1 after the Infrastructure has reported both families."""
    shoot = deepcopy(shoot_file())
    shoot["spec"]["networking"]["type"] = cni
    status = {"pods": [P4], "nodes": [N4], "services": [S4], "egressCIDRs": []}
    if phase != "P0":
        shoot["spec"]["networking"]["ipFamilies"] = ["IPv4", "IPv6"]
        shoot["spec"]["kubernetes"]["kubeControllerManager"]["nodeCIDRMaskSizeIPv6"] = 64
        status = {"pods": [P4, RAW_P6], "nodes": [N4, RAW_P6], "services": [S4, S6], "egressCIDRs": []}
    constraint = _CONSTRAINTS.get(phase)
    shoot["status"] = {
        "technicalID": "shoot--foo--bar",
        "networking": status,
        "constraints": [{"type": constraint.type, "status": constraint.status}] if constraint else [],
    }
    return shoot


def view_in(phase: str, *, cni: str = "calico") -> ShootView:
    return ShootView.of(shoot_in(phase, cni=cni))
