"""Maps HTTP verbs and paths to methods, named as in the discovery document (docs/reference/compute-engine.md#paths)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

from dualstack_sim.compute.api.errors import ApiError, bad_request, not_found
from dualstack_sim.compute.api.references import GLOBAL, check_path
from dualstack_sim.rules import enforced

_EMPTY = {
    GLOBAL: (
        "sslCertificates", "sslPolicies", "targetHttpProxies", "targetHttpsProxies", "targetSslProxies",
        "targetTcpProxies", "urlMaps",
    ),
    "regions": (
        "sslCertificates", "sslPolicies", "targetHttpProxies", "targetHttpsProxies", "targetPools", "targetTcpProxies",
        "urlMaps",
    ),
    "zones": ("autoscalers", "targetInstances"),
}  # fmt: skip
"""Collections that clients list, but of which no resource can be made."""
_GLOBAL = (
    "networks", "routes", "firewalls", "addresses", "operations", "images", "instanceTemplates", "backendServices",
    "forwardingRules", "healthChecks", *_EMPTY[GLOBAL],
)  # fmt: skip
_REGIONAL = (
    "subnetworks", "routers", "addresses", "operations", "backendServices", "forwardingRules", "healthChecks",
    *_EMPTY["regions"],
)  # fmt: skip
_ZONAL = (
    "instances", "machineTypes", "operations", "disks", "instanceGroupManagers", "instanceGroups",
    "networkEndpointGroups", "acceleratorTypes", *_EMPTY["zones"],
)  # fmt: skip
AGGREGATED = (
    "subnetworks", "instances", "routers", "addresses", "operations", "disks", "machineTypes", "instanceTemplates",
    "instanceGroupManagers", "instanceGroups", "autoscalers", "backendServices", "forwardingRules", "healthChecks",
    "networkEndpointGroups", "sslCertificates", "sslPolicies", "targetHttpProxies", "targetHttpsProxies",
    "targetInstances", "targetPools", "targetTcpProxies", "urlMaps", "acceleratorTypes",
)  # fmt: skip
_REGIONAL_SERVICES = {
    collection: f"region{collection[0].upper()}{collection[1:]}"
    for collection in (
        "backendServices", "healthChecks", "sslCertificates", "sslPolicies", "targetHttpProxies", "targetHttpsProxies",
        "targetTcpProxies", "urlMaps",
    )
}  # fmt: skip
_RENAMED = {
    (GLOBAL, "addresses"): "globalAddresses",
    (GLOBAL, "forwardingRules"): "globalForwardingRules",
    (GLOBAL, "operations"): "globalOperations",
    ("regions", "operations"): "regionOperations",
    ("zones", "operations"): "zoneOperations",
    ("aggregated", "operations"): "globalOperations",
    **{("regions", collection): service for collection, service in _REGIONAL_SERVICES.items()},
}
COLLECTIONS = {service: collection for (_, collection), service in _RENAMED.items()}
"""Service -> collection, where they differ."""
EMPTY = {
    _RENAMED.get((place, collection), collection): collection
    for place, collections in _EMPTY.items()
    for collection in collections
}
"""Service -> collection, for the collections without resources."""
_NAMED = {"GET": "get", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
_CUSTOM = {
    ("POST", "expandIpCidrRange"), ("POST", "setPrivateIpGoogleAccess"), ("PATCH", "updateNetworkInterface"),
    ("POST", "setTags"), ("POST", "setLabels"), ("POST", "setMetadata"), ("POST", "start"), ("POST", "stop"),
    ("POST", "wait"), ("POST", "reset"), ("POST", "setMachineType"), ("POST", "setDeletionProtection"),
    ("POST", "addAccessConfig"), ("POST", "deleteAccessConfig"), ("POST", "updateAccessConfig"),
    ("GET", "getEffectiveFirewalls"), ("GET", "getRouterStatus"), ("POST", "addPeering"), ("POST", "removePeering"),
    ("PATCH", "updatePeering"), ("GET", "listPeeringRoutes"), ("POST", "resize"), ("POST", "setInstanceTemplate"),
    ("POST", "recreateInstances"), ("POST", "deleteInstances"), ("POST", "abandonInstances"),
    ("POST", "listManagedInstances"), ("POST", "attachDisk"), ("POST", "detachDisk"), ("POST", "addInstances"),
    ("POST", "removeInstances"), ("POST", "listInstances"), ("POST", "setNamedPorts"), ("POST", "setTarget"),
    ("POST", "attachNetworkEndpoints"), ("POST", "detachNetworkEndpoints"), ("POST", "listNetworkEndpoints"),
    ("POST", "testIamPermissions"),
}  # fmt: skip
_SEGMENTS = {("GET", "serialPort"): "getSerialPortOutput"}
"""Methods whose path ends with another word."""
VERSIONS = ("v1", "beta")


class Address(NamedTuple):
    """The destination of a request; `name` is "" for lists and inserts."""

    method: str
    scope: str
    name: str
    project: str


def locate(verb: str, path: str) -> Address:
    """The method of `verb` and `path` (`/compute/v1/projects/...`, percent-encoded). Raises ApiError if unknown."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if len(parts) < 4 or parts[0] != "compute" or not _is_served(parts[1]) or parts[2] != "projects":
        raise _unknown(verb, path)
    project, rest = parts[3], parts[4:]
    if not rest:
        return Address(f"projects.{_only_get(verb, path)}", "", project, project)
    if (verb, rest) == ("POST", ["setCommonInstanceMetadata"]):
        return Address("projects.setCommonInstanceMetadata", GLOBAL, project, project)
    if rest[0] in (GLOBAL, "aggregated") and len(rest) >= 2:
        return _within(verb, path, project, rest[0], rest[0], rest[1:])
    if rest[0] in ("regions", "zones"):
        if len(rest) == 1:
            _only_get(verb, path)
            return Address(f"{rest[0]}.list", "", "", project)
        check_path(rest[1], numeric=False)
        scope = f"{rest[0]}/{rest[1]}"
        if len(rest) == 2:
            return Address(f"{rest[0]}.{_only_get(verb, path)}", scope, rest[1], project)
        return _within(verb, path, project, rest[0], scope, rest[2:])
    raise _unknown(verb, path)


def _is_served(version: str) -> bool:
    return version == "v1" or (version in VERSIONS and enforced("requests.beta-and-v1"))


def _within(verb: str, path: str, project: str, place: str, scope: str, rest: list[str]) -> Address:
    collection = rest[0]
    known = {GLOBAL: _GLOBAL, "regions": _REGIONAL, "zones": _ZONAL, "aggregated": AGGREGATED}[place]
    if collection not in known or len(rest) > 3:
        raise _unknown(verb, path)
    resource = _RENAMED.get((place, collection), collection)
    if place == "aggregated":
        if verb != "GET" or len(rest) > 1:
            raise _unknown(verb, path)
        return Address(f"{resource}.aggregatedList", scope, "", project)
    if len(rest) == 1:
        if verb not in ("GET", "POST"):
            raise _unknown(verb, path)
        return Address(f"{resource}.{'list' if verb == 'GET' else 'insert'}", scope, "", project)
    if collection == "images" and len(rest) == 3 and rest[1] == "family" and verb == "GET":
        check_path(rest[2])
        return Address("images.getFromFamily", scope, rest[2], project)
    if collection != "operations":
        check_path(rest[1])
    if len(rest) == 2 and verb in _NAMED:
        return Address(f"{resource}.{_NAMED[verb]}", scope, rest[1], project)
    if len(rest) == 3 and (verb, rest[2]) in _CUSTOM:
        return Address(f"{resource}.{rest[2]}", scope, rest[1], project)
    if len(rest) == 3 and collection == "instances" and (verb, rest[2]) in _SEGMENTS:
        return Address(f"{resource}.{_SEGMENTS[verb, rest[2]]}", scope, rest[1], project)
    raise _unknown(verb, path)


def _only_get(verb: str, path: str) -> str:
    if verb != "GET":
        raise _unknown(verb, path)
    return "get"


def _unknown(verb: str, path: str) -> ApiError:
    return not_found(f"{verb} {path}") if path.startswith("/compute/") else bad_request(f"Unknown path '{path}'.")
