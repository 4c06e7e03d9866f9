"""The shoot controller: decides whether a pass is due, runs it, and watches the replacement of nodes."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum

import structlog

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers import diagnosis
from dualstack.gardener.controllers.reporting import Reporter, as_failure
from dualstack.gardener.controllers.shoot import node_replacement
from dualstack.gardener.controllers.shoot.flow import Pass
from dualstack.gardener.controllers.shoot.observation import nodes_facts
from dualstack.gardener.controllers.shoot.record import INITIALIZED, Failure, ShootRecord
from dualstack.gardener.error_codes import error_codes
from dualstack.gardener.model.constraints import NodesFacts, nodes_constraint_at_end
from dualstack.gardener.model.error_texts import CONFIGURATION_PROBLEM, FAILING
from dualstack.gardener.model.kinds import MACHINE, MACHINE_DEPLOYMENT
from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION, OPERATION
from dualstack.gardener.model.shoot import ShootView, technical_id
from dualstack.kube.event_recorder import EventType
from dualstack.model.conditions import condition_status
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.events import Listener
from dualstack.model.json_path import dig
from dualstack.model.kinds import NODE, Manifest

RECHECK = 30.0
"""Seconds until the next check of nodes or pods that are being replaced; a watch event ends the wait earlier."""
RETRY_DURATION = 12 * 3600.0
"""Seconds for which a pass that fails in the same step is retried (docs/reference/gardener.md#failed-or-error)."""
PROGRESS_AFTER = 2 * 3600.0
"""Seconds after which a pass that then fails has made progress: a wait without any ends earlier."""
RECONCILE_ERROR = "ReconcileError"
"""The reason of the Event for a failed pass, as gardenlet names it."""
LONGEST_PAUSE = 300.0
"""Seconds between two passes over a Shoot at rest that do not change anything."""
REMIND_EVERY = 3600.0
"""Seconds after which what a user has to do is announced again."""
ROLL_OUT = "Waiting until nodes have been replaced"
"""The task of the nodes that no roll-out replaces, in `lastErrors[].taskID`."""
_PLAIN_OPERATIONS = ("reconcile", "retry")


class Due(Enum):
    """What a Shoot needs."""

    NOTHING = "nothing"
    LOOK = "look"
    RUN = "run"


def due(shoot: Manifest) -> Due:
    """What the Shoot needs, judged from the Shoot alone (docs/reference/gardener.md#reconcile-triggers).

    A Failed Shoot rests until its spec changes or a retry is requested. A Shoot with a migration constraint needs no
    request.
    """
    metadata = shoot["metadata"]
    if metadata.get("deletionTimestamp") or dig(shoot, "spec", "provider", "type") != "gcp":
        return Due.NOTHING
    operation = dig(metadata, "annotations", OPERATION) or ""
    if operation in _PLAIN_OPERATIONS or operation.startswith(node_replacement.PREFIX):
        return Due.RUN
    status = shoot.get("status") or {}
    if status.get("observedGeneration") != metadata.get("generation"):
        return Due.RUN
    state = dig(status, "lastOperation", "state")
    if state == "Failed":
        return Due.NOTHING
    if state != "Succeeded":
        return Due.RUN
    kinds = {constraint.get("type") for constraint in status.get("constraints") or ()}
    return Due.LOOK if kinds & {NODES_MIGRATION, DNS_MIGRATION} else Due.NOTHING


class ShootController:
    """Runs passes over the Shoots of one garden."""

    def __init__(self, clusters: Clusters, clock: Clock, emit: Listener, *, rollout: str = "auto") -> None:
        if rollout not in ("auto", "manual"):
            raise InvalidInput(f'rollout: Unsupported value: "{rollout}": supported values: "auto", "manual"')
        self._clusters = clusters
        self._clock = clock
        self._emit = emit
        self._automatic = rollout == "auto"
        self._reporters: dict[str, Reporter] = {}
        self._without_progress: dict[str, tuple[object, int, float]] = {}
        self._failures: dict[str, tuple[str, int]] = {}
        self._reminded: dict[str, tuple[str, float]] = {}
        self._log = structlog.get_logger("dualstack.shoot")

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """Run one pass if one is due. Returns the seconds until the next reconcile: 0 to continue, None at rest."""
        record = ShootRecord(self._clusters, self._clock, name, namespace)
        shoot = await record.find()
        if shoot is None:
            return None
        what = due(shoot)
        if what is Due.LOOK:
            return await self._look(record, shoot)
        return None if what is Due.NOTHING else await self._pass(record, shoot)

    async def _pass(self, record: ShootRecord, shoot: Manifest) -> float | None:
        generation = shoot["metadata"]["generation"]
        ready = await self._start(record, shoot)
        if ready is None:
            return 0.0
        begun = self._clock.now()
        flow = Pass(self._clusters, self._clock, record, self._reporter(shoot), ready)
        try:
            await flow.run()
        except DualstackError as error:
            if self._clock.now() - begun >= PROGRESS_AFTER:
                await record.new_retry_cycle()
            return await self._failed(record, error, flow.task, generation)
        except Exception as defect:
            with suppress(DualstackError):
                await self._failed(record, as_failure(defect), flow.task, generation)
            raise
        finished = await record.succeeded(generation)
        await record.sync_cluster(finished)
        return 0.0

    async def _failed(self, record: ShootRecord, error: DualstackError, task: str, generation: int) -> float | None:
        """Set Failed if only a user can correct the error, or if retries have not helped for long; else Error.

        docs/reference/gardener.md#failed-or-error
        """
        codes, since, now = error_codes(error), self._failing_since(await record.read(), task), self._clock.now()
        final = bool(FAILING.intersection(codes)) or now - since >= RETRY_DURATION
        began = rfc3339(since)
        count = await self._count_failure(record, f"{task}: {error}", f"{task} {began}")
        shoot = await record.failed(Failure(task, str(error), codes, began, count, final), generation)
        if not final:
            raise error
        self._log.error("shoot failed", error=str(error), codes=list(codes), since=began, failures=count)
        # The extensions rest only when the Cluster shows the state (docs/reference/gardener.md#failed-shoot).
        await record.sync_cluster(shoot)
        return None

    async def _count_failure(self, record: ShootRecord, message: str, series: str) -> int:
        """Announce a failure; returns its number in its series. The Event keeps the number across a restart."""
        key = technical_id(await record.read())
        known, count = self._failures.get(key, (series, 0))
        announced = await record.events.announce_again(RECONCILE_ERROR, message, series=series)
        count = max(announced, count + 1 if known == series else 1)
        self._failures[key] = series, count
        return count

    def _failing_since(self, shoot: Manifest, task: str) -> float:
        """The first of the failures in this step without progress in between, in seconds since the epoch."""
        now = self._clock.now()
        tasks = [entry.get("taskID") for entry in dig(shoot, "status", "lastErrors") or ()]
        try:
            since = parse_rfc3339(dig(shoot, "status", "retryCycleStartTime") or "")
        except ValueError:
            return now
        return since if task in tasks and since <= now else now

    async def _start(self, record: ShootRecord, shoot: Manifest) -> Manifest | None:
        """Accept the operation annotation and a rollout request in it (docs/reference/gardener.md#rollout-workers).

        Returns the Shoot to work with, or None for an invalid request: the annotation is then removed and lastErrors
        has the reason. lastOperation is written first, so that an interrupted pass is run again.
        """
        operation = dig(shoot, "metadata", "annotations", OPERATION) or ""
        observed = dig(shoot, "status", "observedGeneration")
        pools: tuple[str, ...] = ()
        if operation.startswith(node_replacement.PREFIX):
            try:
                pools = node_replacement.requested_pools(ShootView.of(shoot), operation)
            except InvalidInput as error:
                await self._refuse(record, shoot, operation, error)
                return None
        if operation or observed != shoot["metadata"]["generation"]:
            await record.new_retry_cycle()
        shoot = await record.processing(1, INITIALIZED)
        if pools:
            stamp = rfc3339(self._clock.now())
            shoot = await record.rollouts(node_replacement.with_pending(node_replacement.pending(shoot), pools, stamp))
        if operation in _PLAIN_OPERATIONS or pools:
            shoot = await record.remove_operation(operation)
        return shoot

    async def _refuse(self, record: ShootRecord, shoot: Manifest, operation: str, error: InvalidInput) -> None:
        await record.remove_operation(operation)
        text = "; ".join(error.faults)
        self._reporter(shoot).step_failed("rollout-workers", text, final=True)
        self._log.warning("rollout refused", shoot=shoot["metadata"]["name"], error=text)
        await record.refused(text, (CONFIGURATION_PROBLEM,), OPERATION)
        await record.events.announce_again("OperationRefused", text, series=text)

    async def _look(self, record: ShootRecord, shoot: Manifest) -> float | None:
        """Continue a migration when the cluster is ready for it, although the Shoot alone requires nothing."""
        view = ShootView.of(shoot)
        if view.hibernated or view.workerless:
            return None
        if view.constraint(NODES_MIGRATION) is None:
            return await self._pass_unless_stuck(record, shoot)
        machines = await self._clusters.seed.list(MACHINE, view.technical_id)
        nodes = await self._clusters.shoot(view.technical_id).list(NODE)
        facts = await nodes_facts(self._clusters.seed, view, nodes)
        reporter = self._reporter(shoot)
        reporter.nodes(nodes)
        if view.constraint(NODES_MIGRATION) == "True":
            if not facts.network_ready or facts.nodes_migrated:
                return await self._pass_unless_stuck(record, shoot)
            if view.returning:
                reporter.enter("roll-out")
        elif facts.nodes_migrated and (changes := nodes_constraint_at_end(facts)):
            reporter.enter("roll-out")
            await record.change_constraints(changes)
            reporter.leave()
            return 0.0
        else:
            reporter.enter("roll-out")
        await self._report_never_replaced(record, view, nodes, machines)
        return await self._request_rollout(record, view, facts, nodes, machines)

    async def _request_rollout(
        self,
        record: ShootRecord,
        view: ShootView,
        facts: NodesFacts,
        nodes: list[Manifest],
        machines: list[Manifest],
    ) -> float:
        """Request the replacement of nodes once, or have the user do it; then wait for it."""
        if not facts.machine_classes_match:
            return RECHECK
        deployments = await self._clusters.seed.list(MACHINE_DEPLOYMENT, view.technical_id)
        pools = node_replacement.pools_to_request(view, nodes, machines, deployments)
        if not pools:
            return RECHECK
        operation = node_replacement.operation_for(view, pools)
        if self._automatic:
            await record.request(operation)
            return 0.0
        await self._remind(
            record,
            view,
            "ReplaceNodes",
            f"replace nodes now: {node_replacement.nodes_to_replace(view, nodes, pools)}; machine classes are "
            f"ready, so that new nodes are {' and '.join(view.families)}; annotate the Shoot with "
            f"{OPERATION}={operation}, or delete the Machines one by one",
            kind="Normal",
        )
        return RECHECK

    async def _report_never_replaced(
        self, record: ShootRecord, view: ShootView, nodes: list[Manifest], machines: list[Manifest]
    ) -> None:
        """Report the nodes that no roll-out replaces; the migration does not end before they are gone."""
        problems = node_replacement.never_replaced(view, nodes, machines)
        if not problems:
            await record.accepted(ROLL_OUT)
            return
        text = diagnosis.listed(problems)
        await record.refused(text, (CONFIGURATION_PROBLEM,), ROLL_OUT)
        if await self._remind(record, view, "NodesNeverReplaced", text, kind="Warning"):
            self._reporter(view.manifest).step_failed("await-roll-out", text, final=True)

    async def _remind(
        self, record: ShootRecord, view: ShootView, reason: str, message: str, *, kind: EventType
    ) -> bool:
        """Announce, and again every hour while it is true; whether it did."""
        key, now = f"{view.technical_id} {reason}", self._clock.now()
        if self._reminded.get(key, ("", 0.0))[0] == message and now - self._reminded[key][1] < REMIND_EVERY:
            return False
        self._reminded[key] = message, now
        await record.events.announce_again(reason, message, series=message, kind=kind)
        self._reporter(view.manifest).notice(reason, message)
        return True

    async def _pass_unless_stuck(self, record: ShootRecord, shoot: Manifest) -> float | None:
        """Run another pass, after growing intervals while passes do not change the migration constraints."""
        key = technical_id(shoot)
        constraints = ShootView.of(shoot).constraints
        mark = tuple((kind, condition_status(constraints, kind)) for kind in (NODES_MIGRATION, DNS_MIGRATION))
        known, passes, due_at = self._without_progress.get(key, (mark, 0, 0.0))
        if known != mark:
            passes, due_at = 0, 0.0
        now = self._clock.now()
        if now < due_at:
            return due_at - now
        wait = min(RECHECK * 2.0 ** min(passes, 10), LONGEST_PAUSE)
        self._without_progress[key] = mark, passes + 1, now + wait
        return await self._pass(record, shoot)

    def _reporter(self, shoot: Manifest) -> Reporter:
        name = technical_id(shoot)
        return self._reporters.setdefault(name, Reporter(self._emit, self._clock, name))
