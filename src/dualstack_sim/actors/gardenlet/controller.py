"""When gardenlet reconciles a Shoot, and what the Shoot's owner sees of it
(docs/reference/gardener.md#reconcile-triggers)."""

from __future__ import annotations

from dualstack.clock import parse_rfc3339
from dualstack.gardener.model.error_texts import FAILING, codes_of
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.names import OPERATION, ROLLOUT_WORKERS
from dualstack.gardener.model.pools import ROLLING
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.errors import DualstackError
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.flow_tasks import FlowFailed
from dualstack_sim.actors.gardenlet.operation import Operation
from dualstack_sim.actors.gardenlet.shoot_status import ShootStatus, TaskError
from dualstack_sim.actors.informer import ObjectKey, key_of

SYNC_PERIOD = 3600.0
"""Seconds between two reconciles of a Shoot at rest; the first is as long after the start."""
FIRST_RETRY, LONGEST_RETRY = 0.005, 60.0
"""Seconds until a failed reconcile is tried again, and at most."""
RETRY_DURATION = 12 * 3600.0
"""Seconds for which it is tried again until the Shoot is Failed."""


class Gardenlet:
    """Reconciles the Shoots of one garden."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._clock = context.clock
        self._servers = [each.named("gardenlet")[0] for each in (context.garden, context.seed, context)]
        self._shoots = context.garden.informers.of(SHOOT)
        self._queue = context.queue("gardenlet", backoff=FIRST_RETRY, longest=LONGEST_RETRY)
        self._started = context.clock.now()

    async def run(self) -> None:
        """Until cancelled."""
        await self._shoots.synced()
        self._shoots.subscribe(self._changed)
        await self._queue.serve(self.reconcile)

    def _changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is None or new["metadata"].get("deletionTimestamp"):
            return
        same = old is not None and old["metadata"].get("generation") == new["metadata"].get("generation")
        if not same or _operation(new):
            self._queue.add(key_of(new))

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One reconcile if one is due. Returns the seconds until the next; raises the error of one that is retried."""
        garden, seed, live = self._servers
        status = ShootStatus(garden, seed, self._clock, key)
        shoot = await status.read()
        due_in = self._due_in(shoot)
        if due_in is None:
            await status.write_cluster(shoot)  # the extensions rest as well
            return None
        if due_in > 0:
            return due_in
        shoot = await status.begin(shoot, _rollouts(shoot))
        await status.write_cluster(shoot)
        try:
            await Operation(seed, live, self._clock, status, shoot).run()
        except DualstackError as error:
            final = await self._failed(status, shoot, error)
            if final:
                return None
            raise
        await status.write_cluster(await status.succeed())
        return SYNC_PERIOD

    def _due_in(self, shoot: Manifest) -> float | None:
        """Seconds until a reconcile is due; None for a Failed Shoot, which rests until it is edited or retried."""
        status = shoot.get("status") or {}
        if _operation(shoot) or status.get("observedGeneration") != shoot["metadata"]["generation"]:
            return 0.0
        last = status.get("lastOperation") or {}
        if last.get("state") == "Failed":
            return None
        if last.get("state") != "Succeeded":
            return 0.0
        ended = max(self._started, parse_rfc3339(last["lastUpdateTime"]))
        return max(0.0, ended + SYNC_PERIOD - self._clock.now())

    async def _failed(self, status: ShootStatus, shoot: Manifest, error: DualstackError) -> bool:
        """Write the error; whether the Shoot is Failed (docs/reference/gardener.md#failed-or-error)."""
        failures = error.failures if isinstance(error, FlowFailed) else (("", error),)
        errors = [TaskError(task, f'task "{task}" failed: {each}', _codes(each)) for task, each in failures]
        since = parse_rfc3339(shoot["status"]["retryCycleStartTime"])
        fatal = any(FAILING.intersection(each.codes) for each in errors)
        final = fatal or self._clock.now() - since >= RETRY_DURATION
        listed = ", ".join(each.description for each in errors)
        text = f'Flow "Shoot cluster reconciliation" encountered task errors: [{listed}]'
        await status.fail(text, errors, final=final)
        return final


def _codes(error: DualstackError) -> tuple[str, ...]:
    """Those of the extension; else those that the text has."""
    known: tuple[str, ...] | None = getattr(error, "codes", None)
    return codes_of(str(error)) if known is None else known


def _operation(shoot: Manifest) -> str:
    return str(dig(shoot, "metadata", "annotations", OPERATION) or "")


def _rollouts(shoot: Manifest) -> list[str]:
    """The pools that `rollout-workers` names; `*` stands for all that are not updated in place."""
    name, _, value = _operation(shoot).partition("=")
    if name != ROLLOUT_WORKERS:
        return []
    pools = ShootView.of(shoot).pools
    every = [pool.name for pool in pools if pool.manifest.get("updateStrategy", ROLLING) == ROLLING]
    asked = {each.strip() for each in value.split(",")}
    return every if value.strip() == "*" else [name for name in every if name in asked]
