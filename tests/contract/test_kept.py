"""Every field of a request, at any depth, is refused or is returned when the resource is read.

Each field of the discovery document is sent alone with the required fields of an insert. Accepted fields that cannot be
read back are listed in `NOT_SHOWN`, because Google does not show them either, or in `DROPPED`, because the simulator
ignores them; that list may only become shorter. In the same way a change takes effect or is refused, field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import ApiError
from tests.contract.schema import description
from tests.contract.story import MACHINE, NETWORK, NODES, PODS, REGION, SETTING, SPARE, ZONE, populate
from tests.sim.compute.cloud import make

Json = dict[str, Any]
Path = tuple[str | int, ...]

NIC = {"subnetwork": NODES, "aliasIpRanges": [{"ipCidrRange": "/24", "subnetworkRangeName": PODS["rangeName"]}]}
IMAGE = {"initializeParams": {"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}
NAT = {
    "name": "nat",
    "natIpAllocateOption": "AUTO_ONLY",
    "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
}
NEEDED: dict[str, tuple[str, str, Json]] = {
    "networks": ("Network", "global", {"autoCreateSubnetworks": False}),
    "subnetworks": (
        "Subnetwork",
        f"regions/{REGION}",
        {
            "network": NETWORK,
            "ipCidrRange": "10.3.0.0/24",
            "secondaryIpRanges": [{**SPARE, "ipCidrRange": "10.4.0.0/24"}],
            "logConfig": {"enable": True},
        },
    ),
    "routes": ("Route", "global", {"network": NETWORK, "destRange": "172.30.0.0/24", "nextHopIp": "10.250.0.9"}),
    "firewalls": ("Firewall", "global", {"network": NETWORK, "allowed": [{"IPProtocol": "tcp"}]}),
    "routers": ("Router", f"regions/{REGION}", {"network": NETWORK, "nats": [NAT]}),
    "addresses": ("Address", f"regions/{REGION}", {}),
    "healthChecks": ("HealthCheck", "global", {"type": "HTTP"}),
    "backendServices": ("BackendService", "global", {"backends": [{"group": f"zones/{ZONE}/instanceGroups/kept"}]}),
    "forwardingRules": (
        "ForwardingRule",
        f"regions/{REGION}",
        {"backendService": f"regions/{REGION}/backendServices/kept", "ports": ["80"]},
    ),
    "instanceGroups": ("InstanceGroup", f"zones/{ZONE}", {}),
    "networkEndpointGroups": ("NetworkEndpointGroup", f"zones/{ZONE}", {"network": NETWORK}),
    "disks": ("Disk", f"zones/{ZONE}", {"sizeGb": "10"}),
    "instances": (
        "Instance",
        f"zones/{ZONE}",
        {"machineType": MACHINE, "networkInterfaces": [NIC], "disks": [{"boot": True, **IMAGE}]},
    ),
    "instanceTemplates": (
        "InstanceTemplate",
        "global",
        {"properties": {"machineType": "n1-standard-2", "networkInterfaces": [{"subnetwork": NODES}]}},
    ),
}

NOT_SHOWN = (".params.", "initializeParams.", "EncryptionKey.", ".fingerprint", "Fingerprint", "sourceInstanceParams.")
"""Parameters of the creation, secrets, and fingerprints, which the server generates."""

DROPPED: dict[str, str] = {
    "instanceTemplates": "sourceInstance",
}
"""The VM from which a template was made."""

CHANGES = (
    "networks.patch", "subnetworks.patch", "firewalls.patch", "firewalls.update", "routers.patch", "routers.update",
    "instances.update", "healthChecks.patch", "healthChecks.update", "backendServices.patch", "backendServices.update",
    "forwardingRules.patch",
)  # fmt: skip


def leaves(schema: Json, inside: tuple[str, ...] = ()) -> Iterator[tuple[Path, Any]]:
    """Every field that a client may send, with a value of its type."""
    if any(text in schema.get("description", "").lower() for text in ("output only", "[input only]")):
        return
    if "$ref" in schema:
        if schema["$ref"] not in inside:
            yield from leaves(description().schema(schema["$ref"]), (*inside, schema["$ref"]))
        return
    parts: dict[str | int, Json] = {}
    if schema["type"] == "object":
        parts = schema.get("properties") or {"key": schema["additionalProperties"]}
    elif schema["type"] == "array":
        parts = {0: schema["items"]}
    else:
        yield (), _value(schema)
    for name, part in parts.items():
        for path, value in leaves(part, inside):
            yield (name, *path), value


def _value(schema: Json) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "string":
        return "7" if "64" in schema.get("format", "") else "text"
    return True if schema["type"] == "boolean" else 7


def say(part: Any, path: Path, value: Any) -> None:
    """Set `value` at `path`."""
    here, *rest = path
    if isinstance(here, int) and not part:
        part.append(None)
    if not rest:
        part[here] = value
        return
    if isinstance(part, dict):
        part.setdefault(here, [] if rest[0] == 0 else {})
    elif part[here] is None:
        part[here] = [] if rest[0] == 0 else {}
    say(part[here], tuple(rest), value)


def shown(part: Any, path: Path) -> Any:
    for here in path:
        if not part or (isinstance(part, dict) and here not in part):
            return None
        part = part[here]
    return part


def create_resources(compute: Compute) -> None:
    """The world of the refusals, and what a load balancer refers to."""
    populate(compute)
    compute.place("instanceGroups", f"zones/{ZONE}", {"name": "kept"})
    compute.place("backendServices", f"regions/{REGION}", {"name": "kept", "protocol": "TCP"})


async def accepted(compute: Compute, collection: str, scope: str, body: Json) -> Json | None:
    """The resource as read after its insert, and after saving and loading the state; None if it is refused."""
    try:
        compute.place(collection, scope, body)
    except ApiError:
        return None
    compute.load(compute.dump())
    return await compute.answer(f"{collection}.get", scope, body["name"])


@pytest.mark.parametrize("collection", NEEDED)
async def test_accepted_fields_are_kept(collection: str) -> None:
    schema, scope, needed = NEEDED[collection]
    compute, _, _ = make(SETTING)
    create_resources(compute)
    before = compute.dump()
    dropped, kept = set(), 0
    for path, value in leaves({"$ref": schema}):
        where = ".".join(map(str, (collection, *path)))
        body = {"name": "new", **deepcopy(needed)}
        if path == ("name",) or any(part in where for part in NOT_SHOWN):
            continue
        say(body, path, value)
        found = await accepted(compute, collection, scope, body)
        if found is None:
            continue
        compute.load(before)
        if shown(found, path) is None:
            dropped.add(where.partition(".")[2])
        kept += 1
    assert kept > len(dropped)
    assert dropped == set(DROPPED.get(collection, "").split())


@pytest.mark.parametrize("method", CHANGES)
async def test_accepted_changes_take_effect(method: str) -> None:
    collection, _, verb = method.partition(".")
    schema, scope, needed = NEEDED[collection]
    compute, _, _ = make(SETTING)
    create_resources(compute)
    old = compute.place(collection, scope, {"name": "new", **needed})
    before = compute.dump()
    ignored, changed = set(), 0
    for path, value in leaves({"$ref": schema}):
        where = ".".join(map(str, (collection, *path)))
        body = deepcopy(needed) if verb == "update" and collection != "instances" else {}
        if collection in ("subnetworks", "backendServices"):
            body["fingerprint"] = old["fingerprint"]
        if any(part in where for part in NOT_SHOWN):
            continue
        say(body, path, value)
        try:
            await compute.answer(method, scope, "new", body=body)
        except ApiError:
            continue
        compute.finish()
        compute.load(compute.dump())
        new = await compute.answer(f"{collection}.get", scope, "new")
        if shown(new, path) != value and shown(new, path) == shown(old, path):
            ignored.add(where)
        compute.load(before)
        changed += 1
    assert changed
    assert not ignored
