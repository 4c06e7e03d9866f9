"""Addresses of pods on one node: the lowest free address of each pod range, as host-local IPAM allocates them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from dualstack.model.kinds import Manifest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FIRST_OFFSET = 2
"""The network address and the first address (the gateway) are not allocated."""


class CniFailure(Exception):
    """The configuration is not valid, or no address can be allocated."""


def cidrs_of(node: Manifest) -> list[Network]:
    """The pod CIDRs of a Node, in order."""
    spec = node.get("spec") or {}
    texts = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return [ip_network(text) for text in texts]


def primary_first(addresses: Iterable[Address], primary: int) -> list[str]:
    """In the order of `status.podIPs`: the primary family (4 or 6) first, whatever the order of the CNI."""
    return [str(address) for address in sorted(addresses, key=lambda address: address.version != primary)]


@dataclass(slots=True)
class HostLocal:
    """The allocated addresses of one node. The last address of an IPv4 range is not allocated."""

    _allocated: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    _used: set[Address] = field(default_factory=set)

    def allocate(
        self, pod: str, cidrs: Iterable[Network], families: Iterable[int], first: int = FIRST_OFFSET
    ) -> tuple[Address, ...]:
        """One address of each family for the pod with uid `pod`, from offset `first` on; those it has, if it has any.

        CniFailure when a family has no range or no free address.
        """
        if pod in self._allocated:
            return self._allocated[pod]
        ranges: dict[int, Network] = {cidr.version: cidr for cidr in reversed(list(cidrs))}
        chosen = tuple(self._lowest(ranges.get(family), family, first) for family in families)
        self._record(pod, chosen)
        return chosen

    def restore(self, pod: str, addresses: Iterable[str]) -> None:
        """Record the addresses that a running pod already has."""
        if pod not in self._allocated:
            self._record(pod, tuple(ip_address(address) for address in addresses))

    def release(self, pod: str) -> None:
        """Free the addresses of a deleted pod; no error if it has none."""
        self._used.difference_update(self._allocated.pop(pod, ()))

    def _record(self, pod: str, addresses: tuple[Address, ...]) -> None:
        self._allocated[pod] = addresses
        self._used.update(addresses)

    def _lowest(self, cidr: Network | None, family: int, first: int) -> Address:
        if cidr is None:
            raise CniFailure(f"no IPv{family} pod CIDR on this node")
        last = cidr.num_addresses - (1 if family == 4 else 0)
        for offset in range(first, last):
            address = cidr.network_address + offset
            if address not in self._used:
                return address
        raise CniFailure(f"no IP addresses available in range set: {cidr[1]}-{cidr[-1]}")
