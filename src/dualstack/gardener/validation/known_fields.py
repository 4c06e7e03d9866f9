"""The fields of a Shoot and of its provider configurations, to report misspelt ones.

The garden refuses unknown fields of the configurations. Those of the Shoot itself are refused by kubectl, and dropped
by the API (docs/reference/gardener.md#strict-decoding).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from dualstack.model.field_errors import Fault, forbidden
from dualstack.model.kinds import Manifest

_TYPE = "apiVersion kind"
_PROVIDER = "spec.provider"
_INFRASTRUCTURE, _CONTROL_PLANE = f"{_PROVIDER}.infrastructureConfig", f"{_PROVIDER}.controlPlaneConfig"
_POOL = f"{_PROVIDER}.workers[]"
_WORKER = f"{_POOL}.providerConfig"
_NAT, _STORAGE = f"{_INFRASTRUCTURE}.networks.cloudNAT", f"{_CONTROL_PLANE}.storage"
KUBELETS = ("spec.kubernetes.kubelet", f"{_POOL}.kubernetes.kubelet")
"""The settings of the kubelets of all pools, and of a pool."""
_KUBELET = (
    "containerLogMaxFiles containerLogMaxSize cpuCFSQuota cpuManagerPolicy evictionHard evictionMaxPodGracePeriod "
    "evictionMinimumReclaim evictionPressureTransitionPeriod evictionSoft evictionSoftGracePeriod failSwapOn "
    "featureGates imageGCHighThresholdPercent imageGCLowThresholdPercent imageMaximumGCAge imageMinimumGCAge "
    "imagePullCredentialsVerificationPolicy kubeReserved maxParallelImagePulls maxPods memorySwap podPidsLimit "
    "preloadedImagesVerificationAllowlist protectKernelDefaults registryBurst registryPullQPS seccompDefault "
    "serializeImagePulls singleProcessOOMKill streamingConnectionIdleTimeout systemReserved"
)
_EVICTION = ("evictionHard", "evictionSoft", "evictionSoftGracePeriod", "evictionMinimumReclaim")
SIGNALS = "memoryAvailable imageFSAvailable imageFSInodesFree nodeFSAvailable nodeFSInodesFree"
_RESERVED = "cpu memory ephemeralStorage pid"
_HYPER_DISK = "enabled provisionedIopsOnCreate provisionedThroughputOnCreate"

SHOOT = {
    "": "apiVersion kind metadata spec status",
    "spec": "addons cloudProfileName dns extensions hibernation kubernetes networking maintenance monitoring provider "
    "purpose region secretBindingName seedName seedSelector resources tolerations exposureClassName systemComponents "
    "controlPlane schedulerName cloudProfile credentialsBindingName accessRestrictions",
    "spec.controlPlane": "highAvailability zones",
    "spec.controlPlane.highAvailability": "failureTolerance",
    "spec.hibernation": "enabled schedules",
    "spec.hibernation.schedules[]": "start end location",
    "spec.kubernetes": "allowPrivilegedContainers clusterAutoscaler kubeAPIServer kubeControllerManager kubeScheduler "
    "kubeProxy kubelet version verticalPodAutoscaler enableStaticTokenKubeconfig etcd",
    "spec.kubernetes.kubeControllerManager": "featureGates horizontalPodAutoscaler nodeCIDRMaskSize podEvictionTimeout "
    "nodeMonitorGracePeriod nodeCIDRMaskSizeIPv6",
    "spec.kubernetes.kubeControllerManager.horizontalPodAutoscaler": "cpuInitializationPeriod downscaleStabilization "
    "initialReadinessDelay syncPeriod tolerance",
    "spec.kubernetes.kubeProxy": "featureGates mode enabled",
    **dict.fromkeys(KUBELETS, _KUBELET),
    **{f"{kubelet}.{key}": SIGNALS for kubelet in KUBELETS for key in _EVICTION},
    **{f"{kubelet}.{key}": _RESERVED for kubelet in KUBELETS for key in ("kubeReserved", "systemReserved")},
    **{f"{kubelet}.memorySwap": "swapBehavior" for kubelet in KUBELETS},
    "spec.networking": "type providerConfig pods nodes services ipFamilies",
    "spec.maintenance": "autoUpdate timeWindow confineSpecUpdateRollout autoRotation",
    "spec.maintenance.autoUpdate": "kubernetesVersion machineImageVersion",
    "spec.maintenance.timeWindow": "begin end",
    "spec.systemComponents": "coreDNS nodeLocalDNS",
    "spec.systemComponents.coreDNS": "autoscaling rewriting",
    "spec.systemComponents.coreDNS.autoscaling": "mode",
    "spec.systemComponents.nodeLocalDNS": "enabled forceTCPToClusterDNS forceTCPToUpstreamDNS "
    "disableForwardToUpstreamDNS",
    _PROVIDER: "type controlPlaneConfig infrastructureConfig workers workersSettings",
    _POOL: "annotations caBundle cri kubernetes labels name machine maximum minimum maxSurge maxUnavailable "
    "providerConfig taints volume dataVolumes kubeletDataVolumeName zones systemComponents machineControllerManager "
    "sysctls clusterAutoscaler priority updateStrategy controlPlane",
    f"{_POOL}.machine": "type image architecture",
    f"{_POOL}.machine.image": "name providerConfig version",
    f"{_POOL}.volume": "name type size encrypted",
    f"{_POOL}.dataVolumes[]": "name type size encrypted",
    f"{_POOL}.kubernetes": "kubelet version",
    f"{_POOL}.cri": "name containerRuntimes",
    f"{_POOL}.cri.containerRuntimes[]": "type providerConfig",
    f"{_POOL}.systemComponents": "allow",
    f"{_POOL}.machineControllerManager": "machineDrainTimeout machineHealthTimeout machineCreationTimeout "
    "maxEvictRetries nodeConditions inPlaceUpdateTimeout disableHealthTimeout machinePreserveTimeout "
    "autoPreserveFailedMachineMax",
    f"{_POOL}.clusterAutoscaler": "scaleDownUtilizationThreshold scaleDownGpuUtilizationThreshold "
    "scaleDownUnneededTime scaleDownUnreadyTime maxNodeProvisionTime",
}
"""The fields of the parts of a Shoot that the product reads or keeps, by path."""

CONFIGURATIONS = {
    _INFRASTRUCTURE: f"{_TYPE} networks",
    f"{_INFRASTRUCTURE}.networks": "vpc cloudNAT internal worker workers flowLogs mtu",
    f"{_INFRASTRUCTURE}.networks.vpc": "name cloudRouter",
    f"{_INFRASTRUCTURE}.networks.vpc.cloudRouter": "name",
    f"{_INFRASTRUCTURE}.networks.flowLogs": "aggregationInterval flowSampling metadata",
    _NAT: "endpointIndependentMapping minPortsPerVM maxPortsPerVM enableDynamicPortAllocation natIPNames "
    "icmpIdleTimeoutSec tcpEstablishedIdleTimeoutSec tcpTimeWaitTimeoutSec tcpTransitoryIdleTimeoutSec "
    "udpIdleTimeoutSec",
    f"{_NAT}.endpointIndependentMapping": "enabled",
    f"{_NAT}.natIPNames[]": "name",
    _CONTROL_PLANE: f"{_TYPE} zone cloudControllerManager storage",
    f"{_CONTROL_PLANE}.cloudControllerManager": "featureGates",
    _STORAGE: "managedDefaultStorageClass defaultStorageClass managedDefaultVolumeSnapshotClass csiFilestore "
    "hyperDiskBalanced hyperDiskThroughput hyperDiskExtreme",
    f"{_STORAGE}.csiFilestore": "enabled",
    f"{_STORAGE}.hyperDiskBalanced": _HYPER_DISK,
    f"{_STORAGE}.hyperDiskThroughput": _HYPER_DISK,
    f"{_STORAGE}.hyperDiskExtreme": _HYPER_DISK,
    _WORKER: f"{_TYPE} gpu volume bootVolume dataVolumes minCpuPlatform serviceAccount nodeTemplate",
    f"{_WORKER}.gpu": "acceleratorType count",
    f"{_WORKER}.volume": "interface encryption",
    f"{_WORKER}.volume.encryption": "kmsKeyName kmsKeyServiceAccount",
    f"{_WORKER}.bootVolume": "provisionedIops provisionedThroughput storagePool",
    f"{_WORKER}.dataVolumes[]": "name sourceImage provisionedIops provisionedThroughput storagePool",
    f"{_WORKER}.serviceAccount": "email scopes",
    f"{_WORKER}.nodeTemplate": "capacity virtualCapacity",
}
"""The same for the configurations of provider gcp; those of the network plugins are in `dualstack.cni`."""


def unknown_fields(shoot: Manifest, known: Mapping[str, str]) -> Iterator[Fault]:
    """An error for each field that `known` does not list, with the nearest one that it lists."""
    for path, fields in known.items():
        names = fields.split()
        for where, value in _at(shoot, path.split(".") if path else []):
            for name in sorted(map(str, value.keys() - set(names))):
                nearest = get_close_matches(name, names, 1)
                hint = f"unknown field; did you mean {nearest[0]}?" if nearest else "unknown field"
                yield forbidden(f"{where}.{name}" if where else name, hint)


def _at(value: Any, path: list[str], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping at `path`, with its field path."""
    if not isinstance(value, dict):
        return
    if not path:
        yield where, value
        return
    key = path[0].removesuffix("[]")
    below, found = f"{where}.{key}" if where else key, value.get(key)
    if not path[0].endswith("[]"):
        yield from _at(found, path[1:], below)
    elif isinstance(found, list):
        for index, entry in enumerate(found):
            yield from _at(entry, path[1:], f"{below}[{index}]")
