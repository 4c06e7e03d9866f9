"""The command-line flags of a controller manager (docs/reference/gardener.md#cloud-controller-manager-flags)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from dualstack.model.kinds import Manifest
from dualstack.model.workloads import flags_of

STACK_TYPES = {(): "IPv4", (4,): "IPv4", (4, 6): "IPv4_IPv6", (6, 4): "IPv6_IPv4", (6,): "IPv6"}

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


@dataclass(frozen=True, slots=True)
class ControllerFlags:
    """The flags of one run of the cloud-controller-manager or the kube-controller-manager."""

    cluster_name: str
    allocator: str
    """`RangeAllocator` or `CloudAllocator`."""
    allocate_node_cidrs: bool
    configure_cloud_routes: bool
    cluster_cidrs: tuple[IPv4Network | IPv6Network, ...]
    service_ranges: tuple[IPv4Network | IPv6Network, ...]
    node_mask: int
    controllers: tuple[str, ...] = ("*",)

    @classmethod
    def of(cls, pod: Manifest) -> ControllerFlags:
        """Read the command of the component's container. ValueError for flags that make upstream exit."""
        flags = flags_of(pod)
        found = cls(
            cluster_name=flags.get("cluster-name", "kubernetes"),
            allocator=flags.get("cidr-allocator-type", "RangeAllocator"),
            allocate_node_cidrs=_boolean(flags, "allocate-node-cidrs", default=False),
            configure_cloud_routes=_boolean(flags, "configure-cloud-routes", default=True),
            cluster_cidrs=_networks(flags.get("cluster-cidr", "")),
            service_ranges=_networks(flags.get("service-cluster-ip-range", "")),
            node_mask=int(flags.get("node-cidr-mask-size-ipv4") or flags.get("node-cidr-mask-size") or "24"),
            controllers=tuple(flags.get("controllers", "*").split(",")),
        )
        if found.runs_node_ipam:
            found.check()
        return found

    def check(self) -> None:
        """ValueError that names the flag if the allocator cannot work with its flags."""
        if self.allocator not in ("RangeAllocator", "CloudAllocator"):
            raise ValueError(f"--cidr-allocator-type: unrecognized CIDR allocator type: {self.allocator}")
        if self.allocator == "CloudAllocator":
            if tuple(network.version for network in self.service_ranges) not in STACK_TYPES:
                raise ValueError("--service-cluster-ip-range: at most one range of each family is possible")
            return
        ranges = [network for network in self.cluster_cidrs if isinstance(network, IPv4Network)]
        if not ranges:
            raise ValueError("--cluster-cidr: an IPv4 range is needed")
        if not ranges[0].prefixlen <= self.node_mask <= 32:
            raise ValueError(f"--node-cidr-mask-size: /{self.node_mask} does not fit into {ranges[0]}")

    @property
    def stack_type(self) -> str:
        """The stack type, which follows from the service ranges (docs/reference/gardener.md#stack-type)."""
        return STACK_TYPES[tuple(network.version for network in self.service_ranges)]

    @property
    def runs_node_ipam(self) -> bool:
        """Whether the controller that allocates pod CIDRs is started."""
        return self.allocate_node_cidrs and self._enabled("node-ipam-controller", "nodeipam")

    @property
    def runs_routes(self) -> bool:
        """Whether the route controller is started (docs/reference/gardener.md#route-controller)."""
        return (
            self.allocate_node_cidrs and self.configure_cloud_routes and self._enabled("node-route-controller", "route")
        )

    def _enabled(self, *names: str) -> bool:
        """Whether `--controllers` enables a controller that is on by default, by its name or its alias."""
        if any(f"-{name}" in self.controllers for name in names):
            return False
        return "*" in self.controllers or any(name in self.controllers for name in names)


def _boolean(flags: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A flag without a value is true. ValueError for a value that is not a boolean of Go."""
    if name not in flags:
        return default
    value = flags[name] or "true"
    if value not in _TRUE + _FALSE:
        raise ValueError(f'invalid argument "{value}" for "--{name}" flag: invalid syntax')
    return value in _TRUE


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
