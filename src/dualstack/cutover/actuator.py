"""Performs the transitions of a cut-over on Compute and on the platform (`dualstack.cutover.interface.Actuator`)."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Any

from dualstack.clock import Clock
from dualstack.cutover.bodies import Body, Change, with_first_alias, with_range, without_aliases, without_range
from dualstack.cutover.decoys import RANGE as DECOY_RANGE
from dualstack.cutover.decoys import Decoys
from dualstack.cutover.headroom import HeadroomTrial
from dualstack.cutover.interface import FRESH, DirectionChanged, NodeReports
from dualstack.cutover.measurements import Begin
from dualstack.cutover.observation import (
    DISPROVED,
    RANGE_PROVEN,
    Cloud,
    Observation,
    Observer,
    pod_cidrs,
    with_network_problem,
)
from dualstack.cutover.platform import Platform
from dualstack.cutover.rollback_drill import RollbackDrill as Drill
from dualstack.cutover.route_ownership import route_body
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import AlreadyExists, ComputeRefusal, InUse, Invalid, NotFound, StaleFingerprint, Transient
from dualstack.gce.gather import at_most
from dualstack.gce.resources import DUAL_STACK, first_interface
from dualstack.model import names
from dualstack.model.cluster import Cluster
from dualstack.model.errors import GateFailed, Unsupported
from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts, Limitation
from dualstack.plan.steps import (
    AddAliases,
    AddRangeCanary,
    AddSecondaryRange,
    ClearOverlapFlag,
    ClearSavedRoutes,
    DeleteRoutes,
    Gate,
    RemoveAliases,
    RemoveDrillRoutes,
    RemoveRangeCanary,
    RemoveSecondaryRange,
    RestoreController,
    RestoreRoutes,
    RollbackDrill,
    SaveRoutes,
    SetOverlapFlag,
    SetStackType,
    StopController,
    Transition,
)
from dualstack.plan.steps.decoys import AddDecoyRange, AliasDecoys, CreateDecoys, DropDecoyRoute, RemoveDecoys
from dualstack.plan.steps.headroom import ProveHeadroom, RemoveHeadroomTrial
from dualstack.plan.steps.repetition import REPETITIONS_REFUSED, RepeatAlias
from dualstack.plan.steps.subnet import RANGE_CANARY

WIDTH = 1000
"""Targets of one transition that are processed concurrently. The plan bounds the risk by the size of its batches.

Most of the time they wait for operations, which are polled together; the client bounds the requests in flight.
"""

ATTEMPTS = 5
"""How often a resource is read again because it changed between reading and writing."""

OUTAGE_SINCE = "outage-since"
"""The note of when an outage began (`Begin`)."""

PROMPT = 15.0
"""Seconds for which a target that may be unreachable is tried again at once."""

Redirection = Callable[[], Awaitable[str | None]]
"""Why the opposite direction is requested now; None to go on."""

Watch = Callable[[], Awaitable[str | None]]
"""Returns what measured traffic has lost since the change began, as a clause; None for nothing."""


class CloudActuator:
    """The two APIs for one cluster. `perform` acts on the last observation only."""

    def __init__(
        self,
        *,
        compute: ComputeClient,
        cluster: Cluster,
        platform: Platform,
        decoys: Decoys,
        clock: Clock,
        redirection: Redirection | None = None,
        watch: Watch | None = None,
        seen: Callable[[CutoverFacts], None] | None = None,
        stopping: Callable[[], bool] = bool,
    ) -> None:
        self._compute = compute
        self._cluster = cluster
        self._platform = platform
        self._observer = Observer(compute, platform, cluster, decoys)
        self._clock = clock
        self._redirection = redirection
        self._stopping = stopping
        self._watch = watch
        self._seen = seen
        self._drill = Drill(compute, cluster)
        self._headroom = HeadroomTrial(
            compute, cluster, self._patch_subnet, partial(self._patch_interface, observed=False)
        )
        self._decoys = decoys
        self._last: Observation | None = None
        self._read_at = -math.inf
        self._unchanged: Cloud | None = None
        self._subnet: Resource | None = None
        self._changed: tuple[float, float] | None = None

    async def observe(self) -> CutoverFacts:
        """The current state. What the last observation read of Compute counts if only the platform was changed."""
        await self._follow_redirection()
        network = self._last.network if self._last is not None else ""
        cloud = self._unchanged if self._clock.now() - self._read_at <= FRESH else None
        if cloud is None:
            self._read_at = self._clock.now()
        self._last = await self._observer.observe(network=network, cloud=cloud)
        self._unchanged, self._subnet, self._changed = None, self._last.cloud.subnet, None
        if self._seen is not None:
            self._seen(self._last.facts)
        return self._last.facts

    def changed(self) -> tuple[float, float] | None:
        """When the first and the last operation ended that changed something, as far as their polls show."""
        return self._changed

    async def outage_since(self) -> Begin | None:
        """When an outage began that has not ended, as `keep_outage` has recorded it."""
        return Begin.parse(found) if (found := (await self._platform.notes()).get(OUTAGE_SINCE)) else None

    async def keep_outage(self, begin: Begin | None) -> None:
        """Record when an outage began; None when it is over."""
        await self._platform.note(OUTAGE_SINCE, None if begin is None else begin.as_text())

    async def keep_disproved(self, limitation: Limitation) -> None:
        """Record what a trial has shown this cloud not to do; empty when the cluster is back on its routes."""
        await self._platform.note(DISPROVED, limitation or None)
        self._unchanged = self._last.cloud if self._last is not None else None

    async def node_reports(self) -> NodeReports:
        """The pod CIDRs of the Nodes and their network problems."""
        members = await self._platform.members()
        return NodeReports(pod_cidrs(members), with_network_problem(members))

    async def check(self, gate: Gate, facts: CutoverFacts) -> list[str]:
        """Reasons not to pass `gate`: the decoys' probes for its own gates, `dualstack.plan.gates` for all others.

        Raises GateFailed when measured traffic was interrupted: waiting does not undo that.
        """
        found = await self._decoys.check(gate, facts) if gate in gates.DECOYS else gates.problems(gate, facts)
        if self._watch is not None and (loss := await self._watch()) is not None:
            raise GateFailed(loss)
        return found

    async def perform(self, transition: Transition) -> None:
        """Perform the transition; return when all its operations are done.

        If it is cancelled because the process is stopping, it is finished first.
        """
        performing = asyncio.ensure_future(self._perform(transition))
        try:
            await asyncio.shield(performing)
        except asyncio.CancelledError:
            if not self._stopping():
                performing.cancel()
            await asyncio.gather(performing, return_exceptions=True)
            raise

    async def _perform(self, transition: Transition) -> None:
        """Act; while nodes are unreachable, nothing waits for a poll."""
        unreachable = self._last is not None and self._last.facts.unreachable
        with self._compute.urgent() if unreachable else nullcontext():
            await self._act(transition)

    async def _act(self, transition: Transition) -> None:
        match transition:
            case StopController():
                await self._platform.stop_route_controller()
            case RestoreController():
                await self._platform.restore_route_controller()
            case SaveRoutes():
                await self._platform.save(self._facts().unsaved)
                self._unchanged = self._observation().cloud
            case ClearSavedRoutes():
                await self._forget()
                self._unchanged = self._observation().cloud
            case AddAliases():
                await self._each(transition.targets, partial(self._promptly, self._add_alias))
            case RemoveAliases():
                await self._each(transition.targets, partial(self._promptly, self._remove_aliases))
            case DeleteRoutes():
                # The cloud may refuse to create these routes again, so this is the last moment to change direction.
                await self._follow_redirection()
                await self._delete_routes(transition.targets)
            case RestoreRoutes():
                await self._each(transition.targets, partial(self._promptly, self._restore_route))
            case RollbackDrill() | RemoveDrillRoutes() | ProveHeadroom() | RemoveHeadroomTrial():
                await self._try_out(transition)
            case RepeatAlias():
                await self._each(transition.targets, self._repeat_alias)
            case CreateDecoys() | AliasDecoys() | DropDecoyRoute() | RemoveDecoys():
                await self._perform_on_decoys(transition)
            case _:
                await self._perform_on_subnet(transition)

    async def _try_out(self, step: RollbackDrill | RemoveDrillRoutes | ProveHeadroom | RemoveHeadroomTrial) -> None:
        seen = self._observation()
        match step:
            case RollbackDrill():
                await self._drill.run(seen.facts, seen.network)
            case RemoveDrillRoutes():
                await self._drill.clean(seen.network)
            case ProveHeadroom():
                await self._headroom.run(seen.facts, seen.network)
            case RemoveHeadroomTrial():
                await self._headroom.remove(seen.facts.headroom_holders)

    async def _perform_on_subnet(self, step: Transition) -> None:
        if isinstance(step, RemoveRangeCanary) and step.proven:
            await self._platform.note(RANGE_PROVEN, "true")
        await self._patch_subnet(self._subnet_change(step))

    def _subnet_change(self, transition: Transition) -> Change:
        pod_range = self._cluster.pod_range
        match transition:
            case SetOverlapFlag():
                return lambda subnet: _flag(subnet, on=True)
            case ClearOverlapFlag():
                return lambda subnet: _flag(subnet, on=False)
            case AddSecondaryRange():
                return partial(with_range, name=pod_range["rangeName"], cidr=pod_range["ipCidrRange"])
            case RemoveSecondaryRange():
                return partial(without_range, name=pod_range["rangeName"])
            case AddRangeCanary():
                return partial(with_range, name=RANGE_CANARY, cidr=transition.block)
            case RemoveRangeCanary():
                return partial(without_range, name=RANGE_CANARY)
            case AddDecoyRange():
                return partial(with_range, name=DECOY_RANGE, cidr=self._facts().decoys.home)
            case SetStackType():
                return _dual_stack
            case _:
                raise GateFailed(f"step {transition.id} is not implemented by {type(self).__name__}")

    async def _perform_on_decoys(self, step: CreateDecoys | AliasDecoys | DropDecoyRoute | RemoveDecoys) -> None:
        seen = self._observation()
        await self._decoys.perform(step, seen.facts, network=seen.network, zone=seen.decoy_zone)
        if isinstance(step, RemoveDecoys):
            await self._patch_subnet(partial(without_range, name=DECOY_RANGE))

    async def _follow_redirection(self) -> None:
        if self._redirection is not None and (because := await self._redirection()) is not None:
            raise DirectionChanged(because)

    async def _forget(self) -> None:
        """Remove only what the last observation shows to be done (docs/reference/weaknesses.md#w13)."""
        facts = self._facts()
        if facts.range_present and facts.routes:
            left = len(facts.routes)
            raise GateFailed(f"clear-saved-routes: {left} routes of the cluster still exist, so the saved list is kept")
        await self._platform.forget(
            lambda entry: entry.instance_name not in facts.pod_cidr_of or facts.settled(entry.instance_name)
        )

    # -- aliases

    async def _add_alias(self, name: str) -> None:
        facts = self._facts()
        wanted = facts.pod_cidr_of.get(name)
        if wanted is None:
            return
        await self._patch_interface(name, partial(with_first_alias, name=facts.range_name, cidr=wanted))

    async def _repeat_alias(self, name: str) -> None:
        """A refusal in the operation does no harm: upstream does not read it (docs/reference/cut-over.md#t16)."""
        try:
            await self._patch_interface(name, _with_first_twice, observed=False)
        except (Invalid, InUse) as error:
            if not error.in_operation:
                raise Unsupported(f"{REPETITIONS_REFUSED}: {error}", REPETITIONS_REFUSED) from error

    async def _remove_aliases(self, name: str) -> None:
        await self._patch_interface(name, partial(without_aliases, name=self._facts().range_name))

    async def _patch_interface(self, name: str, change: Change, *, observed: bool = True) -> None:
        """Read, change and write nic0; again when it changed in between. A VM that is gone is skipped.

        observed: the change is one against the last observation.
        """
        node = self._facts().node_of.get(name)
        if node is None:
            return
        path = f"zones/{node.zone}/instances/{name}"
        # The last observation saves a read; if it is out of date, the fingerprint is refused.
        known = [self._observation().interfaces[name]] if observed else []

        async def once() -> None:
            if known:
                interface = known.pop()
            else:
                interface = first_interface(await self._compute.get(path, fields="name,networkInterfaces"))
            body = change(interface)
            if body is not None:
                body = body | {"fingerprint": interface["fingerprint"]}
                patch = f"{path}/updateNetworkInterface"
                await self._change(self._compute.patch(patch, body, networkInterface=interface["name"]))

        async with self._unless_gone(path):
            await self._until_current(once)

    @asynccontextmanager
    async def _unless_gone(self, path: str) -> AsyncIterator[None]:
        """What is refused counts as done if the VM is gone: a route to it is Invalid, any change of it is NotFound."""
        try:
            yield
        except (Invalid, NotFound):
            if await self._compute.find(path, fields="name") is not None:
                raise

    # -- routes

    async def _delete_routes(self, targets: Iterable[str]) -> None:
        """Deletes only routes that the last observation proved to be the cluster's
        (docs/reference/design-rules.md#provably-ours)."""
        ours = {route.name for route in self._facts().routes}

        async def delete(name: str) -> None:
            await self._change(self._compute.delete(f"global/routes/{name}"))

        await self._each((name for name in targets if name in ours), delete)

    async def _restore_route(self, name: str) -> None:
        """Create the route as cloud-controller-manager does, which then adopts it."""
        facts = self._facts()
        if name not in facts.unrouted:
            return
        node, seen = facts.node_of[name], self._observation()
        uid = seen.uids.get(name) or str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        instance = self._cluster.instance(node.zone, name)
        body = route_body(names.route(self._cluster.name, uid), seen.network, facts.to_route[name], instance)
        async with self._unless_gone(f"zones/{node.zone}/instances/{name}"):
            with suppress(AlreadyExists):
                await self._change(self._compute.post("global/routes", body))

    # -- requests

    async def _change(self, request: Awaitable[object]) -> None:
        """Send the request, and note when it took effect: at its end, and not if the resource to delete is gone.

        Without an answer, it may have taken effect until now.
        """
        try:
            if await request is False:
                return
        except Transient as error:
            if not error.in_operation:
                self._note_change()
            raise
        self._note_change()

    def _note_change(self) -> None:
        now = self._clock.now()
        first, _ = self._changed or (now, now)
        self._changed = first, now

    async def _patch_subnet(self, change: Change) -> None:
        path = self._cluster.nodes_subnet_path

        async def once() -> None:
            # The last observation saves the first read; if it is out of date, the fingerprint is refused.
            known, self._subnet = self._subnet, None
            subnet = known or await self._compute.get(path)
            body = change(subnet)
            if body is not None:
                await self._change(self._compute.patch(path, body | {"fingerprint": subnet["fingerprint"]}))

        await self._until_current(once)

    def _observation(self) -> Observation:
        if self._last is None:
            raise GateFailed("nothing has been observed yet")
        return self._last

    def _facts(self) -> CutoverFacts:
        return self._observation().facts

    async def _until_current(self, once: Callable[[], Awaitable[None]]) -> None:
        """Repeat reading and writing while the fingerprint is stale."""
        for attempt in range(ATTEMPTS):
            try:
                await once()
            except StaleFingerprint:
                if attempt == ATTEMPTS - 1:
                    raise
                await self._clock.sleep(1.0)
            else:
                return

    async def _promptly(self, act: Callable[[str], Awaitable[None]], name: str) -> None:
        """Try again at once what may leave a node unreachable, not only after the slowest of the others.

        The client has repeated requests for a passing reason already; an operation that fails for one is new here.
        """
        until = self._clock.now() + PROMPT
        while True:
            try:
                return await act(name)
            except ComputeRefusal as error:
                known = isinstance(error, StaleFingerprint)  # it was read again often enough
                if known or error.retry_after is None or self._clock.now() >= until:
                    raise
                await self._clock.sleep(1.0)

    async def _each(self, targets: Iterable[str], act: Callable[[str], Awaitable[None]]) -> None:
        """Try all targets, then raise the first error in their order."""
        await at_most(WIDTH, *(act(name) for name in targets))


def _flag(subnet: Mapping[str, Any], *, on: bool) -> Body | None:
    return None if bool(subnet.get("allowSubnetCidrRoutesOverlap")) == on else {"allowSubnetCidrRoutesOverlap": on}


def _with_first_twice(interface: Mapping[str, Any]) -> Body | None:
    """As upstream appends an alias."""
    present = list(interface.get("aliasIpRanges") or ())
    return {"aliasIpRanges": [*present, present[0]]} if present else None


def _dual_stack(subnet: Mapping[str, Any]) -> Body | None:
    return None if subnet.get("stackType") == DUAL_STACK["stackType"] else dict(DUAL_STACK)
