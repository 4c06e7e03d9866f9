"""The kubelet configuration in the OperatingSystemConfig of a pool (docs/reference/gardener.md#kubelet-cluster-dns)."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from dualstack.gardener.model.kinds import OPERATING_SYSTEM_CONFIG
from dualstack.gardener.model.names import operating_system_config as name_of
from dualstack.gardener.model.pools import Pool
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import manifest

CONFIG_PATH = "/var/lib/kubelet/config/kubelet"


def configuration(shoot: ShootView, cluster_dns: Sequence[str]) -> Manifest:
    """The KubeletConfiguration; `cluster_dns` comes from `dualstack.gardener.model.networks.kubelet_dns`."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "clusterDomain": "cluster.local",
        "clusterDNS": list(cluster_dns),
        "maxPods": shoot.max_pods,
    }


def operating_system_config(shoot: ShootView, pool: Pool, cluster_dns: Sequence[str]) -> Manifest:
    """The pool's OperatingSystemConfig. Its key does not cover families and DNS, so nodes apply them in place."""
    content = yaml.safe_dump(configuration(shoot, cluster_dns), sort_keys=False)
    return manifest(
        OPERATING_SYSTEM_CONFIG,
        name_of(pool.name),
        shoot.technical_id,
        spec={
            "type": pool.image_name,
            "purpose": "reconcile",
            "files": [
                {"path": CONFIG_PATH, "permissions": 0o644, "content": {"inline": {"encoding": "", "data": content}}}
            ],
        },
    )
