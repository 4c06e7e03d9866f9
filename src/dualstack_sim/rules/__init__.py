"""Every rule of Google Cloud that the simulator enforces, with its source, and the switch that turns it off.

To add a rule: write a `Rule` into the catalogue module of its area, ask `enforced("its.id")` in the line that enforces
it (last in the condition, so that only a rule that bit counts as exercised), and add a scenario of the same id under
tests/sim/rules. A test compares the three.
"""

from dualstack_sim.rules.catalogue import CATALOGUE
from dualstack_sim.rules.registry import Registry, Rule, Tag

RULES = Registry(CATALOGUE)
"""The registry of this process: worlds of one process share it, as they share what is true of Google Cloud."""

enforced = RULES.enforced

__all__ = ["RULES", "Registry", "Rule", "Tag", "enforced"]
