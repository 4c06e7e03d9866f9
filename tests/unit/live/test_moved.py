"""What counts as a change of the world since a plan was made, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dualstack.live.moved import MOST, PlannedFacts, moved
from dualstack.plan.facts import AliasFacts, ControllerFacts, CutoverFacts, RouteFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.prepare import PREPARE
from tests.support.cluster_facts import STOPPED, at_rest, node, route, states

FACTS = replace(at_rest(3), controller=ControllerFacts(1, 1, ignored=False, kept=True))
PLANNED = PlannedFacts.of("p", FACTS)


def since(facts: CutoverFacts) -> list[str]:
    return moved(PLANNED, PlannedFacts.of("p", facts))


def test_nothing_that_the_plan_itself_does_counts() -> None:
    during = [facts for _, facts in states(PREPARE, FACTS, Settings())]
    after = [facts for _, facts in states(FINISH, replace(during[-1], controller=STOPPED), Settings())]
    assert [since(facts) for facts in (*during, *after)] == [[]] * len([*during, *after])
    assert after[-1].finished


def test_what_changes_by_itself_does_not_count() -> None:
    assert since(replace(FACTS, unhealthy={"node-0": "not Ready"}, with_network_problem=frozenset({"node-1"}))) == []


def changed_node(facts: CutoverFacts, **fields: Any) -> CutoverFacts:
    return replace(facts, nodes=(replace(facts.nodes[0], **fields), *facts.nodes[1:]))


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        (lambda f: replace(f, nodes=(*f.nodes, node(7))), "node node-7 is new"),
        (lambda f: replace(f, nodes=f.nodes[1:]), "node node-0 is gone"),
        (
            lambda f: changed_node(f, pod_cidr="10.97.0.0/24"),
            "the pod CIDR of node node-0 was 10.96.0.0/24 and is 10.97.0.0/24",
        ),
        (
            lambda f: changed_node(f, aliases=(AliasFacts("10.1.0.0/24", "x"),)),
            "the other alias ranges of node node-0 was none and is x=10.1.0.0/24",
        ),
        (lambda f: replace(f, routes=(*f.routes, route(7))), "route route-7 (10.96.7.0/24) is new"),
        (
            lambda f: replace(f, foreign_routes=(RouteFacts("vpn", "10.96.9.0/24"),)),
            "route of another owner vpn (10.96.9.0/24) is new",
        ),
        (
            lambda f: replace(f, subnet=replace(f.subnet, secondary_ranges=(("x", "10.1.0.0/16"),))),
            "secondary range x (10.1.0.0/16) is new",
        ),
        (
            lambda f: replace(f, subnet=replace(f.subnet, stack_type="IPV4_IPV6")),
            "the stack type of the nodes subnet was IPV4_ONLY and is IPV4_IPV6",
        ),
    ],
)
def test_every_other_change_is_named(change: Callable[[CutoverFacts], CutoverFacts], clause: str) -> None:
    assert clause in since(change(FACTS))


def test_many_differences_are_counted() -> None:
    found = since(replace(FACTS, nodes=(*FACTS.nodes, *(node(number) for number in range(10, 20)))))
    assert len(found) == MOST + 1
    assert found[-1] == "5 more differences of nodes"


def test_the_facts_survive_their_document() -> None:
    assert msgspec.json.decode(msgspec.json.encode(PLANNED), type=PlannedFacts) == PLANNED
