"""A real project's inventory as the beginning (`sim compute --inventory`)."""

from __future__ import annotations

import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from dualstack.model.errors import InvalidInput
from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.project.real_inventory import import_inventory
from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.compute_serve import ComputeOptions, start
from tests.sim.compute.balancers import with_dual_nodes, with_load_balancer
from tests.sim.compute.cloud import NODES, POD_RANGE, ZONE, Cloud, Json, Setting, make, route, running

ROOT = "https://www.googleapis.com/compute/v1/projects/real-1"
NETWORK = f"{ROOT}/global/networks/shoot--foo--bar"
SUBNET = f"{ROOT}/regions/us-east4/subnetworks/nodes"
VM = f"{ROOT}/zones/us-east4-c/instances/vm0"


def resource(kind: str, link: str, **fields: Any) -> Json:
    own = {"kind": f"compute#{kind}", "id": "123456", "name": link.rpartition("/")[2], "selfLink": link}
    return {**own, "creationTimestamp": "2026-01-01T00:00:00.000-08:00", **fields}


def inventory() -> dict[str, Any]:
    """What gcloud prints for a small cluster; list outputs lack some fields, and one collection is not simulated."""
    nic = {"name": "nic0", "network": NETWORK, "subnetwork": SUBNET, "networkIP": "10.250.0.5", "fingerprint": "a="}
    node = {"nextHopInstance": VM, "destRange": "100.96.0.0/24", "network": NETWORK, "priority": 1000}
    local = {"nextHopNetwork": NETWORK, "destRange": "10.250.0.0/16", "network": NETWORK, "priority": 0}
    region, zone = f"{ROOT}/regions/us-east4", f"{ROOT}/zones/us-east4-c"
    ranges = {"ipCidrRange": "10.250.0.0/16", "fingerprint": "b="}
    return {
        "networks": [resource("network", NETWORK, autoCreateSubnetworks=False)],
        "subnetworks": [
            resource("subnetwork", SUBNET, network=NETWORK, region=region, **ranges)
        ],
        "instances": [
            resource(
                "instance", VM, zone=zone, machineType=f"{zone}/machineTypes/e2-small",
                status="RUNNING", canIpForward=True, networkInterfaces=[nic], tags={"items": ["a"]},
            )
        ],
        "routes": [
            resource("route", f"{ROOT}/global/routes/pods-0", **node),
            resource("route", f"{ROOT}/global/routes/default-route-r-1", **local),
        ],
        "snapshots": [resource("snapshot", f"{ROOT}/global/snapshots/s")],
    }  # fmt: skip


async def test_s10_a_real_inventory_is_a_beginning(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(inventory()), encoding="utf-8")
    async with AsyncExitStack() as stack:
        options = ComputeOptions(SteppableClock(time.time(), 0.0), inventory=path)
        compute, facts = await start(options, stack)
        assert facts["region"] == "us-east4"
        assert facts["leftOut"] == [
            "1 snapshots: not simulated",
            "1 routes of subnets and peerings: derived from subnets and peerings",
        ]
        vm = compute.find("instances", "zones/us-east4-c", "vm0")
        assert vm is not None
        assert vm["selfLink"].startswith(f"{facts['computeEndpoint']}/compute/v1/projects/proj-1/zones/us-east4-c/")
        rows = compute.look("routes.list", "global", query={})["items"]
        assert {row["destRange"] for row in rows} == {"100.96.0.0/24", "10.250.0.0/16"}
        alias = {"subnetwork": "regions/us-east4/subnetworks/nodes", "networkIP": "10.250.0.5"}
        machine = "zones/us-east4-c/machineTypes/e2-small"
        with pytest.raises(ApiError, match=r"10\.250\.0\.5"):
            compute.place(
                "instances", "zones/us-east4-c", {"name": "b", "machineType": machine, "networkInterfaces": [alias]}
            )


async def test_s10_an_exported_project_is_the_same_again() -> None:
    """What the simulated project lists, imported into an empty one, has the same resources and addresses."""
    async with running() as cloud:
        await with_dual_nodes(cloud, 2)
        await with_load_balancer(cloud, "vm0", "vm1")
        await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
        await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
        nic = f"{ZONE}/instances/vm0/updateNetworkInterface"
        await cloud.do("PATCH", nic, await cloud.aliases("vm0", "100.96.3.0/24"), networkInterface="nic0")
        await cloud.do("POST", "global/routes", route("outside", "172.16.0.0/24", "vm0"))
        document = await exported(cloud)
        shown = await cloud.get(NODES)
    other = make(Setting(by_hand=True))[0]
    imported = import_inventory(other.project, document)
    other.load(imported.state)
    again = other.look("subnetworks.get", "regions/europe-west1", "nodes", query={})
    assert {k: v for k, v in again.items() if k != "fingerprint"} == {
        k: v for k, v in shown.items() if k != "fingerprint"
    }
    taken = [(block.first, block.last) for pool in other.project.pools.values() for block in pool.blocks()]
    assert len(taken) == 3
    assert "the members of instance group k8s-ig: a list does not have them" in imported.left_out


async def exported(cloud: Cloud) -> dict[str, Any]:
    lists = {name: await cloud.get(f"global/{name}") for name in ("networks", "routes", "firewalls")}
    names = ("subnetworks", "instances", "forwardingRules", "backendServices", "healthChecks", "instanceGroups")
    return lists | {name: await cloud.get(f"aggregated/{name}") for name in names}


def test_a_peering_with_a_network_of_another_project_stays() -> None:
    document = inventory()
    peer = {"name": "p", "network": NETWORK.replace("real-1", "b"), "state": "ACTIVE", "stateDetails": "Connected."}
    document["networks"][0]["peerings"] = [peer]
    compute = make(Setting(by_hand=True))[0]
    compute.load(import_inventory(compute.project, document).state)
    found = compute.look("networks.get", "global", "shoot--foo--bar", query={})
    assert [each["network"] for each in found["peerings"]] == [peer["network"]]
    assert found["selfLink"].endswith("/projects/proj-1/global/networks/shoot--foo--bar")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (3, "must be a JSON object of lists"),
        ({"networks": 3}, "networks: must be a list"),
        ({"networks": []}, "resources of no project"),
        (
            {"networks": [resource("network", NETWORK), resource("network", NETWORK.replace("real-1", "b"))]},
            "of projects b, real-1; it must be of one project",
        ),
        ({"networks": [resource("network", NETWORK.replace("networks", "routes"))]}, "needs the selfLink"),
        ([1], "must be a JSON object"),
    ],
)
def test_s10_other_documents_are_refused(document: Any, problem: str) -> None:
    with pytest.raises(ApiError) as refused:
        import_inventory(make(Setting(by_hand=True))[0].project, document)
    assert problem in refused.value.message


async def test_s10_a_missing_reference_is_named(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps({"subnetworks": inventory()["subnetworks"]}), encoding="utf-8")
    async with AsyncExitStack() as stack:
        with pytest.raises(InvalidInput, match="does not exist in networks"):
            await start(ComputeOptions(SteppableClock(time.time(), 0.0), inventory=path), stack)


def test_effective_firewalls_show_the_policies_of_a_real_network() -> None:
    """Given policies of the organization, of the network and of two regions, when a VM is asked about, then it has
    those of its region and the rules that are for it."""
    rule = {
        "priority": 5,
        "action": "deny",
        "direction": "INGRESS",
        "match": {"srcIpRanges": ["::/0"], "layer4Configs": [{"ipProtocol": "all"}]},
    }
    other = rule | {"priority": 6, "targetServiceAccounts": ["x@y"]}
    given = {"g1": ("global", "NETWORK"), "h1": ("global", "HIERARCHY"), "r1": ("regions/us-east4", "NETWORK_REGIONAL")}
    policies = [
        resource(
            "firewallPolicy", f"{ROOT}/{place}/firewallPolicies/{name}", network=NETWORK, type=kind, rules=[rule, other]
        )
        for name, (place, kind) in given.items()
    ]
    compute = make(Setting(by_hand=True))[0]
    compute.load(import_inventory(compute.project, {**inventory(), "firewallPolicies": policies}).state)
    query = {"networkInterface": "nic0"}
    of_vm = compute.look("instances.getEffectiveFirewalls", "zones/us-east4-c", "vm0", query=query)
    assert [(each["name"], each["type"]) for each in of_vm["firewallPolicys"]] == [
        ("h1", "HIERARCHY"), ("g1", "NETWORK"), ("r1", "NETWORK_REGIONAL"),
    ]  # fmt: skip
    assert [each["rules"] for each in of_vm["firewallPolicys"]] == [[rule]] * 3
    of_network = compute.look("networks.getEffectiveFirewalls", "global", "shoot--foo--bar", query={})
    assert [(each["name"], len(each["rules"])) for each in of_network["firewallPolicys"]] == [("h1", 2), ("g1", 2)]
