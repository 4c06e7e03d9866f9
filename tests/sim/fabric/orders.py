"""Orders of a cut-over, step by step, and what the fabric shows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, combinations
from typing import Any

from dualstack_sim.fabric.blocks import parse_address
from dualstack_sim.fabric.feed import Change
from dualstack_sim.fabric.forwarding import forward
from dualstack_sim.fabric.ledger import Ledger
from dualstack_sim.fabric.profile import FabricKnobs
from tests.sim.fabric.cloud import PODS, Cloud, node, pod, pods

Step = Callable[[Cloud], None]


Event = tuple[str, list[Change]]
"""The resource that changed, and what hosts learn of it."""


def flag(value: bool) -> Step:
    return lambda cloud: cloud.flag(0.0, value)


def ranges(*cidrs: str) -> Step:
    return lambda cloud: cloud.ranges(0.0, *cidrs)


def alias(number: int, *cidrs: str) -> Step:
    return lambda cloud: cloud.aliases(0.0, number, *(cidrs or (pods(number),)))


def no_alias(number: int) -> Step:
    return lambda cloud: cloud.aliases(0.0, number)


def add_route(number: int) -> Step:
    return lambda cloud: cloud.route(0.0, number)


def delete_route(number: int) -> Step:
    return lambda cloud: cloud.drop_route(0.0, number)


ON, OFF, RANGE, NO_RANGE = flag(True), flag(False), ranges(PODS), ranges()


ALIASES = [alias(1), alias(2)]


NO_ALIASES = [no_alias(1), no_alias(2)]


DELETE_ROUTES = [delete_route(1), delete_route(2)]


ADD_ROUTES = [add_route(1), add_route(2)]


S2 = [ON, RANGE]


S3 = [*S2, *ALIASES]


S4 = [*S3, *DELETE_ROUTES]


def plan(*stages: Step | list[Step]) -> list[list[Step]]:
    """Stages with a barrier after each."""
    return [stage if isinstance(stage, list) else [stage] for stage in stages]


NOTHING: list[Step] = []


ORDERS: list[tuple[str, list[Step], list[list[Step]], dict[str, Any]]] = [
    ("gardener: routes away, range, aliases", NOTHING, plan(DELETE_ROUTES, RANGE, ALIASES), {"loss": True}),
    ("A: a barrier after every stage", NOTHING, plan(ON, RANGE, ALIASES, DELETE_ROUTES, OFF), {"loss": False}),
    (
        "A: flag and range together, subnet news in order",
        NOTHING,
        plan([ON, RANGE], ALIASES, DELETE_ROUTES, OFF),
        {"loss": False, "fifo": True},
    ),
    (
        "A: flag and range together, subnet news in any order",
        NOTHING,
        plan([ON, RANGE], ALIASES, DELETE_ROUTES, OFF),
        {"loss": True},
    ),
    ("A: range and aliases together", NOTHING, plan(ON, [RANGE, *ALIASES], DELETE_ROUTES, OFF), {"loss": False}),
    ("A: aliases and deletes together", NOTHING, plan(ON, RANGE, [*ALIASES, *DELETE_ROUTES], OFF), {"loss": True}),
    ("A: deletes and flag off together", NOTHING, plan(ON, RANGE, ALIASES, [*DELETE_ROUTES, OFF]), {"loss": False}),
    ("A: flag off before the deletes", NOTHING, plan(ON, RANGE, ALIASES, OFF, DELETE_ROUTES), {"loss": False}),
    ("A: aliases and flag off together", NOTHING, plan(ON, RANGE, [*ALIASES, OFF], DELETE_ROUTES), {"loss": True}),
    ("A: a node without alias loses its route", NOTHING, plan(ON, RANGE, alias(1), DELETE_ROUTES, OFF), {"loss": True}),
    (
        "A: a node without alias keeps route and flag",
        NOTHING,
        plan(ON, RANGE, alias(1), delete_route(1)),
        {"loss": False},
    ),
    (
        "A: a node without alias keeps its route, flag off",
        NOTHING,
        plan(ON, RANGE, alias(1), delete_route(1), OFF),
        {"loss": True},
    ),
    (
        "A: node by node",
        NOTHING,
        plan(ON, RANGE, alias(1), delete_route(1), alias(2), delete_route(2), OFF),
        {"loss": False},
    ),
    ("back from S3: aliases, range, flag", S3, plan(NO_ALIASES, NO_RANGE, OFF), {"loss": False}),
    ("back from S3: aliases and flag together", S3, plan([*NO_ALIASES, OFF]), {"loss": True}),
    (
        "back from S4: routes, aliases, range, flag",
        S4,
        plan(ADD_ROUTES, NO_ALIASES, NO_RANGE, OFF),
        {"loss": False},
    ),
    ("back from S4: aliases, range, routes", S4, plan(NO_ALIASES, NO_RANGE, ADD_ROUTES), {"loss": True}),
    (
        "B: one range for each node in turn",
        NOTHING,
        plan(delete_route(1), ranges(pods(1)), alias(1), delete_route(2), ranges(pods(1), pods(2)), alias(2)),
        {"loss": True},
    ),
    (
        "C: a fresh range for a new node",
        NOTHING,
        plan(ranges("10.112.0.0/16"), alias(3, "10.112.3.0/24")),
        {"loss": False},
    ),
    ("C over old blocks: a new VM is handed the block of node 1", S2, plan(alias(3, pods(1))), {"loss": True}),
]


def parts(pending: list[Event], fifo: bool) -> Iterator[tuple[int, ...]]:
    """Which of the pending events a host may have seen; under `fifo` of one resource only the earliest ones."""
    places = range(len(pending))
    for part in chain.from_iterable(combinations(places, size) for size in range(len(pending) + 1)):
        skipped = {pending[place][0]: place for place in reversed(places) if place not in part}
        if not fifo or all(place < skipped.get(pending[place][0], len(pending)) for place in part):
            yield part


def look(before: list[Event], pending: list[Event], knobs: FabricKnobs, fifo: bool) -> tuple[int, set[str]]:
    """One host for each view that is possible while `pending` travels, asked for every old pod CIDR."""
    ledger = Ledger("net")
    for change in chain.from_iterable(news for _, news in before):
        ledger.commit(change.key, change.fact)
    seen = list(parts(pending, fifo))
    for number in range(2 * len(seen)):
        ledger.open_view(f"host-{number}")
    issued = [(place, change) for place, (_, news) in enumerate(pending) for change in news]
    deliveries = [(place, change, ledger.commit(change.key, change.fact)) for place, change in issued]
    for number, part in enumerate(seen):
        mine = [delivery for delivery in deliveries if delivery[0] in part]
        for host, order in ((f"host-{2 * number}", mine), (f"host-{2 * number + 1}", mine[::-1])):
            for _, change, version in order:
                ledger.deliver(host, change.key, version, change.fact)
    reasons = set[str]()
    for host, view in ledger.views.items():
        for number in (1, 2):
            verdict = forward(view, host, parse_address(pod(number)), knobs)
            if verdict.delivered_to != node(number):
                reasons.add(verdict.reason)
    return 2 * len(ledger.views), reasons
