"""The checks of a run that did not reach its end, and the verdict on traffic, on a served world."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from dualstack.cli.rehearsal.checks import FinishedRun, as_stated, first_contact, ipv4_loss, ipv4_now, verify
from dualstack.cli.rehearsal.record import BACK, FORWARD, Record
from dualstack.cli.rehearsal.result import Phase
from dualstack.cli.rehearsal.world import World, WorldAddress, open_world
from dualstack.cli.shoot_file import read_shoot
from dualstack.gardener.model.shoot import ShootView
from dualstack.gce import ComputeClient
from dualstack.model.events import OutageMeasured
from dualstack.verify.checks import ON_ALIASES, ON_ROUTES
from dualstack.verify.judging import Check, CheckStatus
from tests.sim.rehearsal.command import EXAMPLE, rehearse, served

UNBROKEN: dict[str, Any] = {
    "pairs": 6,
    "laterPairs": 0,
    "brokenPairs": [],
    "outages": [],
    "propagationSeconds": 10.0,
    "current": 0,
}


@asynccontextmanager
async def world() -> AsyncIterator[tuple[World, ComputeClient]]:
    """The example's cluster on routes, and a client that may change its cloud."""
    with served(str(EXAMPLE), "--speed", "400", "--nodes", "2") as facts:
        address = WorldAddress.parse(json.dumps(facts).encode())
        async with open_world(address, ShootView.of(read_shoot(EXAMPLE))) as opened:
            owner = ComputeClient(facts["project"], address.clock, endpoint=address.compute)
            try:
                yield opened, owner
            finally:
                await owner.close()


def by_status(checks: list[Check]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for check in checks:
        found.setdefault(check.status, []).append(check.id)
    return found


async def test_p32_pairs_without_connectivity_at_the_end_fail_even_a_lossy_strategy() -> None:
    async with world() as (opened, owner):
        deny = {
            "name": "deny-pods",
            "network": f"projects/{owner.project}/global/networks/{opened.shoot.technical_id}",
            "direction": "INGRESS",
            "priority": 1,
            "denied": [{"IPProtocol": "all"}],
            "sourceRanges": [opened.shoot.pods],
        }
        await owner.post("global/firewalls", deny)
        for _ in range(60):
            if (await opened.control("/traffic"))["current"]:
                break
            await opened.clock.sleep(5.0)
        checks = await verify(FinishedRun(opened, Record(), UNBROKEN, "compressed"), complete=False)
        assert by_status(checks) == {
            "passed": [
                "traffic.ipv4",
                "traffic.as-stated",
                "traffic.new-nodes",
                *ON_ROUTES,
                "control-plane.ignore-annotation",
            ],
            "failed": ["traffic.ipv4-at-end"],
        }


@pytest.mark.slow
async def test_a_run_that_failed_after_its_cut_over_must_be_on_aliases() -> None:
    async with world() as (opened, _):
        later = Record(FORWARD, phases=[Phase("cut-over", 1.0, 2.0)])
        for record in (later, Record(BACK)):
            checks = await verify(FinishedRun(opened, record, UNBROKEN, "overlap"), complete=False)
            assert set(by_status(checks)["failed"]) == {"cut-over.routes", "cut-over.aliases", "cut-over.subnet"}
            assert {check.id for check in checks} > set(ON_ALIASES)


async def test_reading_the_cluster_makes_no_counted_request() -> None:
    async with world() as (opened, owner):
        before = await opened.control("/compute/statistics?caller=dualstack/")
        await opened.sources.read()
        assert await opened.control("/compute/statistics?caller=dualstack/") == before
        await owner.list("global/routes")
        assert (await opened.control("/compute/statistics?caller=dualstack/"))["calls"] == before["calls"] + 1


@pytest.mark.parametrize(("strategy", "status"), [("overlap", "failed"), ("compressed", "accepted")])
def test_loss_is_accepted_only_of_a_strategy_that_announces_it(strategy: str, status: CheckStatus) -> None:
    broken = [{"from": "a", "to": "b", "family": "IPv4", "seconds": 12.34, "waited": 0.0, "since": 5.0}]
    assert ipv4_loss({**UNBROKEN, "brokenPairs": broken}, strategy) == Check(
        "traffic.ipv4", status, "1 pod pairs lost IPv4 connectivity, for at most 12.3 s"
    )
    assert ipv4_loss(UNBROKEN, strategy).status == "passed"


def test_p35_a_pair_that_recovered_before_the_cut_over_is_not_charged() -> None:
    """A VM that was replaced before the cut-over has no route in its first seconds."""
    early = {"from": "a", "to": "b", "family": "IPv4", "seconds": 6.7, "waited": 0.0, "since": 100.0}
    late = {**early, "since": 300.0}
    assert ipv4_loss({**UNBROKEN, "brokenPairs": [early]}, "overlap", 200.0) == Check(
        "traffic.ipv4",
        "passed",
        "blackout 0.0 s for 6 pairs and for 0 more that formed during the roll-out; "
        "1 pod pairs lost connectivity before the cut-over began",
    )
    assert ipv4_loss({**UNBROKEN, "brokenPairs": [early, late]}, "overlap", 200.0).status == "failed"
    assert ipv4_loss({**UNBROKEN, "brokenPairs": [early]}, "overlap", None).status == "failed"


@pytest.mark.parametrize(("waited", "status"), [(0.0, "passed"), (60.0, "passed"), (60.1, "failed")])
def test_a_node_that_joins_may_wait_for_its_route_or_alias(waited: float, status: CheckStatus) -> None:
    pair = {"from": "a", "to": "b", "family": "IPv4", "seconds": 0.0, "waited": waited, "since": 300.0}
    traffic = {**UNBROKEN, "brokenPairs": [pair, {**pair, "waited": min(waited, 3.0)}]}
    assert first_contact(traffic).status == status
    assert ipv4_loss(traffic, "overlap", 200.0).status == "passed"


def stated(
    *measured: OutageMeasured, outages: tuple[tuple[float, float], ...] = (), announced: float = 0.0, **options: Any
) -> Check:
    """The check of a run with these measured outages and these of the network, as begin and end."""
    record = Record(origin=1000.0, announced=announced, measured=list(measured))
    record.phases.append(Phase("cut-over", 100.0, None))
    found = [{"since": begin, "seconds": end - begin} for begin, end in outages]
    traffic = {**UNBROKEN, "outages": found}
    world: Any = None
    return as_stated(FinishedRun(world, record, traffic, "compressed", **options))


def measured(begin: float, end: float, bound: Literal["", "at most", "at least"] = "") -> OutageMeasured:
    return OutageMeasured(at=1000.0 + end, shoot="", seconds=end - begin, bound=bound)


@pytest.mark.parametrize(
    ("check", "status", "evidence"),
    [
        (stated(), "passed", "outage announced: none; measured: none; by the network: 0.0 s"),
        (
            stated(measured(200.0, 230.0), outages=((204.0, 248.0),), announced=60.0),
            "passed",
            "outage announced: at most 60 s; measured: 30.0 s; by the network: 44.0 s",
        ),
        (
            stated(measured(200.0, 230.0), outages=((201.0, 247.0),), announced=60.0),
            "failed",
            "an outage of 46.0 s was measured as 30.0 s",
        ),
        (
            stated(measured(200.0, 300.0), outages=((201.0, 247.0),), announced=60.0),
            "failed",
            "an outage of 46.0 s was measured as 100.0 s",
        ),
        (stated(measured(200.0, 300.0, "at most"), outages=((201.0, 247.0),), announced=60.0), "passed", ""),
        (stated(measured(230.0, 240.0, "at least"), outages=((201.0, 247.0),), announced=60.0), "passed", ""),
        (stated(measured(200.0, 230.0)), "failed", "an outage of 0.0 s was measured as 30.0 s"),
        (stated(outages=((200.0, 216.0),), announced=60.0), "failed", "an outage of 16.0 s was not measured"),
        (stated(outages=((20.0, 50.0),)), "passed", ""),
        (
            stated(measured(200.0, 232.0), outages=((200.0, 232.0),), announced=31.0),
            "failed",
            "an outage of 32.0 s was announced as at most 31 s",
        ),
        (stated(measured(200.0, 232.0), outages=((200.0, 232.0),), announced=31.0, undisturbed=False), "passed", ""),
        (stated(outages=((200.0, 300.0),), on_time=False), "unknown", "not compared"),
    ],
)
def test_p09_what_the_operator_states_of_an_outage_is_compared_with_the_network(
    check: Check, status: CheckStatus, evidence: str
) -> None:
    assert check.id == "traffic.as-stated"
    assert check.status == status
    assert evidence in check.evidence


def test_p32_the_end_is_judged_by_the_pairs_without_connectivity() -> None:
    assert ipv4_now({**UNBROKEN, "current": 2}) == Check(
        "traffic.ipv4-at-end", "failed", "2 pod pairs have no IPv4 connectivity"
    )
    assert ipv4_now(UNBROKEN).status == "passed"


@pytest.mark.slow
def test_a_failed_rehearsal_lists_the_checks_of_its_rollback() -> None:
    outcome = rehearse("--no-decoys", "--knob", "K3=no", speed="120")
    assert outcome.status == 1
    statuses = {check["id"]: check["status"] for check in outcome.result["checks"]}
    assert statuses == {
        "traffic.ipv4": "failed",
        "traffic.as-stated": "passed",
        "traffic.new-nodes": "passed",
        "traffic.ipv4-at-end": "passed",
        **dict.fromkeys(ON_ROUTES, "passed"),
        "control-plane.ignore-annotation": "passed",
    }
