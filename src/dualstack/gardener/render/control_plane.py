"""The GCP control plane in the seed: cloud-controller-manager with its configuration, and ingress-gce
(docs/reference/gardener.md#control-plane, docs/reference/gardener.md#cloud-controller-manager-flags)."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.names import (
    CLOUD_PROVIDER_CONFIG,
    CLOUD_PROVIDER_CONFIG_INGRESS,
    GENERIC_KUBECONFIG,
)
from dualstack.gardener.model.networks import all_ranges
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import ingress_gce
from dualstack.gardener.render.families import changed_ranges
from dualstack.gardener.render.workload import seed_deployment, seed_part
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import command, config_map
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER
from dualstack.model.parts import Part, Presence
from dualstack.model.workloads import flag_values, with_flags, with_replicas

_CONFIG_KEY = "cloudprovider.conf"
_PODS, _SERVICES, _MASK = "cluster-cidr", "service-cluster-ip-range", "node-cidr-mask-size-ipv4"
_ALLOCATOR, _ROUTES = "cidr-allocator-type", "configure-cloud-routes"
_CLOUD_ALLOCATOR, _RANGE_ALLOCATOR = "CloudAllocator", "RangeAllocator"
_RELEASES = {"1.32": "v32.2.4", "1.33": "v33.4.0", "1.34": "v34.2.0", "1.35": "v35.0.8", "1.36": "v36.0.7"}


def deployment(shoot: ShootView) -> Part:
    """cloud-controller-manager in the seed; a migration changes its ranges, its allocator and its route controller.

    The constraint does not gate these flags: they change with the first reconcile after the edit.
    """

    def edit(live: Manifest) -> Manifest:
        current = flag_values(live, CLOUD_CONTROLLER_MANAGER, _PODS)
        return with_flags(live, CLOUD_CONTROLLER_MANAGER, _PODS, _changes(shoot, current))

    return seed_part(shoot, _single_stack(shoot), edit)


def _changes(shoot: ShootView, current: Mapping[str, str]) -> dict[str, str | None]:
    ranges = {_PODS: all_ranges(shoot, "pods"), _SERVICES: all_ranges(shoot, "services")}
    changes: dict[str, str | None] = {**changed_ranges(current, ranges)}
    dual = shoot.dual_stack_infrastructure
    if dual or current.get(_ALLOCATOR) == _CLOUD_ALLOCATOR:
        changes[_ALLOCATOR] = _CLOUD_ALLOCATOR if dual else _RANGE_ALLOCATOR
        changes[_ROUTES] = "false" if dual or shoot.overlay_enabled else "true"
        changes[_MASK] = str(shoot.node_cidr_mask_size) if shoot.families == ("IPv4",) else None
    return changes


def _single_stack(shoot: ShootView) -> Manifest:
    release = _RELEASES.get(".".join(shoot.kubernetes_version.split(".")[:2]), _RELEASES["1.33"])
    flags = {
        "allocate-node-cidrs": "true",
        _ALLOCATOR: _RANGE_ALLOCATOR,
        "cloud-config": "/etc/kubernetes/cloudprovider/cloudprovider.conf",
        "cloud-provider": "gce",
        _PODS: shoot.pods,
        "cluster-name": shoot.technical_id,
        "concurrent-node-syncs": "10",
        "concurrent-service-syncs": "10",
        _ROUTES: "false" if shoot.overlay_enabled else "true",
        "leader-elect": "true",
        _SERVICES: shoot.services,
        "use-service-account-credentials": "true",
        "v": "2",
        _MASK: str(shoot.node_cidr_mask_size),
    }
    return seed_deployment(
        shoot.technical_id,
        CLOUD_CONTROLLER_MANAGER,
        f"cloud-provider-gcp/cloud-controller-manager:{release}",
        command("/cloud-controller-manager", flags),
        replicas=1,
    )


def configuration(shoot: ShootView, infrastructure: InfrastructureStatus, project: str) -> Manifest:
    """ConfigMap `cloud-provider-config`, with the internal subnet if there is one.

    docs/reference/gardener.md#cloud-provider-config
    """
    return config_map(
        CLOUD_PROVIDER_CONFIG,
        shoot.technical_id,
        {_CONFIG_KEY: _file(shoot, infrastructure, project, infrastructure.subnet("internal"))},
    )


def ingress_configuration(shoot: ShootView, infrastructure: InfrastructureStatus, project: str) -> Manifest:
    """ConfigMap `cloud-provider-config-ingress-gce` with the nodes subnet."""
    return config_map(
        CLOUD_PROVIDER_CONFIG_INGRESS,
        shoot.technical_id,
        {_CONFIG_KEY: _file(shoot, infrastructure, project, infrastructure.subnet("nodes"))},
    )


def _file(shoot: ShootView, infrastructure: InfrastructureStatus, project: str, subnet: str | None) -> str:
    zones = shoot.pools[0].zones if shoot.pools else ()
    lines = [
        "[Global]",
        f'project-id="{project}"',
        f'network-name="{infrastructure.networks.vpc.name}"',
        *([f'subnetwork-name="{subnet}"'] if subnet else []),
        "multizone=true",
        f'local-zone="{zones[0] if zones else ""}"',
        "token-url=nil",
        f'node-tags="{shoot.technical_id}"',
    ]
    return "\n".join(lines) + "\n"


def objects(
    shoot: ShootView, infrastructure: InfrastructureStatus, project: str, kubeconfig: str = GENERIC_KUBECONFIG
) -> list[Part]:
    """The seed's objects of the GCP control plane; those of ingress-gce once the infrastructure is to be dual-stack.

    Upstream has the ConfigMaps in a ManagedResource of their own. They do not depend on the families. kubeconfig: name
    of the Secret with the kubeconfig that all components in the namespace share.
    """
    result = [
        Part(configuration(shoot, infrastructure, project), presence=Presence.OPTIONAL),
        deployment(shoot),
    ]
    ingress = ingress_gce.deployment(shoot, kubeconfig)
    if ingress is not None:
        wanted = ingress["spec"]["replicas"]
        result.append(Part(ingress_gce.service_account(shoot), presence=Presence.ADDED))
        result.append(Part(ingress_configuration(shoot, infrastructure, project), presence=Presence.ADDED))
        result.append(Part(ingress, lambda live: with_replicas(live, wanted or 1, stopped=wanted == 0), Presence.ADDED))
    return result


def shoot_objects(shoot: ShootView) -> list[Part]:
    """The shoot's objects that ingress-gce needs; nothing else of the control plane in the shoot is rendered here."""
    needed = shoot.dual_stack_infrastructure
    return [Part(ingress_gce.access_to_shoot(), presence=Presence.ADDED)] if needed else []
