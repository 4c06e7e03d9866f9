"""The address of a forwarding rule (docs/reference/compute-engine.md#forwarding-rule-addresses).

External IPv4: a reserved address of the region, or an ephemeral one. IPv6: a /96 of a dual-stack subnetwork, from the
half of its /64 that VMs do not use. Internal IPv4: an address of the primary range of a subnetwork.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_interface

from dualstack_sim.compute.api.errors import Json, invalid, required
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.balancing.ports import ranges_of
from dualstack_sim.compute.machines.allocation_transaction import AllocationTransaction
from dualstack_sim.compute.network.addresses import (
    block_of,
    dotted,
    fits_within,
    parse_ipv4,
    uncompressed_prefix,
    usable_primary,
    vm_prefix_number,
)
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

_EPHEMERAL_POOL = IPv4Address("34.96.0.0")


def choose_address(project: Project, key: Key, rule: Json, body: Json, transaction: AllocationTransaction) -> Json:
    """The fields IPAddress, ipVersion, network and subnetwork. `rule`: the fields that are already checked.

    Raises ApiError for a bad or conflicting address, OperationFailed for an exhausted range.
    """
    reserved = _reserved(project, key.scope, body.get("IPAddress", ""))
    version = _version(reserved, body)
    where, subnetwork = _subnetwork(project, key.scope, rule["loadBalancingScheme"], version, body, reserved)
    fields: Json = {"ipVersion": version} if version == "IPV6" or body.get("ipVersion") else {}
    if subnetwork is not None:
        fields |= {"network": subnetwork["network"], "subnetwork": subnetwork["selfLink"]}
    if rule["loadBalancingScheme"] == "EXTERNAL" and version == "IPV4":
        fields.pop("network", None)
        address = _external(project, rule, body.get("IPAddress", ""), reserved)
    elif where is None or subnetwork is None:
        raise required("resource.subnetwork")
    elif version == "IPV6":
        address = _ipv6(project, where, subnetwork, body.get("IPAddress", ""), reserved, transaction)
    else:
        address = _internal(project, where, subnetwork, body.get("IPAddress", ""), reserved, transaction)
    if reserved is not None:
        _check_reserved(rule, reserved)
    _refuse_conflict(project, key, rule | {"IPAddress": address})
    return fields | {"IPAddress": address}


def _reserved(project: Project, scope: str, text: str) -> Json | None:
    """The address resource that IPAddress names by link, by name or by its address; None if there is none."""
    if not text:
        return None
    table = project.inventory.table("addresses", scope)
    if "/" in text and not _is_address(text):
        return project.reference("resource.IPAddress", text, "addresses", scope, "address")[1]
    own = [row for row in table.values() if _is_address(text) and _same_address(row["address"], text)]
    return own[0] if own else table.get(text)


def _is_address(text: str) -> bool:
    try:
        ip_interface(text)
    except ValueError:
        return False
    return True


def _same_address(one: str, other: str) -> bool:
    return ip_interface(one).ip == ip_interface(other).ip


def _version(reserved: Json | None, body: Json) -> str:
    text = reserved["address"] if reserved else body.get("IPAddress", "")
    requested = body.get("ipVersion", "UNSPECIFIED_VERSION")
    written = f"IPV{ip_interface(text).version}" if text and _is_address(text) else ""
    if text and not written:
        raise invalid("resource.IPAddress", text, "Must be an IP address or the URL of a reserved one.")
    wanted = str(requested) if requested != "UNSPECIFIED_VERSION" else written or "IPV4"
    if written and written != wanted:
        raise invalid("resource.IPAddress", text, f"The address is not of ipVersion {wanted}.")
    return wanted


def _subnetwork(
    project: Project, scope: str, scheme: str, version: str, body: Json, reserved: Json | None
) -> tuple[Key | None, Json | None]:
    link = body.get("subnetwork") or (reserved or {}).get("subnetwork")
    if body.get("network"):
        network, _ = project.reference("resource.network", body["network"], "networks", GLOBAL, "network")
        if not link and scheme == "INTERNAL":
            why = "Subnetwork should be specified for custom subnetmode network"
            raise invalid("resource.subnetwork", "", why)
    if not link:
        if version == "IPV6":
            raise required("resource.subnetwork")
        return None, None
    key, subnetwork = project.reference("resource.subnetwork", link, "subnetworks", scope, "subnetwork")
    project.require_unlocked(key)
    if body.get("network") and project.links.full(network) != subnetwork["network"]:
        raise invalid("resource.subnetwork", link, "The subnetwork does not belong to the specified network.")
    if subnetwork["purpose"] != "PRIVATE":
        raise invalid("resource.subnetwork", link, f"Its purpose is {subnetwork['purpose']}.")
    if version == "IPV6":
        _check_ipv6(subnetwork, scheme, link)
    return key, subnetwork


def _check_ipv6(subnetwork: Json, scheme: str, link: str) -> None:
    other = subnetwork.get("ipv6AccessType") != scheme and enforced("balancing.ipv6-subnetwork")
    if other or "ipv6CidrRange" not in subnetwork:
        raise invalid("resource.subnetwork", link, f"The subnetwork has no {scheme.lower()} IPv6 range.")
    if subnetwork.get("ipv6GceEndpoint") == "VM_ONLY":
        raise invalid("resource.subnetwork", link, "Its IPv6 range is for VMs only (ipv6GceEndpoint VM_ONLY).")


def _external(project: Project, rule: Json, text: str, reserved: Json | None) -> str:
    if reserved is not None:
        return str(reserved["address"])
    if text:
        users = [row for _, row in project.inventory.all("forwardingRules") if row["IPAddress"] == text]
        if not users and enforced("balancing.address-reserved"):
            raise invalid("resource.IPAddress", text, "The address is not reserved in the region.")
        return text
    number = project.chance.generator("forwarding-rule-address", rule["id"]).randrange(1 << 20)
    return dotted(int(_EPHEMERAL_POOL) + number)


def _ipv6(
    project: Project,
    where: Key,
    subnetwork: Json,
    text: str,
    reserved: Json | None,
    transaction: AllocationTransaction,
) -> str:
    if reserved is not None:
        if reserved.get("ipv6EndpointType", "NETLB") != "NETLB":
            raise invalid("resource.IPAddress", text, "The address is reserved with ipv6EndpointType VM, not NETLB.")
        return f"{reserved['address']}/{reserved['prefixLength']}"
    whole = IPv6Network(subnetwork["ipv6CidrRange"])
    if not text:
        return uncompressed_prefix(transaction.allocate_ipv6(where, whole, balancer=True))
    wanted = ip_interface(text)
    if IPv6Address(wanted.ip) not in whole:
        raise invalid("resource.IPAddress", text, f"It is not in the range {whole} of the subnetwork.")
    return uncompressed_prefix(IPv6Network((wanted.ip, 96), strict=False))


def _internal(
    project: Project,
    where: Key,
    subnetwork: Json,
    text: str,
    reserved: Json | None,
    transaction: AllocationTransaction,
) -> str:
    if reserved is not None:
        return str(reserved["address"])
    whole = IPv4Network(subnetwork["ipCidrRange"])
    if not text:
        return transaction.allocate_any_address(where, whole)
    own = parse_ipv4(f"{text}/32")
    first, last = usable_primary(whole)
    if own is None or not fits_within(own, whole) or not first <= int(own.network_address) <= last:
        raise invalid("resource.IPAddress", text, "Must be a usable address of the subnetwork's primary range.")
    shared = any(row["IPAddress"] == text for _, row in project.inventory.all("forwardingRules"))
    if not shared:
        transaction.allocate_block(where, own)
    return text


def _check_reserved(rule: Json, reserved: Json) -> None:
    internal = rule["loadBalancingScheme"] == "INTERNAL"
    if (reserved["addressType"] == "INTERNAL") is not internal:
        why = f"It is an address of type {reserved['addressType']}."
        raise invalid("resource.IPAddress", reserved["address"], why)
    if (
        not internal
        and reserved.get("networkTier", "PREMIUM") != rule["networkTier"]
        and enforced("balancing.same-tier")
    ):
        why = f"The network tier of the address is {reserved['networkTier']}, that of the rule {rule['networkTier']}."
        raise invalid("resource.IPAddress", reserved["address"], why)


def _refuse_conflict(project: Project, key: Key, rule: Json) -> None:
    """Several rules may share an address if they differ in protocol or ports."""
    for other_key, other in project.inventory.all("forwardingRules"):
        if other_key == key or not _same_address(other["IPAddress"], rule["IPAddress"]):
            continue
        protocols = {other["IPProtocol"], rule["IPProtocol"]}
        meet = any(a <= d and c <= b for a, b in ranges_of(rule) for c, d in ranges_of(other))
        if len(protocols) == 1 and meet and enforced("balancing.address-conflict"):
            why = "Specified IP address is in-use and would result in a conflict."
            raise invalid("resource.IPAddress", rule["IPAddress"], why)
    for _, vm in project.inventory.all("instances"):
        for nic in vm["networkInterfaces"]:
            used = [config.get("natIP") for config in nic.get("accessConfigs", ())]
            if rule["IPAddress"] in used and enforced("balancing.address-conflict"):
                why = "Specified IP address is in-use and would result in a conflict."
                raise invalid("resource.IPAddress", rule["IPAddress"], why)


def release_address(project: Project, key: Key, rule: Json) -> None:
    """Release what the rule allocated in its subnetwork; a reserved address stays with its reservation."""
    subnetwork = project.links.read(rule.get("subnetwork", ""), "subnetworks", "")
    if subnetwork is None:
        return
    pool, holder = project.pool(subnetwork), project.links.partial(key)
    if ":" not in rule["IPAddress"]:
        network = parse_ipv4(f"{rule['IPAddress']}/32")
        if network is not None:
            pool.release(block_of(network, holder))
    else:
        pool.release_ipv6(vm_prefix_number(rule["IPAddress"].partition("/")[0]), holder)
