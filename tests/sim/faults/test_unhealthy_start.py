"""Faults of the initial state (`from: start`), and aliases that cannot be removed (`stuck`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from dualstack.model.errors import InvalidInput
from dualstack_sim.chance import Chance
from dualstack_sim.faults import FaultPlan, parse_faults
from tests.sim.compute.cloud import POD_RANGE, ZONE, Cloud, HandClock, Setting, route, running

NIC = f"{ZONE}/instances/vm0/updateNetworkInterface"


def plan_of(*rules: dict[str, Any]) -> FaultPlan:
    return FaultPlan(parse_faults({"faults": list(rules)}), Chance(1), HandClock())


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        made.populate(3)
        yield made


async def test_r5_a_vm_is_stopped_from_the_start(cloud: Cloud) -> None:
    plan = plan_of({"from": "start", "vm": {"becomes": "stopped", "name": "vm*"}, "count": 2})
    plan.begin_with(cloud.compute.begin_with)
    states = [(await cloud.get(f"{ZONE}/instances/vm{number}"))["status"] for number in range(3)]
    assert states == ["TERMINATED", "TERMINATED", "RUNNING"]
    assert plan.as_json()["neverMatched"] == []
    assert [row["effect"] for row in plan.as_json()["fired"]] == ["VM vm* stopped"]


async def test_r5_a_vm_is_gone_from_the_start_and_its_route_is_left(cloud: Cloud) -> None:
    plan_of({"from": "start", "vm": {"becomes": "deleted", "name": "vm1"}}).begin_with(cloud.compute.begin_with)
    assert (await cloud.call("GET", f"{ZONE}/instances/vm1"))[0] == 404
    left = await cloud.get("global/routes/shoot--foo--bar-1")
    assert left["warnings"][0]["code"] == "NEXT_HOP_INSTANCE_NOT_FOUND"


async def test_r5_routes_are_missing_from_the_start(cloud: Cloud) -> None:
    rule = {"from": "start", "method": "routes.delete", "target": "shoot--*", "count": 2, "meanwhile": {}}
    plan_of(rule).begin_with(cloud.compute.begin_with)
    routes = await cloud.get("global/routes", filter="description eq k8s-node-route")
    assert [row["name"] for row in routes["items"]] == ["shoot--foo--bar-2"]


async def test_r5_resources_are_there_and_quotas_are_reduced_from_the_start(cloud: Cloud) -> None:
    extra = {"from": "start", "method": "routes.insert", "meanwhile": {"body": route("more", "172.16.0.0/24", "vm0")}}
    quota = {"from": "start", "quota": {"limit": "STATIC_ROUTES_PER_NETWORK", "value": 3}}
    plan_of(extra, quota).begin_with(cloud.compute.begin_with)
    assert (await cloud.get("global/routes/more"))["destRange"] == "172.16.0.0/24"
    error = await cloud.fail("POST", "global/routes", route("last", "172.17.0.0/24", "vm0"))
    assert error["code"] == "QUOTA_EXCEEDED"


async def test_r5_a_change_keeps_the_fingerprints_in_order(cloud: Cloud) -> None:
    body = {"secondaryIpRanges": [{"rangeName": "other", "ipCidrRange": "192.168.0.0/24"}]}
    change = {"from": "start", "method": "subnetworks.patch", "target": "nodes", "meanwhile": {"body": body}}
    plan_of(change).begin_with(cloud.compute.begin_with)
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)


async def test_r5_what_cannot_be_applied_is_said(cloud: Cloud) -> None:
    plan = plan_of({"from": "start", "method": "routes.delete", "target": "none", "meanwhile": {}})
    plan.begin_with(cloud.compute.begin_with)
    assert plan.as_json()["fired"][0]["inVain"] == "there are no routes whose name matches 'none'"


async def test_r5_a_rule_of_the_start_meets_no_request(cloud: Cloud) -> None:
    plan = plan_of({"from": "start", "method": "routes.delete", "target": "*", "meanwhile": {}})
    plan.begin_with(cloud.compute.begin_with)
    assert plan.fault_for("routes.delete", "shoot--foo--bar-1") is None


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"from": "end", "method": "routes.delete", "meanwhile": {}}, "faults[0].from: must be start"),
        ({"from": "start", "meanwhile": {}}, "faults[0].method: is required"),
        (
            {"from": "start", "vm": {"becomes": "stopped"}, "latency": 3},
            "faults[0].latency: cannot go with from: start and vm",
        ),
        ({"method": "instances.updateNetworkInterface", "stuck": "maybe"}, "faults[0].stuck: must be never or error"),
    ],
)
def test_r5_bad_rules_are_refused(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_faults({"faults": [rule]})
    assert problem in str(refused.value)


# -- stuck aliases


@pytest.mark.parametrize("how", ["never", "error"])
async def test_s9_an_alias_that_cannot_be_removed_stays(how: str) -> None:
    plan = plan_of({"method": "instances.updateNetworkInterface", "stuck": how})
    async with running(Setting(faults=plan)) as cloud:
        cloud.populate(1)
        await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
        await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
        await cloud.do("PATCH", NIC, await cloud.aliases("vm0", "100.96.0.0/24"), networkInterface="nic0")
        assert not plan.fired
        body = await cloud.aliases("vm0")
        if how == "error":
            assert (await cloud.fail("PATCH", NIC, body, networkInterface="nic0"))["code"] == "INTERNAL_ERROR"
        else:
            operation = await cloud.begin("PATCH", NIC, body, networkInterface="nic0")
            await cloud.clock.sleep(600.0)
            path = operation["selfLink"].partition("/projects/proj-1/")[2]
            assert (await cloud.get(path))["status"] == "RUNNING"
            again = await cloud.refused("PATCH", NIC, await cloud.aliases("vm0"), networkInterface="nic0")
            assert again["code"] == 412
        assert [alias["ipCidrRange"] for alias in (await cloud.interface("vm0"))["aliasIpRanges"]] == ["100.96.0.0/24"]
        assert [row["kinds"] for row in plan.as_json()["fired"]] == [["stuck"]]
