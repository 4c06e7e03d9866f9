"""Machine classes and machine deployments (docs/reference/gardener.md#machine-classes)."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import MACHINE_CLASS, MACHINE_DEPLOYMENT
from dualstack.gardener.model.names import CLOUD_PROVIDER_SECRET, POOL_LABEL, node_tags, nodes_subnet
from dualstack.gardener.model.names import machine_class as class_name_of
from dualstack.gardener.model.names import machine_deployment as deployment_name_of
from dualstack.gardener.model.pools import Pool, ZonePart
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import checksum, manifest
from dualstack.model.names import POD_RANGE_NAME

MIN_READY_SECONDS = 500


def pool_hash(shoot: ShootView, pool: Pool) -> str:
    """Five hex digits over the settings whose change replaces nodes; networking is not one of them.

    docs/reference/gardener.md#pool-hash
    """
    version = ".".join(shoot.kubernetes_version.split(".")[:2])
    settings = [
        version,
        pool.machine_type,
        [pool.image_name, pool.image_version],
        [pool.volume_type, pool.volume_size],
        pool.manifest.get("cri"),
        pool.manifest.get("dataVolumes"),
        pool.manifest.get("providerConfig"),
    ]
    return checksum(settings)[:5]


def network_interface(shoot: ShootView, status: InfrastructureStatus) -> Manifest:
    """The NIC of a machine; dual-stack as soon as the infrastructure is, whatever the state of the nodes."""
    subnet = status.subnet("nodes") or nodes_subnet(shoot.technical_id)
    if status.networks.ipfamilies in ((), ("IPv4",)):
        return {"subnetwork": subnet, "disableExternalIP": True}
    return {
        "useAliasIPs": True,
        "subnetwork": subnet,
        "disableExternalIP": True,
        "stackType": "IPV4_IPV6" if shoot.dual_stack else "IPV4_ONLY",
        "ipv6accessType": "EXTERNAL",
        "ipCidrRange": f"/{shoot.node_cidr_mask_size}",
        "subnetworkRangeName": POD_RANGE_NAME,
    }


def is_dual_stack(machine_class: Manifest) -> bool:
    """Whether machines of this class get a dual-stack NIC."""
    interfaces = dig(machine_class, "providerSpec", "networkInterfaces")
    return bool(interfaces) and bool(interfaces[0].get("stackType") == "IPV4_IPV6")


def class_name(shoot: ShootView, pool: Pool, part: ZonePart) -> str:
    """`<ns>-<pool>-z<i>-<hash>`."""
    return class_name_of(deployment_name(shoot, pool, part), pool_hash(shoot, pool))


def deployment_name(shoot: ShootView, pool: Pool, part: ZonePart) -> str:
    """`<ns>-<pool>-z<i>`."""
    return deployment_name_of(shoot.technical_id, pool.name, part.index)


def machine_class(shoot: ShootView, status: InfrastructureStatus, pool: Pool, part: ZonePart) -> Manifest:
    """The class of one zone of a pool. The migration changes it in place, under the same name."""
    ns = shoot.technical_id
    secret = {"name": CLOUD_PROVIDER_SECRET, "namespace": ns}
    email = status.service_account_email
    result = manifest(
        MACHINE_CLASS,
        class_name(shoot, pool, part),
        ns,
        provider="GCP",
        providerSpec={
            "canIpForward": True,
            "deletionProtection": False,
            "description": f"Machine of Shoot {shoot.name} created by machine-controller-manager.",
            "disks": [_boot_disk(pool)],
            "labels": {"name": shoot.name, "k8s-cluster-name": ns},
            "machineType": pool.machine_type,
            "metadata": [{"key": "block-project-ssh-keys", "value": "TRUE"}],
            "networkInterfaces": [network_interface(shoot, status)],
            "region": shoot.region,
            "scheduling": {"automaticRestart": True, "onHostMaintenance": "MIGRATE", "preemptible": False},
            "serviceAccounts": [{"email": email, "scopes": [_SCOPE]}] if email else [],
            "tags": list(node_tags(ns)),
            "zone": part.zone,
        },
        secretRef=secret,
        credentialsSecretRef=secret,
        nodeTemplate={"instanceType": pool.machine_type, "region": shoot.region, "zone": part.zone},
    )
    result["metadata"]["labels"] = {"gardener.cloud/purpose": "machineclass"}
    return result


_SCOPE = "https://www.googleapis.com/auth/compute"


def _boot_disk(pool: Pool) -> Manifest:
    digits = "".join(character for character in pool.volume_size if character.isdigit())
    version = pool.image_version.replace(".", "-")
    return {
        "autoDelete": True,
        "boot": True,
        "sizeGb": int(digits or 50),
        "type": pool.volume_type,
        "image": f"projects/sap-se-gcp-gardenlinux/global/images/{pool.image_name}-{version}",
    }


def machine_deployment(
    shoot: ShootView,
    pool: Pool,
    part: ZonePart,
    *,
    replicas: int,
    template_annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """The deployment of one zone of a pool; `replicas` and the template annotations are those of the live object."""
    ns, name = shoot.technical_id, deployment_name(shoot, pool, part)
    annotations = dict(template_annotations or {})
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
                "metadata": {"labels": {"name": name}, **({"annotations": annotations} if annotations else {})},
                "spec": {
                    "class": {"kind": MACHINE_CLASS.kind, "name": class_name(shoot, pool, part)},
                    "nodeTemplate": node,
                },
            },
        },
    )
    result["metadata"]["labels"] = {"name": name, POOL_LABEL: pool.name}
    return result
