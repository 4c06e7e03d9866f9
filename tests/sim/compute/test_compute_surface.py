"""Disks, images, machine types and batch requests."""

from __future__ import annotations

import json
from email import message_from_bytes
from typing import Any

import pytest

from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.project.inventory import Inventory
from tests.sim.compute.cloud import MACHINE, NETWORK, NODES, ZONE, Cloud, HandClock, Setting, instance, running

BOOT: dict[str, Any] = {
    "boot": True,
    "autoDelete": True,
    "initializeParams": {
        "diskSizeGb": "50",
        "diskType": f"{ZONE}/diskTypes/pd-balanced",
        "sourceImage": "projects/debian-cloud/global/images/family/debian-12",
        "labels": {"pool": "a"},
    },
}


async def test_disks_are_created_and_deleted_with_their_vm(cloud: Cloud) -> None:
    cloud.populate()
    kept = {"initializeParams": {"diskName": "data"}}
    await cloud.do("POST", f"{ZONE}/instances", instance("vm") | {"disks": [BOOT, kept]})
    shown = (await cloud.get(f"{ZONE}/instances/vm"))["disks"]
    assert [(disk["boot"], disk["autoDelete"], disk["diskSizeGb"]) for disk in shown] == [
        (True, True, "50"),
        (False, False, "10"),
    ]
    boot = await cloud.get(f"{ZONE}/disks/vm")
    assert (boot["sizeGb"], boot["type"].rpartition("/")[2], boot["labels"]) == ("50", "pd-balanced", {"pool": "a"})
    assert boot["users"] == [(await cloud.get(f"{ZONE}/instances/vm"))["selfLink"]]
    assert (await cloud.refused("DELETE", f"{ZONE}/disks/vm"))["errors"][0][
        "reason"
    ] == "resourceInUseByAnotherResource"
    await cloud.do("DELETE", f"{ZONE}/instances/vm")
    assert (await cloud.refused("GET", f"{ZONE}/disks/vm"))["code"] == 404
    assert "users" not in await cloud.get(f"{ZONE}/disks/data")
    await cloud.do("DELETE", f"{ZONE}/disks/data")
    assert "items" not in await cloud.get(f"{ZONE}/disks")


async def test_a_disk_that_is_taken_fails_the_second_vm_inside_its_operation(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("POST", f"{ZONE}/disks", {"name": "shared", "sizeGb": "20"})
    await cloud.do("POST", f"{ZONE}/instances", instance("one") | {"disks": [{"source": f"{ZONE}/disks/shared"}]})
    error = await cloud.fail(
        "POST", f"{ZONE}/instances", instance("two") | {"disks": [{"source": f"{ZONE}/disks/shared"}]}
    )
    assert error["code"] == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"
    assert (await cloud.refused("GET", f"{ZONE}/instances/two"))["code"] == 404


async def test_disks_come_and_go_while_a_vm_runs(cloud: Cloud) -> None:
    cloud.populate(nodes=2)
    await cloud.do("POST", f"{ZONE}/disks", {"name": "data", "sizeGb": "20"})
    attach, detach = (f"{ZONE}/instances/vm0/{verb}Disk" for verb in ("attach", "detach"))
    body = {"source": f"projects/proj-1/{ZONE}/disks/data", "deviceName": "pvc"}
    await cloud.do("POST", attach, body)
    (shown,) = (await cloud.get(f"{ZONE}/instances/vm0"))["disks"]
    assert (shown["deviceName"], shown["boot"], shown["diskSizeGb"]) == ("pvc", False, "20")
    assert [user.rpartition("/")[2] for user in (await cloud.get(f"{ZONE}/disks/data"))["users"]] == ["vm0"]
    for vm in ("vm0", "vm1"):
        error = await cloud.fail("POST", f"{ZONE}/instances/{vm}/attachDisk", body)
        assert error["code"] == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"
    await cloud.do("POST", detach, deviceName="pvc")
    assert "disks" not in await cloud.get(f"{ZONE}/instances/vm0")
    assert "users" not in await cloud.get(f"{ZONE}/disks/data")
    await cloud.do("POST", f"{ZONE}/instances/vm1/attachDisk", body)


async def test_what_cannot_be_attached_or_detached_is_refused(held: Cloud) -> None:
    held.populate()
    await held.do("POST", f"{ZONE}/instances", instance("vm") | {"disks": [BOOT]})
    for name in ("one", "two"):
        await held.do("POST", f"{ZONE}/disks", {"name": name, "sizeGb": "20"})
    attach, detach = (f"{ZONE}/instances/vm/{verb}Disk" for verb in ("attach", "detach"))
    one = {"source": f"{ZONE}/disks/one", "deviceName": "pvc"}
    for body in ({}, {"source": f"{ZONE}/disks/none"}, {"source": 7}):
        assert (await held.refused("POST", attach, body))["code"] == 400
    operation = await held.begin("POST", attach, one)
    refusal = await held.refused("POST", attach, one | {"source": f"{ZONE}/disks/two"})
    assert refusal["errors"][0]["reason"] == "resourceNotReady"
    await held.ended(operation)
    assert (await held.refused("POST", attach, one | {"source": f"{ZONE}/disks/two"}))["code"] == 400
    for name in ("", "nothing", "persistent-disk-0"):
        assert (await held.refused("POST", detach, deviceName=name))["code"] == 400
    await held.do("POST", f"{ZONE}/instances/vm/stop")
    await held.do("POST", detach, deviceName="persistent-disk-0")


async def test_disks_grow_and_carry_labels(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("POST", f"{ZONE}/disks", {"name": "data", "sizeGb": "20"})
    await cloud.do("POST", f"{ZONE}/disks/data/resize", {"sizeGb": "40"})
    assert (await cloud.refused("POST", f"{ZONE}/disks/data/resize", {"sizeGb": "30"}))["code"] == 400
    disk = await cloud.get(f"{ZONE}/disks/data")
    assert disk["sizeGb"] == "40"
    labels = {"labels": {"a": "b"}, "labelFingerprint": disk["labelFingerprint"]}
    await cloud.do("POST", f"{ZONE}/disks/data/setLabels", labels)
    assert (await cloud.get(f"{ZONE}/disks/data"))["labels"] == {"a": "b"}
    assert (await cloud.refused("POST", f"{ZONE}/disks/data/setLabels", labels))["code"] == 412
    everywhere = await cloud.get("aggregated/disks")
    assert [disk["name"] for disk in everywhere["items"][ZONE]["disks"]] == ["data"]


async def test_public_images_are_found_by_family(cloud: Cloud) -> None:
    status, image = await cloud.raw("GET", "/compute/v1/projects/debian-cloud/global/images/family/debian-12")
    assert (status, image["family"], image["status"]) == (200, "debian-12", "READY")
    assert "/projects/debian-cloud/global/images/debian-12-" in image["selfLink"]
    name = image["name"]
    assert (await cloud.raw("GET", f"/compute/v1/projects/debian-cloud/global/images/{name}"))[1] == image
    listed = (await cloud.raw("GET", "/compute/v1/projects/debian-cloud/global/images"))[1]
    assert image in listed["items"]
    assert "items" not in await cloud.get("global/images")
    status, refusal = await cloud.raw("GET", "/compute/v1/projects/debian-cloud/global/images/family/none")
    assert (status, refusal["error"]["errors"][0]["reason"]) == (404, "notFound")
    assert (await cloud.raw("GET", "/compute/v1/projects/debian-cloud/global/networks"))[0] == 404


async def test_machine_types_are_listed_in_every_zone(cloud: Cloud) -> None:
    listed = (await cloud.get(f"{ZONE}/machineTypes", filter="name = n1-standard-*"))["items"]
    assert {row["name"]: row["guestCpus"] for row in listed}["n1-standard-4"] == 4
    everywhere = await cloud.get("aggregated/machineTypes", filter="name = n1-standard-4")
    assert all(len(content["machineTypes"]) == 1 for content in everywhere["items"].values())
    assert len(everywhere["items"]) == 3


async def test_access_configs_come_and_go_on_a_running_vm(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    path = f"{ZONE}/instances/vm0"
    before = await cloud.interface("vm0")
    await cloud.do("POST", f"{path}/addAccessConfig", {"name": "external-nat"}, networkInterface="nic0")
    shown = await cloud.interface("vm0")
    (config,) = shown["accessConfigs"]
    assert (config["type"], config["name"], config["networkTier"]) == ("ONE_TO_ONE_NAT", "external-nat", "PREMIUM")
    assert shown["fingerprint"] != before["fingerprint"]
    again = await cloud.refused("POST", f"{path}/addAccessConfig", {}, networkInterface="nic0")
    assert again["message"] == "At most one access config currently supported."
    ptr = {"name": "external-nat", "setPublicPtr": True, "publicPtrDomainName": "a.example.com."}
    await cloud.do("POST", f"{path}/updateAccessConfig", ptr, networkInterface="nic0")
    assert (await cloud.interface("vm0"))["accessConfigs"][0]["publicPtrDomainName"] == "a.example.com."
    moved = ptr | {"natIP": "34.1.2.3"}
    assert (await cloud.refused("POST", f"{path}/updateAccessConfig", moved, networkInterface="nic0"))["code"] == 400
    unknown = {"networkInterface": "nic0", "accessConfig": "other"}
    assert (await cloud.refused("POST", f"{path}/deleteAccessConfig", None, **unknown))["code"] == 404
    await cloud.do("POST", f"{path}/deleteAccessConfig", networkInterface="nic0", accessConfig="external-nat")
    assert "accessConfigs" not in await cloud.interface("vm0")
    assert (await cloud.refused("POST", f"{path}/addAccessConfig", {}, networkInterface="nic7"))["code"] == 400


async def test_an_external_address_belongs_to_one_vm(cloud: Cloud) -> None:
    cloud.populate()
    nic = {"accessConfigs": [{"natIP": "34.1.2.3"}]}
    await cloud.do("POST", f"{ZONE}/instances", instance("one", **nic))
    refusal = await cloud.refused("POST", f"{ZONE}/instances", instance("two", **nic))
    assert "is already being used by 'projects/proj-1/zones/europe-west1-b/instances/one'" in refusal["message"]


async def test_update_says_what_it_would_disturb(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    path = f"{ZONE}/instances/vm0"
    whole = await cloud.get(path)
    refusal = await cloud.refused("PUT", path, whole | {"canIpForward": False}, mostDisruptiveAllowedAction="NO_EFFECT")
    assert "needs REFRESH" in refusal["message"]
    await cloud.do("PUT", path, whole | {"canIpForward": False}, mostDisruptiveAllowedAction="REFRESH")
    after = await cloud.get(path)
    assert (after["canIpForward"], after["fingerprint"] != whole["fingerprint"]) == (False, True)
    assert (await cloud.refused("PUT", path, whole))["code"] == 412
    tagged = {**after, "tags": {"items": ["other"]}}
    assert (await cloud.refused("PUT", path, tagged))["code"] == 400


async def test_the_machine_type_of_a_stopped_vm_changes(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    path, wanted = f"{ZONE}/instances/vm0", {"machineType": f"{ZONE}/machineTypes/n1-standard-4"}
    assert (await cloud.refused("POST", f"{path}/setMachineType", wanted))["code"] == 400
    await cloud.do("POST", f"{path}/stop")
    await cloud.do("POST", f"{path}/setMachineType", wanted)
    assert (await cloud.get(path))["machineType"].endswith("/n1-standard-4")
    assert not (await cloud.get(path))["machineType"].endswith(MACHINE)


async def test_effective_firewalls_are_those_that_bear_on_the_interface(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("POST", f"{ZONE}/instances", instance("vm") | {"tags": {"items": ["web"]}})
    for name, extra in (("all", {}), ("web", {"targetTags": ["web"], "priority": 10}), ("db", {"targetTags": ["db"]})):
        rule = {"name": name, "network": NETWORK, "allowed": [{"IPProtocol": "tcp"}], **extra}
        await cloud.do("POST", "global/firewalls", rule)
    of_vm = await cloud.get(f"{ZONE}/instances/vm/getEffectiveFirewalls", networkInterface="nic0")
    assert [rule["name"] for rule in of_vm["firewalls"]] == ["web", "all"]
    of_network = await cloud.get("global/networks/vpc/getEffectiveFirewalls")
    assert [rule["name"] for rule in of_network["firewalls"]] == ["web", "all", "db"]
    assert (await cloud.refused("GET", f"{ZONE}/instances/vm/getEffectiveFirewalls"))["code"] == 400


# -- batches


def _batch(*requests: tuple[str, str, Any]) -> bytes:
    chunks = []
    for number, (verb, path, body) in enumerate(requests):
        text = json.dumps(body) if body is not None else ""
        head = f"--edge\r\nContent-Type: application/http\r\nContent-ID: <base+{number}>\r\n\r\n"
        chunks.append(f"{head}{verb} {path} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{text}\r\n")
    return ("".join(chunks) + "--edge--\r\n").encode()


async def _post_batch(cloud: Cloud, data: bytes, kind: str = 'multipart/mixed; boundary="edge"') -> list[Any]:
    """(status line, content id, document) of each part."""
    headers = {"Content-Type": kind}
    async with cloud.session.post(f"{cloud.root}/batch/compute/v1", data=data, headers=headers) as response:
        assert response.status == 200, await response.text()
        head = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode()
        message = message_from_bytes(head + await response.read())
    parts = []
    for part in message.get_payload():
        assert not isinstance(part, str)
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        line, _, rest = payload.decode().replace("\r", "").partition("\n")
        parts.append((line, part["Content-ID"], json.loads(rest.partition("\n\n")[2])))
    return parts


async def test_a_batch_answers_each_request_on_its_own(cloud: Cloud) -> None:
    cloud.populate(nodes=2)
    root = "/compute/v1/projects/proj-1"
    parts = await _post_batch(
        cloud,
        _batch(
            ("GET", f"{root}/global/routes/shoot--foo--bar-0?fields=name", None),
            ("DELETE", f"{root}/global/routes/shoot--foo--bar-1", None),
            ("GET", f"{root}/global/routes/none", None),
            ("POST", f"http://any.host{root}/global/firewalls", {"name": "rule", "network": NETWORK}),
        ),
    )
    assert [line for line, _, _ in parts] == [
        "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found", "HTTP/1.1 400 Bad Request",
    ]  # fmt: skip
    assert [identity for _, identity, _ in parts] == [f"<response-base+{number}>" for number in range(4)]
    assert parts[0][2] == {"name": "shoot--foo--bar-0"}
    await cloud.ended(parts[1][2])
    assert (await cloud.refused("GET", "global/routes/shoot--foo--bar-1"))["code"] == 404
    assert parts[2][2]["error"]["errors"][0]["reason"] == "notFound"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("application/json", b"{}"),
        ("multipart/mixed", b"no boundary"),
        ("multipart/mixed; boundary=edge", b"--edge\r\nContent-Type: text/plain\r\n\r\nhello\r\n--edge--\r\n"),
        ("multipart/mixed; boundary=edge", b"--edge\r\nContent-Type: application/http\r\n\r\n\r\n--edge--\r\n"),
        ("multipart/mixed; boundary=edge", _batch(*[("GET", "/x", None)] * 1001)),
    ],
)
async def test_a_malformed_batch_is_refused_as_a_whole(cloud: Cloud, kind: str, data: bytes) -> None:
    headers = {"Content-Type": kind}
    async with cloud.session.post(f"{cloud.root}/batch/compute/v1", data=data, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, 400)


async def test_an_unexpected_exception_gets_the_documented_shape(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.populate()

    async def broken(*_args: Any, **_options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Compute, "answer", broken)
    error = await cloud.refused("GET", NODES)
    assert (error["code"], error["errors"][0]["reason"]) == (500, "backendError")
    parts = await _post_batch(cloud, _batch(("GET", f"/compute/v1/projects/proj-1/{NODES}", None)))
    assert parts[0][0] == "HTTP/1.1 500 Internal Server Error"


async def test_an_unexpected_exception_in_an_operation_ends_it(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.populate(nodes=1)
    put = Inventory.put

    def broken(inventory: Inventory, at: float, key: Key, resource: Json | None, *, effective: bool = True) -> None:
        if resource is not None and resource.get("status") == "TERMINATED":
            raise ZeroDivisionError
        put(inventory, at, key, resource, effective=effective)

    monkeypatch.setattr(Inventory, "put", broken)
    ended = await cloud.ended(await cloud.begin("POST", f"{ZONE}/instances/vm0/stop"))
    monkeypatch.undo()
    assert ended["error"]["errors"][0]["code"] == "INTERNAL_ERROR"
    assert ended["httpErrorStatusCode"] == 500
    await cloud.do("POST", f"{ZONE}/instances/vm0/stop")
    assert (await cloud.get(f"{ZONE}/instances/vm0"))["status"] == "TERMINATED"


async def test_the_whole_surface_is_dumped_and_loaded() -> None:
    async with running(Setting(by_hand=True)) as first, running(Setting(by_hand=True)) as second:
        first.populate(nodes=2)
        body = {"name": "old", "properties": {"machineType": "n1-standard-2", "networkInterfaces": [
            {"network": NETWORK, "subnetwork": f"projects/proj-1/{NODES}"}]}}  # fmt: skip
        first.compute.place("instanceTemplates", "global", body)
        group = {"name": "pool", "targetSize": 2, "instanceTemplate": "global/instanceTemplates/old"}
        first.compute.place("instanceGroupManagers", ZONE, group)
        first.compute.place("instances", ZONE, instance("vm") | {"disks": [BOOT]})
        second.compute.load(first.compute.dump())
        assert second.compute.snapshot() == first.compute.snapshot()
        assert second.compute.dump() == first.compute.dump()
        path = f"{ZONE}/instanceGroupManagers/pool"
        rows = (await second.call("POST", f"{path}/listManagedInstances"))[1]["managedInstances"]
        names = [row["name"] for row in rows]
        await second.do("POST", f"{path}/deleteInstances", {"instances": [f"{ZONE}/instances/{names[0]}"]})
        for _ in range(100):
            assert isinstance(second.clock, HandClock)
            second.clock.advance(1.0)
            second.compute.operations_running()
        assert (await second.get(path))["status"]["isStable"]
        assert (await second.refused("GET", f"{ZONE}/instances/{names[0]}"))["code"] == 404
