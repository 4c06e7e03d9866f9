"""The protocol of extension objects (docs/reference/gardener.md#extension-contract)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.store_kube import StoreKube
from tests.unit.gardener.controllers.scripted_world import ScriptedClock

from dualstack.clock import parse_rfc3339
from dualstack.gardener.controllers.extension import (
    WORKER_EXTENSION,
    Answer,
    ExtensionReconciler,
    RequeueAfter,
    Status,
    answer_of,
    describe_answer,
)
from dualstack.gardener.error_codes import error_codes
from dualstack.gardener.model.kinds import CLUSTER, WORKER
from dualstack.kube.interface import Conflict, Invalid, NotFound
from dualstack.model.errors import ComputeError, GateFailed, InvalidInput
from dualstack.model.kinds import CRD, NAMESPACE, Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions

NS = "shoot--foo--bar"
ASKED = {"gardener.cloud/operation": "reconcile", "gardener.cloud/timestamp": "2027-01-15T08:00:00.5Z"}

REQUESTED = parse_rfc3339(ASKED["gardener.cloud/timestamp"])


class Scene:
    """One Worker, its Cluster, and an actuator that does what the test says."""

    def __init__(self, shoot_state: str = "Processing") -> None:
        self.clock = ScriptedClock()
        self.store = KubeStore(self.clock, Chance(1))
        for definition in definitions():
            self.store.create(CRD, definition)
        self.store.create(NAMESPACE, {"metadata": {"name": NS}})
        shoot = {"metadata": {"name": "bar"}, "status": {"lastOperation": {"state": shoot_state}}}
        self.store.create(CLUSTER, manifest(CLUSTER, NS, spec={"shoot": shoot}))
        worker = manifest(WORKER, "bar", NS, spec={"type": "gcp"})
        worker["metadata"]["annotations"] = ASKED
        self.store.create(WORKER, worker)
        self.kube = StoreKube(self.store)
        self.seen: list[Manifest] = []
        self.error: Exception | None = None
        self.result: Status = {}
        self.reconciler = ExtensionReconciler(self.kube, self.clock, WORKER_EXTENSION, self.act)

    async def act(self, found: Manifest, shoot: Manifest) -> Status:
        self.seen.append(self.worker())
        if self.error is not None:
            raise self.error
        return self.result

    def worker(self) -> Manifest:
        found = self.store.get(WORKER, "bar", NS)
        assert found is not None
        return found

    def ask(self) -> None:
        self.store.patch(WORKER, "bar", {"metadata": {"annotations": ASKED}}, NS)


async def test_p14_a_defect_shows_in_the_status_too() -> None:
    scene = Scene()
    scene.error = KeyError("spec")
    with pytest.raises(KeyError):
        await scene.reconciler.reconcile("bar", NS)
    status = scene.worker()["status"]
    assert status["lastOperation"]["state"] == "Error"
    assert "defect of dualstack, which its log has in full: KeyError: 'spec'" in status["lastError"]["description"]


async def test_a_request_whose_annotation_was_taken_off_by_a_process_that_died_is_answered() -> None:
    """Given a success before the request, when the operation is gone but nothing was begun, then it acts."""
    scene = Scene()
    earlier = {"state": "Succeeded", "type": "Create", "lastUpdateTime": "2027-01-15T07:00:00Z"}
    scene.store.patch(WORKER, "bar", {"status": {"lastOperation": earlier}}, NS, subresource="status")
    scene.store.patch(WORKER, "bar", {"metadata": {"annotations": {"gardener.cloud/operation": None}}}, NS)
    await scene.reconciler.reconcile("bar", NS)
    assert len(scene.seen) == 1
    assert answer_of(scene.worker(), REQUESTED) is Answer.DONE
    await scene.reconciler.reconcile("bar", NS)
    assert len(scene.seen) == 1


async def test_the_operation_is_gone_and_processing_shown_before_it_acts() -> None:
    scene = Scene()
    assert await scene.reconciler.reconcile("bar", NS) is None
    during = scene.seen[0]
    assert "gardener.cloud/operation" not in during["metadata"]["annotations"]
    assert during["metadata"]["finalizers"] == ["extensions.gardener.cloud/worker"]
    operation = during["status"]["lastOperation"]
    assert (operation["type"], operation["state"], operation["progress"]) == ("Create", "Processing", 1)
    assert operation["description"] == "Reconciling the worker."


async def test_success_carries_the_actuators_fields() -> None:
    scene = Scene()
    scene.result = {"machineDeployments": [{"name": "x"}]}
    await scene.reconciler.reconcile("bar", NS)
    status = scene.worker()["status"]
    assert status["machineDeployments"] == [{"name": "x"}]
    assert (status["lastOperation"]["state"], status["lastOperation"]["progress"]) == ("Succeeded", 100)
    assert status["lastOperation"]["description"] == "Successfully reconciled worker."
    assert status["observedGeneration"] == scene.worker()["metadata"]["generation"]
    assert answer_of(scene.worker(), REQUESTED) is Answer.DONE


async def test_an_error_is_reported_and_raised_and_removed_by_the_next_success() -> None:
    scene = Scene()
    scene.error = InvalidInput("spec.x: Required value")
    with pytest.raises(InvalidInput):
        await scene.reconciler.reconcile("bar", NS)
    status = scene.worker()["status"]
    assert (status["lastOperation"]["state"], status["lastOperation"]["progress"]) == ("Error", 50)
    assert status["lastError"]["description"] == "Error reconciling worker: spec.x: Required value."
    assert status["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
    assert describe_answer(scene.worker(), REQUESTED) == (
        "error during reconciliation: Error reconciling worker: spec.x: Required value."
    )
    scene.error = None
    assert await scene.reconciler.reconcile("bar", NS) is None
    assert "lastError" not in scene.worker()["status"]
    assert scene.worker()["status"]["lastOperation"]["type"] == "Create"


async def test_a_requeue_names_its_time() -> None:
    scene = Scene()
    scene.error = RequeueAfter(15.0, "not yet")
    assert await scene.reconciler.reconcile("bar", NS) == 15.0
    assert scene.worker()["status"]["lastError"]["description"] == "Error reconciling worker: not yet."


async def test_a_succeeded_object_rests_until_the_next_request() -> None:
    scene = Scene()
    await scene.reconciler.reconcile("bar", NS)
    scene.kube.writes.clear()
    assert await scene.reconciler.reconcile("bar", NS) is None
    assert scene.kube.writes == []
    scene.ask()
    await scene.reconciler.reconcile("bar", NS)
    assert scene.worker()["status"]["lastOperation"]["type"] == "Reconcile"


async def test_objects_of_a_failed_shoot_are_left_alone() -> None:
    scene = Scene("Failed")
    assert await scene.reconciler.reconcile("bar", NS) is None
    assert scene.kube.writes == []


@pytest.mark.parametrize("operation", ["wait-for-state", "migrate", "restore"])
async def test_operations_of_a_control_plane_migration_are_left_alone(operation: str) -> None:
    scene = Scene()
    change = {"metadata": {"annotations": {"gardener.cloud/operation": operation}}}
    scene.store.patch(WORKER, "bar", change, NS)
    assert await scene.reconciler.reconcile("bar", NS) is None
    assert scene.kube.writes == []


async def test_without_a_cluster_there_is_nothing_to_go_by() -> None:
    scene = Scene()
    scene.store.delete(CLUSTER, NS)
    with pytest.raises(NotFound):
        await scene.reconciler.reconcile("bar", NS)
    assert await scene.reconciler.reconcile("other", NS) is None


ANSWERED: Manifest = {
    "metadata": {"generation": 2, "annotations": {"gardener.cloud/timestamp": "2027-01-15T08:00:00.5Z"}},
    "status": {
        "observedGeneration": 2,
        "lastOperation": {"state": "Succeeded", "lastUpdateTime": "2027-01-15T08:00:00Z"},
    },
}


def test_a_complete_answer_is_finished_within_the_same_second() -> None:
    assert answer_of(ANSWERED, REQUESTED) is Answer.DONE


@pytest.mark.parametrize("stamp", ["2027-01-15T07:00:00Z", "2027-01-15T23:00:00Z", "rubbish", None])
def test_p07_the_timestamp_annotation_of_another_program_does_not_matter(stamp: str | None) -> None:
    change = {"metadata": {"annotations": {"gardener.cloud/timestamp": stamp}}}
    assert answer_of(_with(ANSWERED, change), REQUESTED) is Answer.DONE


@pytest.mark.parametrize(
    ("change", "answer", "words"),
    [
        ({"metadata": {"generation": 3}}, Answer.OUTDATED, "another program has changed the spec"),
        (
            {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}},
            Answer.NOT_ACCEPTED,
            "no controller has accepted operation reconcile",
        ),
        ({"status": {"lastError": {"description": "no"}}}, Answer.FAILED, "error during reconciliation: no"),
        (
            {"status": {"lastOperation": {"state": "Processing", "description": "1 of 2 nodes"}}},
            Answer.WORKING,
            "1 of 2 nodes",
        ),
        (
            {"status": {"lastOperation": {"lastUpdateTime": "2027-01-15T07:59:59Z"}}},
            Answer.NOT_BEGUN,
            "no controller has begun the request",
        ),
    ],
)
def test_each_condition_of_an_answer_is_checked(change: Manifest, answer: Answer, words: str) -> None:
    found = _with(ANSWERED, change)
    assert answer_of(found, REQUESTED) is answer
    assert words in describe_answer(found, REQUESTED)


def test_codes_come_from_the_class_or_the_words_of_a_cloud() -> None:
    assert error_codes(InvalidInput("x")) == ("ERR_CONFIGURATION_PROBLEM",)
    assert error_codes(ComputeError("Quota 'X' exceeded")) == ("ERR_INFRA_QUOTA_EXCEEDED",)
    assert error_codes(Invalid("Invalid value: 3")) == ("ERR_CONFIGURATION_PROBLEM",)
    assert error_codes(Conflict("Conflict")) == ()
    assert error_codes(GateFailed("Conflict")) == ("ERR_RETRYABLE_INFRA_DEPENDENCIES",)


def _with(base: Any, change: Any) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{key: _with(base.get(key), value) for key, value in change.items()}}
    return change
