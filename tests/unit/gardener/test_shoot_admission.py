"""Shoots that the garden refuses or takes, by rule of core, provider-gcp, calico and cilium, and what it fills in."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from tests.unit.model import golden

from dualstack.cni import network_types
from dualstack.gardener.model.defaults import with_defaults, with_overlay
from dualstack.gardener.validation.known_fields import CONFIGURATIONS, SHOOT
from dualstack.gardener.validation.shoot import validate_shoot
from dualstack.model.kinds import Manifest

WORKER = {"apiVersion": "gcp.provider.extensions.gardener.cloud/v1alpha1", "kind": "WorkerConfig"}
ACCOUNT = "a@p.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
Edit = Callable[[dict[str, Any]], Any]


def edited(*edits: Edit) -> Manifest:
    shoot = deepcopy(golden.shoot_file())
    for edit in edits:
        edit(shoot)
    return shoot


def at(path: str) -> Callable[[Manifest], Any]:
    def find(shoot: Manifest) -> Any:
        found: Any = shoot
        for key in path.split("."):
            found = found[int(key)] if key.isdigit() else found.setdefault(key, {})
        return found

    return find


def put(path: str, **fields: Any) -> Edit:
    return lambda shoot: at(path)(shoot).update(deepcopy(fields))


def drop(path: str, key: str) -> Edit:
    return lambda shoot: at(path)(shoot).pop(key)


POOL, PLANE, NETWORK = "spec.provider.workers.0", "spec.provider.controlPlaneConfig", "spec.networking.providerConfig"
KUBELETS = ("spec.kubernetes.kubelet", f"{POOL}.kubernetes.kubelet")
NETWORKS_OF = "spec.provider.infrastructureConfig.networks"


def worker(**config: Any) -> Edit:
    return put(POOL, providerConfig=WORKER | config)


def cilium(**config: Any) -> Edit:
    kind = {"apiVersion": "cilium.networking.extensions.gardener.cloud/v1alpha1", "kind": "NetworkConfig"}
    return put("spec.networking", type="cilium", providerConfig=kind | {"overlay": {"enabled": False}} | config)


def scaled(**resources: Any) -> Edit:
    return put(NETWORK, autoScaling={"mode": "static", "resources": {"node": resources}})


def disk(**fields: Any) -> Edit:
    return put(POOL, dataVolumes=[{"name": "data", "type": "pd-ssd", "size": "10Gi"} | fields])


def hyper_disk(name: str, **settings: Any) -> Edit:
    return put(PLANE, storage={name: {"enabled": True} | settings})


REFUSED: list[tuple[tuple[Edit, ...], str]] = [
    ((drop("spec.provider", "controlPlaneConfig"),), "controlPlaneConfig: Required value"),
    ((drop(PLANE, "zone"),), "controlPlaneConfig.zone: Required value"),
    ((put(PLANE, zone="europe-west1-d"),), "controlPlaneConfig.zone: Invalid value"),
    ((put(PLANE, kind="WorkerConfig"),), "controlPlaneConfig.kind: Unsupported value"),
    ((put(PLANE, storage={"defaultStorageClass": "fast"}),), "defaultStorageClass: Unsupported value"),
    ((put(PLANE, storage={"defaultStorageClass": "gce-sc-hd-extreme"}),), "defaultStorageClass: Invalid value"),
    ((hyper_disk("hyperDiskBalanced"),), "hyperDiskBalanced.provisionedIopsOnCreate: Required value"),
    ((hyper_disk("hyperDiskBalanced", provisionedIopsOnCreate=1),), "provisionedThroughputOnCreate: Required value"),
    (
        (hyper_disk("hyperDiskThroughput", provisionedIopsOnCreate=1, provisionedThroughputOnCreate="1Mi"),),
        "hyperDiskThroughput.provisionedIopsOnCreate: Forbidden",
    ),
    ((hyper_disk("hyperDiskExtreme", provisionedIopsOnCreate=0),), "provisionedIopsOnCreate: Invalid value: 0"),
    (
        (hyper_disk("hyperDiskThroughput", provisionedThroughputOnCreate="fast"),),
        "provisionedThroughputOnCreate: Invalid value",
    ),
    ((drop(POOL, "volume"),), "volume: Required value"),
    ((drop(f"{POOL}.volume", "type"),), "volume.type: Required value"),
    ((put(f"{POOL}.volume", type="SCRATCH"),), "volume.type: Invalid value"),
    ((drop(f"{POOL}.volume", "size"),), "volume.size: Required value"),
    ((put(f"{POOL}.volume", size="50GB"),), "volume.size: Invalid value"),
    ((disk(size="1Ti"),), "dataVolumes[0].size: Invalid value"),
    ((disk(name="Data"),), "dataVolumes[0].name: Invalid value"),
    ((disk(type=None),), "dataVolumes[0].type: Required value"),
    ((disk(), put(POOL, kubeletDataVolumeName="other")), "kubeletDataVolumeName: Invalid value"),
    ((put(POOL, updateStrategy="Recreate"),), "updateStrategy: Unsupported value"),
    ((put(POOL, updateStrategy="ManualInPlaceUpdate"),), "maxSurge: Invalid value: 1: should not be set"),
    ((put(POOL, maxUnavailable="101%"),), "maxUnavailable: Invalid value"),
    ((put(POOL, priority=-2),), "priority: Invalid value"),
    ((put(POOL, cri={"name": "docker"}),), "cri.name: Unsupported value"),
    ((put(f"{POOL}.machine", architecture="s390x"),), "machine.architecture: Unsupported value"),
    ((put(POOL, taints=[{"key": "a", "effect": "Never"}]),), "taints[0].effect: Unsupported value"),
    ((put(POOL, taints=[{"key": "a"}]),), "taints[0].effect: Required value"),
    ((put(POOL, taints=[{"key": "a", "effect": "NoExecute"}] * 2),), "taints[1]: Duplicate value"),
    ((put(NETWORKS_OF, cloudNAT={"natIPNames": []}),), "natIPNames: Invalid value: []"),
    ((put(NETWORKS_OF, cloudNAT={"natIPNames": [{"name": "-bad-"}]}),), "natIPNames[0].name: Invalid value"),
    ((put(NETWORKS_OF, cloudNAT={"natIPNames": [{"name": "Ab"}]}),), "natIPNames[0].name: Invalid value"),
    ((put(NETWORKS_OF, dualStack={"enabled": True}),), "networks.dualStack: Forbidden: unknown field"),
    ((put(NETWORKS_OF, workerz="10.0.0.0/8"),), "networks.workerz: Forbidden: unknown field; did you mean worker"),
    ((worker(kind="InfrastructureConfig"),), "providerConfig.kind: Unsupported value"),
    ((worker(gpus={}),), "workers[0].providerConfig.gpus: Forbidden: unknown field; did you mean gpu?"),
    ((worker(gpu={"acceleratorType": "nvidia-tesla-t4", "count": 0}),), "gpu.count: Forbidden"),
    ((worker(gpu={"acceleratorType": "NVIDIA", "count": 1}),), "gpu.acceleratorType: Invalid value"),
    ((worker(serviceAccount={"scopes": [SCOPE]}),), "serviceAccount.email: Invalid value"),
    ((worker(serviceAccount={"email": "a@example.org", "scopes": [SCOPE]}),), "serviceAccount.email: Invalid value"),
    ((worker(serviceAccount={"email": ACCOUNT, "scopes": []}),), "serviceAccount.scopes: Required value"),
    ((worker(serviceAccount={"email": ACCOUNT, "scopes": ["a"]}),), "scopes[0]: Invalid value"),
    ((worker(serviceAccount={"email": ACCOUNT, "scopes": [SCOPE] * 2}),), "scopes[1]: Duplicate value"),
    ((worker(minCpuPlatform="Intel_Haswell"),), "minCpuPlatform: Invalid value"),
    ((worker(minCpuPlatform="a" * 251),), "minCpuPlatform: Invalid value"),
    ((worker(volume={"interface": "SATA"}),), "volume.interface: Unsupported value"),
    ((worker(volume={"encryption": {}}),), "encryption.kmsKeyName: Required value"),
    ((worker(volume={"encryption": {"kmsKeyName": "a b"}}),), "encryption.kmsKeyName: Invalid value"),
    ((disk(type="SCRATCH"), worker()), "volume.interface: Required value"),
    ((disk(), worker(volume={"interface": "NVME"})), "volume.interface: Invalid value"),
    ((worker(dataVolumes=[{"name": "data"}]),), "could not find dataVolume with name data"),
    ((disk(), worker(dataVolumes=[{"name": "data", "provisionedIops": 1}])), "provisionedIops: Forbidden"),
    ((disk(), worker(dataVolumes=[{"name": "data", "sourceImage": "A"}])), "sourceImage: Invalid value"),
    ((worker(bootVolume={"provisionedThroughput": 1}),), "bootVolume.provisionedThroughput: Forbidden"),
    ((put(NETWORK, ipam={"type": "whereabouts"}),), "ipam.type: Unsupported value"),
    ((put(NETWORK, ipam={"cidr": "pods"}),), "ipam.cidr: Invalid value"),
    ((put(NETWORK, backend="foo"),), "backend: Unsupported value"),
    ((put(NETWORK, ipv4={"pool": "gre"}),), "ipv4.pool: Unsupported value"),
    ((put(NETWORK, ipv4={"pool": "vxlan", "mode": "CrossSubnet"}),), "ipv4.mode: Unsupported value"),
    ((put(NETWORK, vethMTU="big"),), "vethMTU: Invalid value"),
    ((put(NETWORK, backends="none"),), "providerConfig.backends: Forbidden: unknown field; did you mean backend?"),
    ((cilium(tunnel="gre"),), "tunnel: Unsupported value"),
    ((cilium(mtu=-1),), "mtu: Invalid value"),
    ((cilium(devices=["eth0", "a b"]),), "devices[1]: Invalid value"),
    ((cilium(directRoutingDevice=""),), "directRoutingDevice: Invalid value"),
    ((cilium(kubeproxy={"k8sServicePort": 0}),), "k8sServicePort: Invalid value"),
    ((cilium(encryption={"enabled": True, "strictMode": True}),), "encryption.mode: Invalid value"),
    ((cilium(backend="none"),), "providerConfig.backend: Forbidden: unknown field"),
    ((put("spec.kubernetes", kubeProxy={"enabled": False}),), "kubeProxy.enabled: Forbidden"),
    ((put("spec.kubernetes", kubeProxy={"mode": "foo"}),), "kubeProxy.mode: Unsupported value"),
    ((put("spec.kubernetes", version="1.12.0"),), "version: Unsupported value"),
    ((put("spec.kubernetes", version="latest"),), "version: Invalid value"),
    ((put("metadata", deletionTimestamp="2026-11-28T00:00:00Z"),), "metadata.deletionTimestamp: Forbidden"),
    ((put("status", hibernated=True),), "status.hibernated: Invalid value"),
    ((put("spec", networkings={}),), "spec.networkings: Forbidden: unknown field; did you mean networking?"),
    ((put(POOL, zone="europe-west1-b"),), "workers[0].zone: Forbidden: unknown field; did you mean zones?"),
    ((put(NETWORK, ebpfDataplane={"enabled": True}),), "ebpfDataplane.enabled: Invalid value: true: the eBPF data"),
    ((put(NETWORK, overlay={}),), "overlay.enabled: Invalid value: null: overlay must be set to false"),
    ((put(POOL, taints=[{"key": "a b", "effect": "NoExecute"}]),), "taints[0].key: Invalid value"),
    ((put(POOL, taints=[{"key": "a", "value": "-", "effect": "NoExecute"}]),), "taints[0].value: Invalid value"),
    ((put(POOL, labels={"-a": "x"}),), 'workers[0].labels: Invalid value: "-a"'),
    ((put(POOL, labels={f"{'a' * 254}/b": "x"}),), "workers[0].labels: Invalid value"),
    ((put(POOL, labels={"a": "x" * 64}),), "workers[0].labels.a: Invalid value"),
    ((put(POOL, annotations={"a/b/c": "x"}),), 'workers[0].annotations: Invalid value: "a/b/c"'),
    ((put(POOL, sysctls={"vm.max_map_count": 1}),), "sysctls.vm.max_map_count: Invalid value: 1"),
    ((put(POOL, machineControllerManager={"machineDrainTimeout": "10"}),), "machineDrainTimeout: Invalid value"),
    ((put(POOL, clusterAutoscaler={"scaleDownUtilizationThreshold": "0.5"}),), "UtilizationThreshold: Invalid value"),
    ((put(POOL, systemComponents={"allow": False}),), "spec.provider.workers: Forbidden: at least one pool"),
    ((put(POOL, kubernetes={"version": "1.33.5"}),), "workers[0].kubernetes.version: Forbidden"),
    ((put(POOL, kubernetes={"version": "1.29.9"}),), "workers[0].kubernetes.version: Forbidden"),
    ((put(POOL, kubernetes={"version": "latest"}),), "workers[0].kubernetes.version: Invalid value"),
    ((put("spec", purpose="demo"),), "spec.purpose: Invalid value"),
    ((put("spec", dns={"domain": "A_B"}),), "spec.dns.domain: Invalid value"),
    ((put("spec", addons="all"),), "spec.addons: Invalid value"),
    ((put("spec", extensions=[{"type": "a"}, {"type": "a"}]),), "extensions[1].type: Duplicate value"),
    ((put("spec", extensions=[{"type": ""}]),), "extensions[0].type: Required value"),
    ((put("spec", accessRestrictions=[{}]),), "accessRestrictions[0].name: Required value"),
    ((put("spec", tolerations=[{"key": "a", "value": "b"}] * 2),), "tolerations[1].key: Duplicate value"),
    ((put("spec", hibernation={"schedules": [{}]}),), "schedules[0].start: Required value"),
    ((put("spec", hibernation={"schedules": [{"start": "0 24 * * *"}]}),), "schedules[0].start: Invalid value"),
    ((put("spec", hibernation={"schedules": [{"end": "0 6 * *"}]}),), "schedules[0].end: Invalid value"),
    (
        (put("spec.maintenance", timeWindow={"begin": "220000+0100", "end": "221000+0100"}),),
        "timeWindow: Invalid value",
    ),
    ((put("spec.maintenance", timeWindow={"begin": "25", "end": "26"}),), "timeWindow: Invalid value"),
    ((put("spec", controlPlane={"highAvailability": {"failureTolerance": {"type": "pod"}}}),), "type: Invalid value"),
    ((put("spec", controlPlane={"replicas": 3}),), "spec.controlPlane.replicas: Forbidden"),
    ((put("spec", systemComponents={"coreDNS": {"autoscaling": {"mode": "auto"}}}),), "mode: Invalid value"),
    ((put("spec", secretBindingName="x"),), "spec.secretBindingName: Forbidden"),
    ((drop("spec", "credentialsBindingName"),), "spec.credentialsBindingName: Required value"),
    ((drop("spec", "cloudProfile"),), "spec.cloudProfile.name: Required value"),
    ((put(NETWORKS_OF, internal="2001:db8::/64"),), "networks.internal: Invalid value"),
    ((put(NETWORK, ipAutodetectionMethod="interface="),), "ipAutodetectionMethod: Invalid value"),
    ((put(NETWORK, ipAutodetectionMethod="cidr=10.0.0.0"),), "ipAutodetectionMethod: Invalid value"),
    ((put(NETWORK, ipAutodetectionMethod="can-reach=a b"),), "ipAutodetectionMethod: Invalid value"),
    ((put(NETWORK, backend="vxlan"),), 'backend: Invalid value: "vxlan": the VXLAN back end has not been tested'),
    ((put(NETWORK, vxlan={"enabled": True}),), "vxlan.enabled: Invalid value: true: VXLAN, which selects"),
    ((put(NETWORK, vethMTU=1400),), "vethMTU: Invalid value: 1400: must be a string"),
    ((put(NETWORK, wireguardEncryption="yes"),), "wireguardEncryption: Invalid value"),
    ((put(NETWORK, apiVersion="cilium.networking.extensions.gardener.cloud/v1alpha1"),), "apiVersion: Unsupported"),
    ((scaled(cpu="0"),), "autoScaling.resources.node.cpu: Invalid value"),
    ((scaled(memory="much"),), "autoScaling.resources.node.memory: Invalid value"),
    ((scaled(disk="1Gi"),), "autoScaling.resources.node.disk: Invalid value"),
    ((cilium(hubble={"on": True}),), "hubble.on: Forbidden: unknown field"),
    ((cilium(kubeproxy={"k8sServiceHost": "a_b"}),), "k8sServiceHost: Invalid value"),
    (
        (cilium(apiVersion="calico.networking.extensions.gardener.cloud/v1alpha1"),),
        "apiVersion: Unsupported value",
    ),
    *(
        ((put(path, **{key: value}),), f"{path.replace('workers.0', 'workers[0]')}.{key}: Invalid value")
        for path in KUBELETS
        for key, value in {
            "maxPods": -1,
            "podPidsLimit": 99,
            "imageGCHighThresholdPercent": 101,
            "containerLogMaxFiles": 1,
            "cpuManagerPolicy": "best",
            "imageMinimumGCAge": "-1m",
        }.items()
    ),
    ((put(KUBELETS[0], maxPod=110),), "kubelet.maxPod: Forbidden: unknown field; did you mean maxPods?"),
    ((put(KUBELETS[1], kubeReserved={"cpu": "-1"}),), "kubeReserved.cpu: Invalid value"),
    ((put(KUBELETS[1], evictionHard={"memoryAvailable": "101%"}),), "evictionHard.memoryAvailable: Invalid value"),
    ((put("spec.kubernetes.kubeControllerManager", podEvictionTimeout="5m"),), "podEvictionTimeout: Forbidden"),
    ((put("spec.kubernetes.kubeControllerManager", nodeMonitorGracePeriod="40"),), "nodeMonitorGracePeriod: Invalid"),
    (
        (put("spec.kubernetes", kubeProxy={"mode": "NFTables", "featureGates": {"NFTablesProxyMode": False}}),),
        "kubeProxy.mode: Invalid value",
    ),
    ((put(POOL, cri={}),), "cri.name: Unsupported value"),
    (
        (put(POOL, cri={"name": "containerd", "containerRuntimes": [{"type": "gvisor"}] * 2}),),
        "workers[0].cri.containerRuntimes[1].type: Duplicate value",
    ),
    ((put(POOL, maximum=1, minimum=1, zones=["europe-west1-b", "europe-west1-c"]),), "workers[0].maximum: Forbidden"),
    ((put(POOL, machineControllerManager={"maxEvictRetries": -1}),), "maxEvictRetries: Invalid value"),
    ((put(POOL, machineControllerManager={"inPlaceUpdateTimeout": "x"}),), "inPlaceUpdateTimeout: Invalid value"),
    ((put(POOL, clusterAutoscaler={"scaleDownUtilizationThreshold": 1.5}),), "UtilizationThreshold: Invalid value"),
    ((put(POOL, clusterAutoscaler={"maxNodeProvisionTime": "15"}),), "maxNodeProvisionTime: Invalid value"),
    ((put(POOL, controlPlane={}),), "workers[0].controlPlane: Forbidden"),
    ((put(POOL, sysctls={"vm..max": "1"}),), "workers[0].sysctls: Invalid value"),
    ((worker(nodeTemplate={"capacity": {"cpu": "-2"}}),), "nodeTemplate.capacity.cpu: Invalid value"),
    ((worker(nodeTemplate={"virtualCapacity": {"a/b": "0.5"}}),), "nodeTemplate.virtualCapacity.a/b: Invalid value"),
    ((put("spec", purpose="infrastructure"),), "spec.purpose: Unsupported value"),
    (
        (put("spec", purpose="production", addons={"nginxIngress": {"enabled": True}}),),
        "spec.addons: Forbidden: addons can only be enabled",
    ),
    ((put("spec.kubernetes", version="1.35.0"), put("spec", addons={"nginxIngress": {}})), "spec.addons: Forbidden"),
    (
        (
            drop("spec", "credentialsBindingName"),
            put("spec", secretBindingName="a"),
            put("spec.kubernetes", version="1.34.0"),
        ),
        "spec.secretBindingName: Forbidden: this field is no longer supported from Kubernetes 1.34 on",
    ),
]

TAKEN: list[tuple[Edit, ...]] = [
    (put(NETWORKS_OF, cloudNAT={"enableDynamicPortAllocation": True, "minPortsPerVM": 0}),),
    (drop("spec.networking", "providerConfig"),),
    (drop(NETWORK, "overlay"),),
    (put(PLANE, storage={"defaultStorageClass": "gce-sc-fast", "csiFilestore": {"enabled": True}}),),
    (hyper_disk("hyperDiskBalanced", provisionedIopsOnCreate=3000, provisionedThroughputOnCreate="140Mi"),),
    (disk(), worker(dataVolumes=[{"name": "data", "sourceImage": "family/debian-12"}])),
    (disk(type="SCRATCH"), worker(volume={"interface": "NVME"})),
    (worker(gpu={"acceleratorType": "nvidia-tesla-t4", "count": 1}, minCpuPlatform="Intel Haswell"),),
    (worker(serviceAccount={"email": ACCOUNT, "scopes": [SCOPE]}),),
    (cilium(tunnel="disabled", devices=["eth0"]), put("spec.kubernetes", kubeProxy={"enabled": False})),
    (put("spec.kubernetes", kubeProxy={"mode": "NFTables"}),),
    (put(POOL, taints=[{"key": "a", "effect": "NoExecute"}, {"key": "a", "effect": "NoSchedule"}]),),
    (put("spec.kubernetes", version="1.36"),),
    (put(POOL, labels={"example.org/A_b.c": "", "x": "1.0"}, annotations={"Example.org/a": "any text"}),),
    (put(POOL, machineControllerManager={"machineDrainTimeout": "1h30m", "maxEvictRetries": 3}),),
    (put(POOL, kubernetes={"version": "1.30.0"}),),
    (
        put(
            "spec",
            tolerations=[{"key": "a", "value": "b"}, {"key": "a", "value": "c"}],
            dns={"domain": "a.example.org"},
        ),
    ),
    (put("spec", hibernation={"schedules": [{"start": "00 20 * * mon-FRI,0", "end": "*/15 6-8/2 1,15 ? *"}]}),),
    (put("spec", hibernation={"schedules": [{"start": "@daily", "location": "Europe/Berlin"}]}),),
    (put("spec.maintenance", timeWindow={"begin": "220000+0100", "end": "020000+0200"}),),
    (put("spec", controlPlane={"highAvailability": {"failureTolerance": {"type": "zone"}}, "zones": ["a"]}),),
    (put(NETWORK, ipAutodetectionMethod="can-reach=192.0.2.1", ipv4={"autoDetectionMethod": "first-found"}),),
    (put(NETWORK, ipAutodetectionMethod="cidr=10.0.0.0/8", vethMTU="0", typha={"enabled": False}), scaled(cpu="250m")),
    (drop(NETWORK, "apiVersion"), drop(NETWORK, "kind")),
    (cilium(hubble={"enabled": True}, kubeproxy={"k8sServiceHost": "api.example.org"}, cni={"exclusive": True}),),
    (put(KUBELETS[0], maxPods=110, kubeReserved={"cpu": "80m", "pid": 20000}, evictionHard={"memoryAvailable": "5%"}),),
    (put(POOL, maximum=3, zones=["europe-west1-b", "europe-west1-c", "europe-west1-d"]),),
    (worker(nodeTemplate={"capacity": {"cpu": 2, "memory": "1e9"}, "virtualCapacity": {"a/b": "4k"}}),),
    (put("spec", purpose="infrastructure"), put("metadata", namespace="garden")),
]


def texts(*edits: Edit) -> list[str]:
    return [str(fault) for fault in validate_shoot(edited(*edits))]


@pytest.mark.parametrize(("edits", "words"), [pytest.param(*case, id=case[1][:60]) for case in REFUSED])
def test_r08_what_the_garden_refuses_is_refused(edits: tuple[Edit, ...], words: str) -> None:
    assert any(words in text for text in texts(*edits)), texts(*edits)


@pytest.mark.parametrize("edits", TAKEN)
def test_r08_what_the_garden_takes_is_taken(edits: tuple[Edit, ...]) -> None:
    assert texts(*edits) == []


def test_r08_all_errors_of_all_rules_are_reported_together() -> None:
    assert len(texts(*(edits[0] for edits, _ in REFUSED[1:2]), put(POOL, zone="x"), put(NETWORK, backend="foo"))) == 3


def test_r08_the_garden_fills_in_overlay_snat_proxy_mode_and_surge() -> None:
    bare = edited(drop("spec.networking", "providerConfig"), drop("spec.kubernetes.kubeProxy", "mode"))
    complete = with_defaults(with_overlay(bare))
    assert complete["spec"]["networking"]["providerConfig"] == {
        "overlay": {"enabled": False},
        "snatToUpstreamDNS": {"enabled": False},
    }
    assert complete["spec"]["kubernetes"]["kubeProxy"]["mode"] == "IPTables"
    manual = edited(
        put(POOL, updateStrategy="ManualInPlaceUpdate"), drop(POOL, "maxSurge"), drop(POOL, "maxUnavailable")
    )
    assert not {"maxSurge", "maxUnavailable"} & set(with_defaults(manual)["spec"]["provider"]["workers"][0])


@pytest.mark.parametrize("known", [SHOOT, CONFIGURATIONS, *(cni.fields for cni in network_types().values())])
def test_r08_fields_are_listed_once_and_below_fields_that_are_listed(known: dict[str, str]) -> None:
    for path, fields in known.items():
        assert len(fields.split()) == len(set(fields.split()))
        parent, _, last = path.rpartition(".")
        if parent and parent in known:
            assert last.removesuffix("[]") in known[parent].split(), path


@pytest.mark.parametrize("value", ["text", 7, True, [], [None], None, {"a": None}])
@pytest.mark.parametrize(
    ("holder", "key"),
    [
        (PLANE, "storage"),
        (PLANE, "zone"),
        (POOL, "volume"),
        (POOL, "dataVolumes"),
        (POOL, "providerConfig"),
        (POOL, "taints"),
        (POOL, "priority"),
        (POOL, "cri"),
        (NETWORK, "ipam"),
        (NETWORK, "ipv4"),
        (NETWORK, "backend"),
        (NETWORK, "vethMTU"),
        (NETWORKS_OF, "cloudNAT"),
    ],
)
def test_r08_any_value_is_an_error_or_valid_but_never_a_traceback(holder: str, key: str, value: Any) -> None:
    validate_shoot(edited(put(holder, **{key: value})))
