"""Whatever is called in whatever order: the invariants hold, the counters are right, dump and load are inverse.

The calls and the invariants over ranges, aliases and routes are those of tests/sim/compute/test_compute_properties.py;
here they are the rules of a state machine, beside those that save and restore the state in between.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dualstack_sim.chance import Chance
from dualstack_sim.compute.backend import Compute
from dualstack_sim.compute.knobs import Knobs
from tests.sim.compute.test_compute_properties import (
    ALIASES,
    DESTINATIONS,
    NAME,
    NAMES,
    RANGE_NAME,
    RANGES,
    STACK,
    World,
    check,
    step,
)

KNOBS = st.builds(
    Knobs,
    new_route_in_flagged_range=st.sampled_from(["allow", "deny"]),
    clear_flag_over_routes=st.just("refuse"),
    route_conflict=st.sampled_from(["operation", "request"]),
)
LONG = 10_000.0
"""Simulated seconds in which every operation ends."""


class AnySequence(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World(Knobs())

    def do(self, *action: Any) -> None:
        self.loop.run_until_complete(step(self.world, action))

    @initialize(knobs=KNOBS)
    def begin(self, knobs: Knobs) -> None:
        self.world = World(knobs)
        self.do("vm", "a", "IPV4_ONLY", "", "")
        self.do("wait", 200.0)

    @rule(seconds=st.sampled_from([1.0, 5.0, 60.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self.do("wait", seconds)

    @rule(name=NAME, destination=st.sampled_from(DESTINATIONS))
    def insert_route(self, name: str, destination: str) -> None:
        self.do("route", name, destination)

    @rule(collection=st.sampled_from(["routes", "instances", "subnetworks"]), name=NAME)
    def delete(self, collection: str, name: str) -> None:
        self.do("delete", collection, name)

    @rule(picks=st.lists(st.sampled_from(RANGES), max_size=2))
    def set_ranges(self, picks: list[tuple[str, str]]) -> None:
        self.do("ranges", picks)

    @rule(value=st.booleans())
    def set_flag(self, value: bool) -> None:
        self.do("flag", value)

    @rule(value=STACK)
    def set_stack(self, value: str) -> None:
        self.do("stack", value)

    @rule(name=NAME, stack=STACK, text=st.sampled_from(["", *ALIASES]), range_name=RANGE_NAME)
    def insert_vm(self, name: str, stack: str, text: str, range_name: str) -> None:
        self.do("vm", name, stack, text, range_name)

    @rule(name=NAME, texts=st.lists(st.sampled_from(ALIASES), max_size=3), range_name=RANGE_NAME)
    def set_aliases(self, name: str, texts: list[str], range_name: str) -> None:
        self.do("alias", name, texts, range_name)

    @rule(name=NAME, stack=STACK)
    def set_interface_stack(self, name: str, stack: str) -> None:
        self.do("nic", name, stack)

    @rule(name=NAME, text=st.sampled_from(["10.250.1.0/24", "100.96.0.0/24", "192.168.0.0/24"]))
    def insert_subnetwork(self, name: str, text: str) -> None:
        self.do("subnet", name, text)

    @rule()
    def save_and_restore(self) -> None:
        """Into another cloud, over JSON as a file holds it, when nothing is under way."""
        self.let_everything_end()
        text = json.dumps(self.world.compute.dump())
        other = Compute(self.world.clock, Chance(99))
        other.load(json.loads(text))
        assert json.dumps(other.dump()) == text
        assert other.snapshot() == self.world.compute.snapshot()
        self.world.compute.load(json.loads(text))
        assert json.dumps(self.world.compute.dump()) == text

    @invariant()
    def ranges_aliases_and_routes_are_apart(self) -> None:
        check(self.world)

    @invariant()
    def counters_equal_what_is_there(self) -> None:
        compute = self.world.compute
        shown = compute.snapshot()
        interfaces, aliases = Counter[str](), Counter[str]()
        for found in shown.get("instances", {}).values():
            for interface in found["networkInterfaces"]:
                interfaces[interface["network"]] += 1
                aliases[interface["network"]] += len(interface.get("aliasIpRanges", ()))
        usage = compute.project.inventory.usage
        assert +usage.interfaces == interfaces
        assert +usage.aliases == +aliases

    def let_everything_end(self) -> None:
        self.world.clock.present += LONG
        assert self.world.compute.operations_running() == 0

    def teardown(self) -> None:
        try:
            self.let_everything_end()
            check(self.world)
            for name in NAMES:
                self.do("delete", "instances", name)
            self.let_everything_end()
            usage = self.world.compute.project.inventory.usage
            assert not +usage.interfaces
            assert not +usage.aliases
        finally:
            self.loop.run_until_complete(self.world.compute.close())
            self.loop.close()


AnySequence.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAnySequence = AnySequence.TestCase
