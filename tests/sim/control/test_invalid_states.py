"""`/load` refuses each modified document of `/dump`, or accepts it and then every read works."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.sim.control.served import Served, serving

Json = dict[str, Any]
Steps = tuple[Any, ...]

PROJECT = "/compute/v1/projects/proj-1"
ZONE = "zones/europe-west1-b"
REGION = "regions/europe-west1"
VPC = "projects/proj-1/global/networks/vpc"
NODES = f"{REGION}/subnetworks/nodes"
GONE = object()
VALUES: tuple[Any, ...] = (GONE, None, "", "nonsense", "10.0.0.1/8", 7, -1, 1.5, 1e300, True, [], ["x"], {}, {"x": "y"})

WORLD: tuple[tuple[str, Json], ...] = (
    ("global/networks", {"name": "vpc", "autoCreateSubnetworks": False, "enableUlaInternalIpv6": True}),
    ("global/networks", {"name": "peer", "autoCreateSubnetworks": False}),
    (
        f"{REGION}/subnetworks",
        {
            "name": "nodes",
            "network": VPC,
            "ipCidrRange": "10.250.0.0/16",
            "stackType": "IPV4_IPV6",
            "ipv6AccessType": "INTERNAL",
            "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "100.64.0.0/10"}],
        },
    ),
    (f"{REGION}/subnetworks", {"name": "outer", "network": VPC, "ipCidrRange": "10.251.0.0/16",
                               "stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}),
    (f"{REGION}/subnetworks", {"name": "far", "network": "global/networks/peer", "ipCidrRange": "10.80.0.0/16"}),
    ("global/networks/vpc/addPeering", {"networkPeering": {"name": "p", "network": "global/networks/peer",
                                                           "exchangeSubnetRoutes": True, "exportCustomRoutes": True}}),
    ("global/networks/peer/addPeering", {"networkPeering": {"name": "q", "network": VPC,
                                                            "exchangeSubnetRoutes": True}}),
    ("global/firewalls", {"name": "allow", "network": VPC, "allowed": [{"IPProtocol": "tcp", "ports": ["1-65535"]}],
                          "sourceRanges": ["10.0.0.0/8"], "targetTags": ["node"]}),
    ("global/firewalls", {"name": "deny", "network": VPC, "denied": [{"IPProtocol": "all"}], "direction": "EGRESS",
                          "destinationRanges": ["10.251.0.0/24"]}),
    (f"{REGION}/addresses", {"name": "nat"}),
    (f"{REGION}/addresses", {"name": "inner", "addressType": "INTERNAL", "subnetwork": NODES}),
    ("global/addresses", {"name": "services", "addressType": "INTERNAL", "purpose": "VPC_PEERING", "network": VPC,
                          "address": "10.99.0.0", "prefixLength": 16}),
    (
        f"{REGION}/routers",
        {
            "name": "router",
            "network": VPC,
            "bgp": {"asn": 64512},
            "nats": [{"name": "nat", "natIpAllocateOption": "MANUAL_ONLY", "natIps": [f"{REGION}/addresses/nat"],
                      "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
                      "subnetworks": [{"name": NODES, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}]}],
        },
    ),
    (
        f"{ZONE}/instances",
        {
            "name": "one",
            "machineType": f"{ZONE}/machineTypes/n1-standard-2",
            "canIpForward": True,
            "tags": {"items": ["node"]},
            "labels": {"a": "b"},
            "metadata": {"items": [{"key": "k", "value": "v"}]},
            "serviceAccounts": [{"email": "me@example.com", "scopes": []}],
            "networkInterfaces": [{"subnetwork": NODES, "stackType": "IPV4_IPV6", "accessConfigs": [{}],
                                   "aliasIpRanges": [{"ipCidrRange": "/24", "subnetworkRangeName": "pods"}]}],
            "disks": [{"boot": True, "autoDelete": True, "initializeParams": {
                "sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}],
        },
    ),
    (f"{ZONE}/instances", {"name": "two", "machineType": f"{ZONE}/machineTypes/n1-standard-2", "networkInterfaces": [
        {"subnetwork": f"{REGION}/subnetworks/outer", "stackType": "IPV4_IPV6"}]}),
    ("global/routes", {"name": "pods", "network": VPC, "destRange": "10.77.0.0/16", "tags": ["node"],
                       "nextHopInstance": f"{ZONE}/instances/one"}),
    ("global/routes", {"name": "lost", "network": VPC, "destRange": "10.250.3.0/24", "nextHopIp": "10.250.0.9"}),
    (f"{ZONE}/disks", {"name": "data", "sizeGb": "10"}),
    ("global/instanceTemplates", {"name": "template", "properties": {
        "machineType": "n1-standard-2", "networkInterfaces": [{"subnetwork": NODES}]}}),
    (f"{ZONE}/instanceGroupManagers", {"name": "group", "targetSize": 1, "baseInstanceName": "group",
                                       "instanceTemplate": "global/instanceTemplates/template"}),
)  # fmt: skip
"""A world with a resource in every collection, and with a failed operation."""

READS = (
    *(f"aggregated/{collection}" for collection in (
        "addresses", "instances", "routers", "operations", "disks", "instanceTemplates", "instanceGroupManagers",
        "instanceGroups")),
    "aggregated/subnetworks?views=WITH_UTILIZATION", "", REGION, "regions", "zones", "global/networks",
    "global/routes", "global/firewalls", "global/addresses", "global/operations", "global/routes/pods",
    "global/networks/vpc", "global/networks/vpc/getEffectiveFirewalls", f"{REGION}/addresses/inner",
    f"{ZONE}/instances/one/getEffectiveFirewalls?networkInterface=nic0", f"{REGION}/routers/router/getRouterStatus",
    "global/networks/vpc/listPeeringRoutes?direction=OUTGOING", "global/networks/peer/listPeeringRoutes",
)  # fmt: skip


async def create_world(served: Served) -> Json:
    """Create the world above. Returns its state."""
    for path, body in WORLD:
        status, answer = await served.compute("POST", f"{PROJECT}/{path}", body)
        assert status == 200, answer
        await served.good("POST", "/finish")
        await served.good("POST", "/clock", {"step": 120})
    await served.good("POST", "/finish")
    state: Json = (await served.good("GET", "/dump"))["state"]
    assert set(state["inventory"]["resources"]) == {
        "networks", "subnetworks", "routes", "firewalls", "routers", "addresses", "instances", "disks",
        "instanceTemplates", "instanceGroupManagers", "managedInstances",
    }  # fmt: skip
    assert any(operation["failure"] for operation in state["operations"]["ended"])
    return state


def places(part: Any, path: Steps = ()) -> Iterator[Steps]:
    """The paths of all values in a document."""
    pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, inner in pairs:
        yield (*path, name)
        yield from places(inner, (*path, name))


def modified(state: Json, path: Steps, value: Any) -> Json:
    result = copy.deepcopy(state)
    part: Any = result
    for name in path[:-1]:
        part = part[name]
    if value is GONE:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return result


async def check(served: Served, good: Json, path: Steps, value: Any) -> bool:
    """Whether the modified state is accepted. If so every read works, else nothing has changed."""
    status, answer = await served.control("POST", "/load", modified(good, path, value))
    what = (path, "gone" if value is GONE else value)
    if status == 400:
        assert answer["message"].startswith("The state cannot be loaded: "), what
        assert (await served.good("GET", "/dump"))["state"] == good, what
        return False
    assert status == 200, (what, answer)
    for read in READS:
        status, answer = await served.compute("GET", f"{PROJECT}/{read}".rstrip("/"))
        assert status in (200, 400, 404), (what, read, answer)
    status, answer = await served.control("GET", "/probe?from=one&to=10.250.0.3")
    assert status in (200, 400), (what, answer)
    await served.good("POST", "/load", good)
    await served.good("POST", "/clock", {"step": 60})  # another window of the rate quotas
    return True


@pytest.mark.parametrize("number", [150, pytest.param(3000, marks=pytest.mark.slow)])
async def test_accepted_states_can_be_read(
    served: Served, number: int, session_faults: Callable[[], list[str]]
) -> None:
    good = await create_world(served)
    cases = [(path, value) for path in places(good) for value in VALUES]
    taken = [await check(served, good, path, value) for path, value in random.Random(1).sample(cases, number)]
    assert 0.1 * number < sum(taken) < 0.9 * number
    session_faults()  # invalid descriptions violate the schema in responses


async def test_a_managed_group_recreates_a_vm_that_the_state_lacks(served: Served, tmp_path: Path) -> None:
    good = await create_world(served)
    (group,) = [path for path in good["inventory"]["resources"]["instances"] if "/group-" in path]
    state = modified(good, ("inventory", "resources", "instances", group), GONE)
    (tmp_path / "state.json").write_bytes(msgspec.json.encode(state))
    digest = (await served.good("POST", "/load", state))["digest"]
    async with serving(state=tmp_path / "state.json") as again:
        assert (await again.control("GET", "/dump"))[0] == 409
        await again.good("POST", "/finish")
        assert (await again.compute("GET", f"{PROJECT}/{group.replace('/group', '/instances/group')}"))[0] == 200
        assert (await again.good("POST", "/reset"))["digest"] == digest


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("inventory", "resources", "instances", f"{ZONE}/one", "networkInterfaces", 0, "networkIP"), "x",
         f"instances {ZONE}/one: .*networkIP"),
        (("inventory", "resources", "subnetworks", NODES.replace("/subnetworks", ""), "network"), GONE,
         "missing required field `network`"),
        (("inventory", "resources", "networks", "global/vpc"), GONE, "/vpc' does not exist in networks"),
        (("inventory", "resources", "routers", f"{REGION}/router", "name"), "other", "its name must be"),
        (("regions",), {"mars": ["mars-a"]}, "no such resource can exist in this scope"),
        (("operations", "ended", 0, "inserted"), 1e300, r"operations\.ended\[0\]\.inserted"),
    ],
)  # fmt: skip
async def test_an_error_names_the_resource_and_the_field(served: Served, path: Steps, value: Any, words: str) -> None:
    good = await create_world(served)
    status, answer = await served.control("POST", "/load", modified(good, path, value))
    assert status == 400
    assert re.search(words, answer["message"]), answer
