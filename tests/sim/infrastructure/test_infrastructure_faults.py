"""Faults on the way: the end state is the same and no connectivity is lost.

docs/reference/gardener.md#fault-injection-variants
"""

from __future__ import annotations

import pytest

from dualstack.clock import parse_rfc3339
from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.model import kinds
from dualstack.model.conditions import with_condition
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.faults import FaultRule
from dualstack_sim.world.nodes import WorldNode
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, SUBNET, ZONE, Scene, scene

pytestmark = pytest.mark.slow

STALE = HttpFault(412, "conditionNotMet", "Invalid fingerprint.")


@pytest.mark.parametrize(
    ("step", "after"),
    [
        ("add-aliases", 3.0),
        ("delete-routes", 0.0),
        ("create-services-subnet", 3.0),
        pytest.param("stop-cloud-controller-manager", 3.0, marks=pytest.mark.slow),
        pytest.param("save-routes", 0.0, marks=pytest.mark.slow),
        pytest.param("set-overlap-flag", 3.0, marks=pytest.mark.slow),
        pytest.param("add-secondary-range", 0.0, marks=pytest.mark.slow),
        pytest.param("add-aliases", 0.0, marks=pytest.mark.slow),
        pytest.param("delete-routes", 3.0, marks=pytest.mark.slow),
        pytest.param("clear-overlap-flag", 0.0, marks=pytest.mark.slow),
    ],
)
async def test_killed_and_started_again_it_finishes_without_a_lost_packet(step: str, after: float) -> None:
    async with scene() as made:
        made.trigger()
        await made.killed_at(step, after=after)
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Processing"
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


@pytest.mark.parametrize(
    "rule",
    [
        FaultRule("instances.updateNetworkInterface", Fault(error_before=STALE), count=3),
        FaultRule(
            "instances.updateNetworkInterface", Fault(operation_error=("INTERNAL_ERROR", "Internal error.")), nth=2
        ),
        FaultRule("instances.updateNetworkInterface", Fault(cut="after"), count=2),
        FaultRule("routes.delete", Fault(cut="after"), count=2),
        FaultRule("routes.delete", Fault(operation_error=("INTERNAL_ERROR", "Internal error."))),
        FaultRule("subnetworks.patch", Fault(error_after=HttpFault()), count=2),
        FaultRule("subnetworks.patch", Fault(error_before=HttpFault(400, "resourceNotReady", "is not ready")), count=2),
        FaultRule("routes.list", Fault(error_before=HttpFault(403, "rateLimitExceeded", "Quota exceeded"))),
        FaultRule("zoneOperations.get", Fault(error_before=HttpFault()), count=4),
        FaultRule("firewalls.insert", Fault(cut="before")),
    ],
    ids=lambda rule: f"{rule.method}-{rule.nth}",
)
async def test_transient_faults_are_tolerated(rule: FaultRule) -> None:
    async with scene(rule) as made:
        made.trigger()
        await made.reconcile()
        assert made.faults.fired
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_w4_w5_a_refusal_before_the_first_delete_gives_the_cloud_controller_manager_back() -> None:
    """Nothing has been deleted, so cloud-controller-manager is restored (docs/reference/weaknesses.md#w4)."""
    forbidden = HttpFault(403, "forbidden", "Required 'compute.subnetworks.update' permission")
    async with scene(FaultRule("subnetworks.patch", Fault(error_before=forbidden), count=99)) as made:
        made.trigger()
        with pytest.raises(TaskFailed):
            await made.reconcile()
        assert not made.controller_manager_is_ignored()
        assert len(await made.node_routes()) == 3
        status = made.infrastructure()["status"]
        assert status["lastOperation"]["state"] == "Error"
        assert status["lastError"]["codes"] == ["ERR_INFRA_UNAUTHORIZED"]
        description = status["lastError"]["description"]
        assert description.startswith(
            'Error reconciling infrastructure: failed to "ensure kubernetes routes cleanup": '
        )
        assert "Required 'compute.subnetworks.update' permission" in description
        assert made.lost() == 0.0


async def test_w6_a_refusal_after_the_first_delete_leaves_it_stopped() -> None:
    """In its old configuration it would re-create the deleted routes (docs/reference/weaknesses.md#w6)."""
    forbidden = HttpFault(403, "forbidden", "Required 'compute.routes.delete' permission")
    async with scene(FaultRule("routes.delete", Fault(error_before=forbidden), nth=2, count=99)) as made:
        made.trigger()
        with pytest.raises(TaskFailed):
            await made.reconcile()
        assert made.controller_manager_is_ignored()
        assert not made.creates_routes()
        assert len(await made.node_routes()) == 2
        assert len(made.infrastructure()["status"]["state"]["routes"]) == 3
        assert made.lost() == 0.0


async def test_w4_while_it_is_stopped_the_error_says_since_when_and_what_that_means() -> None:
    """Once routes have gone it is not given back, whatever fails later; that must not pass in silence."""
    forbidden = HttpFault(403, "forbidden", "Required 'compute.firewalls.create' permission")
    async with scene(FaultRule("firewalls.insert", Fault(error_before=forbidden), count=2)) as made:
        made.trigger()
        ignored = with_condition(
            [], "ResourcesApplied", "True", "ManagedResourceIgnored", "...", now=parse_rfc3339("2027-01-15T08:12:03Z")
        )
        status = {"status": {"conditions": ignored}}
        name = gardener_names.MANAGED_RESOURCE_CONTROL_PLANE
        made.store.patch(gardener_kinds.MANAGED_RESOURCE, name, status, made.namespace, subresource="status")
        with pytest.raises(TaskFailed):
            await made.reconcile()
        assert made.controller_manager_is_ignored()
        description = made.infrastructure()["status"]["lastError"]["description"]
        assert "Required 'compute.firewalls.create' permission" in description
        assert (
            "; the route controller of cloud-controller-manager has been stopped since 2027-01-15T08:12:03Z and stays"
            in description
        )
        assert made.infrastructure()["status"]["lastError"]["codes"] == ["ERR_INFRA_UNAUTHORIZED"]
        await made.reconcile()
        assert "lastError" not in made.infrastructure()["status"]


async def delete_all_routes(made: Scene) -> None:
    for route in await made.node_routes():
        operation = await made.compute.answer("routes.delete", "global", route["name"])
        while operation["status"] != "DONE":
            operation = await made.compute.answer("globalOperations.wait", "global", operation["name"])


async def test_w11_a_migration_that_lost_its_memory_half_way_is_finished_from_the_nodes() -> None:
    """Routes gone, aliases missing, saved routes lost (docs/reference/gardener.md#fault-killed-after-routes)."""
    async with scene() as made:
        made.trigger()
        await delete_all_routes(made)
        await made.reconcile()
        await assert_end_state(made)
        assert "set-overlap-flag" not in made.steps()


async def test_a_foreign_route_in_the_pod_range_stops_the_migration_before_it_changes_anything() -> None:
    async with scene() as made:
        made.trigger()
        network = (await made.subnet())["network"]
        body = {"name": "of-another-cluster", "network": network, "destRange": "100.100.0.0/24", "priority": 1000}
        gateway = "global/gateways/default-internet-gateway"
        made.compute.place("routes", "global", {**body, "nextHopGateway": gateway})
        before = made.mutations()
        with pytest.raises(TaskFailed, match="of-another-cluster"):
            await made.reconcile()
        assert made.mutations() == before
        assert not made.controller_manager_is_ignored()
        assert made.creates_routes()


async def test_w2_a_foreign_subnet_in_the_service_range_stops_the_migration() -> None:
    """Upstream notices it after the routes are gone (docs/reference/weaknesses.md#w2)."""
    async with scene() as made:
        made.trigger()
        network = (await made.subnet())["network"]
        body = {"name": "of-another-cluster", "network": network, "ipCidrRange": "100.70.0.0/16"}
        made.compute.place("subnetworks", SUBNET, body)
        before = made.mutations()
        with pytest.raises(TaskFailed, match=r'spec\.networking\.services: Invalid value: "100\.64\.0\.0/13"'):
            await made.reconcile()
        assert made.mutations() == before
        assert made.creates_routes()


OF_THE_USER = {"rangeName": "of-the-user", "ipCidrRange": "10.99.0.0/20"}


async def add_range_of_the_user(made: Scene) -> None:
    subnet = await made.subnet()
    ranges = [*subnet.get("secondaryIpRanges", ()), OF_THE_USER]
    await made.change(
        "subnetworks.patch", SUBNET, subnet["name"], secondaryIpRanges=ranges, fingerprint=subnet["fingerprint"]
    )


def aliases_of_the_user(made: Scene) -> dict[str, dict[str, str]]:
    """An alias for each VM in the user's range."""
    return {
        node.name: {"ipCidrRange": f"10.99.0.{16 * index}/28", "subnetworkRangeName": "of-the-user"}
        for index, node in enumerate(made.world.nodes)
    }


def alias_of(node: WorldNode) -> dict[str, str]:
    return {"ipCidrRange": node.pod_cidr, "subnetworkRangeName": "ipv4-pod-cidr"}


async def aliases(made: Scene) -> dict[str, list[dict[str, str]]]:
    vms = [await made.resource("instances.get", ZONE, node.name) for node in made.world.nodes]
    return {vm["name"]: vm["networkInterfaces"][0]["aliasIpRanges"] for vm in vms}


async def set_aliases(made: Scene, name: str, wanted: list[dict[str, str]]) -> None:
    interface = (await made.resource("instances.get", ZONE, name))["networkInterfaces"][0]
    await made.change(
        "instances.updateNetworkInterface",
        ZONE,
        name,
        query={"networkInterface": "nic0"},
        aliasIpRanges=wanted,
        fingerprint=interface["fingerprint"],
    )


async def test_w29_what_users_added_survives() -> None:
    """A range, aliases and a NAT of the user: there, back, and there again (docs/reference/weaknesses.md#w29)."""
    async with scene() as made:
        await add_range_of_the_user(made)
        added = aliases_of_the_user(made)
        for name, alias in added.items():
            await set_aliases(made, name, [alias])
        router = await made.resource("routers.get", SUBNET, f"{NS}-cloud-router")
        theirs = {
            "name": "of-the-user",
            "natIpAllocateOption": "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
        }
        await made.change("routers.patch", SUBNET, router["name"], nats=[*router["nats"], theirs])

        made.trigger()
        await made.killed_at("gate-aliases")
        annotated = {"metadata": {"annotations": {"dualstack.dev/cut-over": "back"}}}
        made.store.patch(gardener_kinds.CLUSTER, made.namespace, {"spec": {"shoot": annotated}})
        assert "the cluster uses its routes again" in await made.refusal()
        assert (await made.subnet())["secondaryIpRanges"] == [OF_THE_USER]
        assert await aliases(made) == {name: [alias] for name, alias in added.items()}

        made.trigger()
        made.store.patch(
            gardener_kinds.CLUSTER, made.namespace, {"spec": {"shoot": {"metadata": {"annotations": None}}}}
        )
        await made.reconcile()
        ranges = (await made.subnet())["secondaryIpRanges"]
        assert ranges == [OF_THE_USER, {"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}]
        assert await aliases(made) == {node.name: [alias_of(node), added[node.name]] for node in made.world.nodes}
        router = await made.resource("routers.get", SUBNET, f"{NS}-cloud-router")
        assert "of-the-user" in [nat["name"] for nat in router["nats"]]
        assert made.lost() == 0.0


async def test_a_machine_that_is_gone_is_no_obstacle() -> None:
    """Its route is stale: deleted, never turned into an alias, and its absence is no error."""
    async with scene() as made:
        gone = made.world.nodes[2]
        operation = await made.compute.answer("instances.delete", ZONE, gone.name)
        while operation["status"] != "DONE":
            operation = await made.compute.answer("zoneOperations.wait", ZONE, operation["name"])
        made.store.patch(gardener_kinds.MACHINE, gone.name, {"metadata": {"finalizers": None}}, made.namespace)
        made.store.delete(gardener_kinds.MACHINE, gone.name, made.namespace)
        made.store.delete(kinds.NODE, gone.name)
        made.trigger()
        await made.reconcile()
        assert await made.node_routes() == []
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"


async def test_w22_a_route_that_was_saved_stays_ours_although_its_machine_has_gone() -> None:
    """Machine and Node are gone while the VM still runs: nothing goes on before it stops. Then the route is deleted."""
    async with scene() as made:
        made.trigger()
        await made.killed_at("add-alias-canary")
        gone = made.world.nodes[2]
        made.store.patch(gardener_kinds.MACHINE, gone.name, {"metadata": {"finalizers": None}}, made.namespace)
        made.store.delete(gardener_kinds.MACHINE, gone.name, made.namespace)
        made.store.delete(kinds.NODE, gone.name)
        assert f"VM {gone.name}: runs, but the API server shows no Node of its name" in await made.refusal()
        await made.change("instances.stop", ZONE, gone.name)
        made.request()
        await made.reconcile()
        assert await made.node_routes() == []
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"


@pytest.mark.parametrize("step", ["gate-alias-canary", "add-aliases"])
async def test_an_alias_that_another_client_moved_back_becomes_the_first_again(step: str) -> None:
    """Where cloud-controller-manager reads it (docs/reference/gardener.md#interop-alias-is-pod-cidr); no delay."""
    async with scene() as made:
        made.trigger()
        await made.killed_at(step)
        await add_range_of_the_user(made)
        added = aliases_of_the_user(made)
        for node in made.world.nodes:
            await set_aliases(made, node.name, [added[node.name], alias_of(node)])
        await made.reconcile()
        assert await aliases(made) == {node.name: [alias_of(node), added[node.name]] for node in made.world.nodes}
        assert made.lost() == 0.0
