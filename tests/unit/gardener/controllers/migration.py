"""A Shoot's migration in a scripted world: what the tests of the Shoot controller start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.clusters import one_api_server
from tests.unit.gardener.controllers.scripted_world import NS, Killed, ScriptedWorld

from dualstack.gardener.controllers.shoot import ShootController
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.shoot import load_shoot
from dualstack.model import kinds
from dualstack.model.events import AnyEvent, PhaseFinished, PhaseStarted, StepStarted
from dualstack.model.kinds import Manifest
from dualstack.model.workloads import flags_of
from dualstack_sim.kube.storage import Change
from dualstack_sim.kube.types import ResourceType

EXAMPLE = Path(__file__).parents[4] / "examples" / "shoot.yaml"


NODES, DNS = "DualStackNodesMigrationReady", "DNSServiceMigrationReady"


GOLDEN = [
    (NODES, "Progressing", "NodesNotMigrated", "Migrating node pod CIDRs to match target network stack."),
    (NODES, "True", "NodesMigrated", "All node pod CIDRs migrated to target network stack."),
    (NODES, None, None, None),
    (DNS, "Progressing", "DNSServiceMigration", "The shoot is migrating the kube-dns service."),
    (DNS, "True", "DNSServiceMigration", "The coreDNS pods are ready for DNS service migration."),
    (DNS, None, None, None),
]


class Migration:
    """A world, a shoot controller, and what was seen of both."""

    def __init__(self, *, rollout: str = "auto", shoot: Manifest | None = None) -> None:
        self.world = ScriptedWorld(shoot or load_shoot(EXAMPLE.read_text()))
        self.rollout = rollout
        self.constraints: list[tuple[str, str | None, str | None, str | None]] = []
        self.operations: list[str] = []
        self.events: list[AnyEvent] = []
        self._shown: dict[str, tuple[str, str, str]] = {}
        self.world.store.listen(self._see)
        self.restart()

    def restart(self) -> None:
        self.world.restart_operator()
        self.controller = ShootController(
            one_api_server(self.world.kube), self.world.clock, self.events.append, rollout=self.rollout
        )

    def trigger(self) -> None:
        change = {"spec": {"networking": {"ipFamilies": ["IPv4", "IPv6"]}}}
        self.world.store.patch(gardener_kinds.SHOOT, "bar", change, "garden-foo")

    def trigger_back(self) -> None:
        """As the owner of the cluster has to write it: the mask of the other family leaves with it."""
        spec = {
            "networking": {"ipFamilies": ["IPv4"]},
            "kubernetes": {"kubeControllerManager": {"nodeCIDRMaskSizeIPv6": None}},
        }
        self.world.store.patch(gardener_kinds.SHOOT, "bar", {"spec": spec}, "garden-foo")

    async def turn(self) -> float | None:
        """One reconcile, and the wait that it requests."""
        again = await self.controller.reconcile("bar", "garden-foo")
        if again:
            await self.world.clock.sleep(again)
        return again

    async def until_rest(self, turns: int = 60) -> None:
        for _ in range(turns):
            if await self.turn() is None:
                return
        raise AssertionError(f"no rest after {turns} turns; constraints {self.shoot()['status'].get('constraints')}")

    async def through_a_kill(self) -> None:
        """To rest, with a new process if this one is killed."""
        try:
            await self.until_rest()
        except Killed:
            self.restart()
            await self.world.react()
            await self.until_rest()

    def shoot(self) -> Manifest:
        return self.get(gardener_kinds.SHOOT, "bar", "garden-foo")

    def get(self, kind: kinds.Kind, name: str, namespace: str | None = NS) -> Manifest:
        found = self.world.store.get(kind, name, namespace)
        assert found is not None, f"{kind.plural} {name}"
        return found

    def flags(self, deployment: str) -> dict[str, str]:
        return flags_of(self.get(kinds.DEPLOYMENT, deployment))

    def phases(self) -> list[tuple[str, str]]:
        kinds_of = {PhaseStarted: "started", PhaseFinished: "finished"}
        return [
            (kinds_of[type(event)], event.phase)
            for event in self.events
            if isinstance(event, PhaseStarted | PhaseFinished)
        ]

    def steps(self) -> list[str]:
        return [event.step for event in self.events if isinstance(event, StepStarted)]

    def _see(self, resource: ResourceType, change: Change) -> None:
        if resource.plural != "shoots":
            return
        manifest: Any = change.object.manifest
        operation = manifest["metadata"].get("annotations", {}).get("gardener.cloud/operation")
        if operation and self.operations[-1:] != [operation]:
            self.operations.append(operation)
        now = {
            entry["type"]: (entry["status"], entry["reason"], entry["message"])
            for entry in manifest.get("status", {}).get("constraints") or ()
        }
        self.constraints += [(name, None, None, None) for name in self._shown if name not in now]
        self.constraints += [(name, *shown) for name, shown in now.items() if self._shown.get(name) != shown]
        self._shown = now
