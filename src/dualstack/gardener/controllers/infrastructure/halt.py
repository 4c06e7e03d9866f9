"""What keeps a cut-over from being tried again: the last attempt failed for good, and nothing that decides has changed.

An attempt stops cloud-controller-manager, and an order with an outage makes every node unreachable, so a retry needs a
reason (docs/reference/design-rules.md#retry-only-for-a-reason): a new generation of the Shoot, which its owner also
gets with `gardener.cloud/operation: retry` or `reconcile`, another annotation of ours, or the removal of the note.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from dualstack.gardener.controllers.infrastructure.record import InfrastructureRecord
from dualstack.gardener.error_codes import CodedError, error_codes
from dualstack.gardener.model.names import NOTE
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.errors import DualstackError

HALTED = NOTE + "halted"
OURS = "dualstack.dev/"
PAUSE = 300.0
"""Seconds until the note is read again."""


class Halted(CodedError):
    """The cut-over is not tried again without a reason."""

    retry_after = PAUSE


@dataclass(frozen=True, slots=True)
class Halt:
    """Of one Shoot. strategy: as requested. The note: what the attempt depended on, its error codes, its error."""

    record: InfrastructureRecord
    shoot: ShootView
    strategy: str

    async def check(self) -> None:
        """Raises Halted if the last attempt failed for good and nothing has changed since."""
        basis, _, rest = (await self.record.annotation(HALTED) or "").partition(" ")
        if basis != self._basis():
            return
        codes, _, message = rest.partition(" ")
        error = Halted(
            f"not tried again, because an earlier cut-over failed: {message}; remove the cause, then annotate the "
            f"Shoot with gardener.cloud/operation: retry, or remove annotation {HALTED} of the Infrastructure"
        )
        error.codes = tuple(code for code in codes.split(",") if code != "-")
        raise error

    async def set(self, error: DualstackError) -> None:
        """Do not try again after `error` until something changes."""
        codes = ",".join(error_codes(error)) or "-"
        await self.record.annotate(HALTED, f"{self._basis()} {codes} {error}")

    async def clear(self) -> None:
        """The cut-over goes on."""
        if await self.record.annotation(HALTED) is not None:
            await self.record.annotate(HALTED, None)

    def _basis(self) -> str:
        ours = sorted(entry for entry in self.shoot.annotations.items() if entry[0].startswith(OURS))
        text = repr((self.shoot.generation, self.strategy, ours))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
