"""The extensions of a Gardener landscape besides `actors/provider_gcp`: upstream's ControlPlane, Network and Worker
controllers.

They render as upstream does and, as upstream, wait for as little (docs/reference/gardener.md#control-plane).
"""

from __future__ import annotations

from dualstack_sim.actors.extensions.control_plane import ControlPlanes
from dualstack_sim.actors.extensions.network import Networks
from dualstack_sim.actors.extensions.worker import Workers

__all__ = ["ControlPlanes", "Networks", "Workers"]
