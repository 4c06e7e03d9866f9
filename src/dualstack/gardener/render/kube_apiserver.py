"""kube-apiserver: its service ranges (docs/reference/gardener.md#kube-apiserver)."""

from __future__ import annotations

from dualstack.gardener.model.names import KUBE_API_SERVER
from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.workload import seed_deployment
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import checksum, command


def flags(shoot: ShootView, networks: Networks) -> dict[str, str]:
    """The flags by name."""
    return {
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction,Priority,ResourceQuota",
        "etcd-servers": f"https://etcd-main-client.{shoot.technical_id}.svc:2379",
        "secure-port": "443",
        "service-cluster-ip-range": ",".join(networks.services),
        "v": "2",
    }


def deployment(shoot: ShootView, networks: Networks) -> Manifest:
    """The Deployment in the seed. It rolls with the serving certificate, which has the cluster IPs of the API."""
    return seed_deployment(
        shoot.technical_id,
        KUBE_API_SERVER,
        f"kube-apiserver:v{shoot.kubernetes_version}",
        command("/usr/local/bin/kube-apiserver", flags(shoot, networks)),
        replicas=0 if shoot.hibernated else 2,
        annotations={"checksum/certificate-addresses": checksum(networks.api_server_ips)},
    )
