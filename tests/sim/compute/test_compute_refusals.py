"""Each documented refusal, with its status, reason and message."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.compute.cloud import NETWORK, NODES, POD_RANGE, REGION, ZONE, Cloud, instance, route

NIC = f"{ZONE}/instances/vm0/updateNetworkInterface"


async def with_range(cloud: Cloud, nodes: int = 1) -> None:
    """The state before the first alias: flag on, range added, routes in place."""
    cloud.populate(nodes)
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])


# -- subnetworks.patch


@pytest.mark.parametrize("fingerprint", [None, "AAAAAAAAAAA="])
async def test_subnetwork_fingerprint_missing_or_stale_is_412(cloud: Cloud, fingerprint: str | None) -> None:
    cloud.populate()
    body: dict[str, Any] = {"allowSubnetCidrRoutesOverlap": True}
    error = await cloud.refused("PATCH", NODES, body | ({"fingerprint": fingerprint} if fingerprint else {}))
    assert error["code"] == 412
    assert error["errors"][0]["reason"] == "conditionNotMet"


async def test_subnetwork_fingerprint_changes_with_each_mutation(cloud: Cloud) -> None:
    cloud.populate()
    seen = {await cloud.fingerprint()}
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True)
    seen.add(await cloud.fingerprint())
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
    seen.add(await cloud.fingerprint())
    assert len(seen) == 3
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
    assert await cloud.fingerprint() in seen


async def test_one_kind_of_change_per_patch(cloud: Cloud) -> None:
    cloud.populate()
    error = await cloud.nodes_refused(allowSubnetCidrRoutesOverlap=True, secondaryIpRanges=[POD_RANGE])
    assert error["code"] == 400
    assert "Only one field" in error["message"]
    assert "secondaryIpRanges" not in await cloud.get(NODES)


@pytest.mark.parametrize("field", ["network", "region", "name", "description", "ipCidrRange", "privateIpGoogleAccess"])
async def test_immutable_fields_are_refused_even_unchanged(cloud: Cloud, field: str) -> None:
    cloud.populate()
    value = (await cloud.get(NODES)).get(field, "")
    error = await cloud.nodes_refused(**{field: value})
    assert f"cannot be modified: [{field}]" in error["message"]


async def test_ranges_cannot_be_added_and_removed_together(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.patch_nodes(secondaryIpRanges=[{"rangeName": "a", "ipCidrRange": "192.168.50.0/24"}])
    error = await cloud.nodes_refused(secondaryIpRanges=[{"rangeName": "b", "ipCidrRange": "192.168.60.0/24"}])
    assert error["message"] == (
        "Invalid value for field 'resource.secondaryIpRanges': ''. Cannot add and remove secondary IP ranges in the "
        "same request. Added ranges: [192.168.60.0/24]. Removed ranges: [192.168.50.0/24]."
    )


async def test_a_range_cannot_be_resized_or_renamed(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.patch_nodes(secondaryIpRanges=[{"rangeName": "a", "ipCidrRange": "192.168.50.0/24"}])
    error = await cloud.nodes_refused(secondaryIpRanges=[{"rangeName": "a", "ipCidrRange": "192.168.50.0/23"}])
    assert error["message"] == (
        "Invalid value for field 'resource.secondaryIpRanges[0].ipCidrRange': '192.168.50.0/23'. "
        "Existing secondary range cannot be modified: 192.168.50.0/23."
    )
    error = await cloud.nodes_refused(secondaryIpRanges=[{"rangeName": "b", "ipCidrRange": "192.168.50.0/24"}])
    assert "conflicts with existing subnetwork 'nodes' in region 'europe-west1'" in error["message"]


async def test_ranges_overlap_nothing_in_the_network(cloud: Cloud) -> None:
    cloud.populate()
    other = {"name": "other", "network": NETWORK, "ipCidrRange": "10.250.128.0/17"}
    error = await cloud.refused("POST", f"{REGION}/subnetworks", other)
    assert error["message"] == (
        "Invalid value for field 'resource.ipCidrRange': '10.250.128.0/17'. Invalid IPCidrRange: 10.250.128.0/17 "
        "conflicts with existing subnetwork 'nodes' in region 'europe-west1'."
    )
    twice = {"name": "twice", "network": NETWORK, "ipCidrRange": "10.9.0.0/16"}
    ranges = [{"rangeName": "x", "ipCidrRange": "10.9.1.0/24"}]
    error = await cloud.refused("POST", f"{REGION}/subnetworks", twice | {"secondaryIpRanges": ranges})
    assert error["code"] == 400


async def test_a_range_in_use_stays(cloud: Cloud) -> None:
    await with_range(cloud)
    body = await cloud.aliases("vm0", "100.96.0.0/24")
    await cloud.do("PATCH", NIC, body, networkInterface="nic0")
    error = await cloud.nodes_refused(secondaryIpRanges=[])
    assert error["errors"][0]["reason"] == "resourceInUseByAnotherResource"
    await cloud.do("PATCH", NIC, await cloud.aliases("vm0"), networkInterface="nic0")
    await cloud.patch_nodes(secondaryIpRanges=[])
    assert "secondaryIpRanges" not in await cloud.get(NODES)


async def test_stack_type_rules(cloud: Cloud) -> None:
    cloud.populate()
    assert (await cloud.nodes_refused(stackType="IPV4_IPV6"))["errors"][0]["reason"] == "required"
    assert (await cloud.nodes_refused(stackType="IPV6_ONLY"))["code"] == 400
    assert "ULA" in (await cloud.nodes_refused(stackType="IPV4_IPV6", ipv6AccessType="INTERNAL"))["message"]
    # The empty strings that some clients send change nothing.
    before = await cloud.fingerprint()
    await cloud.patch_nodes(stackType="", ipv6AccessType="")
    assert await cloud.fingerprint() == before
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    assert "cannot be changed" in (await cloud.nodes_refused(ipv6AccessType="INTERNAL"))["message"]
    await cloud.clock.sleep(20)
    prefix = (await cloud.get(NODES))["externalIpv6Prefix"]
    await cloud.patch_nodes(stackType="IPV4_ONLY")
    assert "externalIpv6Prefix" not in await cloud.get(NODES)
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    await cloud.clock.sleep(20)
    assert (await cloud.get(NODES))["externalIpv6Prefix"] == prefix


async def test_internal_stack_is_one_way(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("PATCH", "global/networks/vpc", {"enableUlaInternalIpv6": True})
    assert (await cloud.get("global/networks/vpc"))["internalIpv6Range"].startswith("fd2")
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="INTERNAL")
    await cloud.clock.sleep(20)
    await cloud.do("POST", f"{ZONE}/instances", instance("six", stackType="IPV4_IPV6"))
    assert (await cloud.interface("six"))["ipv6Address"].startswith("fd2")
    assert (await cloud.nodes_refused(stackType="IPV4_ONLY"))["code"] == 400


# -- not ready


async def test_busy_subnetwork_is_not_ready(held: Cloud) -> None:
    held.populate()
    fingerprint = await held.fingerprint()
    running = await held.begin("PATCH", NODES, {"fingerprint": fingerprint, "allowSubnetCidrRoutesOverlap": True})
    for verb, path, body in (
        ("PATCH", NODES, {"fingerprint": fingerprint, "secondaryIpRanges": [POD_RANGE]}),
        ("POST", f"{ZONE}/instances", instance("vm")),
        ("DELETE", NODES, None),
        ("POST", f"{NODES}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True}),
    ):
        error = await held.refused(verb, path, body)
        assert error["errors"][0]["reason"] == "resourceNotReady"
        assert error["message"] == f"The resource 'projects/proj-1/{NODES}' is not ready"
    await held.ended(running)
    await held.do("POST", f"{ZONE}/instances", instance("vm"))


async def test_new_network_is_not_ready(held: Cloud) -> None:
    running = await held.begin("POST", "global/networks", {"name": "fresh", "autoCreateSubnetworks": False})
    body = {"name": "s", "network": "global/networks/fresh", "ipCidrRange": "10.0.0.0/24"}
    error = await held.refused("POST", f"{REGION}/subnetworks", body)
    assert error["errors"][0]["reason"] == "resourceNotReady"
    await held.ended(running)
    await held.do("POST", f"{REGION}/subnetworks", body)


# -- interfaces


async def test_interface_fingerprint_missing_is_400_and_stale_is_412(held: Cloud) -> None:
    await with_range(held)
    body = await held.aliases("vm0", "100.96.0.0/24")
    missing = {"aliasIpRanges": body["aliasIpRanges"]}
    assert (await held.refused("PATCH", NIC, missing, networkInterface="nic0"))["code"] == 400
    running = await held.begin("PATCH", NIC, body, networkInterface="nic0")
    assert (await held.refused("PATCH", NIC, body, networkInterface="nic0"))["code"] == 412
    await held.ended(running)
    assert (await held.refused("PATCH", NIC, body, networkInterface="nic0"))["code"] == 412


async def test_busy_instance_is_not_deleted_and_a_deleted_one_not_changed(held: Cloud) -> None:
    await with_range(held, nodes=2)
    body = await held.aliases("vm0", "100.96.0.0/24")
    updating = await held.begin("PATCH", NIC, body, networkInterface="nic0")
    error = await held.refused("DELETE", f"{ZONE}/instances/vm0")
    assert error["errors"][0]["reason"] == "resourceNotReady"
    await held.ended(updating)
    await held.begin("DELETE", f"{ZONE}/instances/vm0")
    body = await held.aliases("vm0")
    error = await held.refused("PATCH", NIC, body, networkInterface="nic0")
    assert error["errors"][0]["reason"] == "resourceNotReady"


async def test_alias_is_not_added_while_its_subnetwork_changes(held: Cloud) -> None:
    await with_range(held)
    await held.begin("PATCH", NODES, {"fingerprint": await held.fingerprint(), "enableFlowLogs": True})
    body = await held.aliases("vm0", "100.96.0.0/24")
    error = await held.refused("PATCH", NIC, body, networkInterface="nic0")
    assert error["message"] == f"The resource 'projects/proj-1/{NODES}' is not ready"


async def test_aliases_are_not_added_and_removed_together(cloud: Cloud) -> None:
    await with_range(cloud)
    await cloud.do("PATCH", NIC, await cloud.aliases("vm0", "100.96.0.0/24"), networkInterface="nic0")
    swapped = await cloud.aliases("vm0", "100.96.1.0/24")
    error = await cloud.refused("PATCH", NIC, swapped, networkInterface="nic0")
    assert error["message"] == "Cannot simultaneously add and remove alias IP ranges."
    both = await cloud.aliases("vm0", "100.96.0.0/24", "100.96.1.0/24")
    await cloud.do("PATCH", NIC, both, networkInterface="nic0")
    # A list without the second removes it; an empty one clears; an absent one changes nothing.
    await cloud.do("PATCH", NIC, await cloud.aliases("vm0", "100.96.0.0/24"), networkInterface="nic0")
    fingerprint = (await cloud.interface("vm0"))["fingerprint"]
    await cloud.do("PATCH", NIC, {"fingerprint": fingerprint}, networkInterface="nic0")
    assert len((await cloud.interface("vm0"))["aliasIpRanges"]) == 1
    await cloud.do("PATCH", NIC, await cloud.aliases("vm0"), networkInterface="nic0")
    assert "aliasIpRanges" not in await cloud.interface("vm0")


@pytest.mark.parametrize(
    ("alias", "words"),
    [
        ({"ipCidrRange": "100.96.0.0/24", "subnetworkRangeName": "other"}, "does not exist"),
        ({"ipCidrRange": "192.168.0.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}, "not within"),
        ({"ipCidrRange": "100.96.0.1/24", "subnetworkRangeName": "ipv4-pod-cidr"}, "host bits"),
        ({"ipCidrRange": "/8", "subnetworkRangeName": "ipv4-pod-cidr"}, "does not fit"),
        ({"ipCidrRange": "10.250.0.0/30"}, "reserved"),
        ({"ipCidrRange": "100.96.0.0/33", "subnetworkRangeName": "ipv4-pod-cidr"}, "host bits"),
    ],
)
async def test_bad_alias_is_refused(cloud: Cloud, alias: dict[str, str], words: str) -> None:
    await with_range(cloud)
    body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], "aliasIpRanges": [alias]}
    error = await cloud.refused("PATCH", NIC, body, networkInterface="nic0")
    assert error["code"] == 400
    assert words in error["message"]
    assert "aliasIpRanges[0]" in error["message"]


async def test_alias_in_use_fails_inside_the_operation(cloud: Cloud) -> None:
    await with_range(cloud, nodes=2)
    await cloud.do("PATCH", NIC, await cloud.aliases("vm0", "100.96.0.0/24"), networkInterface="nic0")
    other = f"{ZONE}/instances/vm1/updateNetworkInterface"
    before = await cloud.interface("vm1")
    body = await cloud.aliases("vm1", "100.96.4.0/24", "100.96.0.128/25")
    error = await cloud.fail("PATCH", other, body, networkInterface="nic0")
    assert error["code"] == "IP_IN_USE_BY_ANOTHER_RESOURCE"
    assert await cloud.interface("vm1") == before
    # The addresses of the failed call are free again.
    await cloud.do("PATCH", other, await cloud.aliases("vm1", "100.96.4.0/24"), networkInterface="nic0")


async def test_dual_interface_needs_a_dual_subnetwork_with_its_prefix(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], "stackType": "IPV4_IPV6"}
    assert (await cloud.refused("PATCH", NIC, body, networkInterface="nic0"))["code"] == 400
    error = await cloud.refused("POST", f"{ZONE}/instances", instance("x", stackType="IPV4_IPV6"))
    assert "resource.networkInterfaces[0].stackType" in error["message"]


async def test_alias_and_stack_type_are_two_calls(cloud: Cloud) -> None:
    await with_range(cloud)
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    await cloud.clock.sleep(20)
    body = await cloud.aliases("vm0", "100.96.0.0/24") | {"stackType": "IPV4_IPV6"}
    assert (await cloud.refused("PATCH", NIC, body, networkInterface="nic0"))["code"] == 400


@pytest.mark.parametrize(
    "change", [{"networkIP": "10.250.0.99"}, {"accessConfigs": [{"type": "ONE_TO_ONE_NAT"}]}, {"name": "nic1"}]
)
async def test_interface_keeps_what_this_call_cannot_change(cloud: Cloud, change: dict[str, Any]) -> None:
    cloud.populate(nodes=1)
    body = await cloud.interface("vm0") | change
    assert (await cloud.refused("PATCH", NIC, body, networkInterface="nic0"))["code"] == 400


# -- exhaustion, names, references


async def test_range_exhaustion_fails_inside_the_operation(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.patch_nodes(secondaryIpRanges=[{"rangeName": "pods", "ipCidrRange": "100.64.0.0/24"}])
    alias = [{"ipCidrRange": "/25", "subnetworkRangeName": "pods"}]
    for name in ("one", "two"):
        await cloud.do("POST", f"{ZONE}/instances", instance(name, aliasIpRanges=alias))
    error = await cloud.fail("POST", f"{ZONE}/instances", instance("three", aliasIpRanges=alias))
    assert error["code"] == "IP_SPACE_EXHAUSTED_WITH_DETAILS"
    assert (await cloud.refused("GET", f"{ZONE}/instances/three"))["code"] == 404
    await cloud.do("DELETE", f"{ZONE}/instances/one")
    await cloud.do("POST", f"{ZONE}/instances", instance("three", aliasIpRanges=alias))
    assert (await cloud.interface("three"))["aliasIpRanges"][0]["ipCidrRange"] == "100.64.0.0/25"


async def test_names_exist_once(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    for path, body in (
        ("global/routes", route("shoot--foo--bar-0", "100.97.0.0/24", "vm0")),
        (f"{ZONE}/instances", instance("vm0")),
        ("global/networks", {"name": "vpc", "autoCreateSubnetworks": False}),
    ):
        error = await cloud.refused("POST", path, body)
        assert error["code"] == 409
        assert error["errors"][0]["reason"] == "alreadyExists"
        assert error["message"] == f"The resource 'projects/proj-1/{path}/{body['name']}' already exists"


async def test_bad_names_and_paths(cloud: Cloud) -> None:
    cloud.populate()
    error = await cloud.refused("POST", "global/networks", {"name": "Bad_Name", "autoCreateSubnetworks": False})
    assert error["message"].startswith("Invalid value for field 'resource.name': 'Bad_Name'. Must be a match of regex")
    status, document = await cloud.raw(
        "GET", "/compute/v1/projects/proj-1/zones/https%3A%2F%2Fwww.googleapis.com%2Fz/instances"
    )
    assert status == 400
    assert document["error"]["errors"][0]["reason"] == "invalidParameter"


async def test_references_must_exist(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    error = await cloud.refused("POST", "global/routes", route("r", "100.97.0.0/24", "missing"))
    assert "resource.nextHopInstance" in error["message"]
    two_hops = route("r", "100.97.0.0/24", "vm0") | {"nextHopIp": "10.250.0.2"}
    assert (await cloud.refused("POST", "global/routes", two_hops))["code"] == 400
    missing = instance("x", subnetwork="regions/europe-west1/subnetworks/none")
    assert "subnetwork" in (await cloud.refused("POST", f"{ZONE}/instances", missing))["message"]


async def test_networks_and_subnetworks_in_use_cannot_be_deleted(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    error = await cloud.fail("DELETE", "global/networks/vpc")
    assert error["code"] == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"
    refused = await cloud.refused("DELETE", NODES)
    assert refused["errors"][0]["reason"] == "resourceInUseByAnotherResource"
    await cloud.do("DELETE", f"{ZONE}/instances/vm0")
    await cloud.do("DELETE", "global/routes/shoot--foo--bar-0")
    await cloud.do("DELETE", NODES)
    await cloud.do("DELETE", "global/networks/vpc")
    assert cloud.compute.snapshot() == {}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"name": 5}', 400),
        (b'{"name": "x", "unknown": 1}', 400),
        (b'{"name": "x", "autoCreateSubnetworks": "no"}', 400),
        (b" " * (5 * 1024 * 1024), 413),
    ],
)
async def test_bad_bodies_get_the_documented_shape(cloud: Cloud, data: bytes, status: int) -> None:
    got, document = await cloud.raw("POST", "/compute/v1/projects/proj-1/global/networks", data=data)
    assert got == status
    assert document["error"]["code"] == status
    assert document["error"]["errors"][0]["message"]


@pytest.mark.parametrize(
    "path",
    ["/", "/compute/v1/projects/proj-1/global/nothing", "/compute/v2/projects/proj-1", "/compute/v1/projects/other"],
)
async def test_unknown_paths_get_the_documented_shape(cloud: Cloud, path: str) -> None:
    status, document = await cloud.raw("GET", path)
    assert status in (400, 404)
    assert document["error"]["code"] == status


async def test_a_name_is_taken_within_its_region_whatever_the_network(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("POST", "global/networks", {"name": "other", "autoCreateSubnetworks": False})
    body = {"name": "nodes", "network": "projects/proj-1/global/networks/other", "ipCidrRange": "10.1.0.0/16"}
    error = await cloud.refused("POST", f"{REGION}/subnetworks", body)
    assert (error["code"], error["errors"][0]["reason"]) == (409, "alreadyExists")
    assert error["message"] == f"The resource 'projects/proj-1/{NODES}' already exists"


async def test_a_recreated_resource_has_another_id(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    path = "global/routes/shoot--foo--bar-0"
    before = await cloud.get(path)
    gone = await cloud.do("DELETE", path)
    assert gone["targetLink"] == before["selfLink"]
    assert gone["targetId"] == before["id"]
    await cloud.do("POST", "global/routes", route("shoot--foo--bar-0", "100.96.0.0/24", "vm0"))
    after = await cloud.get(path)
    assert after["id"] != before["id"]
    assert after["id"].isdigit()
