"""What each step requests of Compute: nothing that is there already, and nothing that is of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from dualstack.cutover.interface import DirectionChanged
from dualstack.gce import Resource
from dualstack.gce.errors import (
    AlreadyExists,
    ComputeRefusal,
    Invalid,
    NotFound,
    QuotaExceeded,
    StaleFingerprint,
    Transient,
)
from dualstack.model.errors import GateFailed
from dualstack.plan.facts import SavedRoute
from dualstack.plan.gates import READY
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    ClearOverlapFlag,
    ClearSavedRoutes,
    DeleteRoutes,
    RemoveAliases,
    RemoveSecondaryRange,
    RestoreRoutes,
    SaveRoutes,
    SetOverlapFlag,
    SetStackType,
    Transition,
)
from tests.support.memory_platform import CLUSTER, NODES, node, pod_cidr
from tests.unit.cutover.clouds import NETWORK, RANGE, SUBNET, ZONE, Cloud, Parts, alias, at_rest, instance
from tests.unit.cutover.fake_cluster import FakeClock

VM = f"{ZONE}/instances/worker-0"
NIC = f"{VM}/updateNetworkInterface"
STALE = StaleFingerprint("conditionNotMet", "stale")
PODS = {"rangeName": RANGE, "ipCidrRange": CLUSTER.pods}
OTHER_RANGE = {"rangeName": "other", "ipCidrRange": "10.200.0.0/16"}
OTHER_ALIAS = {"ipCidrRange": "10.200.0.0/28", "subnetworkRangeName": "other"}
PRIMARY_ALIAS = {"ipCidrRange": "10.0.7.0/28"}
FIRST = NODES[:1]
VMS = tuple(f"{ZONE}/instances/{name}" for name in NODES)
ROUTES = tuple(f"global/routes/kubernetes-uid-{name}" for name in NODES)


async def performed(parts: Parts, step: Transition) -> list[dict[str, Any]]:
    """The bodies of the changes after one observation."""
    actuator = parts.actuator()
    await actuator.observe()
    await actuator.perform(step)
    return parts.compute.bodies


@pytest.mark.parametrize(
    ("before", "step", "body"),
    [
        ({}, SetOverlapFlag(), {"allowSubnetCidrRoutesOverlap": True}),
        ({"allowSubnetCidrRoutesOverlap": True}, SetOverlapFlag(), None),
        ({"allowSubnetCidrRoutesOverlap": True}, ClearOverlapFlag(), {"allowSubnetCidrRoutesOverlap": False}),
        ({}, ClearOverlapFlag(), None),
        ({}, AddSecondaryRange(), {"secondaryIpRanges": [PODS]}),
        ({"secondaryIpRanges": [OTHER_RANGE]}, AddSecondaryRange(), {"secondaryIpRanges": [OTHER_RANGE, PODS]}),
        ({"secondaryIpRanges": [{**PODS, "reservedInternalRange": "x"}]}, AddSecondaryRange(), None),
        (
            {"secondaryIpRanges": [OTHER_RANGE, PODS]},
            RemoveSecondaryRange(),
            {"secondaryIpRanges": [OTHER_RANGE]},
        ),
        ({"secondaryIpRanges": [OTHER_RANGE]}, RemoveSecondaryRange(), None),
        ({"stackType": "IPV4_ONLY"}, SetStackType(), {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}),
        ({"stackType": "IPV4_IPV6"}, SetStackType(), None),
    ],
)
async def test_the_subnet_is_patched_only_where_it_differs(
    before: Resource, step: Transition, body: dict[str, Any] | None
) -> None:
    parts = Parts()
    parts.compute.resources[SUBNET].update(before)
    assert await performed(parts, step) == ([body | {"fingerprint": "of-subnet"}] if body else [])


async def test_the_observation_saves_the_first_read_of_the_subnet_only() -> None:
    """What this step changes in the subnet, the next one reads."""
    parts = Parts()
    actuator = parts.actuator()
    await actuator.observe()
    parts.compute.calls.clear()
    await actuator.perform(SetOverlapFlag())
    assert parts.compute.calls == [f"PATCH {SUBNET}"]
    await actuator.perform(AddSecondaryRange())
    assert parts.compute.calls[1:] == [f"GET {SUBNET}", f"PATCH {SUBNET}"]


async def test_a_subnet_that_changed_since_it_was_observed_is_read_again() -> None:
    parts = Parts()
    parts.compute.refusals[f"PATCH {SUBNET}"] = [STALE]
    actuator = parts.actuator()
    await actuator.observe()
    parts.compute.resources[SUBNET]["secondaryIpRanges"] = [OTHER_RANGE]
    await actuator.perform(AddSecondaryRange())
    assert parts.compute.bodies[-1]["secondaryIpRanges"] == [OTHER_RANGE, PODS]


@pytest.mark.parametrize(("step", "reads"), [(SaveRoutes(), 0), (SetOverlapFlag(), 3)])
async def test_after_a_step_without_compute_only_the_platform_is_read_again(step: Transition, reads: int) -> None:
    parts = Parts()
    actuator = parts.actuator()
    before = await actuator.observe()
    await actuator.perform(step)
    parts.compute.calls.clear()
    after = await actuator.observe()
    assert len(parts.compute.calls) == reads
    assert (len(after.saved_routes) > len(before.saved_routes)) == (reads == 0)
    parts.compute.calls.clear()
    await actuator.observe()
    assert len(parts.compute.calls) == 3


@pytest.mark.parametrize(
    ("before", "step", "after"),
    [
        ([], AddAliases(FIRST), [alias(0)]),
        ([OTHER_ALIAS, PRIMARY_ALIAS], AddAliases(FIRST), [alias(0), OTHER_ALIAS, PRIMARY_ALIAS]),
        ([OTHER_ALIAS, alias(0)], AddAliases(FIRST), [alias(0), OTHER_ALIAS]),
        ([alias(0), OTHER_ALIAS], AddAliases(FIRST), None),
        ([alias(0), OTHER_ALIAS], RemoveAliases(FIRST), [OTHER_ALIAS]),
        ([OTHER_ALIAS], RemoveAliases(FIRST), None),
        ([], RemoveAliases(FIRST), None),
    ],
)
async def test_aliases_of_others_stay_behind_ours(
    before: list[dict[str, str]], step: Transition, after: list[dict[str, str]] | None
) -> None:
    parts = Parts()
    parts.compute.resources[VM] = instance("worker-0", *before)
    bodies = await performed(parts, step)
    assert bodies == ([{"aliasIpRanges": after, "fingerprint": "of-worker-0"}] if after is not None else [])
    # The observation has the interface already.
    assert parts.compute.calls.count(f"GET {VM}") == 0


async def test_a_node_without_pod_cidr_gets_no_alias() -> None:
    parts = Parts()
    parts.platform.nodes["worker-0"] = {**node(0), "spec": {}}
    del parts.compute.resources["global/routes/kubernetes-uid-worker-0"]
    assert await performed(parts, AddAliases(("worker-0", "unknown"))) == []


@pytest.mark.parametrize(("refusals", "succeeds"), [(1, True), (4, True), (5, False)])
async def test_a_stale_fingerprint_is_read_again_four_times(refusals: int, succeeds: bool) -> None:
    parts = Parts()
    parts.compute.refusals[f"PATCH {NIC}"] = [STALE] * refusals
    if succeeds:
        await performed(parts, AddAliases(FIRST))
        assert parts.aliases("worker-0") == [alias(0)]
    else:
        with pytest.raises(StaleFingerprint):
            await performed(parts, AddAliases(FIRST))
    attempts = min(refusals + 1, 5)
    assert parts.compute.calls.count(f"PATCH {NIC}") == attempts
    assert parts.compute.calls.count(f"GET {VM}") == attempts - 1
    assert parts.clock.slept == [1.0] * (attempts - 1)


async def test_a_vm_that_is_gone_is_skipped_and_any_other_missing_resource_is_an_error() -> None:
    for missing in (True, False):
        parts = Parts()
        actuator = parts.actuator()
        await actuator.observe()
        parts.compute.refusals[f"PATCH {NIC}"] = [NotFound("notFound", "gone")]
        if missing:
            del parts.compute.resources[VM]
            await actuator.perform(AddAliases(NODES))
            assert parts.aliases("worker-1") == [alias(1)]
        else:
            with pytest.raises(NotFound):
                await actuator.perform(AddAliases(NODES))


async def test_all_targets_are_tried_side_by_side_before_the_first_error_is_raised() -> None:
    parts = Parts()
    parts.compute.refusals = {
        f"PATCH {NIC}": [Invalid("invalid", "first")],
        f"PATCH {ZONE}/instances/worker-1/updateNetworkInterface": [Invalid("invalid", "second")],
    }
    with pytest.raises(Invalid, match="first"):
        await performed(parts, AddAliases(NODES))
    assert parts.aliases("worker-2") == [alias(2)]
    assert parts.compute.most == len(NODES)


async def test_only_routes_that_were_observed_as_the_clusters_are_deleted() -> None:
    parts = Parts()
    foreign = parts.compute.resources["global/routes/kubernetes-uid-worker-1"]
    foreign["description"] = "by hand"
    await performed(parts, DeleteRoutes(tuple(f"kubernetes-uid-{name}" for name in NODES)))
    assert [path for path in parts.compute.resources if path.startswith("global/routes/")] == [
        "global/routes/kubernetes-uid-worker-1"
    ]


async def test_a_route_is_restored_as_the_controller_creates_it() -> None:
    parts = Parts()
    del parts.compute.resources["global/routes/kubernetes-uid-worker-0"]
    assert await performed(parts, RestoreRoutes((*NODES, "unknown"))) == [
        {
            "name": "kubernetes-uid-worker-0",
            "description": "k8s-node-route",
            "network": NETWORK,
            "destRange": pod_cidr(0),
            "nextHopInstance": CLUSTER.instance("europe-west1-b", "worker-0"),
            "priority": 1000,
        }
    ]


async def test_a_route_that_appears_meanwhile_is_no_error_and_a_quota_is() -> None:
    for refusal in (AlreadyExists("alreadyExists", "there"), QuotaExceeded("quotaExceeded", "full")):
        parts = Parts()
        del parts.compute.resources["global/routes/kubernetes-uid-worker-0"]
        parts.compute.refusals["POST global/routes"] = [refusal]
        if isinstance(refusal, AlreadyExists):
            await performed(parts, RestoreRoutes(FIRST))
        else:
            with pytest.raises(QuotaExceeded):
                await performed(parts, RestoreRoutes(FIRST))


async def test_a_vm_whose_node_is_gone_gets_back_its_saved_route() -> None:
    parts = Parts()
    parts.platform.saved = (SavedRoute("worker-0", pod_cidr(0), "europe-west1-b"),)
    del parts.compute.resources["global/routes/kubernetes-uid-worker-0"]
    parts.platform.nodes["worker-0"] = None
    (body,) = await performed(parts, RestoreRoutes(FIRST))
    assert body["name"] == "kubernetes-af1ecb20-d00c-58a7-931c-da8e127bb272"  # UUID version 5 of the VM's name


async def test_a_change_of_direction_is_seen_at_each_observation_and_before_routes_are_deleted() -> None:
    parts, reasons = Parts(), list[str | None]([None, None, "the owner requests a rollback"])

    async def redirection() -> str | None:
        return reasons.pop(0)

    actuator = parts.actuator(redirection)
    await actuator.observe()
    await actuator.perform(DeleteRoutes(("kubernetes-uid-worker-0",)))
    assert len(parts.compute.changes) == 1
    reasons.append("again")
    with pytest.raises(DirectionChanged, match="requests a rollback"):
        await actuator.perform(DeleteRoutes(("kubernetes-uid-worker-1",)))
    with pytest.raises(DirectionChanged, match="again"):
        await actuator.observe()
    assert len(parts.compute.changes) == 1


async def test_saved_routes_are_forgotten_only_once_they_are_not_needed() -> None:
    parts = Parts()
    entries = [SavedRoute(name, pod_cidr(number), "europe-west1-b") for number, name in enumerate(NODES)]
    gone = SavedRoute("worker-9", pod_cidr(9), "europe-west1-b")
    parts.platform.saved = (*entries, gone)
    parts.compute.resources[SUBNET]["secondaryIpRanges"] = [PODS]
    with pytest.raises(GateFailed, match="3 routes of the cluster still exist"):
        await performed(parts, ClearSavedRoutes())
    for name in NODES:
        del parts.compute.resources[f"global/routes/kubernetes-uid-{name}"]
    parts.compute.resources[VM] = instance("worker-0", alias(0))
    await performed(parts, ClearSavedRoutes())
    assert parts.platform.saved == tuple(entries[1:])


async def test_on_the_way_back_saved_routes_are_forgotten_while_the_routes_exist() -> None:
    parts = Parts()
    parts.platform.saved = (SavedRoute("worker-9", pod_cidr(9), "europe-west1-b"),)
    await performed(parts, ClearSavedRoutes())
    assert not parts.platform.saved


async def test_nothing_is_done_before_the_first_observation() -> None:
    for step in (AddAliases(FIRST), DeleteRoutes(("kubernetes-uid-worker-0",))):
        parts = Parts()
        with pytest.raises(GateFailed, match="nothing has been observed yet"):
            await parts.actuator().perform(step)
        assert parts.compute.calls == []


async def test_a_step_that_it_does_not_know_is_refused() -> None:
    parts = Parts()
    with pytest.raises(GateFailed, match="step gate-ready is not implemented by CloudActuator"):
        await performed(parts, READY)
    assert parts.compute.changes == []


class OneAfterAnother(Cloud):
    """Each change takes 10 s after the one before, also one that is refused."""

    clock: FakeClock

    async def _change(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        try:
            await super()._change(method, path, body)
        finally:
            self.clock.time += 10.0


def slow_parts(*, alias_of: Iterable[int] = (), route_of: Iterable[int] = range(3)) -> Parts:
    """The cluster with these aliases and routes, on a Compute Engine that takes its time."""
    compute = OneAfterAnother(at_rest().resources)
    for number, name in enumerate(NODES):
        if number in alias_of:
            compute.resources[f"{ZONE}/instances/{name}"] = instance(name, alias(number))
        if number not in route_of:
            del compute.resources[ROUTES[number]]
    parts = Parts(compute)
    compute.clock = parts.clock
    return parts


def gone(parts: Parts, path: str) -> None:
    del parts.compute.resources[path]


def made(parts: Parts, path: str) -> None:
    parts.compute.resources[path] = {}


@pytest.mark.parametrize(
    ("start", "step", "meanwhile", "paths"),
    [
        ({}, AddAliases(NODES), gone, VMS),
        ({"alias_of": range(3)}, RemoveAliases(NODES), gone, VMS),
        ({}, DeleteRoutes(tuple(path.rpartition("/")[2] for path in ROUTES)), gone, ROUTES),
        ({"route_of": ()}, RestoreRoutes(NODES), made, ROUTES),
    ],
    ids=["add-aliases", "remove-aliases", "delete-routes", "restore-routes"],
)
@pytest.mark.parametrize(
    ("without_effect", "first", "last"), [((), 10, 30), ((0,), 20, 30), ((2,), 10, 20), ((0, 2), 20, 20)]
)
async def test_p09_what_a_step_finds_done_or_gone_is_no_change(
    start: dict[str, Iterable[int]],
    step: Transition,
    meanwhile: Callable[[Parts, str], None],
    paths: Sequence[str],
    without_effect: Iterable[int],
    first: float,
    last: float,
) -> None:
    """Seed 7011: the VM of a node was being deleted, and 56 s were measured of an outage of 30 s."""
    parts = slow_parts(**start)
    actuator, began = parts.actuator(), parts.clock.now()
    await actuator.observe()
    for number in without_effect:
        meanwhile(parts, paths[number])
    await actuator.perform(step)
    assert parts.clock.now() == began + 30.0
    assert actuator.changed() == (began + first, began + last)


async def test_p09_a_step_that_changes_nothing_has_no_change() -> None:
    parts = slow_parts()
    actuator = parts.actuator()
    await actuator.observe()
    await actuator.perform(SetOverlapFlag())
    assert actuator.changed() is not None
    for step in (SetOverlapFlag(), SaveRoutes(), AddAliases(("unknown",))):
        await actuator.observe()
        await actuator.perform(step)
        assert actuator.changed() is None


@pytest.mark.parametrize(
    ("refusal", "in_operation", "known"),
    [(Transient("noAnswer", "cut"), False, True), (Transient("internalError", ""), True, False), (STALE, False, False)],
)
async def test_p09_a_request_without_an_answer_may_have_changed_something(
    refusal: ComputeRefusal, in_operation: bool, known: bool
) -> None:
    parts = slow_parts()
    refusal.in_operation = in_operation
    parts.compute.refusals[f"DELETE {ROUTES[0]}"] = [refusal]
    actuator = parts.actuator()
    await actuator.observe()
    with pytest.raises(type(refusal)):
        await actuator.perform(DeleteRoutes((ROUTES[0].rpartition("/")[2],)))
    assert (actuator.changed() is not None) == known


@pytest.mark.parametrize("there", [True, False])
async def test_p25_a_route_to_a_vm_that_is_gone_is_not_needed(there: bool) -> None:
    parts = slow_parts(route_of=(1, 2))
    actuator = parts.actuator()
    await actuator.observe()
    parts.compute.refusals["POST global/routes"] = [Invalid("invalid", "the instance was not found")]
    if there:
        with pytest.raises(Invalid):
            await actuator.perform(RestoreRoutes(FIRST))
    else:
        gone(parts, VM)
        await actuator.perform(RestoreRoutes(FIRST))
    assert actuator.changed() is None
