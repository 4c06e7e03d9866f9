"""The state of the simulated Compute Engine as one document: dump and load are inverse."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.snapshot import digest
from tests.sim.compute.cloud import (
    NODES,
    POD_RANGE,
    REGION,
    ZONE,
    Cloud,
    HandClock,
    Json,
    Setting,
    instance,
    make,
    running,
)

NIC = f"{ZONE}/instances/vm0/updateNetworkInterface"


async def change_state(cloud: Cloud) -> None:
    """Two VMs with routes, one with an alias; dual-stack; a deleted route; a failed operation."""
    cloud.populate(2)
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
    await cloud.do("PATCH", NIC, await cloud.aliases("vm0", "100.96.0.0/24"), networkInterface="nic0")
    await cloud.do("DELETE", "global/routes/shoot--foo--bar-0", requestId="00000000-0000-4000-8000-000000000001")
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    while "externalIpv6Prefix" not in await cloud.get(NODES):
        await cloud.clock.sleep(1.0)
    await cloud.do("POST", f"{ZONE}/instances", instance("vm2", stackType="IPV4_IPV6"))
    await cloud.fail("DELETE", "global/networks/vpc")


async def test_dump_and_load_is_the_identity() -> None:
    async with running() as cloud:
        await change_state(cloud)
        state = cloud.compute.dump()
    other, _, _ = make(Setting(seed=2, endpoint="http://127.0.0.1:9999/compute/v1"))
    other.load(state)
    assert digest(other.dump()) == digest(state)
    assert other.dump() == state


async def test_a_loaded_world_continues_as_the_first_one() -> None:
    async with running() as cloud:
        await change_state(cloud)
        state = cloud.compute.dump()
        prefix = (await cloud.get(NODES))["externalIpv6Prefix"]
    async with running() as again:
        again.compute.load(state)
        assert (await again.get(NODES))["externalIpv6Prefix"] == prefix
        replayed = await again.begin(
            "DELETE", "global/routes/shoot--foo--bar-0", requestId="00000000-0000-4000-8000-000000000001"
        )
        assert replayed["status"] == "DONE"
        taken = await again.aliases("vm1", "100.96.0.0/24")
        path = f"{ZONE}/instances/vm1/updateNetworkInterface"
        error = await again.fail("PATCH", path, taken, networkInterface="nic0")
        assert error["code"] == "IP_IN_USE_BY_ANOTHER_RESOURCE"
        await again.do("POST", f"{ZONE}/instances", instance("vm3", stackType="IPV4_IPV6"))
        ends = {
            name: (await again.interface(name))["ipv6AccessConfigs"][0]["externalIpv6"].split(":")[5]
            for name in ("vm2", "vm3")
        }
        assert ends == {"vm2": "1", "vm3": "2"}


async def test_links_are_those_of_the_loading_world() -> None:
    async with running() as cloud:
        cloud.populate(1)
        state = cloud.compute.dump()
    async with running(Setting(endpoint="http://127.0.0.1:4321/compute/v1")) as again:
        again.compute.load(state)
        assert (await again.get(NODES))["selfLink"].startswith("http://127.0.0.1:4321/compute/v1/projects/proj-1/")
        assert (await again.get(NODES))["network"].startswith("http://127.0.0.1:4321/compute/v1/")


async def test_a_dump_is_refused_while_operations_run() -> None:
    async with running(Setting(by_hand=True)) as cloud:
        cloud.populate(1)
        await cloud.begin("DELETE", "global/routes/shoot--foo--bar-0")
        with pytest.raises(ApiError, match="1 operations are running"):
            cloud.compute.dump()
        cloud.compute.finish()
        assert "routes" in cloud.compute.dump()["inventory"]["resources"]
        assert cloud.compute.find("routes", "global", "shoot--foo--bar-0") is None


async def test_loading_drops_running_operations_and_notifies_the_fabric() -> None:
    async with running(Setting(by_hand=True)) as cloud:
        cloud.populate(1)
        state = cloud.compute.dump()
        operation = await cloud.begin("DELETE", "global/routes/shoot--foo--bar-0")
        cloud.compute.place("routes", "global", _route("more"))
        cloud.commits.clear()
        cloud.compute.load(state)
        assert [_words(commit) for commit in cloud.commits] == [("routes", "more", "gone")]
        await cloud.refused("GET", f"global/operations/{operation['name']}")
        assert await cloud.begin("DELETE", "global/routes/shoot--foo--bar-0")


async def test_a_pending_prefix_is_still_assigned() -> None:
    async with running(Setting(by_hand=True)) as cloud:
        cloud.populate(1)
        await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
        state = cloud.compute.dump()
        assert "externalIpv6Prefix" not in await cloud.get(NODES)
    async with running(Setting(by_hand=True)) as again:
        assert isinstance(again.clock, HandClock)
        again.compute.load(state)
        assert again.compute.dump() == state
        again.clock.advance(100.0)
        assert "externalIpv6Prefix" in await again.get(NODES)


def without(part: Json, *path: str) -> Json:
    """A copy without the value at `path`."""
    field, *rest = path
    kept = {name: value for name, value in part.items() if name != field}
    return kept | {field: without(part[field], *rest)} if rest else kept


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: [],
        lambda state: {},
        lambda state: state | {"schema": "something/v1"},
        lambda state: state | {"project": "other"},
        lambda state: without(state, "number"),
        lambda state: state | {"regions": {}},
        lambda state: state | {"addresses": {"one": {}}},
        lambda state: state | {"operations": {}},
        lambda state: state | {"inventory": {"resources": {"networks": []}}},
        lambda state: without(
            state, "inventory", "resources", "subnetworks", "regions/europe-west1/nodes", "stackType"
        ),
        lambda state: state | {"prefixes": {"given": {"a b c": ["EXTERNAL", "no prefix"]}, "ordinals": {}}},
    ],
)
async def test_an_invalid_state_is_refused_and_changes_nothing(spoil: Any) -> None:
    async with running() as cloud:
        cloud.populate(1)
        state = cloud.compute.dump()
        with pytest.raises(ApiError, match="The state cannot be loaded") as refused:
            cloud.compute.load(spoil(state))
        assert refused.value.status == 400
        assert cloud.compute.dump() == state


async def test_a_large_world_is_restored() -> None:
    compute, _, _ = make(Setting())
    compute.place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})
    network = "projects/proj-1/global/networks/vpc"
    compute.place("subnetworks", REGION, {"name": "nodes", "network": network, "ipCidrRange": "10.250.0.0/16"})
    for number in range(1000):
        compute.place("instances", ZONE, instance(f"vm{number}"))
    state = compute.dump()
    other, _, _ = make(Setting())
    other.load(state)
    assert digest(other.dump()) == digest(state)


def _route(name: str) -> dict[str, Any]:
    hop = f"{ZONE}/instances/vm0"
    return {"name": name, "network": "global/networks/vpc", "destRange": "10.77.0.0/16", "nextHopInstance": hop}


def _words(commit: Commit) -> tuple[str, str, str]:
    return commit.collection, commit.name, "gone" if commit.after is None else "there"
