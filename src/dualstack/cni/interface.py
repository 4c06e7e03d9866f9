"""What the product knows of a network plugin (CNI)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dualstack.model.cidr import family
from dualstack.model.errors import GateFailed
from dualstack.model.field_errors import Fault
from dualstack.model.json_path import dig
from dualstack.model.kinds import Kind, Manifest
from dualstack.model.parts import Part

FIELD = "spec.networking.providerConfig"
"""The path of a Shoot's configuration of its CNI."""

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


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """What the objects of a CNI are created and edited for."""

    families: tuple[str, ...]
    """Those that the CNI may use now, IPv4 first."""
    pods: tuple[str, ...]
    """Canonical CIDRs, IPv4 first."""
    nodes: tuple[str, ...]
    """The same of the nodes."""
    settings: Mapping[str, Any]
    """The configuration of the CNI: `spec.networking.providerConfig` of a Shoot."""

    @property
    def dual_stack(self) -> bool:
        """Whether the CNI may use both families now."""
        return "IPv6" in self.families

    @property
    def native_routing(self) -> bool:
        """Whether packets between nodes are not encapsulated."""
        return dig(self.settings, "overlay", "enabled") is False


def cidr_of(ranges: Iterable[str], wanted: str) -> str:
    """The last range of the family, as upstream picks it; raises GateFailed when none is assigned yet."""
    found = [cidr for cidr in ranges if family(cidr) == wanted]
    if not found:
        raise GateFailed(f"pods cidr required for setting {wanted.lower()} native routing cidr was not yet set")
    return found[-1]


def _nothing(_objects: SystemObjects, _pods: str) -> str:
    return ""


def _no_objects(_network: PodNetwork) -> list[Part]:
    return []


def _single_stack(_data: Mapping[str, str]) -> bool:
    return False


def _accept(_config: Mapping[str, Any], _families: Sequence[str], _proxy: bool) -> Iterable[Fault]:
    return ()


@dataclass(frozen=True, slots=True)
class Cni:
    """A CNI: everything in which one differs from another.

    The first fields say what a running cluster shows of it, those from `network_type` on how Gardener installs it.
    """

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
    network_type: str = ""
    """`spec.networking.type` of a Shoot and `spec.type` of its Network; empty if Gardener does not install it."""
    objects: Callable[[PodNetwork], list[Part]] = _no_objects
    """The objects of its ManagedResource. An agent that reads its configuration only at its start needs a change of its
    pods, such as annotation `dualstack.model.names.RANGES`."""
    is_dual_stack: Callable[[Mapping[str, str]], bool] = _single_stack
    """Whether the data of the ConfigMap configures both families; raises InvalidInput if they do not say."""
    validate: Callable[[Mapping[str, Any], Sequence[str], bool], Iterable[Fault]] = _accept
    """Faults of `spec.networking.providerConfig` for these families, with or without kube-proxy."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The fields of its configuration, as `dualstack.gardener.validation.known_fields`; empty for any."""
