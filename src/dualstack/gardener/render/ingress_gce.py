"""ingress-gce, which serves dual-stack load balancers (docs/reference/gardener.md#ingress-gce)."""

from __future__ import annotations

from dualstack.gardener.model.names import INGRESS_GCE
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.workload import seed_deployment
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import command

_FLAGS = {
    "config-file-path": "/etc/kubernetes/cloudprovider/cloudprovider.conf",
    "healthz-port": "8086",
    "logtostderr": "true",
    "sync-period": "600s",
    "running-in-cluster": "false",
    "run-l4-netlb-controller": "true",
    "enable-l4ilb-dual-stack": "true",
    "enable-l4netlb-dual-stack": "true",
    "kubeconfig": "/var/run/secrets/gardener.cloud/shoot/generic-kubeconfig/kubeconfig",
    "leader-elect": "true",
    "v": "2",
    "run-l4-controller": "false",
    "run-ingress-controller": "false",
    "enable-negs-for-ingress": "false",
}


def deployment(shoot: ShootView) -> Manifest | None:
    """The Deployment, or None for a cluster that was never dual-stack; no replicas when its spec is IPv4-only again."""
    if not shoot.dual_stack_infrastructure:
        return None
    return seed_deployment(
        shoot.technical_id,
        INGRESS_GCE,
        "ingress-gce/glbc:v1.38.2",
        command("/glbc", _FLAGS),
        replicas=1 if shoot.dual_stack and not shoot.hibernated else 0,
    )
