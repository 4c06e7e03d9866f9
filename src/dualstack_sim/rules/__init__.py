"""Every rule of Google Cloud that the simulator enforces, with its sources and a switch that turns it off.

To add a rule: write a `Rule` into the module of its area, call `enforced("its.id")` in the code that enforces it (last
in the condition, so that only a rule that has an effect counts as exercised), and add a scenario of the same id under
tests/sim/rules. A test compares the three.
"""

from dualstack_sim.rules import balancing, forwarding, instances, machines, neighbours, networks, requests, routes
from dualstack_sim.rules.registry import Registry, Rule, Tag

_AREAS = (requests, networks, routes, instances, neighbours, machines, balancing, forwarding)

RULES = Registry(rule for area in _AREAS for rule in area.RULES)
"""The registry of this process. All simulated worlds of one process share it."""

enforced = RULES.enforced

__all__ = ["RULES", "Registry", "Rule", "Tag", "enforced"]
