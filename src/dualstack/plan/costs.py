"""Estimates what a strategy costs: duration and outage, before the first change."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps import Barrier, StopController, Transition
from dualstack.plan.steps.decoys import CreateDecoys, RemoveDecoys
from dualstack.plan.steps.headroom import ProveHeadroom
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.unmatched import UNMATCHED

REQUESTS_PER_MINUTE = 1500
"""Default rate quota of a project for one group of methods (docs/reference/compute-engine.md#rate-defaults)."""

PROPAGATION = 10.0
"""Seconds until the slowest host applies an alias whose operation is done (docs/reference/cut-over.md#host-views)."""

REQUESTS = 3.0
"""Seconds of the requests of a step: read, write, poll the operation, read back
(docs/reference/compute-engine.md#request-latency)."""

SLOW_CHANGE = 60.0
"""Seconds of the slowest of a thousand changes of a subnet, which take 8 s at the median: one in a hundred takes five
times as long, and that varies (docs/reference/compute-engine.md#operation-latency)."""

CHANGE_OF_SUBNET = 8.0
"""Seconds of a change of a subnet at the median."""

SLOWER = SLOW_CHANGE - CHANGE_OF_SUBNET
"""Seconds that a slow change of a subnet adds to an outage."""

MEDIANS = {
    "subnetworks.patch": CHANGE_OF_SUBNET,
    "instances.updateNetworkInterface": 5.0,
    "routes.insert": 4.0,
    "routes.delete": 4.0,
}
"""Seconds of an operation by method (docs/reference/compute-engine.md#operation-latency)."""

DETECTION = 11.0
"""Seconds until the unreachable node on trial is noticed: the network problem detector looks every 10 s, and its report
is read every second (docs/reference/cut-over.md#trial)."""

URGENT_REQUESTS = 2.0
"""As `REQUESTS` while a node is unreachable: operations are polled every second (`Operations.urgent`)."""


@dataclass(frozen=True, slots=True)
class Outage:
    """In seconds. at_most: also if one of the operations is slow, or if the cloud does not do what an order without
    loss depends on."""

    seconds: float
    at_most: float


def describe_outage(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> str:
    """The expected effect of the cut-over on pods, in one sentence."""
    if len(facts.pod_cidr_of) == 1:
        return "The cluster has one node, so no pod loses contact with a pod of another node."
    if strategy.lossless:
        count = len(facts.unreachable)
        nodes = "1 node" if count == 1 else f"{count} nodes"
        repaired = f"; the pods of {nodes} are unreachable already and recover with their aliases" if count else ""
        seconds = 0.0 if settings.decoys else failed_trial(strategy, facts, settings)
        trial = (
            ". If this cloud does not do what the order depends on, "
            f"the pods of one node become unreachable for at most {seconds:.0f} s, "
            f"or for at most {seconds + SLOWER:.0f} s if an operation is slow"
        )
        return f"No packet is expected to be lost{repaired}{trial if seconds else ''}."
    expected = outage(strategy, facts, settings)
    if expected.seconds == 0:
        return "No route is left to delete, so no further node becomes unreachable."
    count = len(facts.live_routes)
    return (
        f"The pods of all {count} nodes become unreachable from other nodes at once; the last recover after about "
        f"{expected.seconds:.0f} s, or after at most {expected.at_most:.0f} s if an operation is slow."
    )


def outage(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> Outage:
    """What is expected from the first deleted route until every host knows the last alias that replaces one.

    An order without loss loses the pods of the node on trial if a fact does not hold, unless decoys prove it before. A
    single node has no other to lose.
    """
    if len(facts.pod_cidr_of) < 2:
        return Outage(0.0, 0.0)
    if strategy.lossless:
        trial = 0.0 if settings.decoys else failed_trial(strategy, facts, settings)
        return Outage(0.0, trial + SLOWER if trial else 0.0)
    already, seconds = len(facts.unreachable), 0.0
    for transition in strategy.transitions(facts, settings):
        after = transition.effect(facts)
        if max(len(facts.unreachable), len(after.unreachable)) > already:
            seconds += duration(transition, facts) + REQUESTS
        facts = after
    if not seconds:
        return Outage(0.0, 0.0)
    seconds += PROPAGATION
    return Outage(seconds, seconds + SLOWER)


def failed_trial(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> float:
    """Seconds for which the node on trial is unreachable if a fact does not hold and no operation is slow; 0 if none
    will be on trial.

    It is noticed once the first hosts have applied the change, and recovers when the last have applied the way back.
    """
    for transition in strategy.transitions(facts, settings):
        facts = transition.effect(facts)
        if facts.on_trial and facts.range_present:
            facts = replace(facts, disproved="aliases-not-matched")
            seconds = PROPAGATION + DETECTION
            for step in UNMATCHED.transitions(facts, settings):
                if not facts.unreachable:
                    return seconds + PROPAGATION
                seconds += duration(step, facts) + URGENT_REQUESTS
                facts = step.effect(facts)
    return 0.0


def estimate(strategy: Strategy, facts: CutoverFacts, settings: Settings) -> float:
    """Expected seconds from `facts` to the end of the cut-over."""
    seconds = 0.0
    for transition in strategy.transitions(facts, settings):
        seconds += duration(transition, facts)
        facts = transition.effect(facts)
    return seconds


def duration(transition: Transition, facts: CutoverFacts) -> float:
    """Expected seconds of `transition` from `facts`: median latencies
    (docs/reference/compute-engine.md#operation-latency).

    Concurrent operations take as long as the slowest: one in a hundred takes five times the median. The rate quota
    limits the requests of each minute (docs/reference/compute-engine.md#rate-defaults).
    """
    match transition:
        case Barrier():
            return max(0.0, transition.remaining(facts))
        case StopController():
            return 60.0 if facts.controller.pods else 1.0  # start of a new pod, grace period of the old one
        case ProveHeadroom():
            return 45.0  # the operations of a route, of the range and of a few VMs, there and back
        case CreateDecoys() | RemoveDecoys():
            return 60.0  # a VM and a pod on each node start or end
        case Transition(method=""):
            return 1.0
    seconds, count = MEDIANS[transition.method], len(transition.targets)
    if count > 1:
        seconds *= 1.5 + 6.0 * min(1.0, count / 100)
    return seconds + (60.0 * ((count - 1) // REQUESTS_PER_MINUTE) if count else 0.0)
