"""The golden migration on a real kube-apiserver, with kube-controller-manager's controllers."""

from __future__ import annotations

import pytest

from tests.kube.cluster import Cluster
from tests.kube.rehearsals import failures, rehearse

pytestmark = [pytest.mark.kube, pytest.mark.timeout(1200)]


def test_x7_the_example_migrates_on_a_real_api_server_without_loss(cluster: Cluster) -> None:
    migrated(cluster)


def test_x7_the_example_migrates_beside_gardener_on_a_real_api_server(cluster: Cluster) -> None:
    """Given gardenlet and Gardener's extensions, when the Infrastructure controller runs alone among them, then the
    migration succeeds; its checks include what the owner of the Shoot sees."""
    migrated(cluster, "--landscape=gardener", "--infrastructure=dualstack")


def migrated(cluster: Cluster, *options: str) -> None:
    """Rehearse; fails unless every check passes and the API server was restarted with both service ranges."""
    result = rehearse(cluster, *options)
    assert (result["result"], result["reason"]) == ("succeeded", None), failures(result)
    assert cluster.ranges[0] == "100.64.0.0/13"
    assert len(cluster.ranges) == 2
    service = cluster.get("/api/v1/namespaces/kube-system/services/kube-dns")
    assert service is not None
    assert service["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
