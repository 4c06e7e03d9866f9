"""Annotation `dualstack.dev/prepare` of an IPv4-only Shoot: flag, range and aliases are added, every route stays.

It is no reconcile by Gardener's protocol: `lastOperation` stays as it is, so that gardenlet waits for nothing and the
Shoot shows no error (docs/landscapes.md#prepare). A condition of the Infrastructure and Events show what happens. A
request of gardenlet comes first: the preparation stops between two steps and goes on afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.cutover.cut_over import CutOver, is_final
from dualstack.cutover.interface import DirectionChanged
from dualstack.gardener.controllers.extension import is_pending, sentence
from dualstack.gardener.controllers.infrastructure.migration import Migration
from dualstack.gardener.controllers.infrastructure.record import PREPARED_CONDITION
from dualstack.gardener.model.names import PREPARE, PREPARED
from dualstack.gardener.model.shoot import ShootView
from dualstack.kube.event_recorder import EventType
from dualstack.model.errors import DualstackError
from dualstack.plan.strategies.prepare import JOINED, mark, prepared
from dualstack.plan.strategies.prepare import PREPARE as STRATEGY
from dualstack.preflight.finding import PreflightFailed

BEGUN = "begun"
"""The note of a preparation that has not come to its end."""

RECHECK, RETRY, LONG_RETRY = 3600.0, 60.0, 3600.0
"""Seconds until a prepared cluster is observed again without a change of its Nodes, which the operator watches; and
until a failed preparation is tried again: at all, and after an error that only a person or another program can
remove."""


def is_requested(shoot: ShootView) -> bool:
    """Whether the Shoot is to be prepared now. One with IPv6 is migrated instead."""
    return shoot.annotations.get(PREPARE) == "true" and not shoot.dual_stack_infrastructure and not shoot.hibernated


@dataclass(frozen=True, slots=True)
class Preparation:
    """The preparation of one Shoot, and its way back."""

    migration: Migration

    async def run(self) -> float | None:
        """Prepare, keep prepared, or undo, as the Shoot wants it. Returns the seconds until the next look, or None."""
        note, wanted = await self._note(), is_requested(self.migration.shoot)
        if not wanted and note is None:
            return None
        try:
            await (self._prepare(note) if wanted else self._undo())
        except DirectionChanged:
            return 0.0
        except DualstackError as error:
            refused = isinstance(error, PreflightFailed)
            await self._report("False", "PreflightFailed" if refused else "PreparationFailed", str(error), "Warning")
            return LONG_RETRY if is_final(error) else RETRY
        return RECHECK if wanted else None

    async def _prepare(self, note: str | None) -> None:
        migration = self.migration
        facts = await self._cut_over().observe()
        if note == mark(facts) and prepared(facts):
            return
        if note in (None, BEGUN):
            migration = await migration.check(STRATEGY, facts)
        if note is None:
            await migration.record.annotate(PREPARED, BEGUN)
        strategy, joined = (STRATEGY, False) if note in (None, BEGUN) else (JOINED, True)
        count = len(facts.without_alias)
        await self._report("Progressing", "Preparing", f"{count} nodes get their alias; every route stays")
        await migration.cut_over(keeps_controller=True).forward(strategy, self._redirected, at_rest=joined)
        facts = await self._cut_over().observe()
        await migration.record.annotate(PREPARED, mark(facts))
        await self._report(
            "True",
            "Prepared",
            f"{len(facts.pod_cidr_of)} nodes have their alias, and routes carry the traffic; set "
            "spec.networking.ipFamilies to [IPv4, IPv6] to migrate, or remove annotation "
            f"{PREPARE} to undo the preparation",
        )

    async def _undo(self) -> None:
        """Return to routes alone; nothing to do once the Shoot is dual-stack."""
        migration = self.migration
        if migration.shoot.dual_stack_infrastructure:
            return
        await self._report("Progressing", "Undoing", f"annotation {PREPARE} was removed; the aliases are taken back")
        await self._cut_over().back(self._redirected)
        await migration.record.forget_preparation()
        await self._announce("PreparationUndone", "every node has only its route again", "Normal")

    def _cut_over(self) -> CutOver:
        return self.migration.cut_over(keeps_controller=True)

    async def _redirected(self) -> str | None:
        """Why the preparation, or its way back, must stop now."""
        if is_pending(await self.migration.record.read()):
            return "a reconcile of the infrastructure is requested"
        shoot = ShootView.of(await self.migration.shoot_now())
        if is_requested(shoot) != is_requested(self.migration.shoot):
            return f"annotation {PREPARE} or the families of the Shoot have changed"
        return None

    async def _note(self) -> str | None:
        return await self.migration.record.annotation(PREPARED)

    async def _report(self, status: str, reason: str, message: str, kind: EventType = "Normal") -> None:
        """Set the condition, and write an Event if that changes it."""
        now = self.migration.clock.now()
        if await self.migration.record.report(PREPARED_CONDITION, status, reason, sentence(message), now=now):
            await self._announce(reason, message, kind)

    async def _announce(self, reason: str, message: str, kind: EventType) -> None:
        await self.migration.events.announce_again(reason, message, series=message, kind=kind)
