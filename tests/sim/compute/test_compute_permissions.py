"""testIamPermissions, and the requests that a denied permission refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dualstack.model.errors import InvalidInput
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.permissions import TESTABLE, permissions_of
from dualstack_sim.faults import FaultPlan, parse_faults
from tests.contract.schema import description
from tests.sim.compute.cloud import NODES, REGION, ZONE, Cloud, HandClock, Setting, instance, route, running

ROUTE = "global/routes/shoot--foo--bar-0"


@pytest.fixture
def plan() -> FaultPlan:
    return FaultPlan((), Chance(1), HandClock())


@pytest.fixture
async def cloud(plan: FaultPlan) -> AsyncIterator[Cloud]:
    async with running(Setting(faults=plan)) as made:
        made.populate(1)
        yield made


def deny(plan: FaultPlan, *permissions: str) -> None:
    plan.declare(parse_faults({"faults": [{"deny": permission} for permission in permissions]}))


async def granted(cloud: Cloud, path: str, *permissions: str) -> list[str]:
    status, document = await cloud.call("POST", f"{path}/testIamPermissions", {"permissions": list(permissions)})
    assert status == 200, document
    answer: list[str] = document.get("permissions", [])
    return answer


async def test_all_permissions_are_granted_by_default(cloud: Cloud) -> None:
    wanted = ("compute.routes.get", "compute.routes.delete")
    assert await granted(cloud, ROUTE, *wanted) == list(wanted)
    assert await granted(cloud, ROUTE) == []


@pytest.mark.parametrize(
    "path", [ROUTE, "global/firewalls/fw", f"{REGION}/addresses/a", NODES, f"{ZONE}/instances/vm0"]
)
async def test_permissions_of_each_kind_can_be_granted(cloud: Cloud, plan: FaultPlan, path: str) -> None:
    cloud.compute.place(
        "firewalls", "global", {"name": "fw", "network": "global/networks/vpc", "allowed": [{"IPProtocol": "tcp"}]}
    )
    cloud.compute.place("addresses", REGION, {"name": "a"})
    collection = path.split("/")[-2]
    own = f"compute.{collection}.delete"
    other = f"compute.{collection}.get"
    deny(plan, own)
    assert await granted(cloud, path, own, other) == [other]
    assert plan.never_matched() == []
    error = await cloud.refused("DELETE", path)
    assert error["code"] == 403
    assert error["errors"][0]["reason"] == "forbidden"
    assert error["message"] == f"Required '{own}' permission for 'projects/proj-1/{path}'"
    assert (await cloud.call("GET", path))[0] == 200
    plan.declare(())
    assert await granted(cloud, path, own, other) == [own, other]


@pytest.mark.parametrize("denied", ["compute.routes.create", "compute.networks.updatePolicy", "compute.r*.*"])
async def test_a_denied_call_changes_nothing(cloud: Cloud, plan: FaultPlan, denied: str) -> None:
    deny(plan, denied)
    before = cloud.compute.dump()
    assert (await cloud.refused("POST", "global/routes", route("new", "172.16.0.0/24", "vm0")))["code"] == 403
    assert cloud.compute.dump() == before
    assert [fault.as_json()["kinds"] for fault in plan.fired] == [["deny"]]


async def test_a_list_names_the_project(cloud: Cloud, plan: FaultPlan) -> None:
    deny(plan, "compute.instances.list")
    assert (await cloud.refused("GET", f"{ZONE}/instances"))["message"].endswith("permission for 'projects/proj-1'")
    assert (await cloud.refused("GET", "aggregated/instances"))["code"] == 403


async def test_an_insert_needs_permissions_on_what_it_uses(cloud: Cloud, plan: FaultPlan) -> None:
    deny(plan, "compute.subnetworks.use")
    assert (await cloud.refused("POST", f"{ZONE}/instances", instance("new")))["code"] == 403


async def test_permissions_of_a_missing_resource_are_404(cloud: Cloud) -> None:
    body = {"permissions": ["compute.routes.get"]}
    assert (await cloud.refused("POST", "global/routes/none/testIamPermissions", body))["code"] == 404
    assert (await cloud.call("POST", "global/networks/vpc/testIamPermissions", body))[0] == 404
    bad = {"permissions": ["everything"]}
    assert (await cloud.refused("POST", f"{ROUTE}/testIamPermissions", bad))["code"] == 400


async def test_testing_is_no_change(cloud: Cloud) -> None:
    await granted(cloud, ROUTE, "compute.routes.get")
    assert cloud.compute.statistics()["mutations"] == 0


def test_the_methods_are_those_of_the_discovery_document() -> None:
    for service in TESTABLE:
        assert description().method(f"{service}.testIamPermissions")
    assert description().method("networks.testIamPermissions") is None
    assert permissions_of("routes.insert")[0] == "compute.routes.create"
    assert permissions_of("subnetworks.patch") == ("compute.subnetworks.update",)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"deny": "routes.create"}, "faults[0].deny: must be a permission"),
        ({"deny": "compute.routes.create", "method": "routes.insert"}, "faults[0].method: cannot go with deny"),
        ({"deny": "compute.routes.create", "latency": 3}, "faults[0].latency: cannot go with deny"),
    ],
)
def test_bad_denials_are_refused(rule: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_faults({"faults": [rule]})
    assert problem in str(refused.value)
