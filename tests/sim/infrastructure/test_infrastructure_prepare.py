"""Annotation `dualstack.dev/prepare` of an IPv4 Shoot: aliases beside the routes, without a reconcile of gardenlet."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.gardener.controllers.infrastructure.preparation import RECHECK
from dualstack.gardener.model.names import PREPARE, PREPARED
from dualstack.model.conditions import find_condition
from dualstack.model.events import AnyEvent, StepStarted
from dualstack_sim.compute.project.knobs import Knobs
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.joining import aliases, join
from tests.sim.infrastructure.operating import operating
from tests.sim.infrastructure.scene import NS, QUICK, ZONE, Scene, scene
from tests.sim.infrastructure.way_back import ALLOW


def condition(made: Scene) -> tuple[str, str, str] | None:
    found = find_condition(made.infrastructure()["status"].get("conditions") or (), "DualStackPrepared")
    return None if found is None else (found["status"], found["reason"], found["message"])


def last_operation(made: Scene) -> dict[str, Any]:
    found: dict[str, Any] = made.infrastructure()["status"]["lastOperation"]
    return found


async def assert_prepared(made: Scene, nodes: int = 3) -> None:
    subnet = await made.subnet()
    assert subnet["allowSubnetCidrRoutesOverlap"] is True
    assert [entry["rangeName"] for entry in subnet["secondaryIpRanges"]] == ["ipv4-pod-cidr"]
    assert subnet["stackType"] == "IPV4_ONLY"
    assert len(await aliases(made)) == nodes
    assert made.creates_routes()
    assert not made.controller_manager_is_ignored()


async def prepare(made: Scene) -> None:
    made.annotate(PREPARE, "true")
    assert await made.reconcile() == RECHECK
    await assert_prepared(made)


async def test_a_prepared_shoot_shows_no_operation_and_rests_without_a_change() -> None:
    async with scene() as made:
        before = last_operation(made)
        await prepare(made)
        assert last_operation(made) == before
        status, reason, message = condition(made) or ("", "", "")
        assert (status, reason) == ("True", "Prepared")
        assert message.startswith("3 nodes have their alias, and routes carry the traffic; set spec.networking")
        assert len(await made.node_routes()) == 3
        changes = made.mutations()
        for _ in range(3):
            await made.clock.sleep(60.0)
            assert await made.reconcile() == RECHECK
        made.request()  # in the maintenance window
        assert await made.reconcile() == RECHECK
        assert made.mutations() == changes
        assert last_operation(made)["state"] == "Succeeded"
        assert "lastError" not in made.infrastructure()["status"]
        await assert_prepared(made)
        assert made.lost() == 0.0


async def test_a_prepared_shoot_is_migrated_within_ten_minutes_and_its_note_is_gone() -> None:
    async with scene() as made:
        made.annotate(PREPARE, "true")
        await made.reconcile(settings=None)
        begun = made.clock.now()
        made.trigger(annotations={PREPARE: "true"})
        assert await made.reconcile(settings=None) is None
        assert made.clock.now() - begun < 600.0
        await assert_end_state(made)
        assert condition(made) is None
        assert PREPARED not in made.infrastructure()["metadata"]["annotations"]
        assert made.lost() == 0.0


async def test_without_the_annotation_the_preparation_is_undone() -> None:
    async with scene(knobs=ALLOW) as made:
        await prepare(made)
        made.annotate(PREPARE, None)
        assert await made.reconcile() is None
        subnet = await made.subnet()
        assert not subnet.get("allowSubnetCidrRoutesOverlap")
        assert not subnet.get("secondaryIpRanges")
        assert await aliases(made) == []
        assert len(await made.node_routes()) == 3
        assert made.creates_routes()
        assert condition(made) is None
        assert PREPARED not in made.infrastructure()["metadata"]["annotations"]
        assert made.lost() == 0.0
        assert await made.reconcile() is None


def act_at(made: Scene, step: str, act: Any) -> Any:
    """A listener that calls `act` when `step` begins."""

    def listen(event: AnyEvent) -> None:
        made.events.append(event)
        if isinstance(event, StepStarted) and event.step == step:
            act()

    return listen


@pytest.mark.parametrize("step", ["barrier-flag", "barrier-aliases"])
async def test_a_request_of_gardenlet_comes_first_and_the_preparation_goes_on_afterwards(step: str) -> None:
    async with scene() as made:
        made.annotate(PREPARE, "true")
        assert await made.reconcile(emit=act_at(made, step, made.request)) == 0.0
        begun = made.clock.now()
        assert await made.reconcile() == RECHECK
        assert last_operation(made)["state"] == "Succeeded"
        assert made.clock.now() - begun < 600.0
        await assert_prepared(made)
        assert made.lost() == 0.0


async def test_the_annotation_can_be_removed_while_the_preparation_runs() -> None:
    async with scene(knobs=ALLOW) as made:
        made.annotate(PREPARE, "true")
        remove = act_at(made, "add-aliases", lambda: made.annotate(PREPARE, None))
        assert await made.reconcile(emit=remove) == 0.0
        assert await made.reconcile() is None
        assert await aliases(made) == []
        assert condition(made) is None
        assert made.lost() == 0.0


async def test_a_refused_range_is_shown_in_the_condition_and_not_in_the_operation() -> None:
    async with scene(knobs=Knobs(overlap_flag="hidden")) as made:
        before = last_operation(made)
        made.annotate(PREPARE, "true")
        assert await made.reconcile() in (60.0, 3600.0)
        assert last_operation(made) == before
        status, _, message = condition(made) or ("", "", "")
        assert status == "False"
        assert message
        assert await aliases(made) == []
        assert made.creates_routes()
        assert made.lost() == 0.0


async def test_a_node_that_joins_a_prepared_cluster_gets_its_alias() -> None:
    async with scene(knobs=ALLOW) as made:
        await prepare(made)
        name = f"{NS}-w1-z1-0fdf8-zzzzz"
        await join(made, name, "100.96.77.0/24")
        assert await made.reconcile() == RECHECK
        assert "100.96.77.0/24" in await aliases(made)
        await assert_prepared(made, nodes=4)
        assert (condition(made) or ("",))[0] == "True"


async def test_p17_a_prepared_shoot_rests_without_compute_calls_until_a_node_joins() -> None:
    async with scene(knobs=ALLOW, dress=lambda _: None) as made, operating(made):
        made.annotate(PREPARE, "true")
        await made.until(lambda: (condition(made) or ("",))[0] == "True", 3600.0)
        await made.clock.sleep(60.0)
        calls = made.compute.statistics()["calls"]
        await made.clock.sleep(RECHECK / 2)
        assert made.compute.statistics()["calls"] == calls
        await join(made, f"{NS}-w1-z1-0fdf8-zzzzz", "100.96.77.0/24")
        await made.clock.sleep(QUICK.barrier_canary + 15.0)
        assert "100.96.77.0/24" in await aliases(made)
        await made.until(lambda: str((condition(made) or ("",) * 3)[2]).startswith("4 nodes"), 900.0)
        assert made.lost() == 0.0


async def test_p17_a_prepared_shoot_is_observed_again_after_an_hour_without_an_event() -> None:
    """An alias that is removed by hand shows in no object of Kubernetes."""
    async with scene(knobs=ALLOW, dress=lambda _: None) as made, operating(made):
        made.annotate(PREPARE, "true")
        await made.until(lambda: (condition(made) or ("",))[0] == "True", 3600.0)
        name = made.world.nodes[0].name
        vm = await made.resource("instances.get", ZONE, name)
        nic = vm["networkInterfaces"][0]
        await made.change(
            "instances.updateNetworkInterface",
            ZONE,
            name,
            query={"networkInterface": nic["name"]},
            fingerprint=nic["fingerprint"],
            aliasIpRanges=[],
        )
        assert len(await aliases(made)) == 2
        await made.clock.sleep(RECHECK + 300.0)
        assert len(await aliases(made)) == 3
