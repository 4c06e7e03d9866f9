"""The GCP control plane in the seed: cloud-controller-manager with its configuration, and ingress-gce
(docs/reference/gardener.md#control-plane, docs/reference/gardener.md#cloud-controller-manager-flags)."""

from __future__ import annotations

from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.names import CLOUD_PROVIDER_CONFIG, CLOUD_PROVIDER_CONFIG_INGRESS
from dualstack.gardener.model.networks import all_ranges
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import ingress_gce
from dualstack.gardener.render.workload import seed_deployment
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import command, config_map
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER

_CONFIG_KEY = "cloudprovider.conf"
_RELEASES = {"1.32": "v32.2.4", "1.33": "v33.4.0", "1.34": "v34.2.0", "1.35": "v35.0.8", "1.36": "v36.0.7"}


def flags(shoot: ShootView) -> dict[str, str]:
    """The flags by name. The constraint does not gate them: they change with the first reconcile after the edit."""
    dual = shoot.dual_stack_infrastructure
    result = {
        "allocate-node-cidrs": "true",
        "cidr-allocator-type": "CloudAllocator" if dual else "RangeAllocator",
        "cloud-config": "/etc/kubernetes/cloudprovider/cloudprovider.conf",
        "cloud-provider": "gce",
        "cluster-cidr": ",".join(all_ranges(shoot, "pods")),
        "cluster-name": shoot.technical_id,
        "concurrent-node-syncs": "10",
        "concurrent-service-syncs": "10",
        "configure-cloud-routes": "true" if not dual and not shoot.overlay_enabled else "false",
        "leader-elect": "true",
        "service-cluster-ip-range": ",".join(all_ranges(shoot, "services")),
        "use-service-account-credentials": "true",
        "v": "2",
    }
    if shoot.families == ("IPv4",):
        result["node-cidr-mask-size-ipv4"] = str(shoot.node_cidr_mask_size)
    return result


def deployment(shoot: ShootView) -> Manifest:
    """The Deployment in the seed; no replica while the cluster is hibernated."""
    release = _RELEASES.get(".".join(shoot.kubernetes_version.split(".")[:2]), _RELEASES["1.33"])
    return seed_deployment(
        shoot.technical_id,
        CLOUD_CONTROLLER_MANAGER,
        f"cloud-provider-gcp/cloud-controller-manager:{release}",
        command("/cloud-controller-manager", flags(shoot)),
        replicas=0 if shoot.hibernated else 1,
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


def objects(shoot: ShootView, infrastructure: InfrastructureStatus, project: str) -> list[Manifest]:
    """The seed's objects of the GCP control plane; those of ingress-gce once the infrastructure is to be dual-stack."""
    result = [
        configuration(shoot, infrastructure, project),
        deployment(shoot),
    ]
    ingress = ingress_gce.deployment(shoot)
    if ingress is not None:
        result.append(ingress_configuration(shoot, infrastructure, project))
        result.append(ingress)
    return result
