"""What the seed of a shoot and its Shoot add to its preflight."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import pytest

from dualstack.cli.live.seed import facts_of
from dualstack.cli.live.shoot import find_shoot, obstacles_of, of_file
from dualstack.clock import ScaledClock
from dualstack.gardener.model.guest_agent import CONFIG_PATH
from dualstack.gardener.model.kinds import CLUSTER as CLUSTER_OBJECT
from dualstack.gardener.model.kinds import INFRASTRUCTURE, MACHINE_DEPLOYMENT, OPERATING_SYSTEM_CONFIG, WORKER
from dualstack.gardener.model.kinds import SHOOT as SHOOT_KIND
from dualstack.gardener.model.shoot import load_shoot
from dualstack.live.identify import Identity
from dualstack.model.cluster import NodePool
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import CRD, DEPLOYMENT, NAMESPACE, Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions
from tests.support.memory_platform import CLUSTER
from tests.support.store_kube import StoreKube

EXAMPLE = load_shoot((Path(__file__).parents[3] / "examples/shoot.yaml").read_text(encoding="utf-8"))
SHOOT = "shoot--foo--bar"
IDENTITY = Identity("gardener", "", dataclasses.replace(CLUSTER, name=SHOOT, nodes_subnet=f"{SHOOT}-nodes"))


async def seed(*pools: dict[str, object]) -> StoreKube:
    store = KubeStore(ScaledClock(0.0, 1.0), Chance(1))
    for definition in definitions():
        store.create(CRD, definition)
    kube = StoreKube(store)
    await kube.create(NAMESPACE, manifest(NAMESPACE, SHOOT))
    if pools:
        await kube.create(WORKER, manifest(WORKER, "bar", SHOOT, spec={"type": "gcp", "pools": list(pools)}))
    return kube


async def test_the_seed_shows_the_surge_of_each_pool_and_the_guest_agent() -> None:
    kube = await seed(
        {"name": "w1", "minimum": 10, "maximum": 20, "maxSurge": "25%"},
        {"name": "w2", "minimum": 1, "maximum": 2},
    )
    content = {"inline": {"data": "[IpForwarding]\nip_aliases = false\n"}}
    spec = {"purpose": "reconcile", "files": [{"path": CONFIG_PATH, "content": content}]}
    await kube.create(OPERATING_SYSTEM_CONFIG, manifest(OPERATING_SYSTEM_CONFIG, "w1", SHOOT, spec=spec))
    found = await facts_of(kube, IDENTITY)
    assert found.surges == {"w1": 3, "w2": 1}
    assert found.guest_agent == f"{CONFIG_PATH} of OperatingSystemConfig w1 has ip_aliases = false"
    pools = (NodePool("w1", ()), NodePool("other", (), surge=2))
    known = found.known(Identity("gardener", "", dataclasses.replace(CLUSTER, pools=pools)))
    assert [pool.surge for pool in known.cluster.pools] == [3, 2]


async def test_a_seed_without_the_shoot_is_refused() -> None:
    with pytest.raises(InvalidInput, match=f"namespace {SHOOT} has no Worker"):
        await facts_of(await seed(), IDENTITY)


async def test_the_seed_shows_what_keeps_gardener_from_the_end_of_a_migration() -> None:
    kube = await seed({"name": "w1", "minimum": 1, "maximum": 2})
    failed = {
        "lastOperation": {"type": "Reconcile", "state": "Error", "description": "x"},
        "lastError": {"description": "quota\nexceeded"},
        "providerStatus": {"networks": {"subnets": [{"name": "else", "purpose": "nodes"}]}},
    }
    await _create(kube, INFRASTRUCTURE, "bar", {"type": "gcp"}, failed)
    template = {"spec": {"class": {"kind": "MachineClass", "name": "gone"}}}
    machines = {"paused": True, "replicas": 1, "template": template}
    lost = [{"name": "m1", "lastOperation": {"description": "no capacity"}}]
    await _create(kube, MACHINE_DEPLOYMENT, "w1", machines, {"failedMachines": lost})
    labels = {"app": "mcm"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "mcm", "image": "mcm"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pods}
    await _create(kube, DEPLOYMENT, "machine-controller-manager", spec, {})
    await kube.create(CLUSTER_OBJECT, manifest(CLUSTER_OBJECT, SHOOT, spec={"shoot": {"kind": "Shoot"}}))
    found = await facts_of(kube, IDENTITY)
    assert [f"{each['object']}: {each['evidence']}" for each in found.obstacles] == [
        "Infrastructure bar: operation Reconcile is Error: quota exceeded",
        "Infrastructure bar: its nodes subnet is else, but the VMs are in shoot--foo--bar-nodes",
        "MachineDeployment w1: spec.paused is true, so its machines are not replaced",
        "MachineDeployment w1: its MachineClass gone does not exist, so no machine can be created",
        "MachineDeployment w1: machine m1 has failed: no capacity",
        "Deployment machine-controller-manager: none of its 0 pods is available",
    ]
    assert found.shoot == {"kind": "Shoot"}


async def _create(kube: StoreKube, kind: Kind, name: str, spec: Manifest, status: Manifest) -> None:
    await kube.create(kind, manifest(kind, name, SHOOT, spec=spec))
    if status:
        await kube.patch(kind, name, {"status": status}, SHOOT, subresource="status")


def shoot(name: str = "bar", namespace: str = "garden-foo", technical: str = SHOOT) -> Manifest:
    made = {**EXAMPLE, "metadata": {"name": name, "namespace": namespace}, "status": {"technicalID": technical}}
    return copy.deepcopy(made)


async def garden(*shoots: Manifest) -> StoreKube:
    kube = await seed()
    for each in shoots:
        name, namespace = each["metadata"]["name"], each["metadata"]["namespace"]
        if await kube.get(NAMESPACE, namespace) is None:
            await kube.create(NAMESPACE, manifest(NAMESPACE, namespace))
        await kube.create(SHOOT_KIND, each)
        await kube.patch(SHOOT_KIND, name, {"status": each["status"]}, namespace, subresource="status")
    return kube


@pytest.mark.parametrize("named", ["", "bar", "garden-foo/bar"])
async def test_the_shoot_is_found_by_its_technical_id_or_its_name(named: str) -> None:
    kube = await garden(shoot(), shoot("other", technical="shoot--foo--other"))
    assert (await find_shoot(kube, named, IDENTITY))["metadata"]["name"] == "bar"


async def test_a_shoot_in_a_namespace_with_another_name_is_found() -> None:
    kube = await garden(shoot(namespace="team"))
    assert (await find_shoot(kube, "", IDENTITY))["metadata"]["namespace"] == "team"


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("", r"no Shoot garden-foo/bar; name that of shoot--foo--bar with --shoot \(it shows garden-foo/a, team/b\)"),
        ("c", r"no Shoot garden-foo/c; name that of shoot--foo--bar with --shoot \(it shows garden-foo/a, team/b\)"),
        ("team/b", "Shoot team/b has the technical ID shoot--team--b, but the cluster is shoot--foo--bar"),
    ],
)
async def test_a_shoot_that_is_not_there_is_refused_with_those_that_are(named: str, words: str) -> None:
    kube = await garden(shoot("a", technical="shoot--foo--a"), shoot("b", "team", "shoot--team--b"))
    with pytest.raises(InvalidInput, match=words):
        await find_shoot(kube, named, IDENTITY)


def test_the_manifest_of_the_shoot_shows_what_stops_it(tmp_path: Path) -> None:
    file = tmp_path / "shoot.json"
    pool = {**EXAMPLE["spec"]["provider"]["workers"][0], "updateStrategy": "AutoInPlaceUpdate"}
    made = shoot()
    made["spec"]["provider"]["workers"] = [pool]
    file.write_text(json.dumps(made))
    assert [each["object"] for each in obstacles_of(of_file(str(file), IDENTITY), IDENTITY)] == [
        "spec.provider.workers[0].updateStrategy"
    ]
    assert obstacles_of(shoot(), IDENTITY) == []
    with pytest.raises(InvalidInput, match="there is no such file; for its name, add --garden-kubeconfig FILE"):
        of_file(str(tmp_path / "none"), IDENTITY)
