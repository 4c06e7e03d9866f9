"""A strategy that ends at a stage, and the step that makes the nodes subnet dual-stack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.plan.facts import Limitation
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.steps import DeleteRoutes, SetOverlapFlag
from dualstack.plan.strategies.overlap import OVERLAP
from dualstack.plan.strategies.prepare import PREPARE
from dualstack.plan.strategies.serve import next_transition as after_a_trial
from dualstack.plan.strategies.until import DUAL_STACK, until
from tests.support.cluster_facts import at_rest, last, restarted, route, states

SETTINGS = Settings(batch_size=2)
STAGES = (Stage.FLAG, Stage.RANGE, Stage.ALIASES)


@pytest.mark.parametrize("nodes", range(1, 7))
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("strategy", [PREPARE, OVERLAP], ids=lambda strategy: strategy.name)
def test_a_strategy_ends_exactly_at_its_stage_from_every_interruption(
    strategy: object, stage: Stage, nodes: int
) -> None:
    whole = PREPARE if strategy is PREPARE else OVERLAP
    ended = until(whole, stage)
    start = at_rest(nodes)
    for cut in [start, *(facts for _, facts in states(ended, start, SETTINGS))]:
        end = last(ended, restarted(cut), SETTINGS)
        assert stage_of(end) is stage
        assert stage is not Stage.ALIASES or not end.without_alias
        assert (end.routes, end.unreachable) == (start.routes, ())
        assert last(OVERLAP, end, SETTINGS).finished


def test_no_route_is_deleted_before_the_stage_after_aliases() -> None:
    steps = list(until(OVERLAP, Stage.ALIASES).transitions(at_rest(4), SETTINGS))
    assert not [step for step in steps if isinstance(step, DeleteRoutes)]
    assert steps[-1].id == "gate-aliases"


def test_the_subnet_becomes_dual_stack_once() -> None:
    start = at_rest(2)
    (step,) = DUAL_STACK.transitions(start, SETTINGS)
    assert step.id == "set-stack-type"
    dual = replace(start, subnet=replace(start.subnet, stack_type="IPV4_IPV6"))
    assert list(DUAL_STACK.transitions(dual, SETTINGS)) == []


@pytest.mark.parametrize(
    ("routes", "flag", "stage"),
    [
        ((0, 1), True, Stage.ALIASES),
        ((0, 1), False, Stage.ALIASES),
        ((1,), True, Stage.CUT),
        ((1,), False, Stage.CUT),
        ((), True, Stage.CUT),
        ((), False, Stage.DONE),
    ],
)
def test_only_aliases_without_any_route_and_without_the_flag_are_the_end(
    routes: tuple[int, ...], flag: bool, stage: Stage
) -> None:
    end = last(OVERLAP, at_rest(2), SETTINGS)
    left = tuple(map(route, routes))
    assert stage_of(replace(end, routes=left, subnet=replace(end.subnet, overlap_flag=flag))) is stage


def test_without_the_range_the_flag_alone_is_the_stage() -> None:
    assert stage_of(at_rest(2)) is Stage.ROUTES
    assert stage_of(SetOverlapFlag().effect(at_rest(2))) is Stage.FLAG


@pytest.mark.parametrize("disproved", ["aliases-not-matched", "routes-not-served"])
@pytest.mark.parametrize(
    ("stage", "step"), [(Stage.RANGE, "remove-secondary-range"), (Stage.ALIASES, "remove-aliases")]
)
def test_after_a_trial_has_failed_the_range_is_left_at_once(stage: Stage, step: str, disproved: Limitation) -> None:
    facts = replace(last(until(OVERLAP, stage), at_rest(3), SETTINGS), disproved=disproved)
    left = after_a_trial(facts, SETTINGS)
    assert left is not None
    assert left.id == step
