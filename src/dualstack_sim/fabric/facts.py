"""What a host knows about its VPC network, as small facts with keys.

Each fact propagates to each host separately. The flag and the ranges of a subnet are two facts, so that they may
arrive in either order (docs/reference/cut-over.md#e10).
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack_sim.fabric.blocks import Block

Key = tuple[str, ...]
"""The kind of a fact, then names. Facts with the same key are states of the same resource."""


@dataclass(frozen=True, slots=True)
class SubnetRanges:
    """The ranges of a subnet: the primary range, secondary ranges, and the IPv6 range if there is one."""

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
    """allowSubnetCidrRoutesOverlap of a subnet: whether it is a hybrid subnet (docs/reference/cut-over.md#r1)."""

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
    """A static route. `instance` is the next hop VM; None for another next hop, which `next_hop` names."""

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
    """A VM: its state, canIpForward, network tags, and region.

    `address_manager`: whether its metadata lets the guest agent handle alias ranges; None leaves it to the project.
    """

    name: str
    region: str
    running: bool = True
    can_ip_forward: bool = True
    tags: frozenset[str] = frozenset()
    address_manager: bool | None = None

    @property
    def key(self) -> Key:
        return ("machine", self.name)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class PortRange:
    """An allowed or denied entry of a firewall rule: a protocol and its ports; an empty list means all ports."""

    protocol: str
    ports: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """An enabled rule. Without target tags it applies to all VMs. `ranges`: sources, or destinations for egress."""

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
    """The network is beyond the limits of hybrid subnets, which affects `hosts` (docs/reference/cut-over.md#e14)."""

    hosts: frozenset[str]

    @property
    def key(self) -> Key:
        return OVERLOAD

    @property
    def blocks(self) -> tuple[Block, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Peering:
    """One side of an ACTIVE peering: whether it exports and imports custom routes, and exchanges IPv6 ranges."""

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
