"""What is looked at when a migration says that it is done. Each check reads the APIs afresh and says what it found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.cli.rehearsal import back_checks, cluster_checks, compute_checks
from dualstack.cli.rehearsal.direction import FORWARD
from dualstack.cli.rehearsal.endpoints import Endpoints, RequestRefused
from dualstack.cli.rehearsal.record import Record, migration_constraints
from dualstack.cli.rehearsal.result import Check
from dualstack.cli.rehearsal.settling import settle
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import NODE

Verdict = tuple[bool, str]

LOSSY = ("compressed", "gardener")
"""The strategies whose loss is accepted, because it was chosen by name or told with the reason before it began."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a check may look at."""

    endpoints: Endpoints
    shoot: ShootView
    record: Record
    traffic: Mapping[str, Any]
    strategy: str


async def verify(scene: Scene, *, complete: bool) -> list[Check]:
    """Run every check of the scene's direction; when it did not come to its end (`complete` is False), only that of
    the traffic."""
    checks = [_ipv4_traffic(scene)]
    if not complete:
        return checks
    await settle(scene.endpoints, scene.shoot)
    looks = _LOOKS if scene.record.direction is FORWARD else _LOOKS_BACK
    for name, look in looks.items():
        try:
            passed, evidence = await look(scene)
        except (RequestRefused, LookupError, TypeError, ValueError) as error:
            passed, evidence = False, f"could not be read: {type(error).__name__}: {error}"
        checks.append(Check(name, "passed" if passed else "failed", evidence))
    return checks


def _ipv4_traffic(scene: Scene) -> Check:
    traffic = scene.traffic
    broken = traffic["brokenPairs"]
    later = traffic.get("laterPairs", 0)
    if not broken:
        return Check(
            "traffic.ipv4",
            "passed",
            f"blackout 0.0 s for {traffic['pairs']} pairs, and for {later} more that formed during the roll-out",
        )
    evidence = f"{len(broken)} pairs lost sight of each other, for {traffic['blackoutSeconds']['max']:.1f} s at most"
    return Check("traffic.ipv4", "accepted" if scene.strategy in LOSSY else "failed", evidence)


async def _ipv6_traffic(scene: Scene) -> Verdict:
    """Every node's pods are reached over IPv6 from every other node, through every host's own view and the firewall."""
    report = (await scene.endpoints.control("/traffic"))["ipv6"]
    pairs = report["pairs"] + report["laterPairs"]
    evidence = f"{report['current']} of the pairs with IPv6 are dark now; {pairs} were formed"
    alone = len(await scene.endpoints.list_all(NODE)) == 1
    return (pairs > 0 or alone) and not report["current"], evidence


async def _constraints(scene: Scene) -> Verdict:
    shoot = await scene.endpoints.get(SHOOT, scene.shoot.name, scene.shoot.namespace)
    left = migration_constraints(shoot)
    return not left, f"still there: {sorted(left)}" if left else "no migration constraint is left"


async def _constraint_order(scene: Scene) -> Verdict:
    seen = [(change.type, change.status, change.reason, change.message) for change in scene.record.constraints]
    if tuple(seen) == scene.record.direction.constraints:
        return True, f"{len(seen)} changes in Gardener's order and words"
    return False, f"seen: {[entry[:3] for entry in seen]}"


async def _further_reconcile(scene: Scene) -> Verdict:
    """Ask for a reconcile of everything, infrastructure included, and count what it changes in Compute."""
    endpoints, shoot = scene.endpoints, scene.shoot
    before = await endpoints.control("/compute/statistics")
    old = await endpoints.get(SHOOT, shoot.name, shoot.namespace)
    await endpoints.merge(
        SHOOT,
        shoot.name,
        {
            "metadata": {
                "annotations": {
                    "gardener.cloud/operation": "reconcile",
                    "shoot.gardener.cloud/tasks": "deployInfrastructure",
                }
            }
        },
        shoot.namespace,
    )
    for _ in range(1200):
        await asyncio.sleep(0.05)
        new = await endpoints.get(SHOOT, shoot.name, shoot.namespace)
        annotations = new["metadata"].get("annotations", {})
        operation = new["status"]["lastOperation"]
        if (
            not annotations.keys() & {"gardener.cloud/operation", "shoot.gardener.cloud/tasks"}
            and operation["state"] == "Succeeded"
            and operation["lastUpdateTime"] != old["status"]["lastOperation"]["lastUpdateTime"]
        ):
            break
    else:
        return False, f"the reconcile that was asked for did not succeed: {new['status']['lastOperation']}"
    after = await endpoints.control("/compute/statistics")
    mutations = after["mutations"] - before["mutations"]
    return mutations == 0, f"{after['calls'] - before['calls']} calls, {mutations} of them mutating"


async def _nodes(scene: Scene) -> Verdict:
    return cluster_checks.nodes_have_two_pod_cidrs(await scene.endpoints.list_all(NODE))


_LOOKS: dict[str, Callable[[Scene], Awaitable[Verdict]]] = {
    "traffic.ipv6": _ipv6_traffic,
    "constraints.order": _constraint_order,
    "constraints.none-left": _constraints,
    "compute.routes": lambda scene: compute_checks.no_node_route(scene.endpoints, scene.shoot),
    "compute.subnet": lambda scene: compute_checks.nodes_subnet_state(scene.endpoints, scene.shoot),
    "compute.interfaces": lambda scene: compute_checks.interfaces(scene.endpoints, scene.shoot),
    "compute.firewall": lambda scene: compute_checks.firewall_rules(scene.endpoints, scene.shoot),
    "nodes.pod-cidrs": _nodes,
    "nodes.ready": lambda scene: cluster_checks.nodes_ready(scene.endpoints, scene.shoot),
    "control-plane.cloud-controller-manager": lambda scene: cluster_checks.cloud_controller_manager(
        scene.endpoints, scene.shoot
    ),
    "control-plane.flags": lambda scene: cluster_checks.control_plane_flags(scene.endpoints, scene.shoot),
    "control-plane.ignore-annotation": lambda scene: cluster_checks.nothing_ignored(scene.endpoints, scene.shoot),
    "network.families": lambda scene: cluster_checks.network_families(scene.endpoints, scene.shoot),
    "dns.service": lambda scene: cluster_checks.dns_service(scene.endpoints),
    "pods.addresses": lambda scene: cluster_checks.pod_addresses(scene.endpoints),
    "reconcile.nothing-to-do": _further_reconcile,
}

_LOOKS_BACK: dict[str, Callable[[Scene], Awaitable[Verdict]]] = {
    "constraints.order": _constraint_order,
    "constraints.none-left": _constraints,
    "compute.routes": lambda scene: compute_checks.no_node_route(scene.endpoints, scene.shoot),
    "compute.subnet": lambda scene: back_checks.subnet_keeps_the_range(scene.endpoints, scene.shoot),
    "compute.interfaces": lambda scene: back_checks.interfaces_ipv4(scene.endpoints, scene.shoot),
    "nodes.pod-cidrs": lambda scene: back_checks.nodes_have_one_pod_cidr(scene.endpoints, scene.shoot),
    "nodes.ready": lambda scene: cluster_checks.nodes_ready(scene.endpoints, scene.shoot),
    "control-plane.flags": lambda scene: back_checks.components_ipv4(scene.endpoints, scene.shoot),
    "control-plane.ignore-annotation": lambda scene: cluster_checks.nothing_ignored(scene.endpoints, scene.shoot),
    "network.families": lambda scene: back_checks.network_is_ipv4(scene.endpoints, scene.shoot),
    "dns.service": lambda scene: back_checks.dns_is_single_stack(scene.endpoints, scene.shoot),
    "pods.addresses": lambda scene: back_checks.pods_have_ipv4_alone(scene.endpoints, scene.shoot),
    "reconcile.nothing-to-do": _further_reconcile,
    # Last, for the lists of addresses grow again with the next reconcile where that is not prevented (W34).
    "reconcile.still-ipv4": lambda scene: back_checks.components_ipv4(scene.endpoints, scene.shoot),
}
