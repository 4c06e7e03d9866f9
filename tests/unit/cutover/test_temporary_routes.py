"""Which temporary routes are provably the cluster's: only those are deleted."""

from __future__ import annotations

import pytest

from dualstack.cutover.temporary_routes import TemporaryRoutes

BASE = "https://www.googleapis.com/compute/v1/projects/proj-1"
NETWORK = f"{BASE}/global/networks/net"
ROUTES = TemporaryRoutes(
    names=("foo-drill-1", "foo-drill-2"),
    description="rollback drill of foo",
    network=NETWORK,
    pods="10.96.0.0/11",
    vms=("foo-", "pool-"),
)
OURS = {
    "name": "foo-drill-1",
    "description": "rollback drill of foo",
    "network": NETWORK,
    "destRange": "10.127.255.0/24",
    "nextHopInstance": f"{BASE}/zones/z/instances/foo-worker-1",
}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "foo-drill-2"},
        {"network": NETWORK.replace("www", "compute")},
        {"destRange": "10.96.0.0/11"},
        {"nextHopInstance": f"{BASE}/zones/other/instances/foo-new"},
    ],
)
def test_a_route_with_every_mark_is_owned(fields: dict[str, str]) -> None:
    assert ROUTES.owns({**OURS, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "foo-drill-3"},
        {"description": "rollback drill of foobar"},
        {"description": None},
        {"network": f"{NETWORK}-2"},
        {"network": None},
        {"destRange": "10.0.0.0/8"},
        {"destRange": "10.200.0.0/24"},
        {"destRange": None},
        {"nextHopInstance": f"{BASE}/zones/z/instances/bar-foo-worker-1"},
        {"nextHopInstance": f"{BASE}/zones/z/forwardingRules/foo-rule"},
        {"nextHopInstance": None},
    ],
)
def test_a_route_that_lacks_one_mark_is_not_owned(fields: dict[str, str | None]) -> None:
    assert not ROUTES.owns({**OURS, **fields})
