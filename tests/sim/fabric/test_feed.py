"""Compute API resources as facts; only differences propagate."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.fabric.blocks import Block, BlockIndex, format_address, parse_address, parse_block
from dualstack_sim.fabric.facts import Fact, Interface, PortRange, StaticRoute, SubnetFlag, SubnetRanges
from dualstack_sim.fabric.feed import HostNames, changes
from tests.sim.fabric.cloud import BASE, NETWORK, PODS, Cloud


def recorded() -> tuple[Cloud, list[Commit]]:
    commits: list[Commit] = []
    return Cloud(commits.append), commits


def facts(commit: Commit) -> list[Fact | None]:
    return [change.fact for change in changes(commit, HostNames().of)]


def test_flag_and_ranges_of_a_subnet_travel_apart() -> None:
    cloud, commits = recorded()
    cloud.subnet(0.0)
    cloud.flag(1.0, True)
    cloud.ranges(2.0, PODS)
    nodes = parse_block("10.250.0.0/16")
    assert facts(commits[0]) == [
        SubnetRanges("europe-west1", "nodes", (nodes,)),
        SubnetFlag("europe-west1", "nodes", False),
    ]
    assert facts(commits[1]) == [SubnetFlag("europe-west1", "nodes", True)]
    assert facts(commits[2]) == [SubnetRanges("europe-west1", "nodes", (nodes, parse_block(PODS)))]


def test_fields_without_effect_on_forwarding_do_not_propagate() -> None:
    cloud, commits = recorded()
    cloud.subnet(0.0)
    cloud.change(1.0, "subnetworks", "nodes", fingerprint="other", logConfig={"enable": True})
    cloud.put(2.0, "networks", {"name": "net"})
    cloud.put(3.0, "routes", {"name": "s", "network": NETWORK, "destRange": "10.250.0.0/16", "nextHopNetwork": NETWORK})
    assert [facts(commit) for commit in commits[1:]] == [[], [], []]


def test_a_nic_with_aliases_and_ipv6_in_googles_spelling() -> None:
    cloud, commits = recorded()
    cloud.vm(0.0, 1)
    cloud.aliases(1.0, 1, "10.96.1.0/24", "/24")
    cloud.dual_stack(2.0, 1)
    primary, alias = parse_block("10.250.0.11/32"), parse_block("10.96.1.0/24")
    assert facts(commits[1]) == [Interface("node-1", "nic0", primary, (alias,))]
    ipv6 = parse_block("2600:1900:4010:1:0:1::/96")
    assert facts(commits[2]) == [Interface("node-1", "nic0", primary, (alias,), ipv6)]
    nic = {"name": "nic0", "network": "n", "ipv6Address": "fd20::5:0:0", "internalIpv6PrefixLength": 96}
    cloud.vm(3.0, 2, networkInterfaces=[nic])
    assert facts(commits[3])[1] == Interface("node-2", "nic0", None, (), parse_block("fd20::5:0:0/96"))


def test_a_deleted_resource_removes_its_facts() -> None:
    cloud, commits = recorded()
    cloud.vm(0.0, 1)
    cloud.delete(1.0, "instances", "node-1")
    assert [(change.key, change.fact) for change in changes(commits[1], HostNames().of)] == [
        (("machine", "node-1"), None),
        (("interface", "node-1", "nic0"), None),
    ]


@pytest.mark.parametrize(
    ("hop", "instance", "region", "next_hop"),
    [
        ({"nextHopInstance": f"{BASE}/zones/us-east1-b/instances/i"}, "i", "us-east1", "instance"),
        ({"nextHopInstance": "zones/us-east1-b/instances/i"}, "i", "us-east1", "instance"),
        ({"nextHopGateway": f"{BASE}/global/gateways/default-internet-gateway"}, None, "", "default-internet-gateway"),
        ({"nextHopIp": "10.0.0.9"}, None, "", "10.0.0.9"),
    ],
)
def test_next_hops(hop: dict[str, Any], instance: str | None, region: str, next_hop: str) -> None:
    cloud, commits = recorded()
    cloud.put(0.0, "routes", {"name": "r", "network": NETWORK, "destRange": "10.0.0.0/8", **hop})
    expected = StaticRoute("r", parse_block("10.0.0.0/8"), 1000, instance, region, next_hop)
    assert facts(commits[0]) == [expected]


def test_ports_of_a_firewall_rule() -> None:
    cloud, commits = recorded()
    cloud.firewall(0.0, "f", allowed=[{"IPProtocol": "TCP", "ports": ["22", "80-90"]}, {"IPProtocol": "58"}])
    (rule,) = facts(commits[0])
    assert getattr(rule, "traffic", None) == (PortRange("tcp", ((22, 22), (80, 90))), PortRange("58"))


class TestBlocks:
    def test_contains_and_covers(self) -> None:
        block = parse_block("10.96.0.0/11")
        assert block.contains(parse_address("10.127.255.255"))
        assert not block.contains(parse_address("10.128.0.0"))
        assert not block.contains(parse_address("::1"))
        assert block.covers(block)
        assert block.covers(parse_block("10.100.0.0/24"))
        assert not parse_block("10.100.0.0/24").covers(block)
        assert str(block) == "10.96.0.0/11"
        assert str(parse_block("2600:1900:4010:1:0:1:0:0/96")) == "2600:1900:4010:1:0:1::/96"

    def test_addresses_in_a_block(self) -> None:
        assert format_address(parse_block("10.96.1.0/24").address(2)) == "10.96.1.2"
        assert format_address(parse_block("10.96.1.7/32").address(2)) == "10.96.1.7"

    def test_index(self) -> None:
        index: BlockIndex[str] = BlockIndex()
        texts = ("10.0.0.0/8", "10.96.1.0/24", "10.96.2.0/24", "10.96.1.7/32", "fd00::/64")
        blocks: dict[str, Block] = {text: parse_block(text) for text in texts}
        for text, block in blocks.items():
            index.add(block, text)
        assert set(index.containing(parse_address("10.96.1.7"))) == {"10.0.0.0/8", "10.96.1.0/24", "10.96.1.7/32"}
        assert set(index.overlapping(parse_block("10.96.0.0/23"))) == {"10.0.0.0/8", "10.96.1.0/24", "10.96.1.7/32"}
        assert set(index.overlapping(parse_block("::/0"))) == {"fd00::/64"}
        for text, block in blocks.items():
            index.discard(block, text)
        assert list(index.overlapping(parse_block("0.0.0.0/0"))) == []
        index.discard(blocks["10.0.0.0/8"], "10.0.0.0/8")
