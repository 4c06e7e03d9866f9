"""What the ManagedResource `extension-controlplane-seed` holds (gardener-behaviour.md 6.1, docs/objects.md)."""

from __future__ import annotations

from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import cloud_controller_manager, ingress_gce
from dualstack.model.kinds import Manifest


def objects(shoot: ShootView, infrastructure: InfrastructureStatus, project: str) -> list[Manifest]:
    """The seed's objects of the GCP control plane; those of ingress-gce only once the cluster is to be dual-stack."""
    result = [
        cloud_controller_manager.configuration(shoot, infrastructure, project),
        cloud_controller_manager.deployment(shoot),
    ]
    ingress = ingress_gce.deployment(shoot)
    if ingress is not None:
        result.append(cloud_controller_manager.ingress_configuration(shoot, infrastructure, project))
        result.append(ingress)
    return result
