"""Allocates the addresses that one request needs, and rolls all of them back if the request fails."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network

from dualstack_sim.compute.api.errors import Json, OperationFailed, OperationFailure
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.network.addresses import (
    Block,
    block_of,
    dotted,
    parse_ipv4,
    usable_primary,
    vm_prefix,
    vm_prefix_number,
)
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced


class AllocationTransaction:
    """Allocations take effect at once. `holder` is the partial path of the resource that gets the addresses."""

    def __init__(self, project: Project, holder: str) -> None:
        self._project = project
        self.holder = holder
        self._blocks: list[tuple[Key, Block]] = []
        self._ipv6: list[tuple[Key, int]] = []

    def allocate_block(self, subnetwork: Key, network: IPv4Network) -> None:
        """Allocate exactly this block; raises OperationFailed if any part of it is in use."""
        pool = self._project.pool(subnetwork)
        if pool.holder_within(network) is not None and enforced("aliases.taken"):
            shown = str(network.network_address) if network.prefixlen == 32 else str(network)
            message = f"IP '{shown}' is already being used by another resource."
            raise OperationFailed(OperationFailure("IP_IN_USE_BY_ANOTHER_RESOURCE", message))
        self._hold(subnetwork, block_of(network, self.holder))

    def allocate_address(self, subnetwork: Key, network: IPv4Network) -> None:
        """Allocate this primary address; one VM may use a reserved one."""
        reserved = self._project.pool(subnetwork).holder_within(network)
        if reserved is None or "/addresses/" not in reserved.holder or not enforced("addresses.reserved-for-vm"):
            self.allocate_block(subnetwork, network)
            return
        link, own = self._project.links.full(subnetwork), str(network.network_address)
        for _, vm in self._project.inventory.all("instances"):
            for interface in vm["networkInterfaces"]:
                if interface["networkIP"] == own and interface["subnetwork"] == link:
                    self.allocate_block(subnetwork, network)

    def allocate_any_address(self, subnetwork: Key, whole: IPv4Network) -> str:
        """Allocate the lowest free address of the primary range."""
        first, last = usable_primary(whole)
        return dotted(self._allocate_lowest(subnetwork, whole, first, last, 1))

    def allocate_prefix(self, subnetwork: Key, whole: IPv4Network, prefix: int, *, primary: bool) -> IPv4Network:
        """Allocate the lowest free block of a prefix length. Static routes reserve nothing."""
        first, last = int(whole.network_address), int(whole.broadcast_address)
        if primary:
            first, last = usable_primary(whole)
        size = 1 << (32 - prefix)
        if not enforced("aliases.lowest-free"):
            first += size
        start = self._allocate_lowest(subnetwork, whole, first, last, size)
        return IPv4Network((start, prefix))

    def allocate_ipv6(self, subnetwork: Key, prefix: IPv6Network, *, balancer: bool = False) -> IPv6Network:
        """Allocate the next free /96 for a VM or a load balancer."""
        number = self._project.pool(subnetwork).allocate_ipv6(self.holder, balancer=balancer)
        if number is None:
            raise self._exhausted(subnetwork, str(prefix))
        self._ipv6.append((subnetwork, number))
        return vm_prefix(prefix, number)

    def allocate_ipv6_range(self, subnetwork: Key, prefix: IPv6Network) -> None:
        """Allocate this /96; one VM may use a reserved one. Raises OperationFailed if it is in use."""
        number = vm_prefix_number(str(prefix.network_address))
        holder = self._project.pool(subnetwork).hold_ipv6(number, self.holder)
        if holder == self.holder:
            self._ipv6.append((subnetwork, number))
            return
        link = self._project.links.full(subnetwork)
        users = [
            vm
            for _, vm in self._project.inventory.all("instances")
            for interface in vm["networkInterfaces"]
            if interface["subnetwork"] == link and ipv6_of(interface) == prefix.network_address
        ]
        if "/addresses/" not in holder or users:
            message = f"IP '{prefix}' is already being used by another resource."
            raise OperationFailed(OperationFailure("IP_IN_USE_BY_ANOTHER_RESOURCE", message))

    def roll_back(self) -> None:
        """Release everything that was allocated."""
        for subnetwork, block in self._blocks:
            self._project.pool(subnetwork).release(block)
        for subnetwork, number in self._ipv6:
            self._project.pool(subnetwork).release_ipv6(number)
        self._blocks.clear()
        self._ipv6.clear()

    def _allocate_lowest(self, subnetwork: Key, whole: IPv4Network, first: int, last: int, size: int) -> int:
        start = self._project.pool(subnetwork).lowest_free(first, last, size)
        if start is None:
            raise self._exhausted(subnetwork, str(whole))
        self._hold(subnetwork, Block(start, start + size - 1, self.holder))
        return start

    def _hold(self, subnetwork: Key, block: Block) -> None:
        self._project.pool(subnetwork).hold(block)
        self._blocks.append((subnetwork, block))

    def _exhausted(self, subnetwork: Key, text: str) -> OperationFailed:
        message = (
            f"IP space of '{self._project.links.partial(subnetwork)}' is exhausted. Insufficient free IP addresses in "
            f"the IP range '{text}'. Consider expanding the current IP range or selecting an alternative IP range. If "
            "this is a secondary range, consider adding an additional secondary range."
        )
        return OperationFailed(OperationFailure("IP_SPACE_EXHAUSTED_WITH_DETAILS", message))


def release_aliases(project: Project, subnetwork: Key, aliases: list[Json], holder: str) -> None:
    """Release alias ranges, given as the entries of an interface."""
    for alias in aliases:
        network = parse_ipv4(alias["ipCidrRange"])
        if network is not None:
            project.pool(subnetwork).release(block_of(network, holder))


def ipv6_of(interface: Json) -> IPv6Address | None:
    """The first IPv6 address of an interface, None without IPv6."""
    configs = interface.get("ipv6AccessConfigs")
    address = configs[0]["externalIpv6"] if configs else interface.get("ipv6Address", "")
    return IPv6Address(address) if address else None


def release_ipv6(project: Project, subnetwork: Key, interface: Json, holder: str) -> None:
    """Release the /96 of an interface, if it has one; a reserved one stays with its reservation."""
    address = ipv6_of(interface)
    if address is not None:
        project.pool(subnetwork).release_ipv6(vm_prefix_number(str(address)), holder)


def release_interface(project: Project, subnetwork: Key, interface: Json, holder: str) -> None:
    """Release every address of an interface."""
    own = IPv4Network(interface["networkIP"])
    project.pool(subnetwork).release(block_of(own, holder))
    release_aliases(project, subnetwork, interface.get("aliasIpRanges", []), holder)
    release_ipv6(project, subnetwork, interface, holder)
