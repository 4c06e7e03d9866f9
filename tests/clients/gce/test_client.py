"""Requests, paging and retries of the client."""

from __future__ import annotations

import uuid

import pytest
from tests.clients.gce.conftest import Server, operation, refused

from dualstack.clock import ScaledClock
from dualstack.gardener.error_codes import error_codes
from dualstack.gce import ComputeClient
from dualstack.gce.client import ATTEMPTS, endpoint_root
from dualstack.gce.errors import (
    ComputeRefusal,
    InUse,
    Invalid,
    NotFound,
    NotReady,
    PermissionDenied,
    QuotaExceeded,
    StaleFingerprint,
    Transient,
)
from dualstack.model.errors import InvalidInput

SUBNET = "regions/europe-west1/subnetworks/s"


async def test_list_collects_every_page(server: Server, client: ComputeClient) -> None:
    server.on(
        "GET",
        "global/routes",
        (200, {"items": [{"name": "a"}], "nextPageToken": "t1"}),
        (200, {"nextPageToken": "t2"}),
        (200, {"items": [{"name": "b"}]}),
    )
    found = await client.list("global/routes", filter="name eq .*", fields="items(name),nextPageToken")
    assert [route["name"] for route in found] == ["a", "b"]
    assert [asked.query.get("pageToken") for asked in server.asked] == [None, "t1", "t2"]
    assert {asked.query["filter"] for asked in server.asked} == {"name eq .*"}


async def test_aggregated_list_takes_the_items_out_of_their_scopes(server: Server, client: ComputeClient) -> None:
    empty = {"warning": {"code": "NO_RESULTS_ON_PAGE"}}
    page = {"items": {"zones/b": {"instances": [{"name": "one"}]}, "zones/c": empty}}
    server.on("GET", "aggregated/instances", (200, page))
    assert await client.aggregated("instances") == [{"name": "one"}]


async def test_find_gives_none_where_get_raises(server: Server, client: ComputeClient) -> None:
    assert await client.find(SUBNET) is None
    with pytest.raises(NotFound) as caught:
        await client.get(SUBNET)
    assert caught.value.reason == "notFound"
    assert caught.value.retry_after is None


async def test_a_change_without_an_answer_is_repeated_with_the_same_request_id(
    server: Server, client: ComputeClient
) -> None:
    server.on("PATCH", SUBNET, None, (503, {}), (200, operation("op-1")))
    await client.patch(SUBNET, {"stackType": "IPV4_IPV6"})
    ids = {asked.query["requestId"] for asked in server.calls("PATCH", SUBNET)}
    assert len(server.calls("PATCH", SUBNET)) == 3
    assert len(ids) == 1
    assert uuid.UUID(ids.pop()).int


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>log in</html>", b'{"items": [', [], {"items": [None]}, {"items": "none"}, {"items": {"zones/b": 1}}],
)
async def test_p23_an_answer_that_is_no_list_never_looks_like_an_empty_one(
    server: Server, client: ComputeClient, body: object
) -> None:
    """An empty list of routes or VMs would mean that nothing is there; the next attempt shows what is."""
    server.on("GET", "global/routes", (200, body), (200, {"items": [{"name": "a"}]}))
    assert await client.list("global/routes") == [{"name": "a"}]
    server.on("GET", "global/routes", (200, body))
    with pytest.raises(Transient):
        await client.list("global/routes")


async def test_p23_a_page_that_is_followed_by_itself_is_no_end(server: Server, client: ComputeClient) -> None:
    server.on("GET", "global/routes", (200, {"items": [], "nextPageToken": "t"}))
    with pytest.raises(Transient, match="a page of the list is followed by itself"):
        await client.list("global/routes")


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ({}, Transient, "the answer is not an operation"),
        ({"name": "op"}, Transient, "the answer is not an operation"),
        (operation("op", error={"errors": [None]}), ComputeRefusal, "operation 'op' failed: "),
        (operation("op", error="denied"), ComputeRefusal, "operation 'op' failed: denied"),
        (operation("op", error={"errors": [{"code": "A"}]}, httpErrorStatusCode="x"), ComputeRefusal, "failed: A"),
    ],
)
async def test_p23_what_is_no_successful_operation_is_never_taken_for_one(
    server: Server, client: ComputeClient, body: object, error: type[ComputeRefusal], words: str
) -> None:
    server.on("PATCH", SUBNET, (200, body))
    with pytest.raises(error, match=words):
        await client.patch(SUBNET, {})


async def test_two_changes_have_two_request_ids(server: Server, client: ComputeClient) -> None:
    server.on("PATCH", SUBNET, (200, operation("op-1")))
    await client.patch(SUBNET, {"a": 1})
    await client.patch(SUBNET, {"a": 2})
    assert len({asked.query["requestId"] for asked in server.asked}) == 2


async def test_not_ready_is_retried_a_limited_number_of_times(server: Server, client: ComputeClient) -> None:
    busy = (400, refused(400, "resourceNotReady", "The resource 's' is not ready"))
    server.on("PATCH", SUBNET, busy, busy, (200, operation("op-1")))
    await client.patch(SUBNET, {})
    server.on("PATCH", SUBNET, busy)
    server.asked.clear()
    with pytest.raises(NotReady) as caught:
        await client.patch(SUBNET, {})
    assert len(server.asked) == ATTEMPTS
    assert caught.value.retry_after is not None
    assert error_codes(caught.value) == ("ERR_RETRYABLE_INFRA_DEPENDENCIES",)


async def test_a_used_up_quota_window_delays_requests_until_the_next_minute(
    server: Server, client: ComputeClient, clock: ScaledClock
) -> None:
    limited = (403, refused(403, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries'"))
    server.on("GET", SUBNET, limited, (200, {"name": "s"}))
    started = clock.now()
    assert await client.get(SUBNET) == {"name": "s"}
    assert clock.now() >= (started // 60 + 1) * 60
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "reason", "message", "kind", "codes"),
    [
        (412, "conditionNotMet", "Invalid fingerprint.", StaleFingerprint, ()),
        (403, "forbidden", "Required permission", PermissionDenied, ("ERR_INFRA_UNAUTHORIZED",)),
        (403, "quotaExceeded", "Quota 'ROUTES' exceeded.", QuotaExceeded, ("ERR_INFRA_QUOTA_EXCEEDED",)),
        (400, "resourceInUseByAnotherResource", "already being used by", InUse, ("ERR_INFRA_DEPENDENCIES",)),
        (400, "invalid", "Invalid value for field 'x'", Invalid, ("ERR_CONFIGURATION_PROBLEM",)),
        (418, "", "no coffee", Invalid, ("ERR_CONFIGURATION_PROBLEM",)),
    ],
)
async def test_refusals_have_types_and_keep_the_message(
    server: Server,
    client: ComputeClient,
    status: int,
    reason: str,
    message: str,
    kind: type[ComputeRefusal],
    codes: tuple[str, ...],
) -> None:
    server.on("PATCH", SUBNET, (status, refused(status, reason, message)))
    with pytest.raises(kind) as caught:
        await client.patch(SUBNET, {})
    assert message in str(caught.value)
    assert caught.value.message == message
    assert error_codes(caught.value) == codes
    assert len(server.asked) == 1


async def test_an_answer_without_json_is_transient(server: Server, connect: object, clock: ScaledClock) -> None:
    client = ComputeClient("proj-1", clock, endpoint=server.url)
    server.on("GET", SUBNET, (200, ["no", "object"]))
    with pytest.raises(Transient):
        await client.get(SUBNET)
    await client.close()


async def test_an_unreachable_server_is_transient(clock: ScaledClock) -> None:
    client = ComputeClient("proj-1", clock, endpoint="http://127.0.0.1:1")
    with pytest.raises(Transient) as caught:
        await client.get(SUBNET)
    assert caught.value.status == 0
    await client.close()


async def test_deleting_a_missing_resource_is_not_an_error(server: Server, client: ComputeClient) -> None:
    server.on("DELETE", "global/routes/r", (200, operation("op-1")))
    assert await client.delete("global/routes/r") is True
    assert await client.delete("global/routes/other") is False


@pytest.mark.parametrize("endpoint", ["http://h:1", "http://h:1/", "http://h:1/compute/v1", "http://h:1/compute/v1/"])
def test_the_endpoint_may_carry_the_path(endpoint: str) -> None:
    assert endpoint_root(endpoint) == "http://h:1"


@pytest.mark.parametrize("endpoint", ["", "h:1", "ftp://h/compute/v1"])
def test_an_invalid_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="compute endpoint"):
        endpoint_root(endpoint)
