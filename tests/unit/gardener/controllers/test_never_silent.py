"""Every wait names what it waits for and ends within a bounded time; requests without effect are answered at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.clusters import one_api_server
from tests.unit.gardener.controllers.migration import EXAMPLE, GOLDEN, Migration
from tests.unit.gardener.controllers.scripted_world import NS, ScriptedClock

from dualstack.clock import rfc3339
from dualstack.gardener.controllers import workers
from dualstack.gardener.controllers.diagnosis import node_problems
from dualstack.gardener.controllers.extension import NETWORK_EXTENSION, WORKER_EXTENSION
from dualstack.gardener.controllers.infrastructure.progress import MigrationProgress
from dualstack.gardener.controllers.shoot import ShootController, controller
from dualstack.gardener.controllers.shoot import extensions as shoot_extensions
from dualstack.gardener.controllers.shoot.annotations import AnnotationController
from dualstack.gardener.controllers.shoot.extensions import ExtensionFailed, ExtensionRequests
from dualstack.gardener.controllers.shoot.flow import Pass
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names
from dualstack.gardener.model.annotations import infrastructure_faults, shoot_faults
from dualstack.gardener.model.shoot import load_shoot
from dualstack.kube.waiting import WaitTimeout, wait_until
from dualstack.model import kinds
from dualstack.model.errors import DualstackError
from dualstack.model.events import Progress, StepFailed, StepStarted, Waiting
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import manifest
from dualstack.model.memory import BEFORE_MIGRATION
from dualstack.model.names import RANGES
from dualstack.operator.queue import delay_after
from dualstack_sim.kube.storage import Change
from dualstack_sim.kube.types import ResourceType

OPERATION, TIMESTAMP = "gardener.cloud/operation", "gardener.cloud/timestamp"
HOUR = 3600.0


def events(migration: Migration, reason: str) -> list[Manifest]:
    """The Kubernetes Events with this reason about the Shoot."""
    listed = migration.world.store.list(kinds.EVENT, "garden-foo")
    return [event for event in listed if event["reason"] == reason]


def annotate(migration: Migration, **annotations: str | None) -> None:
    """Annotations of the Shoot; `__` stands for what a name of Python cannot have."""
    names = {f"dualstack.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", {"metadata": {"annotations": names}}, "garden-foo")


def errors(migration: Migration) -> list[Manifest]:
    found: list[Manifest] = migration.shoot()["status"].get("lastErrors") or []
    return found


async def until_failed(migration: Migration, within: float) -> list[float]:
    """Reconcile as the queue does until the Shoot is Failed; the delays before the retries."""
    deadline = migration.world.clock.now() + within
    delays: list[float] = []
    while migration.shoot()["status"]["lastOperation"]["state"] != "Failed":
        assert migration.world.clock.now() < deadline, migration.shoot()["status"]
        try:
            again = await migration.controller.reconcile("bar", "garden-foo")
        except DualstackError as error:
            again = delay_after(error, len(delays) + 1)
            delays.append(again)
        await migration.world.clock.sleep(again or 0.0)
    return delays


# P7: waits are for states, not for values that others may write


@pytest.mark.parametrize("operation", [None, "reconcile"])
async def test_p07_a_foreign_timestamp_during_every_wait_does_not_hang_the_shoot(operation: str | None) -> None:
    migration = Migration()
    react = migration.world.react
    kinds_of_extensions = (
        gardener_kinds.INFRASTRUCTURE,
        gardener_kinds.CONTROL_PLANE,
        gardener_kinds.NETWORK,
        gardener_kinds.WORKER,
    )

    async def meddle() -> None:
        """Another program annotates all extension objects, and now and then requests a reconcile of its own."""
        for number, kind in enumerate(kinds_of_extensions):
            annotations: dict[str, Any] = {TIMESTAMP: f"2031-01-15T08:00:0{number}Z"}
            if operation and migration.world.clock.sleeps % 5 == 0:
                annotations[OPERATION] = operation
            migration.world.store.patch(kind, "bar", {"metadata": {"annotations": annotations}}, NS)
        await react()

    migration.world.clock.react = meddle
    migration.trigger()
    await migration.until_rest(turns=200)
    assert migration.constraints == GOLDEN
    assert migration.world.clock.sleeps < 400


async def test_p07_two_operators_at_once_both_finish() -> None:
    migration = Migration()
    other = ShootController(one_api_server(migration.world.kube), migration.world.clock, migration.events.append)
    migration.trigger()

    async def second() -> None:
        for _ in range(60):
            try:
                again = await other.reconcile("bar", "garden-foo")
            except DualstackError as error:
                again = delay_after(error, 1)
            if again is None:
                return
            await migration.world.clock.sleep(again)
            await asyncio.sleep(0)

    await asyncio.gather(migration.until_rest(), second())
    assert migration.shoot()["status"]["lastOperation"]["state"] == "Succeeded"
    await migration.until_rest()
    assert [name for name, *_ in migration.constraints[-1:]] == ["DNSServiceMigrationReady"]
    assert migration.world.clock.sleeps < 600


@pytest.mark.parametrize("change", ["operation", "spec"])
async def test_p07_a_request_that_another_program_overtook_is_made_again(change: str) -> None:
    migration = Migration()
    world, requests = migration.world, ExtensionRequests(migration.world.kube, migration.world.clock)
    found = migration.get(gardener_kinds.NETWORK, "bar")
    world.clock.react = None
    world.clock.time += 60.0
    requested = await requests.request(NETWORK_EXTENSION, found)
    taken = {"metadata": {"annotations": {OPERATION: None}}}
    if change == "operation":
        world.store.patch(gardener_kinds.NETWORK, "bar", taken, NS)
    else:
        await world.react()
        world.store.patch(gardener_kinds.NETWORK, "bar", {"spec": {"podCIDR": "100.99.0.0/16"}}, NS)

    async def react() -> None:
        if dig(migration.get(gardener_kinds.NETWORK, "bar"), "metadata", "annotations", OPERATION):
            await world.react()

    world.clock.react = react
    answered = await requests.wait(NETWORK_EXTENSION, found, requested)
    assert answered["spec"]["podCIDR"] == found["spec"]["podCIDR"]
    assert world.clock.now() - requested <= 90


async def test_p07_two_programs_that_remove_each_others_requests_do_not_do_so_for_ever() -> None:
    migration = Migration()
    world, requests = migration.world, ExtensionRequests(migration.world.kube, migration.world.clock)
    found = migration.get(gardener_kinds.NETWORK, "bar")

    async def remove() -> None:
        world.store.patch(gardener_kinds.NETWORK, "bar", {"metadata": {"annotations": {OPERATION: None}}}, NS)

    world.clock.time += 60.0
    world.clock.react = remove
    requested = await requests.request(NETWORK_EXTENSION, found)
    with pytest.raises(WaitTimeout, match=r"Network bar: no controller has begun the request, .* \(\d+ s\)$"):
        await requests.wait(NETWORK_EXTENSION, found, requested)
    assert world.clock.now() - requested <= 700
    asked = [write for write in world.kube.writes if write[1] == "Network"]
    assert 2 <= len(asked) <= 4


async def test_p07_an_extension_that_stops_working_is_an_error_with_a_code() -> None:
    migration = Migration()
    world, requests = migration.world, ExtensionRequests(migration.world.kube, migration.world.clock)
    found = migration.get(gardener_kinds.NETWORK, "bar")
    world.clock.react = None
    requested = await requests.request(NETWORK_EXTENSION, found)
    world.store.patch(gardener_kinds.NETWORK, "bar", {"metadata": {"annotations": {OPERATION: None}}}, NS)
    begun = {"type": "Reconcile", "state": "Processing", "description": "Waiting for x."}
    status = {"status": {"lastOperation": {**begun, "lastUpdateTime": "2027-01-15T08:00:00Z"}}}
    world.store.patch(gardener_kinds.NETWORK, "bar", status, NS, subresource="status")
    with pytest.raises(WaitTimeout, match=r"Network bar: Waiting for x\., since 2027-01-15T08:00:00Z"):
        await requests.wait(NETWORK_EXTENSION, found, requested)
    assert world.clock.now() - requested <= HOUR + 60


async def test_p33_an_extension_whose_controller_fails_and_tries_again_is_given_up() -> None:
    """Its short errors between long attempts are one error, because nothing happens in between."""
    migration = Migration()
    world, requests = migration.world, ExtensionRequests(migration.world.kube, migration.world.clock)
    found = migration.get(gardener_kinds.WORKER, "bar")
    error = {"description": "Error reconciling worker: waiting for the machines", "codes": ["ERR_INFRA_QUOTA_EXCEEDED"]}

    async def react() -> None:
        """An attempt of 29 minutes, then half a minute of Error."""
        failed = world.clock.now() % 1800 > 1770
        operation = {"type": "Reconcile", "state": "Error" if failed else "Processing", "description": "x"}
        stamp = migration.world.store.get(gardener_kinds.WORKER, "bar", NS)
        assert stamp is not None
        last = {**operation, "lastUpdateTime": "2030-01-15T08:00:00Z"}
        status = {"lastOperation": last, "lastError": error if failed else None}
        world.store.patch(gardener_kinds.WORKER, "bar", {"metadata": {"annotations": {OPERATION: None}}}, NS)
        world.store.patch(gardener_kinds.WORKER, "bar", {"status": status}, NS, subresource="status")

    world.clock.react = react
    world.clock.time += 60.0
    requested = world.clock.now()
    with pytest.raises(ExtensionFailed, match="waiting for the machines") as caught:
        await requests.wait(WORKER_EXTENSION, found, requested)
    assert caught.value.codes == ("ERR_INFRA_QUOTA_EXCEEDED",)
    assert world.clock.now() - requested <= 2 * HOUR


# P33: repetition is not progress


def refuse(migration: Migration) -> Any:
    """The Infrastructure's controller does nothing but refuse, and nothing else reacts."""

    async def react() -> None:
        found = migration.get(gardener_kinds.INFRASTRUCTURE, "bar")
        if not dig(found, "metadata", "annotations", OPERATION):
            return
        stamp = rfc3339(migration.world.clock.now())
        text = "Error reconciling infrastructure: the gate is shut."
        last = {"type": "Reconcile", "state": "Error", "progress": 50, "description": text, "lastUpdateTime": stamp}
        error = {"description": text, "codes": ["ERR_RETRYABLE_INFRA_DEPENDENCIES"], "lastUpdateTime": stamp}
        status = {"lastOperation": last, "lastError": error}
        metadata = {"annotations": {OPERATION: None}}
        migration.world.store.patch(gardener_kinds.INFRASTRUCTURE, "bar", {"metadata": metadata}, NS)
        migration.world.store.patch(gardener_kinds.INFRASTRUCTURE, "bar", {"status": status}, NS, subresource="status")

    return react


async def test_p33_a_step_that_is_refused_for_ever_fails_with_a_code_since_when_and_how_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert controller.RETRY_DURATION == 12 * HOUR
    monkeypatch.setattr(controller, "RETRY_DURATION", 2 * HOUR)
    migration = Migration()
    migration.world.clock.react = refuse(migration)
    migration.trigger()
    begun = migration.world.clock.now()
    delays = await until_failed(migration, within=3 * HOUR)
    assert migration.world.clock.now() - begun >= 2 * HOUR
    assert delays == sorted(delays)
    assert delays[-1] >= 160.0
    operation, (error,) = migration.shoot()["status"]["lastOperation"], errors(migration)
    count = len(delays) + 1
    assert "the gate is shut" in operation["description"]
    assert f"It has failed {count} times since 2027-01-15T08:10:" in operation["description"]
    assert error["codes"] == ["ERR_RETRYABLE_INFRA_DEPENDENCIES"]
    assert error["taskID"] == "Waiting until Shoot infrastructure has been reconciled"
    assert events(migration, "ReconcileError")[0]["type"] == "Warning"
    assert await migration.controller.reconcile("bar", "garden-foo") is None


async def test_p33_a_request_begins_a_new_cycle_of_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "RETRY_DURATION", HOUR)
    migration = Migration()
    migration.world.clock.react = refuse(migration)
    migration.trigger()
    await until_failed(migration, within=2 * HOUR)
    retry = {"metadata": {"annotations": {OPERATION: "retry"}}}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", retry, "garden-foo")
    with pytest.raises(ExtensionFailed):
        await migration.controller.reconcile("bar", "garden-foo")
    status = migration.shoot()["status"]
    assert status["lastOperation"]["state"] == "Error"
    assert "times since" not in status["lastOperation"]["description"]
    migration.world.clock.react = migration.world.react
    await migration.until_rest()
    assert migration.constraints == GOLDEN
    assert "retryCycleStartTime" not in migration.shoot()["status"]


async def test_p33_words_that_come_back_are_no_progress() -> None:
    migration = Migration()
    words = iter(["1 of 2", "2 of 2", *["1 of 2", "2 of 2"] * 100])

    async def check() -> str:
        return next(words)

    begun = migration.world.clock.now()
    with pytest.raises(WaitTimeout):
        await wait_until(check, migration.world.clock, what="x", timeout=60.0, extend=True)
    assert migration.world.clock.now() - begun <= 80


# P4, P34: a wait names its object, since when, and why


QUOTA = "googleapi: Error 403: Quota 'CPUS' exceeded.  Limit: 24.0 in region europe-west1., quotaExceeded"


def machine(migration: Migration, description: str, *, phase: str = "Pending", state: str = "Processing") -> str:
    """Place a Machine that does not become a Node; its name."""
    found = manifest(gardener_kinds.MACHINE, f"{NS}-w1-z1-abc", NS)
    stamp = "2027-01-15T07:50:00Z"
    status = {
        "currentStatus": {"phase": phase, "lastUpdateTime": stamp},
        "lastOperation": {"description": description, "state": state, "type": "Create", "lastUpdateTime": stamp},
    }
    migration.world.store.upsert(gardener_kinds.MACHINE, {**found, "status": status})
    return str(found["metadata"]["name"])


async def test_p34_the_machine_that_has_no_quota_is_named_and_ends_the_wait_with_its_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert workers.TIMEOUT == HOUR / 2
    monkeypatch.setattr(workers, "TIMEOUT", 120.0)
    monkeypatch.setattr(shoot_extensions, "ERROR_TIMEOUT", 60.0)
    migration = Migration()
    migration.world.roll_nodes = False
    name = machine(migration, QUOTA, phase="CrashLoopBackOff", state="Failed")
    migration.trigger()
    begun = migration.world.clock.now()
    shown: list[str] = []

    def see(resource: ResourceType, change: Change) -> None:
        if resource.plural == "shoots":
            found: Any = change.object.manifest
            shown.append(found["status"]["lastOperation"]["description"])

    migration.world.store.listen(see)
    await until_failed(migration, within=4 * HOUR)
    why = f"Machine {name} is CrashLoopBackOff since 2027-01-15T07:50:00Z: {QUOTA}"
    assert any("Waiting until Shoot worker nodes" in text and "0 of 3 " in text for text in shown)
    assert any(why in text for text in shown)
    assert why in events(migration, "ReconcileError")[0]["message"]
    (error,) = errors(migration)
    assert why in error["description"]
    assert error["codes"] == ["ERR_INFRA_UNAUTHORIZED", "ERR_INFRA_QUOTA_EXCEEDED"]
    assert migration.world.clock.now() - begun <= HOUR


@pytest.mark.parametrize("resumed", [False, True])
async def test_p34_a_machine_deployment_paused_in_the_roll_out_is_named_with_a_code(resumed: bool) -> None:
    """Within half an hour; when it is resumed within ten minutes, the migration goes on without a request."""
    migration = Migration()
    world, begun, react = migration.world, 0.0, migration.world.react
    (name,) = (each["metadata"]["name"] for each in world.store.list(gardener_kinds.MACHINE_DEPLOYMENT, NS))

    def pause(paused: bool) -> None:
        world.roll_nodes = not paused
        world.store.patch(gardener_kinds.MACHINE_DEPLOYMENT, name, {"spec": {"paused": paused}}, NS)

    async def interrupt() -> None:
        nonlocal begun
        await react()
        sizes = {len(node["spec"]["podCIDRs"]) for node in world.store.list(kinds.NODE)}
        if not begun and sizes == {1, 2}:
            begun = world.clock.now()
            pause(True)
        elif resumed and begun and world.clock.now() - begun > 300.0:
            pause(False)

    world.clock.react = interrupt
    migration.trigger()
    if resumed:
        await migration.until_rest()
        assert begun
        assert migration.constraints[-1] == GOLDEN[-1]
        return
    await until_failed(migration, within=4 * HOUR)
    (error,) = errors(migration)
    why = f"MachineDeployment {NS}/{name}: spec.paused is true, so that no roll-out replaces its machines"
    assert why in error["description"]
    assert error["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
    assert why in events(migration, "ReconcileError")[0]["message"]
    assert world.clock.now() - begun <= HOUR / 2


async def test_p04_a_pod_that_does_not_start_is_named_with_its_reason() -> None:
    """A kube-apiserver that never becomes available, in a pass and without a migration."""
    migration = Migration()
    world = migration.world
    labels = migration.get(kinds.DEPLOYMENT, "kube-apiserver")["spec"]["selector"]["matchLabels"]
    pod = manifest(kinds.POD, "kube-apiserver-0", NS, spec={"containers": [{"name": "apiserver", "image": "x"}]})
    pod["metadata"]["labels"] = labels
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image x"}
    status = {"phase": "Pending", "containerStatuses": [{"name": "apiserver", "state": {"waiting": waiting}}]}
    world.store.upsert(kinds.POD, {**pod, "status": status})
    react = world.react

    async def stuck() -> None:
        await react()
        body = {"status": {"availableReplicas": 0}}
        world.store.patch(kinds.DEPLOYMENT, "kube-apiserver", body, NS, subresource="status")

    world.clock.react = stuck
    migration.trigger()
    with pytest.raises(WaitTimeout, match=r"Pod shoot--foo--bar/kube-apiserver-0 is not ready since .*: container "):
        await migration.controller.reconcile("bar", "garden-foo")
    status = migration.shoot()["status"]
    why = "ImagePullBackOff: Back-off pulling image x"
    assert why in status["lastOperation"]["description"]
    (waiting_event,) = (event for event in migration.events if isinstance(event, Waiting))
    assert why in waiting_event.detail
    assert 300 <= waiting_event.at - waiting_event.since < 400
    (event,) = events(migration, "Waiting")
    assert why in event["message"]
    assert status["lastOperation"]["state"] == "Error"
    assert errors(migration)[0]["codes"] == ["ERR_RETRYABLE_INFRA_DEPENDENCIES"]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (
            {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "gone"}]},
            "Node n is not Ready since 2027-01-15T08:00:00Z: NodeStatusUnknown: gone",
        ),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, "Node n has no pod CIDR since 2027-01-15T08:00:00Z"),
    ],
)
def test_p04_a_node_is_named_with_its_condition(node: Manifest, words: str) -> None:
    found = {"metadata": {"name": "n", "creationTimestamp": "2027-01-15T08:00:00Z"}, "spec": {}, "status": node}
    assert node_problems([found]) == [words]


@pytest.mark.parametrize("strategy", ["AutoInPlaceUpdate", "ManualInPlaceUpdate"])
@pytest.mark.parametrize("rollout", ["auto", "manual"])
async def test_p04_nodes_of_an_in_place_pool_are_reported_midway(strategy: str, rollout: str) -> None:
    shoot = load_shoot(EXAMPLE.read_text())
    (pool,) = shoot["spec"]["provider"]["workers"]
    pool["updateStrategy"] = strategy
    if strategy == "ManualInPlaceUpdate":
        del pool["maxSurge"], pool["maxUnavailable"]
    migration = Migration(shoot=shoot, rollout=rollout)
    migration.trigger()
    for _ in range(20):
        await migration.turn()
    (error,) = errors(migration)
    assert error["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
    assert f"has updateStrategy {strategy}; move its workload to a pool with AutoRollingUpdate" in error["description"]
    assert len(events(migration, "NodesNeverReplaced")) == 1
    assert [event.final for event in migration.events if isinstance(event, StepFailed)] == [True]


# P14: what a user has to do, and how far it is


async def test_p14_a_manual_roll_out_says_which_nodes_to_replace_now() -> None:
    migration = Migration(rollout="manual")
    migration.trigger()
    for _ in range(20):
        await migration.turn()
    (event,) = events(migration, "ReplaceNodes")
    assert event["message"].startswith("replace nodes now: pool w1: w1-old-0, w1-old-1, w1-old-2; ")
    assert "gardener.cloud/operation=rollout-workers=*" in event["message"]
    for deployment in migration.world.store.list(gardener_kinds.MACHINE_DEPLOYMENT, NS):
        for _ in range(3):
            migration.world.replace_node(deployment)
    await migration.until_rest()
    assert migration.constraints == GOLDEN


async def test_p14_progress_never_falls_and_its_description_follows_the_extension() -> None:
    migration = Migration()
    shown: list[tuple[int, str]] = []

    def see(resource: ResourceType, change: Change) -> None:
        if resource.plural == "shoots":
            last: Any = change.object.manifest["status"]["lastOperation"]
            shown.append((last["progress"], last["description"]))

    migration.world.store.listen(see)
    react = migration.world.react
    looks = 0

    async def slowly() -> None:
        """The Infrastructure's controller takes three looks and shows how far it is."""
        nonlocal looks
        found = migration.get(gardener_kinds.INFRASTRUCTURE, "bar")
        if looks >= 3 or (looks == 0 and not dig(found, "metadata", "annotations", OPERATION)):
            await react()
            return
        looks += 1
        taken = {"metadata": {"annotations": {OPERATION: None}}}
        migration.world.store.patch(gardener_kinds.INFRASTRUCTURE, "bar", taken, NS)
        text = f"Reconciling the infrastructure: aliases {looks}0 of 40 nodes; {9 - looks} min left."
        last = {"type": "Reconcile", "state": "Processing", "progress": looks * 20, "description": text}
        status = {"lastOperation": {**last, "lastUpdateTime": "2030-01-15T08:00:00Z"}}
        migration.world.store.patch(gardener_kinds.INFRASTRUCTURE, "bar", {"status": status}, NS, subresource="status")

    migration.world.clock.react = slowly
    migration.trigger()
    await migration.controller.reconcile("bar", "garden-foo")
    percents = [percent for percent, _ in shown[1:]]  # the first is the edit of the Shoot at rest
    assert percents == sorted(percents)
    assert (21, "aliases 20 of 40 nodes; 7 min left") in [
        (percent, text.partition("infrastructure: ")[2].rstrip(".")) for percent, text in shown
    ]


def test_p14_the_infrastructure_shows_aliases_routes_and_time() -> None:
    clock = ScriptedClock()
    progress = MigrationProgress(lambda event: None, clock)
    progress.listen(StepStarted(at=clock.now(), shoot=NS, step="add-aliases", detail="a, b and 3 more"))
    counts = {"nodes": 120, "nodes_dual_stack": 0, "routes_left": 120, "nodes_with_alias": 37}
    progress.listen(Progress(at=clock.now(), shoot=NS, eta=840.0, **counts))
    text = "add-aliases (a, b and 3 more); aliases 37 of 120 nodes; 120 routes left; 14 min left"
    assert progress.text() == text
    clock.time += 120
    assert progress.text().endswith("12 min left")


# P15: an edit during a pass


async def test_p15_the_task_of_an_edit_during_a_pass_is_left_to_the_next_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    migration = Migration()
    edited = False
    store = migration.world.store
    requests: list[Any] = []

    def see(resource: ResourceType, change: Change) -> None:
        found: Any = change.object.manifest
        if resource.plural == "infrastructures" and dig(found, "metadata", "annotations", OPERATION):
            requests.append(dig(found, "spec", "providerConfig", "networks", "cloudNAT", "minPortsPerVM"))

    store.listen(see)
    react = migration.world.react

    async def edit() -> None:
        nonlocal edited
        if not edited:
            edited = True
            networks = {"cloudNAT": {"minPortsPerVM": 4096}}
            config = {"provider": {"infrastructureConfig": {"networks": networks}}}
            store.patch(gardener_kinds.SHOOT, "bar", {"spec": config}, "garden-foo")
        await react()

    migration.world.clock.react = edit
    migration.trigger()
    await migration.controller.reconcile("bar", "garden-foo")
    assert dig(migration.shoot(), "metadata", "annotations", "shoot.gardener.cloud/tasks") == "deployInfrastructure"
    await migration.until_rest()
    assert not dig(migration.shoot(), "metadata", "annotations", "shoot.gardener.cloud/tasks")
    assert requests[0] is None
    assert requests[-1] == 4096
    assert migration.constraints == GOLDEN


# P8: requests that can do nothing


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({"dualstack.dev/stratgy": "compressed"}, ["no such annotation; did you mean dualstack.dev/strategy?"]),
        ({"dualstack.dev/cutover": "back"}, ["did you mean dualstack.dev/cut-over?"]),
        ({"dualstack.dev/frobnicate": "x"}, ["no such annotation; supported annotations: dualstack.dev/"]),
        ({"Dualstack.dev/Strategy": "compressed"}, ["did you mean dualstack.dev/strategy?"]),
        ({"dualstack.dev/cut-over": "Back "}, ['"Back ": supported values: "back"']),
        ({"dualstack.dev/overlap-unsupported": "x"}, ["it belongs to the Infrastructure"]),
        (
            {"dualstack.dev/drill": "yes", "dualstack.dev/strategy": "fast", "dualstack.dev/cut-over": "forward"},
            ['"yes": supported values: "true", "false"', '"fast": supported values: ', '"forward": supported values'],
        ),
        ({"other.dev/x": "y", "dualstack.dev/drill": "true"}, []),
    ],
)
def test_p08_all_annotations_without_effect_are_found_together(annotations: dict[str, str], words: list[str]) -> None:
    found = list(shoot_faults(annotations))
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True)), found


def test_p08_annotations_of_the_shoot_have_no_effect_on_the_infrastructure() -> None:
    given = {"dualstack.dev/strategy": "auto", "dualstack.dev/overlap-unsuported": "x"}
    found = list(infrastructure_faults("bar", given))
    assert ["set it on the Shoot" in found[0], "did you mean dualstack.dev/overlap-unsupported?" in found[1]] == [
        True,
        True,
    ]


def test_p08_every_annotation_of_the_product_is_known_to_the_check_of_annotations() -> None:
    """Those on other objects are refused on a Shoot."""
    elsewhere = {names.POOL_HASH, RANGES, BEFORE_MIGRATION}
    texts = [value for value in vars(names).values() if isinstance(value, str)]
    ours = elsewhere | {text for text in texts if text.startswith("dualstack.dev/")}
    unknown = {name for name in ours if any("no such annotation" in text for text in shoot_faults({name: "x"}))}
    assert unknown == elsewhere


async def test_p08_an_annotation_without_effect_is_reported_at_once_and_no_longer_when_it_is_gone() -> None:
    migration = Migration()
    checker = AnnotationController(one_api_server(migration.world.kube), migration.world.clock, migration.events.append)
    annotate(migration, stratgy="compressed", drill="yes")
    for _ in range(3):
        assert await checker.reconcile("bar", "garden-foo") is None
    (error,) = errors(migration)
    assert "did you mean dualstack.dev/strategy?" in error["description"]
    assert '"yes": supported values' in error["description"]
    assert error["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
    (event,) = events(migration, "InvalidAnnotation")
    assert (event["count"], event["type"]) == (1, "Warning")
    assert migration.shoot()["status"]["lastOperation"]["state"] == "Succeeded"
    annotate(migration, stratgy=None, drill=None)
    await checker.reconcile("bar", "garden-foo")
    assert errors(migration) == []


async def test_p08_back_is_answered_at_once_when_the_infrastructure_is_dual_stack() -> None:
    migration = Migration()
    checker = AnnotationController(one_api_server(migration.world.kube), migration.world.clock, migration.events.append)
    annotate(migration, cut_over="back")
    await checker.reconcile("bar", "garden-foo")
    assert "back has no effect: no cut-over runs, because the Shoot is IPv4-only" in errors(migration)[0]["description"]
    migration.trigger()
    await checker.reconcile("bar", "garden-foo")
    assert errors(migration) == []
    await migration.until_rest()
    await checker.reconcile("bar", "garden-foo")
    assert "set spec.networking.ipFamilies to [IPv4]" in errors(migration)[0]["description"]
    assert [len(events(migration, "InvalidAnnotation")), migration.constraints] == [2, GOLDEN]
    reconcile = {"metadata": {"annotations": {OPERATION: "reconcile"}}}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", reconcile, "garden-foo")
    await migration.until_rest()
    assert "set spec.networking.ipFamilies to [IPv4]" in errors(migration)[0]["description"], "a pass keeps it"


# P6, P29: what only a later step can bring


async def test_p29_the_last_node_dies_between_the_cut_over_and_the_workers() -> None:
    """A new VM needs the alias of the new machine class before it can become a Node that runs CoreDNS."""
    migration = Migration()
    world = migration.world
    world.nodes_need_aliases = True
    react = world.react

    async def die() -> None:
        await react()
        found = migration.get(gardener_kinds.INFRASTRUCTURE, "bar")
        if len(dig(found, "status", "networking", "nodes") or ()) == 2 and world.clock.react is die:
            world.clock.react = react
            for node in world.store.list(kinds.NODE):
                world.store.delete(kinds.NODE, node["metadata"]["name"])

    world.clock.react = die
    migration.trigger()
    begun = world.clock.now()
    await migration.until_rest()
    assert world.clock.react is not die
    assert all(len(node["spec"]["podCIDRs"]) == 2 for node in world.store.list(kinds.NODE))
    assert migration.constraints[-1] == GOLDEN[-1]
    assert world.clock.now() - begun < HOUR


def hibernate(migration: Migration, enabled: bool) -> None:
    body = {"spec": {"hibernation": {"enabled": enabled}}}
    migration.world.store.patch(gardener_kinds.SHOOT, "bar", body, "garden-foo")


@pytest.mark.parametrize("migrating", [False, True])
async def test_p06_a_hibernated_shoot_wakes_up_with_its_nodes(migrating: bool) -> None:
    """Midway: hibernated while its nodes are still to be replaced."""
    migration = Migration(rollout="manual")
    if migrating:
        migration.trigger()
        for _ in range(10):
            await migration.turn()
        assert migration.constraints == GOLDEN[:1]
    hibernate(migration, True)
    for _ in range(5):
        await migration.turn()
    assert migration.world.store.list(kinds.NODE) == []
    hibernate(migration, False)
    begun = migration.world.clock.now()
    await migration.until_rest()
    assert len(migration.world.store.list(kinds.NODE)) == 3
    assert migration.shoot()["status"]["lastOperation"]["state"] == "Succeeded"
    assert migration.world.clock.now() - begun < HOUR
    if migrating:
        assert migration.constraints == GOLDEN


async def test_p06_the_migration_of_a_hibernated_shoot_waits_until_it_is_woken_up() -> None:
    migration = Migration()
    hibernate(migration, True)
    await migration.until_rest()
    migration.trigger()
    await migration.until_rest()
    found = migration.get(gardener_kinds.INFRASTRUCTURE, "bar")
    assert len(found["status"]["networking"]["nodes"]) == 1
    assert migration.constraints == []
    (event,) = events(migration, "MigrationPostponed")
    assert "begins when spec.hibernation.enabled is false" in event["message"]
    hibernate(migration, False)
    await migration.until_rest()
    assert migration.constraints == GOLDEN
    assert all(len(node["spec"]["podCIDRs"]) == 2 for node in migration.world.store.list(kinds.NODE))


async def test_p14_a_defect_shows_in_the_status_of_the_shoot_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stumble(_: object) -> None:
        raise KeyError("spec")

    migration = Migration()
    monkeypatch.setattr(Pass, "run", stumble)
    migration.trigger()
    with pytest.raises(KeyError):
        await migration.until_rest()
    (error,) = errors(migration)
    assert "Defect of dualstack, which its log has in full: KeyError: 'spec'" in error["description"]
    assert migration.shoot()["status"]["lastOperation"]["state"] == "Error"
