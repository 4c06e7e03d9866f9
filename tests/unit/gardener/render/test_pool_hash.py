"""The pool hash is Gardener's, so a takeover creates no machine class (docs/reference/gardener.md#pool-hash).

The expected values are written out step by step with SHA-256, as upstream's `WorkerPoolHashV2` and `KeyV2` chain them.
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from typing import Any

import pytest
from tests.unit.model import golden

from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.pool_hash import node_agent_secret_of, pool_hash
from dualstack.model.kinds import Manifest


def chain(*values: str) -> str:
    """SHA-256 over the joined hex digests of the values."""
    digests = [hashlib.sha256(value.encode()).hexdigest() for value in values]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def shoot(**pool: Any) -> Manifest:
    result = deepcopy(golden.shoot_in("P0"))
    result["spec"]["kubernetes"]["version"] = "1.33.4"
    result["spec"]["provider"]["workers"] = [
        {
            "name": "w1",
            "machine": {"type": "n1-standard-4", "image": {"name": "gardenlinux", "version": "1592.14.0"}},
            "volume": {"type": "pd-balanced", "size": "50Gi"},
            "cri": {"name": "containerd"},
            "minimum": 1,
            "maximum": 1,
            "zones": ["europe-west1-b"],
            **pool,
        }
    ]
    return result


def hashed(manifest: Manifest, secret: str | None = None) -> str:
    view = ShootView.of(manifest)
    return pool_hash(view, view.pools[0], secret)


def secret_of(manifest: Manifest) -> str:
    view = ShootView.of(manifest)
    return node_agent_secret_of(view, view.pools[0])


BASE = ("1.33", "n1-standard-4", "gardenlinux1592.14.0", "50Gi", "pd-balanced", "containerd")


def test_p22_the_known_values() -> None:
    """Written down, so that a change of the algorithm shows."""
    assert secret_of(shoot()) == f"gardener-node-agent-w1-{chain(*BASE)[:16]}"
    assert hashed(shoot()) == chain(secret_of(shoot()))[:5]
    assert (secret_of(shoot()), hashed(shoot())) == ("gardener-node-agent-w1-822355cd0a779c8e", "a1c97")


def test_p22_the_name_in_the_worker_counts_if_there_is_one() -> None:
    assert (
        hashed(shoot(), "gardener-node-agent-w1-0123456789abcdef")
        == chain("gardener-node-agent-w1-0123456789abcdef")[:5]
    )


def test_p22_data_volumes_are_sorted_by_name() -> None:
    volumes = [{"name": "b", "size": "20Gi"}, {"name": "a", "size": "10Gi", "type": "pd-ssd", "encrypted": True}]
    assert hashed(shoot(dataVolumes=volumes), "s") == chain("s", "a", "10Gi", "pd-ssd", "b", "20Gi")[:5]


def test_p22_the_provider_config_counts_as_json_with_sorted_keys_and_without_virtual_capacity() -> None:
    config = {"kind": "WorkerConfig", "gpu": {"count": 1, "acceleratorType": "t4"}, "apiVersion": "v"}
    text = '{"apiVersion":"v","gpu":{"acceleratorType":"t4","count":1},"kind":"WorkerConfig"}'
    assert hashed(shoot(providerConfig=config), "s") == chain("s", text)[:5]
    virtual = {"nodeTemplate": {"capacity": {"cpu": "4"}, "virtualCapacity": {"x": "1"}}}
    assert hashed(shoot(providerConfig=virtual), "s") == chain("s", '{"nodeTemplate":{"capacity":{"cpu":"4"}}}')[:5]


def test_p22_from_kubernetes_1_35_chosen_fields_of_it_count() -> None:
    config = {
        "kind": "WorkerConfig",
        "nodeTemplate": {"capacity": {"memory": "2Gi", "cpu": "1500m"}},
        "gpu": {"acceleratorType": "t4", "count": 2},
        "volume": {"interface": "NVME", "encryption": {"kmsKeyName": "k"}},
        "bootVolume": {"provisionedIops": 3000},
        "dataVolumes": [{"name": "a", "provisionedThroughput": 200, "sourceImage": "i"}],
        "minCpuPlatform": "Intel Skylake",
        "serviceAccount": {"email": "e", "scopes": ["x", "y"]},
    }
    manifest = shoot(providerConfig=config, kubernetes={"version": "1.35.1"})
    words = ("cpu=2", "memory=2147483648", "t4", "2", "NVME", "k", "", "3000", "", "a", "200", "i", "Intel Skylake")
    assert hashed(manifest, "s") == chain("s", *words, "e", "x", "y")[:5]


def test_p22_the_pool_has_its_own_kubernetes_version_and_kubelet() -> None:
    kubelet = {
        "kubeReserved": {"cpu": "80m", "memory": "1Gi"},
        "evictionHard": {"memoryAvailable": "500Mi"},
        "cpuManagerPolicy": "static",
    }
    manifest = shoot(kubernetes={"version": "1.32.6", "kubelet": kubelet})
    manifest["spec"]["kubernetes"]["kubelet"] = {"cpuManagerPolicy": "none"}
    expected = chain("1.32", *BASE[1:], "80m-1Gi-<nil>-<nil>", "--500Mi--", "static")
    assert secret_of(manifest) == f"gardener-node-agent-w1-{expected[:16]}"


def test_p22_rotations_and_node_local_dns_count() -> None:
    manifest = shoot()
    manifest["spec"]["systemComponents"] = {"nodeLocalDNS": {"enabled": True}}
    pending = {"pendingWorkersRollouts": [{"name": "w1", "lastInitiationTime": "2026-01-01T00:00:00Z"}]}
    manifest["status"]["credentials"] = {
        "rotation": {
            "certificateAuthorities": {"lastInitiationTime": "2026-02-03T04:05:06Z", **pending},
            "serviceAccountKey": {"lastInitiationTime": "2026-02-03T04:05:06Z"},
        }
    }
    times = ("2026-01-01 00:00:00 +0000 UTC", "2026-02-03 04:05:06 +0000 UTC")
    assert secret_of(manifest) == f"gardener-node-agent-w1-{chain(*BASE, *times, 'node-local-dns')[:16]}"


def test_p22_an_in_place_pool_has_neither_versions_nor_additional_data() -> None:
    manifest = shoot(updateStrategy="AutoInPlaceUpdate", providerConfig={"gpu": {}}, dataVolumes=[{"name": "a"}])
    expected = chain("n1-standard-4", "gardenlinux", *BASE[3:])
    assert secret_of(manifest) == f"gardener-node-agent-w1-{expected[:16]}"
    assert hashed(manifest) == chain(secret_of(manifest))[:5]


@pytest.mark.parametrize("phase", golden.PHASES)
def test_p22_the_migration_is_not_part_of_the_hash(phase: str) -> None:
    before, after = golden.view_in("P0"), golden.view_in(phase)
    assert pool_hash(after, after.pools[0]) == pool_hash(before, before.pools[0])
