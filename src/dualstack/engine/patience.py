"""How often the engine tries again, and after how long: only for a reason, and never for ever (DESIGN.md 3.7)."""

from __future__ import annotations

from collections import Counter

from dualstack.errors import DualstackError, GateFailed
from dualstack.gce.errors import ComputeRefusal
from dualstack.kube.interface import Conflict, Unavailable
from dualstack.plan.settings import Settings
from dualstack.plan.transitions import Transition


class Patience:
    """Counts failures in a row, and how often the same step was done for the same target."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failures = 0
        self._done: Counter[tuple[str, str]] = Counter()

    def begin(self, transition: Transition) -> None:
        """GateFailed when the step was done for a target often enough: somebody keeps undoing it."""
        for target in transition.targets or ("",):
            if self._done[transition.id, target] >= self._settings.attempts:
                raise GateFailed(
                    f"{transition.id}{f' of {target}' if target else ''} was done {self._settings.attempts} times "
                    "and is needed again: something keeps undoing it"
                )

    def succeeded(self, transition: Transition) -> None:
        """The step is done; the row of failures is over."""
        self._failures = 0
        for target in transition.targets or ("",):
            self._done[transition.id, target] += 1

    def wait_after(self, error: DualstackError) -> float | None:
        """Seconds after which a retry makes sense; None when there is no reason to, or none any more."""
        backoff = self._backoff()
        self._failures += 1
        if self._failures >= self._settings.attempts:
            return None
        if isinstance(error, ComputeRefusal):
            return error.retry_after if error.retry_after is None else max(error.retry_after, backoff)
        return backoff if isinstance(error, Unavailable | Conflict) else None

    def wait_unseen(self) -> float | None:
        """Seconds until a step whose effect did not show is planned again; None when that was often enough."""
        backoff = self._backoff()
        self._failures += 1
        return None if self._failures >= self._settings.attempts else backoff

    def _backoff(self) -> float:
        first, longest = self._settings.backoff
        return min(longest, first * 2.0 ** min(self._failures, 30))
