"""The golden migration on a real kube-apiserver, with kube-controller-manager's controllers."""

from __future__ import annotations

import pytest

from tests.kube.cluster import Cluster
from tests.kube.rehearsals import failures, rehearse

pytestmark = [pytest.mark.kube, pytest.mark.timeout(1200)]


def test_x7_the_example_migrates_on_a_real_api_server_without_loss(cluster: Cluster) -> None:
    result = rehearse(cluster)
    assert (result["result"], result["reason"]) == ("succeeded", None), failures(result)
    assert cluster.ranges[0] == "100.64.0.0/13"
    assert len(cluster.ranges) == 2
    service = cluster.get("/api/v1/namespaces/kube-system/services/kube-dns")
    assert service is not None
    assert service["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
