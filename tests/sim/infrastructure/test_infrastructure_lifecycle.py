"""Deletion, control-plane migration and Terraform's state, over both servers.

docs/reference/gardener.md#deletion-graph, docs/reference/gardener.md#control-plane-migration
"""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.infrastructure import API_VERSION
from dualstack.gce.errors import InUse
from dualstack.model import kinds
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.faults import FaultRule
from tests.sim.infrastructure.deletion import delete, delete_vms, what_is_there
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, QUICK, SUBNET, Scene, scene


async def patch_state(made: Scene, state: dict[str, Any] | None) -> None:
    before = made.infrastructure()["status"].get("state") or {}
    body = None if state is None else dict.fromkeys(before) | state
    made.store.patch(
        gardener_kinds.INFRASTRUCTURE, made.shoot, {"status": {"state": body}}, made.namespace, subresource="status"
    )


@pytest.mark.parametrize("dual", [False, True], ids=["ipv4", "dual"])
async def test_nothing_is_left_of_a_deleted_shoot_with_its_own_network(dual: bool) -> None:
    async with scene() as made:
        made.trigger(families=("IPv4", "IPv6") if dual else ("IPv4",))
        await made.reconcile()
        network = (await made.subnet())["network"]
        balancer = {"name": "k8s-fw-a1", "network": network, "targetTags": [NS], "allowed": [{"IPProtocol": "tcp"}]}
        made.compute.place("firewalls", "global", balancer | {"sourceRanges": ["0.0.0.0/0"]})
        await delete_vms(made)
        await delete(made)
        assert {name for found in (await what_is_there(made)).values() for name in found} == set()
        assert made.store.get(gardener_kinds.INFRASTRUCTURE, made.shoot, made.namespace) is None


async def test_what_is_the_users_outlives_the_shoot() -> None:
    """The user's VPC, router, addresses, NATs, and another cluster's rules in it (docs/reference/weaknesses.md#w22)."""
    async with scene(example="shoot-large.yaml", nodes=4) as made:
        made.trigger()
        await made.reconcile()
        router = await made.resource("routers.get", SUBNET, "shop-live-router")
        theirs = {
            "name": "of-the-user",
            "natIpAllocateOption": "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
        }
        await made.change("routers.patch", SUBNET, router["name"], nats=[*router["nats"], theirs])
        network = (await made.subnet(f"{made.namespace}-nodes"))["network"]
        for name, tag in (("k8s-fw-other", f"{made.namespace}2"), ("of-the-user", made.namespace)):
            rule = {"name": name, "network": network, "targetTags": [tag], "allowed": [{"IPProtocol": "tcp"}]}
            made.compute.place("firewalls", "global", rule | {"sourceRanges": ["0.0.0.0/0"]})
        await delete_vms(made)
        await delete(made)
        left = await what_is_there(made)
        assert left == {
            "networks": [network.rpartition("/")[2]],
            "firewalls": ["k8s-fw-other", "of-the-user"],
            "routes": [],
            "subnetworks": [],
            "routers": ["shop-live-router"],
            "addresses": ["shop-egress-1", "shop-egress-2"],
        }
        router = await made.resource("routers.get", SUBNET, "shop-live-router")
        assert [nat["name"] for nat in router["nats"]] == ["of-the-user"]


async def test_w35_the_services_subnet_is_deleted_even_if_the_shoot_no_longer_names_it() -> None:
    """Upstream looks at the Shoot's status; without it the subnet leaks and the VPC cannot be deleted."""
    async with scene() as made:
        made.trigger()
        await made.reconcile()
        cluster = made.store.get(gardener_kinds.CLUSTER, made.namespace)
        assert cluster is not None
        shoot = cluster["spec"]["shoot"]
        shoot["spec"]["networking"]["ipFamilies"] = ["IPv4"]
        shoot["status"].pop("networking", None)
        made.store.replace(gardener_kinds.CLUSTER, cluster)
        await delete_vms(made)
        await delete(made)
        assert (await what_is_there(made))["subnetworks"] == []


async def test_a_deletion_that_is_refused_says_what_and_is_finished_later() -> None:
    busy = HttpFault(400, "resourceInUseByAnotherResource", "The network resource is already being used by 'x'")
    async with scene(FaultRule("networks.delete", Fault(error_before=busy), count=1)) as made:
        await delete_vms(made)
        made.request()
        await made.reconcile()
        with pytest.raises(TaskFailed) as caught:
            await delete(made)
        assert isinstance(caught.value.__cause__, InUse)
        status = made.infrastructure()["status"]
        assert status["lastOperation"]["type"] == "Delete"
        assert status["lastError"]["description"].startswith(
            'Error deleting Infrastructure: failed to "destroy vpc": DELETE global/networks/'
        )
        assert status["lastError"]["codes"] == ["ERR_INFRA_DEPENDENCIES"]
        await delete(made)
        assert (await what_is_there(made))["networks"] == []


async def test_where_nothing_was_made_nothing_is_asked() -> None:
    """4.3: not even credentials are needed."""
    async with scene() as made:
        made.request()
        await made.reconcile()
        await patch_state(made, None)
        made.store.delete(kinds.SECRET, "cloudprovider", made.namespace)
        before = made.mutations()
        await delete(made)
        assert made.mutations() == before
        assert made.store.get(gardener_kinds.INFRASTRUCTURE, made.shoot, made.namespace) is None


async def test_a_control_plane_that_moves_takes_its_state_along() -> None:
    """Migrate on the one seed, restore on the other: nothing is changed in the cloud."""
    async with scene() as made:
        made.trigger()
        controller = made.controller(settings=QUICK)
        await controller.reconcile(made.shoot, made.namespace)
        before = made.mutations()
        for operation, kind in (("migrate", "Migrate"), ("restore", "Restore")):
            annotations = {"metadata": {"annotations": {gardener_names.OPERATION: operation}}}
            made.store.patch(gardener_kinds.INFRASTRUCTURE, made.shoot, annotations, made.namespace)
            await controller.reconcile(made.shoot, made.namespace)
            infrastructure = made.infrastructure()
            assert infrastructure["status"]["lastOperation"]["type"] == kind
            assert gardener_names.OPERATION not in infrastructure["metadata"]["annotations"]
            assert bool(infrastructure["metadata"].get("finalizers")) is (operation == "restore")
            await assert_end_state(made)
        assert made.mutations() == before


async def test_w15_routes_saved_on_the_other_seed_become_aliases() -> None:
    """A control plane moved in the middle of a migration: the routes gone, the list restored with the state."""
    async with scene() as made:
        saved = [
            {"instanceName": node.name, "destinationCIDR": node.pod_cidr, "zone": node.zone}
            for node in made.world.nodes
        ]
        for route in await made.node_routes():
            await made.change("routes.delete", "global", route["name"])
        made.trigger()
        state = {"apiVersion": API_VERSION, "kind": "InfrastructureState", "data": {"resources_exist": "true"}}
        await patch_state(made, state | {"routes": saved})
        annotations = {"metadata": {"annotations": {gardener_names.OPERATION: "restore"}}}
        made.store.patch(gardener_kinds.INFRASTRUCTURE, made.shoot, annotations, made.namespace)
        await made.reconcile()
        await assert_end_state(made)
        assert made.infrastructure()["status"]["lastOperation"]["type"] == "Restore"


async def test_a_shoot_of_the_terraform_era_is_taken_over() -> None:
    """10: its state becomes two keys, and Terraform's leftovers go once the reconcile has succeeded."""
    async with scene() as made:
        terraform = {"version": 4, "resources": [{"type": "google_service_account", "instances": [{}]}]}
        await patch_state(made, terraform)
        for kind, part in ((kinds.CONFIG_MAP, "config"), (kinds.CONFIG_MAP, "state"), (kinds.SECRET, "vars")):
            metadata = {"name": f"{made.shoot}.infra.tf-{part}", "namespace": made.namespace}
            made.store.create(kind, {"apiVersion": "v1", "kind": kind.kind, "metadata": metadata})
        before = made.mutations()
        made.request()
        await made.reconcile()
        assert made.infrastructure()["status"]["state"] == {
            "kind": "InfrastructureState",
            "apiVersion": API_VERSION,
            "data": {"resources_exist": "true", "service_account_exist": "true"},
        }
        assert made.mutations() == before
        for kind in (kinds.CONFIG_MAP, kinds.SECRET):
            assert not [found for found in made.store.list(kind, made.namespace) if ".tf-" in found["metadata"]["name"]]
