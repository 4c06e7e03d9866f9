"""The shoot controller: decides whether a pass is due, runs it, and watches the replacement of nodes."""

from __future__ import annotations

from enum import Enum

import structlog

from dualstack.clock import Clock, rfc3339
from dualstack.gardener.controllers.reporting import Reporter
from dualstack.gardener.controllers.shoot import node_replacement
from dualstack.gardener.controllers.shoot.flow import Pass
from dualstack.gardener.controllers.shoot.observation import nodes_facts
from dualstack.gardener.controllers.shoot.record import INITIALIZED, ShootRecord
from dualstack.gardener.error_codes import error_codes
from dualstack.gardener.model.constraints import NodesFacts, nodes_constraint_at_end
from dualstack.gardener.model.error_texts import CONFIGURATION_PROBLEM, FAILING
from dualstack.gardener.model.kinds import MACHINE, MACHINE_DEPLOYMENT, SHOOT
from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION, OPERATION
from dualstack.gardener.model.shoot import ShootView, technical_id
from dualstack.kube.announcement import announce
from dualstack.kube.interface import Kube
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.events import Listener
from dualstack.model.json_path import dig
from dualstack.model.kinds import NODE, Manifest

RECHECK = 30.0
"""Seconds until the next check of nodes or pods that are being replaced; a watch event ends the wait earlier."""
RECONCILE_ERROR = "ReconcileError"
"""The reason of the Event for a failed pass, as gardenlet names it."""
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

    def __init__(self, kube: Kube, clock: Clock, emit: Listener, *, rollout: str = "auto") -> None:
        if rollout not in ("auto", "manual"):
            raise InvalidInput(f'rollout: Unsupported value: "{rollout}": supported values: "auto", "manual"')
        self._kube = kube
        self._clock = clock
        self._emit = emit
        self._automatic = rollout == "auto"
        self._reporters: dict[str, Reporter] = {}
        self._without_progress: dict[str, object] = {}
        self._log = structlog.get_logger("dualstack.shoot")

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """Run one pass if one is due. Returns the seconds until the next reconcile: 0 to continue, None at rest."""
        record = ShootRecord(self._kube, self._clock, name, namespace)
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
        try:
            await Pass(self._kube, self._clock, record, self._reporter(shoot), ready).run()
        except DualstackError as error:
            return await self._failed(record, error, generation)
        finished = await record.succeeded(generation)
        await record.sync_cluster(finished)
        return 0.0

    async def _failed(self, record: ShootRecord, error: DualstackError, generation: int) -> float | None:
        """Set Failed if only a user can correct the error, else Error (docs/reference/gardener.md#failed-or-error)."""
        codes = error_codes(error)
        failed = bool(FAILING.intersection(codes))
        shoot = await record.failed("Failed" if failed else "Error", str(error), codes, generation)
        await self._announce(shoot, RECONCILE_ERROR, dig(shoot, "status", "lastOperation", "description"))
        if not failed:
            raise error
        # The extensions rest only when the Cluster shows the state (docs/reference/gardener.md#failed-shoot).
        await record.sync_cluster(shoot)
        self._log.error("shoot failed", error=str(error), codes=list(codes))
        return None

    async def _start(self, record: ShootRecord, shoot: Manifest) -> Manifest | None:
        """Accept the operation annotation and a rollout request in it (docs/reference/gardener.md#rollout-workers).

        Returns the Shoot to work with, or None for an invalid request: the annotation is then removed and lastErrors
        has the reason. lastOperation is written first, so that an interrupted pass is run again.
        """
        operation = dig(shoot, "metadata", "annotations", OPERATION) or ""
        pools: tuple[str, ...] = ()
        if operation.startswith(node_replacement.PREFIX):
            try:
                pools = node_replacement.requested_pools(ShootView.of(shoot), operation)
            except InvalidInput as error:
                await self._refuse(record, shoot, operation, error)
                return None
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
        await record.refused(text, (CONFIGURATION_PROBLEM,))

    async def _look(self, record: ShootRecord, shoot: Manifest) -> float | None:
        """Continue a migration when the cluster is ready for it, although the Shoot alone requires nothing."""
        view = ShootView.of(shoot)
        if view.hibernated or view.workerless:
            return None
        if view.constraint(NODES_MIGRATION) is None:
            return await self._pass_unless_stuck(record, shoot)
        nodes = await self._kube.list(NODE)
        facts = await nodes_facts(self._kube, view, nodes)
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
        return await self._request_rollout(record, view, facts, nodes)

    async def _request_rollout(
        self, record: ShootRecord, view: ShootView, facts: NodesFacts, nodes: list[Manifest]
    ) -> float:
        """Request the replacement of nodes once, if the controller may do so; then wait for it."""
        if not self._automatic or not facts.machine_classes_match:
            return RECHECK
        machines = await self._kube.list(MACHINE, view.technical_id)
        deployments = await self._kube.list(MACHINE_DEPLOYMENT, view.technical_id)
        pools = node_replacement.pools_to_request(view, nodes, machines, deployments)
        if not pools:
            return RECHECK
        await record.request(node_replacement.operation_for(view, pools))
        return 0.0

    async def _pass_unless_stuck(self, record: ShootRecord, shoot: Manifest) -> float | None:
        """Run another pass; if the last one did not change the constraints, only after a while."""
        key = technical_id(shoot)
        constraints = dig(shoot, "status", "constraints")
        if self._without_progress.get(key) == constraints:
            del self._without_progress[key]
            return RECHECK
        self._without_progress[key] = constraints
        return await self._pass(record, shoot)

    async def _announce(self, shoot: Manifest, reason: str, message: str) -> None:
        metadata = shoot["metadata"]
        await announce(
            self._kube, self._clock, SHOOT, metadata["name"], metadata["namespace"], reason, message, kind="Warning"
        )

    def _reporter(self, shoot: Manifest) -> Reporter:
        name = technical_id(shoot)
        return self._reporters.setdefault(name, Reporter(self._emit, self._clock, name))
