"""Reads of Compute through the control endpoint: the same answers, without accounting, quotas and faults."""

from __future__ import annotations

import pytest

from tests.sim.control.served import NETWORKS, Served

PROJECT = "/compute/v1/projects/proj-1"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/global/networks",
        "/global/networks?filter=name=two",
        "/global/networks?maxResults=1",
        "/global/networks?fields=items/name",
        "/global/networks/one",
        "/aggregated/subnetworks",
        "/regions/europe-west1",
        "/global/images/family/debian-12",
        "/global/networks/three",
        "/global/networks?maxResults=-1",
        "/regions/mars",
        "/regions/mars/subnetworks",
        "/global/nothing",
    ],
)
async def test_the_answers_are_those_of_the_api(served: Served, path: str) -> None:
    await served.network("one")
    await served.network("two")
    status, expected = await served.compute("GET", PROJECT + path)
    seen, answer = await served.control("GET", PROJECT + path)
    assert seen == status
    assert answer == (expected if status == 200 else {"message": expected["error"]["message"]})


async def test_reads_are_not_accounted_and_not_disturbed(served: Served) -> None:
    """A read works despite an exhausted quota and a failing list, and uses up neither."""
    await served.network("one")
    squeeze = {"limit": "REQUESTS_PER_MINUTE", "value": 1}
    rules = [{"method": "networks.get", "quota": squeeze}, {"method": "networks.list", "errorBefore": {"status": 503}}]
    await served.good("POST", "/faults", {"faults": rules})
    assert (await served.compute("GET", f"{NETWORKS}/one"))[0] == 200
    assert (await served.compute("GET", f"{NETWORKS}/one"))[0] == 403
    counted, noted = await served.good("GET", "/compute/statistics"), (await served.good("GET", "/requests"))["total"]
    assert (await served.good("GET", f"{NETWORKS}/one"))["name"] == "one"
    assert [network["name"] for network in (await served.good("GET", NETWORKS))["items"]] == ["one"]
    assert await served.good("GET", "/compute/statistics") == counted
    assert (await served.good("GET", "/requests"))["total"] == noted
    assert (await served.good("GET", "/faults"))["neverMatched"] == [2]
    assert (await served.compute("GET", NETWORKS))[0] == 503


@pytest.mark.parametrize("verb", ["POST", "PATCH", "DELETE"])
async def test_other_verbs_are_refused(served: Served, verb: str) -> None:
    assert (await served.control(verb, f"{NETWORKS}/one", {}))[0] == 405


async def test_there_is_one_project(served: Served) -> None:
    status, answer = await served.control("GET", NETWORKS.replace("proj-1", "proj-2"))
    assert (status, "projects/proj-2" in answer["message"]) == (404, True)
