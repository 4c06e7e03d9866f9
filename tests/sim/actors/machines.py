"""Machine deployments, classes and old machines for the tests of the machine controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dualstack.gardener.model.kinds import MACHINE, MACHINE_CLASS, MACHINE_DEPLOYMENT, MACHINE_SET
from dualstack.model.kinds import NODE, POD, Kind, Manifest
from dualstack_sim.actors.machine_facts import phase_of
from tests.sim.actors.fixtures import NS, TAGS, ActorsFixture

NAME = f"{NS}-w1-z1"
CLASS = f"{NAME}-11111"
DUAL_NIC = {
    "useAliasIPs": True,
    "subnetwork": "dual",
    "disableExternalIP": True,
    "stackType": "IPV4_IPV6",
    "ipv6accessType": "EXTERNAL",
    "ipCidrRange": "/24",
    "subnetworkRangeName": "ipv4-pod-cidr",
}
SINGLE_NIC = {"subnetwork": "nodes", "disableExternalIP": True}
POOL = {"metadata": {"labels": {"worker.gardener.cloud/pool": "w1"}}}


def place_dual_subnet(env: ActorsFixture, pods: str = "100.96.0.0/16") -> None:
    """A dual-stack subnetwork with a secondary range for pods."""
    body = {
        "name": "dual",
        "network": "projects/proj-1/global/networks/vpc",
        "ipCidrRange": "10.251.0.0/16",
        "stackType": "IPV4_IPV6",
        "ipv6AccessType": "EXTERNAL",
        "secondaryIpRanges": [{"rangeName": "ipv4-pod-cidr", "ipCidrRange": pods}],
    }
    env.compute.place("subnetworks", "regions/europe-west1", body)


def provider_spec(**changes: Any) -> Manifest:
    return {
        "canIpForward": True,
        "deletionProtection": False,
        "description": "Machine of Shoot bar created by machine-controller-manager.",
        "disks": [{"autoDelete": True, "boot": True, "sizeGb": 50, "type": "pd-balanced", "image": "projects/g/image"}],
        "labels": {"name": "bar"},
        "machineType": "n1-standard-2",
        "metadata": [{"key": "block-project-ssh-keys", "value": "TRUE"}],
        "networkInterfaces": [DUAL_NIC],
        "region": "europe-west1",
        "scheduling": {"automaticRestart": True, "onHostMaintenance": "MIGRATE", "preemptible": False},
        "serviceAccounts": [],
        "tags": TAGS,
        "zone": "europe-west1-b",
        **changes,
    }


def typed(kind: Kind, manifest: Manifest) -> Manifest:
    return {"apiVersion": kind.api_version, "kind": kind.kind, **manifest}


def place_class(env: ActorsFixture, **changes: Any) -> None:
    metadata = {"name": CLASS, "namespace": NS}
    env.store.upsert(
        MACHINE_CLASS,
        typed(MACHINE_CLASS, {"metadata": metadata, "provider": "GCP", "providerSpec": provider_spec(**changes)}),
    )


def machine_deployment(replicas: int, **spec: Any) -> Manifest:
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    return {
        "metadata": {"name": NAME, "namespace": NS},
        "spec": {
            "replicas": replicas,
            "minReadySeconds": 30,
            "selector": {"matchLabels": {"name": NAME}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "template": {
                "metadata": {"labels": {"name": NAME}},
                "spec": {"class": {"kind": "MachineClass", "name": CLASS}, "nodeTemplate": POOL},
            },
            **spec,
        },
    }


def place_deployment(env: ActorsFixture, replicas: int, **spec: Any) -> None:
    env.store.create(MACHINE_DEPLOYMENT, typed(MACHINE_DEPLOYMENT, machine_deployment(replicas, **spec)))


def change_deployment(env: ActorsFixture, spec: Manifest) -> None:
    env.store.patch(MACHINE_DEPLOYMENT, NAME, {"spec": spec}, NS)


def roll(env: ActorsFixture, stamp: str = "2026-01-01T00:00:00Z") -> None:
    """Request new machines as Gardener does (docs/reference/gardener.md#node-replacement)."""
    change_deployment(env, {"template": {"metadata": {"annotations": {"rollout-workers": stamp}}}})


def deployment(env: ActorsFixture) -> Manifest:
    return env.get(MACHINE_DEPLOYMENT, NAME, NS)


def machines(env: ActorsFixture, phase: str | None = None) -> list[Manifest]:
    found = env.store.list(MACHINE, NS)
    return [machine for machine in found if phase is None or phase_of(machine) == phase]


def machine_names(env: ActorsFixture, phase: str | None = None) -> set[str]:
    return {machine["metadata"]["name"] for machine in machines(env, phase)}


def replicas_of(env: ActorsFixture) -> dict[str, int]:
    return {each["metadata"]["name"]: each["spec"]["replicas"] for each in env.store.list(MACHINE_SET, NS)}


def node_names(env: ActorsFixture) -> set[str]:
    return {node["metadata"]["name"] for node in env.store.list(NODE)}


def settled(env: ActorsFixture, replicas: int) -> bool:
    """Whether all machines have the current template and are available, and no other is left."""
    status = deployment(env).get("status", {})
    names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    seen = status.get("observedGeneration") == deployment(env)["metadata"]["generation"]
    return seen and {status.get(name, 0) for name in names} == {replicas}


def place_controller_pod(
    env: ActorsFixture, flags: Mapping[str, str], name: str = "ccm-1", *, status: Manifest | None = None
) -> None:
    """Create a pod of the cloud-controller-manager on the seed's node; with `status` if no kubelet runs."""
    command = [f"--{flag}={value}" for flag, value in {"cluster-name": NS, **flags}.items()]
    container = {"name": "cloud-controller-manager", "image": "ccm:1", "command": ["/ccm", *command]}
    labels = {"app": "kubernetes", "role": "cloud-controller-manager"}
    env.store.create(
        POD,
        {
            "metadata": {"name": name, "namespace": NS, "labels": labels},
            "spec": {"nodeName": "seed-worker-0", "containers": [container]},
        },
    )
    if status:
        env.store.patch(POD, name, {"status": status}, NS, subresource="status")


CLOUD_ALLOCATOR = {
    "allocate-node-cidrs": "true",
    "cidr-allocator-type": "CloudAllocator",
    "cluster-cidr": "100.96.0.0/11,2600:1900:4010:1234::/64",
    "service-cluster-ip-range": "100.64.0.0/13,2600:1900:4010:5678::/108",
    "configure-cloud-routes": "false",
}
RANGE_ALLOCATOR = {
    "allocate-node-cidrs": "true",
    "cidr-allocator-type": "RangeAllocator",
    "cluster-cidr": "100.96.0.0/11",
    "service-cluster-ip-range": "100.64.0.0/13",
    "node-cidr-mask-size-ipv4": "24",
    "configure-cloud-routes": "true",
}
RUNNING = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
