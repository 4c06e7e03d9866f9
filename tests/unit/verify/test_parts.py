"""The parts of the checks that need no cluster."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.clock import ScaledClock
from dualstack.kube.interface import Unavailable
from dualstack.verify.checks import has_families, node_fault
from dualstack.verify.facts import ATTEMPTS, Reading, is_rolled_out, read_until, vm_of

DEDICATED = ("dedicated", "db", "NoSchedule")


@pytest.mark.parametrize(
    ("provider_id", "vm"),
    [
        ("gce:///p/z/n", ("z", "n")),
        ("gce://p/z/n", ("z", "n")),
        ("gce://z", ("", "")),
        ("gce://p/z/n/x", ("", "")),
        ("aws:///p/z/n", ("", "")),
        ("", ("", "")),
        (None, ("", "")),
    ],
)
def test_the_vm_of_a_node(provider_id: str | None, vm: tuple[str, str]) -> None:
    assert vm_of({"spec": {"providerID": provider_id}}) == vm


@pytest.mark.parametrize(
    ("value", "families", "expected"),
    [
        ("10.0.0.0/8", ("IPv4",), True),
        ("10.0.0.0/8,2600::/64", ("IPv4", "IPv6"), True),
        ("2600::/64,10.0.0.0/8", ("IPv4", "IPv6"), False),
        ("10.0.0.0/8", ("IPv4", "IPv6"), False),
        ("", ("IPv4",), False),
        (None, ("IPv4",), False),
    ],
)
def test_the_families_of_a_flag(value: str | None, families: tuple[str, ...], expected: bool) -> None:
    assert has_families(value, *families) is expected


def node(conditions: dict[str, str], **spec: Any) -> dict[str, Any]:
    shown = [{"type": kind, "status": status, "message": "m"} for kind, status in conditions.items()]
    return {"metadata": {"name": "n"}, "spec": spec, "status": {"conditions": shown}}


FIT = {"Ready": "True", "NetworkUnavailable": "False", "MemoryPressure": "False"}


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (node(FIT), None),
        (node({}), "is not Ready"),
        (node({"Ready": "Unknown", "NetworkUnavailable": "False"}), "is not Ready"),
        (node({"Ready": "True"}), "has no network"),
        (node({**FIT, "MemoryPressure": "True"}), "reports MemoryPressure: m"),
        (node(FIT, taints=[{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]), None),
        (node(FIT, taints=[{"key": "dedicated", "value": "db", "effect": "NoExecute"}]), "is tainted or cordoned"),
        (node(FIT, unschedulable=True), "is tainted or cordoned"),
    ],
)
def test_why_a_node_is_not_fit(found: dict[str, Any], fault: str | None) -> None:
    assert node_fault(found, frozenset({DEDICATED})) == fault


@pytest.mark.parametrize(
    ("counts", "expected"), [((2, 2, 2), True), ((2, 1, 2), False), ((2, 2, 1), False), ((0, 0, 0), False)]
)
def test_a_rolled_out_daemon_set(counts: tuple[int, int, int], expected: bool) -> None:
    names = ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady")
    assert is_rolled_out({"status": dict(zip(names, counts, strict=True))}) is expected
    assert is_rolled_out({}) is False


def test_a_failed_read_raises_when_its_value_is_used() -> None:
    failed: Reading[int] = Reading(Unavailable("no answer"))
    with pytest.raises(Unavailable, match="no answer"):
        _ = failed.value
    assert Reading(1).value == 1


@pytest.mark.parametrize(("good_at", "attempts"), [(1, 1), (3, 3), (ATTEMPTS + 5, ATTEMPTS)])
async def test_it_reads_until_the_result_is_good_at_most_so_often(good_at: int, attempts: int) -> None:
    seen = 0

    async def read() -> int:
        nonlocal seen
        seen += 1
        return seen

    clock = ScaledClock(0.0, 1_000_000.0)
    assert await read_until(read, lambda number: number >= good_at, clock) == seen == attempts
