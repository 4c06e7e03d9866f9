"""Nodes that a migration replaces have the hardware, the identity and the images of the old ones."""

from __future__ import annotations

from copy import deepcopy

import pytest
import yaml
from tests.unit.model import golden
from tests.unit.model.golden import ACCOUNT, gpu_shoot

from dualstack.gardener.model.infrastructure import InfrastructureStatus, NetworkStatus, Subnet
from dualstack.gardener.model.networks import networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import extensions, kube_proxy
from dualstack.gardener.render.machine_class import edited_interface, is_dual_stack, machine_class
from dualstack.gardener.render.pool_hash import node_agent_secret_of
from dualstack.gardener.validation.shoot import validate_shoot
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Manifest
from dualstack.model.quantities import gibibytes, whole_number

DUAL = InfrastructureStatus(
    networks=NetworkStatus(subnets=(Subnet(name="NS-nodes", purpose="nodes"),), ipfamilies=("IPv4", "IPv6"))
)
AS_PROVIDER_GCP_WRITES_IT: Manifest = {
    "metadata": {"name": "shoot--foo--bar-gpu-z1-0f1e2"},
    "secretRef": {"name": "shoot--foo--bar-gpu-z1-0f1e2"},
    "nodeTemplate": {"capacity": {"cpu": "8", "gpu": "1"}, "virtualCapacity": {"vendor.example/x": "1"}},
    "providerSpec": {
        "gpu": {"acceleratorType": "nvidia-tesla-t4", "count": 1},
        "minCpuPlatform": "Intel Skylake",
        "scheduling": {"automaticRestart": True, "onHostMaintenance": "TERMINATE", "preemptible": False},
        "serviceAccounts": [ACCOUNT],
        "disks": [
            {"boot": True, "sizeGb": 1024, "image": "projects/vendor-images/global/images/suse-chost-15-6"},
            {"boot": False, "sizeGb": 200, "type": "pd-ssd", "encryption": {"kmsKeyName": "key"}},
        ],
        "networkInterfaces": [{"subnetwork": "NS-nodes", "disableExternalIP": True}, {"network": "another"}],
        "labels": {"cost-center": "42"},
    },
}


def test_p05_a_migration_changes_the_first_interface_of_a_class_and_nothing_else() -> None:
    before = deepcopy(AS_PROVIDER_GCP_WRITES_IT)

    changed = edited_interface(golden.view_in("P1"), DUAL)(before)

    assert before == AS_PROVIDER_GCP_WRITES_IT
    assert is_dual_stack(changed)
    first, second = changed["providerSpec"].pop("networkInterfaces")
    expected = deepcopy(AS_PROVIDER_GCP_WRITES_IT)
    assert second == expected["providerSpec"].pop("networkInterfaces")[1]
    assert (first["subnetwork"], first["disableExternalIP"], first["ipCidrRange"]) == ("NS-nodes", True, "/24")
    assert changed == expected


def test_p05_a_class_that_is_created_has_the_hardware_of_its_pool() -> None:
    view = ShootView.of(gpu_shoot())
    spec = machine_class(view, DUAL, view.pools[0], view.pools[0].parts[0]).new["providerSpec"]

    assert [(disk["boot"], disk["sizeGb"], disk["type"]) for disk in spec["disks"]] == [
        (True, 1024, "pd-ssd"),
        (False, 200, "pd-ssd"),
    ]
    assert "suse-chost-15-6-20250801" in spec["disks"][0]["image"]
    assert spec["gpu"] == {"acceleratorType": "nvidia-tesla-t4", "count": 1}
    assert spec["scheduling"]["onHostMaintenance"] == "TERMINATE", "Compute does not move VMs with GPUs"
    assert spec["serviceAccounts"] == [ACCOUNT]
    assert spec["minCpuPlatform"] == "Intel Skylake"


def test_p05_a_pool_keeps_its_own_kubernetes_version_and_its_volumes_in_the_worker() -> None:
    (pool,) = extensions.worker(ShootView.of(gpu_shoot()), DUAL)["spec"]["pools"]
    assert pool["kubernetesVersion"] == "1.32.6"
    assert pool["dataVolumes"] == [{"name": "scratch", "type": "pd-ssd", "size": "200Gi"}]
    assert pool["volume"] == {"type": "pd-ssd", "size": "1024Gi"}


def test_p05_what_the_shoot_leaves_out_of_a_pool_is_not_invented() -> None:
    shoot = golden.shoot_in("P0")
    (pool,) = shoot["spec"]["provider"]["workers"]
    del pool["volume"]
    (rendered,) = extensions.worker(ShootView.of(shoot), DUAL)["spec"]["pools"]
    assert not rendered.keys() & {"volume", "labels", "taints", "annotations", "providerConfig", "dataVolumes"}


REQUIRED = {
    "machineImage",
    "machineType",
    "maxSurge",
    "maxUnavailable",
    "maximum",
    "minimum",
    "name",
    "userDataSecretRef",
}
"""What upstream's CustomResourceDefinition requires of each pool of a Worker."""
INIT = "gardener-node-agent-w1-0123456789abcdef-init"


def _provision(secret: str, labels: Manifest | None = None) -> Manifest:
    status = {"cloudConfig": {"secretRef": {"name": secret, "namespace": "shoot--foo--bar"}}}
    return {"metadata": {"name": INIT, "labels": labels}, "spec": {"purpose": "provision"}, "status": status}


def test_x3_upstreams_definition_accepts_every_pool_of_a_worker() -> None:
    view = ShootView.of(golden.shoot_in("P0"))
    (pool,) = extensions.worker(view, DUAL)["spec"]["pools"]
    assert pool.keys() >= REQUIRED
    expected = f"osc-result-{node_agent_secret_of(view, view.pools[0])}-init"
    assert pool["userDataSecretRef"] == {"name": expected, "key": "cloud_config"}


def test_x3_a_pool_gets_the_user_data_of_its_operating_system_config() -> None:
    view = ShootView.of(golden.shoot_in("P0"))
    other = _provision("osc-result-other", {"worker.gardener.cloud/pool": "another"})
    running = {**_provision("osc-result-running"), "spec": {"purpose": "reconcile"}}
    (pool,) = extensions.worker(view, DUAL, [other, running, _provision("osc-result-new")])["spec"]["pools"]
    assert pool["userDataSecretRef"] == {"name": "osc-result-new", "key": "cloud_config"}


def test_x3_a_pool_that_exists_keeps_its_user_data() -> None:
    reference = {"name": "a", "key": "b"}
    live = {"spec": {"pools": [{"name": "other"}, {"name": "w1", "userDataSecretRef": reference}]}}
    (pool,) = extensions.worker(ShootView.of(golden.shoot_in("P0")), DUAL, [_provision("new")], live)["spec"]["pools"]
    assert pool["userDataSecretRef"] == reference


def test_p05_a_gpu_pool_can_be_migrated() -> None:
    shoot = gpu_shoot()
    del shoot["status"]
    assert [str(fault) for fault in validate_shoot(shoot)] == []


@pytest.mark.parametrize(("mode", "written"), [("IPTables", "iptables"), ("NFTables", "nftables"), ("IPVS", "ipvs")])
def test_p05_kube_proxy_that_is_created_has_the_mode_of_the_shoot(mode: str, written: str) -> None:
    shoot = golden.shoot_in("P2")
    shoot["spec"]["kubernetes"]["kubeProxy"] = {"enabled": True, "mode": mode}
    view = ShootView.of(shoot)

    config = yaml.safe_load(kube_proxy.objects(view, networks(view))[0].new["data"]["config.yaml"])

    assert config["mode"] == written
    assert config.get("clusterCIDR") == (None if mode == "IPVS" else f"{golden.P4},{golden.P6}")


@pytest.mark.parametrize(
    ("text", "whole", "gib"),
    [
        ("50Gi", 50 * 2**30, 50),
        ("1Ti", 2**40, 1024),
        ("1500m", 2, 1),
        ("10G", 10**10, 10),
        ("0.5Gi", 2**29, 1),
        ("1e9", 10**9, 1),
    ],
)
def test_p05_sizes_are_read_with_their_unit(text: str, whole: int, gib: int) -> None:
    assert (whole_number(text), gibibytes(text)) == (whole, gib)


@pytest.mark.parametrize("text", ["", "ten", "1 Gi", "-1Gi", "1Xi", "1Gie3"])
def test_p05_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a quantity"):
        whole_number(text)
