"""kube-controller-manager: its ranges and node masks (docs/reference/gardener.md#kcm-flags)."""

from __future__ import annotations

from dualstack.gardener.model.defaults import DEFAULT_MASK_IPV6
from dualstack.gardener.model.names import KUBE_CONTROLLER_MANAGER
from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.workload import seed_deployment
from dualstack.model.cidr import family
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import command


def flags(shoot: ShootView, networks: Networks) -> dict[str, str]:
    """The flags by name. On GCP, cloud-controller-manager allocates the node ranges instead."""
    return {
        "allocate-node-cidrs": "false",
        "cloud-provider": "external",
        "cluster-cidr": ",".join(networks.pods),
        "cluster-name": shoot.technical_id,
        **_masks(shoot, networks),
        "service-cluster-ip-range": ",".join(networks.services),
        "use-service-account-credentials": "true",
        "v": "2",
    }


def deployment(shoot: ShootView, networks: Networks) -> Manifest:
    """The Deployment in the seed."""
    return seed_deployment(
        shoot.technical_id,
        KUBE_CONTROLLER_MANAGER,
        f"kube-controller-manager:v{shoot.kubernetes_version}",
        command("/usr/local/bin/kube-controller-manager", flags(shoot, networks)),
        replicas=0 if shoot.hibernated else 1,
    )


def _masks(shoot: ShootView, networks: Networks) -> dict[str, str]:
    """The mask of each pod range by its family. During a migration upstream uses the IPv6 mask for the IPv4 range
    (docs/reference/weaknesses.md#w25)."""
    sizes = {"IPv4": shoot.node_cidr_mask_size, "IPv6": shoot.node_cidr_mask_size_ipv6 or DEFAULT_MASK_IPV6}
    present = [family(cidr) for cidr in networks.pods]
    if len(present) == 1:
        return {"node-cidr-mask-size": str(sizes[present[0]])}
    return {f"node-cidr-mask-size-{name.lower()}": str(sizes[name]) for name in present}
