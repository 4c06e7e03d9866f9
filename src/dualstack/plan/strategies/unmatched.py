"""The way back where the cloud does not do what `overlap` depends on.

Either aliases carry nothing, because the cloud does not count them as matched resources
(docs/reference/cut-over.md#k3). That shows when the canary has lost its route: every other VM still has its route, but
the canary's cannot be created again while the range exists, unless the cloud accepts it
(docs/reference/cut-over.md#k1). Or routes carry nothing under the range (docs/reference/cut-over.md#r6).

What was shown is remembered before the first step (`CutoverFacts.disproved`) and until the last, so a new process or a
new attempt continues here and nowhere else. While a node is unreachable, the steps are those of
`dualstack.plan.strategies.serve`: remove the aliases, then the range, which kept the routes from being created again,
then create the missing routes. Then as in `back`: the flag, the saved list, cloud-controller-manager.
"""

from __future__ import annotations

from dualstack.plan.facts import CutoverFacts
from dualstack.plan.invariants import ALIASES_CARRY_NOTHING
from dualstack.plan.strategies import serve
from dualstack.plan.strategies.back import way_back
from dualstack.plan.strategies.base import Strategy

UNMATCHED = Strategy("unmatched", serve.next_transition, ALIASES_CARRY_NOTHING, lossless=True, rescues=True)
"""Back to routes where aliases or routes carry nothing."""


def to_routes(facts: CutoverFacts) -> Strategy:
    """The way back to routes from `facts`."""
    return UNMATCHED if facts.disproved else way_back()
