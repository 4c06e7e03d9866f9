"""What the seed of a shoot adds to its preflight."""

from __future__ import annotations

import dataclasses

import pytest

from dualstack.cli.live.seed import facts_of
from dualstack.clock import ScaledClock
from dualstack.gardener.model.guest_agent import CONFIG_PATH
from dualstack.gardener.model.kinds import OPERATING_SYSTEM_CONFIG, WORKER
from dualstack.live.identify import Identity
from dualstack.model.cluster import NodePool
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import CRD, NAMESPACE
from dualstack.model.manifests import manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions
from tests.support.memory_platform import CLUSTER
from tests.support.store_kube import StoreKube

SHOOT = "shoot--foo--bar"


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
    found = await facts_of(kube, SHOOT)
    assert found.surges == {"w1": 3, "w2": 1}
    assert found.guest_agent == f"{CONFIG_PATH} of OperatingSystemConfig w1 has ip_aliases = false"
    pools = (NodePool("w1", ()), NodePool("other", (), surge=2))
    known = found.known(Identity("gardener", "", dataclasses.replace(CLUSTER, pools=pools)))
    assert [pool.surge for pool in known.cluster.pools] == [3, 2]


async def test_a_seed_without_the_shoot_is_refused() -> None:
    with pytest.raises(InvalidInput, match=f"namespace {SHOOT} has no Worker"):
        await facts_of(await seed(), SHOOT)
