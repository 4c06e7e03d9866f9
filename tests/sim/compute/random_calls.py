"""Calls in any order, and the invariants that hold after each."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Network, ip_network
from itertools import combinations
from typing import Any

from hypothesis import strategies as st

from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import ApiError, Json
from dualstack_sim.compute.network.addresses import fits_within, overlaps
from dualstack_sim.compute.project.commits import Commit
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.quotas import Limits
from tests.sim.compute.cloud import NETWORK, REGION, ZONE, HandClock, instance, route

DESTINATIONS = ["100.96.0.0/24", "100.96.1.0/24", "100.96.0.0/16", "100.64.0.0/10", "10.250.3.0/24", "10.0.0.0/8"]


RANGES = [("pods", "100.96.0.0/16"), ("more", "100.96.1.0/24"), ("wide", "100.64.0.0/10"), ("clash", "10.250.0.0/24")]


ALIASES = ["100.96.0.0/24", "100.96.1.0/24", "100.96.0.0/25", "/24", "/30", "10.250.9.0/28"]


NAMES = ["a", "b", "c"]


class World:
    """A cloud that is called without HTTP, and its commits."""

    def __init__(self, knobs: Knobs, limits: Limits | None = None) -> None:
        self.clock = HandClock()
        self.commits: list[Commit] = []
        self.limits = limits or Limits()
        self.compute = Compute(self.clock, Chance(3), knobs=knobs, quotas=self.limits, on_commit=self.commits.append)
        self.compute.place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})
        self.compute.place("subnetworks", REGION, {"name": "nodes", "network": NETWORK, "ipCidrRange": "10.250.0.0/16"})

    async def ask(self, method: str, scope: str, name: str = "", body: Json | None = None, **query: str) -> None:
        """A refusal is a valid answer; any exception other than ApiError is a defect."""
        with suppress(ApiError):
            await self.compute.answer(method, scope, name, body=body or {}, query=query)

    def nodes(self) -> Json:
        found = self.compute.find("subnetworks", REGION, "nodes")
        assert found is not None
        return found

    async def patch(self, **change: Any) -> None:
        await self.ask("subnetworks.patch", REGION, "nodes", {"fingerprint": self.nodes()["fingerprint"], **change})

    async def interface(self, name: str, **change: Any) -> None:
        found = self.compute.find("instances", ZONE, name)
        fingerprint = found["networkInterfaces"][0]["fingerprint"] if found else "none"
        body = {"fingerprint": fingerprint, **change}
        await self.ask("instances.updateNetworkInterface", ZONE, name, body, networkInterface="nic0")


def alias(text: str, range_name: str) -> Json:
    return {"ipCidrRange": text, **({"subnetworkRangeName": range_name} if range_name else {})}


async def step(world: World, action: tuple[Any, ...]) -> None:
    match action:
        case ("wait", seconds):
            world.clock.present += seconds
        case ("route", name, destination):
            await world.ask("routes.insert", "global", body=route(name, destination, "a"))
        case ("ranges", picks):
            await world.patch(secondaryIpRanges=[{"rangeName": n, "ipCidrRange": c} for n, c in picks])
        case ("flag", value):
            await world.patch(allowSubnetCidrRoutesOverlap=value)
        case ("stack", value):
            await world.patch(stackType=value, ipv6AccessType="EXTERNAL")
        case ("vm", name, stack, text, range_name):
            aliases = [alias(text, range_name)] if text else []
            await world.ask("instances.insert", ZONE, body=instance(name, stackType=stack, aliasIpRanges=aliases))
        case ("alias", name, texts, range_name):
            await world.interface(name, aliasIpRanges=[alias(text, range_name) for text in texts])
        case ("nic", name, stack):
            await world.interface(name, stackType=stack)
        case ("subnet", name, text):
            body = {"name": name, "network": NETWORK, "ipCidrRange": text}
            await world.ask("subnetworks.insert", REGION, body=body)
        case ("delete", collection, name):
            scope = {"routes": "global", "instances": ZONE, "subnetworks": REGION}[collection]
            await world.ask(f"{collection}.delete", scope, name)


NAME = st.sampled_from(NAMES)


STACK = st.sampled_from(["IPV4_ONLY", "IPV4_IPV6"])


def check(world: World) -> None:
    """The invariants over all visible resources."""
    shown = world.compute.snapshot()
    subnetworks = list(shown.get("subnetworks", {}).values())
    ranges = [(ip_network(text), subnetwork) for subnetwork in subnetworks for text in texts(subnetwork)]
    for (one, _), (other, _) in combinations(ranges, 2):
        assert not overlaps(one, other), "two ranges overlap"
    for found in shown.get("routes", {}).values():
        destination = ip_network(found["destRange"])
        for whole, subnetwork in ranges:
            inside = fits_within(destination, whole)
            assert not inside or subnetwork["allowSubnetCidrRoutesOverlap"], "a route inside an unflagged range"
    check_addresses(shown, {subnetwork["selfLink"]: subnetwork for subnetwork in subnetworks})


def texts(subnetwork: Json) -> list[str]:
    found = [subnetwork["ipCidrRange"], *(entry["ipCidrRange"] for entry in subnetwork.get("secondaryIpRanges", []))]
    if "externalIpv6Prefix" in subnetwork:
        found.append(subnetwork["externalIpv6Prefix"])
    return found


def check_addresses(shown: dict[str, dict[str, Json]], subnetworks: dict[str, Json]) -> None:
    blocks: list[IPv4Network] = []
    sixes: list[str] = []
    for found in shown.get("instances", {}).values():
        interface = found["networkInterfaces"][0]
        subnetwork = subnetworks[interface["subnetwork"]]
        blocks.append(IPv4Network(interface["networkIP"]))
        assert blocks[-1].subnet_of(IPv4Network(subnetwork["ipCidrRange"]))
        named = {entry["rangeName"]: entry["ipCidrRange"] for entry in subnetwork.get("secondaryIpRanges", [])}
        for entry in interface.get("aliasIpRanges", []):
            name = entry.get("subnetworkRangeName", "")
            assert not name or name in named, "an alias of no range"
            blocks.append(IPv4Network(entry["ipCidrRange"]))
            whole = IPv4Network(named[name] if name else subnetwork["ipCidrRange"])
            assert blocks[-1].subnet_of(whole), "an alias outside its range"
        assert ("ipv6AccessConfigs" in interface) == (interface["stackType"] == "IPV4_IPV6")
        sixes += [config["externalIpv6"] for config in interface.get("ipv6AccessConfigs", [])]
    for one, other in combinations(blocks, 2):
        assert not one.overlaps(other), "an address twice"
    assert len(sixes) == len(set(sixes))
