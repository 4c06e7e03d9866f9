"""What a reconcile and a deletion have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from dualstack.clock import Clock
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.compute_api import ComputeApi
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.provider_gcp.bodies import Bodies
from dualstack_sim.actors.provider_gcp.requests import Requests
from dualstack_sim.actors.provider_gcp.whiteboard import Whiteboard


@dataclass
class Flow:
    """One run over one Infrastructure."""

    compute: ComputeApi
    kube: KubeApi
    clock: Clock
    infrastructure: Manifest
    shoot: ShootView
    requests: Requests = field(init=False)
    bodies: Bodies = field(init=False)
    board: Whiteboard = field(init=False)

    def __post_init__(self) -> None:
        self.requests = Requests(self.compute, self.clock)
        self.bodies = Bodies(self.shoot)
        self.board = Whiteboard(self.kube, self.infrastructure)

    def regional(self, collection: str, name: str = "") -> str:
        """The path of a collection, or of a resource in it, in the region of the Shoot."""
        return f"regions/{self.shoot.region}/{collection}" + (f"/{name}" if name else "")
