"""What the CNI of a node does to pods: which families they get, and which addresses (docs/objects.md "Shoot cluster").

The configuration on a node is a snapshot: its CNI pod writes what the ConfigMap says when that pod starts, and what it
wrote stays until a CNI pod starts there again. A pod keeps the addresses it was given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from dualstack.model.kinds import Manifest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CONFIG_MAPS = {"calico-node": "calico-config", "cilium": "cilium-config"}
"""The ConfigMap that each CNI's DaemonSet, by its name, reads in kube-system."""

_PLACEHOLDER = re.compile(r"(?<![\w\"])__[A-Z0-9_]+__(?![\w\"])")
"""A value that calico's installer fills in, unquoted because it is a number: `"mtu": __CNI_MTU__`."""

_POD_CIDR_FAMILY = {"usePodCidr": 4, "usePodCidrIPv6": 6}


class CniFailure(Exception):
    """The CNI cannot do what is asked of it."""


@dataclass(frozen=True, slots=True)
class CniConfiguration:
    """`families` (4, 6) in which a pod gets one address each. `plugin` is `calico` or `cilium`."""

    plugin: str
    families: tuple[int, ...]

    @property
    def agent_needs_ranges(self) -> bool:
        """Cilium's agent itself waits for a pod range of every family; calico fails when a pod comes."""
        return self.plugin == "cilium"


def configuration(config_map: Manifest) -> CniConfiguration:
    """What a CNI pod makes of its ConfigMap; CniFailure when that makes no sense."""
    data = config_map.get("data") or {}
    if "cni_network_config" in data:
        return CniConfiguration("calico", _calico_families(data["cni_network_config"]))
    families = tuple(family for family in (4, 6) if str(data.get(f"enable-ipv{family}", "")).lower() == "true")
    if not families:
        raise CniFailure(f"ConfigMap {config_map['metadata']['name']} enables no address family")
    return CniConfiguration("cilium", families)


def _calico_families(text: str) -> tuple[int, ...]:
    try:
        configuration = json.loads(_PLACEHOLDER.sub("0", text))
    except ValueError as error:
        raise CniFailure(f"cni_network_config is not JSON: {error}") from error
    ipam = _ipam(configuration)
    if ipam is None:
        raise CniFailure("cni_network_config has no plugin with ipam")
    named = list(dict.fromkeys(_range_families(ipam)))
    flags = {family: str(ipam[f"assign_ipv{family}"]).lower() for family in (4, 6) if f"assign_ipv{family}" in ipam}
    families = named or [family for family, flag in flags.items() if flag == "true"]
    families = [family for family in families if flags.get(family) != "false"]
    if not families:
        raise CniFailure("cni_network_config assigns no address family")
    return tuple(families)


def _ipam(configuration: Any) -> dict[str, Any] | None:
    if not isinstance(configuration, dict):
        return None
    for plugin in configuration.get("plugins", [configuration]):
        if isinstance(plugin, dict) and isinstance(plugin.get("ipam"), dict):
            ipam: dict[str, Any] = plugin["ipam"]
            return ipam
    return None


def _range_families(ipam: dict[str, Any]) -> Iterator[int]:
    """The family of each subnet that host-local is told to take from (`usePodCidr` or a CIDR)."""
    sets = ipam.get("ranges") or []
    subnets = [ipam.get("subnet"), *(each.get("subnet") for one_set in sets for each in one_set)]
    for subnet in subnets:
        if subnet in _POD_CIDR_FAMILY:
            yield _POD_CIDR_FAMILY[subnet]
        elif subnet:
            yield ip_network(subnet).version


def cidrs_of(node: Manifest) -> list[Network]:
    """The pod ranges of a Node, in their order."""
    spec = node.get("spec") or {}
    texts = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return [ip_network(text) for text in texts]


def missing_families(configuration: CniConfiguration, cidrs: Iterable[Network]) -> tuple[int, ...]:
    """The families that the configuration asks for and the node has no range of."""
    present = {cidr.version for cidr in cidrs}
    return tuple(family for family in configuration.families if family not in present)


def primary_first(addresses: Iterable[Address], primary: int) -> list[str]:
    """In the order of `status.podIPs`: the cluster's primary family first, whatever the CNI answered first."""
    return [str(address) for address in sorted(addresses, key=lambda address: address.version != primary)]


@dataclass(slots=True)
class HostLocal:
    """The addresses that one node has given to pods (host-local IPAM): the lowest free one of each range.

    The network address and the first one (the gateway) are never given; nor is the last one of an IPv4 range.
    """

    _given: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    _used: set[Address] = field(default_factory=set)

    def allocate(self, pod: str, cidrs: Iterable[Network], families: Iterable[int]) -> tuple[Address, ...]:
        """One address of each family for the pod with uid `pod`; the same again if it has some. CniFailure if none."""
        if pod in self._given:
            return self._given[pod]
        ranges: dict[int, Network] = {cidr.version: cidr for cidr in reversed(list(cidrs))}
        chosen = tuple(self._lowest(ranges.get(family), family) for family in families)
        self._take(pod, chosen)
        return chosen

    def restore(self, pod: str, addresses: Iterable[str]) -> None:
        """Take note of what a pod has had since before."""
        if pod not in self._given:
            self._take(pod, tuple(ip_address(address) for address in addresses))

    def release(self, pod: str) -> None:
        """The pod is gone; no error if it had nothing."""
        self._used.difference_update(self._given.pop(pod, ()))

    def _take(self, pod: str, addresses: tuple[Address, ...]) -> None:
        self._given[pod] = addresses
        self._used.update(addresses)

    def _lowest(self, cidr: Network | None, family: int) -> Address:
        if cidr is None:
            raise CniFailure(f"no IPv{family} pod CIDR on this node")
        last = cidr.num_addresses - (1 if family == 4 else 0)
        for offset in range(2, last):
            address = cidr.network_address + offset
            if address not in self._used:
                return address
        raise CniFailure(f"no IP addresses available in range set: {cidr[1]}-{cidr[-1]}")
