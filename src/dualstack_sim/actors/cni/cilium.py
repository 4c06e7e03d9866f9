"""cilium (docs/reference/gardener.md#cilium)."""

from __future__ import annotations

from dualstack.model.kinds import Manifest
from dualstack_sim.actors.cni.host_local import CniFailure
from dualstack_sim.actors.cni.model import Cni


def families(config_map: Manifest) -> tuple[int, ...]:
    """The families that `enable-ipv4` and `enable-ipv6` enable; CniFailure if there is none."""
    data = config_map.get("data") or {}
    enabled = tuple(family for family in (4, 6) if str(data.get(f"enable-ipv{family}", "")).lower() == "true")
    if not enabled:
        raise CniFailure(f"ConfigMap {config_map['metadata']['name']} enables no address family")
    return enabled


CILIUM = Cni("cilium", "cilium", "cilium-config", families, agent_needs_ranges=True)
