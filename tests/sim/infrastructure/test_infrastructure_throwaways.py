"""Temporary routes and VM are deleted only if provably ours (docs/reference/design-rules.md#provably-ours)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.infrastructure.deletion import delete, delete_vms, what_is_there
from tests.sim.infrastructure.scene import NS, PROBER_IMAGE, SUBNET, ZONE, Scene, scene
from tests.sim.infrastructure.way_back import ALLOW
from tests.support.probing import probing

DRILL = f"{NS[:26]}-rollback-drill"
DECOY = f"{NS}-dualstack-decoy"
NAMES = (DRILL, f"{DECOY}-1", f"{DECOY}-3")


async def insert(made: Scene, collection: str, scope: str, body: dict[str, Any]) -> None:
    await made.compute.answer(f"{collection}.insert", scope, body=body)
    await made.clock.sleep(60.0)


async def strangers(made: Scene, *names: str, **changed: str) -> None:
    """Routes of another network of the same project, which has one set of names for all its networks."""
    await insert(made, "networks", "global", {"name": "elsewhere", "autoCreateSubnetworks": False})
    link = (await made.resource("networks.get", "global", "elsewhere"))["selfLink"]
    for name in names:
        gateway = f"projects/{made.world.project}/global/gateways/default-internet-gateway"
        route = {"name": name, "network": link, "destRange": "100.127.255.0/24", "nextHopGateway": gateway}
        await insert(made, "routes", "global", route | {"description": "kept by hand"} | changed)


def vm_called(name: str, subnet: str) -> dict[str, Any]:
    image = {"sourceImage": "projects/p/global/images/i"}
    return {
        "name": name,
        "description": "dualstack-decoy 100.127.252.0/22",
        "machineType": f"{ZONE}/machineTypes/e2-micro",
        "networkInterfaces": [{"subnetwork": f"{SUBNET}/subnetworks/{subnet}"}],
        "disks": [{"boot": True, "autoDelete": True, "initializeParams": image}],
    }


async def routes(made: Scene) -> list[str]:
    return [route["name"] for route in (await made.compute.answer("routes.list", "global"))["items"]]


async def refusal(made: Scene, annotation: str) -> str:
    made.trigger(annotations={annotation: "true"})
    return await made.refusal()


@pytest.mark.parametrize("description", ["kept by hand", "dualstack-rollback-drill"])
async def test_a_drill_does_not_delete_a_foreign_route_of_its_name(description: str) -> None:
    async with scene(knobs=ALLOW) as made:
        await strangers(made, DRILL, description=description)
        said = await refusal(made, "dualstack.dev/drill")
        assert f"route {DRILL} already exists and does not belong to this cluster" in said
        assert DRILL in await routes(made)
        assert len(await made.node_routes()) == 3
        assert made.lost() == 0.0


@pytest.mark.parametrize("description", ["kept by hand", "dualstack-decoy"])
async def test_a_decoy_check_does_not_delete_foreign_routes_of_its_names(description: str) -> None:
    async with scene(prober_image=PROBER_IMAGE) as made, probing(made):
        await strangers(made, *NAMES[1:], description=description)
        said = await refusal(made, "dualstack.dev/decoys")
        assert f"route {DECOY}-1 already exists and does not belong to this cluster" in said
        assert set(NAMES[1:]) <= set(await routes(made))
        with pytest.raises(Exception, match="not found"):
            await made.resource("instances.get", ZONE, DECOY)
        assert not made.controller_manager_is_ignored()


async def test_what_was_cut_off_goes_with_its_shoot_and_what_is_named_like_it_stays() -> None:
    async with scene() as made:
        made.trigger(families=("IPv4",))
        await made.reconcile()
        link = (await made.subnet())["network"]
        vm = made.world.nodes[0].name
        left: dict[str, Any] = {
            "name": DRILL,
            "description": "dualstack-rollback-drill",
            "network": link,
            "destRange": "100.127.255.0/24",
            "nextHopInstance": f"projects/{made.world.project}/{ZONE}/instances/{vm}",
        }
        await insert(made, "routes", "global", left)
        decoy = left | {"name": f"{DECOY}-1", "description": "dualstack-decoy", "destRange": "100.127.252.0/24"}
        await insert(made, "instances", ZONE, vm_called(DECOY, f"{NS}-nodes"))
        hop = f"projects/{made.world.project}/{ZONE}/instances/{DECOY}"
        await insert(made, "routes", "global", decoy | {"nextHopInstance": hop})
        await made.change("instances.delete", ZONE, DECOY)
        await strangers(made, f"{DECOY}-3")
        await delete_vms(made)
        await delete(made)
        assert (await what_is_there(made))["routes"] == [f"{DECOY}-3"]


async def test_a_vm_of_another_network_is_no_decoy_whatever_it_is_called() -> None:
    async with scene(prober_image=PROBER_IMAGE) as made, probing(made):
        await strangers(made)
        body = {"name": "theirs", "network": "global/networks/elsewhere", "ipCidrRange": "192.168.0.0/24"}
        await insert(made, "subnetworks", SUBNET, body)
        vm = vm_called(DECOY, "theirs")
        await insert(made, "instances", ZONE, vm)
        assert "already exists" in await refusal(made, "dualstack.dev/decoys")
        assert (await made.resource("instances.get", ZONE, DECOY))["description"] == vm["description"]
        assert not made.controller_manager_is_ignored()
