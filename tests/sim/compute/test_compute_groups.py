"""Instance templates and managed instance groups: rolling replacement, recreation, deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sim.compute.cloud import NETWORK, NODES, POD_RANGE, ZONE, Cloud, HandClock, Setting, running

TEMPLATES, GROUPS = "global/instanceTemplates", f"{ZONE}/instanceGroupManagers"
GROUP = f"{GROUPS}/pool"
ROLLING: dict[str, Any] = {"type": "PROACTIVE", "maxSurge": {"fixed": 1}, "maxUnavailable": {"fixed": 0}}


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    """Time moves by hand here, so that every machine sees the same intermediate states."""
    async with running(Setting(by_hand=True)) as made:
        yield made


def template(name: str, **properties: Any) -> dict[str, Any]:
    interface = {"network": NETWORK, "subnetwork": f"projects/proj-1/{NODES}"}
    return {
        "name": name,
        "properties": {"machineType": "n1-standard-2", "networkInterfaces": [interface]} | properties,
    }


async def make_group(cloud: Cloud, size: int = 3, **group: Any) -> None:
    """Templates `old` and `new`, and a group `pool` of the old one."""
    cloud.populate()
    await cloud.do("POST", TEMPLATES, template("old"))
    await cloud.do("POST", TEMPLATES, template("new", canIpForward=True))
    body = {"name": "pool", "targetSize": size, "instanceTemplate": f"{TEMPLATES}/old", "baseInstanceName": "node"}
    await cloud.do("POST", GROUPS, body | group)
    await settled(cloud)


async def members(cloud: Cloud) -> list[dict[str, Any]]:
    status, document = await cloud.call("POST", f"{GROUP}/listManagedInstances")
    assert status == 200
    rows: list[dict[str, Any]] = document.get("managedInstances", [])
    return rows


async def pause(cloud: Cloud, seconds: float) -> None:
    """Let simulated time pass, by hand if it stands still."""
    if isinstance(cloud.clock, HandClock):
        for _ in range(round(seconds)):
            cloud.clock.advance(1.0)
            cloud.compute.operations_running()
    else:
        await cloud.clock.sleep(seconds)


async def settled(cloud: Cloud, attempts: int = 400) -> dict[str, Any]:
    """The group when it is stable and has the wanted version."""
    for _ in range(attempts):
        group = await cloud.get(GROUP)
        if group["status"]["isStable"] and group["status"]["versionTarget"]["isReached"]:
            return group
        await pause(cloud, 3.0)
    raise AssertionError(group)


async def forwarding(cloud: Cloud) -> dict[str, bool]:
    return {vm["name"]: vm["canIpForward"] for vm in (await cloud.get(f"{ZONE}/instances")).get("items", [])}


async def test_a_group_makes_its_vms_from_the_template(cloud: Cloud) -> None:
    await make_group(cloud)
    rows = await members(cloud)
    assert [(row["currentAction"], row["instanceStatus"]) for row in rows] == [("NONE", "RUNNING")] * 3
    vm = await cloud.get(f"{ZONE}/instances/{rows[0]['name']}")
    assert rows[0]["name"].startswith("node-")
    assert rows[0]["id"] == vm["id"]
    items = {item["key"]: item["value"] for item in vm["metadata"]["items"]}
    number = cloud.compute.project.number
    assert items["created-by"] == f"projects/{number}/{GROUP}"
    assert items["instance-template"] == f"projects/{number}/{TEMPLATES}/old"
    group = await cloud.get(GROUP)
    assert (group["currentActions"]["none"], group["targetSize"]) == (3, 3)
    assert (await cloud.get(f"{ZONE}/instanceGroups/pool"))["size"] == 3
    assert [row["name"] for row in (await cloud.get("aggregated/instanceGroupManagers"))["items"][ZONE][
        "instanceGroupManagers"
    ]] == ["pool"]  # fmt: skip


async def test_clients_that_ask_for_autoscalers_learn_that_there_are_none(cloud: Cloud) -> None:
    assert "items" not in await cloud.get(f"{ZONE}/autoscalers")
    assert (await cloud.refused("GET", f"{ZONE}/autoscalers/any"))["code"] == 404


async def test_a_proactive_group_replaces_with_surge_and_is_never_short(cloud: Cloud) -> None:
    await make_group(cloud, updatePolicy=ROLLING)
    before = await forwarding(cloud)
    await cloud.do("PATCH", GROUP, {"versions": [{"instanceTemplate": f"{TEMPLATES}/new"}]})
    fewest, most = 3, 3
    while not (await cloud.get(GROUP))["status"]["versionTarget"]["isReached"]:
        vms = (await cloud.get(f"{ZONE}/instances"))["items"]
        fewest = min(fewest, sum(1 for vm in vms if vm["status"] == "RUNNING"))
        most = max(most, sum(1 for vm in vms if vm["status"] != "STOPPING"))
        await pause(cloud, 2.0)
    await settled(cloud)
    assert (fewest, most) == (3, 4)
    after = await forwarding(cloud)
    assert list(after.values()) == [True] * 3
    assert not set(before) & set(after)


async def test_a_group_may_recreate_in_place_instead(cloud: Cloud) -> None:
    policy = {
        "type": "PROACTIVE",
        "replacementMethod": "RECREATE",
        "maxSurge": {"fixed": 0},
        "maxUnavailable": {"fixed": 2},
    }
    await make_group(cloud, updatePolicy=policy)
    before = await forwarding(cloud)
    await cloud.do("POST", f"{GROUP}/setInstanceTemplate", {"instanceTemplate": f"{TEMPLATES}/new"})
    await settled(cloud)
    after = await forwarding(cloud)
    assert (set(after), set(after.values())) == (set(before), {True})


async def test_an_opportunistic_group_waits_for_recreate_instances(cloud: Cloud) -> None:
    await make_group(cloud)
    before = await forwarding(cloud)
    chosen = min(before)
    await cloud.do("POST", f"{GROUP}/setInstanceTemplate", {"instanceTemplate": f"{TEMPLATES}/new"})
    await pause(cloud, 120.0)
    assert await forwarding(cloud) == before
    assert not (await cloud.get(GROUP))["status"]["versionTarget"]["isReached"]
    await cloud.do("POST", f"{GROUP}/recreateInstances", {"instances": [f"{ZONE}/instances/{chosen}"]})
    for _ in range(100):
        if {row["currentAction"] for row in await members(cloud)} == {"NONE"}:
            break
        await pause(cloud, 3.0)
    after = await forwarding(cloud)
    assert (set(after), after[chosen]) == (set(before), True)
    stranger = await cloud.refused("POST", f"{GROUP}/recreateInstances", {"instances": [f"{ZONE}/instances/none"]})
    assert "is not a member of" in stranger["message"]


async def test_deleting_members_shrinks_the_group_and_deleting_vms_does_not(cloud: Cloud) -> None:
    await make_group(cloud)
    first, second, _ = sorted(await forwarding(cloud))
    await cloud.do("POST", f"{GROUP}/deleteInstances", {"instances": [f"{ZONE}/instances/{first}"]})
    assert (await settled(cloud))["targetSize"] == 2
    assert first not in await forwarding(cloud)
    old = (await cloud.get(f"{ZONE}/instances/{second}"))["id"]
    await cloud.do("DELETE", f"{ZONE}/instances/{second}")
    await settled(cloud)
    assert (await cloud.get(f"{ZONE}/instances/{second}"))["id"] != old
    await cloud.do("POST", f"{GROUP}/abandonInstances", {"instances": [f"{ZONE}/instances/{second}"]})
    assert (await settled(cloud))["targetSize"] == 1
    assert second in await forwarding(cloud)


async def test_a_group_grows_shrinks_and_deletes_its_vms(cloud: Cloud) -> None:
    await make_group(cloud, size=1)
    await cloud.do("POST", f"{GROUP}/resize", size="3")
    await settled(cloud)
    await cloud.do("POST", f"{GROUP}/resize", size="2")
    await settled(cloud)
    assert len(await forwarding(cloud)) == 2
    in_use = await cloud.refused("DELETE", f"{TEMPLATES}/old")
    assert in_use["errors"][0]["reason"] == "resourceInUseByAnotherResource"
    await cloud.do("DELETE", GROUP)
    await pause(cloud, 200.0)
    assert await forwarding(cloud) == {}
    assert (await cloud.refused("GET", GROUP))["code"] == 404
    await cloud.do("DELETE", f"{TEMPLATES}/old")


async def test_a_failed_vm_creation_is_reported_and_retried() -> None:
    async with running(Setting(by_hand=True)) as cloud:
        cloud.populate()
        cloud.compute.place("addresses", "regions/europe-west1", {"name": "x"})
        gone = {
            "subnetwork": f"projects/proj-1/{NODES}",
            "aliasIpRanges": [{"ipCidrRange": "/24", "subnetworkRangeName": "pods"}],
        }
        await cloud.do("POST", TEMPLATES, template("old", networkInterfaces=[gone]))
        body = {"name": "pool", "targetSize": 1, "instanceTemplate": f"{TEMPLATES}/old"}
        await cloud.do("POST", GROUPS, body)
        (row,) = await members(cloud)
        assert row["currentAction"] == "CREATING"
        assert "Secondary range does not exist" in row["lastAttempt"]["errors"]["errors"][0]["message"]
        await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE | {"rangeName": "pods"}])
        await settled(cloud)
        (row,) = await members(cloud)
        assert "lastAttempt" not in row
        vm = await cloud.get(f"{ZONE}/instances/{row['name']}")
        assert vm["networkInterfaces"][0]["aliasIpRanges"][0]["ipCidrRange"] == "100.96.0.0/24"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"updatePolicy": {"maxSurge": {"fixed": 0}, "maxUnavailable": {"fixed": 0}}}, "maxUnavailable"),
        ({"updatePolicy": {"replacementMethod": "RECREATE"}}, "maxSurge"),
        ({"updatePolicy": {"type": "SOMETIMES"}}, "type"),
        ({"targetSize": -1}, "targetSize"),
        ({"versions": [{"instanceTemplate": f"{TEMPLATES}/none"}]}, "instanceTemplate"),
        ({"versions": []}, "versions"),
        ({"fingerprint": "AAAAAAAAAAA="}, "fingerprint"),
    ],
)
async def test_bad_changes_of_a_group_are_refused(cloud: Cloud, change: dict[str, Any], word: str) -> None:
    await make_group(cloud, size=1)
    error = await cloud.refused("PATCH", GROUP, change)
    assert error["code"] in (400, 412)
    assert word in error["message"]


async def test_a_template_is_checked(cloud: Cloud) -> None:
    cloud.populate()
    explicit = {"subnetwork": f"projects/proj-1/{NODES}", "aliasIpRanges": [{"ipCidrRange": "10.250.8.0/24"}]}
    bad: list[dict[str, Any]] = [
        template("bad", networkInterfaces=[explicit]),
        template("bad", machineType=f"{ZONE}/machineTypes/n1-standard-2"),
        template("bad", networkInterfaces=[]),
        {"name": "bad"},
    ]
    for body in bad:
        assert (await cloud.refused("POST", TEMPLATES, body))["code"] == 400
    await cloud.do("POST", TEMPLATES, template("good"))
    assert (await cloud.refused("PATCH", f"{TEMPLATES}/good", {"description": "new"}))["code"] == 404
    assert [row["name"] for row in (await cloud.get(TEMPLATES))["items"]] == ["good"]


async def test_two_versions_share_a_group(cloud: Cloud) -> None:
    versions = [
        {"name": "main", "instanceTemplate": f"{TEMPLATES}/old"},
        {"name": "canary", "instanceTemplate": f"{TEMPLATES}/new", "targetSize": {"percent": 30}},
    ]
    await make_group(cloud, updatePolicy=ROLLING)
    await cloud.do("PATCH", GROUP, {"versions": versions})
    group = await settled(cloud)
    assert [version["targetSize"]["calculated"] for version in group["versions"]] == [2, 1]
    assert sorted((await forwarding(cloud)).values()) == [False, False, True]


async def test_the_initial_state_can_contain_a_group() -> None:
    async with running(Setting(by_hand=True)) as cloud:
        cloud.populate()
        cloud.compute.place("instanceTemplates", "global", template("old"))
        body = {"name": "pool", "targetSize": 2, "instanceTemplate": f"{TEMPLATES}/old"}
        cloud.compute.place("instanceGroupManagers", ZONE, body)
        assert [row["currentAction"] for row in await members(cloud)] == ["NONE", "NONE"]
