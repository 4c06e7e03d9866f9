"""When the actuator tries again, how long it counts on what it has read, and what stops a gate."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from dualstack.gce.errors import Invalid, Transient
from dualstack.model.errors import GateFailed
from dualstack.plan.gates import READY, problems
from dualstack.plan.steps import AddAliases, SaveRoutes, SetOverlapFlag
from tests.support.memory_platform import NODES
from tests.unit.cutover.clouds import SUBNET, ZONE, Cloud, Parts, alias, at_rest

NIC = f"{ZONE}/instances/worker-0/updateNetworkInterface"


@pytest.mark.parametrize("refusals", [15, 16])
async def test_a_node_that_may_be_unreachable_is_tried_again_each_second_for_fifteen_seconds(refusals: int) -> None:
    parts = Parts()
    parts.compute.refusals[f"PATCH {NIC}"] = [Transient("internalError", "later")] * refusals
    actuator = parts.actuator()
    await actuator.observe()
    if refusals <= 15:
        await actuator.perform(AddAliases(NODES[:1]))
        assert parts.aliases("worker-0") == [alias(0)]
    else:
        with pytest.raises(Transient):
            await actuator.perform(AddAliases(NODES[:1]))
    assert parts.clock.slept == [1.0] * 15


@pytest.mark.parametrize(("age", "reads"), [(5.0, 0), (5.1, 3)])
async def test_what_was_read_of_compute_counts_as_current_for_a_while(age: float, reads: int) -> None:
    parts = Parts()
    actuator = parts.actuator()
    await actuator.observe()
    await actuator.perform(SaveRoutes())
    await parts.clock.sleep(age)
    parts.compute.calls.clear()
    await actuator.observe()
    assert len(parts.compute.calls) == reads


async def test_measured_traffic_that_was_interrupted_fails_a_gate_at_once() -> None:
    parts, losses = Parts(), list[str | None]([None, "two connections broke"])

    async def watch() -> str | None:
        return losses.pop(0)

    actuator = parts.actuator(watch=watch)
    facts = await actuator.observe()
    assert await actuator.check(READY, facts) == problems(READY, facts)
    with pytest.raises(GateFailed, match="two connections broke"):
        await actuator.check(READY, facts)


class Held(Cloud):
    """Each change waits until it is let go."""

    def __init__(self) -> None:
        super().__init__(at_rest().resources)
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def _change(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        self.begun.set()
        await self.go.wait()
        await super()._change(method, path, body)


@pytest.mark.parametrize(
    ("stopping", "refused", "flag"), [(True, False, True), (True, True, False), (False, False, False)]
)
async def test_a_step_that_is_cancelled_is_finished_only_by_a_process_that_stops(
    stopping: bool, refused: bool, flag: bool
) -> None:
    compute = Held()
    compute.refusals[f"PATCH {SUBNET}"] = [Invalid("invalid", "no")] * refused
    actuator = Parts(compute).actuator(stopping=lambda: stopping)
    await actuator.observe()
    performing = asyncio.ensure_future(actuator.perform(SetOverlapFlag()))
    await compute.begun.wait()
    performing.cancel()
    if stopping:
        asyncio.get_running_loop().call_later(0.01, compute.go.set)
    with pytest.raises(asyncio.CancelledError):
        await performing
    assert compute.resources[SUBNET]["allowSubnetCidrRoutesOverlap"] is flag


class Urgent(Cloud):
    """Counts how often its requests are urgent."""

    urged = 0

    def urgent(self) -> AbstractContextManager[None]:
        self.urged += 1
        return super().urgent()


@pytest.mark.parametrize("unreachable", [True, False])
async def test_requests_are_urgent_while_a_node_is_unreachable(unreachable: bool) -> None:
    compute = Urgent(at_rest().resources)
    if unreachable:
        del compute.resources["global/routes/kubernetes-uid-worker-0"]
    actuator = Parts(compute).actuator()
    await actuator.observe()
    await actuator.perform(AddAliases(NODES[:1]))
    assert compute.urged == unreachable
