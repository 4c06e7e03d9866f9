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

ACCOUNT = {
    "email": "nodes@proj-1.iam.gserviceaccount.com",
    "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
}

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


def gpu_shoot() -> Manifest:
    """The Shoot with a pool of GPUs, which has a service account, volumes and a Kubernetes version of its own."""
    shoot = shoot_in("P0")
    (pool,) = shoot["spec"]["provider"]["workers"]
    pool |= {
        "machine": {"type": "n1-standard-8", "image": {"name": "suse-chost", "version": "15.6.20250801"}},
        "volume": {"type": "pd-ssd", "size": "1024Gi"},
        "dataVolumes": [{"name": "scratch", "type": "pd-ssd", "size": "200Gi"}],
        "kubernetes": {"version": "1.32.6"},
        "providerConfig": {
            "apiVersion": "gcp.provider.extensions.gardener.cloud/v1alpha1",
            "kind": "WorkerConfig",
            "gpu": {"acceleratorType": "nvidia-tesla-t4", "count": 1},
            "serviceAccount": ACCOUNT,
            "minCpuPlatform": "Intel Skylake",
        },
    }
    return shoot
