"""Weaknesses of upstream that are kept on purpose (docs/reference/weaknesses.md): what is done about them instead."""

from __future__ import annotations

from typing import Any

from tests.support.manifests import objects_of
from tests.unit.gardener.controllers.migration import EXAMPLE, Migration
from tests.unit.gardener.controllers.scripted_world import NS

from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.model import kinds
from dualstack.model.events import Notice, StepStarted
from dualstack.model.kinds import Manifest


def _load_balancer(name: str, address: str, marks: dict[str, str]) -> Manifest:
    metadata = {"name": name, "namespace": "default", "annotations": marks}
    spec = {"type": "LoadBalancer", "clusterIPs": [address], "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def test_w41_load_balancers_that_stay_ipv4_are_named_before_and_after() -> None:
    migration = Migration()
    store = migration.world.store
    for name, address, marks in (
        ("shop", "100.64.1.1", {}),
        ("api", "100.64.1.2", {"cloud.google.com/l4-rbs": "disabled"}),
        ("new", "100.64.1.3", {"cloud.google.com/l4-rbs": "enabled"}),
    ):
        store.create(kinds.SERVICE, _load_balancer(name, address, marks))
    before = store.list(kinds.SERVICE, "default")
    migration.trigger()
    await migration.until_rest()
    notices = [event for event in migration.events if isinstance(event, Notice)]
    assert [event.reason for event in notices] == ["LoadBalancersStayIPv4"] * 2
    assert all(": default/api, default/shop. A Service" in event.detail for event in notices)
    first_step = next(index for index, event in enumerate(migration.events) if isinstance(event, StepStarted))
    assert migration.events.index(notices[0]) < first_step
    assert migration.events.index(notices[1]) > first_step
    events = store.list(kinds.EVENT, "garden-foo")
    assert [(event["reason"], event["type"]) for event in events] == [("LoadBalancersStayIPv4", "Normal")] * 2
    assert store.list(kinds.SERVICE, "default") == before


async def test_w41_without_load_balancers_nothing_is_said() -> None:
    migration = Migration()
    migration.trigger()
    await migration.until_rest()
    assert [event for event in migration.events if isinstance(event, Notice)] == []


async def test_w42_neither_vpn_nor_node_local_dns_is_deployed() -> None:
    """So nothing of them can switch too early."""
    migration = Migration()
    migration.trigger()
    await migration.until_rest()
    secrets = migration.world.store.list(kinds.SECRET, NS)
    managed = [
        entry for secret in secrets if secret["metadata"]["name"] != "cloudprovider" for entry in objects_of(secret)
    ]
    deployments = migration.world.store.list(kinds.DEPLOYMENT, NS)
    names = {entry["metadata"]["name"] for entry in (*managed, *deployments)}
    assert {"kube-apiserver", "kube-proxy", "coredns"} <= names
    assert [name for name in names if "vpn" in name or "node-local-dns" in name] == []
    assert not any("IP_FAMILIES" in str(deployment) for deployment in deployments)


def test_w48_firewall_rules_have_no_target_tags_as_upstream_makes_them() -> None:
    """With tags every rule would be changed at take-over, and changed back by upstream when it is handed back."""
    shoot: Any = load_shoot(EXAMPLE.read_text())
    desired = Desired.of(ShootView.of(shoot), project="proj-1", region="europe-west1")
    rules = desired.firewalls("global/networks/x", "2600:1900:4010:1234::/64", "2600:1900:4010:5678::/64")
    assert len(rules) == 4
    assert [rule["name"] for rule in rules if "targetTags" in rule] == []


async def test_w49_a_shoot_of_another_provider_is_not_touched() -> None:
    """Upstream sets the constraint whatever the provider can do, and nothing ever clears it."""
    migration = Migration()
    spec = {"provider": {"type": "aws"}, "networking": {"ipFamilies": ["IPv4", "IPv6"]}}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", {"spec": spec}, "garden-foo")
    assert await migration.turn() is None
    assert migration.world.kube.writes == []
    assert migration.constraints == []
