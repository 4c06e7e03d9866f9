"""The seam between a cut-over and whatever manages the cluster: Gardener, kubeadm, kOps.

A cut-over reads Compute itself. Everything that depends on how the cluster is managed goes through a `Platform`: which
machines belong to it, where saved routes and notes are kept, and how its route controller is stopped and restored.
`dualstack.gardener.platform` implements it for Gardener, `dualstack.live.platform` for any running cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dualstack.model.kinds import Manifest
from dualstack.model.names import parse_provider_id
from dualstack.plan.facts import ControllerFacts, SavedRoute


@dataclass(frozen=True, slots=True)
class Member:
    """A machine of the cluster. Machine, VM and Node share one name.

    zone: empty when it is not known. node: its Node object; None while it has none. provider_ids: what the objects of
    the machine name as its VM.
    """

    name: str
    zone: str
    node: Manifest | None = None
    provider_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, node: Manifest | None, *objects: Manifest) -> Member:
        """The machine that these objects describe, each with `spec.providerID` or without.

        Its zone is in a provider ID or unknown: labels are not a source, because any program may set them.
        """
        ids = tuple(text for each in objects if (text := (each.get("spec") or {}).get("providerID")))
        zones = (instance.zone for text in ids if (instance := parse_provider_id(text)))
        return cls(name, next(zones, ""), node, ids)


class Platform(Protocol):
    """How one cluster is managed. Every method raises only a `DualstackError`."""

    async def members(self) -> tuple[Member, ...]:
        """The machines of the cluster, with or without a Node, in any order."""
        ...

    async def saved_routes(self) -> tuple[SavedRoute, ...]:
        """The routes that `save` has recorded and `forget` has not removed."""
        ...

    async def save(self, routes: Iterable[SavedRoute]) -> None:
        """Add routes to the saved list and read it back; GateFailed when they are not in it then."""
        ...

    async def forget(self, done: Callable[[SavedRoute], bool]) -> None:
        """Remove the routes for which `done` is true from the saved list."""
        ...

    async def notes(self) -> Mapping[str, str]:
        """What `note` has recorded, by name. It outlives the process."""
        ...

    async def note(self, name: str, value: str | None) -> None:
        """Record a value under a name of lower-case words joined by hyphens; None removes it."""
        ...

    async def route_controller(self) -> ControllerFacts:
        """The state of the controller that creates a route for each node."""
        ...

    async def stop_route_controller(self) -> None:
        """Stop it, so that it stays stopped across reconciliations; return when its pods are gone.

        Raises GateFailed when its pods do not terminate.
        """
        ...

    async def restore_route_controller(self) -> None:
        """Let its manager restore it. Does nothing unless `stop_route_controller` has stopped it."""
        ...
