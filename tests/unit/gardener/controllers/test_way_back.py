"""Back to IPv4 from a finished migration and from within one (docs/reference/gardener.md#return-to-ipv4)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clusters import one_api_server
from tests.support.manifests import cluster_dns_of
from tests.unit.gardener.controllers.migration import DNS, GOLDEN, NODES, Migration
from tests.unit.gardener.controllers.scripted_world import NS, Killed

from dualstack.clock import rfc3339
from dualstack.gardener.controllers.shoot import ShootController
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.model import kinds
from dualstack.model.events import PHASES_BACK, Notice
from dualstack.model.kinds import Manifest
from dualstack_sim.kube.storage import Change
from dualstack_sim.kube.types import ResourceType

pytestmark = pytest.mark.slow

MIGRATING_BACK = (NODES, "True", "NodesMigrating", "Node pod CIDRs are currently migrated to target network stack.")
GOLDEN_BACK = [MIGRATING_BACK, (NODES, None, None, None)]
S4, P4, D4 = "100.64.0.0/13", "100.96.0.0/11", "100.64.0.10"


@pytest.fixture
async def finished() -> Migration:
    """A dual-stack cluster at rest; what was seen on the way is forgotten."""
    return await _finished()


async def _finished() -> Migration:
    migration = Migration()
    migration.trigger()
    await migration.until_rest()
    assert migration.constraints == GOLDEN
    for seen in (migration.constraints, migration.operations, migration.events):
        seen.clear()
    return migration


def assert_ipv4(migration: Migration) -> None:
    """Section 9: every component on IPv4 alone, and the cloud's side as it was."""
    assert migration.flags("kube-apiserver")["service-cluster-ip-range"] == S4
    manager = migration.flags("kube-controller-manager")
    assert (manager["cluster-cidr"], manager["service-cluster-ip-range"]) == (P4, S4)
    assert manager["node-cidr-mask-size"] == "24"
    assert not manager.keys() & {"node-cidr-mask-size-ipv4", "node-cidr-mask-size-ipv6"}
    cloud = migration.flags("cloud-controller-manager")
    assert (cloud["cluster-cidr"], cloud["service-cluster-ip-range"]) == (P4, S4)
    assert (cloud["cidr-allocator-type"], cloud["configure-cloud-routes"]) == ("CloudAllocator", "false")
    assert cloud["node-cidr-mask-size-ipv4"] == "24"
    assert migration.get(kinds.DEPLOYMENT, "ingress-gce")["spec"]["replicas"] == 0
    proxy = migration.get(kinds.CONFIG_MAP, "kube-proxy-config", "kube-system")["data"]["config.yaml"]
    assert f"clusterCIDR: {P4}\n" in proxy
    assert migration.get(gardener_kinds.NETWORK, "bar")["status"]["ipFamilies"] == ["IPv4"]
    service = migration.get(kinds.SERVICE, "kube-dns", "kube-system")["spec"]
    assert (service["ipFamilyPolicy"], service["clusterIPs"]) == ("SingleStack", [D4])
    assert cluster_dns_of(migration.get(gardener_kinds.OPERATING_SYSTEM_CONFIG, "gardener-node-agent-w1")) == (D4,)
    nodes = migration.world.store.list(kinds.NODE)
    assert [len(node["spec"]["podCIDRs"]) for node in nodes] == [1, 1, 1]
    interface = migration.world.store.list(gardener_kinds.MACHINE_CLASS, NS)[0]["providerSpec"]["networkInterfaces"][0]
    assert (interface["stackType"], interface["useAliasIPs"]) == ("IPV4_ONLY", True)
    assert interface["subnetworkRangeName"] == "ipv4-pod-cidr"


async def test_w34_a_finished_migration_returns_to_ipv4(finished: Migration) -> None:
    finished.trigger_back()
    await finished.until_rest()
    assert_ipv4(finished)
    assert finished.constraints == GOLDEN_BACK
    assert finished.phases() == [(word, name) for name in PHASES_BACK for word in ("started", "finished")]


async def test_w34_ipv6_does_not_return_once_the_constraint_is_removed(finished: Migration) -> None:
    """Upstream's lists grow again with the next reconcile, for the status still has both families (section 9)."""
    finished.trigger_back()
    await finished.until_rest()
    assert len(finished.shoot()["status"]["networking"]["services"]) == 2
    watched = (
        kinds.DEPLOYMENT,
        kinds.SERVICE,
        kinds.SECRET,
        gardener_kinds.NETWORK,
        gardener_kinds.OPERATING_SYSTEM_CONFIG,
    )
    before = {kind: _specs(finished, kind) for kind in watched}
    ask = {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}}
    finished.world.store.patch(gardener_kinds.SHOOT, "bar", ask, "garden-foo")
    await finished.until_rest()
    assert {kind: _specs(finished, kind) for kind in watched} == before
    assert finished.constraints == GOLDEN_BACK
    assert_ipv4(finished)


def _specs(migration: Migration, kind: kinds.Kind) -> list[Any]:
    return [found.get("spec", found.get("data")) for found in migration.world.store.list(kind)]


async def test_the_components_return_in_the_order_in_which_no_unserved_address_is_requested(
    finished: Migration,
) -> None:
    """Kubelets, kube-dns, kube-proxy, CNI, cloud-controller-manager, kube-controller-manager, kube-apiserver."""
    order: list[str] = []

    def see(resource: ResourceType, change: Change) -> None:
        manifest: Any = change.object.manifest
        name = manifest["metadata"]["name"]
        if resource.plural == "operatingsystemconfigs" and cluster_dns_of(manifest) == (D4,):
            order.append("kubelets")
        elif resource.plural == "services" and name == "kube-dns" and manifest["spec"]["clusterIPs"] == [D4]:
            order.append("kube-dns")
        elif resource.plural == "configmaps" and name == "kube-proxy-config":
            order.append("kube-proxy")
        elif resource.plural == "networks" and manifest["status"]["ipFamilies"] == ["IPv4"]:
            order.append("CNI")
        elif resource.plural == "deployments" and name != "coredns" and "::" not in str(manifest):
            order.append(name)

    finished.world.store.listen(see)
    finished.trigger_back()
    await finished.until_rest()
    assert [name for name in dict.fromkeys(order) if name != "ingress-gce"] == [
        "kubelets",
        "kube-dns",
        "kube-proxy",
        "CNI",
        "cloud-controller-manager",
        "kube-controller-manager",
        "kube-apiserver",
    ]


async def test_what_cannot_be_undone_is_named_before_the_first_change(finished: Migration) -> None:
    for name, spec, marks in (
        ("web6", {"clusterIPs": ["100.64.1.1", "2600:1900:4010:5678::99"]}, {}),
        ("outside", {"clusterIPs": ["100.64.1.2"], "type": "LoadBalancer"}, {"cloud.google.com/l4-rbs": "enabled"}),
        ("plain", {"clusterIPs": ["100.64.1.3"]}, {}),
    ):
        finished.world.store.create(kinds.SERVICE, _service(name, spec, marks))
    finished.world.kube.writes.clear()
    finished.trigger_back()
    await finished.until_rest()
    kinds_written = [kind for _, kind, _ in finished.world.kube.writes]
    assert kinds_written[: kinds_written.index("Event") + 1] == ["Shoot", "Event"]
    (event,) = finished.world.store.list(kinds.EVENT, "garden-foo")
    assert (event["reason"], event["type"], event["involvedObject"]["kind"]) == ("ReturningToIPv4", "Warning", "Shoot")
    assert "Services that lose their IPv6 cluster address: default/web6;" in event["message"]
    assert event["message"].endswith("load balancers that no controller maintains any more: default/outside")
    assert f"subnets {NS}-nodes and {NS}-services stay dual-stack" in event["message"]
    notices = [seen for seen in finished.events if isinstance(seen, Notice)]
    assert [(seen.reason, seen.detail) for seen in notices] == [("ReturningToIPv4", event["message"])]


def _service(name: str, spec: Manifest, annotations: dict[str, str]) -> Manifest:
    metadata = {"name": name, "namespace": "default", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}], **spec}}


async def test_a_finished_return_is_not_announced_again(finished: Migration) -> None:
    """The status shows both families for good, so any later edit finds the same Shoot."""
    finished.trigger_back()
    await finished.until_rest()
    finished.events.clear()
    edit = {"spec": {"purpose": "testing"}}
    finished.world.store.patch(gardener_kinds.SHOOT, "bar", edit, "garden-foo")
    await finished.until_rest()
    assert [event for event in finished.events if isinstance(event, Notice)] == []
    assert finished.phases() == []
    assert finished.constraints == GOLDEN_BACK


async def test_the_owner_replaces_the_nodes_if_that_is_requested(finished: Migration) -> None:
    finished.rollout = "manual"
    finished.restart()
    finished.trigger_back()
    for _ in range(5):
        assert await finished.turn() is not None
    assert finished.operations == []
    assert finished.constraints == [MIGRATING_BACK]
    ask = {"metadata": {"annotations": {"gardener.cloud/operation": "rollout-workers=*"}}}
    finished.world.store.patch(gardener_kinds.SHOOT, "bar", ask, "garden-foo")
    await finished.until_rest()
    assert finished.constraints == GOLDEN_BACK
    assert_ipv4(finished)


async def test_and_forward_again(finished: Migration) -> None:
    finished.trigger_back()
    await finished.until_rest()
    finished.constraints.clear()
    finished.trigger()
    await finished.until_rest()
    assert finished.constraints == GOLDEN
    assert [len(node["spec"]["podCIDRs"]) for node in finished.world.store.list(kinds.NODE)] == [2, 2, 2]


async def test_forward_again_during_the_way_back_lets_no_dual_stack_cni_onto_single_stack_nodes(
    finished: Migration,
) -> None:
    """Upstream finds the constraint True, as the way back has it, and makes everything dual-stack at once."""
    finished.rollout = "manual"
    finished.restart()
    finished.trigger_back()
    for _ in range(4):
        await finished.turn()
    _replace_one_node(finished)
    counts = [len(node["spec"]["podCIDRs"]) for node in finished.world.store.list(kinds.NODE)]
    assert sorted(counts) == [1, 2, 2]

    finished.trigger()
    seen = _families_of_cni_and_nodes(finished)
    finished.rollout, finished.world.roll_nodes = "auto", True
    finished.restart()
    await finished.until_rest()
    assert finished.constraints == [MIGRATING_BACK, *GOLDEN]
    assert (1, 2) not in seen


def _replace_one_node(migration: Migration) -> None:
    """As far as a roll-out gets in which nothing goes on after the first node."""
    world = migration.world
    world.roll_nodes = False
    stamp = {"rollout-workers": rfc3339(world.clock.now())}
    change = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    name = world.store.list(gardener_kinds.MACHINE_DEPLOYMENT, NS)[0]["metadata"]["name"]
    world.replace_node(world.store.patch(gardener_kinds.MACHINE_DEPLOYMENT, name, change, NS))


def _families_of_cni_and_nodes(migration: Migration) -> set[tuple[int, int]]:
    """Fills while the test goes on: fewest pod CIDRs of a node, and families of the CNI."""
    seen: set[tuple[int, int]] = set()

    def see(resource: ResourceType, change: Change) -> None:
        if resource.plural in ("networks", "nodes"):
            nodes = [len(node["spec"]["podCIDRs"]) for node in migration.world.store.list(kinds.NODE)]
            families = migration.get(gardener_kinds.NETWORK, "bar")["status"]["ipFamilies"]
            seen.add((min(nodes), len(families)))

    migration.world.store.listen(see)
    return seen


async def test_during_the_roll_out_the_constraint_stays_until_every_node_is_single_stack_again() -> None:
    """Infrastructure dual-stack, nodes mixed (rules E, K, J): Gardener's words of the way forward stay."""
    migration = Migration(rollout="manual")
    migration.trigger()
    for _ in range(5):
        await migration.turn()
    _replace_one_node(migration)
    counts = [len(node["spec"]["podCIDRs"]) for node in migration.world.store.list(kinds.NODE)]
    assert sorted(counts) == [1, 1, 2]
    migration.rollout, migration.world.roll_nodes = "auto", True
    migration.trigger_back()
    migration.restart()
    await migration.until_rest()
    assert [entry[:3] for entry in migration.constraints] == [
        (NODES, "Progressing", "NodesNotMigrated"),
        (NODES, None, None),
    ]
    assert_ipv4(migration)


@pytest.mark.parametrize("status", ["Progressing", "True"])
async def test_during_the_migration_of_dns(status: str) -> None:
    """The constraint of DNS goes when kube-dns has one address; CoreDNS need not be restarted to lose one."""
    migration = Migration()
    migration.trigger()
    while (DNS, status) not in [entry[:2] for entry in migration.constraints]:
        before = migration.constraints[:]
        await migration.controller.reconcile("bar", "garden-foo")
        if (DNS, None) in [entry[:2] for entry in migration.constraints]:
            migration.constraints[:] = before
            break
    migration.trigger_back()
    await migration.until_rest()
    assert_ipv4(migration)
    assert migration.shoot()["status"]["constraints"] == []
    assert MIGRATING_BACK in migration.constraints


@pytest.mark.parametrize("kill_at", range(1, 20))
async def test_killed_at_any_wait_of_the_way_back_it_finishes(kill_at: int) -> None:
    migration = await _finished()
    migration.world.clock.sleeps = 0
    migration.world.clock.kill_at = kill_at
    migration.trigger_back()
    await migration.through_a_kill()
    assert len([seen for seen in migration.events if isinstance(seen, Notice)]) == 1
    assert len(migration.world.store.list(kinds.EVENT, "garden-foo")) == 1
    assert migration.constraints == GOLDEN_BACK
    assert migration.operations == ["rollout-workers=*"]
    assert_ipv4(migration)


async def test_the_kills_cover_the_whole_way_back(finished: Migration) -> None:
    finished.world.clock.sleeps = 0
    finished.trigger_back()
    await finished.until_rest()
    assert 5 < finished.world.clock.sleeps < 20


class Deadly(list[tuple[str, str, str]]):
    """The writes of a process that ends before its `at`-th one."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def append(self, write: tuple[str, str, str]) -> None:
        super().append(write)
        if len(self) == self._at:
            raise Killed


@pytest.mark.timeout(300)
async def test_killed_before_any_write_of_the_way_back_it_finishes() -> None:
    migration = await _finished()
    migration.world.kube.writes.clear()
    migration.trigger_back()
    await migration.until_rest()
    for at in range(1, len(migration.world.kube.writes) + 1):
        migration = await _finished()
        migration.world.kube.writes = Deadly(at)
        migration.trigger_back()
        await migration.through_a_kill()
        assert len(migration.world.kube.writes) >= at
        assert migration.constraints == GOLDEN_BACK, at
        assert migration.operations == ["rollout-workers=*"], at
        assert_ipv4(migration)


async def test_an_ipv4_cluster_that_never_was_dual_stack_gets_no_announcement() -> None:
    migration = Migration()
    controller = ShootController(one_api_server(migration.world.kube), migration.world.clock, migration.events.append)
    ask = {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", ask, "garden-foo")
    await controller.reconcile("bar", "garden-foo")
    assert not [event for event in migration.events if isinstance(event, Notice)]
    assert migration.constraints == []
