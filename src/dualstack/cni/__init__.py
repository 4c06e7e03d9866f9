"""The registry of network plugins (CNIs). To add one, write its module beside these and name it in `CNIS`; the nodes of
the simulated cloud run it with a module in `dualstack_sim.actors.cni`."""

from __future__ import annotations

from dualstack.cni.calico import CALICO
from dualstack.cni.cilium import CILIUM
from dualstack.cni.flannel import FLANNEL
from dualstack.cni.interface import Cni
from dualstack.model.kinds import Kind

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


def network_types() -> dict[str, Cni]:
    """Those that Gardener installs, by their name in `spec.networking.type`."""
    return {cni.network_type: cni for cni in CNIS if cni.network_type}


def custom_kinds() -> list[Kind]:
    """The kinds among the objects of those that Gardener installs which are not built into Kubernetes."""
    return [kind for cni in network_types().values() for kind in cni.ip_pools]
