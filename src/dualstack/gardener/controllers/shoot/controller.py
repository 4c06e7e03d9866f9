"""The shoot controller: decides whether a pass is due, runs it, and looks on while nodes are replaced."""

from __future__ import annotations

from enum import Enum

import structlog

from dualstack.clock import Clock, rfc3339
from dualstack.gardener.controllers.shoot import roll_out
from dualstack.gardener.controllers.shoot.flow import Pass
from dualstack.gardener.controllers.shoot.observation import nodes_facts
from dualstack.gardener.controllers.shoot.progress import Reporter
from dualstack.gardener.controllers.shoot.record import INITIALIZED, ShootRecord
from dualstack.gardener.error_codes import CONFIGURATION_PROBLEM, FAILING, error_codes
from dualstack.gardener.model.constraints import NodesFacts, nodes_constraint_at_end
from dualstack.gardener.model.kinds import MACHINE, MACHINE_DEPLOYMENT
from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION, OPERATION
from dualstack.gardener.model.shoot import ShootView, technical_id
from dualstack.kube.interface import Kube
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.events import Listener
from dualstack.model.json_path import dig
from dualstack.model.kinds import NODE, Manifest

LOOK_AGAIN = 30.0
"""Seconds until the next look at nodes or pods that are being replaced; watches shorten it."""
_PLAIN_OPERATIONS = ("reconcile", "retry")


class Due(Enum):
    """What a Shoot needs."""

    NOTHING = "nothing"
    LOOK = "look"
    RUN = "run"


def due(shoot: Manifest) -> Due:
    """What the Shoot needs as far as it says itself (gardener-behaviour.md 2.8, 3.4).

    A Failed Shoot rests until its spec changes or somebody asks for a retry. A Shoot with a migration constraint is
    looked after without being asked.
    """
    metadata = shoot["metadata"]
    if metadata.get("deletionTimestamp") or dig(shoot, "spec", "provider", "type") != "gcp":
        return Due.NOTHING
    operation = dig(metadata, "annotations", OPERATION) or ""
    if operation in _PLAIN_OPERATIONS or operation.startswith(roll_out.PREFIX):
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
    """Carries Shoots of one garden through their passes."""

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
        """Bring the Shoot one pass further. Seconds to the next look: 0 when it can go on, None at rest."""
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
        ready = await self._begin(record, shoot)
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
        """Failed at once for what only a person can mend, else Error and another try (gardener-behaviour.md 3.4)."""
        codes = error_codes(error)
        failed = bool(FAILING.intersection(codes))
        await record.failed("Failed" if failed else "Error", str(error), codes, generation)
        if not failed:
            raise error
        self._log.error("shoot failed", error=str(error), codes=list(codes))
        return None

    async def _begin(self, record: ShootRecord, shoot: Manifest) -> Manifest | None:
        """Take the operation annotation, and with it a request for a roll-out (gardener-behaviour.md 5.2).

        The Shoot to work with, or None if the request cannot be met: it is then gone, and why stands in lastErrors.
        lastOperation comes first, so that a pass that is cut off anywhere is taken up again.
        """
        operation = dig(shoot, "metadata", "annotations", OPERATION) or ""
        pools: tuple[str, ...] = ()
        if operation.startswith(roll_out.PREFIX):
            try:
                pools = roll_out.requested_pools(ShootView.of(shoot), operation)
            except InvalidInput as error:
                await self._refuse(record, shoot, operation, error)
                return None
        shoot = await record.processing(1, INITIALIZED)
        if pools:
            stamp = rfc3339(self._clock.now())
            shoot = await record.rollouts(roll_out.with_pending(roll_out.pending(shoot), pools, stamp))
        if operation in _PLAIN_OPERATIONS or pools:
            shoot = await record.operation_taken(operation)
        return shoot

    async def _refuse(self, record: ShootRecord, shoot: Manifest, operation: str, error: InvalidInput) -> None:
        await record.operation_taken(operation)
        text = "; ".join(error.faults)
        self._reporter(shoot).step_failed("rollout-workers", text, final=True)
        self._log.warning("roll-out refused", shoot=shoot["metadata"]["name"], error=text)
        await record.refused(text, (CONFIGURATION_PROBLEM,))

    async def _look(self, record: ShootRecord, shoot: Manifest) -> float | None:
        """A migration is under way and nothing is due by the Shoot itself: go on when the cluster is ready for it."""
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
        return await self._request_roll_out(record, view, facts, nodes)

    async def _request_roll_out(
        self, record: ShootRecord, view: ShootView, facts: NodesFacts, nodes: list[Manifest]
    ) -> float:
        """Ask for the nodes' replacement once, if that is ours to ask; then wait for it."""
        if not self._automatic or not facts.machine_classes_match:
            return LOOK_AGAIN
        machines = await self._kube.list(MACHINE, view.technical_id)
        deployments = await self._kube.list(MACHINE_DEPLOYMENT, view.technical_id)
        pools = roll_out.pools_to_request(view, nodes, machines, deployments)
        if not pools:
            return LOOK_AGAIN
        await record.request(roll_out.operation_for(view, pools))
        return 0.0

    async def _pass_unless_stuck(self, record: ShootRecord, shoot: Manifest) -> float | None:
        """Another pass, unless the last one has left the constraints as they are: then only after a while."""
        key = technical_id(shoot)
        constraints = dig(shoot, "status", "constraints")
        if self._without_progress.get(key) == constraints:
            del self._without_progress[key]
            return LOOK_AGAIN
        self._without_progress[key] = constraints
        return await self._pass(record, shoot)

    def _reporter(self, shoot: Manifest) -> Reporter:
        name = technical_id(shoot)
        return self._reporters.setdefault(name, Reporter(self._emit, self._clock, name))
