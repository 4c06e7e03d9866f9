"""What a host's controller knows about its VPC network, cut into small keyed facts.

Each fact travels to each host on its own. A subnet's flag and its ranges are two facts, so that they may arrive in
either order (cutover.md E10).
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack_sim.fabric.blocks import Block

Key = tuple[str, ...]
"""What a fact is about: its sort, then names. Two facts with one key are two states of one thing."""


@dataclass(frozen=True, slots=True)
class SubnetRanges:
    """The ranges of a subnet: primary first, then secondary ones, then the IPv6 range if there is one."""

    region: str
    subnet: str
    ranges: tuple[Block, ...]

    @property
    def key(self) -> Key:
        return ("ranges", self.region, self.subnet)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.ranges


@dataclass(frozen=True, slots=True)
class SubnetFlag:
    """allowSubnetCidrRoutesOverlap of a subnet: whether it is a hybrid subnet (cutover.md R1, R3)."""

    region: str
    subnet: str
    overlap: bool

    @property
    def key(self) -> Key:
        return ("flag", self.region, self.subnet)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """A custom route. `instance` is the next hop VM; None when the next hop is something else, named by `next_hop`."""

    name: str
    destination: Block
    priority: int = 1000
    instance: str | None = None
    region: str = ""
    next_hop: str = "instance"
    tags: frozenset[str] = frozenset()

    @property
    def key(self) -> Key:
        return ("route", self.name)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return (self.destination,)


@dataclass(frozen=True, slots=True)
class Interface:
    """The addresses of one NIC: IPv4 address, alias ranges, IPv6 range (a /96)."""

    instance: str
    name: str
    primary: Block | None
    aliases: tuple[Block, ...] = ()
    ipv6: Block | None = None

    @property
    def key(self) -> Key:
        return ("interface", self.instance, self.name)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(block for block in (self.primary, *self.aliases, self.ipv6) if block is not None)


@dataclass(frozen=True, slots=True)
class Machine:
    """A VM: whether it runs, whether it may forward, its network tags, its region."""

    name: str
    region: str
    running: bool = True
    can_ip_forward: bool = True
    tags: frozenset[str] = frozenset()

    @property
    def key(self) -> Key:
        return ("machine", self.name)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class PortRange:
    """One entry of a firewall rule's allowed or denied list: a protocol and ports, no ports meaning all."""

    protocol: str
    ports: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """An enabled rule. No target tags: every VM of the network. `ranges`: its sources, for egress its destinations."""

    name: str
    priority: int
    allow: bool
    ranges: tuple[Block, ...]
    traffic: tuple[PortRange, ...]
    target_tags: frozenset[str] = frozenset()
    egress: bool = False

    @property
    def key(self) -> Key:
        return ("egress" if self.egress else "firewall", self.name)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Overload:
    """The network holds more than is advised beside hybrid subnets, and these hosts suffer from it (cutover.md E14)."""

    hosts: frozenset[str]

    @property
    def key(self) -> Key:
        return OVERLOAD

    @property
    def blocks(self) -> tuple[Block, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Peering:
    """One side's word in an ACTIVE peering: whether it exports and imports custom routes, and exchanges IPv6 ranges."""

    peer: str
    exports: bool = False
    imports: bool = False
    ipv6: bool = False

    @property
    def key(self) -> Key:
        return ("peering", self.peer)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return ()


OVERLOAD: Key = ("overload",)

Fact = SubnetRanges | SubnetFlag | StaticRoute | Interface | Machine | FirewallRule | Overload | Peering
