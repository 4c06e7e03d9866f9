"""Operations: status, repetition, waiting; quotas, statistics and injected faults."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field

import aiohttp
import pytest

from dualstack.clock import parse_rfc3339
from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.compute.api.operations import KEPT_FOR
from dualstack_sim.compute.project.latency import MEDIANS, LatencyProfile
from dualstack_sim.compute.project.quotas import Limits, RateMeter, group_of
from tests.sim.compute.cloud import NODES, REGION, ZONE, Cloud, HandClock, Setting, instance, route, running


async def test_operation_goes_from_pending_to_done(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    operation = await cloud.begin("DELETE", "global/routes/shoot--foo--bar-0")
    assert operation["status"] == "PENDING"
    assert operation["operationType"] == "delete"
    assert operation["progress"] == 0
    assert operation["name"].startswith("operation-")
    done = await cloud.ended(operation)
    assert done["progress"] == 100
    assert done["endTime"] > done["startTime"]
    assert done["targetLink"] == operation["targetLink"]
    path = f"global/operations/{operation['name']}"
    assert await cloud.get(path) == done
    assert (await cloud.get("global/operations"))["items"] == [done]
    assert (await cloud.get("aggregated/operations"))["items"]["global"]["operations"] == [done]
    assert (await cloud.call("DELETE", path))[0] == 200
    assert (await cloud.refused("GET", path))["code"] == 404


async def test_operations_live_in_the_scope_of_their_target(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    regional = await cloud.begin("POST", f"{NODES}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True})
    assert regional["region"].endswith(REGION)
    assert "zone" not in regional
    tags = (await cloud.get(f"{ZONE}/instances/vm0"))["tags"]
    body = {"items": ["b", "a"], "fingerprint": tags["fingerprint"]}
    zonal = await cloud.begin("POST", f"{ZONE}/instances/vm0/setTags", body)
    assert zonal["zone"].endswith(ZONE)
    assert (await cloud.refused("GET", f"global/operations/{zonal['name']}"))["code"] == 404
    await cloud.ended(zonal)
    assert (await cloud.get(f"{ZONE}/instances/vm0"))["tags"]["items"] == ["a", "b"]
    assert (await cloud.refused("POST", f"{ZONE}/instances/vm0/setTags", body))["code"] == 412
    await cloud.ended(regional)
    assert (await cloud.get(NODES))["privateIpGoogleAccess"] is True


async def test_labels_metadata_start_and_stop(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    path = f"{ZONE}/instances/vm0"
    before = await cloud.get(path)
    labels = {"labels": {"a": "b"}, "labelFingerprint": before["labelFingerprint"]}
    metadata = {"items": [{"key": "k", "value": "v"}], "fingerprint": before["metadata"]["fingerprint"]}
    await cloud.do("POST", f"{path}/setLabels", labels)
    await cloud.do("POST", f"{path}/setMetadata", metadata)
    after = await cloud.get(path)
    assert after["labels"] == {"a": "b"}
    assert after["metadata"]["items"] == metadata["items"]
    assert (await cloud.refused("POST", f"{path}/setLabels", labels))["code"] == 412
    assert (await cloud.refused("POST", f"{path}/setMetadata", metadata))["code"] == 412
    await cloud.do("POST", f"{path}/stop")
    assert (await cloud.get(path))["status"] == "TERMINATED"
    assert (await cloud.get("global/routes/shoot--foo--bar-0"))["warnings"][0]["code"] == "NEXT_HOP_NOT_RUNNING"
    await cloud.do("POST", f"{path}/start")
    assert (await cloud.get(path))["status"] == "RUNNING"


async def test_repeated_request_id_returns_the_same_operation(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    identity = str(uuid.uuid4())
    body = route("extra", "100.97.0.0/24", "vm0")
    first = await cloud.do("POST", "global/routes", body, requestId=identity)
    again = await cloud.begin("POST", "global/routes", body, requestId=identity)
    assert again["id"] == first["id"]
    assert again["clientOperationId"] == identity
    assert (await cloud.refused("POST", "global/routes", body, requestId=str(uuid.uuid4())))["code"] == 409
    for wrong in ("zero", str(uuid.UUID(int=0))):
        assert (await cloud.refused("POST", "global/routes", body, requestId=wrong))["code"] == 400


async def test_request_ids_are_removed_with_their_operations() -> None:
    async with running(Setting(by_hand=True)) as cloud:
        assert isinstance(cloud.clock, HandClock)
        cloud.populate(nodes=1)
        request = ("POST", "global/routes", route("extra", "100.97.0.0/24", "vm0"))
        identity = str(uuid.uuid4())
        await cloud.do(*request, requestId=identity)
        cloud.clock.advance(KEPT_FOR + 1.0)
        assert (await cloud.refused(*request, requestId=identity))["code"] == 409
        assert cloud.compute.dump()["operations"]["replays"] == []


async def test_same_seed_same_latencies_whatever_the_order() -> None:
    async def latencies(order: list[int], seed: int) -> dict[str, float]:
        async with running(Setting(seed=seed)) as cloud:
            cloud.populate(nodes=4)
            began = {}
            for number in order:
                path = f"global/routes/shoot--foo--bar-{number}"
                began[path.rpartition("/")[2]] = await cloud.begin("DELETE", path)
            for operation in began.values():
                await cloud.ended(operation)
            ended = {commit.name: commit.at for commit in cloud.commits if commit.after is None}
            return {name: ended[name] - parse_rfc3339(began[name]["insertTime"]) for name in began}

    one, other = await latencies([0, 1, 2, 3], 1), await latencies([3, 1, 0, 2], 1)
    assert other == pytest.approx(one, abs=0.002)  # the start timestamp has milliseconds
    assert await latencies([0, 1, 2, 3], 2) != pytest.approx(one, abs=0.002)


async def test_wait_returns_when_done_and_not_before(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    operation = await cloud.begin("DELETE", f"{ZONE}/instances/vm0")
    waits = [cloud.call("POST", f"{ZONE}/operations/{operation['name']}/wait") for _ in range(5)]
    answers = await asyncio.gather(*waits)
    assert {document["status"] for _, document in answers} == {"DONE"}
    assert cloud.compute.statistics()["byMethod"]["zoneOperations.wait"] == 5


async def test_wait_gives_up_after_two_minutes() -> None:
    latency = LatencyProfile(medians=dict(MEDIANS) | {"routes.delete": 50_000.0}, tail=0.0)
    async with running(Setting(latency=latency)) as cloud:
        cloud.populate(nodes=1)
        operation = await cloud.begin("DELETE", "global/routes/shoot--foo--bar-0")
        status, document = await cloud.call("POST", f"global/operations/{operation['name']}/wait")
        assert (status, document["status"]) == (200, "RUNNING")


async def test_static_route_quota_fails_inside_the_operation() -> None:
    async with running(Setting(quotas=Limits(static_routes_per_network=3))) as cloud:
        cloud.populate(nodes=1)
        await cloud.do("POST", "global/routes", route("two", "100.96.1.0/24", "vm0"))
        operation = await cloud.ended(
            await cloud.begin("POST", "global/routes", route("three", "100.96.2.0/24", "vm0"))
        )
        error = operation["error"]["errors"][0]
        assert error["code"] == "QUOTA_EXCEEDED"
        assert error["message"] == "Quota 'STATIC_ROUTES_PER_NETWORK' exceeded.  Limit: 3.0"
        assert error["errorDetails"][0]["quotaInfo"]["limit"] == 3.0
        await cloud.do("DELETE", "global/routes/two")
        await cloud.do("POST", "global/routes", route("three", "100.96.2.0/24", "vm0"))


# -- rate quotas and statistics


def test_rate_quota_counts_by_group_and_place_in_fixed_windows() -> None:
    meter = RateMeter("1")
    limits = Limits(requests_per_minute=2, by_group={"ReadRequestsPerMinutePerProject": 1})
    minute = 1_800_000_000.0
    for second in (10.0, 20.0):
        meter.charge("routes.list", "global", "", minute + second, limits)
    with pytest.raises(ApiError) as exceeded:
        meter.charge("routes.list", "global", "", minute + 59.9, limits)
    assert exceeded.value.status == 403
    # Another group, another region and the next window have separate quotas.
    meter.charge("routes.get", "global", "", minute + 59.9, limits)
    with pytest.raises(ApiError):
        meter.charge("networks.get", "global", "", minute + 59.9, limits)
    for region in ("a", "b"):
        meter.charge("subnetworks.list", f"regions/{region}", region, minute + 59.9, limits)
        meter.charge("instances.list", f"zones/{region}-1", region, minute + 59.9, limits)
        with pytest.raises(ApiError):
            meter.charge("instances.list", f"zones/{region}-2", region, minute + 59.9, limits)
    meter.charge("routes.list", "global", "", minute + 60.0, limits)


async def test_exceeded_rate_quota_has_the_shape_of_the_front_end() -> None:
    async with running(Setting(quotas=Limits(by_group={"ListRequestsPerMinutePerProject": 0}))) as cloud:
        error = await cloud.refused("GET", "global/routes")
        assert error["code"] == 403
        assert error["errors"][0]["domain"] == "usageLimits"
        assert error["errors"][0]["reason"] == "rateLimitExceeded"
        assert error["status"] == "PERMISSION_DENIED"
        assert error["details"][0]["metadata"]["quota_limit"] == "ListRequestsPerMinutePerProject"
        assert error["message"].startswith(
            "Quota exceeded for quota metric 'List requests' and limit 'List requests per minute per project' of "
            "service 'compute.googleapis.com' for consumer 'project_number:"
        )
        statistics = cloud.compute.statistics()
        assert (statistics["calls"], statistics["rateLimited"]) == (1, 1)


@pytest.mark.parametrize(
    ("method", "scope", "name"),
    [
        ("routes.delete", "global", "defaultPerMinutePerProject"),
        ("routes.get", "global", "ReadRequestsPerMinutePerProject"),
        ("subnetworks.patch", "regions/r", "QueriesPerMinutePerRegion"),
        ("zoneOperations.get", "zones/z", "OperationReadRequestsPerMinutePerRegion"),
        ("regionOperations.wait", "regions/r", "HeavyWeightReadRequestsPerMinutePerRegion"),
        ("instances.aggregatedList", "aggregated", "HeavyWeightReadRequestsPerMinutePerProject"),
    ],
)
def test_groups(method: str, scope: str, name: str) -> None:
    assert group_of(method, scope).name == name


async def test_statistics_count_calls_and_mutations(cloud: Cloud) -> None:
    cloud.populate(nodes=2)
    assert cloud.compute.statistics()["calls"] == 0
    await cloud.do("DELETE", "global/routes/shoot--foo--bar-0")
    await cloud.refused("GET", "global/routes/shoot--foo--bar-0")
    statistics = cloud.compute.statistics()
    assert statistics["byMethod"] == {"globalOperations.wait": 1, "routes.delete": 1, "routes.get": 1}
    assert (statistics["calls"], statistics["mutations"], statistics["rateLimited"]) == (3, 1, 0)
    assert sum(statistics["peaks"].values()) == 3
    for _ in range(2):
        await cloud.get("global/networks")
    assert cloud.compute.statistics()["peaks"]["ListRequestsPerMinutePerProject"] == 2
    await cloud.clock.sleep(60.0)
    await cloud.get("global/networks")
    assert cloud.compute.statistics()["peaks"]["ListRequestsPerMinutePerProject"] == 2


# -- faults


@dataclass
class Script:
    """Injects one fault into a method, once."""

    method: str
    fault: Fault
    asked: list[tuple[str, str]] = field(default_factory=list)

    def fault_for(self, method: str, target: str, *, removes_aliases: bool = False) -> Fault | None:
        self.asked.append((method, target))
        return self.fault if method == self.method and self.asked.count((method, target)) == 1 else None

    def denies(self, permission: str) -> bool:
        return False

    def not_applied(self, why: str) -> None:
        raise AssertionError(why)

    def reseed(self, seed: int) -> None:
        """Nothing is random."""


DELETE = ("DELETE", "global/routes/shoot--foo--bar-0")


async def test_error_before_the_effect() -> None:
    script = Script("routes.delete", Fault(error_before=HttpFault()))
    async with running(Setting(faults=script)) as cloud:
        cloud.populate(nodes=1)
        error = await cloud.refused(*DELETE)
        assert (error["code"], error["errors"][0]["reason"]) == (503, "backendError")
        assert script.asked == [("routes.delete", "shoot--foo--bar-0")]
        assert cloud.compute.operations_running() == 0
        await cloud.do(*DELETE)


async def test_error_after_the_effect_and_the_repeated_request() -> None:
    async with running(Setting(faults=Script("routes.delete", Fault(error_after=HttpFault(502))))) as cloud:
        cloud.populate(nodes=1)
        identity = str(uuid.uuid4())
        assert (await cloud.refused(*DELETE, requestId=identity))["code"] == 502
        await cloud.do(*DELETE, requestId=identity)
        assert [commit.name for commit in cloud.commits if commit.after is None] == ["shoot--foo--bar-0"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_cut_connections(when: str) -> None:
    fault = Fault(cut="before") if when == "before" else Fault(cut="after")
    async with running(Setting(faults=Script("routes.insert", fault))) as cloud:
        cloud.populate(nodes=1)
        body = route("extra", "100.97.0.0/24", "vm0")
        with pytest.raises(aiohttp.ClientError):
            await cloud.call("POST", "global/routes", body)
        assert (cloud.compute.find("routes", "global", "extra") is not None) is (when == "after")


async def test_error_inside_the_operation_leaves_no_trace() -> None:
    fault = Fault(operation_error=("ZONE_RESOURCE_POOL_EXHAUSTED", "The zone does not have enough resources."))
    async with running(Setting(faults=Script("instances.insert", fault))) as cloud:
        cloud.populate()
        error = await cloud.fail("POST", f"{ZONE}/instances", instance("vm"))
        assert error["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED"
        assert cloud.compute.find("instances", ZONE, "vm") is None
        await cloud.do("POST", f"{ZONE}/instances", instance("vm"))
        assert (await cloud.interface("vm"))["networkIP"] == "10.250.0.2"


async def test_faulty_subnetwork_patch_changes_nothing_and_unlocks() -> None:
    fault = Fault(operation_error=("INTERNAL_ERROR", "Internal error."), latency=30.0)
    async with running(Setting(faults=Script("subnetworks.patch", fault))) as cloud:
        cloud.populate()
        before = await cloud.get(NODES)
        body = {"fingerprint": before["fingerprint"], "allowSubnetCidrRoutesOverlap": True}
        assert (await cloud.fail("PATCH", NODES, body))["code"] == "INTERNAL_ERROR"
        assert await cloud.get(NODES) == before
        await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)


async def test_latency_is_added_to_reads_too() -> None:
    async with running(Setting(faults=Script("routes.list", Fault(latency=100.0)))) as cloud:
        before = cloud.clock.now()
        await cloud.get("global/routes")
        assert cloud.clock.now() - before >= 100.0


async def test_closing_releases_waiting_requests() -> None:
    async with running(Setting(latency=LatencyProfile(factor=100_000.0))) as cloud:
        cloud.populate(nodes=1)
        operation = await cloud.begin(*DELETE)
        waiting = asyncio.create_task(cloud.compute.answer("globalOperations.wait", "global", operation["name"]))
        await asyncio.sleep(0)
        await cloud.compute.close()
        document = await asyncio.wait_for(waiting, 30)
        assert document["status"] != "DONE"
