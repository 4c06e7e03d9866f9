"""Deletion, migration and restoration, with the exact texts (docs/reference/gardener.md#reconcile-protocol)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.store_kube import StoreKube
from tests.unit.gardener.controllers.scripted_world import ScriptedClock

from dualstack.gardener.controllers.extension import (
    INFRASTRUCTURE_EXTENSION,
    ExtensionReconciler,
    Lifecycle,
    Status,
    operation_type,
    sentence,
)
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.kinds import CRD, NAMESPACE, Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions

NS = "shoot--foo--bar"
FINALIZER = "extensions.gardener.cloud/infrastructure"
OPERATION = "gardener.cloud/operation"


class Scene:
    """One Infrastructure, and four things it can be asked for, of which each may fail."""

    def __init__(self) -> None:
        self.clock = ScriptedClock()
        self.store = KubeStore(self.clock, Chance(1))
        for definition in definitions():
            self.store.create(CRD, definition)
        self.store.create(NAMESPACE, {"metadata": {"name": NS}})
        self.store.create(CLUSTER, manifest(CLUSTER, NS, spec={"shoot": {"metadata": {"name": "bar"}}}))
        self.store.create(INFRASTRUCTURE, manifest(INFRASTRUCTURE, "bar", NS, spec={"type": "gcp"}))
        self.done: list[tuple[str, Manifest]] = []
        self.error: dict[str, DualstackError] = {}
        lifecycle = Lifecycle(check=self.check, delete=self.act("delete"), migrate=self.act("migrate"))
        kube = StoreKube(self.store)
        self.reconciler = ExtensionReconciler(
            kube, self.clock, INFRASTRUCTURE_EXTENSION, self.act("reconcile"), lifecycle
        )

    def act(self, name: str) -> Any:
        async def acting(found: Manifest, shoot: Manifest) -> Status:
            self.done.append((name, self.now()))
            if name in self.error:
                raise self.error[name]
            return {}

        return acting

    async def check(self, found: Manifest, shoot: Manifest) -> None:
        await self.act("check")(found, shoot)

    def now(self) -> Manifest:
        found = self.store.get(INFRASTRUCTURE, "bar", NS)
        assert found is not None
        return found

    def ask(self, operation: str) -> None:
        self.store.patch(INFRASTRUCTURE, "bar", {"metadata": {"annotations": {OPERATION: operation}}}, NS)

    async def reconcile(self) -> list[str]:
        """What was done."""
        self.done.clear()
        await self.reconciler.reconcile("bar", NS)
        return [name for name, _ in self.done]

    def shown(self) -> tuple[str, str, int, str]:
        last = self.now()["status"]["lastOperation"]
        return last["type"], last["state"], last["progress"], last["description"]


async def test_deletion_takes_the_finalizer_off_last() -> None:
    scene = Scene()
    assert await scene.reconcile() == ["check", "reconcile"]
    scene.store.delete(INFRASTRUCTURE, "bar", NS)
    assert await scene.reconcile() == ["delete"]
    during = scene.done[0][1]
    assert during["metadata"]["finalizers"] == [FINALIZER]
    assert during["status"]["lastOperation"]["type"] == "Delete"
    assert during["status"]["lastOperation"]["description"] == "Deleting the Infrastructure."
    assert scene.store.get(INFRASTRUCTURE, "bar", NS) is None


async def test_a_deletion_that_fails_is_reported_and_retried() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.store.delete(INFRASTRUCTURE, "bar", NS)
    scene.error["delete"] = InvalidInput("in use")
    with pytest.raises(InvalidInput):
        await scene.reconcile()
    assert scene.shown() == ("Delete", "Error", 50, "Error deleting Infrastructure: in use.")
    assert scene.now()["metadata"]["finalizers"] == [FINALIZER]
    scene.error.clear()
    assert await scene.reconcile() == ["delete"]
    assert scene.store.get(INFRASTRUCTURE, "bar", NS) is None


async def test_an_object_that_is_deleted_without_our_finalizer_is_none_of_ours() -> None:
    scene = Scene()
    scene.store.patch(INFRASTRUCTURE, "bar", {"metadata": {"finalizers": ["example.com/other"]}}, NS)
    scene.store.delete(INFRASTRUCTURE, "bar", NS)
    assert await scene.reconcile() == []


async def test_a_migration_hands_the_object_over() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.ask("migrate")
    assert await scene.reconcile() == ["migrate"]
    during = scene.done[0][1]
    assert during["metadata"]["annotations"][OPERATION] == "migrate"
    assert during["status"]["lastOperation"]["description"] == "Starting migration of the Infrastructure."
    assert scene.shown() == ("Migrate", "Succeeded", 100, "Successfully migrated Infrastructure.")
    assert "finalizers" not in scene.now()["metadata"]
    assert OPERATION not in scene.now()["metadata"].get("annotations", {})
    assert await scene.reconcile() == []


async def test_a_migration_puts_no_finalizer_on_what_has_none() -> None:
    scene = Scene()
    scene.ask("migrate")
    assert await scene.reconcile() == ["migrate"]
    assert "finalizers" not in scene.done[0][1]["metadata"]


async def test_a_migration_that_was_cut_off_goes_on() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.ask("migrate")
    scene.error["migrate"] = InvalidInput("no")
    with pytest.raises(InvalidInput):
        await scene.reconcile()
    assert scene.shown() == ("Migrate", "Error", 50, "Error migrating Infrastructure: no.")
    assert scene.now()["metadata"]["annotations"][OPERATION] == "migrate"
    scene.error.clear()
    assert await scene.reconcile() == ["migrate"]


async def test_a_restore_waits_for_the_state_and_is_then_a_reconcile() -> None:
    scene = Scene()
    scene.ask("wait-for-state")
    assert await scene.reconcile() == []
    scene.ask("restore")
    assert await scene.reconcile() == ["check", "reconcile"]
    during = scene.done[1][1]
    assert during["metadata"]["annotations"][OPERATION] == "restore"
    assert during["metadata"]["finalizers"] == [FINALIZER]
    assert during["status"]["lastOperation"]["description"] == "Restoring the Infrastructure."
    assert scene.shown() == ("Restore", "Succeeded", 100, "Successfully restored Infrastructure.")
    assert OPERATION not in scene.now()["metadata"].get("annotations", {})


async def test_a_refused_config_is_reported_with_its_errors_and_nothing_is_done() -> None:
    scene = Scene()
    scene.error["check"] = InvalidInput('networks.cloudNAT.natIPNames[0].name: Not found: "x"')
    with pytest.raises(InvalidInput):
        await scene.reconcile()
    assert [name for name, _ in scene.done] == ["check"]
    status = scene.now()["status"]
    assert scene.shown()[:3] == ("Create", "Error", 50)
    assert status["lastError"]["description"] == (
        'Error checking infrastructure config: networks.cloudNAT.natIPNames[0].name: Not found: "x".'
    )
    assert status["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
    assert status["observedGeneration"] == scene.now()["metadata"]["generation"]


@pytest.mark.parametrize(
    ("operation", "deleted", "last", "expected"),
    [
        ("migrate", True, ("Reconcile", "Succeeded"), "Migrate"),
        ("restore", True, ("Reconcile", "Succeeded"), "Delete"),
        (None, True, None, "Delete"),
        ("restore", False, ("Reconcile", "Succeeded"), "Restore"),
        ("reconcile", False, None, "Create"),
        ("reconcile", False, ("Create", "Error"), "Create"),
        ("reconcile", False, ("Create", "Succeeded"), "Reconcile"),
        (None, False, ("Migrate", "Processing"), "Migrate"),
        (None, False, ("Restore", "Error"), "Restore"),
        ("reconcile", False, ("Restore", "Succeeded"), "Reconcile"),
        (None, False, ("Reconcile", "Error"), "Reconcile"),
    ],
)
def test_the_first_that_holds_names_the_operation(
    operation: str | None, deleted: bool, last: tuple[str, str] | None, expected: str
) -> None:
    metadata: Manifest = {"annotations": {OPERATION: operation} if operation else {}}
    if deleted:
        metadata["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    status = {"lastOperation": {"type": last[0], "state": last[1]}} if last else {}
    assert operation_type({"metadata": metadata, "status": status}) == expected


@pytest.mark.parametrize("text", ["error x", "Error x", " error x.", "Error x. "])
def test_a_sentence_has_one_capital_and_one_full_stop(text: str) -> None:
    assert sentence(text) == "Error x."
