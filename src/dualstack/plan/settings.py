"""How long the cut-over waits, and how many VMs it changes at once.

Why each wait has its length: docs/reference/cut-over.md#barriers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Settings:
    """Durations are in seconds."""

    batch_size: int = 10
    """Minimum number of aliases that are added together (docs/reference/cut-over.md#batches)."""
    alias_shares: tuple[float, ...] = (0.1, 0.5, 1.0)
    """Share of the VMs that hold their alias after each batch that follows the canary, ascending to 1."""
    barrier_flag: float = 120.0
    """From the flag to the range (docs/reference/cut-over.md#barrier-flag)."""
    barrier_range_canary: float = 90.0
    """From the range canary to its removal (docs/reference/cut-over.md#barrier-range-canary)."""
    barrier_range: float = 120.0
    """From the range to the first alias (docs/reference/cut-over.md#barrier-range)."""
    barrier_canary: float = 60.0
    """From the canary's alias to the next (docs/reference/cut-over.md#barrier-alias-canary)."""
    soak_aliases: float = 300.0
    """From the last alias to the first deleted route (docs/reference/cut-over.md#soak)."""
    barrier_route_canary: float = 300.0
    """From the canary's deleted route to the next (docs/reference/cut-over.md#barrier-route-canary)."""
    barrier_routes: float = 120.0
    """Between the later batches of deleted routes (docs/reference/cut-over.md#barrier-routes)."""
    delete_shares: tuple[float, ...] = (0.1, 0.5, 1.0)
    """Share of the routes that are deleted after each batch that follows the canary, ascending to 1."""
    drill: bool = False
    """Before the first route is deleted, try whether it could be created again; stop if not
    (docs/reference/cut-over.md#drill)."""
    decoys: bool | None = None
    """Before any node is changed, run the decoy check (docs/reference/cut-over.md#decoys). None: where it is needed and
    possible, which `dualstack.preflight.decoys` decides; a plan does not contain it then."""
    canary: str = ""
    """The VM that goes first in every stage; any if it is empty or not there."""
    repeat_alias: bool = False
    """Once the first VM has its alias, try whether the cloud accepts it twice in one list; stop if not
    (docs/reference/cut-over.md#t16)."""
    observe_every: float = 30.0
    """Longest time between two observations during a barrier, in a small cluster (docs/reference/cut-over.md#e15)."""
    observe_share: float = 0.3
    """The same for each VM, in a large cluster: an observation takes a request for every 500 VMs and routes."""
    node_every: float = 5.0
    """Seconds between two looks at the Nodes during a wait, in a small cluster: a node that joins has no route, and
    becomes Ready within a minute."""
    node_share: float = 0.02
    """The same for each VM, in a large cluster."""
    gate_timeout: float = 300.0
    """How long a gate may fail before the cut-over stops: a node needs a minute to become Ready again."""
    watch_every: float = 1.0
    """Seconds between two looks at the Nodes while one of them is on trial (docs/reference/cut-over.md#trial)."""
    recovery_timeout: float = 60.0
    """How long Nodes may take to report that their network works again after a rollback."""
    attempts: int = 8
    """How often a failing step is tried, and how often a step is repeated for a target that keeps losing its effect."""
    backoff: tuple[float, float] = (2.0, 60.0)
    """First and longest wait before a step whose effect is not visible is planned again."""

    urgent_timeout: float = 30.0
    """How long a step that serves unreachable nodes may take and fail, until they are served by another way."""
    urgent_backoff: float = 5.0
    """Longest wait before a failed step is planned again while nodes are unreachable, or before all ways to serve them
    are tried again."""

    def of_prepared(self) -> Settings:
        """For a cluster whose aliases every host has known for long: without the soak, and with fewer batches of
        deleted routes, so that the migration fits into the ten minutes for which gardenlet waits
        (docs/reference/gardener.md#wait-times)."""
        return replace(self, soak_aliases=0.0, delete_shares=(0.25, 1.0))

    def batch(self, nodes: int, done: int) -> int:
        """Number of VMs that are changed together next when `done` of `nodes` are."""
        end = next((end for share in self.alias_shares if (end := math.ceil(share * nodes)) > done), nodes)
        return max(self.batch_size, end - done)

    def observation_interval(self, nodes: int) -> float:
        """Seconds between two observations during a barrier in a cluster of `nodes` VMs."""
        return max(self.observe_every, self.observe_share * nodes)

    def node_interval(self, nodes: int) -> float:
        """Seconds between two looks at the Nodes of a cluster of `nodes` VMs."""
        return max(self.node_every, self.node_share * nodes)

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.attempts < 1 or self.observe_every <= 0:
            raise ValueError("batch_size and attempts must be at least 1, observe_every above 0")
        for shares in (self.alias_shares, self.delete_shares):
            if list(shares) != sorted(shares) or shares[-1:] != (1.0,):
                raise ValueError(f"shares must ascend to 1.0, not {shares}")
