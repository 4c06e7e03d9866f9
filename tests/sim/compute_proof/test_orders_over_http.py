"""Every order of the exhaustive model, executed by HTTP calls; the fabric follows the commits of the API.

The orders and their verdicts are those of tests/sim/fabric/test_orders.py. Where the documents leave open whether the
API accepts a step, the knob that accepts it is set: the question here is what happens to packets then.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from itertools import chain
from typing import Any

import pytest

from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric.feed import HostNames, changes
from dualstack_sim.fabric.profile import FabricKnobs
from tests.sim.compute.cloud import MACHINE, REGION, ZONE, Cloud, Json, Setting, running
from tests.sim.fabric.cloud import Cloud as Stage
from tests.sim.fabric.cloud import node, pods
from tests.sim.fabric.orders import ORDERS, Event, Step, look

NETWORK = "global/networks/net"
NODES = f"{REGION}/subnetworks/nodes"
PERMISSIVE = Knobs(new_route_in_flagged_range="allow", clear_flag_over_routes="accept")


class Intents(Stage):
    """The steps of an order as changes of the fabric's own cloud, not yet applied."""

    def __init__(self) -> None:
        super().__init__(lambda commit: None)
        self.asked: list[tuple[Any, ...]] = []

    def flag(self, at: float, value: bool) -> None:
        self.asked.append(("flag", value))

    def ranges(self, at: float, *cidrs: str) -> None:
        self.asked.append(("ranges", *cidrs))

    def aliases(self, at: float, number: int, *cidrs: str) -> None:
        self.asked.append(("aliases", number, *cidrs))

    def route(self, at: float, number: int, **fields: Any) -> None:
        self.asked.append(("route", number))

    def drop_route(self, at: float, number: int) -> None:
        self.asked.append(("drop", number))


def route(number: int) -> Json:
    hop = f"{ZONE}/instances/{node(number)}"
    return {"name": f"route-{number}", "network": NETWORK, "destRange": pods(number), "nextHopInstance": hop}


def populate(cloud: Cloud) -> None:
    """Three VMs; the pods of the first two are reachable by route."""
    place = cloud.compute.place
    place("networks", "global", {"name": "net", "autoCreateSubnetworks": False})
    place("subnetworks", REGION, {"name": "nodes", "network": NETWORK, "ipCidrRange": "10.250.0.0/16"})
    for number in (1, 2, 3):
        interface = {"subnetwork": NODES}
        body = {"name": node(number), "machineType": MACHINE, "canIpForward": True, "networkInterfaces": [interface]}
        place("instances", ZONE, body)
    for number in (1, 2):
        place("routes", "global", route(number))


async def carry_out(cloud: Cloud, asked: tuple[Any, ...]) -> None:
    """One step of an order as clients would call it, up to the end of its operation."""
    match asked:
        case ("flag", value):
            await patch_nodes(cloud, allowSubnetCidrRoutesOverlap=value)
        case ("ranges", *cidrs):
            entries = [{"rangeName": name_of(cidr), "ipCidrRange": cidr} for cidr in cidrs]
            await patch_nodes(cloud, secondaryIpRanges=entries)
        case ("aliases", number, *cidrs):
            await set_aliases(cloud, number, cidrs)
        case ("route", number):
            await cloud.do("POST", "global/routes", route(number))
        case ("drop", number):
            await cloud.do("DELETE", f"global/routes/route-{number}")


def name_of(cidr: str) -> str:
    return "range-" + cidr.replace(".", "-").replace("/", "-")


async def patch_nodes(cloud: Cloud, **change: Any) -> None:
    await cloud.do("PATCH", NODES, {"fingerprint": await cloud.fingerprint(NODES), **change})


async def set_aliases(cloud: Cloud, number: int, cidrs: Sequence[str]) -> None:
    """Give the instance exactly these aliases, each from the secondary range that contains it."""
    ranges = (await cloud.get(NODES)).get("secondaryIpRanges", [])
    entries = []
    for cidr in cidrs:
        block = IPv4Network(cidr)
        whole = next(entry for entry in ranges if block.subnet_of(IPv4Network(entry["ipCidrRange"])))
        entries.append({"ipCidrRange": cidr, "subnetworkRangeName": whole["rangeName"]})
    body = {"fingerprint": (await cloud.interface(node(number)))["fingerprint"], "aliasIpRanges": entries}
    path = f"{ZONE}/instances/{node(number)}/updateNetworkInterface"
    await cloud.do("PATCH", path, body, networkInterface="nic0")


async def events(cloud: Cloud, steps: Sequence[Step]) -> list[Event]:
    """The changes of `steps` that hosts receive, in the order in which the API committed them."""
    intents = Intents()
    for step in steps:
        step(intents)
    seen = len(cloud.commits)
    for asked in intents.asked:
        await carry_out(cloud, asked)
    return news(cloud, seen)


def news(cloud: Cloud, since: int = 0) -> list[Event]:
    events = [
        (f"{commit.collection}/{commit.name}", changes(commit, HostNames().of)) for commit in cloud.commits[since:]
    ]
    return [event for event in events if event[1]]


@pytest.mark.parametrize(
    ("start", "stages", "given"), [order[1:] for order in ORDERS], ids=[order[0] for order in ORDERS]
)
async def test_an_order_of_calls_loses_packets_exactly_if_the_model_says_so(
    start: list[Step], stages: list[list[Step]], given: dict[str, Any]
) -> None:
    reasons = set[str]()
    async with running(Setting(knobs=PERMISSIVE)) as cloud:
        populate(cloud)
        before = news(cloud)
        before += await events(cloud, start)
        for stage in stages:
            issued = await events(cloud, stage)
            assert len(issued) == len(stage)
            for length in range(len(issued) + 1):
                reasons |= look(before, issued[:length], FabricKnobs(), given.get("fifo", False))[1]
            before = list(chain(before, issued))
    assert bool(reasons) == given["loss"], reasons
