"""The registry of CNIs that are recognised in a running cluster. To add one, write its module beside these and name it
in `CNIS`. One that Gardener installs has its renderer in `dualstack.gardener.render.cni` besides."""

from __future__ import annotations

from dualstack.model.cni.calico import CALICO
from dualstack.model.cni.cilium import CILIUM
from dualstack.model.cni.flannel import FLANNEL
from dualstack.model.cni.interface import Cni

CNIS: list[Cni] = [CALICO, CILIUM, FLANNEL]


def config_maps() -> list[str]:
    """The ConfigMaps of kube-system that configure a CNI."""
    return [cni.config_map for cni in CNIS]


def known() -> list[Cni]:
    """Those of which it is known how they become dual-stack."""
    return [cni for cni in CNIS if cni.becomes_dual_stack]


def known_names() -> str:
    """Their names, for a message."""
    return " or ".join(cni.name for cni in known())
