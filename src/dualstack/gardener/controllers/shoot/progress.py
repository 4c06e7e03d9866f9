"""Where a pass is: `lastOperation` of the Shoot follows its steps and says what the present one waits for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.gardener.controllers.extension import sentence
from dualstack.gardener.controllers.reporting import Reporter
from dualstack.gardener.controllers.shoot.record import ShootRecord
from dualstack.model.errors import KubeError
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

SLOW = 300.0
"""Seconds in the same state after which a wait is announced; then again after twice the time, and so on."""


@dataclass(frozen=True, slots=True)
class FlowStep:
    """A step of the flow: its description, and the percentages at its begin and at its end."""

    description: str
    begin: int
    end: int


DEPLOY_INFRASTRUCTURE = FlowStep("Deploying Shoot infrastructure", 10, 15)
AWAIT_INFRASTRUCTURE = FlowStep("Waiting until Shoot infrastructure has been reconciled", 15, 30)
API_SERVER = FlowStep("Deploying Kubernetes API server", 30, 35)
CONTROLLER_MANAGER = FlowStep("Deploying Kubernetes controller manager", 35, 45)
CONTROL_PLANE = FlowStep("Waiting until Shoot control plane has been reconciled", 45, 55)
NETWORK_PLUGIN = FlowStep("Waiting until Shoot network plugin has been reconciled", 55, 65)
KUBE_PROXY = FlowStep("Deploying kube-proxy system component", 65, 75)
COREDNS = FlowStep("Deploying CoreDNS system component", 75, 85)
WORKERS = FlowStep("Waiting until Shoot worker nodes have been reconciled", 85, 99)


class StepProgress:
    """Writes the progress of one pass to its Shoot, and announces waits that take long."""

    def __init__(self, clock: Clock, record: ShootRecord, reporter: Reporter) -> None:
        self._clock = clock
        self._record = record
        self._report = reporter
        self._step = FlowStep("Starting the reconciliation of the Shoot", 1, 10)
        self._shown: tuple[int, str] = (1, "")
        self._begun = self._since = 0.0
        self._due = 0.0

    @property
    def task(self) -> str:
        """The description of the present step."""
        return self._step.description

    async def begin(self, step: FlowStep) -> Manifest:
        """Show the begin of a step; returns the Shoot."""
        self._step, self._begun = step, self._clock.now()
        self._note(max(step.begin, self._shown[0]), "")
        return await self._record.processing(self._shown[0], sentence(step.description))

    async def follow(self, found: Manifest | None, missing: str) -> None:
        """Show how far an extension is, and what it waits for, in its own words."""
        last = dig(found, "status", "lastOperation") or {}
        done = int(last.get("progress") or 0) if last.get("state") == "Processing" else 0
        await self.tell(missing, done)

    async def tell(self, text: str, done: int = 0) -> None:
        """Show what the step waits for, with `done` percent of it behind it. The percentage never falls.

        A wait that ends at the second look is not worth a write.
        """
        if self._clock.now() == self._begun:
            return
        length = self._step.end - self._step.begin
        percent = max(self._step.begin + length * min(max(done, 0), 100) // 100, self._shown[0])
        if (percent, text) != self._shown:
            self._note(percent, text)
            with suppress(KubeError):  # the next look writes it
                await self._record.processing(percent, sentence(f"{self._step.description}: {text}"))
        elif self._clock.now() >= self._due:
            self._due += self._due - self._since
            await self._announce(text)

    def _note(self, percent: int, text: str) -> None:
        self._shown, self._since = (percent, text), self._clock.now()
        self._due = self._since + SLOW

    async def _announce(self, text: str) -> None:
        waited = (self._clock.now() - self._since) / 60
        message = f"{self._step.description}: {text}; no change for {waited:.0f} min"
        series = f"{self._step.description} {self._since}"
        self._report.waiting(message, self._since)
        await self._record.events.announce_again("Waiting", message, series=series)
