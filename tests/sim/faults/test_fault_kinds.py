"""What each kind of fault does to the simulated Compute Engine (docs/faults.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dualstack_sim.chance import Chance
from dualstack_sim.faults import FaultPlan, parse_faults
from tests.sim.compute.cloud import NODES, POD_RANGE, ZONE, Cloud, HandClock, Setting, running

ROUTE = "global/routes/shoot--foo--bar-0"
VM = f"{ZONE}/instances/vm0"


@asynccontextmanager
async def faulty_cloud(*rules: dict[str, Any], nodes: int = 2) -> AsyncIterator[tuple[Cloud, FaultPlan]]:
    """A cloud with VMs, routes and these faults, and a clock that only the test advances."""
    plan = FaultPlan(parse_faults({"faults": list(rules)}), Chance(1), HandClock())
    async with running(Setting(by_hand=True, faults=plan)) as cloud:
        cloud.populate(nodes=nodes)
        yield cloud, plan


def advance(cloud: Cloud, seconds: float) -> None:
    assert isinstance(cloud.clock, HandClock)
    cloud.clock.advance(seconds)


def fired(plan: FaultPlan) -> list[tuple[list[str], str | None]]:
    return [(fault["kinds"], fault.get("inVain")) for fault in plan.as_json()["fired"]]


async def status_of(cloud: Cloud, operation: dict[str, Any]) -> str:
    return str((await cloud.get(operation["selfLink"].partition("/projects/proj-1/")[2]))["status"])


class TestPending:
    async def test_the_operation_is_pending_and_then_runs_its_time(self) -> None:
        async with faulty_cloud({"method": "routes.delete", "pending": 120}) as (cloud, _):
            operation = await cloud.begin("DELETE", ROUTE)
            advance(cloud, 119.0)
            assert await status_of(cloud, operation) == "PENDING"
            assert (await cloud.get(ROUTE))["name"]
            advance(cloud, 1.5)
            assert await status_of(cloud, operation) == "RUNNING"
            advance(cloud, 60.0)
            assert await status_of(cloud, operation) == "DONE"
            await cloud.refused("GET", ROUTE)

    async def test_late_is_not_pending(self) -> None:
        async with faulty_cloud({"method": "routes.delete", "latency": 120}) as (cloud, _):
            operation = await cloud.begin("DELETE", ROUTE)
            advance(cloud, 100.0)
            assert await status_of(cloud, operation) == "RUNNING"


class TestStale:
    async def test_lists_and_gets_are_as_they_were(self) -> None:
        rules = ({"method": "routes.*", "nth": 1, "stale": 30, "count": 2}, {"method": "routes.get", "stale": 30})
        async with faulty_cloud(*rules) as (cloud, plan):
            advance(cloud, 100.0)
            await cloud.do("DELETE", ROUTE)
            advance(cloud, 10.0)
            names = [route["name"] for route in (await cloud.get("global/routes"))["items"]]
            assert "shoot--foo--bar-0" in names
            assert (await cloud.get(ROUTE))["name"] == "shoot--foo--bar-0"
            advance(cloud, 31.0)
            await cloud.refused("GET", ROUTE)
            await cloud.refused("GET", ROUTE)
            assert fired(plan) == [(["stale"], None)] * 3

    async def test_a_new_resource_is_not_there_yet(self) -> None:
        async with faulty_cloud({"method": "networks.get", "stale": 600}) as (cloud, _):
            await cloud.do("POST", "global/networks", {"name": "new", "autoCreateSubnetworks": False})
            await cloud.refused("GET", "global/networks/new")
            assert (await cloud.get("global/networks/new"))["name"] == "new"

    async def test_its_fingerprint_is_old_and_a_change_is_rejected(self) -> None:
        async with faulty_cloud({"method": "subnetworks.get", "nth": 2, "stale": 60}) as (cloud, _):
            advance(cloud, 100.0)
            before = cloud.compute.snapshot()
            await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
            after = cloud.compute.snapshot()
            stale = await cloud.get(NODES)
            assert stale == before["subnetworks"][f"{NODES.split('/subnetworks')[0]}/nodes"]
            change = {"fingerprint": stale["fingerprint"], "secondaryIpRanges": [POD_RANGE]}
            assert (await cloud.refused("PATCH", NODES, change))["code"] == 412
            assert cloud.compute.snapshot() == after
            await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])


class TestMeanwhile:
    async def test_a_change_of_the_same_resource_makes_the_fingerprint_stale(self) -> None:
        other = {"rangeName": "other", "ipCidrRange": "10.99.0.0/20"}
        rule = {"method": "subnetworks.patch", "meanwhile": {"body": {"secondaryIpRanges": [other]}}}
        async with faulty_cloud(rule) as (cloud, plan):
            assert (await cloud.nodes_refused(allowSubnetCidrRoutesOverlap=True))["code"] == 412
            assert (await cloud.get(NODES))["secondaryIpRanges"] == [other]
            await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
            assert fired(plan) == [(["meanwhile"], None)]
            assert cloud.compute.statistics()["byMethod"]["subnetworks.patch"] == 2

    async def test_labels_leave_the_fingerprint_of_the_interface_alone(self) -> None:
        meanwhile = {"method": "instances.setLabels", "body": {"labels": {"by": "them"}}}
        rule = {"method": "instances.updateNetworkInterface", "meanwhile": meanwhile}
        async with faulty_cloud(rule) as (cloud, plan):
            body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], "aliasIpRanges": []}
            await cloud.do("PATCH", f"{VM}/updateNetworkInterface", body, networkInterface="nic0")
            assert (await cloud.get(VM))["labels"] == {"by": "them"}
            assert fired(plan) == [(["meanwhile"], None)]

    async def test_tags_and_interfaces_are_changed_with_their_own_fingerprints(self) -> None:
        tags = {"method": "instances.setTags", "meanwhile": {"body": {"items": ["theirs"]}}}
        interface = {"method": "instances.updateNetworkInterface", "meanwhile": {"body": {"stackType": "IPV4_IPV6"}}}
        async with faulty_cloud(tags, interface) as (cloud, plan):
            await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
            advance(cloud, 60.0)
            seen = await cloud.get(VM)
            refused = await cloud.refused("POST", f"{VM}/setTags", {"fingerprint": seen["tags"]["fingerprint"]})
            assert refused["code"] == 412
            body = {"fingerprint": seen["networkInterfaces"][0]["fingerprint"], "stackType": "IPV4_IPV6"}
            path = f"{VM}/updateNetworkInterface"
            assert (await cloud.refused("PATCH", path, body, networkInterface="nic0"))["code"] == 412
            assert (await cloud.get(VM))["tags"]["items"] == ["theirs"]
            assert (await cloud.interface("vm0"))["stackType"] == "IPV4_IPV6"
            assert fired(plan) == [(["meanwhile"], None)] * 2

    async def test_an_insert_comes_second_and_a_delete_finds_nothing(self) -> None:
        rules = (
            {"method": "networks.insert", "meanwhile": {"body": {"description": "theirs"}}},
            {"method": "routes.delete", "meanwhile": {}},
        )
        async with faulty_cloud(*rules) as (cloud, _):
            body = {"name": "new", "autoCreateSubnetworks": False}
            assert (await cloud.refused("POST", "global/networks", body))["code"] == 409
            assert (await cloud.get("global/networks/new"))["description"] == "theirs"
            assert (await cloud.refused("DELETE", ROUTE))["code"] == 404

    async def test_a_change_that_is_refused_is_recorded(self) -> None:
        rules = (
            {"method": "subnetworks.patch", "meanwhile": {"body": {"ipCidrRange": "10.0.0.0/8"}}},
            {"method": "subnetworks.patch", "nth": 2, "meanwhile": {"method": "subnetworks.get"}},
        )
        async with faulty_cloud(*rules) as (cloud, plan):
            await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
            await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=False)
            first, second = [str(why) for _, why in fired(plan)]
            assert "cannot be modified" in first
            assert second == "subnetworks.get is not a method that changes resources"


class TestQuota:
    async def test_a_rate_falls_and_comes_back(self) -> None:
        squeeze = {"limit": "ReadRequestsPerMinutePerProject", "value": 2, "seconds": 45}
        async with faulty_cloud({"method": "routes.get", "quota": squeeze}) as (cloud, plan):
            for _ in range(2):
                await cloud.get(ROUTE)
            error = await cloud.refused("GET", ROUTE)
            assert (error["code"], error["errors"][0]["reason"]) == (403, "rateLimitExceeded")
            assert error["details"][0]["metadata"]["quota_limit_value"] == "2"
            await cloud.get("global/routes")
            advance(cloud, 46.0)
            for _ in range(3):
                await cloud.get(ROUTE)
            assert fired(plan) == [(["quota"], None)]

    async def test_a_resource_quota_holds_from_the_request_on(self) -> None:
        squeeze = {"limit": "STATIC_ROUTES_PER_NETWORK", "value": 0}
        async with faulty_cloud({"method": "routes.insert", "quota": squeeze}) as (cloud, _):
            body = {
                "name": "new",
                "network": "projects/proj-1/global/networks/vpc",
                "destRange": "192.168.0.0/24",
                "nextHopGateway": "global/gateways/default-internet-gateway",
            }
            error = await cloud.fail("POST", "global/routes", body)
            assert (error["code"], "Limit: 0.0" in error["message"]) == ("QUOTA_EXCEEDED", True)
            await cloud.fail("POST", "global/routes", body)

    async def test_of_two_reduced_quotas_the_lower_holds_and_none_is_raised(self) -> None:
        rules = [
            {
                "method": "routes.get",
                "nth": nth,
                "quota": {"limit": "REQUESTS_PER_MINUTE", "value": value, "seconds": s},
            }
            for nth, value, s in ((1, 5, 100), (2, 3, 10), (3, 9000, 50))
        ]
        async with faulty_cloud(*rules) as (cloud, plan):
            for _ in range(3):
                await cloud.get(ROUTE)
            await cloud.refused("GET", ROUTE)
            advance(cloud, 11.0)
            for _ in range(2):
                await cloud.get(ROUTE)
            await cloud.refused("GET", ROUTE)
            assert len(plan.fired) == 3


class TestVm:
    async def test_a_crash_is_seen_at_once(self) -> None:
        async with faulty_cloud({"method": "instances.get", "vm": {"becomes": "stopped"}}) as (cloud, _):
            assert (await cloud.get(VM))["status"] == "TERMINATED"
            assert [commit.after["status"] for commit in cloud.commits if commit.after and commit.name == "vm0"][
                -1:
            ] == ["TERMINATED"]
            assert (await cloud.get(f"{ZONE}/instances/vm1"))["status"] == "RUNNING"
            await cloud.do("POST", f"{VM}/start")
            assert (await cloud.get(VM))["status"] == "RUNNING"

    async def test_a_deletion_takes_its_time(self) -> None:
        async with faulty_cloud({"method": "routes.list", "vm": {"becomes": "deleted", "name": "vm*"}}) as (cloud, _):
            await cloud.get("global/routes")
            assert (await cloud.get(VM))["status"] == "STOPPING"
            advance(cloud, 300.0)
            await cloud.refused("GET", VM)

    async def test_a_deletion_waits_for_other_operations(self) -> None:
        rule = {"method": "instances.updateNetworkInterface", "nth": 2, "vm": {"becomes": "deleted"}}
        async with faulty_cloud(rule) as (cloud, _):
            path = f"{VM}/updateNetworkInterface"
            body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], "aliasIpRanges": []}
            operation = await cloud.begin("PATCH", path, body, networkInterface="nic0")
            await cloud.refused("PATCH", path, body, networkInterface="nic0")
            assert (await cloud.get(VM))["status"] == "RUNNING"
            assert "error" not in await cloud.ended(operation)
            advance(cloud, 2.0)
            assert (await cloud.get(VM))["status"] == "STOPPING"

    async def test_a_vm_that_is_not_there_cannot_end(self) -> None:
        async with faulty_cloud({"method": "routes.list", "vm": {"becomes": "stopped", "name": "ghost"}}) as (
            cloud,
            plan,
        ):
            await cloud.get("global/routes")
            assert fired(plan) == [(["vm"], "there is no running VM named 'ghost'")]
