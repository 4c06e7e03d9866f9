"""The calls of the migration in their order, over HTTP, and their results."""

from __future__ import annotations

import pytest

from dualstack.clock import parse_rfc3339
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.quotas import Limits
from tests.sim.compute.cloud import (
    NETWORK,
    NODES,
    POD_RANGE,
    REGION,
    ZONE,
    Cloud,
    HandClock,
    Setting,
    instance,
    route,
    running,
)


async def test_overlap_order_moves_routes_to_aliases(cloud: Cloud) -> None:
    cloud.populate(nodes=3)

    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
    for number in range(3):
        body = await cloud.aliases(f"vm{number}", f"100.96.{number}.0/24")
        await cloud.do("PATCH", f"{ZONE}/instances/vm{number}/updateNetworkInterface", body, networkInterface="nic0")
    for number in range(3):
        await cloud.do("DELETE", f"global/routes/shoot--foo--bar-{number}")
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=False)

    subnetwork = await cloud.get(NODES)
    assert subnetwork["allowSubnetCidrRoutesOverlap"] is False
    assert subnetwork["secondaryIpRanges"] == [POD_RANGE]
    assert (await cloud.interface("vm2"))["aliasIpRanges"] == [
        {"ipCidrRange": "100.96.2.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}
    ]
    names = [entry["name"] for entry in (await cloud.get("global/routes"))["items"]]
    assert not [name for name in names if name.startswith("shoot--")]


async def test_gardener_order_needs_routes_gone_first(cloud: Cloud) -> None:
    cloud.populate(nodes=1)

    error = await cloud.nodes_refused(secondaryIpRanges=[POD_RANGE])
    assert error["code"] == 400
    assert error["errors"][0]["reason"] == "invalid"

    await cloud.do("DELETE", "global/routes/shoot--foo--bar-0")
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
    # Gardener sends the whole interface with one alias appended.
    interface = await cloud.interface("vm0")
    interface["aliasIpRanges"] = [{"ipCidrRange": "100.96.0.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}]
    path = f"{ZONE}/instances/vm0/updateNetworkInterface"
    await cloud.do("PATCH", path, interface, networkInterface="nic0")
    # A repetition appends a duplicate, which is collapsed.
    interface = await cloud.interface("vm0")
    interface["aliasIpRanges"] = interface["aliasIpRanges"] * 2
    await cloud.do("PATCH", path, interface, networkInterface="nic0")
    assert len((await cloud.interface("vm0"))["aliasIpRanges"]) == 1


async def test_ipv6_prefix_comes_some_seconds_after_the_patch(cloud: Cloud) -> None:
    cloud.populate()
    operation = await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    done = next(commit for commit in cloud.commits if commit.after and commit.after.get("stackType") == "IPV4_IPV6")
    assert done.after is not None
    assert "externalIpv6Prefix" not in done.after
    assert operation["status"] == "DONE"
    await cloud.clock.sleep(20)

    by_id = await cloud.get(f"regions/europe-west1/subnetworks/{done.after['id']}")
    assert by_id["externalIpv6Prefix"].endswith(":0:0:0:0/64")
    assert by_id["externalIpv6Prefix"].startswith("2600:1900:4010:")
    assert by_id["fingerprint"] == done.after["fingerprint"]
    assigned = next(commit for commit in cloud.commits if commit.after and "externalIpv6Prefix" in commit.after)
    assert 2.0 <= assigned.at - done.at <= 20.0
    routes = (await cloud.get("global/routes"))["items"]
    assert [entry["destRange"] for entry in routes if "nextHopGateway" in entry].count("::/0") == 1


async def test_new_node_gets_lowest_alias_and_first_96(held: Cloud) -> None:
    held.populate(nodes=1)
    await held.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    await held.patch_nodes(secondaryIpRanges=[POD_RANGE])
    await held.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    assert isinstance(held.clock, HandClock)
    held.clock.advance(20)
    alias = {"ipCidrRange": "/24", "subnetworkRangeName": "ipv4-pod-cidr"}
    body = instance("new", stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL", aliasIpRanges=[alias])

    operation = await held.begin("POST", f"{ZONE}/instances", body)
    assert (await held.get(f"{ZONE}/instances/new"))["status"] == "PROVISIONING"
    await held.ended(operation)

    created = await held.get(f"{ZONE}/instances/new")
    assert created["status"] == "RUNNING"
    assert "fingerprint" in created["tags"]
    interface = created["networkInterfaces"][0]
    # Static routes reserve nothing: the block of vm0's route is allocated (docs/reference/cut-over.md#e8).
    assert interface["aliasIpRanges"] == [{"ipCidrRange": "100.96.0.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}]
    prefix = (await held.get(NODES))["externalIpv6Prefix"]
    config = interface["ipv6AccessConfigs"][0]
    assert config["externalIpv6"] == prefix.replace(":0:0:0:0/64", ":0:1:0:0")
    assert config["externalIpv6PrefixLength"] == 96
    assert config["type"] == "DIRECT_IPV6"
    statuses = [c.after["status"] if c.after else None for c in held.commits if c.name == "new"]
    assert statuses == ["PROVISIONING", "STAGING", "RUNNING"]


async def test_addresses_are_free_again_only_when_the_delete_is_done(held: Cloud) -> None:
    held.populate(nodes=2)
    operation = await held.begin("DELETE", f"{ZONE}/instances/vm0")
    assert (await held.get(f"{ZONE}/instances/vm0"))["status"] == "STOPPING"
    await held.do("POST", f"{ZONE}/instances", instance("early"))
    assert (await held.interface("early"))["networkIP"] == "10.250.0.4"
    await held.ended(operation)
    assert (await held.refused("GET", f"{ZONE}/instances/vm0"))["code"] == 404
    await held.do("POST", f"{ZONE}/instances", instance("late"))
    assert (await held.interface("late"))["networkIP"] == "10.250.0.2"


async def test_a_route_without_its_instance_remains_with_a_warning(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    assert "warnings" not in await cloud.get("global/routes/shoot--foo--bar-0")
    await cloud.do("DELETE", f"{ZONE}/instances/vm0")
    warned = await cloud.get("global/routes/shoot--foo--bar-0")
    assert warned["warnings"][0]["code"] == "NEXT_HOP_INSTANCE_NOT_FOUND"
    # It still conflicts with a range.
    assert (await cloud.nodes_refused(secondaryIpRanges=[POD_RANGE]))["code"] == 400
    cloud.compute.place("instances", ZONE, instance("vm0"))
    assert "warnings" not in await cloud.get("global/routes/shoot--foo--bar-0")


async def test_route_into_a_range_fails_inside_the_operation(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    error = await cloud.fail("POST", "global/routes", route("bad", "10.250.7.0/24", "vm0"))
    assert error["code"] == "UNSUPPORTED_OPERATION"
    assert "10.250.7.0/24 hides the address space of the network (10.250.0.0/16)" in error["message"]
    assert (await cloud.refused("GET", "global/routes/bad"))["code"] == 404
    await cloud.do("POST", "global/routes", route("broader", "10.0.0.0/8", "vm0"))


async def test_knob_one_decides_about_routes_into_a_flagged_range() -> None:
    for choice in ("deny", "allow"):
        knobs = Knobs(new_route_in_flagged_range="allow" if choice == "allow" else "deny")
        async with running(Setting(knobs=knobs)) as cloud:
            cloud.populate(nodes=1)
            await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
            await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
            operation = await cloud.ended(
                await cloud.begin("POST", "global/routes", route("again", "100.96.7.0/24", "vm0"))
            )
            assert ("error" in operation) is (choice == "deny")


async def test_flag_that_is_being_cleared_allows_no_route_any_more() -> None:
    async with running(Setting(by_hand=True, knobs=Knobs(new_route_in_flagged_range="allow"))) as cloud:
        cloud.populate(nodes=1)
        await cloud.do("DELETE", "global/routes/shoot--foo--bar-0")
        await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
        await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
        body = {"fingerprint": await cloud.fingerprint(), "allowSubnetCidrRoutesOverlap": False}
        clearing = await cloud.begin("PATCH", NODES, body)
        error = await cloud.fail("POST", "global/routes", route("late", "100.96.7.0/24", "vm0"))
        assert error["code"] == "UNSUPPORTED_OPERATION"
        await cloud.ended(clearing)


async def test_removed_range_is_free_for_others(held: Cloud) -> None:
    held.populate(nodes=1)
    await held.do("DELETE", "global/routes/shoot--foo--bar-0")
    await held.patch_nodes(secondaryIpRanges=[POD_RANGE])
    body = {"fingerprint": await held.fingerprint(), "secondaryIpRanges": []}
    removing = await held.begin("PATCH", NODES, body)
    # The range exists until the operation is done.
    assert (await held.fail("POST", "global/routes", route("r", "100.96.0.0/24", "vm0")))["code"] == (
        "UNSUPPORTED_OPERATION"
    )
    await held.ended(removing)
    await held.do("POST", "global/routes", route("r", "100.96.0.0/24", "vm0"))


async def test_route_conflict_can_surface_in_the_request() -> None:
    async with running(Setting(knobs=Knobs(route_conflict="request"))) as cloud:
        cloud.populate(nodes=1)
        error = await cloud.refused("POST", "global/routes", route("bad", "10.250.7.0/24", "vm0"))
        assert error["code"] == 400
        assert error["message"].startswith("Invalid value for field 'resource.destRange': '10.250.7.0/24'. ")
        assert error["message"].count("Invalid value") == 1


async def test_knob_two_decides_whether_the_flag_clears_over_routes() -> None:
    for knobs in (Knobs(), Knobs(clear_flag_over_routes="accept")):
        async with running(Setting(knobs=knobs)) as cloud:
            cloud.populate(nodes=1)
            await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
            await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
            if knobs.clear_flag_over_routes == "accept":
                await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=False)
                assert (await cloud.get(NODES))["allowSubnetCidrRoutesOverlap"] is False
            else:
                assert (await cloud.nodes_refused(allowSubnetCidrRoutesOverlap=False))["code"] == 400
                assert (await cloud.get(NODES))["allowSubnetCidrRoutesOverlap"] is True


async def test_knob_five_hides_the_flag() -> None:
    async with running(Setting(knobs=Knobs(overlap_flag="hidden"))) as cloud:
        cloud.populate(nodes=1)
        await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
        assert "allowSubnetCidrRoutesOverlap" not in await cloud.get(NODES)
        assert (await cloud.nodes_refused(secondaryIpRanges=[POD_RANGE]))["code"] == 400


async def test_stack_type_of_a_running_interface_changes_both_ways(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    await cloud.clock.sleep(20)
    path = f"{ZONE}/instances/vm0/updateNetworkInterface"

    async def change(stack: str) -> dict[str, object]:
        fingerprint = (await cloud.interface("vm0"))["fingerprint"]
        body = {"fingerprint": fingerprint, "stackType": stack}
        await cloud.do("PATCH", path, body, networkInterface="nic0")
        return await cloud.interface("vm0")

    dual = await change("IPV4_IPV6")
    assert dual["stackType"] == "IPV4_IPV6"
    assert dual["ipv6AccessType"] == "EXTERNAL"
    single = await change("IPV4_ONLY")
    assert single["stackType"] == "IPV4_ONLY"
    assert "ipv6AccessConfigs" not in single
    # The /96 is free again after the deletion of the VM.
    await cloud.do("DELETE", f"{ZONE}/instances/vm0")
    assert cloud.compute.project.pool(Key("subnetworks", REGION, "nodes")).is_empty()


async def test_t13_an_interface_becomes_dual_stack_with_its_ipv6_access_config(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    await cloud.clock.sleep(20)
    path = f"{ZONE}/instances/vm0/updateNetworkInterface"
    config = {"name": "six", "type": "DIRECT_IPV6", "networkTier": "PREMIUM"}

    async def refused(**fields: object) -> str:
        body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], **fields}
        return str((await cloud.refused("PATCH", path, body, networkInterface="nic0"))["message"])

    standard = config | {"networkTier": "STANDARD"}
    assert "networkTier" in await refused(stackType="IPV4_IPV6", ipv6AccessConfigs=[standard])
    assert "At most one" in await refused(stackType="IPV4_IPV6", ipv6AccessConfigs=[config, config])
    assert "external IPv6" in await refused(stackType="IPV4_IPV6", ipv6Address="fd20::")
    assert "ipv6AccessType" in await refused(stackType="IPV4_IPV6", ipv6AccessType="INTERNAL")
    assert "not supported" in await refused(ipv6AccessConfigs=[config])
    assert "not supported" in await refused(stackType="IPV4_ONLY", ipv6AccessConfigs=[config])

    fingerprint = (await cloud.interface("vm0"))["fingerprint"]
    body = {"fingerprint": fingerprint, "stackType": "IPV4_IPV6", "ipv6AccessConfigs": [config]}
    await cloud.do("PATCH", path, body, networkInterface="nic0")
    (shown,) = (await cloud.interface("vm0"))["ipv6AccessConfigs"]
    assert shown.items() > config.items()
    assert shown["externalIpv6PrefixLength"] == 96
    assert "not supported" in await refused(ipv6AccessConfigs=[config | {"name": "other"}])


@pytest.mark.parametrize("stack", ["IPV4_IPV6", "IPV4_ONLY"])
async def test_an_empty_list_with_a_new_stack_type_clears_the_aliases(cloud: Cloud, stack: str) -> None:
    cloud.populate(nodes=1)
    await cloud.do("DELETE", "global/routes/shoot--foo--bar-0")
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    await cloud.clock.sleep(20)
    path = f"{ZONE}/instances/vm0/updateNetworkInterface"

    async def change(**fields: object) -> None:
        body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], **fields}
        await cloud.do("PATCH", path, body, networkInterface="nic0")

    if stack == "IPV4_ONLY":
        await change(stackType="IPV4_IPV6")
    await change(aliasIpRanges=[{"ipCidrRange": "100.96.0.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}])
    await change(stackType=stack, aliasIpRanges=[])
    interface = await cloud.interface("vm0")
    assert "aliasIpRanges" not in interface
    assert interface["stackType"] == stack
    # The removed aliases are free: the range and everything else can be deleted.
    await cloud.patch_nodes(secondaryIpRanges=[])
    await cloud.do("DELETE", f"{ZONE}/instances/vm0")
    assert cloud.compute.project.pool(Key("subnetworks", REGION, "nodes")).is_empty()


async def test_pending_aliases_count_against_the_quota() -> None:
    async with running(Setting(by_hand=True, quotas=Limits(aliases_per_network=1))) as cloud:
        cloud.populate(nodes=2)
        path = f"{ZONE}/instances/vm{{}}/updateNetworkInterface"
        bodies = [
            {"fingerprint": (await cloud.interface(name))["fingerprint"], "aliasIpRanges": [{"ipCidrRange": "/28"}]}
            for name in ("vm0", "vm1")
        ]
        first = await cloud.begin("PATCH", path.format(0), bodies[0], networkInterface="nic0")
        error = await cloud.fail("PATCH", path.format(1), bodies[1], networkInterface="nic0")
        assert (error["code"], "ALIASES_PER_NETWORK_GLOBAL" in error["message"]) == ("QUOTA_EXCEEDED", True)
        assert "error" not in await cloud.ended(first)


async def test_pending_ranges_count_against_the_quota() -> None:
    async with running(Setting(by_hand=True, quotas=Limits(subnet_ranges_per_network=2))) as cloud:
        cloud.populate()
        body = {"fingerprint": await cloud.fingerprint(), "secondaryIpRanges": [POD_RANGE]}
        first = await cloud.begin("PATCH", NODES, body)
        other = {"name": "other", "network": NETWORK, "ipCidrRange": "192.168.0.0/24"}
        error = await cloud.fail("POST", f"{REGION}/subnetworks", other)
        assert (error["code"], "SUBNET_RANGES_PER_NETWORK" in error["message"]) == ("QUOTA_EXCEEDED", True)
        assert "error" not in await cloud.ended(first)


async def test_commits_carry_the_scheduled_instant(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    operation = await cloud.do("DELETE", "global/routes/shoot--foo--bar-0")
    commit = cloud.commits[-1]
    assert (commit.collection, commit.name, commit.after) == ("routes", "shoot--foo--bar-0", None)
    assert commit.before is not None
    assert commit.before["destRange"] == "100.96.0.0/24"
    again = cloud.compute.find("routes", "global", "shoot--foo--bar-0")
    assert again is None
    latency = cloud.compute.project.latency.operation(
        cloud.compute.project.chance, "routes.delete", "projects/proj-1/global/routes/shoot--foo--bar-0", 0
    )
    assert abs(commit.at - latency - parse_rfc3339(operation["insertTime"])) < 0.002
