"""Migrations on a real kube-apiserver during which programs are killed or stopped, and tokens are replaced.

Judged by the simulated cloud's account of packets and of changes, and by the audit log.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.cluster import Cluster
from tests.kube.rehearsals import failures, rehearse
from tests.sim.rehearsal.command import rehearse as rehearse_simulated

pytestmark = [pytest.mark.kube, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """The same migration on the simulated API, without an interruption."""
    return rehearse_simulated().result


def test_x6_kills_and_pauses_of_operator_api_server_and_etcd_lose_no_packet(
    cluster: Cluster, undisturbed: dict[str, Any]
) -> None:
    """Given a migration, when the operator, kube-apiserver and etcd are killed or stopped in its steps, and etcd is
    compacted so that no watch can continue, then no packet is lost, and the cluster ends as without interruptions."""
    result = rehearse(
        cluster,
        *(f"--kill-at={step}" for step in ("add-alias-canary", "delete-route-canary", "update-kube-apiserver")),
        at={
            "stop-cloud-controller-manager": cluster.restart_api,
            "add-secondary-range": cluster.restart_etcd,
            "add-aliases": lambda: cluster.pause(cluster.api, 5.0),
            "delete-routes": lambda: cluster.restart_api(meanwhile=cluster.compact),
            "await-roll-out": lambda: cluster.pause(cluster.etcd, 5.0),
        },
    )
    assert (result["result"], result["reason"]) == ("succeeded", None), failures(result)
    assert result["traffic"]["blackoutSeconds"]["max"] == 0.0
    assert result["changes"] == undisturbed["changes"]
    assert all(kill["at"] is not None for kill in result["kills"])
    assert len(cluster.ranges) == 2
