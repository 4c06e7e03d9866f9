"""Machine classes and machine deployments (docs/reference/gardener.md#machine-classes)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import MACHINE_CLASS, MACHINE_DEPLOYMENT
from dualstack.gardener.model.names import CLOUD_PROVIDER_SECRET, POOL_HASH, POOL_LABEL, node_tags, nodes_subnet
from dualstack.gardener.model.names import machine_class as class_name_of
from dualstack.gardener.model.names import machine_deployment as deployment_name_of
from dualstack.gardener.model.pools import Pool, ZonePart
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.pool_hash import pool_hash
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import manifest
from dualstack.model.names import POD_RANGE_NAME
from dualstack.model.parts import Edit, Part, UnknownShape, mappings_at, value_at, with_value
from dualstack.model.quantities import gibibytes
from dualstack.model.workloads import with_annotation

MIN_READY_SECONDS = 500
_SCOPE = "https://www.googleapis.com/auth/compute"
_CLASS = ("spec", "template", "spec", "class", "name")
_INTERFACES = ("providerSpec", "networkInterfaces")
_CAPACITY = {"cpu": "4", "memory": "15Gi", "gpu": "0"}


# Machine classes ----------------------------------------------------------------------------------------------------


def edited_interface(shoot: ShootView, status: InfrastructureStatus) -> Edit:
    """The edit of a machine class: its first NIC becomes dual-stack as soon as the infrastructure is.

    The state of the nodes does not matter. Everything else in the class stays: disks, image, labels, GPUs, and so on.
    """
    added = {
        "useAliasIPs": True,
        "stackType": "IPV4_IPV6" if shoot.dual_stack else "IPV4_ONLY",
        "ipv6accessType": "EXTERNAL",
        "ipCidrRange": f"/{shoot.node_cidr_mask_size}",
        "subnetworkRangeName": POD_RANGE_NAME,
    }

    def edit(live: Manifest) -> Manifest:
        if status.networks.ipfamilies in ((), ("IPv4",)):
            return live
        interfaces = mappings_at(live, *_INTERFACES)
        if not interfaces:
            raise UnknownShape(live, "providerSpec.networkInterfaces has no entry")
        return with_value(live, {**interfaces[0], **added}, *_INTERFACES, 0)

    return edit


def is_dual_stack(machine_class: Manifest) -> bool:
    """Whether machines of this class get a dual-stack NIC."""
    interfaces = mappings_at(machine_class, *_INTERFACES)
    return bool(interfaces) and bool(interfaces[0].get("stackType") == "IPV4_IPV6")


def class_name(shoot: ShootView, pool: Pool, part: ZonePart, hashed: str | None = None) -> str:
    """`<ns>-<pool>-z<i>-<hash>`; `hashed` is the pool's hash if it is known."""
    return class_name_of(deployment_name(shoot, pool, part), hashed or pool_hash(shoot, pool))


def machine_class(shoot: ShootView, status: InfrastructureStatus, pool: Pool, part: ZonePart, name: str = "") -> Part:
    """The class of one zone of a pool. The migration changes it in place, under the same name."""
    return Part.of(
        _single_stack(shoot, status, pool, part, name or class_name(shoot, pool, part)), edited_interface(shoot, status)
    )


def _single_stack(shoot: ShootView, status: InfrastructureStatus, pool: Pool, part: ZonePart, name: str) -> Manifest:
    """The class as provider-gcp creates it (docs/reference/gardener.md#machine-fields).

    The image is a name that stands for one of the CloudProfile's.
    """
    ns, config = shoot.technical_id, pool.provider_config
    secret = {"name": CLOUD_PROVIDER_SECRET, "namespace": ns}
    gpu = config.get("gpu")
    labels = {"name": shoot.name, "k8s-cluster-name": ns}
    interface = {"subnetwork": status.subnet("nodes") or nodes_subnet(ns), "disableExternalIP": True}
    result = manifest(
        MACHINE_CLASS,
        name,
        ns,
        provider="GCP",
        providerSpec={
            "canIpForward": True,
            "deletionProtection": False,
            "description": f"Machine of Shoot {shoot.name} created by machine-controller-manager.",
            "disks": [_boot_disk(pool), *_data_disks(pool)],
            **({"gpu": dict(gpu)} if gpu else {}),
            "labels": labels,
            "machineType": pool.machine_type,
            "metadata": [{"key": "block-project-ssh-keys", "value": "TRUE"}],
            **({"minCpuPlatform": config["minCpuPlatform"]} if config.get("minCpuPlatform") else {}),
            "networkInterfaces": [interface],
            "region": shoot.region,
            # Compute does not move VMs with GPUs to another host.
            "scheduling": {
                "automaticRestart": True,
                "onHostMaintenance": "TERMINATE" if gpu else "MIGRATE",
                "preemptible": False,
            },
            "serviceAccounts": _service_accounts(config, status),
            "tags": list(node_tags(ns)),
            "zone": part.zone,
        },
        secretRef=secret,
        credentialsSecretRef=secret,
        nodeTemplate={
            "capacity": {**_CAPACITY, **({"gpu": str(gpu["count"])} if gpu else {})},
            "instanceType": pool.machine_type,
            "region": shoot.region,
            "zone": part.zone,
        },
    )
    result["metadata"]["labels"] = {"gardener.cloud/purpose": "machineclass"}
    return result


def _service_accounts(config: Mapping[str, Any], status: InfrastructureStatus) -> list[Manifest]:
    """That of the pool, else the one of the infrastructure, if there is one."""
    account = config.get("serviceAccount")
    if account:
        return [{"email": account.get("email") or "", "scopes": list(account.get("scopes") or ())}]
    return [{"email": status.service_account_email, "scopes": [_SCOPE]}] if status.service_account_email else []


def _boot_disk(pool: Pool) -> Manifest:
    version = pool.image_version.replace(".", "-")
    return {
        "autoDelete": True,
        "boot": True,
        "sizeGb": gibibytes(pool.volume_size),
        "type": pool.volume_type,
        "image": f"projects/sap-se-gcp-gardenlinux/global/images/{pool.image_name}-{version}",
    }


def _data_disks(pool: Pool) -> list[Manifest]:
    local = dig(pool.provider_config, "volume", "interface")
    return [
        {
            "autoDelete": True,
            "boot": False,
            "sizeGb": gibibytes(volume.get("size") or "0"),
            **({"type": volume["type"]} if volume.get("type") else {}),
            **({"interface": local} if local and volume.get("type") == "SCRATCH" else {}),
        }
        for volume in pool.manifest.get("dataVolumes") or ()
    ]


# Machine deployments ------------------------------------------------------------------------------------------------


def deployment_name(shoot: ShootView, pool: Pool, part: ZonePart) -> str:
    """`<ns>-<pool>-z<i>`."""
    return deployment_name_of(shoot.technical_id, pool.name, part.index)


def machine_deployment(
    shoot: ShootView, pool: Pool, part: ZonePart, *, replicas: int, name: str = "", machine_class: str = ""
) -> Manifest:
    """The deployment of one zone of a pool, as it is created."""
    ns, name = shoot.technical_id, name or deployment_name(shoot, pool, part)
    labels = {
        **pool.labels,
        "node.kubernetes.io/role": "node",
        POOL_LABEL: pool.name,
        "worker.gardener.cloud/image-name": pool.image_name,
        "worker.gardener.cloud/image-version": pool.image_version,
    }
    node: Manifest = {"metadata": {"labels": labels, "annotations": dict(pool.annotations)}, "spec": {}}
    if pool.taints:
        node["spec"]["taints"] = [dict(taint) for taint in pool.taints]
    result = manifest(
        MACHINE_DEPLOYMENT,
        name,
        ns,
        spec={
            "replicas": replicas,
            "minReadySeconds": MIN_READY_SECONDS,
            "selector": {"matchLabels": {"name": name}},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": part.max_surge, "maxUnavailable": part.max_unavailable},
            },
            "template": {
                "metadata": {"labels": {"name": name}},
                "spec": {
                    "class": {
                        "kind": MACHINE_CLASS.kind,
                        "name": machine_class or class_name(shoot, pool, part),
                    },
                    "nodeTemplate": node,
                },
            },
        },
    )
    result["metadata"]["labels"] = {"name": name, POOL_LABEL: pool.name}
    return result


def class_of(deployment: Manifest) -> str:
    """The name of the class of a deployment's machines."""
    return str(dig(deployment, *_CLASS) or "")


def pool_of(deployment: Manifest) -> str | None:
    """The pool of a deployment, from its own labels or those of its nodes."""
    for path in ((), ("spec", "template", "spec", "nodeTemplate")):
        pool = dig(deployment, *path, "metadata", "labels", POOL_LABEL)
        if pool is not None:
            return str(pool)
    return None


def belongs_to(deployment: Manifest, shoot: ShootView, pool: Pool) -> bool:
    """Whether a deployment has the machines of this pool, whatever its name."""
    known = pool_of(deployment)
    if known is not None:
        return known == pool.name
    return deployment["metadata"]["name"] in {deployment_name(shoot, pool, part) for part in pool.parts}


def deployment_for(
    shoot: ShootView, pool: Pool, part: ZonePart, deployments: Iterable[Manifest], classes: Mapping[str, Manifest]
) -> Manifest | None:
    """The live deployment of a zone of a pool, whatever its name: by pool and zone, else by the name it should have."""
    by_name = None
    for found in deployments:
        zone = dig(classes.get(class_of(found)), "providerSpec", "zone")
        if pool_of(found) == pool.name and zone == part.zone:
            return found
        if found["metadata"]["name"] == deployment_name(shoot, pool, part) and zone in (None, part.zone):
            by_name = found
    return by_name


def free_name(shoot: ShootView, pool: Pool, part: ZonePart, taken: Iterable[str]) -> str:
    """The name of a new deployment: that of its zone, or the next one that no other zone has."""
    names, index = set(taken), part.index
    while deployment_name_of(shoot.technical_id, pool.name, index) in names:
        index += 1
    return deployment_name_of(shoot.technical_id, pool.name, index)


def replicas_for(live: Manifest | None, pool: Pool, part: ZonePart, *, hibernated: bool, woken: bool) -> int:
    """The replicas of a deployment as Gardener sets them (docs/reference/gardener.md#machine-replicas).

    `woken`: every deployment has none, as after a hibernation. Between minimum and maximum the autoscaler decides.
    """
    if hibernated:
        return 0
    if live is None or woken or pool.minimum == pool.maximum:
        return part.minimum
    return max(part.minimum, min(part.maximum, int(dig(live, "spec", "replicas") or 0)))


def edited_deployment(*, replicas: int, machine_class: str, recorded: str | None) -> Edit:
    """The edit of a deployment: replicas, class, and the hash that explains a class with another name."""

    def edit(live: Manifest) -> Manifest:
        if value_at(live, dict, "spec").get("replicas") != replicas:
            live = with_value(live, replicas, "spec", "replicas")
        if value_at(live, str, *_CLASS) != machine_class:
            live = with_value(live, machine_class, *_CLASS)
        return with_annotation(live, POOL_HASH, recorded)

    return edit


def class_to_use(live: Manifest | None, name: str, hashed: str) -> tuple[str, str | None]:
    """The name of the class of a deployment, and the hash to record with it.

    A live class keeps its name while the pool's settings stay: the name has the hash of the settings, or Gardener made
    it from settings that are not known here, and the record has ours since. So a takeover replaces no node.
    """
    if live is None:
        return class_name_of(name, hashed), None
    current = class_of(live)
    if current == class_name_of(name, hashed):
        return current, None
    recorded = dig(live, "metadata", "annotations", POOL_HASH)
    if recorded in (None, hashed):
        return current, hashed
    return class_name_of(name, hashed), None
