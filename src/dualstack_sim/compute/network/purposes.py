"""Subnetworks with a purpose other than PRIVATE (docs/reference/compute-engine.md#subnetwork-purposes)."""

from __future__ import annotations

from collections.abc import Iterator

from dualstack_sim.compute.api.errors import ApiError, Json, invalid, required
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

ORDINARY = ("PRIVATE", "PRIVATE_RFC_1918")
PROXY = ("GLOBAL_MANAGED_PROXY", "INTERNAL_HTTPS_LOAD_BALANCER", "REGIONAL_MANAGED_PROXY")
PURPOSES = (*PROXY, *ORDINARY, "PEER_MIGRATION", "PRIVATE_NAT", "PRIVATE_SERVICE_CONNECT")
ROLES = ("ACTIVE", "BACKUP")
_IPV4_ONLY = (*PROXY, "PEER_MIGRATION", "PRIVATE_NAT")
_WITHOUT_RANGES = (*PROXY, "PRIVATE_NAT", "PRIVATE_SERVICE_CONNECT")
_CHANGES = {"INTERNAL_HTTPS_LOAD_BALANCER": "REGIONAL_MANAGED_PROXY", "PEER_MIGRATION": "PRIVATE"}
"""The changes of a purpose that a patch can make."""
_LARGEST_PROXY_PREFIX = 26


def check_new(project: Project, resource: Json, body: Json) -> None:
    """Refuse a new subnetwork whose fields its purpose does not allow. `resource`: with defaults; `body`: as sent."""
    purpose, role = resource["purpose"], body.get("role")
    if purpose in PROXY:
        if not role and enforced("subnetworks.proxy-role"):
            raise required("resource.role")
        prefix = int(resource["ipCidrRange"].partition("/")[2])
        if prefix > _LARGEST_PROXY_PREFIX and enforced("subnetworks.proxy-size"):
            why = f"A proxy-only subnetwork must be /{_LARGEST_PROXY_PREFIX} or larger."
            raise invalid("resource.ipCidrRange", resource["ipCidrRange"], why)
        if role == "ACTIVE":
            for key, _ in active_proxies(project, resource):
                why = f"'{key.name}' is already the ACTIVE subnetwork of purpose {purpose} in the region and network."
                raise invalid("resource.role", role, why)
    elif role and enforced("subnetworks.proxy-role"):
        raise invalid("resource.role", role, f"Not supported for purpose {purpose}.")
    refuse_fields(purpose, body)


def refuse_fields(purpose: str, body: Json) -> None:
    """Refuse flow logs, IPv6 and secondary ranges where the purpose has none, in a new subnetwork or a patch."""
    for field in ("enableFlowLogs", "logConfig"):
        if field in body and purpose in PROXY and enforced("subnetworks.proxy-without-logs"):
            raise invalid(f"resource.{field}", "", f"Flow logs are not supported for purpose {purpose}.")
    dual = (body.get("stackType") or "IPV4_ONLY") != "IPV4_ONLY"
    if dual and purpose in _IPV4_ONLY and enforced("subnetworks.purpose-ipv4"):
        raise invalid("resource.stackType", body["stackType"], f"Purpose {purpose} supports IPv4 only.")
    if body.get("secondaryIpRanges") and purpose in _WITHOUT_RANGES and enforced("subnetworks.purpose-ranges"):
        raise invalid("resource.secondaryIpRanges", "", f"Secondary ranges are not supported for purpose {purpose}.")


def changed_purpose(current: Json, body: Json) -> Json:
    """The checked change of purpose and role by a patch."""
    purpose, wanted = current["purpose"], body.get("purpose", current["purpose"])
    if wanted != purpose and _CHANGES.get(purpose) != wanted and enforced("subnetworks.purpose-fixed"):
        raise invalid("resource.purpose", wanted, f"The purpose cannot change from {purpose} to {wanted}.")
    role = body.get("role")
    if role and wanted not in PROXY and enforced("subnetworks.proxy-role"):
        raise invalid("resource.role", role, f"Not supported for purpose {wanted}.")
    return {"purpose": wanted} | ({"role": role} if role else {})


def active_proxies(project: Project, subnetwork: Json) -> Iterator[tuple[Key, Json]]:
    """The ACTIVE subnetwork of the same purpose, region and network."""
    for key, row in project.inventory.of_network("subnetworks", subnetwork["network"]).items():
        same = (
            all(row[field] == subnetwork[field] for field in ("purpose", "region"))
            and row["name"] != subnetwork["name"]
        )
        if same and row.get("role") == "ACTIVE" and enforced("subnetworks.one-active-proxy"):
            yield key, row


def require_ordinary(subnetwork: Json) -> None:
    """Refuse a VM, or an address of one, in a subnetwork with another purpose."""
    if subnetwork["purpose"] not in ORDINARY and enforced("subnetworks.vms-in-private"):
        why = "Invalid resource usage: 'Subnetwork must have purpose=PRIVATE.'."
        raise ApiError(400, "invalidResourceUsage", why)
