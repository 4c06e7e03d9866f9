"""Each invariant of test_any_sequence.py fails as soon as the code that maintains it is switched off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.project.inventory import Inventory, Usage
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.rules import RULES
from tests.sim.compute_proof.any_sequence import AnySequence

pytestmark = pytest.mark.slow

SEARCH = settings(
    AnySequence.TestCase.settings,
    max_examples=400,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
"""Searches for a sequence that breaks an invariant, without shrinking it."""

KEPT_BY = {
    "subnetworks.range-overlap": "two ranges overlap",
    "aliases.inside-range": "an alias outside its range",
    "aliases.taken": "an address twice",
    "subnetworks.range-in-use": "an alias of no range",
    "routes.inside-range": "a route inside an unflagged range",
    "subnetworks.routes-in-range": "a route inside an unflagged range",
    "subnetworks.flag-off-over-routes": "a route inside an unflagged range",
    "quotas.static-routes": "above the limit: STATIC_ROUTES_PER_NETWORK",
    "quotas.subnet-ranges": "above the limit: SUBNET_RANGES_PER_NETWORK",
    "quotas.instances": "above the limit: INSTANCES_PER_NETWORK_GLOBAL",
    "quotas.aliases": "above the limit: ALIASES_PER_NETWORK_GLOBAL",
}
"""Rule -> the finding in a world without it."""


@pytest.mark.parametrize(("rule", "found"), KEPT_BY.items())
def test_an_invariant_breaks_without_its_rule(rule: str, found: str) -> None:
    with RULES.without(rule), pytest.raises(AssertionError, match=found):
        run_state_machine_as_test(AnySequence, settings=SEARCH)


def miscounting_aliases() -> AbstractContextManager[Any]:
    """Aliases added to or removed from a running VM are not counted."""
    count = Usage.replace

    def forgetful(self: Usage, before: Json | None, after: Json | None) -> None:
        if before is None or after is None:
            count(self, before, after)

    return patch.object(Usage, "replace", forgetful)


@contextmanager
def miscounting_routes() -> Iterator[None]:
    """Deleted routes still count in their network."""
    put = Inventory.put

    def forgetful(self: Inventory, at: float, key: Any, resource: Json | None, *, effective: bool = True) -> None:
        before = dict(self.of_network("routes", (self.find(key) or {}).get("network", "")))
        put(self, at, key, resource, effective=effective)
        if resource is None and key in before:
            self.of_network("routes", before[key]["network"])[key] = before[key]

    with patch.object(Inventory, "put", forgetful):
        yield


def endless_operations() -> AbstractContextManager[Any]:
    """Some operations take longer than any client waits."""
    latency = LatencyProfile.operation

    def slow(self: LatencyProfile, chance: Chance, method: str, target: str, ordinal: int) -> float:
        endless = 1e9 if method == "routes.delete" else 0.0
        return latency(self, chance, method, target, ordinal) + endless

    return patch.object(LatencyProfile, "operation", slow)


def forgetful_load() -> AbstractContextManager[Any]:
    """A load that loses the aliases of a VM."""
    load = Compute.load

    def careless(self: Compute, state: Any) -> None:
        load(self, state)
        for key, found in list(self.project.inventory.all("instances")):
            (interface,) = found["networkInterfaces"]
            poorer = {field: value for field, value in interface.items() if field != "aliasIpRanges"}
            self.project.inventory.put(0.0, key, found | {"networkInterfaces": [poorer]})

    return patch.object(Compute, "load", careless)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (miscounting_aliases, "miscounted: ALIASES_PER_NETWORK_GLOBAL"),
        (miscounting_routes, "miscounted: STATIC_ROUTES_PER_NETWORK"),
        (endless_operations, "an operation does not end"),
        (forgetful_load, "dump and load are not inverse"),
    ],
)
def test_an_invariant_breaks_with_a_defect(broken: Any, found: str) -> None:
    with broken(), pytest.raises(AssertionError, match=found):
        run_state_machine_as_test(AnySequence, settings=SEARCH)
