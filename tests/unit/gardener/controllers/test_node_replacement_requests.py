"""Requests that name a pool or an extension object: when a new one is necessary."""

from __future__ import annotations

import pytest
from tests.unit.gardener.controllers.migration import EXAMPLE
from tests.unit.gardener.controllers.scripted_world import NS, ScriptedWorld

from dualstack.clock import parse_rfc3339
from dualstack.gardener.controllers.extension import INFRASTRUCTURE_EXTENSION
from dualstack.gardener.controllers.shoot.extensions import ExtensionRequests
from dualstack.gardener.controllers.shoot.node_replacement import pools_to_request
from dualstack.gardener.model.kinds import INFRASTRUCTURE
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.model.kinds import Manifest

BEFORE, REQUESTED, AFTER = "2027-01-15T08:00:00Z", "2027-01-15T09:00:00Z", "2027-01-15T10:00:00Z"
STAMP = "2027-01-15T07:00:00Z"


def _deployment(zone: int, requested: str | None) -> Manifest:
    annotations = {"rollout-workers": requested} if requested else {}
    template = {"metadata": {"annotations": annotations}}
    return {"metadata": {"name": f"{NS}-w1-z{zone}"}, "spec": {"template": template}}


@pytest.mark.parametrize(
    ("requested", "created", "due"),
    [
        ((REQUESTED, None), BEFORE, True),
        ((REQUESTED, AFTER), BEFORE, False),
        ((REQUESTED, AFTER), REQUESTED, True),
    ],
)
def test_the_earliest_request_of_a_pools_zones_decides(
    requested: tuple[str | None, ...], created: str, due: bool
) -> None:
    """A request that was cut off between two zones reached the machines of the first zone only."""
    shoot = load_shoot(EXAMPLE.read_text())
    pool = shoot["spec"]["provider"]["workers"][0]
    shoot["spec"]["provider"]["workers"] = [{**pool, "name": "w1", "zones": ["europe-west1-b", "europe-west1-c"]}]
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4", "IPv6"]
    metadata = {"name": "n", "creationTimestamp": created, "labels": {"worker.gardener.cloud/pool": "w1"}}
    node: Manifest = {"metadata": metadata, "spec": {"podCIDRs": ["100.96.0.0/24"]}}
    deployments = [_deployment(zone, stamp) for zone, stamp in enumerate(requested, 1)]
    assert pools_to_request(ShootView.of(shoot), [node], [], deployments) == (("w1",) if due else ())


async def _processing(world: ScriptedWorld) -> Manifest:
    """The Infrastructure, whose controller works on the request of STAMP."""
    world.store.patch(INFRASTRUCTURE, "bar", {"metadata": {"annotations": {"gardener.cloud/timestamp": STAMP}}}, NS)
    status = {"status": {"lastOperation": {"state": "Processing", "lastUpdateTime": STAMP}}}
    return world.store.patch(INFRASTRUCTURE, "bar", status, NS, subresource="status")


async def test_a_request_that_is_being_processed_is_awaited() -> None:
    world = ScriptedWorld(load_shoot(EXAMPLE.read_text()))
    found = await _processing(world)
    wanted = {**found, "metadata": {"name": "bar", "namespace": NS}}
    requests = ExtensionRequests(world.kube, world.clock)
    assert await requests.request_if_needed(INFRASTRUCTURE_EXTENSION, wanted, forced=False) == parse_rfc3339(STAMP)
    assert world.kube.writes == []


async def test_a_new_spec_is_requested_although_the_last_request_is_being_processed() -> None:
    """Its controller may have read the old spec already."""
    world = ScriptedWorld(load_shoot(EXAMPLE.read_text()))
    found = await _processing(world)
    wanted = {**found, "metadata": {"name": "bar", "namespace": NS}, "spec": {**found["spec"], "region": "elsewhere"}}
    requests = ExtensionRequests(world.kube, world.clock)
    assert await requests.request_if_needed(INFRASTRUCTURE_EXTENSION, wanted, forced=False) == world.clock.now()
    live = world.store.get(INFRASTRUCTURE, "bar", NS)
    assert live is not None
    assert live["spec"]["region"] == "elsewhere"
    assert live["metadata"]["annotations"]["gardener.cloud/operation"] == "reconcile"
