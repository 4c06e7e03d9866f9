"""Makes a state of the resources of a real project, as `gcloud ... list --format json` or the API prints them.

A document is `{"networks": [...], "subnetworks": [...], ...}`, where each value is a list of resources, a list document
or an aggregated list; or one list of resources, each with its `kind`. All resources are of one project, on any host;
links to it are rewritten to the simulated one, and links to other projects, such as those of peerings, stay. What the
server generates is filled in where it is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import msgspec

from dualstack_sim.compute.api.errors import ApiError, Json
from dualstack_sim.compute.api.reading import kind_of
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.balancing.backend_groups import ENDPOINTS, MEMBERS
from dualstack_sim.compute.machines.allocation_transaction import ipv6_of
from dualstack_sim.compute.network.addresses import AddressPool, block_of, vm_prefix_number
from dualstack_sim.compute.project.project import Project
from dualstack_sim.compute.project.snapshot import SCHEMA
from dualstack_sim.compute.project.state_schema import SHAPES

_LINK = re.compile(r'https?://[^/"]+/compute/(?:v1|beta|alpha)/projects/([^/"]+)')
_COLLECTION_OF = {f"compute#{kind_of(collection)}": collection for collection in SHAPES}
_FINGERPRINTS = {"fingerprint": "fingerprint", "label_fingerprint": "labelFingerprint"}
_DEFAULTS: dict[str, Json] = {
    "instances": {"canIpForward": False, "deletionProtection": False},
    "routes": {"priority": 1000},
    "firewalls": {"priority": 1000, "direction": "INGRESS"},
    "addresses": {"addressType": "EXTERNAL", "status": "RESERVED"},
    "subnetworks": {"purpose": "PRIVATE", "stackType": "IPV4_ONLY"},
    "networks": {"routingConfig": {"routingMode": "REGIONAL"}},
    "instanceGroups": {MEMBERS: []},
    "networkEndpointGroups": {ENDPOINTS: []},
}
"""Fields that the API omits, or that `list` does not have."""


@dataclass(slots=True)
class Imported:
    """`state`: a document for `Compute.load`. `left_out`: what is not simulated, one sentence each."""

    state: Json
    left_out: list[str] = field(default_factory=list)


def import_inventory(project: Project, document: Any) -> Imported:
    """The state of a real inventory in the simulated project. Raises ApiError 400 for other documents."""
    rows, left_out = _rows(document)
    links = (_LINK.match(str(entry.get("selfLink"))) for entries in rows.values() for entry in entries)
    owners = sorted({link[1] for link in links if link})
    if len(owners) != 1:
        found = f"of projects {', '.join(owners)}" if owners else "of no project"
        raise ApiError(400, "badState", f"the inventory has resources {found}; it must be of one project")
    root = "https://www.googleapis.com/compute/v1/projects/"

    def rewritten_link(link: re.Match[str]) -> str:
        return root + (project.name if link[1] == owners[0] else link[1])

    text = msgspec.json.encode(rows).decode()
    rewritten: dict[str, list[Json]] = msgspec.json.decode(_LINK.sub(rewritten_link, text))
    resources: dict[str, dict[str, Json]] = {}
    for collection, entries in rewritten.items():
        for number, entry in enumerate(entries):
            key = _key(collection, entry, number)
            resources.setdefault(collection, {})[f"{key.scope}/{key.name}"] = _completed(project, key, entry)
    state = {
        "schema": SCHEMA,
        "project": project.name,
        "number": project.number,
        "regions": _regions(resources),
        "inventory": {"resources": resources, "revisions": {}, "incarnations": {}},
        "operations": {"ended": [], "replays": [], "ordinals": []},
        "addresses": {key.text(): pool.dump() for key, pool in _pools(resources).items()},
        "prefixes": {"given": dict(_prefixes(resources)), "ordinals": {}},
    }
    return Imported(state, left_out)


def _rows(document: Any) -> tuple[dict[str, list[Json]], list[str]]:
    """Collection -> resources, and what is left out."""
    given: dict[str, list[Json]] = {}
    if isinstance(document, list):
        for entry in _objects(document):
            kind = str(entry.get("kind", ""))
            given.setdefault(_COLLECTION_OF.get(kind, kind), []).append(entry)
    elif isinstance(document, dict):
        given = {collection: list(_listed(collection, value)) for collection, value in document.items()}
    else:
        raise ApiError(400, "badState", "the inventory must be a JSON object of lists, or a list of resources")
    left_out = [
        f"{len(entries)} {collection or 'resources without kind'}: not simulated"
        for collection, entries in sorted(given.items())
        if collection not in SHAPES and entries
    ]
    rows = {collection: entries for collection, entries in given.items() if collection in SHAPES}
    derived = [row for row in rows.get("routes", []) if "nextHopNetwork" in row or "nextHopPeering" in row]
    if derived:
        rows["routes"] = [row for row in rows["routes"] if row not in derived]
        left_out.append(f"{len(derived)} routes of subnets and peerings: derived from subnets and peerings")
    left_out += [
        f"the members of instance group {group.get('name')}: a list does not have them"
        for group in rows.get("instanceGroups", [])
        if group.get("size") and MEMBERS not in group
    ]
    return rows, left_out


def _objects(entries: Iterable[Any]) -> Iterator[Json]:
    for entry in entries:
        if not isinstance(entry, dict):
            raise ApiError(400, "badState", "each resource of the inventory must be a JSON object")
        yield entry


def _listed(collection: str, value: Any) -> Iterator[Json]:
    """The resources of a list, a list document, or an aggregated list."""
    items = value.get("items", []) if isinstance(value, dict) else value
    if isinstance(items, dict):
        items = [entry for scope in items.values() for entry in scope.get(collection, ())]
    if not isinstance(items, list):
        raise ApiError(400, "badState", f"{collection}: must be a list of resources or a list document")
    yield from _objects(items)


def _key(collection: str, entry: Json, number: int) -> Key:
    """The identity of a resource, of its selfLink."""
    parts = str(entry.get("selfLink", "")).partition("/projects/")[2].split("/")[1:]
    if len(parts) not in (3, 4) or parts[-2] != collection:
        raise ApiError(400, "badState", f"{collection}[{number}]: needs the selfLink of one of {collection}")
    return Key(collection, GLOBAL if parts[0] == GLOBAL else "/".join(parts[:2]), parts[-1])


def _completed(project: Project, key: Key, entry: Json) -> Json:
    """The resource with what the server generates and what lists leave out."""
    identity = project.inventory.identity(key, kind_of(key.collection), 0.0)
    resource = {**identity, **_DEFAULTS.get(key.collection, {}), **entry, "kind": identity["kind"]}
    resource["selfLink"] = f"https://www.googleapis.com/compute/v1/{project.links.partial(key)}"
    for attribute, name in _FINGERPRINTS.items():
        if attribute in SHAPES[key.collection][0].__struct_fields__:
            resource.setdefault(name, project.inventory.fingerprint(key, name))
    if key.collection == "instances":
        for aspect in ("tags", "metadata"):
            resource[aspect] = {"fingerprint": project.inventory.fingerprint(key, aspect), **resource.get(aspect, {})}
        resource["networkInterfaces"] = [_interface(project, key, nic) for nic in resource.get("networkInterfaces", ())]
    return resource


def _interface(project: Project, key: Key, nic: Json) -> Json:
    defaults = {"stackType": "IPV4_ONLY", "fingerprint": project.inventory.fingerprint(key, str(nic.get("name")))}
    configs = [{"networkTier": "PREMIUM", **config} for config in nic.get("accessConfigs", ())]
    return {**defaults, **nic, **({"accessConfigs": configs} if configs else {})}


def _regions(resources: dict[str, dict[str, Json]]) -> dict[str, list[str]]:
    """The regions and zones of the resources; a region without a zonal resource gets its zone b."""
    scopes = {path.rpartition("/")[0] for rows in resources.values() for path in rows}
    regions: dict[str, set[str]] = {scope.partition("/")[2]: set() for scope in scopes if scope.startswith("regions/")}
    for scope in scopes:
        kind, _, zone = scope.partition("/")
        if kind == "zones":
            regions.setdefault(zone.rpartition("-")[0], set()).add(zone)
    return {region: sorted(zones) or [f"{region}-b"] for region, zones in sorted(regions.items())}


def _subnetwork_key(link: str) -> Key:
    parts = link.partition("/projects/")[2].split("/")
    return Key("subnetworks", "/".join(parts[1:3]), parts[-1])


def _pools(resources: dict[str, dict[str, Json]]) -> dict[Key, AddressPool]:
    """The addresses that VMs, reservations and forwarding rules hold in subnetworks."""
    pools: dict[Key, AddressPool] = {}

    def hold(link: str, holder: Json, text: str) -> None:
        pool = pools.setdefault(_subnetwork_key(link), AddressPool())
        owner = holder["selfLink"].partition("/compute/v1/")[2]
        if ":" in text:
            pool.hold_ipv6(vm_prefix_number(text.partition("/")[0]), owner)
            return
        network = IPv4Network(text)
        if pool.holder_within(network) is None:
            pool.hold(block_of(network, owner))

    for vm in resources.get("instances", {}).values():
        for nic in vm["networkInterfaces"]:
            hold(nic["subnetwork"], vm, nic["networkIP"])
            for alias in nic.get("aliasIpRanges", ()):
                hold(nic["subnetwork"], vm, alias["ipCidrRange"])
            six = ipv6_of(nic)
            if six is not None:
                hold(nic["subnetwork"], vm, str(six))
    for collection, name in (("addresses", "address"), ("forwardingRules", "IPAddress")):
        for row in resources.get(collection, {}).values():
            internal = ":" in row[name] or "INTERNAL" in (row.get("addressType"), row.get("loadBalancingScheme"))
            if row.get("subnetwork") and internal:
                hold(row["subnetwork"], row, row[name])
    return pools


def _prefixes(resources: dict[str, dict[str, Json]]) -> Iterator[tuple[str, list[str]]]:
    for path, row in resources.get("subnetworks", {}).items():
        for name, access in (("externalIpv6Prefix", "EXTERNAL"), ("internalIpv6Prefix", "INTERNAL")):
            if row.get(name):
                row.setdefault("ipv6CidrRange", row[name])
                scope, _, own = path.rpartition("/")
                yield Key("subnetworks", scope, own).text(), [access, str(IPv6Network(row[name]))]
