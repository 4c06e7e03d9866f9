"""Whatever happens underneath between two steps, the cut-over loses nothing of its own and ends at its goal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.plan.blocks import parts
from dualstack.plan.decoy_steps import PARTS
from dualstack.plan.facts import AliasFacts, CutoverFacts, NodeFacts
from dualstack.plan.invariants import MAKE_BEFORE_BREAK, check
from dualstack.plan.settings import Settings
from dualstack.plan.strategy import STRATEGIES, choose
from dualstack.plan.transitions import SetOverlapFlag
from tests.property.hosts import delivered_to, view_of
from tests.property.worlds import RANGE, RUNNING, ZONE, alias, at_goal, at_rest, cidr, node, restarted, route, states

SETTINGS = Settings(batch_size=2)
MOST_STEPS = 200

Disturbance = Callable[[CutoverFacts, int], CutoverFacts]


def vm_vanishes(facts: CutoverFacts, number: int) -> CutoverFacts:
    """Its route stays (compute-api.md 6.1)."""
    return replace(facts, nodes=tuple(known for known in facts.nodes if known.name != f"node-{number}"))


def vm_is_deleted_while_its_node_stays(facts: CutoverFacts, number: int) -> CutoverFacts:
    nodes = tuple(
        replace(known, instance_exists=False, running=False, aliases=()) if known.name == f"node-{number}" else known
        for known in facts.nodes
    )
    return replace(facts, nodes=nodes)


def vm_stops(facts: CutoverFacts, number: int) -> CutoverFacts:
    nodes = tuple(replace(known, running=False) if known.name == f"node-{number}" else known for known in facts.nodes)
    return replace(facts, nodes=nodes)


def vm_appears_without_pod_cidr(facts: CutoverFacts, number: int) -> CutoverFacts:
    """cloud-controller-manager is stopped, so that nobody gives it one (W36)."""
    fresh = NodeFacts(name=f"young-{number}", zone=ZONE, pod_cidr=None)
    return replace(facts, nodes=(*(known for known in facts.nodes if known.name != fresh.name), fresh))


def vm_appears_with_alias(facts: CutoverFacts, number: int) -> CutoverFacts:
    """It was created with a dual-stack machine class; possible once the range is there."""
    if not facts.range_present:
        return facts
    own = cidr(100 + number)
    fresh = NodeFacts(name=f"new-{number}", zone=ZONE, pod_cidr=own, aliases=(AliasFacts(own, RANGE),))
    return replace(facts, nodes=(*(known for known in facts.nodes if known.name != fresh.name), fresh)).with_changed(
        "aliases"
    )


def controller_comes_back(facts: CutoverFacts, number: int) -> CutoverFacts:
    """It runs again and re-creates the route of a live node (cutover.md E15)."""
    facts = replace(facts, controller=RUNNING)
    if f"node-{number}" not in facts.node_of or route(number) in facts.routes:
        return facts.with_changed("controller")
    return replace(facts, routes=(*facts.routes, route(number))).with_changed("controller", "routes")


def alias_is_lost(facts: CutoverFacts, number: int) -> CutoverFacts:
    """Somebody cleared it (compute-api.md 7.3, the gcloud trap)."""
    nodes = tuple(replace(known, aliases=()) if known.name == f"node-{number}" else known for known in facts.nodes)
    return replace(facts, nodes=nodes).with_changed("aliases")


def route_is_lost(facts: CutoverFacts, number: int) -> CutoverFacts:
    return replace(facts, routes=tuple(known for known in facts.routes if known != route(number))).with_changed(
        "routes"
    )


def flag_is_cleared(facts: CutoverFacts, _: int) -> CutoverFacts:
    return replace(facts, subnet=replace(facts.subnet, overlap_flag=False)).with_changed("flag")


def decoy_vanishes(facts: CutoverFacts, _: int) -> CutoverFacts:
    """Its routes and the probing pods stay."""
    gone = replace(facts.decoys, vm=False, home="", aliases=frozenset())
    return replace(facts, decoys=gone).with_changed("decoys") if facts.decoys.vm else facts


def decoy_stops(facts: CutoverFacts, _: int) -> CutoverFacts:
    return replace(facts, decoys=replace(facts.decoys, home="")).with_changed("decoys") if facts.decoys.vm else facts


def node_gets_a_block_of_the_decoys(facts: CutoverFacts, number: int) -> CutoverFacts:
    """A VM that appears while cloud-controller-manager runs again."""
    if not facts.decoys.home or any(known.name == "late" for known in facts.nodes):
        return facts
    block = parts(facts.decoys.home, PARTS)[number % PARTS]
    return replace(facts, nodes=(*facts.nodes, NodeFacts(name="late", zone=ZONE, pod_cidr=block)))


def killed(facts: CutoverFacts, _: int) -> CutoverFacts:
    return restarted(facts)


DISTURBANCES: tuple[Disturbance, ...] = (
    vm_vanishes,
    vm_is_deleted_while_its_node_stays,
    vm_stops,
    vm_appears_without_pod_cidr,
    vm_appears_with_alias,
    controller_comes_back,
    alias_is_lost,
    route_is_lost,
    flag_is_cleared,
    decoy_vanishes,
    decoy_stops,
    node_gets_a_block_of_the_decoys,
    killed,
)


@st.composite
def started(draw: st.DrawFn) -> CutoverFacts:
    """A cluster at rest, or left by either strategy after any step, perhaps with oddities of its own."""
    start = at_rest(draw(st.integers(0, 6)))
    if draw(st.booleans()):
        start = replace(start, routes=(*start.routes, route(50)))  # its VM is long gone
    if draw(st.booleans()):
        start = replace(start, nodes=(*start.nodes, node(60)))  # never had a route (W24)
    reached = [start]
    left_by = choose(draw(st.sampled_from(sorted(STRATEGIES))))
    reached += [facts for _, facts in states(left_by, start, SETTINGS)]
    return restarted(draw(st.sampled_from(reached)))


@settings(max_examples=400)
@given(
    facts=started(),
    disturbances=st.lists(
        st.tuples(st.integers(0, 20), st.sampled_from(DISTURBANCES), st.integers(0, 5)),
        max_size=6,
    ),
    decoys=st.booleans(),
)
def test_whatever_happens_underneath_overlap_loses_nothing_of_its_own_and_finishes(
    facts: CutoverFacts, disturbances: list[tuple[int, Disturbance, int]], decoys: bool
) -> None:
    overlap, chosen = choose("overlap"), replace(SETTINGS, decoys=decoys)
    for step in range(MOST_STEPS):
        for _, disturb, number in (entry for entry in disturbances if entry[0] == step):
            facts = disturb(facts, number)
        transition = overlap.next_transition(facts, chosen)
        if transition is None:
            if all(entry[0] <= step for entry in disturbances):
                break
            continue
        assert transition.precondition(facts) == []
        check(MAKE_BEFORE_BREAK, facts, transition)
        before, facts = facts, transition.effect(facts)
        for name, owed in facts.pod_cidr_of.items():
            assert delivered_to(view_of(before), owed) != {name} or delivered_to(view_of(facts), owed) == {name}, (
                f"{transition.id} cut off {name}"
            )
    else:
        raise AssertionError("the cut-over does not come to an end")
    assert at_goal(facts)
    assert not facts.decoys.present


@given(facts=started(), name=st.sampled_from(sorted(STRATEGIES)))
@settings(max_examples=200)
def test_no_plan_is_made_from_a_finished_cluster(facts: CutoverFacts, name: str) -> None:
    strategy = choose(name)
    for transition in strategy.transitions(facts, SETTINGS):
        facts = transition.effect(facts)
    assert strategy.next_transition(restarted(facts), SETTINGS) is None


@given(facts=started())
@settings(max_examples=200)
def test_a_flag_is_set_only_over_routes_that_carry_traffic(facts: CutoverFacts) -> None:
    for transition in choose("overlap").transitions(facts, SETTINGS):
        if isinstance(transition, SetOverlapFlag):
            assert facts.live_routes
        facts = transition.effect(facts)


def test_a_vm_that_lost_its_alias_after_its_route_gets_it_back_before_anything_else() -> None:
    overlap, facts = choose("overlap"), at_rest(3)
    for transition, after in states(overlap, facts, SETTINGS):
        facts = after
        if transition.id == "delete-route-canary":
            break
    damaged = alias_is_lost(facts, 0)
    following = overlap.next_transition(damaged, SETTINGS)
    assert following is not None
    assert (following.id, following.targets) == ("add-aliases", ("node-0",))
    assert following.effect(damaged).node_of["node-0"].aliases == (alias(0),)
