"""Garden and seed objects at rest: Shoot status, extension objects, ManagedResources
(docs/reference/gardener.md#golden-state-at-rest).
"""

from __future__ import annotations

from typing import Any

from dualstack.clock import rfc3339
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.infrastructure import RESOURCES_EXIST, InfrastructureState
from dualstack.gardener.model.kinds import CONTROL_PLANE, INFRASTRUCTURE, MANAGED_RESOURCE, NETWORK, WORKER
from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import control_plane, coredns, extensions, kube_proxy, managed_resource, network
from dualstack.model.conditions import with_condition
from dualstack.model.kinds import SECRET, Kind, Manifest
from dualstack.model.parts import rendered
from dualstack_sim.world.gardener.cloud import NetworkResources
from dualstack_sim.world.gardener.node_placements import PoolZone

_MANAGED = (
    ("ResourcesApplied", "True", "ApplySucceeded", "All resources are applied."),
    ("ResourcesHealthy", "True", "ResourcesHealthy", "All resources are healthy."),
    ("ResourcesProgressing", "False", "ResourcesRolledOut", "All resources have been fully rolled out."),
)


def networking_status(shoot: ShootView, resources: NetworkResources) -> Manifest:
    """`status.networking` of the Shoot: one range each, and the NAT addresses."""
    return {
        "pods": [shoot.pods],
        "nodes": [shoot.nodes],
        "services": [shoot.services],
        "egressCIDRs": [f"{address}/32" for address in resources.nat_ips],
    }


def shoot_status(shoot: ShootView, resources: NetworkResources, now: float) -> Manifest:
    """The status of a healthy, reconciled Shoot without migration constraints."""
    conditions: list[dict[str, Any]] = []
    for kind, reason, message in (
        (
            "APIServerAvailable",
            "HealthzRequestSucceeded",
            "API server /healthz endpoint responded with success status.",
        ),
        ("ControlPlaneHealthy", "ControlPlaneRunning", "All control plane components are healthy."),
        ("EveryNodeReady", "EveryNodeReady", "All nodes are ready."),
        ("SystemComponentsHealthy", "SystemComponentsRunning", "All system components are healthy."),
    ):
        conditions = with_condition(conditions, kind, "True", reason, message, now=now)
    constraints = with_condition(
        [], "HibernationPossible", "True", "NoProblematicWebhooks", "All webhooks are properly configured.", now=now
    )
    return {
        "technicalID": shoot.technical_id,
        "uid": shoot.uid,
        "clusterIdentity": f"{shoot.technical_id}-{shoot.uid}-simulated",
        "gardener": {"id": "gardenlet", "name": "gardenlet-0", "version": "v1.150.0"},
        "seedName": "seed",
        "hibernated": False,
        "observedGeneration": shoot.generation,
        "lastOperation": _last_operation("Shoot cluster has been successfully reconciled.", now),
        "networking": networking_status(shoot, resources),
        "conditions": conditions,
        "constraints": constraints,
    }


def extension_objects(
    shoot: ShootView, resources: NetworkResources, pool_zones: list[PoolZone], now: float
) -> list[tuple[Kind, Manifest]]:
    """Infrastructure, ControlPlane, Network and Worker, each reconciled successfully."""
    ranges = networking_status(shoot, resources)
    infrastructure = {
        "providerStatus": resources.status.to_raw(),
        "state": InfrastructureState(data={RESOURCES_EXIST: "true"}).to_raw(),
        "networking": {key: ranges[key] for key in ("pods", "nodes", "services")},
        "egressCIDRs": ranges["egressCIDRs"],
    }
    deployments = [
        {"name": pool_zone.deployment, "minimum": pool_zone.part.minimum, "maximum": pool_zone.part.maximum}
        for pool_zone in pool_zones
    ]
    parts: list[tuple[Kind, str, Manifest, Manifest]] = [
        (INFRASTRUCTURE, "infrastructure", extensions.infrastructure(shoot), infrastructure),
        (CONTROL_PLANE, "controlplane", extensions.control_plane(shoot, resources.status), {}),
        (NETWORK, "network", extensions.network(shoot), {"ipFamilies": list(shoot.families)}),
        (WORKER, "worker", extensions.worker(shoot, resources.status), {"machineDeployments": deployments}),
    ]
    return [(kind, _reconciled(noun, manifest, status, now)) for kind, noun, manifest, status in parts]


def _reconciled(noun: str, manifest: Manifest, status: Manifest, now: float) -> Manifest:
    metadata = {
        **manifest["metadata"],
        # The request precedes the answer (docs/reference/gardener.md#wait-conditions).
        "annotations": {gardener_names.TIMESTAMP: rfc3339(now - 60.0)},
        "finalizers": [gardener_names.extension_finalizer(noun)],
    }
    common = {
        "observedGeneration": 1,
        "lastOperation": _last_operation(f"Successfully reconciled {noun}.", now),
    }
    return {**manifest, "metadata": metadata, "status": {**common, **status}}


def _last_operation(description: str, now: float) -> Manifest:
    return {
        "type": "Reconcile",
        "state": "Succeeded",
        "progress": 100,
        "description": description,
        "lastUpdateTime": rfc3339(now),
    }


def managed_contents(
    shoot: ShootView, networks: Networks, resources: NetworkResources, project: str
) -> dict[str, list[Manifest]]:
    """The objects of each ManagedResource in the control plane namespace (docs/objects.md, Seed)."""
    proxy = {gardener_names.MANAGED_RESOURCE_KUBE_PROXY: rendered(kube_proxy.objects(shoot, networks))}
    return {
        gardener_names.MANAGED_RESOURCE_CONTROL_PLANE: rendered(
            control_plane.objects(shoot, resources.status, project)
        ),
        gardener_names.managed_resource_network(shoot.cni): rendered(network.objects(shoot, networks)),
        **(proxy if shoot.kube_proxy_enabled else {}),
        gardener_names.MANAGED_RESOURCE_COREDNS: rendered(coredns.objects(shoot, networks)),
    }


def managed_resource_objects(
    namespace: str, contents: dict[str, list[Manifest]], now: float
) -> list[tuple[Kind, Manifest]]:
    """The ManagedResources, applied and healthy, with their Secrets."""
    result: list[tuple[Kind, Manifest]] = []
    for name, objects in contents.items():
        resource = managed_resource.managed_resource(
            name, namespace, seed=name == gardener_names.MANAGED_RESOURCE_CONTROL_PLANE
        )
        conditions: list[dict[str, Any]] = []
        for condition in _MANAGED:
            conditions = with_condition(conditions, *condition, now=now)
        status = {
            "observedGeneration": 1,
            "conditions": conditions,
            "resources": [_reference(item) for item in objects],
        }
        result.append((SECRET, managed_resource.secret(name, namespace, objects)))
        result.append((MANAGED_RESOURCE, {**resource, "status": status}))
    return result


def _reference(item: Manifest) -> Manifest:
    metadata = item["metadata"]
    namespace = {"namespace": metadata["namespace"]} if "namespace" in metadata else {}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], **namespace, "name": metadata["name"]}
