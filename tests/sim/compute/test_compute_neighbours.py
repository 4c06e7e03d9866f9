"""Firewall rules, routers with NAT, and addresses, which a node pool needs in addition."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.compute.cloud import MACHINE, NETWORK, NODES, REGION, ZONE, Cloud

RULE: dict[str, Any] = {
    "name": "allow-internal-access",
    "network": NETWORK,
    "allowed": [{"IPProtocol": "icmp"}, {"IPProtocol": "tcp", "ports": ["1-65535"]}],
    "sourceRanges": ["100.96.0.0/11", "10.250.0.0/16"],
}
NAT: dict[str, Any] = {
    "name": "cloud-nat",
    "natIpAllocateOption": "AUTO_ONLY",
    "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
    "subnetworks": [{"name": NODES, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}],
    "minPortsPerVm": 2048,
}


async def test_firewall_patch_keeps_and_update_resets(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("POST", "global/firewalls", RULE | {"description": "old", "priority": 900})
    path = "global/firewalls/allow-internal-access"
    assert (await cloud.get(path))["direction"] == "INGRESS"
    await cloud.do("PATCH", path, {"sourceRanges": ["10.0.0.0/8"]})
    patched = await cloud.get(path)
    assert (patched["sourceRanges"], patched["priority"], patched["description"]) == (["10.0.0.0/8"], 900, "old")
    await cloud.do("PUT", path, {"allowed": RULE["allowed"], "disabled": True})
    updated = await cloud.get(path)
    assert (updated["sourceRanges"], updated["priority"], updated["disabled"]) == (["0.0.0.0/0"], 1000, True)
    assert updated["id"] == patched["id"]
    await cloud.do("DELETE", path)
    assert [commit.after is None for commit in cloud.commits if commit.collection == "firewalls"][-1] is True


@pytest.mark.parametrize(
    "change",
    [
        {"sourceRanges": ["10.0.0.0/8", "fd00::/8"]},
        {"sourceRanges": ["10.0.0.1/8"]},
        {"priority": 70000},
        {"allowed": []},
        {"denied": [{"IPProtocol": "all"}]},
        {"direction": "SIDEWAYS"},
        {"allowed": [{"IPProtocol": "tcp", "ports": ["http"]}]},
        {"allowed": [{"IPProtocol": "tcp", "ports": ["90-80"]}]},
        {"allowed": [{"IPProtocol": "tcp", "ports": ["65536"]}]},
        {"network": "global/networks/none"},
    ],
)
async def test_bad_rules_are_refused(cloud: Cloud, change: dict[str, Any]) -> None:
    cloud.populate()
    assert (await cloud.refused("POST", "global/firewalls", RULE | change))["code"] == 400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bgp": {"asn": 64512, "advertisedIpRanges": [{"description": "d"}]}}, "bgp.advertisedIpRanges[0].range"),
        ({"bgpPeers": [{"advertisedIpRanges": [{"range": "x"}]}]}, "bgpPeers[0].advertisedIpRanges[0].range"),
        ({"bgpPeers": ["x"]}, "bgpPeers[0]"),
        ({"interfaces": [7]}, "interfaces[0]"),
    ],
)
async def test_bad_bgp_is_refused(cloud: Cloud, change: dict[str, Any], field: str) -> None:
    cloud.populate()
    refusal = await cloud.refused("POST", f"{REGION}/routers", {"name": "r", "network": NETWORK} | change)
    assert (refusal["code"], f"'resource.{field}'" in refusal["message"]) == (400, True)


async def test_router_nats_are_replaced_as_a_whole(held: Cloud) -> None:
    held.populate()
    path = f"{REGION}/routers/router"
    await held.do("POST", f"{REGION}/routers", {"name": "router", "network": NETWORK})
    running = await held.begin("PATCH", path, {"nats": [NAT]})
    busy = await held.refused("PATCH", path, {"nats": []})
    assert busy["message"] == "The resource 'projects/proj-1/regions/europe-west1/routers/router' is not ready"
    await held.ended(running)
    shown = (await held.get(path))["nats"]
    assert [nat["minPortsPerVm"] for nat in shown] == [2048]
    # A subnetwork that a NAT names cannot be deleted.
    assert (await held.refused("DELETE", NODES))["errors"][0]["reason"] == "resourceInUseByAnotherResource"
    await held.do("PATCH", path, {"nats": [NAT | {"name": "other"}]})
    assert [nat["name"] for nat in (await held.get(path))["nats"]] == ["other"]
    await held.do("PATCH", path, {"nats": []})
    assert "nats" not in await held.get(path)
    await held.do("DELETE", NODES)


async def test_manual_nat_addresses_are_in_use(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("POST", f"{REGION}/addresses", {"name": "nat-ip"})
    assert (await cloud.get(f"{REGION}/addresses/nat-ip"))["status"] == "RESERVED"
    nat = NAT | {"natIpAllocateOption": "MANUAL_ONLY", "natIps": [f"{REGION}/addresses/nat-ip"]}
    router = {"name": "router", "network": NETWORK, "nats": [nat]}
    await cloud.do("POST", f"{REGION}/routers", router)
    address = await cloud.get(f"{REGION}/addresses/nat-ip")
    assert (address["status"], len(address["users"])) == ("IN_USE", 1)
    assert (await cloud.get(f"{REGION}/addresses"))["items"] == [address]
    assert (await cloud.refused("DELETE", f"{REGION}/addresses/nat-ip"))["code"] == 400
    await cloud.do("DELETE", f"{REGION}/routers/router")
    await cloud.do("DELETE", f"{REGION}/addresses/nat-ip")


@pytest.mark.parametrize(
    "change",
    [
        {"natIpAllocateOption": "MANUAL_ONLY"},
        {"natIpAllocateOption": "SOMETIMES"},
        {"name": "Bad"},
        {"subnetworks": [{"name": "regions/europe-west1/subnetworks/none"}]},
        {"unknown": 1},
    ],
)
async def test_bad_nats_are_refused(cloud: Cloud, change: dict[str, Any]) -> None:
    cloud.populate()
    body = {"name": "router", "network": NETWORK, "nats": [NAT | change]}
    assert (await cloud.refused("POST", f"{REGION}/routers", body))["code"] == 400


async def test_internal_address_blocks_vms_and_aliases(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    body = {"name": "vip", "addressType": "INTERNAL", "subnetwork": NODES}
    await cloud.do("POST", f"{REGION}/addresses", body)
    assert (await cloud.get(f"{REGION}/addresses/vip"))["address"] == "10.250.0.3"
    taken = body | {"name": "other", "address": "10.250.0.2"}
    assert (await cloud.fail("POST", f"{REGION}/addresses", taken))["code"] == "IP_IN_USE_BY_ANOTHER_RESOURCE"
    await cloud.do("DELETE", f"{REGION}/addresses/vip")
    await cloud.do("POST", f"{REGION}/addresses", body | {"name": "again"})
    assert (await cloud.get(f"{REGION}/addresses/again"))["address"] == "10.250.0.3"


async def test_primary_range_only_grows(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    path = f"{NODES}/expandIpCidrRange"
    for wrong in ("10.250.0.0/17", "10.250.0.0/16", "10.0.0.1/8", "192.168.0.0/16"):
        assert (await cloud.refused("POST", path, {"ipCidrRange": wrong}))["code"] == 400
    # A pod route conflicts with this one.
    assert (await cloud.refused("POST", path, {"ipCidrRange": "0.0.0.0/0"}))["code"] == 400
    await cloud.do("POST", path, {"ipCidrRange": "10.248.0.0/14"})
    assert (await cloud.get(NODES))["ipCidrRange"] == "10.248.0.0/14"


async def test_statistics_tell_callers_apart(cloud: Cloud) -> None:
    url = f"{cloud.root}/compute/v1/projects/proj-1"
    for agent in ("dualstack/1", "dualstack/1", "other"):
        async with cloud.session.get(url, headers={"User-Agent": agent}) as response:
            assert response.status == 200
    assert cloud.compute.statistics("dualstack")["calls"] == 2
    assert cloud.compute.statistics()["calls"] == 3


async def test_ipv6_addresses_come_from_the_subnetwork(cloud: Cloud) -> None:
    cloud.populate()
    six = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
    cloud.compute.place(
        "subnetworks", REGION, {"name": "dual", "network": NETWORK, "ipCidrRange": "10.9.0.0/16", **six}
    )
    dual = f"{REGION}/subnetworks/dual"
    body = {"name": "six", "ipVersion": "IPV6", "subnetwork": dual, "ipv6EndpointType": "VM"}
    await cloud.do("POST", f"{REGION}/addresses", body)
    address = await cloud.get(f"{REGION}/addresses/six")
    prefix = (await cloud.get(dual))["externalIpv6Prefix"].partition(":0:0:0:0/")[0]
    assert (address["address"], address["prefixLength"]) == (f"{prefix}:0:1:0:0", 96)
    vm = {"machineType": MACHINE, "networkInterfaces": [{"subnetwork": dual, "stackType": "IPV4_IPV6"}]}
    await cloud.do("POST", f"{ZONE}/instances", vm | {"name": "vm"})
    config = (await cloud.interface("vm"))["ipv6AccessConfigs"][0]
    assert config["externalIpv6"] == f"{prefix}:0:2:0:0"
    await cloud.do("DELETE", f"{REGION}/addresses/six")
    for bad in (
        {"subnetwork": NODES},
        {"addressType": "INTERNAL"},
        {"ipv6EndpointType": "MOON"},
        {"ipVersion": "IPV5"},
    ):
        assert (await cloud.refused("POST", f"{REGION}/addresses", body | bad))["code"] == 400
    await cloud.do("POST", "global/addresses", {"name": "front", "ipVersion": "IPV6"})
    assert (await cloud.get("global/addresses/front"))["address"].startswith("2600:1901:0:")


async def test_an_external_address_shows_the_vm_that_has_it(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("POST", f"{REGION}/addresses", {"name": "front"})
    number = (await cloud.get(f"{REGION}/addresses/front"))["address"]
    vm = {"name": "vm", "machineType": MACHINE, "networkInterfaces": [{"subnetwork": NODES}]}
    vm["networkInterfaces"] = [{"subnetwork": NODES, "accessConfigs": [{"natIP": number}]}]
    await cloud.do("POST", f"{ZONE}/instances", vm)
    address = await cloud.get(f"{REGION}/addresses/front")
    assert (address["status"], address["users"]) == ("IN_USE", [(await cloud.get(f"{ZONE}/instances/vm"))["selfLink"]])
    assert (await cloud.refused("DELETE", f"{REGION}/addresses/front"))["code"] == 400


@pytest.mark.parametrize("place", [REGION, "global"])
async def test_labels_of_an_address_are_replaced(cloud: Cloud, place: str) -> None:
    path = f"{place}/addresses/labelled"
    await cloud.do("POST", f"{place}/addresses", {"name": "labelled", "labels": {"a": "b"}})
    address = await cloud.get(path)
    assert address["labels"] == {"a": "b"}
    change = {"labels": {"c": "d"}, "labelFingerprint": address["labelFingerprint"]}
    await cloud.do("POST", f"{path}/setLabels", change)
    assert (await cloud.get(path))["labels"] == {"c": "d"}
    assert (await cloud.refused("POST", f"{path}/setLabels", change))["code"] == 412
