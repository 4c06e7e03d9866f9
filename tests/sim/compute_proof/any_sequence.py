"""The state machine of random calls (tests/sim/compute/random_calls.py), with those that save and restore the state."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.project.allocation_quotas import ALIASES as ALIAS_QUOTA
from dualstack_sim.compute.project.allocation_quotas import (
    INSTANCES,
    STATIC_ROUTES,
    SUBNET_RANGES,
    Quota,
    limit_of,
    used,
)
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.quotas import Limits
from tests.sim.compute.random_calls import ALIASES, DESTINATIONS, NAME, NAMES, RANGES, STACK, World, check, step, texts

KNOBS = st.builds(
    Knobs,
    new_route_in_flagged_range=st.sampled_from(["allow", "deny"]),
    clear_flag_over_routes=st.just("refuse"),
    route_conflict=st.sampled_from(["operation", "request"]),
)


LIMITS = st.sampled_from(
    [
        Limits(),
        Limits(
            static_routes_per_network=2, subnet_ranges_per_network=2, instances_per_network=2, aliases_per_network=1
        ),
    ]
)


CUT_OVER: tuple[tuple[Any, ...], ...] = (
    ("vm", "a", "IPV4_ONLY", "", ""),
    ("vm", "b", "IPV4_ONLY", "", ""),
    ("route", "a", "100.96.0.0/24"),
    ("flag", True),
    ("ranges", [("pods", "100.96.0.0/16")]),
    ("alias", "a", ["100.96.0.0/24"], "pods"),
    ("alias", "b", ["100.96.1.0/24"], "pods"),
    ("delete", "routes", "a"),
    ("flag", False),
)
"""The calls of the cut-over of two nodes: a sequence may start after any of them."""


MOSTLY_PODS = st.sampled_from(["pods", "pods", "pods", "more", "wide", ""])


THEN = st.sampled_from([200.0, 200.0, 5.0, 0.0])
"""Simulated seconds until the next call: most operations end before it, some do not."""


LONG = 10_000.0
"""Simulated seconds in which every operation ends."""


def counted(shown: dict[str, dict[str, Json]]) -> dict[Quota, int]:
    """The usage of each quota in the only network."""
    interfaces = [nic for found in shown.get("instances", {}).values() for nic in found["networkInterfaces"]]
    return {
        STATIC_ROUTES: len(shown.get("routes", {})),
        SUBNET_RANGES: sum(len(texts(found)) for found in shown.get("subnetworks", {}).values()),
        INSTANCES: len(interfaces),
        ALIAS_QUOTA: sum(len(nic.get("aliasIpRanges", ())) for nic in interfaces),
    }


class AnySequence(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World(Knobs())

    def do(self, *action: Any, then: float = 200.0) -> None:
        """Make the call and let `then` seconds pass."""
        self.loop.run_until_complete(step(self.world, action))
        self.world.clock.present += then

    @initialize(knobs=KNOBS, limits=LIMITS, calls=st.integers(0, len(CUT_OVER)))
    def begin(self, knobs: Knobs, limits: Limits, calls: int) -> None:
        """Somewhere between routes and aliases."""
        self.world = World(knobs, limits)
        for action in CUT_OVER[:calls]:
            self.do(*action)

    @rule(name=NAME, destination=st.sampled_from(DESTINATIONS), then=THEN)
    def insert_route(self, name: str, destination: str, then: float) -> None:
        self.do("route", name, destination, then=then)

    @rule(collection=st.sampled_from(["routes", "instances", "subnetworks"]), name=NAME, then=THEN)
    def delete(self, collection: str, name: str, then: float) -> None:
        self.do("delete", collection, name, then=then)

    @rule(picks=st.lists(st.sampled_from(RANGES), max_size=2), then=THEN)
    def set_ranges(self, picks: list[tuple[str, str]], then: float) -> None:
        self.do("ranges", picks, then=then)

    @rule(value=st.booleans(), then=THEN)
    def set_flag(self, value: bool, then: float) -> None:
        self.do("flag", value, then=then)

    @rule(value=STACK, then=THEN)
    def set_stack(self, value: str, then: float) -> None:
        self.do("stack", value, then=then)

    @rule(name=NAME, stack=STACK, text=st.sampled_from(["", *ALIASES]), range_name=MOSTLY_PODS, then=THEN)
    def insert_vm(self, name: str, stack: str, text: str, range_name: str, then: float) -> None:
        self.do("vm", name, stack, text, range_name, then=then)

    @rule(name=NAME, wanted=st.lists(st.sampled_from(ALIASES), max_size=2), range_name=MOSTLY_PODS, then=THEN)
    def set_aliases(self, name: str, wanted: list[str], range_name: str, then: float) -> None:
        self.do("alias", name, wanted, range_name, then=then)

    @rule(name=NAME, stack=STACK, then=THEN)
    def set_interface_stack(self, name: str, stack: str, then: float) -> None:
        self.do("nic", name, stack, then=then)

    @rule(name=NAME, text=st.sampled_from(["10.250.1.0/24", "100.96.0.0/24", "192.168.0.0/24"]), then=THEN)
    def insert_subnetwork(self, name: str, text: str, then: float) -> None:
        self.do("subnet", name, text, then=then)

    @rule()
    def save_and_restore(self) -> None:
        """Load the state into another cloud, as JSON from a file, when no operation runs."""
        self.let_everything_end()
        text = json.dumps(self.world.compute.dump())
        other = Compute(self.world.clock, Chance(99))
        other.load(json.loads(text))
        assert json.dumps(other.dump()) == text, "dump and load are not inverse"
        assert other.snapshot() == self.world.compute.snapshot()
        self.world.compute.load(json.loads(text))
        assert json.dumps(self.world.compute.dump()) == text

    @invariant()
    def ranges_aliases_and_routes_are_apart(self) -> None:
        check(self.world)

    @invariant()
    def counters_equal_what_is_there_and_keep_their_limits(self) -> None:
        """The default route that comes with an IPv6 prefix requires no quota."""
        project = self.world.compute.project
        shown = self.world.compute.snapshot()
        by_itself = {
            SUBNET_RANGES: sum("externalIpv6Prefix" in found for found in shown.get("subnetworks", {}).values()),
            STATIC_ROUTES: sum(found["destRange"] == "::/0" for found in shown["routes"].values()),
        }
        for quota, number in counted(shown).items():
            assert used(project, self.network(), quota) == number, f"miscounted: {quota.name}"
            assert number - by_itself.get(quota, 0) <= limit_of(project, quota), f"above the limit: {quota.name}"

    def network(self) -> str:
        (found,) = self.world.compute.snapshot()["networks"].values()
        return str(found["selfLink"])

    def let_everything_end(self) -> None:
        self.world.clock.present += LONG
        assert self.world.compute.operations_running() == 0, "an operation does not end"

    def teardown(self) -> None:
        try:
            self.let_everything_end()
            check(self.world)
            for name in NAMES:
                self.do("delete", "instances", name)
            self.let_everything_end()
            self.counters_equal_what_is_there_and_keep_their_limits()
        finally:
            self.loop.run_until_complete(self.world.compute.close())
            self.loop.close()
