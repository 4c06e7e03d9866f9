"""Simulated VMs run the agent of a trial in simulated time: what they report is what the fabric does with packets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from dualstack.trial.agent.protocol import Fact, Flow, Orders, Report, parse_serial, startup_script
from dualstack_sim.fabric.blocks import parse_address
from tests.sim.trial.world import REGION, World, world

ZONE = f"zones/{REGION}-b"
NETWORK = "projects/proj-1/global/networks/bare"
NODES = f"regions/{REGION}/subnetworks/bare-nodes"
RANGE = "10.96.0.0/20"
BLOCKS = ("10.96.1.0/24", "10.96.2.0/24")
PODS = ("10.96.1.7", "10.96.2.7")
Json = dict[str, Any]


@dataclass
class Bench:
    """Two VMs with the agent in a network of their own."""

    world: World
    session: aiohttp.ClientSession
    nexts: dict[str, str] = field(default_factory=dict)
    reports: dict[str, list[Report]] = field(default_factory=dict)
    rests: dict[str, str] = field(default_factory=dict)

    async def call(self, verb: str, path: str, body: Json | None = None, **query: str) -> Json:
        url = f"{self.world.url}/compute/v1/projects/proj-1/{path}"
        async with self.session.request(verb, url, json=body, params=query) as response:
            document: Json = await response.json()
            assert response.status == 200, document
        return document

    async def do(self, verb: str, path: str, body: Json | None = None, **query: str) -> float:
        """A change that succeeds; when it was done."""
        operation = await self.call(verb, path, body, **query)
        while operation["status"] != "DONE":
            operation = await self.call("POST", f"{operation['selfLink'].partition('/projects/proj-1/')[2]}/wait")
        assert "error" not in operation, operation
        return self.world.clock.now()

    async def make(self, *, key: bool = True, duration: int = 7200) -> None:
        await self.do("POST", "global/networks", {"name": "bare", "autoCreateSubnetworks": False})
        subnet = {"name": "bare-nodes", "network": NETWORK, "ipCidrRange": "10.97.0.0/24"}
        await self.do("POST", f"regions/{REGION}/subnetworks", subnet)
        rule = {"name": "inside", "network": NETWORK, "sourceRanges": ["10.0.0.0/8"]}
        allowed = [{"IPProtocol": "udp", "ports": ["7946"]}, {"IPProtocol": "tcp", "ports": ["7946"]}]
        await self.do("POST", "global/firewalls", {**rule, "allowed": allowed})
        items = [{"key": "startup-script", "value": startup_script()}]
        items += [{"key": "disable-address-manager", "value": "true"}] if key else []
        for number in range(2):
            body = {
                "name": f"vm-{number}",
                "machineType": f"{ZONE}/machineTypes/e2-micro",
                "canIpForward": True,
                "networkInterfaces": [{"subnetwork": NODES}],
                "metadata": {"items": items},
                "scheduling": {"maxRunDuration": {"seconds": str(duration)}, "instanceTerminationAction": "DELETE"},
            }
            await self.do("POST", f"{ZONE}/instances", body)

    async def order(self, number: int, orders: Orders) -> None:
        metadata = (await self.call("GET", f"{ZONE}/instances/vm-{number}"))["metadata"]
        items = [item for item in metadata["items"] if item["key"] != "dualstack-trial-orders"]
        items.append({"key": "dualstack-trial-orders", "value": orders.text()})
        body = {"fingerprint": metadata["fingerprint"], "items": items}
        await self.do("POST", f"{ZONE}/instances/vm-{number}/setMetadata", body)

    async def order_both(self, sequence: int = 1, **more: Any) -> None:
        for number in range(2):
            await self.order(number, orders(number, self.world.clock.now() + 3600, sequence, **more))

    async def read(self, number: int) -> list[Report]:
        """All reports of a VM so far."""
        name = f"vm-{number}"
        query = {"port": "2", "start": self.nexts.get(name, "0")}
        answer = await self.call("GET", f"{ZONE}/instances/{name}/serialPort", None, **query)
        assert answer["start"] == query["start"]
        self.nexts[name] = answer["next"]
        parsed = parse_serial(self.rests.get(name, "") + answer["contents"])
        assert not parsed.unreadable
        self.rests[name] = parsed.rest
        self.reports.setdefault(name, []).extend(parsed.reports)
        return self.reports[name]

    async def wait(self, seconds: float) -> None:
        await self.world.clock.sleep(seconds)

    async def windows(self, number: int, flow: str) -> dict[float, tuple[int, int]]:
        """Packets sent and answered by the beginning of each window."""
        parts = [(each.flows[flow], each.window) for each in await self.read(number) if flow in each.flows]
        result: dict[float, tuple[int, int]] = {}
        for part, window in parts:
            for index, counts in enumerate(zip(part.sent, part.answered, strict=True)):
                begin = round(part.begin + index * window, 1)
                assert begin not in result
                result[begin] = counts
        return result

    async def connections(self, number: int) -> int:
        flow = f"{number}>pod/tcp"
        return [each.flows[flow].connections for each in await self.read(number) if flow in each.flows][-1]

    async def patch_nodes(self, **change: Any) -> float:
        fingerprint = (await self.call("GET", NODES))["fingerprint"]
        return await self.do("PATCH", NODES, {"fingerprint": fingerprint, **change})

    async def update_interface(self, number: int, **change: Any) -> float:
        vm = await self.call("GET", f"{ZONE}/instances/vm-{number}")
        body = {"fingerprint": vm["networkInterfaces"][0]["fingerprint"], **change}
        path = f"{ZONE}/instances/vm-{number}/updateNetworkInterface"
        return await self.do("PATCH", path, body, networkInterface="nic0")

    async def routes(self) -> None:
        for number, block in enumerate(BLOCKS):
            body = {"name": f"pods-{number}", "network": NETWORK, "destRange": block, "priority": 1000}
            await self.do("POST", "global/routes", {**body, "nextHopInstance": f"{ZONE}/instances/vm-{number}"})

    async def aliases(self) -> None:
        for number, block in enumerate(BLOCKS):
            alias = [{"ipCidrRange": block, "subnetworkRangeName": "pods"}]
            await self.update_interface(number, aliasIpRanges=alias)

    async def ranges(self) -> None:
        await self.patch_nodes(allowSubnetCidrRoutesOverlap=True)
        await self.wait(70)
        await self.patch_nodes(secondaryIpRanges=[{"rangeName": "pods", "ipCidrRange": RANGE}])


def orders(number: int, until: float, sequence: int, facts: tuple[Fact, ...] = (), *, flows: bool = True) -> Orders:
    pod = [
        Flow(id=f"{number}>pod/{kind}", kind=kind, source=PODS[number], target=PODS[1 - number], port=7946)
        for kind in ("udp", "tcp")
    ]
    return Orders(
        sequence=sequence,
        until=until,
        addresses=(f"{PODS[number]}/32",),
        flows=tuple(pod) if flows else (),
        echo=(7946,),
        facts=facts,
    )


@asynccontextmanager
async def bench(
    *knobs: str, profile: str = "documented", key: bool = True, duration: int = 7200
) -> AsyncIterator[Bench]:
    async with world(profile, knobs) as made, aiohttp.ClientSession() as session:
        result = Bench(made, session)
        await result.make(key=key, duration=duration)
        yield result


def unanswered(windows: dict[float, tuple[int, int]], since: float = 0.0) -> list[float]:
    return [begin for begin, (sent, answered) in windows.items() if begin >= since and answered < sent]


async def test_vms_report_before_and_after_they_have_orders() -> None:
    async with bench() as made:
        await made.wait(40)
        assert [report.sequence for report in await made.read(0)][:5] == [0] * 5
        await made.order_both()
        await made.routes()
        await made.wait(30)
        settled = made.world.clock.now() - 10
        windows = await made.windows(0, "0>pod/udp")
        assert unanswered(windows)  # before the routes
        assert not unanswered(windows, settled)
        assert max(windows) > settled
        assert {sent for begin, (sent, _) in windows.items() if begin > settled} == {1}
        assert await made.connections(0) == 1
        times = [report.time for report in await made.read(0)]
        assert max(later - earlier for earlier, later in pairwise(times)) <= 2.0


async def test_flows_go_on_through_the_whole_cut_over_where_aliases_are_matched() -> None:
    async with bench() as made:
        await made.order_both()
        await made.routes()
        await made.wait(60)
        begun = made.world.clock.now()
        await made.ranges()
        await made.aliases()
        await made.wait(30)
        for number in range(2):
            await made.do("DELETE", f"global/routes/pods-{number}")
        await made.wait(30)
        await made.patch_nodes(allowSubnetCidrRoutesOverlap=False)
        await made.wait(30)
        for number in range(2):
            for kind in ("udp", "tcp"):
                assert not unanswered(await made.windows(number, f"{number}>pod/{kind}"), begun)
            assert await made.connections(number) == 1


async def test_a_lost_route_shows_from_when_the_sending_host_sees_it() -> None:
    async with bench("K3=no") as made:
        await made.order_both()
        await made.routes()
        await made.ranges()
        await made.aliases()
        await made.wait(60)
        begun = made.world.clock.now()
        deleted = await made.do("DELETE", "global/routes/pods-1")
        await made.wait(60)
        lost = unanswered(await made.windows(0, "0>pod/udp"), begun)
        assert lost
        assert deleted - 6 <= lost[0] <= deleted + 10.1
        assert lost == [begin for begin in await made.windows(0, "0>pod/udp") if begin >= lost[0]]
        assert await made.connections(0) == 1  # the kernel gives up after 30 s, and nothing answers a new one


@pytest.mark.parametrize(("answer", "connections"), [("move", 1), ("break", 2)])
async def test_established_connections_may_break_when_their_path_changes(answer: str, connections: int) -> None:
    async with bench(f"established-flows={answer}") as made:
        await made.order_both()
        await made.routes()
        await made.ranges()
        await made.wait(60)
        before = await made.connections(0)
        begun = made.world.clock.now()
        await made.aliases()
        await made.wait(60)
        assert not unanswered(await made.windows(0, "0>pod/udp"), begun)
        assert await made.connections(0) - before == connections - 1


@pytest.mark.parametrize(
    ("key", "knobs", "routes"),
    [(True, (), False), (False, (), True), (True, ("address-manager-key=ignored",), True)],
)
async def test_the_guest_agent_makes_local_routes_unless_metadata_stops_it(
    key: bool, knobs: tuple[str, ...], routes: bool
) -> None:
    async with bench(*knobs, key=key) as made:
        await made.order_both(facts=("local-routes", "agent"))
        await made.ranges()
        await made.aliases()
        await made.wait(60)
        last = (await made.read(0))[-1]
        assert last.facts["local-routes"] == ([BLOCKS[0]] if routes else [])
        assert last.facts["agent"]["running"]


@pytest.mark.parametrize("lease", ["at-once", "reboot"])
async def test_a_vm_whose_interface_becomes_dual_stack_has_its_address(lease: str) -> None:
    async with bench(f"ipv6-lease={lease}") as made:
        await made.order_both(facts=("addresses6",))
        await made.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
        await made.wait(60)
        await made.update_interface(0, stackType="IPV4_IPV6")
        await made.wait(30)
        found = (await made.read(0))[-1].facts["addresses6"]
        assert len(found) == (lease == "at-once")
        for address in found:
            assert parse_address(address)[0] == 6
        if lease == "reboot":
            await made.do("POST", f"{ZONE}/instances/vm-0/stop")
            await made.do("POST", f"{ZONE}/instances/vm-0/start")
            await made.wait(60)
            assert len((await made.read(0))[-1].facts["addresses6"]) == 1


async def test_a_vm_ends_by_its_orders_and_by_its_run_time() -> None:
    async with bench(duration=600) as made:
        for number, seconds in ((0, 120.0), (1, 3600.0)):
            await made.order(number, orders(number, made.world.clock.now() + seconds, 1))
        await made.wait(240)
        assert (await made.call("GET", f"{ZONE}/instances/vm-0"))["status"] == "TERMINATED"
        assert (await made.call("GET", f"{ZONE}/instances/vm-1"))["status"] == "RUNNING"
        await made.wait(600)
        assert [vm["name"] for vm in (await made.call("GET", f"{ZONE}/instances")).get("items", [])] == ["vm-0"]


async def test_an_alias_may_be_refused_beside_a_route() -> None:
    async with bench("alias-over-route=refuse") as made:
        await made.routes()
        await made.ranges()
        vm = await made.call("GET", f"{ZONE}/instances/vm-0")
        alias = [{"ipCidrRange": BLOCKS[0], "subnetworkRangeName": "pods"}]
        body = {"fingerprint": vm["networkInterfaces"][0]["fingerprint"], "aliasIpRanges": alias}
        url = f"{made.world.url}/compute/v1/projects/proj-1/{ZONE}/instances/vm-0/updateNetworkInterface"
        async with made.session.patch(url, json=body, params={"networkInterface": "nic0"}) as response:
            assert response.status == 400
            assert "conflicts with existing route 'pods-0'" in (await response.json())["error"]["message"]


async def test_a_stack_type_may_need_a_stopped_vm() -> None:
    async with bench("interface-stack-type=stopped") as made:
        await made.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
        await made.wait(60)
        vm = await made.call("GET", f"{ZONE}/instances/vm-0")
        body = {"fingerprint": vm["networkInterfaces"][0]["fingerprint"], "stackType": "IPV4_IPV6"}
        url = f"{made.world.url}/compute/v1/projects/proj-1/{ZONE}/instances/vm-0/updateNetworkInterface"
        async with made.session.patch(url, json=body, params={"networkInterface": "nic0"}) as response:
            assert response.status == 400
        await made.do("POST", f"{ZONE}/instances/vm-0/stop")
        await made.update_interface(0, stackType="IPV4_IPV6")
