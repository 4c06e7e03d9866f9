"""Waiting for operations: many at once, despite failed polls, and with typed errors."""

from __future__ import annotations

import asyncio

import pytest
from tests.clients.gce.conftest import Answer, Asked, Server, not_found, operation

from dualstack.gce import ComputeClient
from dualstack.gce.errors import Invalid, NotFound, QuotaExceeded, Transient
from dualstack.gce.operations import FEW, MAX_FAILED_POLLS, scope_of

ZONE = {"zone": "https://www.googleapis.com/compute/v1/projects/proj-1/zones/z1"}


class World:
    """Operations that end after a number of polls."""

    def __init__(self, server: Server, *, looks: int) -> None:
        self.looks = looks
        self.started: list[str] = []
        server.hook = self.answer

    def answer(self, asked: Asked) -> Answer | None:
        if asked.method == "PATCH":
            self.started.append(f"op-{asked.path.split('/')[3]}")
            return 200, operation(self.started[-1], "RUNNING", **ZONE)
        if asked.path == "zones/z1/operations":
            self.looks -= 1
            status = "RUNNING" if self.looks > 0 else "DONE"
            return 200, {"items": [operation(name, status, **ZONE) for name in reversed(self.started)]}
        return 200, operation(asked.path.rpartition("/")[2], "RUNNING" if self.looks > 0 else "DONE", **ZONE)


async def test_a_hundred_operations_cost_one_list_a_poll(server: Server, client: ComputeClient) -> None:
    World(server, looks=4)
    await asyncio.gather(*(client.patch(f"zones/z1/instances/i{n}/updateNetworkInterface", {}) for n in range(100)))
    lists = server.calls("GET", "zones/z1/operations")
    reads = [asked for asked in server.asked if asked.path.startswith("zones/z1/operations/")]
    assert 4 <= len(lists) <= 8
    assert reads == []
    assert lists[0].query["orderBy"] == "creationTimestamp desc"


async def test_the_error_of_one_among_many_reaches_its_caller_only(server: Server, client: ComputeClient) -> None:
    failed = {"errors": [{"code": "INTERNAL_ERROR", "message": "Internal error."}]}

    def answer(asked: Asked) -> Answer | None:
        if asked.method == "PATCH":
            return 200, operation(f"op-{asked.path.split('/')[3]}", "RUNNING", **ZONE)
        ended = [operation(f"op-i{n}", **ZONE) for n in range(9)]
        ended[7]["error"] = failed
        return 200, {"items": ended}

    server.hook = answer
    patches = (client.patch(f"zones/z1/instances/i{n}/updateNetworkInterface", {}) for n in range(9))
    ends = await asyncio.gather(*patches, return_exceptions=True)
    assert [index for index, end in enumerate(ends) if isinstance(end, Transient)] == [7]


async def test_an_operation_that_no_list_shows_is_read_by_name(server: Server, client: ComputeClient) -> None:
    def answer(asked: Asked) -> Answer | None:
        if asked.method == "PATCH":
            return 200, operation(f"op-{asked.path.split('/')[3]}", "RUNNING", **ZONE)
        if asked.path == "zones/z1/operations":
            return 200, {}
        return 200, operation(asked.path.rpartition("/")[2], **ZONE)

    server.hook = answer
    ends = await asyncio.gather(
        *(client.patch(f"zones/z1/instances/i{n}/updateNetworkInterface", {}) for n in range(9))
    )
    assert [end["status"] for end in ends] == ["DONE"] * 9


async def test_few_operations_are_read_by_name(server: Server, client: ComputeClient) -> None:
    world = World(server, looks=1)
    world.looks = 0
    await asyncio.gather(*(client.patch(f"zones/z1/instances/i{n}/updateNetworkInterface", {}) for n in range(FEW)))
    assert not server.calls("GET", "zones/z1/operations")


async def test_the_error_of_an_operation_is_raised_as_its_type(server: Server, client: ComputeClient) -> None:
    words = "10.255.3.0/24 hides the address space of the network (10.255.0.0/17)."
    error = {"errors": [{"code": "UNSUPPORTED_OPERATION", "message": words}]}
    server.on("POST", "global/routes", (200, operation("op-1", "PENDING")))
    server.on("GET", "global/operations/op-1", (200, operation("op-1", error=error, httpErrorStatusCode=400)))
    with pytest.raises(Invalid) as caught:
        await client.post("global/routes", {"name": "r"})
    assert caught.value.reason == "UNSUPPORTED_OPERATION"
    assert words in caught.value.message


async def test_an_operation_that_is_done_at_once_is_not_polled(server: Server, client: ComputeClient) -> None:
    error = {"errors": [{"code": "QUOTA_EXCEEDED", "message": "Quota exceeded."}]}
    server.on("POST", "global/routes", (200, operation("op-1", error=error)))
    with pytest.raises(QuotaExceeded):
        await client.post("global/routes", {"name": "r"})
    assert len(server.asked) == 1


async def test_failed_polls_are_tolerated(server: Server, client: ComputeClient) -> None:
    server.on("POST", "global/routes", (200, operation("op-1", "PENDING")))
    server.on("GET", "global/operations/op-1", *([(503, {})] * 10), (429, {}), (200, operation("op-1")))
    assert (await client.post("global/routes", {"name": "r"}))["status"] == "DONE"


async def test_a_poller_that_never_gets_an_answer_gives_up(
    server: Server, client: ComputeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dualstack.gce.client.ATTEMPTS", 1)
    server.on("POST", "global/routes", (200, operation("op-1", "PENDING")))
    server.on("GET", "global/operations/op-1", (503, {}))
    with pytest.raises(Transient):
        await client.post("global/routes", {"name": "r"})
    assert len(server.calls("GET", "global/operations/op-1")) == MAX_FAILED_POLLS


async def test_a_forgotten_operation_is_not_reported_as_a_missing_resource(
    server: Server, client: ComputeClient
) -> None:
    server.on("DELETE", "global/routes/r", (200, operation("op-1", "RUNNING")))
    server.on("GET", "global/operations/op-1", (404, not_found("global/operations/op-1")))
    with pytest.raises(Transient) as caught:
        await client.delete("global/routes/r")
    assert not isinstance(caught.value, NotFound)


async def test_waiting_calls_fail_when_the_client_is_closed(server: Server, client: ComputeClient) -> None:
    server.on("POST", "global/routes", (200, operation("op-1", "RUNNING")))
    server.on("GET", "global/operations/op-1", (200, operation("op-1", "RUNNING")))
    waiting = asyncio.create_task(client.post("global/routes", {"name": "r"}))
    while not server.calls("GET", "global/operations/op-1"):  # noqa: ASYNC110 (the server is driven by the loop)
        await asyncio.sleep(0.001)
    await client.close()
    with pytest.raises(Transient, match="is no longer polled"):
        await waiting


def test_the_scope_of_an_operation_is_read_from_its_links() -> None:
    assert scope_of({"name": "o"}) == "global"
    assert scope_of({"name": "o", "region": "https://h/compute/v1/projects/p/regions/r1"}) == "regions/r1"
    assert scope_of({"name": "o", **ZONE}) == "zones/z1"
