"""How the routes move: what is chosen, what is said of it beforehand, what it costs."""

from __future__ import annotations

import pytest

from dualstack.cli.rehearsal.claims import announced_differences, measured_differences
from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.model import kinds
from dualstack.model.events import AnyEvent, OutageExpected, OutageMeasured, StepFinished, StepStarted, StrategyChosen
from dualstack.preflight.finding import PreflightFailed
from dualstack_sim.compute.project.quotas import Limits
from tests.sim.infrastructure.announcements import announced
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, SUBNET, Scene, scene

INTERNET = "global/gateways/default-internet-gateway"


def at_step(made: Scene, what: type[StepStarted | StepFinished], step: str) -> float:
    """When `step`, which was taken once, was started or finished."""
    (at,) = [event.at for event in made.events if isinstance(event, what) and event.step == step]
    return at


async def test_compressed_foretells_its_blackout_and_measures_it() -> None:
    async with scene() as made:
        made.trigger(annotations={"dualstack.dev/strategy": "compressed"})
        await made.reconcile()
        await assert_end_state(made)
        assert made.steps()[:9] == [
            "create-services-subnet",
            "stop-cloud-controller-manager",
            "save-routes",
            "set-stack-type",
            "prove-headroom",
            "delete-routes",
            "add-secondary-range",
            "add-aliases",
            "clear-saved-routes",
        ]
        (expected,) = [event for event in made.events if isinstance(event, OutageExpected)]
        (measured,) = [event for event in made.events if isinstance(event, OutageMeasured)]
        assert "3 nodes become unreachable" in expected.detail
        assert measured.seconds <= at_step(made, StepFinished, "add-aliases") - at_step(
            made, StepStarted, "delete-routes"
        )
        await made.clock.sleep(30.0)
        assert made.lost() > 0
        assert measured_differences([measured], made.ledger()) == []
        assert announced_differences(expected.at_most, made.ledger()) == []
        assert announced(made)["StrategyChosen"] == f"compressed: requested. {expected.detail}"
        assert announced(made)["OutageMeasured"] == measured.detail


async def test_auto_loses_nothing_where_that_is_possible_and_says_why() -> None:
    async with scene() as made:
        made.trigger()
        await made.reconcile(strategy="auto")
        await assert_end_state(made)
        assert made.lost() == 0.0
        (chosen,) = [event for event in made.events if isinstance(event, StrategyChosen)]
        assert chosen.strategy == "overlap"
        assert (
            "3 NICs and up to 1 during a roll-out of 130, 4 static routes of 300, 1 hybrid subnets of 25"
            in chosen.reason
        )
        assert announced(made)["StrategyChosen"].endswith(
            "No packet is expected to be lost. If this cloud does not do what the order depends on, the pods of one "
            "node become unreachable for at most 57 s, or for at most 109 s if an operation is slow."
        )


async def test_an_explicit_overlap_above_the_limits_is_honored_with_a_warning() -> None:
    """Google's limits are advice; an explicit `overlap` may exceed them (docs/reference/cut-over.md#r16)."""
    async with scene(quotas=Limits(static_routes_per_network=400)) as made:
        body = {"network": (await made.subnet())["network"], "nextHopGateway": INTERNET}
        for number in range(300):
            there = {"name": f"other-{number}", "destRange": f"172.16.{number // 8}.{number % 8 * 32}/27"}
            made.compute.place("routes", "global", body | there)
        made.trigger()

        def stop(event: AnyEvent) -> None:
            made.events.append(event)
            assert not isinstance(event, StrategyChosen), "that is enough"

        with pytest.raises(AssertionError):
            await made.reconcile(emit=stop)
        (chosen,) = [event for event in made.events if isinstance(event, StrategyChosen)]
        assert chosen.strategy == "overlap"
        assert chosen.reason.startswith(
            "the default, although the VPC network is above the limits of hybrid subnets: 30"
        )
        advice = "static routes, limit 300; Google advises against hybrid subnets above these limits; "
        assert advice in chosen.reason


@pytest.mark.slow
async def test_auto_counts_the_vms_of_the_whole_network() -> None:
    async with scene(nodes=130) as made:
        made.trigger()
        await made.reconcile(strategy="auto")
        (chosen,) = [event for event in made.events if isinstance(event, StrategyChosen)]
        assert chosen.strategy == "compressed"
        assert "130 NICs and up to 1 during a roll-out, limit 130" in chosen.reason
        assert await made.node_routes() == []
        assert made.lost() > 0


@pytest.mark.parametrize("mode", ["DEFAULT", "CUSTOM"])
async def test_r15_routers_that_will_advertise_the_pod_range_are_named_before_it_is_there(mode: str) -> None:
    async with scene() as made:
        body = {"name": "to-the-office", "network": f"global/networks/{NS}", "bgp": {"advertiseMode": mode}}
        made.compute.place("routers", SUBNET, body)
        made.trigger()
        await made.killed_at("set-overlap-flag")
        await made.reconcile()
        await assert_end_state(made)
        heard = [event.cidr for event in made.fabric.advertisements.events if event.router == "to-the-office"]
        text = announced(made).get("PodRangeAdvertised", "")
        assert ("100.96.0.0/11" in heard) is (mode == "DEFAULT")
        assert ("Cloud Router to-the-office (europe-west1): it will advertise pod range" in text) is (mode == "DEFAULT")
        events = [event for event in made.store.list(kinds.EVENT, NS) if event["reason"] == "PodRangeAdvertised"]
        assert len(events) == (mode == "DEFAULT")


@pytest.mark.parametrize("strategy", ["compressed", pytest.param("auto", marks=pytest.mark.slow)])
async def test_a_strategy_that_makes_no_decoys_is_not_refused_for_their_sake(strategy: str) -> None:
    """No image to probe with, and at the limit no room for the VM: neither is needed."""
    async with scene(nodes=129 if strategy == "auto" else None) as made:
        made.trigger(annotations={"dualstack.dev/strategy": strategy, "dualstack.dev/decoys": "true"})
        await made.reconcile()
        await assert_end_state(made)
        assert "create-decoys" not in made.steps()


async def test_invalid_annotation_values_are_refused_all_at_once() -> None:
    async with scene() as made:
        made.trigger(
            annotations={"dualstack.dev/drill": "yes", "dualstack.dev/decoys": "True", "dualstack.dev/cut-over": "Back"}
        )
        before = made.mutations()
        with pytest.raises(TaskFailed) as refused:
            await made.reconcile()
        assert isinstance(refused.value.__cause__, PreflightFailed)
        assert sorted(finding.describe() for finding in refused.value.__cause__.findings) == [
            'metadata.annotations[dualstack.dev/cut-over]: Unsupported value: "Back": supported values: "back"',
            'metadata.annotations[dualstack.dev/decoys]: Unsupported value: "True": supported values: "true", "false"',
            'metadata.annotations[dualstack.dev/drill]: Unsupported value: "yes": supported values: "true", "false"',
        ]
        assert made.mutations() == before
        assert made.infrastructure()["status"]["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
