"""One simulated project: every API call as a function of state, clock and seed, without HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dualstack.clock import Clock
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.bodies import accept
from dualstack_sim.compute.api.errors import ApiError, ConnectionCut, Json, invalid, not_found
from dualstack_sim.compute.api.fault_effects import FaultEffects
from dualstack_sim.compute.api.fault_injection import Fault, Faults, HttpFault
from dualstack_sim.compute.api.journal import Journal, Served
from dualstack_sim.compute.api.methods import Mutation, mutations, takes_body
from dualstack_sim.compute.api.operations import Effect, Operations, Work
from dualstack_sim.compute.api.parameters import parse_fields, select
from dualstack_sim.compute.api.paths import COLLECTIONS
from dualstack_sim.compute.api.permissions import TESTABLE, granted_permissions, refuse_denied
from dualstack_sim.compute.api.reading import Reading
from dualstack_sim.compute.api.references import GLOBAL, Key, Links
from dualstack_sim.compute.groups.managed_groups import ManagedGroups
from dualstack_sim.compute.groups.managed_instances import ManagedInstances
from dualstack_sim.compute.machines.interfaces import removes_aliases
from dualstack_sim.compute.machines.run_limits import RunLimits
from dualstack_sim.compute.network.routes import Routes
from dualstack_sim.compute.network.static_addresses import StaticAddresses
from dualstack_sim.compute.project.commits import Commit, CommitListener
from dualstack_sim.compute.project.inventory import Inventory
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.compute.project.quotas import Limits, RateMeter, Statistics, concurrency_exceeded
from dualstack_sim.compute.project.scheduler import Scheduler
from dualstack_sim.compute.project.serial_output import SerialOutput
from dualstack_sim.compute.project.snapshot import dump, load, read
from dualstack_sim.rules import enforced
from dualstack_sim.steppable_clock import SteppableClock

DEFAULT_ENDPOINT = "https://www.googleapis.com/compute/v1"
DEFAULT_REGIONS: Mapping[str, Sequence[str]] = {"europe-west1": ("europe-west1-b", "europe-west1-c", "europe-west1-d")}
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


_PLACES = ("global", "region", "zone")


class Compute:
    """The simulated Compute Engine of one project. All time comes from `clock`, all randomness from `chance`.

    `endpoint` is the externally visible root of all links, ending in `/compute/v1`; `on_commit` is called for every
    effective change, in the order of simulated time; `faults` is consulted once for each request.
    """

    def __init__(
        self,
        clock: Clock,
        chance: Chance,
        *,
        project: str = "proj-1",
        regions: Mapping[str, Sequence[str]] = DEFAULT_REGIONS,
        endpoint: str | None = None,
        knobs: Knobs | None = None,
        quotas: Limits | None = None,
        latency: LatencyProfile | None = None,
        on_commit: CommitListener | None = None,
        faults: Faults | None = None,
    ) -> None:
        knobs, quotas, latency = knobs or Knobs(), quotas or Limits(), latency or LatencyProfile()
        number = str(chance.generator("project-number", project).randrange(10**11, 10**12))
        links = Links(endpoint or DEFAULT_ENDPOINT, project, number)
        self._scheduler = Scheduler(clock)
        self._clock = clock
        self._on_commit = on_commit
        self._faults = faults
        self._statistics = Statistics()
        self._loading = False
        self._answered: dict[tuple[str, str], int] = {}
        self.journal = Journal()
        self._meter = RateMeter(number)
        self._operations = Operations(links, chance, latency, self._scheduler.at)
        self.project = Project(
            name=project,
            number=number,
            regions={region: tuple(zones) for region, zones in regions.items()},
            links=links,
            chance=chance,
            knobs=knobs,
            limits=quotas,
            latency=latency,
            inventory=Inventory(links, chance.seed, self._committed),
            operations=self._operations,
            later=self._later,
            run=self._run,
        )
        routes, addresses = Routes(self.project), StaticAddresses(self.project)
        self._managed = ManagedInstances(self.project)
        groups = ManagedGroups(self.project, self._managed)
        self._reads = Reading(self.project, groups, routes, addresses).methods()
        for service in TESTABLE:
            self._reads[f"{service}.testIamPermissions"] = lambda call: granted_permissions(
                self.project, call, self._denies
            )
        self._mutations = mutations(self.project, routes, addresses, groups)
        self._run_limits = RunLimits(self.project, self._scheduler.at, self._mutations)
        self._fault_effects = FaultEffects(self.project, self._mutations, self._scheduler.at)

    @property
    def methods(self) -> frozenset[str]:
        """The names of all methods that it serves."""
        return frozenset((*self._reads, *self._mutations, *(f"{place}Operations.wait" for place in _PLACES)))

    def _committed(self, commit: Commit) -> None:
        if self._on_commit is not None:
            self._on_commit(commit)
        if commit.collection == "instances":
            self._run_limits.instance_changed(commit)
        if commit.collection == "instances" and not self._loading:
            self._managed.instance_changed(commit)

    # -- requests

    async def answer(
        self,
        method: str,
        scope: str,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        caller: str = "",
        project: str = "",
    ) -> Json:
        """Execute one request: count it, charge its quota, inject faults, and return the response document.

        `caller` is the User-Agent for the statistics, `project` the project of public images. Raises ApiError for a
        refused request and ConnectionCut if a fault closes the connection.
        """
        call = Call(method, scope, name, self._scheduler.catch_up(), query or {}, body or {}, project)
        status = 200
        try:
            try:
                return await self._respond(call, caller)
            finally:
                await self._delay_answer(call)
        except ApiError as refused:
            status = refused.status
            raise
        except ConnectionCut:
            status = 0
            raise
        finally:
            self.journal.note(Served(call.now, method, scope, _target(call), status, caller))

    async def _delay_answer(self, call: Call) -> None:
        """Wait until the answer; the request has taken effect (docs/reference/compute-engine.md#request-latency)."""
        if not self.project.latency.requests or call.method.endswith("Operations.wait"):
            return
        if isinstance(self._clock, SteppableClock) and self._clock.stopped:
            return  # the client that is about to step the clock waits for this answer
        request = (call.method, f"{call.scope}/{_target(call)}")
        ordinal = self._answered[request] = self._answered.get(request, 0) + 1
        await self._clock.sleep(self.project.latency.request(self.project.chance, *request, ordinal))

    async def _respond(self, call: Call, caller: str) -> Json:
        self._statistics.count(caller, call.method, call.scope, call.now)
        self._check(call, caller)
        mask = parse_fields(call.query)
        fault = self._consult(call)
        refuse_denied(call.method, self._path_of(call), self._denies)
        if fault and fault.cut == "before":
            raise ConnectionCut
        if fault and fault.error_before:
            raise _http(fault.error_before)
        document = await self._carry_out(call, fault)
        if fault and fault.cut == "after":
            raise ConnectionCut
        if fault and fault.error_after:
            raise _http(fault.error_after)
        selected: Json = select(document, mask)
        return selected

    def _check(self, call: Call, caller: str) -> None:
        region = self.project.region_of(call.scope) if "/" in call.scope else ""
        try:
            self._meter.charge(call.method, call.scope, region, call.now, self.project.limits)
        except ApiError:
            self._statistics.count_rate_limited(caller)
            raise
        self._check_place(call)

    def _denies(self, permission: str) -> bool:
        return self._faults is not None and self._faults.denies(permission) and enforced("requests.permissions")

    def _path_of(self, call: Call) -> str:
        """The resource of a request, or its project for a list, as messages about permissions name it."""
        project, name = f"projects/{self.project.name}", _target(call)
        collection = COLLECTIONS.get(call.method.partition(".")[0], call.method.partition(".")[0])
        return f"{project}/{call.scope}/{collection}/{name}" if name and call.scope else project

    def _check_place(self, call: Call) -> None:
        if call.method not in ("regions.get", "zones.get"):
            self.project.check_scope(call.scope)

    def _unserved(self, call: Call) -> ApiError:
        return not_found(f"projects/{self.project.name}/{call.scope}/{call.method}")

    def _consult(self, call: Call) -> Fault | None:
        """The fault of the request, if any; its side effects are applied."""
        if self._faults is None:
            return None
        removal = removes_aliases(self.project, call)
        fault = self._faults.fault_for(call.method, _target(call), removes_aliases=removal)
        if fault:
            try:
                self._fault_effects.apply(call, fault)
            except ApiError as refused:
                self._faults.not_applied(refused.message)
        return fault

    async def _carry_out(self, call: Call, fault: Fault | None) -> Json:
        mutation = self._mutations.get(call.method)
        waits = call.method.endswith("Operations.wait")
        if mutation is None and not waits and call.method not in self._reads:
            raise self._unserved(call)
        if call.body and not takes_body(call.method, changes=mutation is not None):
            accept(call.body, {})
        if mutation is not None:
            return self._mutate(call, mutation, fault)
        if fault and fault.latency:
            await self._clock.sleep(fault.latency)
            call = replace(call, now=self._scheduler.catch_up())
        if waits:
            operation = await self._operations.wait(Key("operations", call.scope, call.name), call.now)
            return self._operations.render(operation, self._scheduler.catch_up())
        read = self._reads[call.method]
        if fault and fault.stale:
            with self.project.inventory.as_of(call.now - fault.stale):
                return read(call)
        return read(call)

    def _mutate(self, call: Call, mutation: Mutation, fault: Fault | None) -> Json:
        request_id = call.query.get("requestId", "")
        malformed = bool(request_id) and (not _UUID.fullmatch(request_id) or not request_id.strip("0-"))
        if malformed and enforced("requests.request-id-form"):
            raise invalid("requestId", request_id, "Must be a valid UUID; the zero UUID is not supported.")
        request = f"{call.method} {call.scope} {call.name}"
        if request_id:
            self._operations.expire(call.now)
        earlier = self._operations.replay(request, request_id)
        if earlier is None:
            self._check_concurrency(call)
            work = mutation(call)
            earlier = self._operations.start(call.now, call.method, work, fault)
            if request_id:
                self._operations.remember(request, request_id, earlier)
        return self._operations.render(earlier, call.now)

    def _check_concurrency(self, call: Call) -> None:
        """Concurrent operations count per region with its zones; global operations count separately."""
        scopes, place = [call.scope], GLOBAL
        if call.scope != GLOBAL:
            place = self.project.region_of(call.scope)
            scopes = [f"regions/{place}", *(f"zones/{zone}" for zone in self.project.regions[place])]
        limits = self.project.limits
        of_type = limits.concurrent_operations_by_type.get(call.method)
        too_many = self._operations.running_in(scopes) >= limits.concurrent_operations or (
            of_type is not None and self._operations.running_in(scopes, call.method) >= of_type
        )
        if too_many and enforced("quotas.concurrent-operations"):
            raise concurrency_exceeded(self.project.number, place)

    def _later(self, at: float, delay: float, effect: Effect) -> None:
        if self.project.placing:
            effect(at)
        else:
            self._scheduler.at(at + delay, effect)

    def _run(self, at: float, method: str, work: Work) -> None:
        if self.project.placing:
            self._operations.run_immediately(at, work)
        else:
            self._operations.start(at, method, work, None)

    # -- access without a request

    def place(self, collection: str, scope: str, body: Mapping[str, Any]) -> Json:
        """Insert a resource as part of the initial state: same validation and defaults, but effective immediately.

        `scope` is `global`, `regions/R` or `zones/Z`. Needs no event loop and is not counted. Raises ApiError.
        """
        self.project.check_scope(scope)
        call = Call(f"{collection}.insert", scope, "", self._clock.now(), {}, body)
        self.project.placing = True
        try:
            work = self._mutations[call.method](call)
            self._operations.run_immediately(call.now, work)
        finally:
            self.project.placing = False
        return self.project.inventory.get(work.target)

    def find(self, collection: str, scope: str, name: str) -> Json | None:
        """The current resource, or None. Callers must not modify it."""
        self._scheduler.catch_up()
        return self.project.inventory.find(Key(collection, scope, name))

    def look(self, method: str, scope: str, name: str = "", *, query: Mapping[str, str], project: str = "") -> Json:
        """The response of a get or list without side effects: not counted, not charged, without faults.

        Raises ApiError as the API does, and 404 for a method that is not a read.
        """
        call = Call(method, scope, name, self._scheduler.catch_up(), query, {}, project)
        self._check_place(call)
        if method not in self._reads:
            raise self._unserved(call)
        document: Json = select(self._reads[method](call), parse_fields(query))
        return document

    def write_serial(self, instance: Json, port: int, text: str) -> None:
        """The guest of a VM writes to one of its serial ports."""
        self.project.serial.setdefault((instance["id"], port), SerialOutput()).write(text)

    def power_off(self, zone: str, name: str) -> None:
        """The guest of a VM shuts down. Raises ApiError while another operation runs on the VM."""
        self._run_limits.power_off(self._scheduler.catch_up(), Key("instances", f"zones/{zone}", name))

    def statistics(self, caller: str = "") -> Json:
        """The counts of `Statistics.document` of callers whose User-Agent starts with `caller`."""
        return self._statistics.document(caller)

    def reset_statistics(self) -> None:
        """Reset all counts to zero."""
        self._statistics.reset()

    def snapshot(self) -> dict[str, dict[str, Json]]:
        """All current resources: collection -> `scope/name` -> resource."""
        self._scheduler.catch_up()
        return self.project.inventory.snapshot()

    def dump(self) -> Json:
        """The whole state. Raises ApiError 409 while operations run."""
        self._scheduler.catch_up()
        return dump(self.project)

    def load(self, state: Any) -> Json:
        """Replace the whole state and drop everything scheduled. Raises ApiError 400 for an invalid state.

        Returns the new state as `dump` does. Managed groups start to create missing VMs immediately.
        """
        now = self._scheduler.catch_up()
        checked = read(self.project, state)
        self._scheduler.clear()
        self._fault_effects.reset()
        self._loading = True
        try:
            load(self.project, now, checked)
        finally:
            self._loading = False
        loaded = dump(self.project)
        for group, _ in list(self.project.inventory.all("instanceGroupManagers")):
            self._managed.reconcile(now, group)
        return loaded

    def finish(self) -> None:
        """Complete all operations and scheduled changes immediately."""
        self._scheduler.finish()

    def reseed(self, seed: int) -> None:
        """Draw everything from another seed from now on."""
        chance = Chance(seed)
        self.project.chance = chance
        self.project.inventory.reseed(seed)
        self._operations.reseed(chance)
        if self._faults is not None:
            self._faults.reseed(seed)

    def begin_with(self, method: str, target: str, count: int, fault: Fault) -> None:
        """Apply a fault to the initial state: a reduced quota, ended VMs, changes of resources that match `target`.

        Raises ApiError if there is nothing to which it applies.
        """
        self.project.placing = True
        try:
            self._fault_effects.begin_with(self._clock.now(), method, target, count, fault)
        finally:
            self.project.placing = False

    def settle(self) -> None:
        """Bring the state to this instant."""
        self._scheduler.catch_up()

    def operations_running(self) -> int:
        """The number of operations that are not DONE."""
        self._scheduler.catch_up()
        return self._operations.running()

    async def close(self) -> None:
        """Drop everything scheduled and release waiting requests."""
        self._operations.release_watchers()
        await self._scheduler.close()


def _target(call: Call) -> str:
    """The name of the resource of a request, "" for lists."""
    return call.name or str(call.body.get("name", ""))


def _http(fault: HttpFault) -> ApiError:
    return ApiError(fault.status, fault.reason, fault.message)
