"""The commands of the control endpoint for the simulated Compute Engine: state, seed, clock and request journal.

GET  /dump      {"digest", "at", "state"}: the whole state; 409 while operations run
POST /load      load a document of /dump, or its state; answers {"digest"}
POST /reset     load the state at the start; answers {"digest"}
POST /finish    complete all running operations now
POST /seed      {"seed": 7}: the seed of all further random draws
GET  /clock     {"now", "origin", "speed", "fixedFor"}; `origin` as in `dualstack.clock.ScaledClock`
POST /clock     {"speed": 60}, {"step": 30}, or both: first the speed, then the step
GET  /requests?method=&caller=&limit=   the latest requests to Compute, oldest first
GET  /rules     every enforced rule, with source and tag
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dualstack.clock import Clock, ScaledClock
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.project.snapshot import digest
from dualstack_sim.rules import RULES
from dualstack_sim.steppable_clock import ClockFixed, SteppableClock
from dualstack_sim.world.control_answers import Refused, guarded, json_object

LARGEST_STATE = 256 * 1024 * 1024
PRODUCT = "dualstack/"
"""Prefix of the product's User-Agent. Its operator computes the time by a formula."""


class StateControl:
    """The handlers."""

    def __init__(self, clock: Clock, compute: Compute) -> None:
        self._clock = clock
        self._compute = compute
        self._initial: dict[str, Any] | None = None

    def remember_start(self, state: dict[str, Any]) -> None:
        """Set the state that `/reset` loads."""
        self._initial = state

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/dump", guarded(self.dump))
        router.add_post("/load", guarded(self.load))
        router.add_post("/reset", guarded(self.reset))
        router.add_post("/finish", guarded(self.finish))
        router.add_post("/seed", guarded(self.seed))
        router.add_get("/clock", guarded(self.clock))
        router.add_post("/clock", guarded(self.change_clock))
        router.add_get("/requests", guarded(self.requests))
        router.add_get("/rules", guarded(self.rules))

    async def dump(self, _: web.Request) -> Any:
        state = self._compute.dump()
        return {"digest": digest(state), "at": self._clock.now(), "state": state}

    async def load(self, request: web.Request) -> Any:
        body = await json_object(request)
        return {"digest": digest(self._compute.load(body.get("state", body)))}

    async def reset(self, _: web.Request) -> Any:
        if self._initial is None:
            raise Refused(409, "this world is still being built; wait until it is ready")
        state = self._compute.load(self._initial)
        self._compute.journal.clear()
        self._compute.reset_statistics()
        return {"digest": digest(state)}

    async def finish(self, _: web.Request) -> Any:
        self._compute.finish()
        return {"running": self._compute.operations_running()}

    async def seed(self, request: web.Request) -> Any:
        seed = (await json_object(request)).get("seed")
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise Refused(400, f"seed: must be a whole number, not {seed!r}")
        self._compute.reseed(seed)
        return {"seed": seed}

    async def clock(self, _: web.Request) -> Any:
        return self._time()

    async def change_clock(self, request: web.Request) -> Any:
        body = await json_object(request)
        clock = self._changeable()
        unknown = sorted(set(body) - {"speed", "step"})
        if unknown or not body:
            raise Refused(400, f"must contain speed, step or both, not {unknown}")
        for name, value in body.items():
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                raise Refused(400, f"{name}: must be a number, not {value!r}")
        try:
            if "speed" in body:
                clock.set_speed(float(body["speed"]))
            if "step" in body:
                clock.step(float(body["step"]))
        except ValueError as error:
            raise Refused(400, str(error)) from None
        except ClockFixed as error:
            raise Refused(409, str(error)) from None
        return self._time()

    async def requests(self, request: web.Request) -> Any:
        query = request.query
        limit = query.get("limit", "1000")
        if not (limit.isascii() and limit.isdigit()):
            raise Refused(400, f"limit: must be a whole number, not {limit!r}")
        journal = self._compute.journal
        entries = journal.entries(method=query.get("method", ""), caller=query.get("caller", ""), limit=int(limit[:9]))
        return {"total": journal.total, "requests": entries}

    async def rules(self, _: web.Request) -> Any:
        return [rule.as_json() for rule in RULES.values()]

    def _time(self) -> dict[str, Any]:
        clock = self._clock
        origin = clock.formula_origin if isinstance(clock, SteppableClock) else 0.0
        speed = clock.speed if isinstance(clock, SteppableClock | ScaledClock) else 1.0
        return {"now": clock.now(), "origin": origin, "speed": speed, "fixedFor": self._fixed_for()}

    def _fixed_for(self) -> str:
        if not isinstance(self._clock, SteppableClock):
            return "its clock has a fixed speed"
        if not self._clock.fixed_for and self._compute.statistics(PRODUCT)["calls"]:
            self._clock.fix("the operator of dualstack computes the time by the formula of this clock")
        return self._clock.fixed_for

    def _changeable(self) -> SteppableClock:
        reason = self._fixed_for()
        if reason or not isinstance(self._clock, SteppableClock):
            raise Refused(409, f"the time of this world cannot be changed: {reason}")
        return self._clock
