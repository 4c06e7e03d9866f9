"""The trials of the actuator: what each requests, what it leaves, and what it makes of a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.cutover.observation import RANGE_PROVEN
from dualstack.gce import Resource
from dualstack.gce.errors import ComputeRefusal, InUse, Invalid, QuotaExceeded
from dualstack.model.errors import Unsupported
from dualstack.plan.steps import AddRangeCanary, RemoveDrillRoutes, RemoveRangeCanary, RollbackDrill, Transition
from dualstack.plan.steps.headroom import HEADROOM_RANGE, ProveHeadroom, RemoveHeadroomTrial
from dualstack.plan.steps.repetition import RepeatAlias
from dualstack.plan.steps.subnet import RANGE_CANARY
from tests.support.memory_platform import NODES, pod_cidr
from tests.unit.cutover.clouds import NETWORK, SUBNET, ZONE, Parts, alias, instance, route

VM = f"{ZONE}/instances/worker-0"
NIC = f"{VM}/updateNetworkInterface"
DRILL = "global/routes/kubernetes-rollback-drill"
OTHER_ALIAS = {"ipCidrRange": "10.200.0.0/28", "subnetworkRangeName": "other"}
TRIAL_RANGE = {"rangeName": HEADROOM_RANGE, "ipCidrRange": "10.96.255.248/29"}
TRIAL_ALIAS = {"ipCidrRange": "10.96.255.248/32", "subnetworkRangeName": HEADROOM_RANGE}


async def perform(parts: Parts, step: Transition) -> None:
    actuator = parts.actuator()
    await actuator.observe()
    parts.compute.calls.clear()
    await actuator.perform(step)


@pytest.mark.parametrize(
    ("before", "repeated"), [([alias(0), OTHER_ALIAS], [alias(0), OTHER_ALIAS, alias(0)]), ([], None)]
)
async def test_a_repetition_appends_the_first_alias_to_those_that_are_there_now(
    before: list[dict[str, str]], repeated: list[dict[str, str]] | None
) -> None:
    parts = Parts()
    parts.compute.resources[VM] = instance("worker-0", *before)
    await perform(parts, RepeatAlias(NODES[:1]))
    assert [body["aliasIpRanges"] for body in parts.compute.bodies] == ([repeated] if repeated else [])
    assert parts.compute.calls[0] == f"GET {VM}"


@pytest.mark.parametrize("refusal", [Invalid("invalid", "twice"), InUse("resourceInUse", "twice")])
@pytest.mark.parametrize("in_operation", [False, True])
async def test_only_a_repetition_that_is_refused_at_once_stops_upstream(
    refusal: ComputeRefusal, in_operation: bool
) -> None:
    parts = Parts()
    parts.compute.resources[VM] = instance("worker-0", alias(0))
    refusal.in_operation = in_operation
    parts.compute.refusals[f"PATCH {NIC}"] = [refusal]
    if in_operation:
        await perform(parts, RepeatAlias(NODES[:1]))
    else:
        with pytest.raises(Unsupported, match="twice"):
            await perform(parts, RepeatAlias(NODES[:1]))


async def test_the_drill_creates_its_route_and_deletes_it() -> None:
    parts = Parts()
    await perform(parts, RollbackDrill())
    assert parts.compute.changes == ["POST global/routes", f"DELETE {DRILL}"]


async def test_the_route_that_a_drill_has_left_is_deleted() -> None:
    parts = Parts()
    left = {"name": DRILL.rpartition("/")[2], "description": "dualstack-rollback-drill"}
    parts.compute.resources[DRILL] = route("worker-0", 200) | left
    await perform(parts, RemoveDrillRoutes())
    assert parts.compute.changes == [f"DELETE {DRILL}"]


async def test_the_headroom_is_proven_with_a_route_a_range_and_an_alias_for_each_node() -> None:
    parts = Parts()
    await perform(parts, ProveHeadroom())
    made_route, made_range, added, *removed = (body for body in parts.compute.bodies if body)
    assert (made_route["network"], made_route["destRange"]) == (NETWORK, TRIAL_RANGE["ipCidrRange"])
    assert made_range["secondaryIpRanges"] == [TRIAL_RANGE]
    addresses = [f"10.96.255.{number}/32" for number in (248, 249, 250)]
    assert [each["ipCidrRange"] for each in added["aliasIpRanges"]] == addresses
    assert [each.get("aliasIpRanges", each.get("secondaryIpRanges")) for each in removed] == [[], []]
    assert not [path for path in parts.compute.resources if path == DRILL]


async def test_a_refused_headroom_leaves_neither_range_nor_alias() -> None:
    parts = Parts()
    parts.compute.refusals[f"PATCH {NIC}"] = [QuotaExceeded("quotaExceeded", "full")]
    with pytest.raises(QuotaExceeded):
        await perform(parts, ProveHeadroom())
    assert parts.compute.resources[SUBNET]["secondaryIpRanges"] == []
    assert [parts.aliases(name) for name in NODES] == [[], [], []]


@pytest.mark.parametrize("lacking", ["an unused block", "a running VM"])
async def test_without_room_or_a_running_vm_no_headroom_can_be_tried(lacking: str) -> None:
    parts = Parts()
    if lacking == "an unused block":
        parts.compute.resources["global/routes/all"] = route("worker-0", 0, destRange="10.96.0.0/16")
    else:
        for name in NODES:
            parts.compute.resources[f"{ZONE}/instances/{name}"]["status"] = "TERMINATED"
    await perform(parts, ProveHeadroom())
    assert "POST global/routes" not in parts.compute.changes
    assert not parts.compute.resources[SUBNET].get("secondaryIpRanges")


async def test_what_a_trial_of_the_headroom_has_left_is_removed() -> None:
    parts = Parts()
    parts.compute.resources[SUBNET]["secondaryIpRanges"] = [TRIAL_RANGE]
    parts.compute.resources[VM] = instance("worker-0", alias(0), TRIAL_ALIAS)
    await perform(parts, RemoveHeadroomTrial())
    assert parts.aliases("worker-0") == [alias(0)]
    assert parts.compute.resources[SUBNET]["secondaryIpRanges"] == []


@pytest.mark.parametrize(("proven", "noted"), [(True, True), (False, False)])
async def test_only_a_canary_range_that_has_proven_something_is_noted(proven: bool, noted: bool) -> None:
    parts = Parts()
    await perform(parts, AddRangeCanary(block=pod_cidr(0)))
    ranges: list[Resource] = parts.compute.resources[SUBNET]["secondaryIpRanges"]
    assert ranges == [{"rangeName": RANGE_CANARY, "ipCidrRange": pod_cidr(0)}]
    await perform(parts, RemoveRangeCanary(proven=proven))
    assert parts.compute.resources[SUBNET]["secondaryIpRanges"] == []
    notes: dict[str, Any] = {RANGE_PROVEN: "true"} if noted else {}
    assert parts.platform.kept == notes
