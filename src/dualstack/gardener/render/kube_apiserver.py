"""kube-apiserver: its service ranges (docs/reference/gardener.md#kube-apiserver)."""

from __future__ import annotations

from dualstack.gardener.model.names import KUBE_API_SERVER
from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.families import changed_ranges
from dualstack.gardener.render.workload import seed_deployment, seed_part
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import command
from dualstack.model.parts import Part
from dualstack.model.workloads import flag_values, with_flags

_RANGE = "service-cluster-ip-range"


def deployment(shoot: ShootView, networks: Networks) -> Part:
    """The Deployment in the seed; a migration changes `--service-cluster-ip-range`."""

    def edit(live: Manifest) -> Manifest:
        current = flag_values(live, KUBE_API_SERVER, _RANGE)
        changes = changed_ranges(current, {_RANGE: networks.services})
        return with_flags(live, KUBE_API_SERVER, _RANGE, changes)

    return seed_part(shoot, _single_stack(shoot), edit)


def _single_stack(shoot: ShootView) -> Manifest:
    flags = {
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction,Priority,ResourceQuota",
        "etcd-servers": f"https://etcd-main-client.{shoot.technical_id}.svc:2379",
        "secure-port": "443",
        _RANGE: shoot.services,
        "v": "2",
    }
    return seed_deployment(
        shoot.technical_id,
        KUBE_API_SERVER,
        f"kube-apiserver:v{shoot.kubernetes_version}",
        command("/usr/local/bin/kube-apiserver", flags),
        replicas=2,
        role="apiserver",
    )
