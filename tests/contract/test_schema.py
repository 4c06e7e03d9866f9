"""The check against the discovery document finds errors; a check without findings alone proves nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.schema import description, error_faults
from tests.contract.witness import Witness, watched_processes

V1 = description("v1")
ROUTE = {"kind": "compute#route", "id": "1", "name": "r", "priority": 1000, "destRange": "10.0.0.0/8"}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "compute#network"}, {"id": 1}, {"id": "one"}, {"id": "-1"}, {"priority": "1000"}, {"priority": True},
        {"priority": 2**32}, {"colour": "blue"}, {"name": "Not_A_Name"}, {"tags": "t"}, {"tags": [1]},
        {"routeStatus": "FINE"}, {"warnings": [{"code": "SOMETHING"}]}, {"destRange": None},
    ],
)  # fmt: skip
def test_a_response_that_is_wrong_is_found(change: dict[str, Any]) -> None:
    assert V1.response_faults("routes.get", ROUTE) == []
    assert len(V1.response_faults("routes.get", ROUTE | change)) == 1


def test_requests_may_say_null_and_numbers_in_either_spelling() -> None:
    assert V1.request_faults("routes.insert", {"requestId": "x"}, {"priority": "1000", "tags": None}) == []
    assert V1.request_faults("routes.insert", {"request": "x"}, {}) == ["routes.insert?request: no such parameter"]
    assert V1.request_faults("routes.list", {"maxResults": "-1"}, {}) == ["routes.list?maxResults: '-1' is no integer"]
    assert len(V1.request_faults("routes.delete", {}, {"name": "r"})) == 1
    assert V1.request_faults("roads.list", {}, {}) == ["roads.list: no such method"]


@pytest.mark.parametrize(
    "error",
    [
        {"code": 404, "message": "m"},
        {"code": 404, "message": "m", "errors": []},
        {"code": 404, "message": "m", "errors": [{"message": "other", "domain": "global", "reason": "notFound"}]},
        {"code": 404, "message": "m", "errors": [{"message": "m", "domain": "global"}]},
        {"code": 200, "message": "m", "errors": [{"message": "m", "domain": "global", "reason": "notFound"}]},
    ],
)
def test_an_error_of_another_shape_is_found(error: dict[str, Any]) -> None:
    assert error_faults({"error": error})


def test_a_request_of_beta_is_held_against_beta() -> None:
    """`ipv6NetworkTier` is a field of subnetworks only in beta."""
    shown = {"kind": "compute#subnetwork", "ipv6NetworkTier": "PREMIUM"}
    assert V1.response_faults("subnetworks.get", shown) == ["subnetworks.get: unknown field 'ipv6NetworkTier'"]
    assert description("beta").response_faults("subnetworks.get", shown) == []


LYING = """
import asyncio, os, signal, sys
from dualstack.clock import ScaledClock
from dualstack_sim.chance import Chance
import dualstack_sim.compute.api.server
from dualstack_sim.compute.api.backend import Compute

compute = Compute(ScaledClock(0.0, 1.0), Chance(1))
compute.place("networks", "global", {"name": "vpc", "autoCreateSubnetworks": False})
compute.find("networks", "global", "vpc")[sys.argv[1]] = eval(sys.argv[2])
asyncio.run(compute.answer("networks.get", "global", "vpc"))
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A server that answers with a network of which one field is not as published, and is killed at once."""


def answer_lies(field: str, value: object) -> None:
    ended = subprocess.run([sys.executable, "-c", LYING, field, repr(value)], check=False, timeout=60)
    assert ended.returncode == -9


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("colour", "blue", "unknown field 'colour'"),
        ("mtu", "1460", "'1460' is no integer of int32"),
        ("networkFirewallPolicyEnforcementOrder", "SIDEWAYS", "'SIDEWAYS' is none of"),
    ],
)
def test_responses_of_another_process_are_checked(
    session_faults: Callable[[], list[str]], field: str, value: object, fault: str
) -> None:
    answer_lies(field, value)
    (found,) = session_faults()
    assert found.startswith("v1 networks.get: response: networks.get")
    assert fault in found
    assert session_faults() == []


def test_valid_responses_of_another_process_pass() -> None:
    witness = Witness()
    with watched_processes() as folder:
        answer_lies("description", "nothing wrong")
        witness.read(folder)
    assert (witness.answers, witness.take()) == (1, [])
