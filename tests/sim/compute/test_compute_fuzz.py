"""Malformed bodies get the documented error or are accepted; nothing else happens."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack_sim.compute.api.errors import ApiError, Json
from tests.sim.compute.cloud import MACHINE, NETWORK, NODES, REGION, ZONE, Setting, make, populate, route

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8),
    st.sampled_from(["", "/", "10.0.0.0/8", "::/0", NETWORK, "IPV4_IPV6", "/24", "a/b/c"]),
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=4,
)
FINGERPRINT = "<current>"

VALID: dict[tuple[str, str, str], Json] = {
    ("networks.insert", "global", ""): {
        "name": "n", "autoCreateSubnetworks": False, "routingConfig": {"routingMode": "GLOBAL"}, "mtu": 1460,
        "enableUlaInternalIpv6": True, "internalIpv6Range": "fd20:1:2::/48",
    },
    ("networks.patch", "global", "vpc"): {"enableUlaInternalIpv6": True, "routingConfig": {"routingMode": "GLOBAL"}},
    ("subnetworks.insert", REGION, ""): {
        "name": "s", "network": NETWORK, "ipCidrRange": "10.9.0.0/16", "stackType": "IPV4_IPV6",
        "ipv6AccessType": "EXTERNAL", "secondaryIpRanges": [{"rangeName": "a", "ipCidrRange": "10.10.0.0/16"}],
        "logConfig": {"enable": True}, "enableFlowLogs": True, "allowSubnetCidrRoutesOverlap": True,
    },
    ("subnetworks.patch", REGION, "nodes"): {
        "fingerprint": FINGERPRINT, "secondaryIpRanges": [{"rangeName": "a", "ipCidrRange": "10.10.0.0/16"}],
    },
    ("subnetworks.expandIpCidrRange", REGION, "nodes"): {"ipCidrRange": "10.248.0.0/14"},
    ("routes.insert", "global", ""): route("r", "100.99.0.0/24", "vm0") | {"tags": ["t"]},
    ("instances.insert", ZONE, ""): {
        "name": "i", "machineType": MACHINE, "labels": {"a": "b"}, "tags": {"items": ["t"]},
        "metadata": {"items": [{"key": "k", "value": "v"}]}, "scheduling": {"preemptible": True},
        "networkInterfaces": [
            {"subnetwork": NODES, "network": NETWORK, "networkIP": "10.250.0.77", "accessConfigs": [{"name": "x"}],
             "aliasIpRanges": [{"ipCidrRange": "/28"}, {"ipCidrRange": "10.250.9.0/24"}], "stackType": "IPV4_ONLY"}
        ],
    },
    ("instances.updateNetworkInterface", ZONE, "vm0"): {
        "fingerprint": FINGERPRINT, "aliasIpRanges": [{"ipCidrRange": "10.250.9.0/24", "subnetworkRangeName": ""}],
        "stackType": "IPV4_ONLY", "network": NETWORK, "networkIP": "10.250.0.2",
    },
    ("instances.setTags", ZONE, "vm0"): {"items": ["a"], "fingerprint": FINGERPRINT},
    ("instances.setLabels", ZONE, "vm0"): {"labels": {"a": "b"}, "labelFingerprint": FINGERPRINT},
    ("instances.setMetadata", ZONE, "vm0"): {"items": [{"key": "a", "value": "b"}], "fingerprint": FINGERPRINT},
    ("firewalls.insert", "global", ""): {
        "name": "f", "network": NETWORK, "allowed": [{"IPProtocol": "tcp", "ports": ["1-2"]}], "priority": 5,
        "sourceRanges": ["10.0.0.0/8"], "direction": "INGRESS", "targetTags": ["a"], "logConfig": {"enable": True},
    },
    ("routers.insert", REGION, ""): {
        "name": "r", "network": NETWORK, "bgp": {"asn": 1},
        "nats": [
            {"name": "n", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
             "subnetworks": [{"name": NODES, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}], "natIps": []}
        ],
    },
    ("addresses.insert", REGION, ""): {
        "name": "a", "addressType": "INTERNAL", "subnetwork": NODES, "address": "10.250.4.4",
    },
    ("globalAddresses.insert", "global", ""): {"name": "a", "address": "34.1.1.1"},
}  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every part of a document."""
    found = [path] if path else []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in entries:
        found += places(part, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], part: Any) -> Any:
    result = copy.deepcopy(value)
    target = result
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = part
    return result


SPOTS = [(request, path) for request, body in VALID.items() for path in places(body)]


@settings(max_examples=250)
@given(st.sampled_from(SPOTS), JSON)
def test_a_wrong_part_is_refused_in_the_documented_shape(
    spot: tuple[tuple[str, str, str], tuple[Any, ...]], part: Any
) -> None:
    request, path = spot
    asyncio.run(ask(request, replaced(VALID[request], path, part)))


def test_the_bodies_are_right_before_they_are_made_wrong() -> None:
    for request, body in VALID.items():
        assert asyncio.run(ask(request, body)) == "accepted", request


async def ask(request: tuple[str, str, str], body: Json) -> str:
    compute, _, _ = make(Setting())
    populate(compute, 1)
    method, scope, name = request
    current = {
        "subnetworks.patch": lambda vm, nodes: nodes["fingerprint"],
        "instances.updateNetworkInterface": lambda vm, nodes: vm["networkInterfaces"][0]["fingerprint"],
        "instances.setTags": lambda vm, nodes: vm["tags"]["fingerprint"],
        "instances.setLabels": lambda vm, nodes: vm["labelFingerprint"],
        "instances.setMetadata": lambda vm, nodes: vm["metadata"]["fingerprint"],
    }.get(method)
    if current is not None:
        right = current(
            compute.find("instances", ZONE, "vm0") or {}, compute.find("subnetworks", REGION, "nodes") or {}
        )
        body = {field: right if value == FINGERPRINT else value for field, value in body.items()}
    query = {"networkInterface": "nic0"} if method == "instances.updateNetworkInterface" else {}
    try:
        operation = await compute.answer(method, scope, name, body=body, query=query)
    except ApiError as refused:
        error = refused.body()["error"]
        return f"{error['code']} {error['errors'][0]['reason']}"
    finally:
        await compute.close()
    return "accepted" if operation["kind"] == "compute#operation" else "no operation"
