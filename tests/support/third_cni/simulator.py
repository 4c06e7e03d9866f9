"""What simulated nodes know of Flat."""

from __future__ import annotations

from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.cni.model import Cni

POLICY = Kind("flat.example.org", "v1", "FlatPolicy", "flatpolicies")


def families(config_map: Manifest) -> tuple[int, ...]:
    """Those of which the ConfigMap has a range."""
    return tuple(family for family in (4, 6) if f"IPv{family}" in config_map["data"])


FLAT = Cni("flat", "flat-agent", "flat", families, first_offset=10, custom_resources=((POLICY, ()),))
