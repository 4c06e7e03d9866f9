"""All CNIs that simulated nodes can run. To add one, write its module beside these and name it in `CNIS`."""

from __future__ import annotations

from dualstack_sim.actors.cni.calico import CALICO
from dualstack_sim.actors.cni.cilium import CILIUM
from dualstack_sim.actors.cni.model import Cni

CNIS: dict[str, Cni] = {cni.daemon_set: cni for cni in (CALICO, CILIUM)}
"""By the name of the agent's DaemonSet."""

SEED_CNI = CALICO
"""The CNI of the seed's own node."""
