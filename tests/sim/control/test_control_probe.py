"""The probe of the control endpoint, and its errors."""

from __future__ import annotations

from typing import Any

from tests.sim.control.served import NETWORKS, Served

PROJECT = NETWORKS.removesuffix("/global/networks")
ZONE = f"{PROJECT}/zones/europe-west1-b"


async def create_vms(served: Served) -> str:
    """Create two VMs in one subnet behind a firewall that allows their traffic. Returns the address of the second."""

    async def make(path: str, body: dict[str, Any]) -> None:
        status, answer = await served.compute("POST", f"{PROJECT}/{path}", body)
        assert status == 200, answer
        await served.good("POST", "/finish")

    network = "projects/proj-1/global/networks/vpc"
    subnet = "regions/europe-west1/subnetworks/nodes"
    await served.network("vpc")
    await make(
        "regions/europe-west1/subnetworks", {"name": "nodes", "network": network, "ipCidrRange": "10.250.0.0/16"}
    )
    allowed = {"allowed": [{"IPProtocol": "all"}], "sourceRanges": ["10.0.0.0/8"]}
    await make("global/firewalls", {"name": "inside", "network": network, **allowed})
    for name in ("one", "two"):
        vm = {"name": name, "machineType": "zones/europe-west1-b/machineTypes/n1-standard-2"}
        await make("zones/europe-west1-b/instances", {**vm, "networkInterfaces": [{"subnetwork": subnet}]})
    _, instance = await served.compute("GET", f"{ZONE}/instances/two")
    return str(instance["networkInterfaces"][0]["networkIP"])


async def test_a_packet_between_vms_is_delivered_until_one_stops(served: Served) -> None:
    address = await create_vms(served)
    await served.good("POST", "/clock", {"step": 60})
    verdict = await served.good("GET", f"/probe?from=one&to={address}")
    assert (verdict["delivered_to"], verdict["reason"]) == ("two", "DELIVERED")
    _, operation = await served.compute("POST", f"{ZONE}/instances/two/stop")
    assert operation["status"] == "PENDING"
    await served.good("POST", "/finish")
    await served.good("POST", "/clock", {"step": 60})
    assert (await served.good("GET", f"/probe?from=one&to={address}"))["delivered_to"] is None


async def test_invalid_probes_are_refused(served: Served) -> None:
    await create_vms(served)
    for question, field in (("from=ghost&to=10.250.0.2", "from:"), ("from=one&to=nowhere", "to:"), ("", "from:")):
        status, answer = await served.control("GET", f"/probe?{question}")
        assert (status, answer["message"][: len(field)]) == (400, field)


async def test_unknown_paths_and_verbs_are_refused_in_json(served: Served) -> None:
    assert await served.control("GET", "/nowhere") == (404, {"message": "GET /nowhere: Not Found"})
    assert await served.control("PUT", "/faults") == (405, {"message": "PUT /faults: Method Not Allowed"})


async def test_finish_completes_operations_now(served: Served) -> None:
    _, operation = await served.compute("POST", NETWORKS, {"name": "one", "autoCreateSubnetworks": False})
    await served.good("POST", "/finish")
    _, ended = await served.compute("GET", f"{PROJECT}/global/operations/{operation['name']}")
    assert (ended["status"], ended["endTime"]) == ("DONE", ended["insertTime"])
