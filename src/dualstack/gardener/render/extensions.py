"""The extension objects that the shoot controller writes, without the annotations that request a reconcile.

docs/reference/gardener.md#extension-contract
"""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import CLUSTER, CONTROL_PLANE, INFRASTRUCTURE, NETWORK, WORKER
from dualstack.gardener.model.names import CLOUD_PROVIDER_SECRET
from dualstack.gardener.model.pools import Pool
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.kubelet import user_data_secret
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import manifest

_TYPE = "gcp"
_USER_DATA = "userDataSecretRef"


def cluster(shoot: ShootView) -> Manifest:
    """`Cluster/<technical ID>`: the copy of the Shoot that every extension reads."""
    content = {
        "shoot": shoot.manifest,
        "seed": {
            "apiVersion": "core.gardener.cloud/v1beta1",
            "kind": "Seed",
            "metadata": {"name": "seed"},
            "spec": {"provider": {"type": _TYPE, "region": shoot.region}},
        },
        "cloudProfile": {},
    }
    return manifest(CLUSTER, shoot.technical_id, spec=content)


def infrastructure(shoot: ShootView) -> Manifest:
    """The Infrastructure. Its spec does not depend on the families, so adding IPv6 does not change the generation.

    docs/reference/gardener.md#infrastructure-object
    """
    return manifest(
        INFRASTRUCTURE,
        shoot.name,
        shoot.technical_id,
        spec={
            "type": _TYPE,
            "region": shoot.region,
            "secretRef": _secret(shoot),
            "providerConfig": shoot.manifest["spec"]["provider"]["infrastructureConfig"],
        },
    )


def control_plane(shoot: ShootView, status: InfrastructureStatus) -> Manifest:
    spec = {
        "type": _TYPE,
        "region": shoot.region,
        "secretRef": _secret(shoot),
        "infrastructureProviderStatus": status.to_raw(),
    }
    config = shoot.manifest["spec"]["provider"].get("controlPlaneConfig")
    if config:
        spec["providerConfig"] = config
    return manifest(CONTROL_PLANE, shoot.name, shoot.technical_id, spec=spec)


def network(shoot: ShootView) -> Manifest:
    """The Network. Its spec has every family at once but only IPv4 ranges; the extension gates the families."""
    return manifest(
        NETWORK,
        shoot.name,
        shoot.technical_id,
        spec={
            "type": shoot.cni,
            "podCIDR": shoot.pods,
            "serviceCIDR": shoot.services,
            "ipFamilies": list(shoot.families),
            "providerConfig": dict(shoot.network_config),
        },
    )


def worker(
    shoot: ShootView, status: InfrastructureStatus, configs: Iterable[Manifest] = (), live: Manifest | None = None
) -> Manifest:
    """The Worker. A pool of `live` keeps the Secret with its user data; one that has none gets that of its
    OperatingSystemConfig among `configs`."""
    configs = list(configs)
    known = {pool["name"]: pool.get(_USER_DATA) for pool in dig(live, "spec", "pools") or ()}
    user_data = {pool.name: known.get(pool.name) or user_data_secret(shoot, pool, configs) for pool in shoot.pools}
    return manifest(
        WORKER,
        shoot.name,
        shoot.technical_id,
        spec={
            "type": _TYPE,
            "region": shoot.region,
            "secretRef": _secret(shoot),
            "infrastructureProviderStatus": status.to_raw(),
            "pools": [{**_pool(shoot, pool), _USER_DATA: user_data[pool.name]} for pool in shoot.pools],
        },
    )


def _pool(shoot: ShootView, pool: Pool) -> Manifest:
    """What the Shoot states of a pool. Fields that it leaves out stay as they are in a Worker that exists."""
    image = dig(pool.manifest, "machine", "image")
    copied = ("volume", "dataVolumes", "labels", "annotations", "taints", "providerConfig", "updateStrategy")
    return {
        "name": pool.name,
        "minimum": pool.minimum,
        "maximum": pool.maximum,
        "maxSurge": pool.max_surge_setting,
        "maxUnavailable": pool.max_unavailable_setting,
        "zones": list(pool.zones),
        "machineType": pool.machine_type,
        **({"machineImage": dict(image)} if image else {}),
        "kubernetesVersion": pool.version(shoot.kubernetes_version),
        **{key: pool.manifest[key] for key in copied if pool.manifest.get(key) is not None},
    }


def _secret(shoot: ShootView) -> Manifest:
    return {"name": CLOUD_PROVIDER_SECRET, "namespace": shoot.technical_id}
