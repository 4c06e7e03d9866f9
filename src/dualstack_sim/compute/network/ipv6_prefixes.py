"""The /64 of a dual-stack subnetwork (docs/reference/compute-engine.md#external-prefix)."""

from __future__ import annotations

from ipaddress import IPv6Network

from dualstack_sim.compute.api.errors import Json, invalid
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.network.addresses import parse_cidr, uncompressed_prefix
from dualstack_sim.compute.network.routes import add_default_route
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

_REGIONAL_POOL = 0x2600_1900_4010


class Ipv6Prefixes:
    """Assigns /64s. A subnetwork that becomes dual-stack again gets the same prefix."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._given = project.prefixes.given
        self._taken = project.prefixes.taken
        self._ordinals = project.prefixes.ordinals

    def assign_later(self, at: float, key: Key) -> None:
        """Assign the /64 some seconds after the operation that made the subnetwork dual-stack, which ended at `at`."""
        ordinal = self._ordinals.get(key, 0)
        self._ordinals[key] = ordinal + 1
        name = self._project.links.partial(key)
        delay = self._project.latency.prefix_assignment(self._project.chance, name, ordinal)
        if not enforced("subnetworks.prefix-comes-later"):
            delay = 0.0
        identity = self._project.inventory.get(key)["id"]
        self._project.later(at, delay, lambda due: self._assign(due, key, identity))

    def resume_assignment(self, at: float, key: Key) -> None:
        """Schedule the assignment of a prefix that was pending when the state was saved."""
        self._ordinals[key] = max(0, self._ordinals.get(key, 0) - 1)
        self.assign_later(at, key)

    def _assign(self, at: float, key: Key, identity: str) -> None:
        """Assign the prefix unless the subnetwork was deleted or is IPv4-only again. The fingerprint is kept."""
        inventory = self._project.inventory
        current = inventory.find(key)
        if current is None or current["id"] != identity or current["stackType"] != "IPV4_IPV6":
            return
        access = current["ipv6AccessType"]
        prefix = uncompressed_prefix(self._prefix_for(key, access, current))
        field = "externalIpv6Prefix" if access == "EXTERNAL" else "internalIpv6Prefix"
        delegated = current.get("ipCollection") and enforced("balancing.vm-only-prefix")
        given = {field: prefix, "ipv6CidrRange": prefix, "ipv6GceEndpoint": "VM_ONLY" if delegated else "VM_AND_FR"}
        inventory.put(at, key, current | given)
        pending = self._project.pending_subnetworks.get(key)
        if pending is not None:
            self._project.pending_subnetworks[key] = pending | given
        network = self._project.links.read(current["network"], "networks", GLOBAL)
        if access == "EXTERNAL" and network is not None and enforced("routes.internet-ipv6"):
            add_default_route(self._project, at, network, "::/0")

    def _prefix_for(self, key: Key, access: str, subnetwork: Json) -> IPv6Network:
        known = self._given.get(key)
        if known is not None and enforced("subnetworks.prefix-remembered"):
            return known[1]
        prefix = self._external(key) if access == "EXTERNAL" else self._internal(subnetwork["network"])
        self._taken.add(prefix)
        self._given[key] = (access, prefix)
        return prefix

    def preset(self, text: str, access: str) -> IPv6Network | None:
        """The requested external prefix of a new subnetwork, None to choose one."""
        if not text:
            return None
        prefix = parse_cidr(text)
        if access != "EXTERNAL" or not isinstance(prefix, IPv6Network) or prefix.prefixlen != 64:
            why = "Must be a /64 of a subnetwork with external IPv6 access."
            raise invalid("resource.externalIpv6Prefix", text, why)
        if prefix in self._taken:
            raise invalid("resource.externalIpv6Prefix", text, "The range is already in use.")
        return prefix

    def reserve(self, key: Key, prefix: IPv6Network) -> None:
        """Reserve a requested prefix, which `assign_later` then assigns."""
        self._taken.add(prefix)
        self._given[key] = ("EXTERNAL", prefix)

    def _external(self, key: Key) -> IPv6Network:
        """An unused /64 of the region's pool."""
        regions = sorted(self._project.regions)
        pool = _REGIONAL_POOL + 0x10 * regions.index(self._project.region_of(key.scope))
        ordinal = 0
        while True:
            group = self._project.chance.generator("external-prefix", *key, ordinal).randrange(1, 1 << 16)
            prefix = IPv6Network((((pool << 16) + group) << 64, 64))
            if prefix not in self._taken:
                return prefix
            ordinal += 1

    def _internal(self, network: str) -> IPv6Network:
        """The lowest unused /64 of the network's /48."""
        text = self._project.inventory.table("networks", GLOBAL)[network.rpartition("/")[2]]["internalIpv6Range"]
        whole = IPv6Network(text)
        return next(prefix for prefix in whole.subnets(new_prefix=64) if prefix not in self._taken)

    def remembered_access_type(self, key: Key) -> str:
        """The access type of the prefix that the subnetwork has or had, else ""."""
        known = self._given.get(key)
        return known[0] if known else ""

    def release(self, key: Key) -> None:
        """Free the prefix of a deleted subnetwork."""
        known = self._given.pop(key, None)
        if known is not None:
            self._taken.discard(known[1])


def without_prefix(subnetwork: Json) -> Json:
    """The subnetwork without its prefix, which stays reserved for dual-stack VMs in it."""
    gone = ("externalIpv6Prefix", "ipv6CidrRange", "ipv6GceEndpoint", "ipv6AccessType")
    return {field: value for field, value in subnetwork.items() if field not in gone}
