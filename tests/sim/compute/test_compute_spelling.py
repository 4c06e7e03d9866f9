"""Numbers and addresses that clients write in several ways (docs/reference/compute-engine.md#ipv6-text)."""

from __future__ import annotations

import struct
from ipaddress import ip_interface
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack_sim.compute.api.bodies import same
from tests.sim.compute.cloud import NETWORK, NODES, REGION, ZONE, Cloud, Json, Setting, instance, make

DUAL = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
NIC = f"{ZONE}/instances/vm0/updateNetworkInterface"


@pytest.mark.parametrize(
    ("sent", "read"), [(0.20000000298023224, 0.2), (0.2, 0.2), (0.7, 0.7), (0.699999988079071, 0.7), (1, 1), (0, 0)]
)
async def test_s7_flow_sampling_has_single_precision(cloud: Cloud, sent: float, read: float) -> None:
    cloud.populate()
    await cloud.patch_nodes(logConfig={"enable": True, "flowSampling": sent})
    assert (await cloud.get(NODES))["logConfig"]["flowSampling"] == read
    before = await cloud.fingerprint()
    await cloud.patch_nodes(logConfig={"enable": True, "flowSampling": read})
    assert await cloud.fingerprint() == before


@given(st.floats(0, 1, width=32))
def test_s7_every_share_is_kept_in_single_precision(share: float) -> None:
    compute = make(Setting(by_hand=True))[0]
    compute.place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})
    body = {"name": "nodes", "network": NETWORK, "ipCidrRange": "10.250.0.0/16"}
    logs = {"enable": True, "flowSampling": share}
    shown = compute.place("subnetworks", REGION, body | {"logConfig": logs})["logConfig"]["flowSampling"]
    assert struct.pack("f", shown) == struct.pack("f", share)
    assert len(repr(shown)) <= len(repr(share))


@pytest.mark.parametrize("share", [-0.1, 1.1, 20])
async def test_s7_flow_sampling_is_a_share(cloud: Cloud, share: float) -> None:
    cloud.populate()
    error = await cloud.nodes_refused(logConfig={"enable": True, "flowSampling": share})
    assert "resource.logConfig.flowSampling" in error["message"]


def shortened(value: Any) -> Any:
    """The value with the short form of every IPv6 address."""
    if isinstance(value, dict):
        return {field: shortened(part) for field, part in value.items()}
    if isinstance(value, list):
        return [shortened(part) for part in value]
    if isinstance(value, str) and value.count(":") > 3 and "//" not in value:
        address = ip_interface(value)
        return str(address if "/" in value else address.ip)
    return value


async def test_s7_an_interface_with_short_addresses_is_no_change(cloud: Cloud) -> None:
    """A client that parses addresses sends the interface back with the short form of what it read."""
    cloud.populate()
    await cloud.patch_nodes(**DUAL)
    await cloud.clock.sleep(30)
    await cloud.do("POST", f"{ZONE}/instances", instance("vm0", stackType="IPV4_IPV6"))
    interface = await cloud.interface("vm0")
    sent = shortened(interface)
    assert sent != interface
    await cloud.do("PATCH", NIC, sent | {"aliasIpRanges": [{"ipCidrRange": "/28"}]}, networkInterface="nic0")
    after = await cloud.interface("vm0")
    assert after["ipv6AccessConfigs"] == interface["ipv6AccessConfigs"]
    other = shortened(after)
    other["ipv6AccessConfigs"][0]["externalIpv6"] = "2600:1900::"
    assert (await cloud.refused("PATCH", NIC, other, networkInterface="nic0"))["code"] == 400


async def test_s7_a_prefix_in_short_form_is_no_change(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.patch_nodes(**DUAL)
    await cloud.clock.sleep(30)
    short = shortened(await cloud.get(NODES))["externalIpv6Prefix"]
    await cloud.patch_nodes(externalIpv6Prefix=short)
    assert (await cloud.nodes_refused(externalIpv6Prefix="2600:1900:4010:1::/64"))["code"] == 400


async def test_s7_an_internal_range_in_short_form_is_no_change(cloud: Cloud) -> None:
    body = {"name": "six", "autoCreateSubnetworks": False, "enableUlaInternalIpv6": True}
    await cloud.do("POST", "global/networks", body | {"internalIpv6Range": "fd20:1:2::/48"})
    path = "global/networks/six"
    assert (await cloud.get(path))["internalIpv6Range"] == "fd20:1:2:0:0:0:0:0/48"
    for given_range in ("fd20:1:2::/48", "fd20:1:2:0:0:0:0:0/48"):
        await cloud.do("PATCH", path, {"enableUlaInternalIpv6": True, "internalIpv6Range": given_range})
    change = {"enableUlaInternalIpv6": True, "internalIpv6Range": "fd20:1:3::/48"}
    assert (await cloud.refused("PATCH", path, change))["code"] == 400


@given(st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_s7_all_spellings_of_an_address_are_the_same(number: int, length: int) -> None:
    short = str(ip_interface((number, length))) if number > 2**32 else f"::ffff/{length}"
    long = ip_interface(short).exploded
    assert same({"externalIpv6": short}, {"externalIpv6": long})
    assert not same(short, "10.0.0.0/8")


@pytest.mark.parametrize("field", ["nicType", "queueCount", "ipv6Address", "aliasIpv6Ranges", "igmpQuery"])
async def test_an_interface_field_that_cannot_change_is_refused_by_name(cloud: Cloud, field: str) -> None:
    """Otherwise the change would be lost without a word."""
    cloud.populate(1)
    values: Json = {"nicType": "GVNIC", "queueCount": 4, "ipv6Address": "fd20::1", "igmpQuery": "IGMP_QUERY_V2"}
    values["aliasIpv6Ranges"] = [{"ipCidrRange": "2600::/112"}]
    body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], field: values[field]}
    error = await cloud.refused("PATCH", NIC, body, networkInterface="nic0")
    assert f"resource.{field}" in error["message"]
