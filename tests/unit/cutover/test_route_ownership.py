"""Which routes are the cluster's: nothing is deleted that is not provably ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dualstack.cutover.route_ownership import Ownership, split
from dualstack.model.cluster import Cluster, NodePool
from tests.unit.gardener.controllers.infrastructure.shoots import BASE, NETWORK, NS

VM = f"{NS}-w1-z1-11111-aaaaa"
CLUSTER = Cluster(
    name=NS,
    project="proj-1",
    region="europe-west1",
    network="net",
    nodes_subnet=f"{NS}-nodes",
    nodes="10.250.0.0/16",
    pods="100.96.0.0/11",
    services_subnet=f"{NS}-services",
    services="100.64.0.0/13",
    pools=(NodePool("w1", ("europe-west1-b",), vm_name_prefixes=(f"{NS}-w1-z1-",)),),
)
OURS = Ownership.of(CLUSTER, NETWORK, machines={VM}, vms={VM})


def route(**fields: Any) -> dict[str, Any]:
    instance = fields.pop("instance", VM)
    zone = fields.pop("zone", "europe-west1-b")
    return {
        "name": f"{NS}-0b6d5bd0-1111-4222-8333-444455556666",
        "description": "k8s-node-route",
        "network": NETWORK,
        "destRange": "100.96.0.0/24",
        "nextHopInstance": f"{BASE}/zones/{zone}/instances/{instance}",
        "priority": 1000,
        **fields,
    }


def names(routes: list[Any]) -> list[str]:
    return [found.name for found in routes]


def test_a_route_of_a_machine_is_ours() -> None:
    ours, foreign = split([route()], OURS)
    assert foreign == []
    assert (ours[0].destination, ours[0].instance, ours[0].zone) == ("100.96.0.0/24", VM, "europe-west1-b")


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "by hand"},
        {"description": ""},
        {"name": "shoot--foo--baz-0b6d5bd0"},
        {"name": f"{NS}2-0b6d5bd0"},
        {"tags": ["only-some"]},
        {"instance": f"{NS}2-w1-z1-11111-aaaaa"},
        {"instance": f"{NS}-other-z1-11111-aaaaa"},
        {"instance": f"{NS}-w1-z10-11111-aaaaa"},
        {"nextHopInstance": None, "nextHopIp": "10.250.0.2"},
        {"nextHopInstance": "https://nonsense"},
        {"nextHopInstance": f"{BASE}/zones/europe-west1-b"},
    ],
)
def test_w22_a_route_in_the_pod_range_that_misses_one_mark_is_foreign(fields: dict[str, Any]) -> None:
    ours, foreign = split([route(**fields)], OURS)
    assert ours == []
    assert len(foreign) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"network": NETWORK + "-2"},
        {"network": f"{BASE}/global/networks/my-{NS}"},
        {"destRange": "10.0.0.0/8"},
        {"destRange": "100.64.0.0/10"},
        {"destRange": "0.0.0.0/0"},
        {"destRange": "::/0"},
        {"destRange": "nonsense"},
        {"destRange": None},
        {"network": None},
        {"nextHopInstance": None, "nextHopNetwork": NETWORK, "destRange": "100.96.0.0/11"},
    ],
)
def test_routes_elsewhere_are_ignored(fields: dict[str, Any]) -> None:
    assert split([route(**fields)], OURS) == ([], [])


def test_a_route_that_is_ignored_hides_none_behind_it() -> None:
    elsewhere, ours = [route(network=None), route(destRange="10.0.0.0/8")], route()
    assert names(split([*elsewhere, ours], OURS)[0]) == [ours["name"]]


def test_the_network_is_the_same_under_any_host() -> None:
    other = NETWORK.replace("www.googleapis.com", "compute.googleapis.com")
    assert names(split([route(network=other)], OURS)[0]) == [route()["name"]]


def test_the_route_of_a_machine_that_is_gone_is_ours_when_its_deployment_is() -> None:
    gone = f"{NS}-w1-z1-11111-zzzzz"
    assert len(split([route(instance=gone)], OURS)[0]) == 1
    still_there = replace(OURS, vms=OURS.vms | {gone})
    assert len(split([route(instance=gone)], still_there)[1]) == 1
    elsewhere = [route(instance=gone, zone="europe-west1-c")]
    assert len(split(elsewhere, OURS)[1]) == 1
    assert len(split([route(instance=gone)], Ownership.of(CLUSTER, NETWORK))[0]) == 1
    of_former_zones = Ownership.of(CLUSTER, NETWORK, zones={"europe-west1-b", "europe-west1-c"})
    assert len(split(elsewhere, of_former_zones)[0]) == 1


def test_a_route_that_was_saved_as_ours_stays_ours() -> None:
    gone = f"{NS}-old-z1-11111-zzzzz"
    with_saved = replace(OURS, saved=frozenset({(gone, "100.96.0.0/24")}))
    assert len(split([route(instance=gone)], with_saved)[0]) == 1
    assert len(split([route(instance=gone, destRange="100.97.0.0/24")], with_saved)[1]) == 1


def test_names_of_clusters_count_to_their_twenty_sixth_character() -> None:
    """Two clusters may share them; then the machine decides."""
    long = replace(
        OURS,
        cluster=replace(CLUSTER, name="shoot--project--averylongname-one"),
        machines=frozenset({"m-one"}),
        vms=frozenset(),
    )
    shared = "shoot--project--averylongn-0b6d5bd0"
    assert len(split([route(name=shared, instance="m-one")], long)[0]) == 1
    assert len(split([route(name=shared, instance="m-two")], long)[1]) == 1
