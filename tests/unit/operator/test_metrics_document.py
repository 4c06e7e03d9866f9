"""docs/metrics.md is what /metrics serves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dualstack.clock import ScaledClock
from dualstack.gce.access import ComputeClients
from dualstack.gce.client import ComputeClient
from dualstack.model.errors import InvalidInput
from dualstack.model.events import (
    OutageExpected,
    OutageMeasured,
    PhaseStarted,
    Progress,
    StepFinished,
    StepStarted,
    Waiting,
)
from dualstack.operator.metrics import STOP, Metrics, states
from dualstack.operator.queue import Key

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
KEY = Key("infrastructure", "shoot--foo--bar", "bar")


class Clock(ScaledClock):
    """At 100 s."""

    def now(self) -> float:
        return 100.0


class Clients(ComputeClients):
    """One client that has sent something."""

    def all(self) -> list[ComputeClient]:
        client = ComputeClient("proj-1", Clock())
        client.calls["routes.list", "ok"] = 2
        client.calls["routes.delete", "RateLimited"] = 1
        client._windows.take("list")
        client._windows.refused("change", 60)
        return [client]


def filled() -> Metrics:
    metrics = Metrics(Clock())
    metrics.count_calls(Clients(Clock()))
    metrics.outcome(KEY, "Succeeded")
    metrics.failed(KEY, InvalidInput("no"))
    for event in (
        PhaseStarted(at=10.0, shoot="s", phase="cut-over"),
        StepStarted(at=40.0, shoot="s", step=STOP),
        StepFinished(at=50.0, shoot="s", step=STOP),
        OutageExpected(at=50.0, shoot="s", seconds=0.0, detail="", at_most=12.0),
        OutageMeasured(at=50.0, shoot="s", seconds=3.0),
        Progress(at=60.0, shoot="s", nodes=5, nodes_dual_stack=0, routes_left=4, nodes_with_alias=3),
        StepStarted(at=70.0, shoot="s", step="add-aliases"),
        Waiting(at=90.0, shoot="s", since=80.0, detail="x"),
    ):
        metrics.event(event)
    return metrics


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def test_the_document_and_the_metrics_name_the_same_with_the_same_labels() -> None:
    served: dict[str, set[str]] = {}
    for name, labels in samples(filled()):
        if not name.endswith("_created"):
            served.setdefault(name, set()).update(key for key, _ in labels)
    rows = re.findall(r"^\| `(dualstack_\w+)` \| \w+ \| ([^|]*)\|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == served


def test_ages_are_those_at_the_scrape() -> None:
    found = samples(filled())
    shoot = ("shoot", "s")
    assert found["dualstack_step_seconds", frozenset({shoot, ("step", "add-aliases")})] == 30.0
    assert found["dualstack_cloud_controller_manager_stopped_seconds", frozenset({shoot})] == 60.0
    assert found["dualstack_waiting_seconds", frozenset({shoot})] == 10.0


def test_a_finished_step_and_a_running_controller_have_no_age() -> None:
    metrics = filled()
    metrics.event(StepFinished(at=95.0, shoot="s", step="restore-cloud-controller-manager"))
    found = samples(metrics)
    assert not [name for name, _ in found if name == "dualstack_step_seconds"]
    assert found["dualstack_cloud_controller_manager_stopped_seconds", frozenset({("shoot", "s")})] == 0.0


def test_x2_a_shoot_that_is_gone_leaves_no_series_and_the_others_keep_theirs() -> None:
    metrics = filled()
    before = samples(metrics)
    metrics.event(Progress(at=60.0, shoot="t", nodes=1, nodes_dual_stack=0, routes_left=1, nodes_with_alias=0))
    metrics.event(StepStarted(at=70.0, shoot="t", step=STOP))
    metrics.event(StepFinished(at=71.0, shoot="t", step=STOP))
    metrics.forget("t")
    metrics.forget("never seen")
    found = samples(metrics)
    assert not [labels for _, labels in found if ("shoot", "t") in labels]
    assert found.keys() >= {each for each in before if ("shoot", "s") in each[1]}


@pytest.mark.parametrize(
    ("dual", "routes", "aliases", "expected"),
    [
        (0, 5, 0, {"route": 5, "overlap": 0, "alias": 0, "dual": 0}),
        (0, 5, 2, {"route": 3, "overlap": 2, "alias": 0, "dual": 0}),
        (0, 4, 5, {"route": 0, "overlap": 4, "alias": 1, "dual": 0}),
        (0, 0, 5, {"route": 0, "overlap": 0, "alias": 5, "dual": 0}),
        (2, 0, 0, {"route": 0, "overlap": 0, "alias": 3, "dual": 2}),
    ],
)
def test_each_node_has_one_state(dual: int, routes: int, aliases: int, expected: dict[str, int]) -> None:
    progress = Progress(at=0.0, shoot="s", nodes=5, nodes_dual_stack=dual, routes_left=routes, nodes_with_alias=aliases)
    assert states(progress) == expected
