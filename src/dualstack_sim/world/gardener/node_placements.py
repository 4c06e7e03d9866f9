"""The number, zones and names of the nodes of a world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dualstack.gardener.model.defaults import with_defaults
from dualstack.gardener.model.pools import Pool, ZonePart
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.machine_class import deployment_name, machine_deployment
from dualstack.model.cidr import block
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import checksum
from dualstack_sim.chance import Chance


@dataclass(frozen=True, slots=True)
class PoolZone:
    """One zone of one pool: a MachineDeployment with its MachineSet."""

    pool: Pool
    part: ZonePart
    deployment: str
    template_hash: str

    @property
    def machine_set(self) -> str:
        return f"{self.deployment}-{self.template_hash}"


@dataclass(frozen=True, slots=True)
class NodePlacement:
    """One planned node. Machine, VM and Node share its name."""

    name: str
    pool_zone: PoolZone
    pod_cidr: str

    @property
    def zone(self) -> str:
        return self.pool_zone.part.zone


def with_node_count(shoot: Manifest, nodes: int | None) -> Manifest:
    """The Shoot with defaults, whose pools are resized to `nodes` nodes in total unless it is None.

    Each pool gets at least one node, the rest in proportion to the pools' minimum (largest remainder).
    """
    complete = with_defaults(shoot)
    if nodes is None:
        return complete
    pools = dig(complete, "spec", "provider", "workers")
    counts = apportion(nodes, [pool.get("minimum", 0) for pool in pools])
    changed = [
        {**pool, "minimum": count, "maximum": max(count, pool.get("maximum", 0))}
        for pool, count in zip(pools, counts, strict=True)
    ]
    spec = complete["spec"]
    return {**complete, "spec": {**spec, "provider": {**spec["provider"], "workers": changed}}}


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Divide `total` in proportion to `weights`, at least one each, by largest remainder; ties go to the first."""
    if not any(weights):
        weights = [1] * len(weights)
    spare = max(0, total - len(weights))
    exact = [spare * weight / sum(weights) for weight in weights]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda index: (counts[index] - exact[index], index))
    for index in by_remainder[: spare - sum(counts)]:
        counts[index] += 1
    return [1 + count for count in counts]


def pool_zones(shoot: ShootView) -> list[PoolZone]:
    """All zones of all pools."""
    return [_pool_zone(shoot, pool, part) for pool in shoot.pools for part in pool.parts]


def node_placements(shoot: ShootView, chance: Chance) -> list[NodePlacement]:
    """All nodes. Pod CIDRs alternate between zones, because nodes of several zones join in any order."""
    remaining = [[pool_zone] * pool_zone.part.minimum for pool_zone in pool_zones(shoot)]
    result: list[NodePlacement] = []
    while any(remaining):
        for zone in remaining:
            if zone:
                pool_zone = zone.pop()
                cidr = block(shoot.pods, shoot.node_cidr_mask_size, len(result))
                result.append(NodePlacement(_name(pool_zone, len(zone), chance), pool_zone, cidr))
    return result


def _pool_zone(shoot: ShootView, pool: Pool, part: ZonePart) -> PoolZone:
    template = machine_deployment(shoot, pool, part, replicas=0)["spec"]["template"]
    return PoolZone(pool, part, deployment_name(shoot, pool, part), checksum(template)[:5])


def _name(pool_zone: PoolZone, index: int, chance: Chance) -> str:
    letters = "bcdfghjklmnpqrstvwxz2456789"
    return f"{pool_zone.machine_set}-{chance.word(5, 'machine', pool_zone.machine_set, index, alphabet=letters)}"
