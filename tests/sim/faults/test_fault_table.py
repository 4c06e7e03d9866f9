"""The fifteen fault variants of docs/reference/gardener.md#fault-injection-variants, each with its required outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.validation.migration_fitness import fitness_faults
from dualstack.model import kinds
from dualstack.model.errors import DualstackError
from dualstack.model.events import AnyEvent, StepStarted
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.faults import FaultRule
from dualstack_sim.kube.status import StatusError
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, SUBNET, ZONE, Scene, scene

pytestmark = pytest.mark.slow


async def migrate_with(made: Scene, step: str, act: Callable[[], Awaitable[None]]) -> None:
    """Migrate, and run `act` when `step` starts."""
    tasks: list[asyncio.Task[None]] = []

    def listen(event: AnyEvent) -> None:
        made.events.append(event)
        if isinstance(event, StepStarted) and event.step == step and not tasks:
            tasks.append(asyncio.ensure_future(act()))

    await made.reconcile(emit=listen)
    await asyncio.gather(*tasks)
    assert tasks, f"there was no step {step}"


async def delete_instance(made: Scene, name: str) -> None:
    operation = await made.compute.answer("instances.delete", ZONE, name)
    while operation["status"] != "DONE":
        operation = await made.compute.answer("zoneOperations.wait", ZONE, operation["name"])


async def test_row_1_killed_between_route_deletes_and_range_it_resumes() -> None:
    """Upstream clears the list and leaves the old nodes without routes. Here the CIDRs of Nodes suffice to resume."""
    async with scene() as made:
        made.trigger()
        await made.killed_at("add-secondary-range", strategy="compressed")
        assert await made.node_routes() == []
        assert "ipv4-pod-cidr" not in str(await made.subnet())
        state = made.infrastructure()["status"]["state"]
        made.store.patch(
            gardener_kinds.INFRASTRUCTURE,
            made.shoot,
            {"status": {"state": {**state, "routes": None}}},
            made.namespace,
            subresource="status",
        )
        await made.reconcile()
        await assert_end_state(made)


async def test_row_2_without_a_saved_list_nothing_is_deleted() -> None:
    """Upstream deletes the routes although the list could not be written."""

    @web.middleware
    async def refuse_routes(request: web.Request, handler: Any) -> web.StreamResponse:
        saving = request.method == "PATCH" and b'"destinationCIDR"' in await request.read()
        if saving and request.path.endswith("/status"):
            return web.json_response({"kind": "Status", "code": 403, "reason": "Forbidden"}, status=403)
        response: web.StreamResponse = await handler(request)
        return response

    async with scene(dress=lambda app: app.middlewares.insert(0, refuse_routes)) as made:
        made.trigger()
        before = await made.subnet()
        with pytest.raises(DualstackError):
            await made.reconcile()
        assert len(await made.node_routes()) == 3
        assert await made.subnet() == before
        assert "add-secondary-range" not in made.steps()
        assert not made.controller_manager_is_ignored()


async def test_row_3_a_route_that_is_gone_already_is_deleted() -> None:
    """Upstream turns the 404 into ERR_CONFIGURATION_PROBLEM and the Shoot fails for good."""
    gone = HttpFault(404, "notFound", "The resource 'projects/proj-1/global/routes/x' was not found")
    async with scene(FaultRule("routes.delete", Fault(error_after=gone), count=3)) as made:
        made.trigger()
        await made.reconcile()
        assert len(made.faults.fired) == 3
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_row_4_a_stale_fingerprint_is_read_again() -> None:
    """Upstream panics on the missing operation."""
    stale = HttpFault(412, "conditionNotMet", "Invalid fingerprint.")
    async with scene(FaultRule("instances.updateNetworkInterface", Fault(error_before=stale), count=3)) as made:
        made.trigger()
        await made.reconcile()
        assert len(made.faults.fired) == 3
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_row_5_an_alias_whose_operation_fails_is_tried_again() -> None:
    """Upstream does not check the operation and clears the list."""
    failed = Fault(operation_error=("INTERNAL_ERROR", "Internal error."))
    async with scene(FaultRule("instances.updateNetworkInterface", failed, count=3)) as made:
        made.trigger()
        await made.reconcile()
        assert len(made.faults.fired) == 3
        await assert_end_state(made)
        assert made.lost() == 0.0


@pytest.mark.parametrize(
    "refusal",
    [
        HttpFault(403, "quotaExceeded", "Quota 'SUBNET_RANGES_PER_NETWORK' exceeded.  Limit: 300.0"),
        HttpFault(400, "invalid", "Invalid IPCidrRange: 100.96.0.0/11 conflicts with existing subnetwork 'other'."),
    ],
    ids=["quota", "overlap"],
)
async def test_row_6_a_refused_range_leaves_routes_and_controller(refusal: HttpFault) -> None:
    """Upstream ends without routes and without cloud-controller-manager."""
    async with scene(FaultRule("subnetworks.patch", Fault(error_before=refusal), nth=2)) as made:
        made.trigger()
        with pytest.raises(TaskFailed) as caught:
            await made.reconcile()
        assert refusal.message[:40] in str(caught.value)
        assert len(await made.node_routes()) == 3
        assert not made.controller_manager_is_ignored()
        assert made.lost() == 0.0


async def test_row_6_a_range_that_is_refused_is_found_before_the_routes_go() -> None:
    """`compressed` proves first that a range is accepted. Upstream stays in the blackout until manual repair."""
    refusal = HttpFault(
        400, "invalid", "Invalid IPCidrRange: 100.96.0.0/11 conflicts with existing subnetwork 'other'."
    )
    rule = FaultRule("subnetworks.patch", Fault(error_before=refusal), nth=2, count=99)
    async with scene(rule) as made:
        made.trigger(annotations={"dualstack.dev/strategy": "compressed"})
        with pytest.raises(TaskFailed, match="conflicts with existing subnetwork"):
            await made.reconcile()
        assert "prove-headroom" in made.steps()
        assert "delete-routes" not in made.steps()
        assert len(await made.node_routes()) == 3
        assert not made.controller_manager_is_ignored()
        made.request()
        assert "not tried again, because an earlier cut-over failed" in await made.refusal()
        await made.clock.sleep(60.0)
        assert made.lost() == 0.0


async def test_row_7_a_slow_controller_is_awaited() -> None:
    """Upstream continues while the old pod still creates routes."""
    async with scene() as made:
        made.pods.grace = 30.0
        made.trigger()
        await made.reconcile()
        begun = {event.step: event.at for event in reversed(made.events) if isinstance(event, StepStarted)}
        assert begun["save-routes"] - begun["stop-cloud-controller-manager"] >= 30.0
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_row_8_a_late_prefix_is_awaited() -> None:
    """Upstream gives up after 30 seconds."""
    async with scene(latency=LatencyProfile(ipv6_prefix=(45.0, 46.0))) as made:
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
        assert "await-ipv6-prefixes" in made.steps()


async def test_row_9_a_vm_that_is_deleted_meanwhile_is_left_out() -> None:
    async with scene() as made:
        gone = made.world.nodes[2].name

        async def vanish() -> None:
            await delete_instance(made, gone)
            made.store.patch(gardener_kinds.MACHINE, gone, {"metadata": {"finalizers": None}}, made.namespace)
            made.store.delete(gardener_kinds.MACHINE, gone, made.namespace)
            made.store.delete(kinds.NODE, gone)

        made.trigger()
        await migrate_with(made, "barrier-range", vanish)
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"
        assert await made.node_routes() == []
        await assert_aliases(made, made.world.nodes[0].name, made.world.nodes[1].name)


async def test_row_10_a_stopped_vm_does_not_hold_up_the_others() -> None:
    """Upstream aborts at the first VM that cannot be changed."""
    async with scene() as made:
        stopped = made.world.nodes[0].name

        async def stop() -> None:
            operation = await made.compute.answer("instances.stop", ZONE, stopped)
            while operation["status"] != "DONE":
                operation = await made.compute.answer("zoneOperations.wait", ZONE, operation["name"])

        made.trigger()
        await stop()
        await made.reconcile()
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"
        await assert_aliases(made, *(node.name for node in made.world.nodes))


async def test_row_11_a_second_shoot_with_the_same_services_is_seen_before_anything_is_changed() -> None:
    """Upstream notices when the routes are gone."""
    async with scene() as made:
        network = (await made.subnet())["network"]
        services = {"name": "shoot--foo--other-services", "network": network, "ipCidrRange": "100.64.0.0/13"}
        made.compute.place("subnetworks", SUBNET, services)
        made.trigger()
        before = made.mutations()
        with pytest.raises(TaskFailed, match="shoot--foo--other-services"):
            await made.reconcile()
        assert made.mutations() == before
        assert made.creates_routes()


async def test_row_12_a_vm_that_is_added_meanwhile_gets_its_alias() -> None:
    """Upstream never gives it a pod CIDR with a route or alias."""
    async with scene() as made:
        model, new = made.world.nodes[0].name, f"{NS}-w1-z1-added"

        async def add() -> None:
            subnetwork = (await made.subnet())["selfLink"]
            vm = {"name": new, "machineType": f"{ZONE}/machineTypes/n1-standard-2", "canIpForward": True}
            made.compute.place("instances", ZONE, {**vm, "networkInterfaces": [{"subnetwork": subnetwork}]})
            for kind, namespace in ((gardener_kinds.MACHINE, made.namespace), (kinds.NODE, None)):
                found = made.store.get(kind, model, namespace)
                assert found is not None
                copy = {key: value for key, value in found.items() if key != "metadata"}
                copy["metadata"] = {"name": new, "labels": found["metadata"].get("labels")}
                if namespace:
                    copy["metadata"]["namespace"] = namespace
                spec = {**found["spec"], "providerID": f"gce:///proj-1/europe-west1-b/{new}"}
                if kind is kinds.NODE:
                    spec |= {"podCIDR": "100.127.0.0/24", "podCIDRs": ["100.127.0.0/24"]}
                made.store.upsert(kind, {**copy, "spec": spec})

        made.trigger()
        await migrate_with(made, "barrier-aliases", add)
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"
        await assert_aliases(made, model)
        interface = (await made.resource("instances.get", ZONE, new))["networkInterfaces"][0]
        assert [alias["ipCidrRange"] for alias in interface["aliasIpRanges"]] == ["100.127.0.0/24"]
        assert made.lost() == 0.0


async def test_row_13_a_cluster_without_nodes_has_nothing_to_wait_for() -> None:
    """Upstream's constraint never becomes True. Here the infrastructure is complete at once."""
    async with scene() as made:
        for route in await made.node_routes():
            await made.change("routes.delete", "global", route["name"])
        for node in made.world.nodes:
            await delete_instance(made, node.name)
            made.store.patch(gardener_kinds.MACHINE, node.name, {"metadata": {"finalizers": None}}, made.namespace)
            made.store.delete(gardener_kinds.MACHINE, node.name, made.namespace)
            made.store.delete(kinds.NODE, node.name)
        made.trigger()
        await made.reconcile()
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"
        assert (await made.subnet())["stackType"] == "IPV4_IPV6"


async def test_row_14_an_overlay_given_up_in_the_same_edit_gets_aliases_or_is_refused() -> None:
    """Upstream leaves a native CNI with neither routes nor aliases."""
    async with scene() as made:
        for route in await made.node_routes():
            await made.change("routes.delete", "global", route["name"])
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
    shoot = made.world.shoot
    networking = {**shoot["spec"]["networking"], "providerConfig": {"overlay": {"enabled": True}}}
    faults = fitness_faults({**shoot, "spec": {**shoot["spec"], "networking": networking}}, 3)
    assert "spec.networking.providerConfig.overlay.enabled" in {fault.field for fault in faults}


async def test_row_15_the_way_back_during_the_cut_over_ends_on_routes() -> None:
    """The API rejects [IPv4] because of the IPv6 mask; the annotation rolls the cut-over back."""
    async with scene() as made:
        made.trigger()
        await made.killed_at("add-aliases")
        with pytest.raises(StatusError, match="nodeCIDRMaskSizeIPv6"):
            made.trigger(families=("IPv4",))
        made.trigger(annotations={"dualstack.dev/cut-over": "back"})
        with pytest.raises(TaskFailed, match="uses its routes again"):
            await made.reconcile()
        assert len(await made.node_routes()) == 3
        assert "ipv4-pod-cidr" not in str((await made.subnet()).get("secondaryIpRanges"))
        assert not made.controller_manager_is_ignored()
        assert made.lost() == 0.0


async def assert_aliases(made: Scene, *names: str) -> None:
    """Each of these VMs holds its Node's pod CIDR as its only alias."""
    wanted = {node.name: node.pod_cidr for node in made.world.nodes}
    for name in names:
        interface = (await made.resource("instances.get", ZONE, name))["networkInterfaces"][0]
        assert [alias["ipCidrRange"] for alias in interface["aliasIpRanges"]] == [wanted[name]]
