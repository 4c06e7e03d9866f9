"""Hand-over to provider-gcp at any stage, and take-back: state, status and Compute are what upstream understands.

test_infrastructure_take_over.py has the points at which upstream itself is cut off.
"""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.gardener.model.infrastructure import InfrastructureState
from dualstack.gardener.model.kinds import INFRASTRUCTURE
from dualstack.gardener.model.names import PREPARE
from dualstack.model.events import AnyEvent, StepStarted
from dualstack.model.kinds import Kind, Manifest
from tests.sim.infrastructure import upstream
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import ZONE, Scene, scene
from tests.support.clusters import one_api_server
from tests.support.store_kube import StoreKube

STEPS = (
    "create-services-subnet",
    "stop-cloud-controller-manager",
    "save-routes",
    "set-overlap-flag",
    "add-range-canary",
    "add-secondary-range",
    "add-alias-canary",
    "add-aliases",
    "delete-route-canary",
    "delete-routes",
    "clear-overlap-flag",
    "clear-saved-routes",
    "set-stack-type",
    "create-firewall-rules",
    "publish-status",
)
QUICKLY = ("add-aliases",)


def each(*steps: str) -> list[Any]:
    return [pytest.param(step, marks=() if step in QUICKLY else pytest.mark.slow) for step in steps]


async def assert_taken_by_upstream(made: Scene) -> None:
    """Upstream has come to its end; the overlap flag is nothing that it knows."""
    status = made.infrastructure()["status"]
    assert status["lastOperation"]["state"] == "Succeeded"
    assert InfrastructureState.from_raw(status["state"]).routes == ()
    assert [len(status["networking"][key]) for key in ("nodes", "pods", "services")] == [2, 2, 2]
    assert await made.node_routes() == []
    await made.clock.sleep(60.0)
    for node in made.world.nodes:
        instance = await made.resource("instances.get", ZONE, node.name)
        found = [alias["ipCidrRange"] for alias in instance["networkInterfaces"][0]["aliasIpRanges"]]
        assert found == [node.pod_cidr]
    subnet = await made.subnet()
    assert [entry["rangeName"] for entry in subnet["secondaryIpRanges"]] == ["ipv4-pod-cidr"]
    assert made.fabric.traffic.report(made.clock.now()).current == 0


async def take_back(made: Scene) -> None:
    """Our controller brings it into its own end state, and then has nothing to do."""
    made.trigger()
    await made.reconcile()
    await assert_end_state(made)
    before = made.mutations()
    made.request()
    await made.reconcile()
    assert made.mutations() == before
    await made.clock.sleep(60.0)
    assert made.fabric.traffic.report(made.clock.now()).current == 0


@pytest.mark.parametrize("step", each(*STEPS))
async def test_handed_over_at_any_step_upstream_finishes_and_it_is_taken_back(step: str) -> None:
    async with scene() as made:
        made.trigger()
        await made.killed_at(step)
        assert not await upstream.migrate(made)
        await assert_taken_by_upstream(made)
        await take_back(made)


class WrittenBy(StoreKube):
    """The seed, in which `manager` was the last to write `lastOperation` of the Infrastructure."""

    def __init__(self, made: Scene, manager: str) -> None:
        super().__init__(made.store)
        self.manager = manager

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        found = await super().get(kind, name, namespace)
        if found is not None and kind == INFRASTRUCTURE:
            fields: Manifest = {"f:status": {"f:lastOperation": {"f:lastUpdateTime": {}}}}
            found["metadata"]["managedFields"] = [{"manager": self.manager, "fieldsV1": fields}]
        return found


@pytest.mark.parametrize("manager", ["gardener-extension-provider-gcp", "gardenlet", "dualstack"])
async def test_p23_a_cut_over_is_refused_while_provider_gcp_reconciles_the_same_object(manager: str) -> None:
    async with scene() as made:
        made.trigger()
        clusters = one_api_server(WrittenBy(made, manager))
        if not manager.startswith("gardener-extension-"):
            assert await made.reconcile(clusters=clusters) is None
            await assert_end_state(made)
            return
        before = made.mutations()
        assert "TwoControllers: gardener-extension-provider-gcp" in await made.refusal(clusters=clusters)
        assert len(await made.node_routes()) == 3
        assert made.mutations() == before
        assert made.creates_routes()
        assert made.infrastructure()["status"]["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]


@pytest.mark.parametrize("step", each("add-range-canary", "add-aliases", "delete-route-canary"))
async def test_p23_a_cut_over_stops_at_rest_once_provider_gcp_reconciles_the_same_object(step: str) -> None:
    """Given a cut-over in `step`, when provider-gcp writes the Infrastructure too, then the cut-over stops before its
    next step, without a node on trial and without loss, and goes on only when it is requested again."""
    async with scene() as made:
        made.trigger()
        other = WrittenBy(made, "dualstack")

        def listen(event: AnyEvent) -> None:
            made.events.append(event)
            if isinstance(event, StepStarted) and event.step == step:
                other.manager = "gardener-extension-provider-gcp"

        clusters = one_api_server(other)
        stopped = await made.refusal(clusters=clusters, emit=listen)
        assert "TwoControllers: gardener-extension-provider-gcp" in stopped
        assert made.infrastructure()["status"]["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
        assert made.steps()[-1] == step or made.steps()[-2:] == [step, "remove-range-canary"], made.steps()
        ranges = (await made.subnet()).get("secondaryIpRanges", ())
        assert {each["rangeName"] for each in ranges} <= {"ipv4-pod-cidr"}
        every = len(await made.node_routes()) == len(made.world.nodes)
        assert made.controller_manager_is_ignored() is not every

        other.manager, before = "dualstack", made.mutations()
        assert "not tried again" in await made.refusal(clusters=clusters)
        assert made.mutations() == before
        made.retry()
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


@pytest.mark.parametrize("changes", [pytest.param(count, marks=pytest.mark.slow) for count in (1, 3, 5, 8)])
async def test_handed_over_cut_off_taken_back_and_cut_off_again(changes: int) -> None:
    async with scene() as made:
        made.trigger()
        await made.killed_at("barrier-range")
        await upstream.migrate(made, changes=changes)
        made.trigger()
        await made.killed_at("delete-route-canary") if changes < 3 else await made.reconcile()
        await upstream.migrate(made)
        await take_back(made)


async def test_a_prepared_shoot_is_handed_over_and_loses_nothing() -> None:
    async with scene() as made:
        made.annotate(PREPARE, "true")
        await made.reconcile()
        assert not await upstream.migrate(made)
        await assert_taken_by_upstream(made)
        assert made.lost() == 0.0
        await take_back(made)
        assert made.lost() == 0.0


COMPRESSED = (
    "stop-cloud-controller-manager",
    "save-routes",
    "set-stack-type",
    "prove-headroom",
    "gate-ready",
    "delete-routes",
    "add-secondary-range",
    "add-aliases",
    "clear-saved-routes",
)
ON_TRIAL = ("add-range-canary", "barrier-range-canary", "gate-range-canary", "remove-range-canary")


@pytest.mark.parametrize(
    ("strategy", "step"),
    [
        pytest.param(strategy, step, marks=() if step in ("gate-range-canary", "delete-routes") else pytest.mark.slow)
        for strategy, steps in (("overlap", (*STEPS[:-1], *ON_TRIAL)), ("compressed", COMPRESSED))
        for step in steps
    ],
)
async def test_p17_stopped_by_a_signal_at_any_step_it_is_handed_over_and_taken_back(strategy: str, step: str) -> None:
    """The operator takes back what is on trial, and serves every node, before it ends."""
    async with scene() as made:
        made.trigger(annotations={"dualstack.dev/strategy": strategy})
        await made.stopped_at(step)
        await made.clock.sleep(60.0)
        assert made.fabric.traffic.report(made.clock.now()).current == 0
        assert "dualstack-canary" not in {
            entry["rangeName"] for entry in (await made.subnet()).get("secondaryIpRanges", ())
        }
        assert not await upstream.migrate(made)
        await assert_taken_by_upstream(made)
        await take_back(made)


@pytest.mark.parametrize(
    ("strategy", "step"),
    [
        ("compressed", "add-secondary-range"),
        pytest.param("overlap", "remove-range-canary", marks=pytest.mark.slow),
    ],
)
async def test_w11_killed_in_two_stages_it_is_not_to_be_handed_over_but_can_be_taken_back(
    strategy: str, step: str
) -> None:
    """Upstream does not read the saved routes, and it deletes the routes before its range is refused, because that
    contains the canary's (docs/hand-over.md#after-a-kill)."""
    async with scene() as made:
        made.trigger(annotations={"dualstack.dev/strategy": strategy})
        await made.killed_at(step)
        await upstream.migrate(made)
        await made.clock.sleep(60.0)
        assert made.fabric.traffic.report(made.clock.now()).current > 0
        await take_back(made)
