"""Faults that are declared at the control endpoint while the world runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.control.served import NETWORKS, Served

UNAVAILABLE = {"faults": [{"method": "networks.list", "errorBefore": {"status": 503}, "count": 9}]}


async def test_declared_faults_apply_until_they_are_cleared(served: Served) -> None:
    assert (await served.compute("GET", NETWORKS))[0] == 200
    assert await served.good("POST", "/faults", UNAVAILABLE) == {"rules": 1}
    assert (await served.compute("GET", NETWORKS))[0] == 503
    assert await served.good("DELETE", "/faults") == {"rules": 0}
    assert (await served.compute("GET", NETWORKS))[0] == 200
    account = await served.good("GET", "/faults")
    assert [(each["rule"], each["method"], each["kinds"]) for each in account["fired"]] == [
        (1, "networks.list", ["errorBefore"])
    ]
    assert account["neverMatched"] == []


async def test_a_declaration_replaces_the_rules_and_an_empty_list_clears_them(served: Served) -> None:
    await served.good("POST", "/faults", UNAVAILABLE)
    await served.good("POST", "/faults", {"faults": [{"method": "routes.list", "cut": "before"}]})
    assert (await served.compute("GET", NETWORKS))[0] == 200
    assert (await served.good("GET", "/faults"))["neverMatched"] == [1]
    assert await served.good("POST", "/faults", {"faults": []}) == {"rules": 0}
    assert (await served.good("GET", "/faults"))["neverMatched"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b'{"faults": "\xff"}', "the body is not JSON"),
        ([], "the body must be a JSON object"),
        ({}, "faults: must be a list of rules"),
        ({"fault": []}, "fault: is not known; remove it or use one of faults"),
        (
            {"faults": [{"method": "networks.list", "latency": 0}]},
            "faults[0].latency: must be seconds above 0, not '0'",
        ),
        ({"faults": [{"method": "networks.list"}]}, "faults[0]: does nothing; give at least one of"),
        ({"faults": [{"method": 7, "cut": "before"}]}, "faults[0].method: must be a method such as"),
    ],
)
async def test_a_bad_document_changes_nothing(served: Served, body: Any, message: str) -> None:
    await served.good("POST", "/faults", UNAVAILABLE)
    status, answer = await served.control("POST", "/faults", body)
    assert status == 400
    assert message in answer["message"]
    assert (await served.compute("GET", NETWORKS))[0] == 503


async def test_the_seed_decides_which_faults_fire(served: Served) -> None:
    names = [f"network-{number}" for number in range(40)]

    async def hit(seed: int) -> set[str]:
        await served.good("POST", "/seed", {"seed": seed})
        rule = {"method": "networks.get", "probability": 0.4, "count": 99, "errorBefore": {"status": 503}}
        await served.good("POST", "/faults", {"faults": [rule]})
        return {name for name in names if (await served.compute("GET", f"{NETWORKS}/{name}"))[0] == 503}

    first, second, again = [await hit(seed) for seed in (1, 2, 1)]
    assert first == again != second


async def test_a_reset_restores_a_reduced_quota(served: Served) -> None:
    squeeze = {"limit": "ListRequestsPerMinutePerProject", "value": 1}
    await served.good("POST", "/faults", {"faults": [{"method": "networks.list", "quota": squeeze}]})
    statuses = [(await served.compute("GET", NETWORKS))[0] for _ in range(2)]
    assert statuses == [200, 403]
    await served.good("POST", "/reset")
    assert (await served.compute("GET", NETWORKS))[0] == 200
