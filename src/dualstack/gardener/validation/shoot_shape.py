"""The types of the fields that the product reads from a Shoot. Other fields are kept and not checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dualstack.cni import CNIS
from dualstack.gardener.validation.known_fields import CONFIGURATIONS, KUBELETS, SHOOT
from dualstack.model.field_errors import Fault, invalid
from dualstack.model.kinds import Manifest

_TEXT, _MAPPING, _LIST, _NUMBER, _BOOLEAN, _INT_OR_TEXT, _REAL, _QUANTITY = (
    ("a string", (str,)),
    ("a mapping", (dict,)),
    ("a list", (list,)),
    ("an integer", (int,)),
    ("a boolean", (bool,)),
    ("an integer or a string", (int, str)),
    ("a number", (int, float)),
    ("a quantity such as 200m", (str, int, float)),
)
_Type = tuple[str, tuple[type, ...]]

_NETWORKS = "spec.provider.infrastructureConfig.networks"
_NAT = f"{_NETWORKS}.cloudNAT"
_POOL = "spec.provider.workers[]"
_WORKER = f"{_POOL}.providerConfig"
_NETWORK = "spec.networking.providerConfig"
_STORAGE = "spec.provider.controlPlaneConfig.storage"
_HYPER_DISKS = tuple(f"{_STORAGE}.hyperDisk{kind}" for kind in ("Balanced", "Throughput", "Extreme"))

_MANAGER = "spec.kubernetes.kubeControllerManager"

DURATIONS = (
    *(f"{_POOL}.machineControllerManager.machine{kind}Timeout" for kind in ("Drain", "Health", "Creation", "Preserve")),
    f"{_POOL}.machineControllerManager.inPlaceUpdateTimeout",
    *(f"{_POOL}.clusterAutoscaler.{key}" for key in ("scaleDownUnneededTime", "scaleDownUnreadyTime")),
    f"{_POOL}.clusterAutoscaler.maxNodeProvisionTime",
    f"{_MANAGER}.nodeMonitorGracePeriod",
    *(f"{kubelet}.evictionPressureTransitionPeriod" for kubelet in KUBELETS),
    *(f"{kubelet}.image{bound}GCAge" for kubelet in KUBELETS for bound in ("Minimum", "Maximum")),
)
"""Durations that are not negative."""

QUANTITIES = (
    *(f"{kubelet}.{kind}Reserved.*" for kubelet in KUBELETS for kind in ("kube", "system")),
    f"{_WORKER}.nodeTemplate.capacity.*",
    *(f"{_NETWORK}.autoScaling.resources.{key}.*" for key in ("node", "typha")),
)
"""Quantities that are not negative."""

INTEGERS: dict[str, tuple[int, int | None]] = {
    **{
        f"{kubelet}.{key}": bounds
        for kubelet in KUBELETS
        for key, bounds in {
            "maxPods": (0, None),
            "podPidsLimit": (100, None),
            "evictionMaxPodGracePeriod": (0, None),
            "imageGCHighThresholdPercent": (0, 100),
            "imageGCLowThresholdPercent": (0, 100),
            "registryPullQPS": (0, None),
            "registryBurst": (0, None),
            "containerLogMaxFiles": (2, None),
            "maxParallelImagePulls": (1, None),
        }.items()
    },
    f"{_POOL}.machineControllerManager.maxEvictRetries": (0, None),
    f"{_POOL}.machineControllerManager.autoPreserveFailedMachineMax": (0, None),
}
"""The least and the greatest value of an integer; None for no limit."""

SHARES = tuple(f"{_POOL}.clusterAutoscaler.scaleDown{kind}UtilizationThreshold" for kind in ("", "Gpu"))
"""Numbers from 0 to 1."""

_TYPES: dict[_Type, tuple[str, ...]] = {
    _MAPPING: (
        _STORAGE,
        *_HYPER_DISKS,
        _WORKER,
        *(f"{_WORKER}.{key}" for key in ("gpu", "volume", "volume.encryption", "bootVolume", "serviceAccount")),
        f"{_WORKER}.dataVolumes[]",
        f"{_POOL}.dataVolumes[]",
        f"{_POOL}.cri",
        *(f"{_NETWORK}.{key}" for key in ("ipv4", "ipv6", "autoScaling", "ebpfDataplane", "kubeproxy", "encryption")),
        "metadata",
        "metadata.annotations",
        "spec",
        "spec.networking",
        "spec.networking.providerConfig",
        "spec.networking.providerConfig.overlay",
        "spec.networking.providerConfig.ipam",
        "spec.kubernetes",
        "spec.kubernetes.kubelet",
        "spec.kubernetes.kubeProxy",
        "spec.kubernetes.kubeControllerManager",
        "spec.hibernation",
        "spec.provider",
        "spec.provider.infrastructureConfig",
        "spec.provider.controlPlaneConfig",
        _NETWORKS,
        f"{_NETWORKS}.vpc",
        f"{_NETWORKS}.vpc.cloudRouter",
        f"{_NETWORKS}.flowLogs",
        _NAT,
        f"{_NAT}.endpointIndependentMapping",
        f"{_NAT}.natIPNames[]",
        _POOL,
        f"{_POOL}.labels",
        f"{_POOL}.annotations",
        f"{_POOL}.machine",
        f"{_POOL}.machine.image",
        f"{_POOL}.volume",
        f"{_POOL}.kubernetes",
        f"{_POOL}.kubernetes.kubelet",
        f"{_POOL}.taints[]",
        f"{_POOL}.clusterAutoscaler",
        f"{_POOL}.machineControllerManager",
        f"{_POOL}.sysctls",
        f"{_POOL}.systemComponents",
        *(f"spec.{key}" for key in ("accessRestrictions[]", "addons", "cloudProfile", "dns", "extensions[]")),
        "spec.controlPlane.highAvailability.failureTolerance",
        "spec.hibernation.schedules[]",
        "spec.maintenance.timeWindow",
        "spec.systemComponents.coreDNS.autoscaling",
        "spec.tolerations[]",
        "status",
        "status.networking",
        "status.constraints[]",
    ),
    _LIST: (
        f"{_POOL}.dataVolumes",
        f"{_WORKER}.dataVolumes",
        f"{_WORKER}.serviceAccount.scopes",
        f"{_NETWORK}.devices",
        *(f"spec.{key}" for key in ("accessRestrictions", "extensions", "hibernation.schedules", "tolerations")),
        "spec.networking.ipFamilies",
        "spec.provider.workers",
        f"{_NAT}.natIPNames",
        f"{_POOL}.zones",
        f"{_POOL}.taints",
        f"{_POOL}.cri.containerRuntimes",
        "status.constraints",
        "status.networking.pods",
        "status.networking.nodes",
        "status.networking.services",
        "status.networking.egressCIDRs",
    ),
    _TEXT: (
        "metadata.deletionTimestamp",
        "spec.provider.controlPlaneConfig.zone",
        f"{_STORAGE}.defaultStorageClass",
        *(f"{disk}.provisionedThroughputOnCreate" for disk in _HYPER_DISKS),
        *(f"{_WORKER}.{key}" for key in ("gpu.acceleratorType", "minCpuPlatform", "volume.interface")),
        *(f"{_WORKER}.volume.encryption.{key}" for key in ("kmsKeyName", "kmsKeyServiceAccount")),
        *(f"{_WORKER}.{key}" for key in ("serviceAccount.email", "serviceAccount.scopes[]")),
        *(f"{_WORKER}.dataVolumes[].{key}" for key in ("name", "sourceImage")),
        *(f"{_POOL}.dataVolumes[].{key}" for key in ("name", "type", "size")),
        *(f"{_POOL}.taints[].{key}" for key in ("key", "value", "effect")),
        *(f"{_POOL}.{key}" for key in ("updateStrategy", "cri.name", "machine.architecture", "kubeletDataVolumeName")),
        *(f"{_NETWORK}.{key}" for key in ("devices[]", "directRoutingDevice", "encryption.mode")),
        *(
            f"{_NETWORK}.{key}"
            for key in ("ipAutodetectionMethod", "ipv4.autoDetectionMethod", "ipv6.autoDetectionMethod")
        ),
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "metadata.annotations.*",
        *(f"spec.{key}" for key in ("accessRestrictions[].name", "cloudProfile.name", "dns.domain")),
        *(f"spec.{key}" for key in ("cloudProfileName", "credentialsBindingName", "secretBindingName", "purpose")),
        *(f"spec.{key}" for key in ("extensions[].type", "tolerations[].key", "tolerations[].value")),
        *(f"spec.hibernation.schedules[].{key}" for key in ("start", "end", "location")),
        *(f"spec.maintenance.timeWindow.{key}" for key in ("begin", "end")),
        "spec.controlPlane.highAvailability.failureTolerance.type",
        "spec.systemComponents.coreDNS.autoscaling.mode",
        f"{_POOL}.kubernetes.version",
        *DURATIONS,
        f"{_POOL}.cri.containerRuntimes[].type",
        f"{_POOL}.caBundle",
        *(
            f"{kubelet}.{key}"
            for kubelet in KUBELETS
            for key in ("cpuManagerPolicy", "evictionHard.*", "evictionSoft.*")
        ),
        f"{_NETWORK}.vethMTU",
        f"{_NETWORK}.kubeproxy.k8sServiceHost",
        f"{_POOL}.sysctls.*",
        "spec.region",
        "spec.networking.type",
        "spec.networking.pods",
        "spec.networking.nodes",
        "spec.networking.services",
        "spec.networking.ipFamilies[]",
        "spec.networking.providerConfig.ipam.type",
        "spec.kubernetes.version",
        "spec.kubernetes.kubeProxy.mode",
        "spec.provider.type",
        f"{_NETWORKS}.vpc.name",
        f"{_NETWORKS}.vpc.cloudRouter.name",
        f"{_NETWORKS}.internal",
        f"{_NETWORKS}.worker",
        f"{_NETWORKS}.workers",
        f"{_NETWORKS}.flowLogs.aggregationInterval",
        f"{_NETWORKS}.flowLogs.metadata",
        f"{_NAT}.natIPNames[].name",
        f"{_POOL}.name",
        f"{_POOL}.zones[]",
        f"{_POOL}.labels.*",
        f"{_POOL}.annotations.*",
        f"{_POOL}.machine.type",
        f"{_POOL}.machine.image.name",
        f"{_POOL}.machine.image.version",
        f"{_POOL}.volume.type",
        f"{_POOL}.volume.size",
        "status.technicalID",
        "status.networking.pods[]",
        "status.networking.nodes[]",
        "status.networking.services[]",
        "status.networking.egressCIDRs[]",
        "status.constraints[].type",
    ),
    _NUMBER: (
        *(f"{disk}.provisionedIopsOnCreate" for disk in _HYPER_DISKS),
        *INTEGERS,
        f"{_WORKER}.gpu.count",
        f"{_POOL}.priority",
        f"{_NETWORK}.mtu",
        f"{_NETWORK}.kubeproxy.k8sServicePort",
        "metadata.generation",
        "spec.kubernetes.kubeControllerManager.nodeCIDRMaskSize",
        "spec.kubernetes.kubeControllerManager.nodeCIDRMaskSizeIPv6",
        f"{_NETWORKS}.mtu",
        f"{_NAT}.minPortsPerVM",
        f"{_NAT}.maxPortsPerVM",
        f"{_NAT}.icmpIdleTimeoutSec",
        f"{_NAT}.tcpEstablishedIdleTimeoutSec",
        f"{_NAT}.tcpTimeWaitTimeoutSec",
        f"{_NAT}.tcpTransitoryIdleTimeoutSec",
        f"{_NAT}.udpIdleTimeoutSec",
        f"{_POOL}.minimum",
        f"{_POOL}.maximum",
    ),
    _REAL: (
        f"{_NETWORKS}.flowLogs.flowSampling",
        *SHARES,
    ),
    _BOOLEAN: (
        *(f"{disk}.enabled" for disk in _HYPER_DISKS),
        *(
            f"{_NETWORK}.{key}.enabled"
            for key in (
                *("ebpfDataplane", "encryption", "snatToUpstreamDNS", "typha", "vxlan", "birdExporter", "multus"),
                *("hubble", "ipv4", "ipv6", "bpfSocketLBHostnsOnly", "egressGateway", "l2Announcements"),
                *("snatOutOfCluster", "bgpControlPlane"),
            )
        ),
        *(f"{_NETWORK}.{key}" for key in ("encryption.strictMode", "wireguardEncryption", "policyAuditMode")),
        *(f"{_NETWORK}.{key}" for key in ("overlay.createPodRoutes", "ipv6.sourceNATEnabled", "cni.exclusive")),
        "status.hibernated",
        "spec.hibernation.enabled",
        "spec.kubernetes.kubeProxy.enabled",
        f"{_NAT}.enableDynamicPortAllocation",
        f"{_NAT}.endpointIndependentMapping.enabled",
    ),
    _QUANTITY: (*QUANTITIES, f"{_WORKER}.nodeTemplate.virtualCapacity.*"),
    _INT_OR_TEXT: (f"{_POOL}.maxSurge", f"{_POOL}.maxUnavailable"),
}

_NOT_NULL = ("metadata.name", f"{_POOL}.name", "spec.networking.ipFamilies[]")
"""Fields that may be absent as far as this check is concerned, but not null."""


_STRUCTURES = sorted(
    {*SHOOT, *CONFIGURATIONS, *(path for cni in CNIS for path in cni.fields)} - {"", *_TYPES[_MAPPING]}
)
"""Further mappings: everything that has fields of its own."""


def shape_faults(shoot: Manifest) -> tuple[Fault, ...]:
    """An error for every field that does not have the API's type; null counts as absent.

    `ShootView.of` and the validation can read a Shoot without such errors.
    """
    faults: list[Fault] = []
    for (name, types), paths in (*_TYPES.items(), (_MAPPING, _STRUCTURES)):
        for path in paths:
            for field, value in values(shoot, path.split(".")):
                if value is None and _is_optional(path):
                    continue
                if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                    faults.append(invalid(field, value, f"must be {name}"))
    return tuple(sorted(faults, key=lambda fault: fault.field))


def _is_optional(path: str) -> bool:
    return path not in _NOT_NULL and not path.endswith(("[]", "*"))


def values(value: Any, path: list[str], field: str = "") -> Iterator[tuple[str, Any]]:
    """Every value at `path`, with its field path; nothing where a part of the path is missing."""
    if not path:
        yield field, value
        return
    if not isinstance(value, dict):
        return
    key, rest = path[0].removesuffix("[]"), path[1:]
    keys = list(value) if key == "*" else [key] if key in value else []
    for each in keys:
        below = f"{field}.{each}" if field else each
        if not path[0].endswith("[]"):
            yield from values(value[each], rest, below)
        elif isinstance(value[each], list):
            for index, entry in enumerate(value[each]):
                yield from values(entry, rest, f"{below}[{index}]")
