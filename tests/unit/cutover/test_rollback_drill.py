"""The temporary routes of the drill and of the decoys: created once, deleted only when they are ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.cutover.rollback_drill import RollbackDrill, drill_routes
from dualstack.gce.errors import AlreadyExists, Invalid, QuotaExceeded, Transient
from dualstack.model.errors import GateFailed
from dualstack.plan.facts import CutoverFacts
from tests.support.cluster_facts import at_rest, node
from tests.support.memory_platform import CLUSTER
from tests.unit.cutover.clouds import BASE, NETWORK, ZONE, Parts

NAME = "kubernetes-rollback-drill"
PATH = f"global/routes/{NAME}"
DRILL = {
    "name": NAME,
    "description": "dualstack-rollback-drill",
    "network": NETWORK,
    "destRange": "10.96.255.0/24",
    "nextHopInstance": f"{BASE}/{ZONE}/instances/worker-0",
}


def facts() -> CutoverFacts:
    nodes = tuple(replace(node(number), name=f"worker-{number}") for number in range(2))
    return replace(at_rest(2), pods_cidr=CLUSTER.pods, nodes=nodes)


async def drilled(parts: Parts, observed: CutoverFacts | None = None) -> None:
    await RollbackDrill(parts.compute.client, CLUSTER).run(observed or facts(), NETWORK)


async def test_a_route_to_an_unused_block_is_created_and_deleted() -> None:
    parts = Parts()
    await drilled(parts)
    assert parts.compute.changes == ["POST global/routes", f"DELETE {PATH}"]
    (body, _) = parts.compute.bodies
    hop = CLUSTER.instance("europe-west1-b", "worker-0")
    assert body == DRILL | {"nextHopInstance": hop, "priority": 1000}
    assert PATH not in parts.compute.resources


async def test_it_leads_to_a_vm_that_runs() -> None:
    parts = Parts()
    stopped, running = facts().nodes
    await drilled(parts, replace(facts(), nodes=(replace(stopped, running=False), running)))
    assert parts.compute.bodies[0]["nextHopInstance"].endswith("/worker-1")


@pytest.mark.parametrize("lacking", ["VM", "block"])
async def test_without_a_running_vm_or_an_unused_block_nothing_is_created(lacking: str) -> None:
    parts, observed = Parts(), facts()
    if lacking == "VM":
        observed = replace(observed, nodes=tuple(replace(each, running=False) for each in observed.nodes))
    else:
        observed = replace(observed, pods_cidr="10.96.0.0/23")
    with pytest.raises(GateFailed, match="needs a running VM and an unused block"):
        await drilled(parts, observed)
    assert parts.compute.changes == []


async def test_a_refusal_is_shown_in_the_words_of_the_cloud_and_a_passing_error_is_retried() -> None:
    parts = Parts()
    parts.compute.refusals["POST global/routes"] = [Invalid("invalid", "hides the address space")]
    with pytest.raises(GateFailed, match="refuses a static route inside the range"):
        await drilled(parts)
    parts.compute.refusals["POST global/routes"] = [Transient("backendError", "later")]
    with pytest.raises(Transient):
        await drilled(parts)
    parts.compute.refusals["POST global/routes"] = [QuotaExceeded("quotaExceeded", "full")]
    with pytest.raises(GateFailed, match="full"):
        await drilled(parts)


async def test_a_route_that_an_earlier_drill_left_is_used_and_deleted() -> None:
    parts = Parts()
    parts.compute.resources[PATH] = dict(DRILL)
    await drilled(parts)
    assert PATH not in parts.compute.resources


async def test_a_route_of_the_same_name_that_is_not_ours_is_neither_used_nor_deleted() -> None:
    parts = Parts()
    foreign = DRILL | {"description": "by hand"}
    parts.compute.resources[PATH] = dict(foreign)
    with pytest.raises(GateFailed, match=f"route {NAME} already exists and does not belong to this cluster"):
        await drilled(parts)
    await RollbackDrill(parts.compute.client, CLUSTER).clean(NETWORK)
    assert parts.compute.resources[PATH] == foreign


async def test_a_name_that_is_free_again_is_no_conflict() -> None:
    """Another process deletes the route between the two requests."""
    parts = Parts()
    parts.compute.refusals["POST global/routes"] = [AlreadyExists("alreadyExists", "there")]
    await drilled(parts)
    assert parts.compute.changes == ["POST global/routes"]


async def test_only_the_named_routes_are_removed() -> None:
    parts = Parts()
    routes = replace(drill_routes(CLUSTER, NETWORK), names=(NAME, f"{NAME}-2"))
    for name in routes.names:
        parts.compute.resources[f"global/routes/{name}"] = DRILL | {"name": name}
    await routes.remove(parts.compute.client, f"{NAME}-2")
    assert PATH in parts.compute.resources
    await routes.remove(parts.compute.client)
    assert PATH not in parts.compute.resources
    assert parts.compute.changes == [f"DELETE {PATH}-2", f"DELETE {PATH}"]
