"""Every option of InfrastructureConfig: created, changed, and kept when it is right.

docs/reference/gardener.md#infrastructure-config
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dualstack.gardener.controllers.reporting import TaskFailed
from tests.sim.infrastructure.configuration import configure
from tests.sim.infrastructure.scene import NS, SUBNET, Scene, scene
from tests.support.nat import NAT_DEFAULTS

NAT_OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"minPortsPerVM": 4096}, {"minPortsPerVm": 4096}),
    ({"endpointIndependentMapping": {"enabled": True}}, {"enableEndpointIndependentMapping": True}),
    (
        {"enableDynamicPortAllocation": True, "minPortsPerVM": 64, "maxPortsPerVM": 32768},
        {"enableDynamicPortAllocation": True, "minPortsPerVm": 64, "maxPortsPerVm": 32768},
    ),
    ({"icmpIdleTimeoutSec": 31}, {"icmpIdleTimeoutSec": 31}),
    ({"tcpEstablishedIdleTimeoutSec": 1201}, {"tcpEstablishedIdleTimeoutSec": 1201}),
    ({"tcpTimeWaitTimeoutSec": 121}, {"tcpTimeWaitTimeoutSec": 121}),
    ({"tcpTransitoryIdleTimeoutSec": 32}, {"tcpTransitoryIdleTimeoutSec": 32}),
    ({"udpIdleTimeoutSec": 33}, {"udpIdleTimeoutSec": 33}),
    ({"natIPNames": [{"name": "egress-2"}, {"name": "egress-1"}]}, {"natIpAllocateOption": "MANUAL_ONLY"}),
]
LOG_DEFAULTS = {"aggregationInterval": "INTERVAL_5_MIN", "flowSampling": 0.5, "metadata": "EXCLUDE_ALL_METADATA"}
LOG_OPTIONS: list[dict[str, Any]] = [
    {"aggregationInterval": "INTERVAL_30_SEC"},
    {"flowSampling": 0.7},
    {"metadata": "INCLUDE_ALL_METADATA"},
    {"aggregationInterval": "INTERVAL_15_MIN", "flowSampling": 0.0, "metadata": "EXCLUDE_ALL_METADATA"},
]
BOTH = pytest.mark.parametrize("empty", [True, False], ids=["made", "changed"])


async def reconciled(made: Scene) -> None:
    """Reconcile, and once more without a mutating call."""
    made.request()
    await made.reconcile()
    before = made.mutations()
    made.request()
    await made.reconcile()
    assert made.mutations() == before


@asynccontextmanager
async def project(*, empty: bool) -> AsyncIterator[Scene]:
    """An IPv4 Shoot that is about to be made, or is there already; the user's addresses are there in either case."""
    async with scene(empty=empty) as made:
        for name in ("egress-1", "egress-2"):
            made.compute.place("addresses", SUBNET, {"name": name})
        yield made


async def nat(made: Scene, router: str = f"{NS}-cloud-router") -> dict[str, Any]:
    (found,) = [
        nat
        for nat in (await made.resource("routers.get", SUBNET, router))["nats"]
        if nat["name"] == f"{made.namespace}-cloud-nat"
    ]
    return dict(found)


@BOTH
@pytest.mark.parametrize(("option", "expected"), NAT_OPTIONS, ids="+".join)
async def test_each_option_of_the_nat(empty: bool, option: dict[str, Any], expected: dict[str, Any]) -> None:
    async with project(empty=empty) as made:
        configure(made, cloudNAT=option)
        await reconciled(made)
        found = await nat(made)
        wanted = NAT_DEFAULTS | expected
        assert {name: found.get(name) for name in wanted} == wanted
        nodes = (await made.subnet())["selfLink"]
        assert found["subnetworks"] == [{"name": nodes, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}]
        status = made.infrastructure()["status"]
        if "natIPNames" in option:
            addresses = [await made.resource("addresses.get", SUBNET, entry["name"]) for entry in option["natIPNames"]]
            assert found["natIps"] == [address["selfLink"] for address in addresses]
            ips = [address["address"] for address in addresses]
            assert status["providerStatus"]["networks"]["natIPs"] == [{"ip": ip} for ip in ips]
            assert status["egressCIDRs"] == [f"{ip}/32" for ip in ips]
        else:
            assert "natIps" not in found
        configure(made, cloudNAT=None)
        await reconciled(made)
        found = await nat(made)
        assert {name: found.get(name) for name in NAT_DEFAULTS} == NAT_DEFAULTS
        assert "natIps" not in found


@BOTH
@pytest.mark.parametrize("option", LOG_OPTIONS, ids="+".join)
async def test_each_option_of_the_flow_logs(empty: bool, option: dict[str, Any]) -> None:
    async with project(empty=empty) as made:
        configure(made, flowLogs=option)
        await reconciled(made)
        logs = (await made.subnet())["logConfig"]
        assert logs["enable"] is True
        wanted = LOG_DEFAULTS | option
        assert {name: logs[name] for name in wanted} == pytest.approx(wanted)
        configure(made, flowLogs=None)
        await reconciled(made)
        assert not ((await made.subnet()).get("logConfig") or {}).get("enable")


@BOTH
async def test_the_internal_subnet_comes_and_goes(empty: bool) -> None:
    async with project(empty=empty) as made:
        configure(made, internal="10.251.0.0/24")
        await reconciled(made)
        internal = await made.subnet(f"{NS}-internal")
        assert internal["ipCidrRange"] == "10.251.0.0/24"
        assert internal["description"] == "gardener-managed internal subnet"
        rule = await made.resource("firewalls.get", "global", f"{NS}-allow-internal-access")
        assert set(rule["sourceRanges"]) == {"100.96.0.0/11", "10.251.0.0/24", "10.250.0.0/16"}
        subnets = made.infrastructure()["status"]["providerStatus"]["networks"]["subnets"]
        assert [subnet["purpose"] for subnet in subnets] == ["nodes", "internal"]
        configure(made, internal=None)
        await reconciled(made)
        listed = await made.compute.answer("subnetworks.list", SUBNET)
        assert f"{NS}-internal" not in [subnet["name"] for subnet in listed["items"]]
        rule = await made.resource("firewalls.get", "global", f"{NS}-allow-internal-access")
        assert set(rule["sourceRanges"]) == {"100.96.0.0/11", "10.250.0.0/16"}


@BOTH
async def test_the_worker_range_grows(empty: bool) -> None:
    async with project(empty=empty) as made:
        await reconciled(made)
        configure(made, workers="10.250.0.0/15")
        await reconciled(made)
        assert (await made.subnet())["ipCidrRange"] == "10.250.0.0/15"
        rule = await made.resource("firewalls.get", "global", f"{NS}-allow-internal-access")
        assert "10.250.0.0/15" in rule["sourceRanges"]


@pytest.mark.parametrize("mtu", [None, 8896])
async def test_the_mtu_is_that_of_a_network_of_ours_from_its_beginning(mtu: int | None) -> None:
    """Later it is neither compared nor changed: it is immutable, and upstream removes it from updates."""
    async with project(empty=True) as made:
        configure(made, **({"mtu": mtu} if mtu else {}))
        await reconciled(made)
        network = await made.resource("networks.get", "global", NS)
        assert network.get("mtu", 1460) == (mtu or 1460)
        assert network["routingConfig"]["routingMode"] == "REGIONAL"
        configure(made, mtu=1500)
        await reconciled(made)


async def with_network_of_the_user(made: Scene) -> None:
    body = {"name": "theirs", "autoCreateSubnetworks": False, "routingConfig": {"routingMode": "GLOBAL"}}
    made.compute.place("networks", "global", body)
    network = (await made.resource("networks.get", "global", "theirs"))["selfLink"]
    made.compute.place("routers", SUBNET, {"name": "their-router", "network": network})
    configure(made, vpc={"name": "theirs", "cloudRouter": {"name": "their-router"}})


async def test_a_network_and_router_of_the_user_are_used_and_not_changed() -> None:
    async with project(empty=True) as made:
        await with_network_of_the_user(made)
        configure(made, internal="10.251.0.0/24")
        await reconciled(made)
        before = await made.resource("networks.get", "global", "theirs")
        configure(made, internal=None, mtu=1500)
        await reconciled(made)
        after = await made.resource("networks.get", "global", "theirs")
        assert len(before.pop("subnetworks")) == 2
        assert after.pop("subnetworks") == [(await made.subnet())["selfLink"]]
        assert after == before
        assert after["routingConfig"]["routingMode"] == "GLOBAL"
        assert (await made.subnet())["network"] == before["selfLink"]
        assert (await nat(made, "their-router"))["minPortsPerVm"] == 2048
        networks = made.infrastructure()["status"]["providerStatus"]["networks"]
        assert networks["vpc"] == {"name": "theirs", "cloudRouter": {"name": "their-router"}}
        names = [network["name"] for network in (await made.compute.answer("networks.list", "global"))["items"]]
        assert NS not in names


@pytest.mark.parametrize(
    ("vpc", "expected"),
    [
        ({"name": "nowhere", "cloudRouter": {"name": "r"}}, "failed to locate user-managed VPC [Name=nowhere]"),
        (
            {"name": "theirs", "cloudRouter": {"name": "nowhere"}},
            "failed to locate user-managed CloudRouter [Name=nowhere]",
        ),
    ],
)
async def test_resources_that_the_user_names_must_exist(vpc: dict[str, Any], expected: str) -> None:
    async with project(empty=True) as made:
        await with_network_of_the_user(made)
        configure(made, vpc=vpc)
        made.request()
        with pytest.raises(TaskFailed):
            await made.reconcile()
        error = made.infrastructure()["status"]["lastError"]
        assert expected in error["description"]
        assert error["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
