"""What the product needs to know of a network plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.validation.field_errors import Fault
from dualstack.model.cidr import family
from dualstack.model.errors import GateFailed
from dualstack.model.kinds import Kind
from dualstack.model.parts import Part

FIELD = "spec.networking.providerConfig"


def _accept(_config: Mapping[str, Any], _families: Sequence[str], _proxy: bool) -> Iterable[Fault]:
    return ()


@dataclass(frozen=True, slots=True)
class Cni:
    """A network plugin: everything in which one differs from another."""

    name: str
    """`spec.networking.type` of the Shoot and `spec.type` of the Network."""
    daemon_set: str
    """The DaemonSet in kube-system that runs the plugin."""
    config_map: str
    """The ConfigMap in kube-system that configures it."""
    objects: Callable[[ShootView, Networks], list[Part]]
    """The objects of its ManagedResource, for the families of `dualstack.gardener.model.networks.network_families`."""
    is_dual_stack: Callable[[Mapping[str, str]], bool]
    """Whether the data of the ConfigMap configures both families; raises InvalidInput if they do not say."""
    validate: Callable[[Mapping[str, Any], Sequence[str], bool], Iterable[Fault]] = _accept
    """Faults of `spec.networking.providerConfig` for these families, with or without kube-proxy."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The fields of its configuration, as `dualstack.gardener.validation.known_fields`; empty for any."""
    custom_kinds: tuple[Kind, ...] = ()
    """The kinds among `objects` that are not built into Kubernetes."""


def cidr_of(ranges: Iterable[str], wanted: str) -> str:
    """The last range of the family, as upstream picks it; raises GateFailed when none is assigned yet."""
    found = [cidr for cidr in ranges if family(cidr) == wanted]
    if not found:
        raise GateFailed(f"pods cidr required for setting {wanted.lower()} native routing cidr was not yet set")
    return found[-1]
