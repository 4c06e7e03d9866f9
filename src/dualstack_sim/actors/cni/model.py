"""What the simulated kubelet must know of a CNI (docs/objects.md, "Shoot cluster")."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.cni.host_local import FIRST_OFFSET, Network


@dataclass(frozen=True, slots=True)
class Cni:
    """One CNI. Its agent, a pod of a DaemonSet in kube-system, configures each node from a ConfigMap."""

    name: str
    """As it appears in error messages of the kubelet (`plugin type="..."`)."""
    daemon_set: str
    config_map: str
    families: Callable[[Manifest], tuple[int, ...]]
    """Address families (4, 6) that the ConfigMap assigns to pods, one address each; CniFailure if it is not valid."""
    agent_needs_ranges: bool = False
    """Whether the agent becomes ready only with a pod range of each family. Otherwise only new pods fail."""
    first_offset: int = FIRST_OFFSET
    """Offset of the first pod address in a pod range."""
    custom_resources: tuple[tuple[Kind, tuple[tuple[str, str], ...]], ...] = ()
    """Types that it brings along, each with the columns (name, JSON path) that `kubectl get` prints."""


@dataclass(frozen=True, slots=True)
class CniConfiguration:
    """What an agent has written on its node. It stays until an agent starts there again."""

    cni: Cni
    families: tuple[int, ...]

    @classmethod
    def of(cls, cni: Cni, config_map: Manifest) -> CniConfiguration:
        """The configuration that an agent derives from its ConfigMap; CniFailure if that is not valid."""
        return cls(cni, cni.families(config_map))

    def missing_families(self, ranges: Iterable[Network]) -> tuple[int, ...]:
        """The configured families for which the node has no pod range."""
        present = {each.version for each in ranges}
        return tuple(family for family in self.families if family not in present)
