"""kube-controller-manager: its ranges and node masks (docs/reference/gardener.md#kcm-flags)."""

from __future__ import annotations

from dualstack.gardener.model.defaults import DEFAULT_MASK_IPV6
from dualstack.gardener.model.names import KUBE_CONTROLLER_MANAGER
from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.families import changed_ranges, has_ipv6
from dualstack.gardener.render.workload import seed_deployment, seed_part
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import command
from dualstack.model.parts import Part
from dualstack.model.workloads import flag_values, with_flags

_PODS, _SERVICES = "cluster-cidr", "service-cluster-ip-range"
_MASK, _MASK_IPV4, _MASK_IPV6 = "node-cidr-mask-size", "node-cidr-mask-size-ipv4", "node-cidr-mask-size-ipv6"


def deployment(shoot: ShootView, networks: Networks) -> Part:
    """The Deployment in the seed; a migration changes its ranges and node masks.

    During a migration upstream uses the IPv6 mask for the IPv4 range (docs/reference/weaknesses.md#w25).
    """

    def edit(live: Manifest) -> Manifest:
        current = flag_values(live, KUBE_CONTROLLER_MANAGER, _PODS)
        changes: dict[str, str | None] = {
            **changed_ranges(current, {_PODS: networks.pods, _SERVICES: networks.services}),
            **_masks(shoot, dual=has_ipv6(networks.pods), was_dual=_MASK_IPV6 in current),
        }
        return with_flags(live, KUBE_CONTROLLER_MANAGER, _PODS, changes)

    return seed_part(shoot, _single_stack(shoot), edit)


def _masks(shoot: ShootView, *, dual: bool, was_dual: bool) -> dict[str, str | None]:
    size = str(shoot.node_cidr_mask_size)
    if dual:
        size_ipv6 = str(shoot.node_cidr_mask_size_ipv6 or DEFAULT_MASK_IPV6)
        return {_MASK: None, _MASK_IPV4: size, _MASK_IPV6: size_ipv6}
    return {_MASK_IPV4: None, _MASK_IPV6: None, _MASK: size} if was_dual else {}


def _single_stack(shoot: ShootView) -> Manifest:
    """On Google Cloud, cloud-controller-manager allocates the node ranges instead."""
    flags = {
        "allocate-node-cidrs": "false",
        "cloud-provider": "external",
        _PODS: shoot.pods,
        "cluster-name": shoot.technical_id,
        _MASK: str(shoot.node_cidr_mask_size),
        _SERVICES: shoot.services,
        "use-service-account-credentials": "true",
        "v": "2",
    }
    return seed_deployment(
        shoot.technical_id,
        KUBE_CONTROLLER_MANAGER,
        f"kube-controller-manager:v{shoot.kubernetes_version}",
        command("/usr/local/bin/kube-controller-manager", flags),
        replicas=1,
        role="controller-manager",
    )
