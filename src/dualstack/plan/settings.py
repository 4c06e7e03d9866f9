"""How long the cut-over waits and how much it dares at once."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Durations in seconds. The defaults are cutover.md 4 unless another source stands beside them."""

    batch_size: int = 10
    """Aliases added together at least (4.3)."""
    alias_shares: tuple[float, ...] = (0.1, 0.5, 1.0)
    """Share of the VMs that hold their alias after each batch that follows the canary, ascending to 1. Each batch that
    went well vouches for a larger one: its operations are awaited together, so that it takes hardly longer."""
    barrier_flag: float = 120.0
    """From the flag to the range: no host may see the range before the flag (4.1, E10)."""
    barrier_range: float = 120.0
    """From the range to the first alias: loss would show at once here, and the range can still be removed (4.2)."""
    barrier_canary: float = 60.0
    """From the canary's alias to the next: the slowest host must have taken it (E: delays up to 60 s, section 11)."""
    soak_aliases: float = 300.0
    """From the last alias to the first deleted route (4.3)."""
    barrier_route_canary: float = 300.0
    """From the canary's route to the next: the first proof that the aliases carry the traffic (4.4)."""
    barrier_routes: float = 120.0
    """Between the later stages of deleting routes (4.4)."""
    delete_shares: tuple[float, ...] = (0.1, 0.5, 1.0)
    """Share of the routes gone after each stage that follows the canary, ascending to 1 (4.4)."""
    drill: bool = False
    """Before the first route is deleted, try whether it could be created again; stop if not (4.4, K1)."""
    decoys: bool = False
    """Before any node is touched, have the cloud prove on a throwaway VM that aliases are matched (4.5)."""
    observe_every: float = 30.0
    """Longest time that a barrier waits without looking (E15: somebody may undo a step), in a small cluster."""
    observe_share: float = 0.3
    """Seconds for each VM, in a large one: looking takes a request for each 500 VMs and routes."""
    gate_patience: float = 300.0
    """How long a gate may keep failing before the cut-over stops: a node needs a minute to be Ready again."""
    complaint_patience: float = 60.0
    """The same where the Nodes say that the cloud does not do what the cut-over rests on: then somebody is cut off."""
    attempts: int = 8
    """How often a failing step is tried, and how often one is done for a target that keeps losing it."""
    backoff: tuple[float, float] = (2.0, 60.0)
    """First and longest wait before a step whose effect did not show is planned again."""

    def batch(self, nodes: int, done: int) -> int:
        """How many VMs are changed together next when `done` of `nodes` are."""
        end = next((end for share in self.alias_shares if (end := math.ceil(share * nodes)) > done), nodes)
        return max(self.batch_size, end - done)

    def look_every(self, nodes: int) -> float:
        """Seconds between two looks while a barrier of a cluster of `nodes` VMs waits."""
        return max(self.observe_every, self.observe_share * nodes)

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.attempts < 1 or self.observe_every <= 0:
            raise ValueError("batch_size and attempts must be at least 1, observe_every above 0")
        for shares in (self.alias_shares, self.delete_shares):
            if list(shares) != sorted(shares) or shares[-1:] != (1.0,):
                raise ValueError(f"shares must ascend to 1.0, not {shares}")
