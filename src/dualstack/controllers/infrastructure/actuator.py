"""Carries the transitions of the cut-over out against Compute and Kubernetes (`dualstack.engine.cutover.Actuator`)."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from dualstack.clock import Clock
from dualstack.controllers.infrastructure.controller_manager import CloudControllerManager
from dualstack.controllers.infrastructure.decoys import RANGE as DECOY_RANGE
from dualstack.controllers.infrastructure.decoys import Decoys
from dualstack.controllers.infrastructure.desired import DUAL_STACK, Body, Desired
from dualstack.controllers.infrastructure.drill import Drill
from dualstack.controllers.infrastructure.observation import Observation, Observer
from dualstack.controllers.infrastructure.record import InfrastructureRecord
from dualstack.controllers.infrastructure.routes import route_body
from dualstack.controllers.infrastructure.together import at_most
from dualstack.engine.cutover import Redirected
from dualstack.errors import GateFailed
from dualstack.gce import ComputeClient
from dualstack.gce.errors import AlreadyExists, NotFound, StaleFingerprint
from dualstack.gce.pacing import QUICK, Pace
from dualstack.gce.resources import first_interface
from dualstack.model import names
from dualstack.model.infrastructure import SavedRoute as StoredRoute
from dualstack.plan.back import GATE_DRILL
from dualstack.plan.compressed import GATE_READY
from dualstack.plan.decoy_steps import AddDecoyRange, AliasDecoys, CreateDecoys, DropDecoyRoute, RemoveDecoys
from dualstack.plan.decoys import GATES as DECOY_GATES
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.overlap import GATE_ALIAS_CANARY, GATE_RANGE
from dualstack.plan.transitions import (
    AddAliases,
    AddSecondaryRange,
    ClearOverlapFlag,
    ClearSavedRoutes,
    DeleteRoutes,
    Gate,
    RemoveAliases,
    RemoveDrillRoutes,
    RemoveSecondaryRange,
    RestoreController,
    RestoreRoutes,
    SaveRoutes,
    SetOverlapFlag,
    SetStackType,
    StopController,
    Transition,
)
from dualstack.plan.unmatched import reason

WIDTH = 1000
"""Targets of one transition that are worked on side by side; the plan decides how many it dares at once.

Most of the time they wait for operations, which are looked at together; the client bounds the requests in flight.
"""

ATTEMPTS = 5
"""How often a resource is read again because it changed between reading and writing."""

Change = Callable[[Mapping[str, Any]], Body | None]
"""From a resource as read to the body of its PATCH without fingerprint; None when it is as wanted already."""


Redirection = Callable[[], Awaitable[str | None]]
"""Why the run is to end because another way is wanted; None to go on."""


class CloudActuator:
    """The two APIs for one Shoot. `perform` acts on what the last `observe` saw, and on nothing else."""

    def __init__(
        self,
        *,
        compute: ComputeClient,
        desired: Desired,
        observer: Observer,
        record: InfrastructureRecord,
        manager: CloudControllerManager,
        decoys: Decoys,
        clock: Clock,
        pace: Pace = QUICK,
        redirection: Redirection | None = None,
    ) -> None:
        self._compute = compute
        self._desired = desired
        self._observer = observer
        self._record = record
        self._manager = manager
        self._clock = clock
        self._pace = pace
        self._redirection = redirection
        self._drill = Drill(compute, desired, pace)
        self._decoys = decoys
        self._last: Observation | None = None

    # -- the engine's side

    async def observe(self) -> CutoverFacts:
        """What is there now, freshly read."""
        await self._follow_redirection()
        self._last = await self._observer.observe()
        return self._last.facts

    async def perform(self, transition: Transition) -> None:
        """Carry the transition out; return when all its operations are done."""
        match transition:
            case StopController() | RestoreController() | SaveRoutes() | ClearSavedRoutes():
                await self._prepare_or_close(transition)
            case AddAliases():
                await self._each(transition.targets, self._add_alias, 1 if transition.one_by_one else WIDTH)
            case RemoveAliases():
                await self._each(transition.targets, self._remove_aliases)
            case DeleteRoutes():
                # The last moment: the cloud may not take the routes again, and a gate passed since the last look.
                await self._follow_redirection()
                await self._delete_routes(transition.targets)
            case RestoreRoutes():
                await self._each(transition.targets, self._restore_route)
            case RemoveDrillRoutes():
                await self._drill.clean(self._observation().network)
            case CreateDecoys() | AliasDecoys() | DropDecoyRoute() | RemoveDecoys():
                seen = self._observation()
                await self._decoys.perform(transition, seen.facts, network=seen.network, zone=seen.decoy_zone)
                if isinstance(transition, RemoveDecoys) and seen.facts.decoys.range:
                    await self._patch_subnet(lambda subnet: _without(subnet, DECOY_RANGE))
            case _:
                await self._change_subnet(transition)

    async def _prepare_or_close(self, transition: Transition) -> None:
        match transition:
            case StopController():
                await self._manager.stop(wait=transition.wait)
            case RestoreController():
                await self._manager.give_back()
            case SaveRoutes():
                await self._save()
            case _:
                await self._forget()

    async def _change_subnet(self, transition: Transition) -> None:
        match transition:
            case SetOverlapFlag():
                await self._patch_subnet(lambda subnet: _flag(subnet, on=True))
            case ClearOverlapFlag():
                await self._patch_subnet(lambda subnet: _flag(subnet, on=False))
            case AddSecondaryRange():
                await self._patch_subnet(lambda subnet: _with(subnet, self._desired.pod_range()))
            case RemoveSecondaryRange():
                await self._patch_subnet(lambda subnet: _without(subnet, self._desired.pod_range()["rangeName"]))
            case AddDecoyRange():
                ours = {"rangeName": DECOY_RANGE, "ipCidrRange": self._facts().decoys.home}
                await self._patch_subnet(lambda subnet: _with(subnet, ours))
            case SetStackType():
                await self._patch_subnet(_dual_stack)
            case _:
                raise GateFailed(f"step {transition.id} cannot be carried out here")

    async def check(self, gate: Gate, facts: CutoverFacts) -> list[str]:
        """Aliases as the Nodes say, every Node well, nobody interfering.

        A gate stands before what cannot be taken back, so it asks for everything that can be asked for.
        """
        if gate in DECOY_GATES:
            return await self._decoys.check(gate, facts)
        if gate == GATE_DRILL:
            await self._drill.run(facts, self._observation().network)
        problems = [
            f"route {route.name} ({route.destination}) appeared in the pod CIDR" for route in facts.foreign_routes
        ]
        problems += [f"route {route.instance_name} ({route.destination_cidr}) appeared" for route in facts.unsaved]
        if not facts.controller.gone:
            problems.append("cloud-controller-manager runs again")
        if gate != GATE_READY and not facts.range_present:
            problems.append(f"subnet {facts.subnet.name} has no range {facts.range_name} any more")
        problems += [f"the pod CIDR of VM {name} is delivered by nothing" for name in facts.unreachable]
        if gate not in (GATE_RANGE, GATE_ALIAS_CANARY):  # after which add-aliases mends it
            problems += [
                f"the alias of VM {name} is not its Node's pod CIDR, or not the first"
                for name in facts.pod_cidr_of
                if facts.node_of[name].has_alias_in(facts.range_name) and not facts.alias_in_place(name)
            ]
        running = {node.name for node in facts.nodes if node.running and node.pod_cidr}
        unwell = self._last.unwell if self._last else {}
        problems += [f"node {name} {why}" for name, why in sorted(unwell.items()) if name in running]
        if (because := reason(facts)) is not None:
            problems.append(because)
        return problems

    async def _follow_redirection(self) -> None:
        if self._redirection is not None and (because := await self._redirection()) is not None:
            raise Redirected(because)

    # -- the saved list

    async def _save(self) -> None:
        unsaved = self._facts().unsaved
        await self._record.add_routes(
            tuple(StoredRoute(entry.instance_name, entry.destination_cidr, entry.zone) for entry in unsaved)
        )

    async def _forget(self) -> None:
        """Only what was just observed to be done leaves the list (W13)."""
        facts = self._facts()
        self._needed(facts, "clear-saved-routes", not facts.range_present or facts.routes == ())
        await self._record.remove_routes(
            lambda entry: entry.instance_name not in facts.pod_cidr_of or facts.settled(entry.instance_name)
        )

    # -- aliases

    async def _add_alias(self, name: str) -> None:
        facts = self._facts()
        wanted = facts.pod_cidr_of.get(name)
        if wanted is None:
            return
        ours = {"ipCidrRange": wanted, "subnetworkRangeName": facts.range_name}

        def change(interface: Mapping[str, Any]) -> Body | None:
            aliases = [_plain(alias) for alias in interface.get("aliasIpRanges") or ()]
            others = [alias for alias in aliases if alias != ours]
            # The cloud-controller-manager reads the first entry only; what others put there stays behind it.
            return None if aliases[:1] == [ours] else {"aliasIpRanges": [ours, *others]}

        await self._patch_interface(name, change)

    async def _remove_aliases(self, name: str) -> None:
        ours = self._facts().range_name

        def change(interface: Mapping[str, Any]) -> Body | None:
            aliases = [_plain(alias) for alias in interface.get("aliasIpRanges") or ()]
            kept = [alias for alias in aliases if alias.get("subnetworkRangeName") != ours]
            return None if kept == aliases else {"aliasIpRanges": kept}

        await self._patch_interface(name, change)

    async def _patch_interface(self, name: str, change: Change) -> None:
        """Read, change and write nic0; again when it changed meanwhile. A VM that has vanished needs nothing."""
        node = self._facts().node_of.get(name)
        if node is None:
            return
        path = f"zones/{node.zone}/instances/{name}"
        # What the last observation read saves a request; if it is out of date, the fingerprint says so.
        known = [found for found in [self._observation().interfaces.get(name)] if found is not None]

        async def once() -> None:
            if known:
                interface = known.pop()
            else:
                interface = first_interface(await self._compute.get(path, fields="name,networkInterfaces"))
            body = change(interface)
            if body is not None:
                body = body | {"fingerprint": interface["fingerprint"]}
                await self._compute.patch(
                    f"{path}/updateNetworkInterface", body, pace=self._pace, networkInterface=interface["name"]
                )

        try:
            await self._until_current(once)
        except NotFound:
            if await self._compute.find(path, fields="name") is not None:
                raise

    # -- routes

    async def _delete_routes(self, targets: Iterable[str]) -> None:
        """A route that the last observation did not prove to be ours is never deleted (DESIGN.md 3.8)."""
        ours = {route.name for route in self._facts().routes}

        async def delete(name: str) -> None:
            await self._compute.delete(f"global/routes/{name}", pace=self._pace)

        await self._each((name for name in targets if name in ours), delete)

    async def _restore_route(self, name: str) -> None:
        """As cloud-controller-manager makes it, which then takes it for its own (GB 8.4)."""
        facts = self._facts()
        node = facts.node_of.get(name)
        if node is None or name not in facts.unrouted:
            return
        seen = self._observation()
        uid = seen.uids.get(name) or str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        instance = f"projects/{self._desired.project}/zones/{node.zone}/instances/{name}"
        body = route_body(names.route(self._desired.ns, uid), seen.network, facts.to_route[name], instance)
        with suppress(AlreadyExists):
            await self._compute.post("global/routes", body, pace=self._pace)

    # -- the subnet

    async def _patch_subnet(self, change: Change) -> None:
        path = self._desired.subnet_path(self._desired.nodes_subnet)

        async def once() -> None:
            subnet = await self._compute.get(path)
            body = change(subnet)
            if body is not None:
                await self._compute.patch(path, body | {"fingerprint": subnet["fingerprint"]}, pace=self._pace)

        await self._until_current(once)

    # -- how

    def _observation(self) -> Observation:
        if self._last is None:
            raise GateFailed("nothing has been observed yet")
        return self._last

    def _facts(self) -> CutoverFacts:
        return self._observation().facts

    @staticmethod
    def _needed(facts: CutoverFacts, step: str, condition: bool) -> None:
        if not condition:
            raise GateFailed(f"{step}: {len(facts.routes)} routes of ours are still there")

    async def _until_current(self, once: Callable[[], Awaitable[None]]) -> None:
        """Read and write again while the fingerprint is stale."""
        for attempt in range(ATTEMPTS):
            try:
                await once()
            except StaleFingerprint:
                if attempt == ATTEMPTS - 1:
                    raise
                await self._clock.sleep(1.0)
            else:
                return

    async def _each(self, targets: Iterable[str], act: Callable[[str], Awaitable[None]], width: int = WIDTH) -> None:
        """All targets; the first error in their order once every one was tried."""
        await at_most(width, *(act(name) for name in targets))


def _with(subnet: Mapping[str, Any], ours: Body) -> Body | None:
    ranges = _ranges(subnet)
    return None if ours in ranges else {"secondaryIpRanges": [*ranges, ours]}


def _without(subnet: Mapping[str, Any], name: str) -> Body | None:
    ranges = _ranges(subnet)
    kept = [entry for entry in ranges if entry["rangeName"] != name]
    return None if kept == ranges else {"secondaryIpRanges": kept}


def _flag(subnet: Mapping[str, Any], *, on: bool) -> Body | None:
    return None if bool(subnet.get("allowSubnetCidrRoutesOverlap")) == on else {"allowSubnetCidrRoutesOverlap": on}


def _dual_stack(subnet: Mapping[str, Any]) -> Body | None:
    return None if subnet.get("stackType") == DUAL_STACK["stackType"] else dict(DUAL_STACK)


def _ranges(subnet: Mapping[str, Any]) -> list[Body]:
    """The secondary ranges in the form in which they are sent; newer answers carry more fields than a request may."""
    return [
        {"rangeName": entry["rangeName"], "ipCidrRange": entry["ipCidrRange"]}
        for entry in subnet.get("secondaryIpRanges") or ()
    ]


def _plain(alias: Mapping[str, Any]) -> Body:
    return {field: alias[field] for field in ("ipCidrRange", "subnetworkRangeName") if alias.get(field)}
