"""Only Shoots that have opted in, and their extension objects, are reconciled."""

from __future__ import annotations

import pytest

from dualstack.clock import ScaledClock
from dualstack.gardener.model.kinds import CLUSTER, SHOOT
from dualstack.gardener.model.names import ENABLED
from dualstack.model.kinds import CRD, NAMESPACE, Kind, Manifest
from dualstack.operator.landscape import CONTROLLERS
from dualstack.operator.opt_in import OptIn
from dualstack.operator.queue import Key
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions
from tests.support.clusters import one_api_server
from tests.support.store_kube import StoreKube

NS = "shoot--foo--bar"


def world(annotations: dict[str, str]) -> KubeStore:
    """A Shoot with these annotations, and its copy in the Cluster."""
    store = KubeStore(ScaledClock(), Chance(1))
    for definition in definitions():
        store.create(CRD, definition)
    store.create(NAMESPACE, {"metadata": {"name": "garden-foo"}})

    def place(kind: Kind, name: str, **content: Manifest) -> Manifest:
        metadata: Manifest = {"name": name, **({"namespace": "garden-foo"} if kind.namespaced else {})}
        if kind is SHOOT:
            metadata["annotations"] = annotations
        names = {"apiVersion": kind.api_version, "kind": kind.kind}
        return store.create(kind, {**names, "metadata": metadata, **content})

    shoot = place(SHOOT, "bar", spec={})
    place(CLUSTER, NS, spec={"shoot": shoot})
    return store


def keys() -> list[Key]:
    return [
        Key(name, "garden-foo" if name in ("shoot", "annotations") else NS, "bar")
        for name in (*CONTROLLERS, "annotations")
    ]


@pytest.mark.parametrize(
    ("annotations", "allowed"),
    [({}, False), ({ENABLED: "false"}, False), ({ENABLED: "yes"}, False), ({ENABLED: "true"}, True)],
)
async def test_x2_only_a_shoot_that_has_opted_in_is_touched(annotations: dict[str, str], allowed: bool) -> None:
    opt_in = OptIn(one_api_server(StoreKube(world(annotations))))
    assert {await opt_in.allows(key) for key in keys()} == {allowed}


async def test_x2_what_is_not_there_has_not_opted_in() -> None:
    store = world({ENABLED: "true"})
    store.delete(SHOOT, "bar", "garden-foo")
    store.delete(CLUSTER, NS)
    assert {await OptIn(one_api_server(StoreKube(store))).allows(key) for key in keys()} == {False}
