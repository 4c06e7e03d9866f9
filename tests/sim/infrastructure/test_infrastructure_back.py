"""The cut-over taken back over HTTP of both servers: by annotation, by the spec, and where the cloud says no."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.model.events import AnyEvent, StepStarted
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.faults import FaultRule
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, ZONE, Scene, scene
from tests.sim.infrastructure.way_back import ALLOW, BACK, annotate, assert_on_routes

pytestmark = pytest.mark.slow


def back_at(made: Scene, step: str) -> Any:
    """A listener that requests the way back when `step` begins."""

    def listen(event: AnyEvent) -> None:
        made.events.append(event)
        if isinstance(event, StepStarted) and event.step == step:
            annotate(made, BACK)

    return listen


@pytest.mark.parametrize(
    "step", ["set-overlap-flag", "barrier-range", "add-aliases", "delete-route-canary", "delete-routes"]
)
async def test_back_by_annotation_during_the_cut_over_and_then_forward_again(step: str) -> None:
    async with scene(knobs=ALLOW) as made:
        made.trigger()
        said = await made.refusal(emit=back_at(made, step))
        assert "the cluster uses its routes again, as annotation dualstack.dev/cut-over: back requests" in said
        await assert_on_routes(made)
        assert made.lost() == 0.0
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Error"

        before = made.mutations()
        assert "the cluster uses its routes again" in await made.refusal()
        assert made.mutations() == before

        annotate(made, {"dualstack.dev/cut-over": None})
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_where_the_cloud_takes_no_route_back_the_way_back_is_refused_before_anything_is_changed() -> None:
    async with scene() as made:
        made.trigger()
        said = await made.refusal(emit=back_at(made, "barrier-route-canary"))
        assert "the cloud refuses a static route inside the range" in said
        assert "hides the address space" in said
        routes = await made.node_routes()
        assert len(routes) == 2
        names = [route["name"] for route in (await made.compute.answer("routes.list", "global"))["items"]]
        assert not any("drill" in name for name in names)
        assert (await made.subnet())["secondaryIpRanges"]
        assert made.lost() == 0.0

        annotate(made, {"dualstack.dev/cut-over": None})
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_before_a_route_is_deleted_the_way_back_needs_nothing_of_the_cloud() -> None:
    async with scene() as made:
        made.trigger()
        await made.refusal(emit=back_at(made, "gate-aliases"))
        await assert_on_routes(made)
        assert made.lost() == 0.0


async def test_a_shoot_that_requests_it_from_the_start_is_not_changed() -> None:
    async with scene() as made:
        made.trigger(annotations=BACK)
        before = made.mutations()
        assert "remove the annotation to go forward" in await made.refusal()
        assert made.mutations() == before


async def test_what_others_act_on_already_is_not_taken_back_under_them() -> None:
    async with scene(knobs=ALLOW) as made:
        made.trigger()
        await made.reconcile()
        annotate(made, BACK)
        made.request()
        before = made.mutations()
        assert "set spec.networking.ipFamilies to [IPv4]" in await made.refusal()
        assert made.mutations() == before

        ipv4_alone(made)
        said = await made.refusal()
        assert "would not exist for new nodes" in said
        assert "remove the annotation" in said
        assert made.mutations() == before


def ipv4_alone(made: Scene) -> None:
    """The edit of the owner as the Cluster shows it."""
    body = {"spec": {"shoot": {"spec": {"networking": {"ipFamilies": ["IPv4"]}}}}}
    made.store.patch(gardener_kinds.CLUSTER, made.namespace, body)
    made.request()


async def test_w34_a_cluster_that_returned_needs_no_change_of_the_cloud_and_none_to_migrate_again() -> None:
    async with scene() as made:
        made.trigger()
        await made.reconcile()
        before, status = made.mutations(), made.infrastructure()["status"]
        for families in (ipv4_alone, Scene.trigger):
            families(made)
            await made.reconcile()
            now = made.infrastructure()["status"]
            assert now["lastOperation"]["state"] == "Succeeded"
            assert [now[key] for key in ("providerStatus", "networking")] == [
                status[key] for key in ("providerStatus", "networking")
            ]
        assert made.mutations() == before
        await assert_end_state(made)


async def test_families_taken_back_after_publication_keep_the_aliases() -> None:
    """A later task fails for good, the Shoot's status shows nothing yet, and the cloud takes no route back."""
    forbidden = HttpFault(403, "forbidden", "Required 'compute.firewalls.create' permission")
    async with scene(FaultRule("firewalls.insert", Fault(error_before=forbidden), count=2)) as made:
        made.trigger()
        assert "compute.firewalls.create" in await made.refusal()
        ipv4_alone(made)
        await made.reconcile()
        status = made.infrastructure()["status"]
        assert status["lastOperation"]["state"] == "Succeeded"
        assert status["providerStatus"]["networks"]["ipfamilies"] == ["IPv4", "IPv6"]
        assert [len(status["networking"][key]) for key in ("nodes", "pods", "services")] == [2, 2, 2]
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_families_taken_back_before_publication_say_where_the_way_leads_if_routes_cannot_come_back() -> None:
    async with scene() as made:
        made.trigger()
        await made.killed_at("set-stack-type")
        ipv4_alone(made)
        said = await made.refusal()
        assert "the cloud refuses a static route inside the range" in said
        assert "set spec.networking.ipFamilies to [IPv4, IPv6] to finish the migration" in said
        assert "cloud-controller-manager has been stopped" in said
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_families_reverted_during_the_cut_over_lead_back_to_routes() -> None:
    async with scene() as made:
        made.trigger()
        await made.killed_at("barrier-aliases")
        ipv4_alone(made)
        await made.reconcile()
        await assert_on_routes(made)
        assert made.lost() == 0.0
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_drill_tells_whether_there_is_a_way_back_before_the_first_route_goes(allowed: bool) -> None:
    async with scene(knobs=ALLOW if allowed else Knobs()) as made:
        made.trigger(annotations={"dualstack.dev/drill": "true"})
        if allowed:
            await made.reconcile()
            await assert_end_state(made)
        else:
            assert "hides the address space" in await made.refusal()
            assert len(await made.node_routes()) == 3
        assert made.lost() == 0.0


async def test_a_drill_that_was_cut_off_is_cleaned_up() -> None:
    async with scene() as made:
        link = (await made.subnet())["network"]
        vm = made.world.nodes[0].name
        body = {
            "name": f"{NS[:26]}-rollback-drill",
            "description": "dualstack-rollback-drill",
            "network": link,
            "destRange": "100.127.255.0/24",
            "nextHopInstance": f"projects/{made.world.project}/{ZONE}/instances/{vm}",
            "priority": 1000,
        }
        await made.compute.answer("routes.insert", "global", body=body)
        await made.clock.sleep(60.0)
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
        names = [route["name"] for route in (await made.compute.answer("routes.list", "global"))["items"]]
        assert not any("drill" in name for name in names)
