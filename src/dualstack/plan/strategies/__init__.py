"""The strategies: one module each, and one line in `STRATEGIES`.

The commands list the names as literals, so that `--help` stays fast; a test compares them with `STRATEGIES`. Whether
`auto` chooses a strategy is decided in `dualstack.plan.automatic`.

`overlap` is the order without loss, `compressed` the one with an outage. `back` and `unmatched` lead back to routes and
are not chosen by name. `decoys` is the part that `overlap` runs on request.
"""

from __future__ import annotations

from dualstack.model.errors import InvalidInput
from dualstack.plan.strategies.base import Strategy
from dualstack.plan.strategies.compressed import COMPRESSED
from dualstack.plan.strategies.overlap import OVERLAP

STRATEGIES = {strategy.name: strategy for strategy in (OVERLAP, COMPRESSED)}

AUTO = "auto"
"""Not a strategy: requests that one is chosen from facts (`dualstack.plan.automatic`)."""

DEFAULT = OVERLAP.name

UPSTREAM_HINT = "to see upstream's own order, run `dualstack rehearse --landscape gardener`"


def choose(name: str) -> Strategy:
    """The strategy `name`. Raises InvalidInput for an unknown name and for `auto`."""
    validate(name)
    if name == AUTO:
        raise InvalidInput("strategy 'auto' must be resolved from facts first")
    return STRATEGIES[name]


def validate(name: str) -> None:
    """Raises InvalidInput unless `name` is a strategy or `auto`."""
    known = (*STRATEGIES, AUTO)
    if name not in known:
        hint = f"; {UPSTREAM_HINT}" if name == "gardener" else ""
        raise InvalidInput(f"strategy: Unsupported value: {name!r}: must be one of {', '.join(known)}{hint}")
