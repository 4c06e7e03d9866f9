"""What the migration does to workloads: which nodes are replaced, how long that takes, and what holds it up. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from dualstack.live.identify import Identity, maintenance_window
from dualstack.model.kinds import Manifest
from dualstack.model.parts import name_of

SECONDS_PER_NODE = 600.0
"""From the creation of a VM to a Node that is ready, about (docs/architecture.md#waits)."""

REPLACER: Mapping[str, str] = {
    "gardener": "Gardener replaces every node of a pool in the maintenance window, or when it is requested with "
    "annotation gardener.cloud/operation=rollout-workers=<pool>",
    "kops": "a node gets IPv6 addresses only when it is replaced: run `kops rolling-update cluster --yes --force` once "
    "the instance groups are dual-stack",
    "kubeadm": "a node gets an IPv6 pod CIDR only when its Node object is created again: drain, delete and rejoin the "
    "nodes one after another",
    "other": "a node gets an IPv6 pod CIDR only when its Node object is created again: replace the nodes one after "
    "another",
}


class PoolDisruption(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The replacement of one pool, `surge` nodes at a time. surge: 1 where the cluster does not show it."""

    name: str
    nodes: int
    zones: tuple[str, ...]
    surge: int
    seconds: float


class Disruption(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What disturbs workloads. by: what replaces the nodes. blocking_budgets: those that allow no eviction now.

    budgets_known: whether PodDisruptionBudgets could be read. window: the maintenance window; empty without one.
    """

    by: str
    pools: tuple[PoolDisruption, ...]
    budgets: int = 0
    blocking_budgets: tuple[str, ...] = ()
    budgets_known: bool = True
    window: str = ""

    @property
    def seconds(self) -> float:
        """Expected time, with all pools side by side."""
        return max((pool.seconds for pool in self.pools), default=0.0)


def disruption(identity: Identity, budgets: Iterable[Manifest] | None, shoot_info: Manifest | None) -> Disruption:
    """What the replacement of the nodes does. budgets: None when they could not be read."""
    pools = [
        PoolDisruption(
            name=pool.name,
            nodes=pool.nodes,
            zones=pool.zones,
            surge=pool.surge,
            seconds=math.ceil(pool.nodes / max(1, pool.surge)) * SECONDS_PER_NODE,
        )
        for pool in identity.cluster.pools
    ]
    found = list(budgets or ())
    return Disruption(
        by=REPLACER[identity.platform],
        pools=tuple(pools),
        budgets=len(found),
        blocking_budgets=tuple(sorted(name_of(each).partition(" ")[2] for each in found if allows_nothing(each))),
        budgets_known=budgets is not None,
        window=maintenance_window(shoot_info),
    )


def allows_nothing(budget: Manifest) -> bool:
    """Whether the budget selects pods and allows no eviction now."""
    status = budget.get("status") or {}
    return bool(status.get("expectedPods")) and not status.get("disruptionsAllowed")
