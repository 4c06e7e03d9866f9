"""Scenarios of the areas `templates`, `groups`, `disks`, `access` and `machines`."""

from __future__ import annotations

from typing import Any

from tests.sim.compute.cloud import NETWORK, NODES, REGION, ZONE, Cloud, instance
from tests.sim.rules.scenarios import over_http, status

TEMPLATES, GROUPS = "global/instanceTemplates", f"{ZONE}/instanceGroupManagers"
GROUP = f"{GROUPS}/pool"


def template(name: str, **interface: Any) -> dict[str, Any]:
    nic = {"network": NETWORK, "subnetwork": f"projects/proj-1/{NODES}", **interface}
    return {"name": name, "properties": {"machineType": "n1-standard-2", "networkInterfaces": [nic]}}


def give_group(cloud: Cloud, size: int = 2, **policy: Any) -> None:
    """A group `pool` of the template `old`, at rest, and a template `new`."""
    cloud.compute.place("instanceTemplates", "global", template("old"))
    cloud.compute.place("instanceTemplates", "global", template("new"))
    body = {"name": "pool", "targetSize": size, "instanceTemplate": f"{TEMPLATES}/old"}
    cloud.compute.place("instanceGroupManagers", ZONE, body | {"updatePolicy": policy})


async def members(cloud: Cloud) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await cloud.call("POST", f"{GROUP}/listManagedInstances"))[1]["managedInstances"]
    return rows


@over_http("templates.in-use")
async def template_in_use(cloud: Cloud) -> bool:
    give_group(cloud)
    return await status(cloud, "DELETE", f"{TEMPLATES}/old") == 400


@over_http("templates.alias-masks")
async def alias_masks(cloud: Cloud) -> bool:
    body = template("bad", aliasIpRanges=[{"ipCidrRange": "10.250.8.0/24"}])
    return await status(cloud, "POST", TEMPLATES, body) == 400


@over_http("groups.availability", by_hand=True)
async def availability(cloud: Cloud) -> bool:
    give_group(cloud, type="PROACTIVE", maxSurge={"fixed": 1}, maxUnavailable={"fixed": 0})
    await cloud.do("POST", f"{GROUP}/setInstanceTemplate", {"instanceTemplate": f"{TEMPLATES}/new"})
    return sorted(row["currentAction"] for row in await members(cloud)) == ["CREATING", "NONE", "NONE"]


@over_http("groups.recreate-without-surge")
async def recreate_without_surge(cloud: Cloud) -> bool:
    give_group(cloud)
    body = {"updatePolicy": {"replacementMethod": "RECREATE", "maxSurge": {"fixed": 1}}}
    return await status(cloud, "PATCH", GROUP, body) == 400


@over_http("groups.some-leeway")
async def some_leeway(cloud: Cloud) -> bool:
    give_group(cloud)
    body = {"updatePolicy": {"maxSurge": {"fixed": 0}, "maxUnavailable": {"fixed": 0}}}
    return await status(cloud, "PATCH", GROUP, body) == 400


@over_http("groups.deletion-shrinks")
async def deletion_shrinks(cloud: Cloud) -> bool:
    give_group(cloud)
    name = (await members(cloud))[0]["name"]
    await cloud.do("POST", f"{GROUP}/deleteInstances", {"instances": [f"{ZONE}/instances/{name}"]})
    return bool((await cloud.get(GROUP))["targetSize"] == 1)


@over_http("groups.fingerprint")
async def group_fingerprint(cloud: Cloud) -> bool:
    give_group(cloud)
    return await status(cloud, "PATCH", GROUP, {"fingerprint": "AAAAAAAAAAA=", "targetSize": 3}) == 412


def give_disk(cloud: Cloud, *, auto_delete: bool) -> None:
    """A VM `vm` with a boot disk of the same name."""
    cloud.compute.place("instances", ZONE, instance("vm") | {"disks": [{"boot": True, "autoDelete": auto_delete}]})


@over_http("disks.in-use")
async def disk_in_use(cloud: Cloud) -> bool:
    give_disk(cloud, auto_delete=True)
    return await status(cloud, "DELETE", f"{ZONE}/disks/vm") == 400


@over_http("disks.auto-delete")
async def auto_delete(cloud: Cloud) -> bool:
    give_disk(cloud, auto_delete=True)
    await cloud.do("DELETE", f"{ZONE}/instances/vm")
    return await status(cloud, "GET", f"{ZONE}/disks/vm") == 404


@over_http("disks.only-grow")
async def only_grow(cloud: Cloud) -> bool:
    give_disk(cloud, auto_delete=True)
    return await status(cloud, "POST", f"{ZONE}/disks/vm/resize", {"sizeGb": "5"}) == 400


@over_http("access.one-config")
async def one_config(cloud: Cloud) -> bool:
    path = f"{ZONE}/instances/vm0/addAccessConfig"
    await cloud.do("POST", path, {}, networkInterface="nic0")
    return await status(cloud, "POST", path, {}, networkInterface="nic0") == 400


@over_http("access.address-once", nodes=2)
async def address_once(cloud: Cloud) -> bool:
    body = {"natIP": "34.1.2.3"}
    await cloud.do("POST", f"{ZONE}/instances/vm0/addAccessConfig", body, networkInterface="nic0")
    return await status(cloud, "POST", f"{ZONE}/instances/vm1/addAccessConfig", body, networkInterface="nic0") == 400


@over_http("access.ephemeral-address")
async def ephemeral_address(cloud: Cloud) -> bool:
    await cloud.do("POST", f"{REGION}/addresses", {"name": "kept", "address": "34.1.2.3"})
    seen = []
    for name, body in (("ephemeral", {}), ("reserved", {"natIP": "34.1.2.3"})):
        await cloud.do("POST", f"{ZONE}/instances", instance(name, accessConfigs=[body]))
        for verb in ("", "stop", "start"):
            if verb:
                await cloud.do("POST", f"{ZONE}/instances/{name}/{verb}")
            seen.append((await cloud.interface(name))["accessConfigs"][0].get("natIP"))
    first, stopped, again, *reserved = seen
    assert reserved == ["34.1.2.3"] * 3
    return stopped is None and first != again


@over_http("machines.type-when-stopped")
async def type_when_stopped(cloud: Cloud) -> bool:
    body = {"machineType": f"{ZONE}/machineTypes/n1-standard-4"}
    return await status(cloud, "POST", f"{ZONE}/instances/vm0/setMachineType", body) == 400


@over_http("machines.most-disruptive-action")
async def most_disruptive_action(cloud: Cloud) -> bool:
    whole = await cloud.get(f"{ZONE}/instances/vm0") | {"canIpForward": False}
    query = {"mostDisruptiveAllowedAction": "NO_EFFECT"}
    return await status(cloud, "PUT", f"{ZONE}/instances/vm0", whole, **query) == 400


@over_http("addresses.reserved-for-vm")
async def reserved_for_vm(cloud: Cloud) -> bool:
    reserved = {"name": "vip", "addressType": "INTERNAL", "subnetwork": NODES, "address": "10.250.0.9"}
    await cloud.do("POST", f"{REGION}/addresses", reserved)
    outcomes = [
        "error"
        in await cloud.ended(await cloud.begin("POST", f"{ZONE}/instances", instance(name, networkIP="10.250.0.9")))
        for name in ("first", "second")
    ]
    return outcomes == [False, True] and (await cloud.get(f"{REGION}/addresses/vip"))["status"] == "IN_USE"
