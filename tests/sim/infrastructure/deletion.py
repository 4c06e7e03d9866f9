"""Deletion of an Infrastructure and of its VMs, and what is left in the cloud."""

from __future__ import annotations

from dualstack.gardener.model import kinds as gardener_kinds
from tests.sim.infrastructure.scene import SUBNET, Scene

COLLECTIONS = (
    ("networks", "global"),
    ("firewalls", "global"),
    ("routes", "global"),
    ("subnetworks", SUBNET),
    ("routers", SUBNET),
    ("addresses", SUBNET),
)


async def what_is_there(made: Scene) -> dict[str, list[str]]:
    """Names by collection; routes that the cloud makes itself do not count."""
    found = {}
    for collection, scope in COLLECTIONS:
        listed = await made.compute.answer(f"{collection}.list", scope)
        items = [item for item in listed.get("items", ()) if not item.get("nextHopNetwork")]
        found[collection] = sorted(item["name"] for item in items if "default" not in item["name"])
    return found


async def delete_vms(made: Scene) -> None:
    """What Gardener's Worker deletion does before the Infrastructure's turn; it leaves the routes."""
    for node in made.world.nodes:
        await made.change("instances.delete", f"zones/{node.zone}", node.name)


async def delete(made: Scene) -> None:
    made.store.delete(gardener_kinds.INFRASTRUCTURE, made.shoot, made.namespace)
    await made.reconcile()
