"""The objects in ManagedResource `extension-controlplane-seed` (docs/reference/gardener.md#control-plane)."""

from __future__ import annotations

from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import cloud_controller_manager, ingress_gce
from dualstack.model.kinds import Manifest


def objects(shoot: ShootView, infrastructure: InfrastructureStatus, project: str) -> list[Manifest]:
    """The seed's objects of the GCP control plane; those of ingress-gce once the infrastructure is to be dual-stack."""
    result = [
        cloud_controller_manager.configuration(shoot, infrastructure, project),
        cloud_controller_manager.deployment(shoot),
    ]
    ingress = ingress_gce.deployment(shoot)
    if ingress is not None:
        result.append(cloud_controller_manager.ingress_configuration(shoot, infrastructure, project))
        result.append(ingress)
    return result
