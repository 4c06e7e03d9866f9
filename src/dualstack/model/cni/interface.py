"""What a running cluster's own objects say of its network plugin (CNI)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dualstack.model.kinds import Kind, Manifest

Read = Callable[[], Iterable[Manifest]]
"""Gives objects, or raises a DualstackError."""


@dataclass(frozen=True, slots=True)
class SystemObjects:
    """The objects that a CNI is judged by: DaemonSets and ConfigMaps of kube-system, and IP pools."""

    daemon_sets: Read
    config_maps: Read
    ip_pools: Read

    def data(self, config_map: str) -> Mapping[str, str] | None:
        """The data of a ConfigMap; None when it does not exist."""
        found = (each.get("data") or {} for each in self.config_maps() if each["metadata"]["name"] == config_map)
        return next(found, None)


def _nothing(_objects: SystemObjects, _pods: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Cni:
    """A CNI as it is found in a cluster: everything in which one differs from another."""

    name: str
    """As its project writes it."""
    daemon_set: str
    """The DaemonSet in kube-system that runs it on each node."""
    config_map: str
    """The ConfigMap in kube-system that configures it."""
    encapsulation: Callable[[SystemObjects, str], Iterator[tuple[str, str]]]
    """Object and evidence of each setting with which the VPC does not route packets between pods of this CIDR."""
    masquerade: Callable[[SystemObjects, str], str] = _nothing
    """What gives packets from pods of this CIDR to the internet the address of their node, as a clause, or empty."""
    becomes_dual_stack: bool = True
    """Whether it is known how it becomes dual-stack."""
    mtu_key: str = ""
    """The key of the pods' MTU in the ConfigMap; absent or 0 there for what fits the node."""
    ip_pools: tuple[Kind, ...] = ()
    policies: tuple[Kind, ...] = ()
    """The kinds of its own network policies."""
    configuration_keys: tuple[str, ...] | None = None
    """The keys of the ConfigMap that a snapshot keeps; None for all."""
    names: tuple[str, ...] = ()
    """Names of its other objects, which say nothing of the cluster that they are in."""
    programs: tuple[str, ...] = ()
    """Patterns of the beginnings of its images' names."""
    domain: str = ""
    """The domain of its labels, annotations and API groups."""
