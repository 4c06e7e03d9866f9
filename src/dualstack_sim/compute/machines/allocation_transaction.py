"""Addresses that one request takes for one instance, all or none."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

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


class Holdings:
    """Takes addresses at once and can give all of them back. `holder` is the partial path of the instance."""

    def __init__(self, project: Project, holder: str) -> None:
        self._project = project
        self._holder = holder
        self._blocks: list[tuple[Key, Block]] = []
        self._sixes: list[tuple[Key, int]] = []

    def take_block(self, subnetwork: Key, network: IPv4Network) -> None:
        """Exactly this block; the operation fails if somebody holds a part of it (compute-api.md 7.2)."""
        book = self._project.book(subnetwork)
        if book.holder_within(network) is not None and enforced("aliases.taken"):
            shown = str(network.network_address) if network.prefixlen == 32 else str(network)
            message = f"IP '{shown}' is already being used by another resource."
            raise OperationFailed(OperationFailure("IP_IN_USE_BY_ANOTHER_RESOURCE", message))
        self._hold(subnetwork, block_of(network, self._holder))

    def take_own(self, subnetwork: Key, network: IPv4Network) -> None:
        """An address of the primary range by its number: a reserved one may be used by one VM (compute-api.md 8)."""
        reserved = self._project.book(subnetwork).holder_within(network)
        if reserved is None or "/addresses/" not in reserved.holder or not enforced("addresses.reserved-for-vm"):
            self.take_block(subnetwork, network)
            return
        link, own = self._project.links.full(subnetwork), str(network.network_address)
        for _, vm in self._project.inventory.all("instances"):
            for interface in vm["networkInterfaces"]:
                if interface["networkIP"] == own and interface["subnetwork"] == link:
                    self.take_block(subnetwork, network)

    def take_address(self, subnetwork: Key, whole: IPv4Network) -> str:
        """The lowest free address of the primary range."""
        first, last = usable_primary(whole)
        return dotted(self._lowest(subnetwork, whole, first, last, 1))

    def take_mask(self, subnetwork: Key, whole: IPv4Network, prefix: int, *, primary: bool) -> IPv4Network:
        """The lowest free block of a given length, by what is held alone: routes do not count (E8)."""
        first, last = int(whole.network_address), int(whole.broadcast_address)
        if primary:
            first, last = usable_primary(whole)
        size = 1 << (32 - prefix)
        if not enforced("aliases.lowest-free"):
            first += size
        start = self._lowest(subnetwork, whole, first, last, size)
        return IPv4Network((start, prefix))

    def take_six(self, subnetwork: Key, prefix: IPv6Network) -> IPv6Network:
        """The next free /96."""
        number = self._project.book(subnetwork).take_six(self._holder)
        if number is None:
            raise self._exhausted(subnetwork, str(prefix))
        self._sixes.append((subnetwork, number))
        return vm_prefix(prefix, number)

    def give_back(self) -> None:
        for subnetwork, block in self._blocks:
            self._project.book(subnetwork).release(block)
        for subnetwork, number in self._sixes:
            self._project.book(subnetwork).release_six(number)
        self._blocks.clear()
        self._sixes.clear()

    def _lowest(self, subnetwork: Key, whole: IPv4Network, first: int, last: int, size: int) -> int:
        start = self._project.book(subnetwork).lowest_free(first, last, size)
        if start is None:
            raise self._exhausted(subnetwork, str(whole))
        self._hold(subnetwork, Block(start, start + size - 1, self._holder))
        return start

    def _hold(self, subnetwork: Key, block: Block) -> None:
        self._project.book(subnetwork).hold(block)
        self._blocks.append((subnetwork, block))

    def _exhausted(self, subnetwork: Key, text: str) -> OperationFailed:
        message = (
            f"IP space of '{self._project.links.partial(subnetwork)}' is exhausted. Insufficient free IP addresses in "
            f"the IP range '{text}'. Consider expanding the current IP range or selecting an alternative IP range. If "
            "this is a secondary range, consider adding an additional secondary range."
        )
        return OperationFailed(OperationFailure("IP_SPACE_EXHAUSTED_WITH_DETAILS", message))


def release_aliases(project: Project, subnetwork: Key, aliases: list[Json], holder: str) -> None:
    """Give up alias ranges as an interface lists them."""
    for alias in aliases:
        network = parse_ipv4(alias["ipCidrRange"])
        if network is not None:
            project.book(subnetwork).release(block_of(network, holder))


def release_six(project: Project, subnetwork: Key, interface: Json) -> None:
    """Give up the /96 of an interface, if it has one."""
    address = six_address(interface)
    if address:
        project.book(subnetwork).release_six(vm_prefix_number(address))


def release_interface(project: Project, subnetwork: Key, interface: Json, holder: str) -> None:
    """Give up everything an interface holds (compute-api.md 7.5: when the delete is done)."""
    own = IPv4Network(interface["networkIP"])
    project.book(subnetwork).release(block_of(own, holder))
    release_aliases(project, subnetwork, interface.get("aliasIpRanges", []), holder)
    release_six(project, subnetwork, interface)


def six_address(interface: Json) -> str:
    """The first address of the interface's /96 as the API prints it, "" if it has none."""
    for config in interface.get("ipv6AccessConfigs", ()):
        return str(config["externalIpv6"])
    return str(interface.get("ipv6Address", ""))
