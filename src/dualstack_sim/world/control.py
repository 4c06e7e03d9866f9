"""The control endpoint of a simulated world, with facts that no cloud reports.

POST   /trigger              start to account traffic and Compute calls; answers {"at": epoch seconds}
GET    /traffic              pairs, blackout, broken pairs; `?summary`: without the figures that need work per pair
GET    /compute/v1/projects/ as the same path of the Compute API, without accounting, quotas and faults
GET    /compute/statistics   calls since the trigger; `?caller=` filters by prefix of the User-Agent
GET    /probe?from=&to=      where a packet from a host, or from an internet address, to an address is delivered now
GET    /load-balancer?address=&port=&protocol=&from=
                             whether new connections to the address of a load balancer arrive at a VM now
POST   /guest-agent          {"host": NAME}: delete the local routes for alias ranges on a VM, as its owner could
GET    /advertisements       ranges that Cloud Routers started or stopped advertising
GET    /assumptions          inferred facts on which the verdict rests
GET    /faults               {"fired", "rules", "neverMatched"}: faults so far, the active rules with their counts, and
                             those that matched no request
POST   /faults               a fault document as JSON, which replaces the active rules; answers {"rules": number}
DELETE /faults               remove all rules; fired faults stay on record

`control_state` adds the commands for the simulated Compute Engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from dualstack.clock import Clock
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import not_found
from dualstack_sim.compute.api.paths import locate
from dualstack_sim.fabric import Fabric
from dualstack_sim.faults import FaultPlan, parse_faults, refuse_impossible
from dualstack_sim.rules import RULES
from dualstack_sim.rules.profiles import knob_of
from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.control_answers import answer, guarded, json_object, json_refusals
from dualstack_sim.world.control_data_path import DataPathControl
from dualstack_sim.world.control_state import LARGEST_STATE, StateControl

STATE = web.AppKey("state", StateControl)
"""Key of the `StateControl` in the application."""


def create_control(clock: Clock, fabric: Fabric, compute: Compute, faults: FaultPlan) -> web.Application:
    """The application of the control endpoint."""

    async def trigger(_: web.Request) -> web.Response:
        at = clock.now()
        if isinstance(clock, SteppableClock):
            clock.fix("a rehearsal is running, and its operator derives the time from the speed of this clock")
        fabric.traffic.mark(at)
        compute.reset_statistics()
        RULES.restart()
        return answer({"at": at})

    async def traffic(request: web.Request) -> web.Response:
        if "summary" in request.query:
            return answer(_camel(fabric.traffic.summary(clock.now())))
        return answer(_camel(fabric.traffic.report(clock.now()).as_json()))

    async def statistics(request: web.Request) -> web.Response:
        return answer(compute.statistics(request.query.get("caller", "")))

    async def look(request: web.Request) -> Any:
        address = locate("GET", request.rel_url.raw_path)
        if address.project != compute.project.name:
            raise not_found(f"projects/{address.project}")
        return compute.look(address.method, address.scope, address.name, query=request.query, project=address.project)

    async def assumptions(_: web.Request) -> web.Response:
        return answer([*fabric.assumptions(), *inferred_rules(fabric.measured)])

    application = web.Application(client_max_size=LARGEST_STATE, middlewares=[json_refusals])
    application[STATE] = StateControl(clock, compute)
    application[STATE].add_routes(application.router)
    application.router.add_post("/trigger", trigger)
    application.router.add_get("/traffic", traffic)
    application.router.add_get("/compute/statistics", statistics)
    application.router.add_get("/compute/v1/projects/{path:.*}", guarded(look))
    application.router.add_get("/assumptions", assumptions)
    DataPathControl(clock, fabric, compute).add_routes(application.router)
    FaultControl(faults, compute.methods).add_routes(application.router)
    return application


def inferred_rules(measured: Mapping[str, str]) -> list[str]:
    """The inferred rules of the Compute API that were applied; those of the fabric are in its own assumptions.

    measured: when and where a trial has measured a knob, by its name.
    """
    return [
        f"{rule.statement} (rule {rule.id}; {rule.source}; {measured.get(knob_of(rule), 'inferred')})"
        for rule in RULES.exercised()
        if rule.tag == "inferred" and rule.area != "forwarding"
    ]


def _camel(value: Any) -> Any:
    """Keys in the style of Kubernetes and Compute: `brokenPairs`, not `broken_pairs`."""
    if isinstance(value, dict):
        return {_camel_word(key): _camel(entry) for key, entry in value.items()}
    return [_camel(entry) for entry in value] if isinstance(value, list) else value


def _camel_word(word: str) -> str:
    first, *rest = word.split("_")
    return first + "".join(part.capitalize() for part in rest)


class FaultControl:
    """The handlers of /faults."""

    def __init__(self, plan: FaultPlan, methods: frozenset[str]) -> None:
        self._plan = plan
        self._methods = methods

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/faults", guarded(self.account))
        router.add_post("/faults", guarded(self.declare))
        router.add_delete("/faults", guarded(self.clear))

    async def account(self, _: web.Request) -> Any:
        return self._plan.as_json()

    async def declare(self, request: web.Request) -> Any:
        rules = parse_faults(await json_object(request))
        refuse_impossible(rules, self._methods)
        self._plan.declare(rules)
        return {"rules": len(rules)}

    async def clear(self, _: web.Request) -> Any:
        self._plan.declare(())
        return {"rules": 0}
