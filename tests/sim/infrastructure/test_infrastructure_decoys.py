"""The decoy check over HTTP of both servers: what it proves, what it refuses, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.model import kinds
from dualstack.model.events import AnyEvent, PropagationMeasured, StepStarted
from dualstack.prober.report import NAME, NAMESPACE
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric.profile import FabricKnobs
from dualstack_sim.faults import FaultRule
from tests.sim.infrastructure.end_state import assert_end_state, assert_no_decoys
from tests.sim.infrastructure.scene import NS, PROBER_IMAGE, SUBNET, ZONE, scene
from tests.sim.infrastructure.way_back import BACK, annotate, assert_on_routes
from tests.support.probing import probing

pytestmark = pytest.mark.slow

DECOYS = {"dualstack.dev/decoys": "true"}
STEPS = ("create-decoys", "add-decoy-range", "alias-decoys", "drop-decoy-route", "remove-decoys")
DECOY = f"{NS}-dualstack-decoy"


async def test_the_cloud_proves_itself_before_any_node_is_touched_and_nothing_is_left() -> None:
    async with scene(prober_image=PROBER_IMAGE) as made, probing(made):
        made.trigger(annotations=DECOYS)
        await made.reconcile()
        await assert_end_state(made)
        await assert_no_decoys(made)
        assert made.lost() == 0.0
        steps = made.steps()
        order = [steps.index(step) for step in ("set-overlap-flag", *STEPS, "add-secondary-range")]
        assert order == sorted(order)
        (measured,) = [event for event in made.events if isinstance(event, PropagationMeasured)]
        assert 0.0 <= measured.seconds < 60.0


async def test_the_vm_and_the_pods_are_as_harmless_as_can_be() -> None:
    async with scene(prober_image=PROBER_IMAGE) as made:
        seen: dict[str, Any] = {}

        def listen(event: AnyEvent) -> None:
            if isinstance(event, StepStarted) and event.step == "gate-decoy-ready":
                seen["pods"] = made.store.get(kinds.DAEMON_SET, NAME, NAMESPACE)
                seen["role"] = made.store.get(kinds.ROLE, NAME, NAMESPACE)
                annotate(made, BACK)

        made.trigger(annotations=DECOYS)
        running = asyncio.create_task(made.refusal(emit=listen))
        while "pods" not in seen:
            await made.clock.sleep(5.0)
        vm = await made.resource("instances.get", ZONE, DECOY)
        routes = await made.compute.answer("routes.list", "global")
        assert "remove the annotation to go forward" in await running
        assert vm["canIpForward"] is True
        assert "items" not in vm["tags"] or vm["tags"]["items"] == []
        assert not vm.get("serviceAccounts")
        assert not vm["networkInterfaces"][0].get("accessConfigs")
        decoys = {route["name"]: route for route in routes["items"] if "decoy" in route["name"]}
        assert sorted(decoys) == [f"{DECOY}-1", f"{DECOY}-3"]
        assert {route["description"] for route in decoys.values()} == {"dualstack-decoy"}
        script = next(item["value"] for item in vm["metadata"]["items"] if item["key"] == "startup-script")
        assert "ip_aliases = false" in script
        assert "100.127.255.2" in script
        spec = seen["pods"]["spec"]["template"]["spec"]
        assert "hostNetwork" not in spec
        assert spec["containers"][0]["args"] == ["100.127.255.2", "100.127.255.66", "100.127.255.130"]
        assert seen["role"]["rules"] == [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]}
        ]
        await assert_on_routes(made)
        await assert_no_decoys(made)


async def test_where_aliases_carry_nothing_not_even_the_canary_loses_a_packet() -> None:
    async with scene(fabric_knobs=FabricKnobs(alias_matched=False), prober_image=PROBER_IMAGE) as made, probing(made):
        made.trigger(annotations=DECOYS)
        said = await made.refusal()
        assert "cannot reach 100.127.255.64/26 of the decoy VM" in said
        assert "does not count an alias IP range as a matched resource" in said
        assert "rolled back to routes only" in said
        assert made.lost() == 0.0
        assert "add-secondary-range" not in made.steps()
        await assert_on_routes(made)
        await assert_no_decoys(made)


async def test_where_routes_carry_nothing_inside_a_range_no_node_is_affected() -> None:
    async with (
        scene(fabric_knobs=FabricKnobs(unmatched_to_instances=False), prober_image=PROBER_IMAGE) as made,
        probing(made),
    ):
        made.trigger(annotations=DECOYS)
        said = await made.refusal()
        assert "cannot reach 100.127.255.0/26 of the decoy VM" in said
        assert "static routes do not carry traffic to unassigned addresses" in said
        assert made.lost() == 0.0
        await assert_on_routes(made)
        await assert_no_decoys(made)


async def test_pods_that_say_nothing_are_no_proof() -> None:
    async with scene(prober_image=PROBER_IMAGE) as made:
        silent = made.world.nodes[0].name
        async with probing(made, silent=(silent,)):
            made.trigger(annotations=DECOYS)
            said = await made.refusal()
        assert f"the probe pods of node {silent} have not reported yet" in said
        assert "matched resource" not in said
        assert "add-secondary-range" not in made.steps()
        await assert_on_routes(made)
        await assert_no_decoys(made)


async def test_a_vm_that_cannot_be_read_back_is_made_anew() -> None:
    async with scene(prober_image=PROBER_IMAGE) as made, probing(made):
        inserted = made.compute.answer(
            "instances.insert",
            ZONE,
            body={
                "name": DECOY,
                "description": "dualstack-decoy somewhere else",
                "machineType": f"{ZONE}/machineTypes/e2-micro",
                "networkInterfaces": [{"subnetwork": f"{SUBNET}/subnetworks/{NS}-nodes"}],
                "disks": [
                    {
                        "boot": True,
                        "autoDelete": True,
                        "initializeParams": {"sourceImage": "projects/p/global/images/i"},
                    }
                ],
            },
        )
        await inserted
        made.trigger(annotations=DECOYS)
        await made.reconcile()
        assert made.steps().index("remove-decoys") < made.steps().index("create-decoys")
        await assert_end_state(made)
        await assert_no_decoys(made)


@pytest.mark.parametrize("method", ["instances.insert", "routes.insert"])
async def test_what_the_cloud_refuses_leaves_nothing_behind(method: str) -> None:
    refused = HttpFault(403, "quotaExceeded", "Quota exceeded.")
    async with (
        scene(FaultRule(method, Fault(error_before=refused), count=1), prober_image=PROBER_IMAGE) as made,
        probing(made),
    ):
        made.trigger(annotations=DECOYS)
        assert "Quota exceeded." in await made.refusal()
        await assert_no_decoys(made)
        assert not made.controller_manager_is_ignored()
        made.retry()
        await made.reconcile()
        await assert_end_state(made)
        await assert_no_decoys(made)
        assert made.lost() == 0.0


async def test_where_the_api_ignores_the_flag_no_vm_is_made() -> None:
    async with scene(knobs=Knobs(overlap_flag="hidden"), prober_image=PROBER_IMAGE) as made, probing(made):
        made.trigger(annotations=DECOYS)
        assert "the API ignores the overlap flag" in await made.refusal()
        assert "create-decoys" not in made.steps()
        await assert_no_decoys(made)


@pytest.mark.slow
@pytest.mark.parametrize("step", [*STEPS, "gate-decoy-static", "gate-decoy-alias", "gate-decoy-handover"])
async def test_the_way_back_from_every_step_takes_them_along(step: str) -> None:
    def listen(event: AnyEvent) -> None:
        if isinstance(event, StepStarted) and event.step == step:
            annotate(made, BACK | DECOYS)

    async with scene(knobs=None, prober_image=PROBER_IMAGE) as made, probing(made):
        made.trigger(annotations=DECOYS)
        said = await made.refusal(emit=listen)
        await assert_no_decoys(made)
        assert made.lost() == 0.0
        assert "uses its routes again" in said
        await assert_on_routes(made)


async def test_decoys_that_are_wanted_no_more_go() -> None:
    async with scene(prober_image=PROBER_IMAGE) as made, probing(made):
        made.trigger(annotations=DECOYS)
        await made.killed_at("gate-decoy-alias")
        made.trigger(annotations={"dualstack.dev/decoys": "false"})
        await made.reconcile()
        await assert_end_state(made)
        await assert_no_decoys(made)
        assert made.lost() == 0.0


@pytest.mark.parametrize(
    ("options", "nodes", "said"),
    [
        ({"prober_image": ""}, None, "no image for the probing pods is configured (--prober-image)"),
        ({}, 129, "129 NICs and up to 1 during a roll-out leave no room for one more"),
    ],
)
async def test_what_cannot_be_had_is_refused_before_anything_is_done(
    options: dict[str, Any], nodes: int | None, said: str
) -> None:
    async with scene(nodes=nodes, prober_image=PROBER_IMAGE) as made:
        made.trigger(annotations=DECOYS)
        before = made.mutations()
        assert said in await made.refusal(**options)
        assert made.mutations() == before
        assert not made.controller_manager_is_ignored()


async def test_a_cluster_that_is_deleted_takes_them_along() -> None:
    async with scene(prober_image=PROBER_IMAGE) as made:
        made.trigger(annotations=DECOYS)
        await made.killed_at("gate-decoy-ready")
        for node in made.world.nodes:
            await made.change("instances.delete", ZONE, node.name)
        made.store.delete(gardener_kinds.INFRASTRUCTURE, made.shoot, made.namespace)
        await made.reconcile()
        listed = await made.compute.answer("instances.list", ZONE)
        assert listed.get("items", []) == []
        routes = await made.compute.answer("routes.list", "global")
        assert [route["name"] for route in routes.get("items", ()) if "decoy" in route["name"]] == []
