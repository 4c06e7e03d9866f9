"""Sees every request that the simulated Compute Engine answers, and holds it against the published description.

`install` makes every `Compute` of this process report to a list; nothing of what the callers see changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dualstack_sim.compute.backend import Compute
from dualstack_sim.compute.errors import ApiError
from dualstack_sim.rules import RULES
from tests.contract.schema import Json, error_faults, request_faults, response_faults

_LONGEST = 20


class Witness:
    """What was seen: how many answers and refusals, and the first faults in them."""

    def __init__(self) -> None:
        self.answers = 0
        self.refusals = 0
        self.faults: list[str] = []

    def answered(self, method: str, query: Mapping[str, str], body: Mapping[str, Any], document: Json) -> None:
        self.answers += 1
        self._note(f"{method}: accepted request", request_faults(method, query, body))
        self._note(f"{method}: response", response_faults(method, document))

    def refused(self, method: str, refusal: ApiError) -> None:
        self.refusals += 1
        self._note(f"{method}: refusal", error_faults(refusal.body()))

    def take(self) -> list[str]:
        """The faults since the last call."""
        faults, self.faults = self.faults, []
        return faults

    def _note(self, what: str, faults: list[str]) -> None:
        self.faults += [f"{what}: {fault}" for fault in faults[: _LONGEST - len(self.faults)]]


def install(witness: Witness) -> None:
    """Let `witness` see every answer of every `Compute`, unless a rule is switched off just then."""
    answer = Compute.answer

    async def seen(
        self: Compute,
        method: str,
        scope: str,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        **rest: Any,
    ) -> Json:
        try:
            document = await answer(self, method, scope, name, query=query, body=body, **rest)
        except ApiError as refusal:
            if RULES.all_hold():
                witness.refused(method, refusal)
            raise
        if RULES.all_hold():
            witness.answered(method, query or {}, body or {}, document)
        return document

    setattr(Compute, "answer", seen)  # noqa: B010 - mypy refuses to see a method assigned, and rightly elsewhere
