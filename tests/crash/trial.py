"""One trial: the Infrastructure migration of three nodes, killed at one call, restarted and judged."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.names import DECOYS
from tests.crash.operators import Operator, Spawner
from tests.crash.tripwire import Point, Tripwire
from tests.sim.infrastructure.end_state import assert_end_state, assert_no_decoys
from tests.sim.infrastructure.scene import Scene, scene
from tests.support.probing import probing

TIMEOUT = 24 * 3600.0
"""Simulated seconds after which a migration counts as stuck: more than a minute of wall time."""

INTERVAL = 20.0
"""Simulated seconds between two reads of the Infrastructure."""

WELL = ("ok", "not reached")
"""The good outcomes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one trial. `outcome`: `ok`, `not reached` when there were fewer calls, or what is wrong."""

    point: Point | None
    call: str
    outcome: str
    blackout: float
    seconds: float
    """Simulated, from the trigger to the end."""
    calls: tuple[str, ...]

    @property
    def good(self) -> bool:
        return self.outcome in WELL and self.blackout == 0.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run. `speed`: simulated seconds in one second of wall time."""

    speed: float
    strategy: str
    decoys: bool = True
    command: str = "prepare"
    """For `tests.crash.commands`: `prepare`, `undo` or `finish`."""

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations of the Shoot."""
        return {} if self.decoys else {DECOYS: "false"}


class Ended(Protocol):
    """The process of a trial. Its files are in `folder`."""

    folder: Path
    log: Path


async def trial(spawner: Spawner, point: Point | None, options: RunOptions) -> Verdict:
    """Run one migration; with `point` the operator is killed there once."""
    wire = Tripwire(point)
    folder = Path(tempfile.mkdtemp(prefix="dualstack-crash-"))
    async with scene(speed=options.speed, dress=wire.install) as made, probing(made):
        operator = Operator(
            spawner,
            made.scaled_clock,
            folder,
            kubernetes=made.kubernetes_url,
            compute=made.compute_url,
            strategy=options.strategy,
        )
        wire.kill = operator.kill
        began = made.clock.now()
        _trigger(made, options.annotations)
        await operator.start()
        try:
            outcome = await _ended(made, began + TIMEOUT)
        finally:
            await operator.close()
        return judged(wire, operator, outcome, made.lost(), made.clock.now() - began)


def judged(wire: Tripwire, operator: Ended, outcome: str, blackout: float, seconds: float) -> Verdict:
    """The verdict. The operator's files are kept only when something is wrong."""
    if outcome == "ok" and wire.point is not None and not wire.hit:
        outcome = "not reached"
    if outcome in WELL:
        shutil.rmtree(operator.folder)
    else:
        outcome = f"{outcome}; log: {operator.log}"
    return Verdict(wire.point, wire.hit, outcome, blackout, seconds, tuple(wire.calls))


def _trigger(made: Scene, annotations: dict[str, str]) -> None:
    """Write what the shoot controller writes before the Infrastructure controller takes over.

    The Shoot itself stays as it is, because this scene has no machines and kubelets to migrate.
    """
    shoot = made.store.get(gardener_kinds.SHOOT, made.shoot, made.world.shoot["metadata"]["namespace"])
    assert shoot is not None
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4", "IPv6"]
    shoot["metadata"]["annotations"] = (shoot["metadata"].get("annotations") or {}) | annotations
    made.store.patch(gardener_kinds.CLUSTER, made.namespace, {"spec": {"shoot": shoot}})
    made.request()


async def _ended(made: Scene, deadline: float) -> str:
    """`ok` when the migration ends as it should, else what is wrong."""
    while not _succeeded(made):
        if made.clock.now() > deadline:
            operation = made.infrastructure()["status"].get("lastOperation")
            return f"stuck: {operation}"
        await made.clock.sleep(INTERVAL)
    try:
        await assert_end_state(made)
        await assert_no_decoys(made)
    except AssertionError as error:
        return f"wrong end: {' '.join(str(error).split())[:200]}"
    return "ok"


def _succeeded(made: Scene) -> bool:
    infrastructure = made.infrastructure()
    status = infrastructure["status"]
    asked = gardener_names.OPERATION in (infrastructure["metadata"].get("annotations") or {})
    dual = len((status.get("networking") or {}).get("nodes") or ()) == 2
    return dual and not asked and status["lastOperation"]["state"] == "Succeeded"
