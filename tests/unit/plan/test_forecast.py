"""What a strategy is going to do, before it does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from dualstack.gce.methods import METHODS
from dualstack.plan.costs import MEDIANS, duration, estimate
from dualstack.plan.facts import KEPT, AliasFacts
from dualstack.plan.forecast import calls, forecast
from dualstack.plan.settings import Settings
from dualstack.plan.steps import AddAliases, SetOverlapFlag, StopController, Transition
from dualstack.plan.steps.decoys import AddDecoyRange, AliasDecoys, CreateDecoys, DropDecoyRoute
from dualstack.plan.strategies import STRATEGIES
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.prepare import PREPARE, prepared
from tests.support.cluster_facts import STOPPED, at_rest

SETTINGS = Settings()


def test_the_forecast_is_the_plan_with_its_calls_and_its_duration() -> None:
    facts = replace(at_rest(30), controller=KEPT)
    found = forecast(PREPARE, facts, SETTINGS)
    assert [step.id for step in found.steps] == [step.id for step in PREPARE.transitions(facts, SETTINGS)]
    assert prepared(found.after)
    assert abs(sum(step.seconds for step in found.steps) - estimate(PREPARE, facts, SETTINGS)) < 1
    assert sum(step.calls.get("instances.updateNetworkInterface", 0) for step in found.steps) == 30
    last = forecast(FINISH, replace(found.after, controller=STOPPED), SETTINGS)
    assert sum(step.calls.get("routes.delete", 0) for step in last.steps) == 30
    assert last.after.finished
    assert {step.unreachable for step in (*found.steps, *last.steps)} == {0}


def test_a_controller_that_goes_on_is_stopped_like_any_other() -> None:
    assert not KEPT.gone
    stop, going_on = StopController(), replace(at_rest(3), controller=KEPT)
    assert duration(stop, going_on) == duration(stop, at_rest(3)) > 1.0


def test_a_strategy_that_loses_packets_says_how_many_nodes_each_step_cuts_off() -> None:
    found = forecast(STRATEGIES["compressed"], replace(at_rest(30), controller=STOPPED), SETTINGS)
    assert max(step.unreachable for step in found.steps) == 30
    assert found.steps[-1].unreachable == 0


def test_the_forecast_ends_with_the_reason_at_a_step_that_cannot_be_performed() -> None:
    facts = replace(at_rest(3), controller=KEPT)
    taken = replace(facts.subnet, secondary_ranges=((facts.range_name, "10.0.0.0/16"),))
    found = forecast(PREPARE, replace(facts, subnet=taken), SETTINGS)
    assert found.obstacles
    assert not prepared(found.after)


def test_a_wait_says_what_it_waits_for_and_makes_no_call() -> None:
    held = (AliasFacts("10.1.0.0/24", "of-another"),)
    facts = replace(at_rest(3), controller=KEPT, nodes=tuple(replace(each, aliases=held) for each in at_rest(3).nodes))
    waits = [step for step in forecast(PREPARE, facts, SETTINGS).steps if step.waits]
    assert {step.id.partition("-")[0] for step in waits} == {"barrier", "gate"}
    assert all(not step.calls and not step.detail for step in waits)


def test_a_change_names_its_targets_and_its_duration_to_a_tenth_of_a_second() -> None:
    found = forecast(STRATEGIES["overlap"], at_rest(21), SETTINGS)
    assert {step.id for step in found.steps if step.detail == "route-0"} == {"delete-route-canary"}
    (both,) = [step for step in found.steps if step.detail == "route-1, route-10"]
    assert both.seconds == 6.5  # 4 s at the median, more for the slower of two


def test_a_document_of_a_step_has_only_what_the_step_does() -> None:
    (first, *_) = forecast(STRATEGIES["compressed"], at_rest(3), SETTINGS).steps
    assert msgspec.to_builtins(first) == {"id": "stop-cloud-controller-manager", "seconds": 60.0}


def steps(kind: type[Transition] = Transition) -> Iterator[type[Transition]]:
    for each in kind.__subclasses__():
        yield each
        yield from steps(each)


def test_every_method_of_a_step_is_known_and_has_a_duration() -> None:
    methods = {step.method for step in steps()} - {""}
    assert methods == set(MEDIANS)
    assert methods <= set(METHODS)


def test_a_step_calls_its_method_for_each_target_or_once() -> None:
    assert calls(AddAliases(("a", "b"))) == {"instances.updateNetworkInterface": 2}
    assert calls(SetOverlapFlag()) == calls(AddDecoyRange()) == {"subnetworks.patch": 1}
    assert calls(AliasDecoys()) == {"instances.updateNetworkInterface": 1}
    assert calls(DropDecoyRoute()) == {"routes.delete": 1}
    assert calls(CreateDecoys()) == {}
