"""A sample of `make storm`, and that its rules notice a product that breaks them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import overlap
from dualstack_sim.fabric.profile import FabricKnobs
from tests.storm.machines import Loss
from tests.storm.scenario import Scenario

FOUND = (1004, 1078, 1491, 4722, 4727, 4803, 4813, 6016, 7011, 9023, 9033)
"""Seeds that broke a rule once, or did not end."""


@pytest.mark.parametrize("seed", range(200, 202))
def test_p24_random_worlds_keep_the_rules(seed: int) -> None:
    scenario = Scenario.of(seed)
    line, broken = scenario.run()
    assert broken == [], (scenario, line)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(1, 61), *range(202, 208), *FOUND])
def test_p24_more_random_worlds_keep_the_rules(seed: int) -> None:
    assert Scenario.of(seed).run()[1] == []


@pytest.mark.slow
def test_p25_vms_that_end_while_aliases_are_added_cost_no_second_outage() -> None:
    losses = (Loss(95.4, 3, True), Loss(86.1, 3, True), Loss(33.8, 1, False))
    scenario = replace(Scenario.of(241), nodes=12, strategy="compressed", losses=losses)
    assert scenario.run()[1] == []


def test_the_same_seed_gives_the_same_result() -> None:
    assert Scenario.of(3) == Scenario.of(3)
    assert Scenario.of(3).run() == Scenario.of(3).run()


def test_an_order_without_the_range_canary_breaks_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_node(facts: CutoverFacts, settings: Settings) -> None:
        del facts, settings

    monkeypatch.setattr(overlap, "_first_on_trial", no_node)
    unserved = FabricKnobs(unmatched_to_instances=False)
    scenario = replace(
        Scenario.of(3), strategy="overlap", fabric=unserved, faults=(), kill=None, losses=(), lag="usual"
    )
    assert "more than one node was unreachable" in scenario.run()[1]
