"""Taking over a cluster that Gardener made: live names stay, and each pool is replaced once, by the migration."""

from __future__ import annotations

from copy import deepcopy
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gardener.controllers.migration import EXAMPLE, Migration
from tests.unit.gardener.controllers.scripted_world import NS, ScriptedWorld, reconcile
from tests.unit.model import golden

from dualstack.gardener.model.kinds import CLUSTER, MACHINE_CLASS, MACHINE_DEPLOYMENT, WORKER
from dualstack.gardener.model.pools import Pool, ZonePart
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.gardener.render.machine_class import (
    belongs_to,
    class_of,
    class_to_use,
    deployment_for,
    free_name,
    replicas_for,
)
from dualstack.model.kinds import NODE as _NODE
from dualstack.model.kinds import Manifest
from dualstack_sim.kube.store import KubeStore

POOLS = ("w1", "w1-gpu")
HASH = "0f1e2"
"""A hash over settings that only Gardener knows."""


def _shoot() -> Manifest:
    shoot = load_shoot(EXAMPLE.read_text())
    (pool,) = shoot["spec"]["provider"]["workers"]
    shoot["spec"]["provider"]["workers"] = [{**deepcopy(pool), "name": name} for name in POOLS]
    return shoot


def _rename(store: KubeStore) -> dict[str, str]:
    """Give each deployment and its class names as after changes that the product has not seen; old name to new."""
    names: dict[str, str] = {}
    for deployment in store.list(MACHINE_DEPLOYMENT, NS):
        old = deployment["metadata"]["name"]
        new, used = f"{old.removesuffix('1')}3", class_of(deployment)
        found = store.get(MACHINE_CLASS, used, NS)
        assert found is not None
        for kind, item, name in (
            (MACHINE_CLASS, found, f"{new}-{HASH}"),
            (MACHINE_DEPLOYMENT, deployment, new),
        ):
            store.delete(kind, item["metadata"]["name"], NS)
            metadata = {"name": name, "namespace": NS, "labels": item["metadata"].get("labels", {})}
            body = {**item, "metadata": metadata}
            if kind is MACHINE_DEPLOYMENT:
                body["spec"]["template"]["spec"]["class"]["name"] = f"{new}-{HASH}"
            store.upsert(kind, body)
        names[old] = new
    return names


@pytest.fixture
def migration() -> Migration:
    result = Migration(shoot=_shoot())
    _rename(result.world.store)
    return result


def _names(world: ScriptedWorld) -> set[str]:
    return {
        item["metadata"]["name"] for kind in (MACHINE_DEPLOYMENT, MACHINE_CLASS) for item in world.store.list(kind, NS)
    }


async def test_p22_a_takeover_renames_nothing_and_replaces_nothing(migration: Migration) -> None:
    world = migration.world
    before, names = world.store.list(MACHINE_DEPLOYMENT, NS), _names(world)
    classes = world.store.list(MACHINE_CLASS, NS)

    await reconcile(world, WORKER)

    assert _names(world) == names
    assert [item["spec"] for item in world.store.list(MACHINE_DEPLOYMENT, NS)] == [item["spec"] for item in before]
    assert world.store.list(MACHINE_CLASS, NS) == classes


async def test_p22_the_migration_replaces_each_pool_exactly_once(migration: Migration) -> None:
    world, names = migration.world, _names(migration.world)
    stamps: dict[str, set[str]] = {name: set() for name in names}

    def see(_resource: Any, change: Any) -> None:
        item = change.object.manifest
        template = item.get("spec", {}).get("template", {}) if item.get("kind") == "MachineDeployment" else {}
        stamp = (template.get("metadata", {}).get("annotations") or {}).get("rollout-workers")
        if stamp:
            stamps[item["metadata"]["name"]].add(stamp)

    world.store.listen(see)
    migration.trigger()
    await migration.until_rest()

    assert migration.shoot()["status"]["lastOperation"]["state"] == "Succeeded"
    assert not migration.shoot()["status"].get("constraints")
    assert _names(world) == names
    deployments = [item["metadata"]["name"] for item in world.store.list(MACHINE_DEPLOYMENT, NS)]
    assert {name: len(stamps[name]) for name in deployments} == dict.fromkeys(deployments, 1)


async def test_p22_a_setting_that_changes_later_still_makes_another_class(migration: Migration) -> None:
    world = migration.world
    await reconcile(world, WORKER)
    larger = [{"op": "replace", "path": "/spec/shoot/spec/provider/workers/0/machine/type", "value": "n2-standard-8"}]
    world.store.patch(CLUSTER, NS, larger, patch_type="json")

    await reconcile(world, WORKER)

    first, second = world.store.list(MACHINE_DEPLOYMENT, NS)
    changed, kept = (first, second) if not class_of(first).endswith(HASH) else (second, first)
    assert class_of(kept).endswith(f"-{HASH}")
    created = world.store.get(MACHINE_CLASS, class_of(changed), NS)
    assert created is not None
    assert created["providerSpec"]["machineType"] == "n2-standard-8"
    assert "dualstack.dev/pool-hash" not in changed["metadata"].get("annotations", {})


def _live(name: str, pool: str, zone: str) -> tuple[Manifest, Manifest]:
    used = f"{name}-{HASH}"
    template = {
        "spec": {
            "class": {"name": used},
            "nodeTemplate": {"metadata": {"labels": {"worker.gardener.cloud/pool": pool}}},
        }
    }
    return (
        {"metadata": {"name": name}, "spec": {"replicas": 2, "template": template}},
        {"metadata": {"name": used}, "providerSpec": {"zone": zone}},
    )


def _view(zones: list[str]) -> ShootView:
    shoot = golden.shoot_in("P0")
    (pool,) = shoot["spec"]["provider"]["workers"]
    shoot["spec"]["provider"]["workers"] = [{**pool, "name": name, "zones": list(zones)} for name in POOLS]
    return ShootView.of(shoot)


@given(order=st.sampled_from(list(permutations("bcd"))), known=st.integers(0, 3))
def test_p22_no_zone_of_a_pool_ever_gets_a_second_deployment(order: tuple[str, ...], known: int) -> None:
    """Whatever the numbers in the live names: pool and zone decide."""
    zones = [f"europe-west1-{letter}" for letter in "bcd"]
    view = _view(zones)
    pairs = [
        _live(f"{NS}-{pool}-z{index + 1}", pool, f"europe-west1-{letter}")
        for pool in POOLS
        for index, letter in enumerate(order[:known])
    ]
    deployments, classes = [pair[0] for pair in pairs], {pair[1]["metadata"]["name"]: pair[1] for pair in pairs}
    taken = [item["metadata"]["name"] for item in deployments]
    for pool in view.pools:
        for part in pool.parts:
            found = deployment_for(view, pool, part, deployments, classes)
            expected = part.zone[-1] in order[:known]
            assert (found is not None) == expected
            if found is not None:
                assert classes[class_of(found)]["providerSpec"]["zone"] == part.zone
                assert belongs_to(found, view, pool)
                name = found["metadata"]["name"]
                assert class_to_use(found, name, "abcde") == (class_of(found), "abcde")
            else:
                name = free_name(view, pool, part, taken)
                assert name not in taken
                taken.append(name)


@given(
    minimum=st.integers(0, 4),
    more=st.integers(0, 4),
    live=st.none() | st.integers(0, 9),
    hibernated=st.booleans(),
    woken=st.booleans(),
)
def test_p06_replicas_follow_the_pool_and_the_autoscaler(
    minimum: int, more: int, live: int | None, hibernated: bool, woken: bool
) -> None:
    """docs/reference/gardener.md#machine-replicas"""
    maximum = minimum + more
    pool = Pool.of({"name": "w1", "minimum": minimum, "maximum": maximum})
    part = ZonePart(0, "z", minimum, maximum, 1, 0)
    found = None if live is None else {"spec": {"replicas": live}}

    replicas = replicas_for(found, pool, part, hibernated=hibernated, woken=woken)

    if hibernated:
        assert replicas == 0
    else:
        assert minimum <= replicas <= maximum
        if live is None or woken:
            assert replicas == minimum
        elif minimum <= live <= maximum:
            assert replicas == live


async def test_p06_a_pool_that_is_woken_up_gets_its_minimum_back() -> None:
    """Also a pool that the autoscaler had enlarged; without any migration."""
    world = ScriptedWorld(_shoot())
    (first, second) = world.store.list(MACHINE_DEPLOYMENT, NS)
    asleep = [{"op": "add", "path": "/spec/shoot/spec/hibernation", "value": {"enabled": True}}]
    world.store.patch(CLUSTER, NS, asleep, patch_type="json")
    for node in ("w1-old-0", "w1-old-1", "w1-old-2"):
        world.store.delete(_NODE, node)
        world.store.delete(_NODE, node.replace("w1", "w1-gpu"))
    await reconcile(world, WORKER)
    assert [item["spec"]["replicas"] for item in world.store.list(MACHINE_DEPLOYMENT, NS)] == [0, 0]

    awake = [{"op": "replace", "path": "/spec/shoot/spec/hibernation/enabled", "value": False}]
    world.store.patch(CLUSTER, NS, awake, patch_type="json")
    for name in (first, second):
        pool = name["metadata"]["labels"]["worker.gardener.cloud/pool"]
        for index in range(3):
            world.store.create(
                _NODE, {"metadata": {"name": f"{pool}-old-{index}", "labels": {"worker.gardener.cloud/pool": pool}}}
            )
    await reconcile(world, WORKER)
    assert [item["spec"]["replicas"] for item in world.store.list(MACHINE_DEPLOYMENT, NS)] == [3, 3]
