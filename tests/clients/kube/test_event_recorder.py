"""Events of the product, read back over HTTP as `kubectl describe` selects them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.loopback import connection, on_loopback

from dualstack.clock import ScaledClock
from dualstack.gardener.model.kinds import INFRASTRUCTURE, SHOOT
from dualstack.kube.client import LightkubeKube
from dualstack.kube.event_recorder import EventRecorder
from dualstack.model.kinds import CRD, EVENT, NODE, Kind
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions


@pytest.fixture
def store() -> KubeStore:
    store = KubeStore(ScaledClock(), Chance(1))
    for definition in definitions():
        store.create(CRD, definition)
    return store


@pytest.fixture
async def kube(store: KubeStore) -> AsyncIterator[LightkubeKube]:
    async with on_loopback(create_app(store)) as url:
        client = LightkubeKube.connect(connection(url))
        yield client
        await client.close()


@pytest.mark.parametrize("kind", [SHOOT, INFRASTRUCTURE], ids=lambda kind: kind.kind)
async def test_p13_describe_finds_the_event_by_the_uid_of_its_object(
    store: KubeStore, kube: LightkubeKube, kind: Kind
) -> None:
    names = {"apiVersion": kind.api_version, "kind": kind.kind}
    about = store.create(kind, {**names, "metadata": {"name": "bar", "namespace": "default"}, "spec": {}})
    events = EventRecorder(kube, ScaledClock(), kind, "bar", "default")
    assert await events.announce("StrategyChosen", "overlap: requested")
    uid = about["metadata"]["uid"]
    selector = (
        f"involvedObject.name=bar,involvedObject.namespace=default,involvedObject.kind={kind.kind},"
        f"involvedObject.uid={uid}"
    )
    (event,) = store.list(EVENT, "default", fields=selector)
    assert event["metadata"]["namespace"] == "default"
    assert event["involvedObject"] == {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": "bar",
        "namespace": "default",
        "uid": uid,
        "resourceVersion": about["metadata"]["resourceVersion"],
    }
    assert event["reportingComponent"] == event["source"]["component"] == f"dualstack-{kind.kind.lower()}"
    assert event["reportingInstance"]


async def test_p13_an_event_about_a_cluster_scoped_object_is_in_the_namespace_default(
    store: KubeStore, kube: LightkubeKube
) -> None:
    """The API server refuses any other namespace, and `kubectl describe node` looks in `default`."""
    uid = store.create(NODE, {"metadata": {"name": "n"}})["metadata"]["uid"]
    await EventRecorder(kube, ScaledClock(), NODE, "n", "").announce("Waiting", "for its alias")
    (event,) = store.list(EVENT, "default", fields=f"involvedObject.uid={uid}")
    assert "namespace" not in event["involvedObject"]


async def test_p13_an_event_about_an_object_that_cannot_be_read_is_still_written(
    store: KubeStore, kube: LightkubeKube
) -> None:
    assert await EventRecorder(kube, ScaledClock(), SHOOT, "gone", "default").announce("Gone", "it was deleted")
    (event,) = store.list(EVENT, "default")
    assert "uid" not in event["involvedObject"]
