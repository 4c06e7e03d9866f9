"""The golden scenario: order of constraints, phases and component values, and any crash.

docs/reference/gardener.md#golden-scenario
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.manifests import cluster_dns_of
from tests.unit.gardener.controllers.migration import GOLDEN, NODES, Migration
from tests.unit.gardener.controllers.scripted_world import NS

from dualstack.gardener.controllers.shoot.extensions import ExtensionFailed
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.model import kinds
from dualstack.model.events import PHASES, StepFinished
from dualstack_sim.kube.storage import Change
from dualstack_sim.kube.types import ResourceType


@pytest.fixture
def migration() -> Migration:
    return Migration()


async def test_an_ipv4_shoot_at_rest_is_left_alone(migration: Migration) -> None:
    assert await migration.turn() is None
    assert migration.world.kube.writes == []
    assert migration.events == []


async def test_the_constraints_come_in_golden_order(migration: Migration) -> None:
    migration.trigger()
    await migration.until_rest()
    assert migration.constraints == GOLDEN


async def test_the_phases_follow_each_other_and_all_end(migration: Migration) -> None:
    migration.trigger()
    await migration.until_rest()
    ours = [name for name in PHASES if name not in ("cut-over", "ipv6")]
    assert migration.phases() == [(word, name) for name in ours for word in ("started", "finished")]
    started, finished = migration.steps(), [event.step for event in migration.events if isinstance(event, StepFinished)]
    assert sorted(started) == sorted(finished)


async def test_the_components_end_dual_stack(migration: Migration) -> None:
    migration.trigger()
    await migration.until_rest()
    both_services = "100.64.0.0/13,2600:1900:4010:5678::/108"
    both_pods = "100.96.0.0/11,2600:1900:4010:1234::/64"
    assert migration.flags("kube-apiserver")["service-cluster-ip-range"] == both_services
    manager = migration.flags("kube-controller-manager")
    assert (manager["cluster-cidr"], manager["service-cluster-ip-range"]) == (both_pods, both_services)
    assert (manager["node-cidr-mask-size-ipv4"], manager["node-cidr-mask-size-ipv6"]) == ("24", "64")
    cloud = migration.flags("cloud-controller-manager")
    assert (cloud["cidr-allocator-type"], cloud["configure-cloud-routes"]) == ("CloudAllocator", "false")
    service = migration.get(kinds.SERVICE, "kube-dns", "kube-system")
    assert service["spec"]["clusterIPs"] == ["100.64.0.10", "2600:1900:4010:5678::a"]
    assert service["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    config = migration.get(gardener_kinds.OPERATING_SYSTEM_CONFIG, "gardener-node-agent-w1")
    assert cluster_dns_of(config) == ("100.64.0.10", "2600:1900:4010:5678::a")
    assert migration.get(gardener_kinds.NETWORK, "bar")["status"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert all(len(node["spec"]["podCIDRs"]) == 2 for node in migration.world.store.list(kinds.NODE))


async def test_the_shoot_ends_as_gardener_leaves_it(migration: Migration) -> None:
    migration.trigger()
    await migration.until_rest()
    shoot = migration.shoot()
    assert shoot["status"]["constraints"] == []
    assert shoot["status"]["lastOperation"]["state"] == "Succeeded"
    assert shoot["status"]["lastOperation"]["description"] == "Shoot cluster has been successfully reconciled."
    assert shoot["status"]["observedGeneration"] == shoot["metadata"]["generation"]
    assert "manualWorkerPoolRollout" not in shoot["status"]
    assert "shoot.gardener.cloud/tasks" not in shoot["metadata"].get("annotations", {})
    assert shoot["status"]["networking"]["nodes"] == ["10.250.0.0/16", "2600:1900:4010:1234::/64"]


async def test_everything_stays_ipv4_while_nodes_are_replaced(migration: Migration) -> None:
    """The IPv4 range keeps its own mask (docs/reference/weaknesses.md#w25)."""
    migration.world.roll_nodes = False
    migration.rollout = "manual"
    migration.restart()
    migration.trigger()
    for _ in range(5):
        await migration.turn()
    assert [entry[:3] for entry in migration.constraints] == [(NODES, "Progressing", "NodesNotMigrated")]
    assert migration.flags("kube-apiserver")["service-cluster-ip-range"] == "100.64.0.0/13"
    assert migration.flags("kube-controller-manager")["node-cidr-mask-size"] == "24"
    assert migration.get(gardener_kinds.NETWORK, "bar")["status"]["ipFamilies"] == ["IPv4"]
    assert migration.get(gardener_kinds.NETWORK, "bar")["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert migration.flags("cloud-controller-manager")["cidr-allocator-type"] == "CloudAllocator"
    machine_class = migration.world.store.list(gardener_kinds.MACHINE_CLASS, NS)[0]
    assert machine_class["providerSpec"]["networkInterfaces"][0]["stackType"] == "IPV4_IPV6"


async def test_the_roll_out_is_requested_once(migration: Migration) -> None:
    migration.trigger()
    await migration.until_rest()
    assert migration.operations == ["rollout-workers=*"]


async def test_a_manual_roll_out_waits_for_a_person(migration: Migration) -> None:
    migration.rollout = "manual"
    migration.restart()
    migration.trigger()
    for _ in range(10):
        assert await migration.turn() is not None
    assert migration.operations == []
    deployment = migration.world.store.list(gardener_kinds.MACHINE_DEPLOYMENT, NS)[0]
    for _ in range(3):
        migration.world.replace_node(deployment)
    await migration.until_rest()
    assert migration.constraints == GOLDEN


async def test_the_constraint_is_there_before_the_cluster_shows_the_families(migration: Migration) -> None:
    """Before the nodes are migrated, two families imply the constraint (docs/reference/weaknesses.md#w1)."""
    seen: list[tuple[int, str | None]] = []

    def see(resource: ResourceType, change: Change) -> None:
        if resource.plural == "clusters":
            shoot: Any = change.object.manifest["spec"]["shoot"]
            constraints = {entry["type"]: entry["status"] for entry in shoot["status"].get("constraints") or ()}
            seen.append((len(shoot["spec"]["networking"]["ipFamilies"]), constraints.get(NODES)))

    migration.world.store.listen(see)
    migration.trigger()
    await migration.until_rest()
    statuses = [status for families, status in seen if families == 2]
    assert statuses[0] == "Progressing"
    changes = [status for index, status in enumerate(statuses) if index == 0 or statuses[index - 1] != status]
    assert changes == ["Progressing", "True", None]


async def test_a_reconcile_of_a_finished_shoot_changes_no_component(migration: Migration) -> None:
    migration.trigger()
    await migration.until_rest()
    before = {kind: migration.world.store.list(kind) for kind in (kinds.DEPLOYMENT, kinds.SERVICE, kinds.SECRET)}
    migration.world.store.patch(
        gardener_kinds.SHOOT,
        "bar",
        {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}},
        "garden-foo",
    )
    migration.events.clear()
    await migration.until_rest()
    after = {kind: migration.world.store.list(kind) for kind in before}
    assert after == before
    assert migration.constraints == GOLDEN
    assert migration.phases() == []
    migration.world.kube.writes.clear()
    assert await migration.turn() is None
    assert migration.world.kube.writes == []


async def test_a_failing_infrastructure_is_waited_for_and_then_reported(migration: Migration) -> None:
    """Ten minutes in error, then Error with the extension's own text (docs/reference/gardener.md#wait-times)."""
    migration.world.infrastructure_fails = 1000
    migration.trigger()
    with pytest.raises(ExtensionFailed, match="the gate is shut"):
        await migration.turn()
    shoot = migration.shoot()
    assert shoot["status"]["lastOperation"]["state"] == "Error"
    assert shoot["status"]["lastOperation"]["description"].endswith("Operation will be retried.")
    assert "Error reconciling infrastructure: the gate is shut." in shoot["status"]["lastErrors"][0]["description"]
    migration.world.infrastructure_fails = 0
    await migration.until_rest()
    assert migration.constraints == GOLDEN
    assert "lastErrors" not in migration.shoot()["status"]


def _sleeps_of_a_migration() -> int:
    """An upper bound that the crash test checks itself."""
    return 30


@pytest.mark.parametrize("kill_at", range(1, _sleeps_of_a_migration()))
async def test_killed_at_any_wait_it_finishes(kill_at: int) -> None:
    """Given a process that dies at some wait, when a new one starts, then it finishes in golden order, rolling once."""
    migration = Migration()
    migration.world.clock.kill_at = kill_at
    migration.trigger()
    await migration.through_a_kill()
    assert migration.constraints == GOLDEN
    assert migration.operations == ["rollout-workers=*"]
    assert ("finished", "dns") in migration.phases()


async def test_the_crash_test_covers_the_whole_migration(migration: Migration) -> None:
    migration.trigger()
    await migration.until_rest()
    assert 15 < migration.world.clock.sleeps < _sleeps_of_a_migration()
