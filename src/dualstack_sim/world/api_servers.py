"""The API servers of a world, by the cluster whose objects they have."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack_sim.kube.interface import ObjectStore


@dataclass(frozen=True, slots=True)
class ApiServers:
    """The objects of garden, seed and shoot: those of one API server, or of one each.

    The shoot is the cluster with the nodes; a world without Gardener has only that.
    """

    garden: ObjectStore
    seed: ObjectStore
    shoot: ObjectStore

    @classmethod
    def one(cls, objects: ObjectStore) -> ApiServers:
        """One API server for all."""
        return cls(garden=objects, seed=objects, shoot=objects)

    @property
    def separate(self) -> bool:
        """Whether the seed has an API server of its own, which then shows its own Nodes."""
        return self.seed is not self.shoot
