"""The decoys: what each step adds and removes, and when they are removed because they are of no use."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts, DecoyFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import AddSecondaryRange, RestoreRoutes, SetOverlapFlag
from dualstack.plan.steps.decoys import AddDecoyRange, AliasDecoys, CreateDecoys, DropDecoyRoute, RemoveDecoys
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.decoys import make_way, prove, remove_unneeded
from dualstack.plan.strategies.overlap import OVERLAP
from dualstack.plan.strategies.prepare import PREPARE
from tests.support.cluster_facts import STOPPED, at_rest, node, states

HOME = "10.127.252.0/22"
STATIC, ALIAS, BOTH = "10.127.252.0/24", "10.127.253.0/24", "10.127.254.0/24"
SETTINGS = Settings(decoys=True)
CREATED = CreateDecoys(home=HOME).effect(SetOverlapFlag().effect(at_rest(2)))
RANGED = AddDecoyRange().effect(CREATED)


def test_each_step_has_its_part_of_the_check() -> None:
    made = DecoyFacts(vm=True, home=HOME, routes=frozenset({STATIC, BOTH}), prober=True)
    assert CREATED.decoys == made
    assert RANGED.decoys == replace(made, range=HOME)
    aliased = AliasDecoys().effect(RANGED)
    assert aliased.decoys == replace(RANGED.decoys, aliases=frozenset({ALIAS, BOTH}))
    assert DropDecoyRoute().effect(aliased).decoys == replace(aliased.decoys, routes=frozenset({STATIC}))
    assert RemoveDecoys().effect(aliased).decoys == DecoyFacts()


def test_what_was_there_stays_when_a_step_is_completed() -> None:
    """With the range, routes are not created again, because the one beside the alias may have been dropped."""
    dropped = replace(RANGED, decoys=replace(RANGED.decoys, routes=frozenset({STATIC}), prober=False))
    assert CreateDecoys(home=HOME).effect(dropped).decoys == replace(dropped.decoys, prober=True)
    other = replace(RANGED, decoys=replace(RANGED.decoys, aliases=frozenset({"10.127.255.0/24"})))
    assert AliasDecoys().effect(other).decoys.aliases == {ALIAS, BOTH, "10.127.255.0/24"}


def with_decoys(decoys: DecoyFacts) -> CutoverFacts:
    return replace(CREATED, decoys=decoys)


@pytest.mark.parametrize(
    "facts",
    [
        at_rest(2),
        CREATED,
        RANGED,
        with_decoys(DecoyFacts(vm=True, home=HOME)),
        with_decoys(DecoyFacts(prober=True)),
        with_decoys(DecoyFacts(range=HOME)),
    ],
    ids=["none", "created", "with their range", "no route yet", "probe pods alone", "their range alone"],
)
def test_decoys_stay_while_they_are_of_use(facts: CutoverFacts) -> None:
    assert remove_unneeded(facts, SETTINGS) is None


@pytest.mark.parametrize(
    ("facts", "settings"),
    [
        (CREATED, Settings()),
        (with_decoys(replace(CREATED.decoys, home="")), SETTINGS),
        (with_decoys(replace(RANGED.decoys, routes=frozenset({BOTH}))), SETTINGS),
        (gates.DECOY_HANDOVER.effect(CREATED), SETTINGS),
        (AddSecondaryRange().effect(CREATED), SETTINGS),
        (replace(CREATED, routes=CREATED.routes[1:]), SETTINGS),
        (replace(CREATED, routes=(), nodes=()), SETTINGS),
    ],
    ids=[
        *("not requested", "the VM does not run", "half removed", "proved"),
        *("the pod range exists", "an unreachable node", "no route to prove anything for"),
    ],
)
def test_decoys_go_when_they_are_of_no_use(facts: CutoverFacts, settings: Settings) -> None:
    assert remove_unneeded(facts, settings) == RemoveDecoys()


JOINED = replace(RANGED, nodes=(*RANGED.nodes, node(7)), controller=STOPPED)
"""A third node, which has no route yet."""


def test_a_node_that_joins_gets_its_route_before_the_check_goes_on() -> None:
    steps = islice(states(OVERLAP, JOINED, SETTINGS), 3)
    assert [step.id for step, _ in steps] == ["restore-routes", "save-routes", "barrier-decoy-range"]
    assert PREPARE.next_transition(JOINED, SETTINGS) == gates.FLAG


def test_decoys_go_where_the_route_of_a_node_that_joined_is_refused() -> None:
    refused = replace(JOINED, refused=frozenset({RestoreRoutes.id}))
    assert OVERLAP.next_transition(refused, SETTINGS) == RemoveDecoys()


@pytest.mark.parametrize("strategy", [OVERLAP, PREPARE], ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("decoys", [CREATED.decoys, DecoyFacts(range=HOME)], ids=["their VM", "their range alone"])
def test_decoys_in_whose_blocks_a_node_is_go_before_it_gets_its_route(strategy: Strategy, decoys: DecoyFacts) -> None:
    within = replace(JOINED, nodes=(*RANGED.nodes, replace(node(7), pod_cidr=ALIAS)), decoys=decoys)
    assert strategy.next_transition(within, SETTINGS) == RemoveDecoys()
    assert make_way(replace(within, decoys=DecoyFacts()), SETTINGS) is None


def test_the_whole_check_comes_before_the_range() -> None:
    plan = [step.id for step in OVERLAP.transitions(at_rest(2), SETTINGS)]
    assert plan[plan.index("create-decoys") : plan.index("add-secondary-range")] == [
        "create-decoys",
        "gate-decoy-ready",
        "barrier-flag",
        "add-decoy-range",
        "barrier-decoy-range",
        "gate-decoy-static",
        "alias-decoys",
        "gate-decoy-alias",
        "drop-decoy-route",
        "barrier-decoy-route",
        "gate-decoy-handover",
        "remove-decoys",
    ]


def test_without_an_unused_block_the_check_is_refused() -> None:
    full = replace(at_rest(1), pods_cidr="10.96.0.0/24")
    create = prove(full, SETTINGS)
    assert create == CreateDecoys()
    assert create.precondition(full) != []
