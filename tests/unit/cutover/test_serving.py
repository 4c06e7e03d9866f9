"""Nodes that are unreachable are served by whichever way is accepted, again and again for a bounded time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import pytest

from dualstack.cutover.run import run_cutover
from dualstack.gce.errors import Invalid, NotReady
from dualstack.model.errors import GateFailed
from dualstack.model.events import AnyEvent, StepFinished
from dualstack.plan.facts import CutoverFacts, SubnetFacts, as_saved
from dualstack.plan.settings import Settings
from dualstack.plan.steps import Transition
from dualstack.plan.strategies.serve import refusal, serve
from tests.support.cluster_facts import PODS, RANGE, alias, at_rest
from tests.unit.cutover.fake_cluster import SETTINGS, FakeClock, FakeCluster, failed

PAUSES = [1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0]
"""Seconds between two rounds: doubled up to `urgent_backoff`."""


@dataclass
class Refusing(FakeCluster):
    """Refuses the first `refusals` attempts of each step, each with words of its own."""

    clock: FakeClock = field(default_factory=FakeClock)
    refusals: int = 0
    takes: float = 0.0
    at: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def perform(self, transition: Transition) -> None:
        self.at.append(self.clock.now())
        self.clock.time += self.takes
        if len(self.at) <= self.refusals:
            self.refused.append(transition.id)
            raise Invalid("invalid", f"denied {len(self.at)}")
        await super().perform(transition)


def without_a_route(nodes: int = 3) -> CutoverFacts:
    facts = at_rest(nodes)
    return replace(facts, routes=facts.routes[1:])


async def serve_all(cluster: Refusing, *, sacrifice: bool, settings: Settings = SETTINGS) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    strategy = serve(sacrifice=sacrifice)
    await run_cutover(cluster, strategy, settings, cluster.clock, events.append, "shoot--foo--bar", announce=False)
    return events


@pytest.mark.parametrize("takes", [0.0, 0.5, 3.0, 60.0])
async def test_every_way_is_tried_again_after_growing_pauses(takes: float) -> None:
    """A pause counts from the begin of its round."""
    cluster = Refusing(without_a_route(), refusals=SETTINGS.attempts - 1, takes=takes)
    await serve_all(cluster, sacrifice=False)
    assert not cluster.facts.unreachable
    assert min(cluster.clock.slept) >= 0.0
    tried = cluster.at[: SETTINGS.attempts]
    assert [later - earlier for earlier, later in itertools.pairwise(tried)] == [max(pause, takes) for pause in PAUSES]


async def test_the_last_refusal_is_the_error_when_no_round_helps() -> None:
    cluster = Refusing(without_a_route(), refusals=1000)
    with pytest.raises(Invalid, match=f"denied {SETTINGS.attempts}$"):
        await serve_all(cluster, sacrifice=False)
    assert cluster.at == [1000.0 + sum(PAUSES[:rounds]) for rounds in range(SETTINGS.attempts)]


async def test_where_every_way_was_refused_before_the_error_says_so() -> None:
    cluster = Refusing(without_a_route())
    refused = frozenset({refusal("restore-routes", cluster.facts)})
    once, events = replace(SETTINGS, attempts=1), list[AnyEvent]()
    with pytest.raises(GateFailed, match="every way to serve the unreachable nodes was refused"):
        await run_cutover(
            cluster, serve(sacrifice=False), once, cluster.clock, events.append, "shoot--foo--bar", refused=refused
        )
    assert cluster.at == []


async def test_what_was_refused_does_not_matter_where_every_node_is_served() -> None:
    cluster, events = Refusing(at_rest(3)), list[AnyEvent]()
    strategy, refused = serve(sacrifice=False), frozenset({"restore-routes"})
    await run_cutover(cluster, strategy, SETTINGS, cluster.clock, events.append, "shoot--foo--bar", refused=refused)
    assert (cluster.at, cluster.clock.slept) == ([], [])


async def test_one_attempt_is_one_round() -> None:
    cluster = Refusing(without_a_route(), refusals=1000)
    with pytest.raises(Invalid, match=r"denied 1$"):
        await serve_all(cluster, sacrifice=False, settings=replace(SETTINGS, attempts=1))


def under_the_range(*, flag: bool = True, lost: bool = True) -> CutoverFacts:
    """Node 0 has neither route nor alias, node 1 only its alias, node 2 both. lost: node 0 had a route."""
    facts = at_rest(3)
    nodes = (facts.nodes[0], *(replace(node, aliases=(alias(at),)) for at, node in enumerate(facts.nodes) if at))
    subnet = SubnetFacts(name="shoot--foo--bar-nodes", region="europe-west1", secondary_ranges=((RANGE, PODS),))
    saved = tuple(map(as_saved, facts.routes[0 if lost else 1 :]))
    facts = replace(facts, saved_routes=saved, routes=facts.routes[2:] if flag else ())
    return replace(facts, subnet=replace(subnet, overlap_flag=flag), nodes=nodes)


@pytest.mark.parametrize(
    ("sacrifice", "lost", "ways"),
    [
        (False, True, ["add-aliases", "restore-routes"]),
        (True, True, ["add-aliases", "remove-aliases"]),
        (True, False, ["add-aliases"]),
    ],
)
async def test_aliases_that_serve_nodes_are_removed_only_for_a_node_that_the_order_has_cut_off(
    sacrifice: bool, lost: bool, ways: list[str]
) -> None:
    cluster = Refusing(under_the_range(lost=lost), refusals=1000)
    with pytest.raises(Invalid):
        await serve_all(cluster, sacrifice=sacrifice)
    again = [way for way in ways if way != "restore-routes"]  # a route that the range forbids is not tried twice
    assert cluster.refused == [*ways, *again * (SETTINGS.attempts - 1)]


async def test_p25_an_order_with_an_outage_sets_no_flag_that_every_alias_would_depend_on() -> None:
    cluster = Refusing(under_the_range(flag=False), refusals=1)
    events = await serve_all(cluster, sacrifice=True)
    steps = [event.step for event in events if isinstance(event, StepFinished)]
    assert steps == ["remove-aliases", "remove-secondary-range", "restore-routes"]
    assert failed(events) == [("add-aliases", False)]
    assert not cluster.facts.unreachable
    assert not cluster.facts.range_present


async def test_a_node_that_its_alias_serves_is_left_there() -> None:
    cluster = Refusing(under_the_range(flag=False))
    await serve_all(cluster, sacrifice=True)
    assert not cluster.facts.without_alias
    assert not cluster.facts.subnet.overlap_flag


async def test_while_a_node_is_unreachable_a_busy_cloud_leads_to_the_next_way_at_once() -> None:
    cluster = Refusing(under_the_range(), errors={0: NotReady("resourceNotReady", "busy")})
    await serve_all(cluster, sacrifice=False)
    assert [step.id for step in cluster.performed[:2]] == ["add-aliases", "restore-routes"]
    assert cluster.clock.slept == []


async def test_where_no_way_is_left_and_none_was_refused_nothing_is_tried_again() -> None:
    """Node 0 cannot get an alias, and its route is not worth the aliases of the others."""
    facts = under_the_range(lost=False)
    nodes = (replace(facts.nodes[0], subnet_ok=False), *facts.nodes[1:])
    cluster = Refusing(replace(facts, nodes=nodes))
    await serve_all(cluster, sacrifice=True)
    assert (cluster.performed, cluster.clock.slept) == ([], [])
