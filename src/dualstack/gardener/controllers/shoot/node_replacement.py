"""Requests to replace nodes: the user's, with Gardener's annotation, and the controller's own.

The controller requests a replacement once the machine classes are dual-stack. Nodes and MachineDeployments show which
machines are still to be replaced: a single-stack Node that is younger than the last request of its pool is not covered
by that request (docs/reference/gardener.md#rollout-too-early).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dualstack.clock import parse_rfc3339
from dualstack.gardener.model.kinds import MACHINE_DEPLOYMENT
from dualstack.gardener.model.names import OPERATION, POOL_LABEL, ROLLOUT_WORKERS
from dualstack.gardener.model.pools import ROLLING
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.preflight.nodes import REMEDY, without_machine
from dualstack.gardener.render.machine_class import belongs_to
from dualstack.kube.interface import Kube
from dualstack.model.cidr import families
from dualstack.model.enumeration import listed
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

PREFIX = f"{ROLLOUT_WORKERS}="
ALL_POOLS = "*"
_MOST_NAMES = 5
"""Nodes of one pool that a message names; the others are counted."""


def requested_pools(shoot: ShootView, operation: str) -> tuple[str, ...]:
    """The pools in `rollout-workers=<pool>[,<pool>...]` or `rollout-workers=*`.

    Raises InvalidInput for an unknown or in-place pool, for no pool, and for a hibernated shoot.
    """
    field = f"metadata.annotations[{OPERATION}]"
    value = operation.removeprefix(PREFIX)
    known = {pool.name: pool for pool in shoot.pools}
    if shoot.hibernated:
        raise InvalidInput(f"{field}: Forbidden: cannot roll out workers while the shoot is hibernated")
    if value == ALL_POOLS:
        return tuple(name for name, pool in known.items() if not _in_place(pool.manifest))
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names:
        raise InvalidInput(f"{field}: Required value: must provide at least one pool name via {PREFIX}<pool>")
    if len(set(names)) != len(names):
        raise InvalidInput(f'{field}: Duplicate value: "{value}"')
    faults = [
        f'{field}: Invalid value: "{name}": worker pool does not exist' for name in names if name not in known
    ] + [
        f'{field}: Invalid value: "{name}": worker pool uses an in-place update strategy'
        for name in names
        if name in known and _in_place(known[name].manifest)
    ]
    if faults:
        raise InvalidInput(*faults)
    return names


def pending(shoot: Manifest) -> dict[str, str]:
    """`status.manualWorkerPoolRollout.pendingWorkersRollouts`: the time of the request by pool."""
    entries = dig(shoot, "status", "manualWorkerPoolRollout", "pendingWorkersRollouts") or []
    return {entry["name"]: entry["lastInitiationTime"] for entry in entries}


def with_pending(current: dict[str, str], pools: Iterable[str], stamp: str) -> dict[str, object]:
    """The value of `status.manualWorkerPoolRollout` with these pools requested at `stamp`."""
    merged = {**current, **dict.fromkeys(pools, stamp)}
    return {"pendingWorkersRollouts": [{"name": name, "lastInitiationTime": at} for name, at in merged.items()]}


async def annotate_templates(kube: Kube, shoot: ShootView, requests: dict[str, str]) -> None:
    """Annotate the template of every MachineDeployment of the pools, which creates new machine sets.

    Idempotent: the value is the time of the request, and a later time is never overwritten.
    """
    deployments = await kube.list(MACHINE_DEPLOYMENT, shoot.technical_id)
    for pool in shoot.pools:
        stamp = requests.get(pool.name)
        if stamp is None:
            continue
        for live in deployments:
            if not belongs_to(live, shoot, pool) or _requested_at(live) >= parse_rfc3339(stamp):
                continue
            name, template = live["metadata"]["name"], {"metadata": {"annotations": {ROLLOUT_WORKERS: stamp}}}
            await kube.patch(MACHINE_DEPLOYMENT, name, {"spec": {"template": template}}, shoot.technical_id)


def pools_to_request(
    shoot: ShootView, nodes: Sequence[Manifest], machines: Sequence[Manifest], deployments: Sequence[Manifest]
) -> tuple[str, ...]:
    """The pools with nodes that no request so far replaces: single-stack, and younger than the last request.

    The age of the machine counts, because a Node registers some time after its machine was created.
    """
    created = {machine["metadata"]["name"]: machine["metadata"]["creationTimestamp"] for machine in machines}
    requested: dict[str, float] = {}
    for pool in shoot.pools:
        times = [_requested_at(entry) for entry in deployments if belongs_to(entry, shoot, pool)]
        if times and not _in_place(pool.manifest):
            requested[pool.name] = min(times)
    due = {
        name
        for node in nodes
        if (name := dig(node, "metadata", "labels", POOL_LABEL)) in requested
        and _is_left_behind(node, shoot)
        and parse_rfc3339(created.get(node["metadata"]["name"], node["metadata"]["creationTimestamp"]))
        >= requested[name]
    }
    return tuple(pool.name for pool in shoot.pools if pool.name in due)


def never_replaced(shoot: ShootView, nodes: Sequence[Manifest], machines: Sequence[Manifest]) -> list[str]:
    """One clause for each node that must be replaced and that no roll-out replaces, with what to do.

    A node that a Machine has made gets its pod CIDRs soon after it has joined; another, such as a virtual node, may
    never.
    """
    pools, orphans = {pool.name: pool for pool in shoot.pools}, without_machine(nodes, machines)
    found = []
    for node in nodes:
        name, pool = node["metadata"]["name"], dig(node, "metadata", "labels", POOL_LABEL)
        if not (_is_left_behind(node, shoot) or (name in orphans and not dig(node, "spec", "podCIDRs"))):
            continue
        if name in orphans:
            found.append(f"Node {name} {orphans[name]}; {REMEDY}")
        elif pool in pools and _in_place(pools[pool].manifest):
            strategy = pools[pool].manifest["updateStrategy"]
            found.append(
                f"Node {name} is never replaced, because its worker pool {pool} has updateStrategy {strategy}; move "
                "its workload to a pool with "
                f"{ROLLING}, then remove the pool"
            )
    return found


def nodes_to_replace(shoot: ShootView, nodes: Sequence[Manifest], pools: Sequence[str]) -> str:
    """The nodes of these pools that are still to be replaced, by pool."""
    parts = []
    for pool in pools:
        names = sorted(
            node["metadata"]["name"]
            for node in nodes
            if dig(node, "metadata", "labels", POOL_LABEL) == pool and _is_left_behind(node, shoot)
        )
        parts.append(f"pool {pool}: {listed(names, _MOST_NAMES)}")
    return "; ".join(parts)


def operation_for(shoot: ShootView, pools: Sequence[str]) -> str:
    """The value of `gardener.cloud/operation` that requests the replacement of these pools' nodes."""
    return PREFIX + (ALL_POOLS if len(pools) == len(shoot.pools) else ",".join(pools))


def _is_left_behind(node: Manifest, shoot: ShootView) -> bool:
    """Whether the node's pod CIDRs are not of the wanted families; a node without any is still being set up."""
    cidrs = dig(node, "spec", "podCIDRs") or ()
    return bool(cidrs) and families(cidrs) != shoot.families


def _requested_at(deployment: Manifest) -> float:
    """The time of the last request in seconds since the epoch; 0 without a readable one."""
    stamp = dig(deployment, "spec", "template", "metadata", "annotations", ROLLOUT_WORKERS)
    try:
        return parse_rfc3339(stamp) if stamp else 0.0
    except ValueError:
        return 0.0


def _in_place(pool: Manifest) -> bool:
    return (pool.get("updateStrategy") or ROLLING) != ROLLING
