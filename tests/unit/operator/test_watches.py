"""Which watch events make a controller reconcile."""

from __future__ import annotations

import pytest
from click import BadParameter

from dualstack.cli.operator import ControllerNames
from dualstack.gardener.model.kinds import CLUSTER, CONTROL_PLANE, INFRASTRUCTURE, NETWORK, SHOOT, WORKER
from dualstack.gardener.model.names import ENABLED, PREPARE
from dualstack.kube.watching import Watched
from dualstack.model.kinds import Kind, Manifest
from dualstack.operator.landscape import CONTROLLERS
from dualstack.operator.queue import Key
from dualstack.operator.shoot_nodes import ShootNodes
from dualstack.operator.watches import ExtensionInterest, PreparationInterest, ShootInterest, Watches
from tests.support.manifests import opted_in


def is_enabled(shoot: Manifest) -> bool:
    return (shoot["metadata"].get("annotations") or {}).get(ENABLED) == "true"


OPERATION = "gardener.cloud/operation"


class _NoShoots:
    """Access to shoots that is never used."""

    def of(self, namespace: str) -> Watched:
        raise AssertionError(namespace)

    async def forget(self, namespace: str) -> None:
        raise AssertionError(namespace)


def shoot(generation: int = 1, operation: str | None = None, uid: str = "u") -> Manifest:
    annotations = {OPERATION: operation} if operation else {}
    metadata = {"name": "bar", "namespace": "garden-foo", "uid": uid, "generation": generation}
    return {"kind": "Shoot", "metadata": {**metadata, "annotations": annotations}}


def test_a_shoot_is_reconciled_when_new_changed_or_requested() -> None:
    interest = ShootInterest(is_enabled)
    assert interest.wakes(shoot())
    assert not interest.wakes(shoot())
    assert interest.wakes(shoot(generation=2))
    assert interest.wakes(shoot(2, "reconcile"))
    assert not interest.wakes(shoot(2)), "the annotation is removed by ourselves"
    assert interest.wakes(shoot(2, "reconcile"))
    assert interest.wakes(shoot(3)), "the removal comes together with a new spec"
    assert interest.wakes(shoot(1, uid="v")), "another Shoot of the same name"
    assert interest.known() == [Key("shoot", "garden-foo", "bar")]
    interest.forget(shoot())
    assert interest.known() == []


def test_x2_a_shoot_is_reconciled_when_it_opts_in() -> None:
    interest = ShootInterest(is_enabled)
    assert interest.wakes(shoot())
    assert interest.wakes(opted_in(shoot()))
    assert not interest.wakes(opted_in(shoot()))
    assert not interest.wakes(shoot()), "opting out is read at the next reconcile"
    assert interest.wakes(opted_in(shoot()))


def extension(state: str, operation: str | None = None, kind: str = "Worker", type_: str = "gcp") -> Manifest:
    annotations = {OPERATION: operation} if operation else {}
    return {
        "kind": kind,
        "metadata": {"name": "bar", "namespace": "shoot--foo--bar", "uid": kind + type_, "annotations": annotations},
        "spec": {"type": type_},
        "status": {"lastOperation": {"state": state}},
    }


def test_an_extension_is_reconciled_when_requested_or_found_unfinished() -> None:
    interest = ExtensionInterest()
    assert interest.wakes(extension("Processing")), "a process before us was cut off"
    assert not interest.wakes(extension("Error")), "our own report; the queue knows when to try again"
    assert interest.wakes(extension("Succeeded", "reconcile"))
    assert not interest.wakes(extension("Succeeded"))
    interest.forget(extension("Succeeded"))
    assert not interest.wakes(extension("Succeeded"))


def test_an_extension_is_reconciled_once_for_a_mark_that_stays() -> None:
    """`migrate`, `restore` and the deletion timestamp are still set at each write of the status
    (docs/reference/gardener.md#operation-annotation)."""
    interest = ExtensionInterest()
    interest.wakes(extension("Succeeded"))
    assert interest.wakes(extension("Succeeded", "migrate"))
    assert not interest.wakes(extension("Error", "migrate")), "our own report"
    assert not interest.wakes(extension("Succeeded")), "taken off by ourselves"
    deleted = extension("Succeeded")
    deleted["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    assert interest.wakes(deleted)
    assert not interest.wakes(deleted)


def test_extensions_of_other_types_are_ignored() -> None:
    interest = ExtensionInterest()
    assert not interest.wakes(extension("Error", "reconcile", type_="aws"))
    assert not interest.wakes(extension("Error", "reconcile", kind="Network", type_="gcp"))
    assert interest.wakes(extension("Error", "reconcile", kind="Network", type_="cilium"))


@pytest.mark.parametrize(
    ("controllers", "kinds"),
    [
        (CONTROLLERS, {SHOOT, CLUSTER, INFRASTRUCTURE, CONTROL_PLANE, NETWORK, WORKER}),
        (("infrastructure",), {CLUSTER, INFRASTRUCTURE}),
        (("shoot", "controlplane", "network", "worker"), {SHOOT, CONTROL_PLANE, NETWORK, WORKER}),
    ],
)
def test_r2_only_the_kinds_of_the_chosen_controllers_are_watched(
    controllers: tuple[str, ...], kinds: set[Kind]
) -> None:
    nodes = ShootNodes(_NoShoots(), lambda _: None, is_enabled)
    assert set(Watches(lambda _: None, controllers, is_enabled, nodes).handlers()) == kinds


@pytest.mark.parametrize(
    ("value", "names"), [("infrastructure", ("infrastructure",)), ("worker, shoot,worker", ("worker", "shoot"))]
)
def test_r2_controllers_are_a_list_of_names(value: str, names: tuple[str, ...]) -> None:
    assert ControllerNames().convert(value, None, None) == names


@pytest.mark.parametrize("value", ["", "infrastructure,", "all", "Infrastructure"])
def test_r2_an_unknown_controller_is_refused_with_the_known_ones(value: str) -> None:
    with pytest.raises(BadParameter, match="must be some of shoot, infrastructure, controlplane, network, worker"):
        ControllerNames().convert(value, None, None)


def cluster(**annotations: str) -> Manifest:
    return {"metadata": {"name": "shoot--foo--bar"}, "spec": {"shoot": {"metadata": {"annotations": annotations}}}}


def test_an_infrastructure_is_looked_at_when_its_shoot_asks_to_be_prepared_or_no_longer_does() -> None:
    interest = PreparationInterest()
    prepare = cluster(**{PREPARE: "true"})
    assert not interest.wakes(cluster())
    assert interest.wakes(prepare)
    assert not interest.wakes(prepare)
    assert interest.wakes(cluster())
    assert PreparationInterest().wakes(prepare), "as after a restart"
