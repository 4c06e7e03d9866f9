"""Ranges and routes of other networks that speak against a migration (cutover.md R10, 3.5)."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.preflight.neighbours import learned_conflicts, peer_conflicts

RANGES = {"100.96.0.0/11": "pods", "100.64.0.0/13": "services"}
PODS = 'spec.networking.pods: Invalid value: "100.96.0.0/11": '


def route(there: str, kind: str, *, imported: bool = True) -> dict[str, Any]:
    return {"destRange": there, "type": f"{kind}_PEERING_ROUTE", "imported": imported, "priority": 0}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (route("100.100.0.0/16", "SUBNET"), [f"{PODS}overlaps 100.100.0.0/16 of a peered network"]),
        (route("100.0.0.0/8", "SUBNET"), None),
        (route("100.100.0.0/24", "STATIC"), [f"{PODS}contains route 100.100.0.0/24 of a peered network"]),
        (route("100.96.0.0/11", "STATIC"), [f"{PODS}contains route 100.96.0.0/11 of a peered network"]),
        (route("100.100.0.0/24", "STATIC", imported=False), []),
        (route("100.0.0.0/8", "STATIC"), []),
        (route("100.100.0.0/24", "DYNAMIC"), [f"{PODS}contains route 100.100.0.0/24 of a peered network"]),
        (route("10.0.0.0/8", "SUBNET"), []),
        (route("2600:1900:4010::/64", "SUBNET"), []),
        ({}, []),
    ],
)
def test_what_a_peer_may_not_have(given: dict[str, Any], told: list[str] | None) -> None:
    found = peer_conflicts([given, given], RANGES)
    if told is None:
        assert len(found) == 2, "it overlaps pods and services"
    else:
        assert found == told


def test_what_a_router_may_not_have_learned() -> None:
    found = learned_conflicts({"vpn": {"100.100.0.0/24", "10.0.0.0/8", "fd00::/8"}, "idle": set()}, RANGES)
    told = "Cloud Router vpn has learned 100.100.0.0/24, which lies in it and could carry its traffic while the overlap"
    assert found == [f"{PODS}{told} flag is set"]
