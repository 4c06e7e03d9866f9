"""The ControlPlane, Network and Worker controllers, and requests to them from the shoot controller."""

from __future__ import annotations

import pytest
from tests.unit.gardener.controllers.migration import EXAMPLE
from tests.unit.gardener.controllers.scripted_world import (
    NS,
    RECONCILE_REQUEST,
    START,
    ScriptedClock,
    ScriptedWorld,
    cluster,
    reconcile,
)

from dualstack.cni.calico import IP_POOL
from dualstack.gardener.controllers.extension import INFRASTRUCTURE_EXTENSION, NETWORK_EXTENSION, WORKER_EXTENSION
from dualstack.gardener.controllers.rollout import await_in_cluster
from dualstack.gardener.controllers.shoot.extensions import ExtensionRequests, nanoseconds
from dualstack.gardener.controllers.workers import machines_missing
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.gardener.render import extensions
from dualstack.kube.waiting import WaitTimeout, wait_until
from dualstack.model import kinds
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Manifest
from dualstack.model.parts import Part


@pytest.fixture
def world() -> ScriptedWorld:
    return ScriptedWorld(load_shoot(EXAMPLE.read_text()))


@pytest.mark.parametrize(
    ("constraint", "families"),
    [("Progressing", ["IPv4"]), ("True", ["IPv4", "IPv6"]), (None, ["IPv4", "IPv6"])],
)
async def test_the_cni_gets_the_families_that_the_migration_allows(
    world: ScriptedWorld, constraint: str | None, families: list[str]
) -> None:
    """docs/reference/gardener.md#cni-gating"""
    cluster(world, constraint)
    found = await reconcile(world, gardener_kinds.NETWORK)
    assert found["status"]["ipFamilies"] == families
    pools = {pool["metadata"]["name"] for pool in world.store.list(IP_POOL)}
    assert ("default-ipv6-ippool" in pools) == (len(families) == 2)


async def test_the_cni_reports_its_families_only_when_it_runs_everywhere(world: ScriptedWorld) -> None:
    cluster(world, "True")
    world.clock.react = None
    world.store.patch(gardener_kinds.NETWORK, "bar", RECONCILE_REQUEST, NS)
    with pytest.raises(WaitTimeout, match="is not updated yet"):
        await world.controller(gardener_kinds.NETWORK).reconcile("bar", NS)
    found = world.store.get(gardener_kinds.NETWORK, "bar", NS)
    assert found is not None
    assert found["status"]["ipFamilies"] == ["IPv4"]
    assert found["status"]["lastOperation"]["state"] == "Error"


async def test_the_class_is_changed_in_place_and_nothing_rolls(world: ScriptedWorld) -> None:
    """Same name, template and replicas, dual-stack NIC (docs/reference/gardener.md#machine-class-in-place)."""
    deployment = world.store.list(gardener_kinds.MACHINE_DEPLOYMENT, NS)[0]
    name = deployment["metadata"]["name"]
    annotated = {"spec": {"replicas": 2, "template": {"metadata": {"annotations": {"rollout-workers": "before"}}}}}
    world.store.patch(gardener_kinds.MACHINE_DEPLOYMENT, name, annotated, NS)
    world.roll_nodes = False
    world.store.delete(kinds.NODE, "w1-old-0")
    before = world.store.get(gardener_kinds.MACHINE_DEPLOYMENT, name, NS)
    classes = [entry["metadata"]["name"] for entry in world.store.list(gardener_kinds.MACHINE_CLASS, NS)]
    cluster(world, "Progressing")
    fewer = [{"op": "replace", "path": "/spec/shoot/spec/provider/workers/0/minimum", "value": 1}]
    world.store.patch(gardener_kinds.CLUSTER, NS, fewer, patch_type="json")
    families = {"networks": {"subnets": [{"name": f"{NS}-nodes", "purpose": "nodes"}], "ipfamilies": ["IPv4", "IPv6"]}}
    world.store.patch(gardener_kinds.WORKER, "bar", {"spec": {"infrastructureProviderStatus": families}}, NS)
    for node in world.store.list(kinds.NODE):
        renamed = node["metadata"]["name"].replace("old", "new")
        world.store.create(kinds.NODE, {"metadata": {"name": renamed, "labels": node["metadata"]["labels"]}})
        world.store.delete(kinds.NODE, node["metadata"]["name"])
    found = await reconcile(world, gardener_kinds.WORKER)
    after = world.store.get(gardener_kinds.MACHINE_DEPLOYMENT, name, NS)
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]
    assert [entry["metadata"]["name"] for entry in world.store.list(gardener_kinds.MACHINE_CLASS, NS)] == classes
    assert world.store.list(gardener_kinds.MACHINE_CLASS, NS)[0]["providerSpec"]["networkInterfaces"] == [
        {
            "useAliasIPs": True,
            "subnetwork": f"{NS}-nodes",
            "disableExternalIP": True,
            "stackType": "IPV4_IPV6",
            "ipv6accessType": "EXTERNAL",
            "ipCidrRange": "/24",
            "subnetworkRangeName": "ipv4-pod-cidr",
        }
    ]
    assert found["status"]["machineDeployments"] == [{"name": name, "minimum": 1, "maximum": 3}]


async def test_a_secret_without_a_project_is_one_clear_error(world: ScriptedWorld) -> None:
    world.store.patch(kinds.SECRET, "cloudprovider", {"data": {"serviceaccount.json": "e30="}}, NS)
    world.store.patch(gardener_kinds.CONTROL_PLANE, "bar", RECONCILE_REQUEST, NS)
    with pytest.raises(InvalidInput, match="project_id"):
        await world.controller(gardener_kinds.CONTROL_PLANE).reconcile("bar", NS)
    found = world.store.get(gardener_kinds.CONTROL_PLANE, "bar", NS)
    assert found is not None
    assert found["status"]["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]


DONE = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "observedGeneration": 2}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, None),
        ({"observedGeneration": 1}, "m: the change has not been observed"),
        ({"updatedReplicas": 1}, "m: 1 of 3 machines are updated"),
        ({"replicas": 4}, "m: 1 old machines are still there"),
        ({"availableReplicas": 2}, "m: 2 of 3 machines are available"),
    ],
)
def test_machine_deployments_say_what_they_lack(status: Manifest, words: str | None) -> None:
    metadata = {"name": "m", "generation": 2}
    assert machines_missing({"metadata": metadata, "spec": {"replicas": 3}, "status": {**DONE, **status}}) == words


def _infrastructure(world: ScriptedWorld) -> tuple[ExtensionRequests, Manifest]:
    shoot = (world.store.get(gardener_kinds.CLUSTER, NS) or {})["spec"]["shoot"]
    return ExtensionRequests(world.kube, world.clock), extensions.infrastructure(ShootView.of(shoot))


async def test_an_infrastructure_at_rest_gets_a_request_only_when_forced(world: ScriptedWorld) -> None:
    """docs/reference/gardener.md#infrastructure-request"""
    requests, wanted = _infrastructure(world)
    assert await requests.request_if_needed(INFRASTRUCTURE_EXTENSION, wanted, forced=False) is None
    assert world.kube.writes == []
    assert await requests.request_if_needed(INFRASTRUCTURE_EXTENSION, wanted, forced=True) == START


@pytest.mark.parametrize(("state", "asked"), [("Error", True), ("Processing", False), ("Succeeded", False)])
async def test_an_infrastructure_that_is_processed_gets_no_new_request(
    world: ScriptedWorld, state: str, asked: bool
) -> None:
    requests, wanted = _infrastructure(world)
    world.store.patch(
        gardener_kinds.INFRASTRUCTURE, "bar", {"status": {"lastOperation": {"state": state}}}, NS, subresource="status"
    )
    await requests.request_if_needed(INFRASTRUCTURE_EXTENSION, wanted, forced=False)
    assert bool(world.kube.writes) is asked


async def test_a_request_that_no_controller_accepts_is_given_up_after_ten_minutes(world: ScriptedWorld) -> None:
    world.clock.react = None
    requests = ExtensionRequests(world.kube, world.clock)
    found = world.store.get(gardener_kinds.WORKER, "bar", NS)
    assert found is not None
    requested = await requests.request(WORKER_EXTENSION, found)
    with pytest.raises(WaitTimeout, match="no controller has accepted operation reconcile, since 2027-01-15T08:00:00Z"):
        await requests.wait(WORKER_EXTENSION, found, requested)
    assert 600 <= world.clock.now() - START <= 620


async def test_long_work_is_waited_for(world: ScriptedWorld) -> None:
    """A rollout takes hours; the wait continues as long as the controller shows progress."""
    requests = ExtensionRequests(world.kube, world.clock)
    found = world.store.get(gardener_kinds.NETWORK, "bar", NS)
    assert found is not None
    requested = await requests.request(NETWORK_EXTENSION, found)
    begin = {"lastOperation": {"type": "Reconcile", "state": "Processing", "lastUpdateTime": "2027-01-15T08:00:00Z"}}

    async def slowly() -> None:
        if world.clock.now() - START > 3 * 3600:
            world.clock.react = world.react
        store = world.store
        store.patch(
            gardener_kinds.NETWORK, "bar", {"metadata": {"annotations": {"gardener.cloud/operation": None}}}, NS
        )
        begin["lastOperation"]["description"] = f"{(world.clock.now() - START) // 1800} of 9 nodes"
        store.patch(gardener_kinds.NETWORK, "bar", {"status": begin}, NS, subresource="status")

    world.clock.react = slowly
    answered = await requests.wait(NETWORK_EXTENSION, found, requested)
    assert answered["status"]["lastOperation"]["state"] == "Succeeded"
    assert world.clock.now() - START > 3 * 3600


def test_time_stamps_have_no_trailing_zeros() -> None:
    assert nanoseconds(START) == "2027-01-15T08:00:00Z"
    assert nanoseconds(START + 0.25) == "2027-01-15T08:00:00.25Z"


async def test_patience_begins_anew_with_progress() -> None:
    clock = ScriptedClock()
    left = iter(["3", "3", "2", "2", "1", "1", None])

    async def check() -> str | None:
        return next(left)

    await wait_until(check, clock, what="x", interval=10, timeout=15, extend=True)
    assert clock.now() - START == 60
    left = iter(["3"] * 9)
    with pytest.raises(WaitTimeout, match="x: 3, after waiting for 15 s"):
        await wait_until(check, clock, what="x", interval=10, timeout=15, extend=True)


async def test_what_is_not_there_is_named(world: ScriptedWorld) -> None:
    wanted: Manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": NS}}
    with pytest.raises(WaitTimeout, match="ConfigMap x: it does not exist yet"):
        await await_in_cluster(world.kube, world.clock, [Part(wanted)], timeout=30)
