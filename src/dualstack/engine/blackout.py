"""How long pods were cut off as far as the two APIs show it: from the step that began it to the sight of its end.

What hosts make of it is theirs to say: they learn of a deleted route late and of a new alias late as well, so that the
blackout that they see may begin and end some seconds later.
"""

from __future__ import annotations

from dualstack.plan.facts import CutoverFacts


class BlackoutWatch:
    """Follows the facts of one run."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._whole = True
        self._most = 0

    def begin(self, facts: CutoverFacts, now: float) -> None:
        """The first observation. A blackout that is there already began at an unknown time."""
        if dark := _dark(facts):
            self._since, self._whole, self._most = now, False, dark

    def follow(self, facts: CutoverFacts, *, begun: float, now: float) -> tuple[float, str] | None:
        """Take what is there after a step that was begun at `begun`; seconds and text of a blackout that is over."""
        # Complaints alone begin nothing: they may have another cause, until a run begins that is made for them.
        dark = len(facts.unreachable) if self._since is None else _dark(facts)
        self._most = max(self._most, dark)
        if dark and self._since is None:
            self._since = begun
        if dark or self._since is None:
            return None
        seconds, whole, most = now - self._since, self._whole, self._most
        self._since, self._whole, self._most = None, True, 0
        bound = "at most" if whole else "at least"
        return seconds, f"the pods of {most} nodes were cut off from other nodes for {bound} {seconds:.1f} s"


def _dark(facts: CutoverFacts) -> int:
    """How many VMs nothing leads to, or only an alias that carries nothing (cutover.md K3)."""
    return len({*facts.unreachable, *facts.unmatched})
