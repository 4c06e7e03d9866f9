"""Decides whether and when a step is retried: only for a reason, and a bounded number of times.

The rule is docs/reference/design-rules.md#retry-needs-a-reason; which errors are retried is in docs/architecture.md.
"""

from __future__ import annotations

from collections import Counter

from dualstack.gce.errors import ComputeRefusal, InUse
from dualstack.kube.interface import Conflict, Unavailable
from dualstack.model.errors import DualstackError, GateFailed
from dualstack.plan.settings import Settings
from dualstack.plan.steps import Transition


class RetryBudget:
    """Counts consecutive failures, and how often the same step was done for the same target."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failures = 0
        self._done: Counter[tuple[str, str]] = Counter()

    def begin(self, transition: Transition) -> None:
        """Raises GateFailed when the step was done for a target `attempts` times: another program reverts it."""
        for target in transition.targets or ("",):
            if self._done[transition.id, target] >= self._settings.attempts:
                raise GateFailed(
                    f"{transition.id}{f' of {target}' if target else ''} was done {self._settings.attempts} times "
                    "and is needed again: another program reverts it; find and stop that program"
                )

    def succeeded(self, transition: Transition) -> None:
        """Records that the step is done, which ends the sequence of failures."""
        self._failures = 0
        for target in transition.targets or ("",):
            self._done[transition.id, target] += 1

    def wait_after(self, error: DualstackError) -> float | None:
        """Seconds to wait before a retry; None when the error is not retried, or not any more."""
        backoff = self._backoff()
        self._failures += 1
        if self._failures >= self._settings.attempts:
            return None
        if isinstance(error, InUse):
            return backoff  # a change of a killed process became visible; the plan from the next observation knows it
        if isinstance(error, ComputeRefusal):
            return error.retry_after if error.retry_after is None else max(error.retry_after, backoff)
        return backoff if isinstance(error, Unavailable | Conflict) else None

    def wait_for_effect(self) -> float | None:
        """Seconds to wait before replanning a step whose effect is not visible; None when the budget is used up."""
        backoff = self._backoff()
        self._failures += 1
        return None if self._failures >= self._settings.attempts else backoff

    def _backoff(self) -> float:
        first, longest = self._settings.backoff
        return min(longest, first * 2.0**self._failures)
