"""What `dualstack status` says of the process that works, of what it waits for and of the time left."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dualstack.cli.live.change import Progress
from dualstack.cli.live.result import ClusterName
from dualstack.cli.live.status import Status, Witness, time_left
from dualstack.clock import ScaledClock
from dualstack.kube.interface import Kube
from dualstack.live.lease import DURATION, NAME, PROGRESS, Holder
from dualstack.live.state import NodeState, node_states, standing
from dualstack.live.work_report import Working, WorkReport, working
from dualstack.model import events
from dualstack.model.kinds import LEASE
from dualstack.model.names import KUBE_SYSTEM
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.prepare import PREPARE
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from tests.support.cluster_facts import STOPPED, at_rest, last, route, states
from tests.support.store_kube import StoreKube

FACTS = at_rest(3)
PREPARED = last(PREPARE, FACTS, Settings())


PREPARING = Status(
    schema="dualstack.status/v1",
    cluster=ClusterName(
        name="demo",
        platform="kubeadm",
        evidence="ConfigMap kube-system/kubeadm-config",
        context="admin",
        project="proj-1",
        region="europe-west1",
        nodes_subnet="nodes",
        pods="10.96.0.0/16",
    ),
    standing="preparing",
    overlap_flag=True,
    pod_range=True,
    stack_type="IPV4_ONLY",
    routes=3,
)


def status(**values: Any) -> Status:
    return msgspec.structs.replace(PREPARING, **values)


async def test_a_renewal_carries_the_report_and_the_release_removes_it() -> None:
    clock = ScaledClock(time.time(), 1000.0)
    kube: Kube = StoreKube(KubeStore(clock, Chance(1)))
    report = WorkReport(step="add-aliases", since=5.0, end=60.0, awaits="x")
    holder = Holder(kube, clock, "me", lambda: msgspec.json.encode(report).decode())
    seen: list[Working] = []

    async def work() -> None:
        while not seen or not seen[-1].report.step:
            await clock.sleep(5.0)
            seen.append(await working(kube))

    await holder.alone(work, lambda _: None)
    assert (seen[-1].holder, seen[-1].report) == ("me", report)
    assert await working(kube) == Working()
    lease = await kube.get(LEASE, NAME, KUBE_SYSTEM)
    assert PROGRESS not in ((lease or {}).get("metadata", {}).get("annotations") or {})


def test_the_report_follows_the_events_of_the_run() -> None:
    progress = Progress(0.0, quiet=True)
    progress.event(events.StepStarted(at=10.0, shoot="s", step="add-aliases", detail="n1, n2"))
    progress.event(events.Progress(at=11.0, shoot="s", nodes=3, nodes_dual_stack=0, routes_left=3, eta=100.0))
    assert progress.report == WorkReport(step="add-aliases", since=10.0, end=111.0)
    progress.event(events.StepStarted(at=20.0, shoot="s", step="barrier-aliases", detail="aliases unchanged for 300 s"))
    assert progress.report == WorkReport(
        step="barrier-aliases", since=20.0, end=111.0, awaits="aliases unchanged for 300 s"
    )


def test_the_time_of_a_change_begins_after_its_question_and_an_announcement_is_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Progress(0.0)
    progress.begin(2400.0)
    for at in (2405.0, 2500.0):
        progress.event(events.OutageExpected(at=at, shoot="s", seconds=0.0, at_most=0.0, detail="No packet is lost."))
        progress.event(events.StepStarted(at=at, shoot="s", step="add-aliases", detail="n1"))
        progress.event(events.StepFinished(at=at + 5.0, shoot="s", step="add-aliases"))
    progress.begin(9000.0)
    assert [line.strip() for line in capsys.readouterr().err.splitlines()] == [
        "5 s  No packet is lost.",
        "5 s  add-aliases: n1",
        "1 min 40 s  add-aliases: n1",
    ]
    assert [step.at for step in progress.finished] == [5.0, 100.0]


def test_a_command_that_waits_after_a_step_can_be_interrupted_at_once() -> None:
    progress = Progress(0.0, quiet=True)
    progress.event(events.StepStarted(at=10.0, shoot="s", step="add-aliases", detail="n1"))
    assert not progress.waiting
    progress.wait("watch", 20.0, "nodes that join")
    assert progress.waiting
    assert progress.report == WorkReport(step="watch", since=20.0, awaits="nodes that join")


def test_each_node_says_what_it_waits_for() -> None:
    between = [facts for _, facts in states(PREPARE, FACTS, Settings()) if standing(facts) == "preparing"]
    waits = {node.waits_for for facts in between for node in node_states(facts)}
    assert waits == {"", "its alias"}
    assert {node.waits_for for node in node_states(PREPARED)} == {""}
    cutting = replace(PREPARED, controller=STOPPED, routes=(route(0),))
    assert [node.waits_for for node in node_states(cutting)] == ["the deletion of its route", "", ""]
    bare = replace(FACTS, routes=FACTS.routes[1:])
    assert node_states(bare)[0].waits_for == "a route or an alias: its pods are unreachable"


@pytest.mark.parametrize(
    ("facts", "reported", "left"),
    [
        (FACTS, Working("me", "now", WorkReport(end=130.0)), 30.0),
        (FACTS, Working("me", "now", WorkReport(end=90.0)), 0.0),
        (PREPARED, Working(), None),
    ],
)
def test_the_time_left_is_that_of_the_process(facts: object, reported: Working, left: float | None) -> None:
    assert time_left(FACTS if facts is FACTS else PREPARED, "prepared", reported, 100.0, Settings()) == left


def test_without_a_process_the_time_is_that_of_the_next_command() -> None:
    half = next(facts for _, facts in states(PREPARE, FACTS, Settings()) if facts.range_present)
    whole, rest = (time_left(each, "preparing", Working(), 0.0, Settings()) for each in (FACTS, half))
    assert whole is not None
    assert rest is not None
    assert 60 < rest < whole
    finishing = replace(PREPARED, routes=(), controller=STOPPED)
    assert (time_left(finishing, "finishing", Working(), 0.0, Settings()) or 0.0) > 0
    assert (time_left(replace(PREPARED, controller=STOPPED), "prepared", Working(), 0.0, Settings()) or 0.0) > 0


@pytest.mark.parametrize("stuck", ["routes", "preparing", "cutting-over", "finishing"])
def test_a_process_that_ended_without_success_ends_the_wait(stuck: str) -> None:
    witness = Witness()
    assert witness.end(status(standing=stuck), 0.0) == ""
    assert witness.end(status(standing=stuck, works="me, Lease renewed 1"), 5.0) == ""
    assert witness.end(status(standing=stuck), 10.0) == f"me has ended; stage of the cut-over: {stuck}"


def test_a_process_that_ended_with_success_does_not() -> None:
    witness = Witness()
    witness.end(status(works="me, Lease renewed 1"), 0.0)
    assert witness.end(status(standing="prepared"), 5.0) == ""


def test_a_process_that_renews_its_lease_no_more_ends_the_wait() -> None:
    witness = Witness()
    assert witness.end(status(works="me, Lease renewed 1"), 0.0) == ""
    assert witness.end(status(works="me, Lease renewed 2"), 60.0) == ""
    assert witness.end(status(works="me, Lease renewed 2"), 60.0 + 2 * DURATION) == ""
    assert "it has probably ended" in witness.end(status(works="me, Lease renewed 2"), 61.0 + 2 * DURATION)


def test_the_words_name_the_step_the_reason_and_the_first_node() -> None:
    node = NodeState(name="n1", zone="z", pod_cidr="10.96.0.0/24", path="route", waits_for="its alias")
    words = status(works="me", step="add-aliases", awaits="x", nodes=(node,)).waiting_words()
    assert words == "preparing: step add-aliases; x; n1 waits for its alias"
    assert status(next_steps=("Run it.",)).waiting_words() == "preparing: Run it."
    text = status(nodes=(node,), time_left=65.0, works="me").describe()
    assert "  node n1: route; waits for its alias" in text
    assert "  time left         about 1 min 05 s\n" in text
    both = status(time_left=65.0, time_left_with_decoys=125.0).describe()
    assert "  time left         about 1 min 05 s, or 2 min 05 s with --prober-image" in both
