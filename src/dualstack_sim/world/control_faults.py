"""The part of the control endpoint that declares faults while the world runs.

GET    /faults    {"fired", "neverMatched"}: faults so far, and the rules in force that matched no request
POST   /faults    a fault document as JSON: these rules instead of those in force; answers {"rules": how many}
DELETE /faults    no rules any more; what has fired stays on record
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dualstack_sim.faults import FaultPlan, parse_faults
from dualstack_sim.world.control_answers import guarded, json_object


class FaultControl:
    """The handlers."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/faults", guarded(self.account))
        router.add_post("/faults", guarded(self.declare))
        router.add_delete("/faults", guarded(self.clear))

    async def account(self, _: web.Request) -> Any:
        return self._plan.as_json()

    async def declare(self, request: web.Request) -> Any:
        rules = parse_faults(await json_object(request))
        self._plan.declare(rules)
        return {"rules": len(rules)}

    async def clear(self, _: web.Request) -> Any:
        self._plan.declare(())
        return {"rules": 0}
