"""Facts of clusters for the tests of the cut-over: at rest, and after each step of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dualstack.plan.facts import AliasFacts, ControllerFacts, CutoverFacts, NodeFacts, RouteFacts, SubnetFacts
from dualstack.plan.settings import Settings
from dualstack.plan.stages import Stage, stage_of
from dualstack.plan.steps import Transition
from dualstack.plan.strategies import choose
from dualstack.plan.strategies.base import Strategy

PODS = "10.96.0.0/11"
RANGE = "ipv4-pod-cidr"
ZONE = "europe-west1-b"
RUNNING = ControllerFacts(replicas=1, pods=1, ignored=False)
STOPPED = ControllerFacts(replicas=0, pods=0, ignored=True)


def cidr(number: int) -> str:
    """The pod CIDR of node `number`."""
    return f"10.{96 + number // 256}.{number % 256}.0/24"


def node(number: int) -> NodeFacts:
    return NodeFacts(name=f"node-{number}", zone=ZONE, pod_cidr=cidr(number))


def route(number: int) -> RouteFacts:
    return RouteFacts(name=f"route-{number}", destination=cidr(number), instance=f"node-{number}", zone=ZONE)


def alias(number: int) -> AliasFacts:
    return AliasFacts(cidr(number), RANGE)


def at_rest(nodes: int) -> CutoverFacts:
    """IPv4 only: a route for each of `nodes` nodes, cloud-controller-manager running."""
    return CutoverFacts(
        pods_cidr=PODS,
        range_name=RANGE,
        subnet=SubnetFacts(name="shoot--foo--bar-nodes", region="europe-west1"),
        routes=tuple(route(number) for number in range(nodes)),
        nodes=tuple(node(number) for number in range(nodes)),
        saved_routes=(),
        controller=RUNNING,
    )


def restarted(facts: CutoverFacts) -> CutoverFacts:
    """`facts` as a new process sees them, without runtime state."""
    return replace(facts, quiet={}, passed={})


def states(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> Iterator[tuple[Transition, CutoverFacts]]:
    """Each step that remains, with the facts after it."""
    for transition in strategy.transitions(facts, settings):
        facts = transition.effect(facts)
        yield transition, facts


def last(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> CutoverFacts:
    """The facts at the end of the plan."""
    for _, reached in states(strategy, facts, settings):
        facts = reached
    return facts


def reached_by(name: str, nodes: int) -> list[CutoverFacts]:
    """Every state of a strategy, from the first to the last, as a new process sees it."""
    start, settings = at_rest(nodes), Settings(batch_size=2)
    return [restarted(facts) for facts in (start, *(facts for _, facts in states(choose(name), start, settings)))]


def stands_at(stage: Stage, nodes: int = 3) -> CutoverFacts:
    """The last state of `overlap` at this stage, as a new process sees it."""
    return next(facts for facts in reversed(reached_by("overlap", nodes)) if stage_of(facts) is stage)


def at_goal(facts: CutoverFacts) -> bool:
    """Whether the cut-over is complete, derived independently of `CutoverFacts.finished`."""
    return (
        not facts.routes
        and not facts.saved_routes
        and not facts.subnet.overlap_flag
        and not facts.range_canary
        and (RANGE, PODS) in facts.subnet.secondary_ranges
        and all(
            node.aliases[:1] == (AliasFacts(node.pod_cidr, RANGE),)
            for node in facts.nodes
            if node.instance_exists and node.pod_cidr
        )
    )


def on_routes(facts: CutoverFacts) -> bool:
    """Whether every VM has its route and nothing of the cut-over is left, except possibly a stopped controller."""
    ranges = [name for name, _ in facts.subnet.secondary_ranges if name == facts.range_name]
    leftovers = facts.drill_routes or facts.decoys.present or facts.saved_routes
    return not (
        leftovers or facts.range_canary or facts.all_holders or facts.unrouted or ranges or facts.subnet.overlap_flag
    )
