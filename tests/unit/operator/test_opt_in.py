"""Only Shoots that have opted in, and their extension objects, are reconciled."""

from __future__ import annotations

import pytest

from dualstack.clock import ScaledClock
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE, SHOOT
from dualstack.gardener.model.names import ENABLED
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import CRD, NAMESPACE, Kind, Manifest
from dualstack.operator.landscape import CONTROLLERS
from dualstack.operator.opt_in import OptIn, Selection
from dualstack.operator.queue import Key
from dualstack.operator.watches import ShootInterest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions
from tests.support.clusters import one_api_server
from tests.support.store_kube import StoreKube

NS = "shoot--foo--bar"


def world(
    annotations: dict[str, str], provider: str = "gcp", labels: dict[str, str] | None = None, manager: str = "kubectl"
) -> KubeStore:
    """A Shoot with these annotations, its copy in the Cluster, and its Infrastructure."""
    store = KubeStore(ScaledClock(), Chance(1))
    for definition in definitions():
        store.create(CRD, definition)
    store.create(NAMESPACE, {"metadata": {"name": "garden-foo"}})

    def place(kind: Kind, name: str, **content: Manifest) -> Manifest:
        metadata: Manifest = {"name": name, **({"namespace": "garden-foo"} if kind.namespaced else {})}
        if kind is SHOOT:
            metadata |= {"annotations": annotations, "labels": labels or {}}
        metadata["managedFields"] = [{"manager": manager, "operation": "Update"}]
        names = {"apiVersion": kind.api_version, "kind": kind.kind}
        return store.create(kind, {**names, "metadata": metadata, **content})

    shoot = place(SHOOT, "bar", spec={"provider": {"type": provider}})
    place(CLUSTER, NS, spec={"shoot": shoot})
    store.create(NAMESPACE, {"metadata": {"name": NS}})
    names = {"apiVersion": INFRASTRUCTURE.api_version, "kind": INFRASTRUCTURE.kind}
    store.create(INFRASTRUCTURE, {**names, "metadata": {"name": "bar", "namespace": NS}})
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


async def allowed(store: KubeStore, selection: Selection | None = None) -> set[bool]:
    opt_in = OptIn(one_api_server(StoreKube(store)), selection)
    return {await opt_in.allows(key) for key in keys()}


@pytest.mark.parametrize("provider", ["aws", "azure", "openstack"])
async def test_p23_a_shoot_of_another_cloud_is_never_taken(provider: str) -> None:
    """A Network of calico, for example, which names no cloud."""
    store = world({ENABLED: "true"}, provider)
    assert await allowed(store, Selection.parse("", ["*"])) == {False}


@pytest.mark.parametrize(
    ("selector", "namespaces", "included"),
    [
        ("", ["garden-foo"], True),
        ("", ["garden-bar"], False),
        ("", ["garden-bar", "garden-*"], True),
        ("", ["*"], True),
        ("stage=test", [], True),
        ("stage=prod", [], False),
        ("stage,!legacy", [], True),
        ("stage!=prod,team==net", [], True),
        ("team!=net", [], False),
        ("stage=test", ["garden-foo"], True),
        ("stage=prod", ["garden-foo"], False),
        ("stage=test", ["garden-bar"], False),
    ],
)
async def test_x2_the_command_line_opts_in_by_namespace_and_label(
    selector: str, namespaces: list[str], included: bool
) -> None:
    labels = {"stage": "test", "team": "net"}
    selection = Selection.parse(selector, namespaces)
    assert await allowed(world({}, labels=labels), selection) == {included}
    assert await allowed(world({ENABLED: "false"}, labels=labels), selection) == {False}
    assert await allowed(world({ENABLED: "true"}, labels=labels), selection) == {True}


@pytest.mark.parametrize("selector", ["a b", "a in (b,c)", "=x", "a=b,,c", "!a=b"])
def test_x2_a_selector_that_cannot_be_read_is_refused(selector: str) -> None:
    with pytest.raises(InvalidInput, match=r"--selector .* cannot be read; use key=value"):
        Selection.parse(selector, [])


async def test_x2_the_namespace_in_the_seed_opts_in_the_extension_objects_alone() -> None:
    opt_in = OptIn(one_api_server(StoreKube(world({}))), Selection.parse("", ["shoot--foo--*"]))
    for key in keys():
        assert await opt_in.allows(key) == (key.namespace == NS)


@pytest.mark.parametrize(
    ("shoot", "infrastructure", "taken"),
    [({}, "true", True), ({ENABLED: "false"}, "true", False), ({}, "false", False)],
)
async def test_x2_the_infrastructure_itself_can_be_opted_in(
    shoot: dict[str, str], infrastructure: str, taken: bool
) -> None:
    store = world(shoot)
    store.patch(INFRASTRUCTURE, "bar", {"metadata": {"annotations": {ENABLED: infrastructure}}}, NS)
    opt_in = OptIn(one_api_server(StoreKube(store)))
    for key in keys():
        assert await opt_in.allows(key) == (taken and key.controller == "infrastructure")


async def test_p23_what_gardenlet_has_written_is_left_alone_where_the_operator_stands_alone() -> None:
    store = world({ENABLED: "true"}, manager="gardenlet")
    for stands_alone in (True, False):
        opt_in = OptIn(one_api_server(StoreKube(store)), stands_alone=stands_alone)
        assert {await opt_in.allows(key) for key in keys()} == {not stands_alone}


@pytest.mark.parametrize(
    ("change", "left_alone"),
    [
        ({"metadata": {"annotations": {"shoot.gardener.cloud/ignore": "true"}}}, True),
        ({"metadata": {"annotations": {"shoot.gardener.cloud/ignore": "1"}}}, True),
        ({"metadata": {"annotations": {"shoot.gardener.cloud/ignore": "foo"}}}, False),
        ({"metadata": {"annotations": {"shoot.gardener.cloud/ignore": "false"}}}, False),
        ({"status": {"lastOperation": {"type": "Migrate", "state": "Processing"}}}, True),
        ({"status": {"lastOperation": {"type": "Migrate", "state": "Succeeded"}}}, True),
        ({"status": {"lastOperation": {"type": "Restore", "state": "Error"}}}, True),
        ({"status": {"lastOperation": {"type": "Restore", "state": "Succeeded"}}}, False),
        ({"status": {"lastOperation": {"type": "Create", "state": "Succeeded"}}}, False),
        ({"spec": {"seedName": "b"}, "status": {"seedName": "a"}}, True),
        ({"spec": {"seedName": "a"}, "status": {"seedName": "a"}}, False),
        ({"spec": {"seedName": "a"}, "status": {}}, False),
    ],
)
async def test_p23_a_shoot_that_gardenlet_would_set_aside_is_left_alone(change: Manifest, left_alone: bool) -> None:
    """Its extension objects are not, because a cut-over that has begun ends."""
    store = world({ENABLED: "true"})
    status = {"status": change.pop("status", {})}
    store.patch(SHOOT, "bar", change, "garden-foo")
    store.patch(SHOOT, "bar", status, "garden-foo", subresource="status")
    opt_in = OptIn(one_api_server(StoreKube(store)))
    for key in keys():
        assert await opt_in.allows(key) == (not left_alone or key.namespace == NS), key


def test_p23_a_shoot_that_is_no_longer_set_aside_is_reconciled_at_once() -> None:
    """Removing the annotation changes neither the generation nor the operation of the Shoot."""
    interest = ShootInterest(OptIn(one_api_server(StoreKube(world({})))).includes)
    metadata = {"name": "bar", "namespace": "garden-foo", "uid": "u", "generation": 1}
    spec = {"provider": {"type": "gcp"}}
    ignored = {ENABLED: "true", "shoot.gardener.cloud/ignore": "true"}
    interest.wakes({"metadata": {**metadata, "annotations": ignored}, "spec": spec})
    assert not interest.wakes({"metadata": {**metadata, "annotations": ignored}, "spec": spec})
    assert interest.wakes({"metadata": {**metadata, "annotations": {ENABLED: "true"}}, "spec": spec})
