"""How a cut-over comes to rest: after a refusal, after a cancellation, and at a stage on the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from dualstack.cutover.cut_over import CutOver
from dualstack.cutover.observation import DISPROVED
from dualstack.gce.errors import Invalid, Transient
from dualstack.model.errors import DualstackError, GateFailed
from dualstack.model.events import OutageExpected
from dualstack.plan.stages import Stage
from dualstack.plan.steps import SaveRoutes
from dualstack.plan.steps.subnet import RANGE_CANARY
from dualstack.plan.strategies import choose
from tests.support.memory_platform import CLUSTER, NODES, MemoryPlatform
from tests.unit.cutover.clouds import SUBNET, ZONE, Cloud, Parts, alias, at_rest, route

OVERLAP, COMPRESSED = choose("overlap"), choose("compressed")
ROUTES = [f"global/routes/kubernetes-uid-{name}" for name in NODES]
POD_RANGE = dict(CLUSTER.pod_range)
Refuses = Callable[[str, str, Mapping[str, Any]], bool]
Serve = Callable[[CutOver], Awaitable[None]]


class Strict(Cloud):
    """Refuses changes for good."""

    def __init__(self, refuses: Refuses) -> None:
        super().__init__(at_rest().resources)
        self._refuses = refuses

    async def _change(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        await super()._change(method, path, body)
        if self._refuses(method, path, body):
            raise Invalid("invalid", f"{method} is denied")


def interface(name: str) -> str:
    return f"{ZONE}/instances/{name}/updateNetworkInterface"


def no_aliases(method: str, path: str, body: Mapping[str, Any]) -> bool:
    return bool(body.get("aliasIpRanges"))


def no_range(method: str, path: str, body: Mapping[str, Any]) -> bool:
    return POD_RANGE in body.get("secondaryIpRanges", ())


def neither_aliases_nor_removal(method: str, path: str, body: Mapping[str, Any]) -> bool:
    """The canary range may be removed, which leaves no other."""
    return no_aliases(method, path, body) or body.get("allowSubnetCidrRoutesOverlap") is False


def neither_range_nor_routes(method: str, path: str, body: Mapping[str, Any]) -> bool:
    return no_range(method, path, body) or body.get("description") == "k8s-node-route"


def has_range(parts: Parts) -> bool:
    return POD_RANGE in parts.compute.resources[SUBNET].get("secondaryIpRanges", ())


def announced(parts: Parts) -> int:
    return sum(isinstance(event, OutageExpected) for event in parts.events)


@pytest.mark.parametrize(
    ("refuses", "strategy", "words", "calls"),
    [
        (no_aliases, OVERLAP, "rolled back to routes only", ["stop", "restore"]),
        (no_range, OVERLAP, "rolled back to routes only", ["stop", "restore"]),
        (no_range, COMPRESSED, "every node is served again by its route or alias", ["stop", "restore"]),
        (
            neither_aliases_nor_removal,
            OVERLAP,
            "the rollback failed and the cluster stays in its present state: invalid: PATCH is denied",
            ["stop", "restore"],
        ),
        (
            neither_range_nor_routes,
            COMPRESSED,
            (
                "the pods of 3 nodes, among them worker-0, stay unreachable: the cloud refused every way to "
                "restore them; the rollback failed and the cluster stays in its present state: invalid: POST is denied"
            ),
            ["stop"],
        ),
    ],
)
async def test_a_refusal_says_in_which_state_the_cluster_is_left(
    refuses: Refuses, strategy: Any, words: str, calls: list[str]
) -> None:
    parts = Parts(Strict(refuses))
    with pytest.raises(Invalid, match="is denied") as refused:
        await parts.cut_over().forward(strategy)
    assert str(refused.value).partition("; ")[2].endswith(words)
    assert parts.platform.calls == calls
    assert announced(parts) == 1


async def test_what_stands_in_the_way_of_a_cluster_at_rest_changes_nothing() -> None:
    parts = Parts()
    parts.compute.resources["global/routes/vpn"] = route("worker-0", 200, description="by hand")
    with pytest.raises(GateFailed) as stopped:
        await parts.cut_over().forward(OVERLAP)
    assert "rolled back" not in str(stopped.value)
    assert (parts.compute.changes, parts.platform.calls) == ([], [])
    assert parts.compute.calls.count(f"GET {SUBNET}") == 2  # by the run, and after it


CANARY_LEFT = {"rangeName": RANGE_CANARY, "ipCidrRange": "10.96.255.0/24"}


def no_flag(method: str, path: str, body: Mapping[str, Any]) -> bool:
    return "allowSubnetCidrRoutesOverlap" in body


def no_deletion(method: str, path: str, body: Mapping[str, Any]) -> bool:
    return method == "DELETE"


async def test_a_canary_range_that_is_left_without_the_flag_is_removed() -> None:
    parts = Parts(Strict(no_flag))
    parts.compute.resources[SUBNET]["secondaryIpRanges"] = [CANARY_LEFT]
    with pytest.raises(Invalid, match="is denied; rolled back to routes only"):
        await parts.cut_over().forward(OVERLAP)
    assert parts.compute.resources[SUBNET]["secondaryIpRanges"] == []


async def test_a_range_that_is_left_without_the_flag_is_removed() -> None:
    parts = prepared(disproved=False, parts=Parts(Strict(no_deletion)))
    parts.compute.resources[SUBNET]["allowSubnetCidrRoutesOverlap"] = False
    with pytest.raises(Invalid, match="is denied; rolled back to routes only"):
        await parts.cut_over().forward(COMPRESSED)
    assert parts.compute.resources[SUBNET]["secondaryIpRanges"] == []


@pytest.mark.parametrize("at_rest", [True, False])
async def test_a_cut_over_that_may_stay_where_it_is_does_not_return_to_routes(at_rest: bool) -> None:
    parts = Parts(Strict(no_aliases))
    with pytest.raises(Invalid):
        await parts.cut_over().forward(OVERLAP, at_rest=at_rest)
    assert has_range(parts) is at_rest
    assert parts.platform.calls == ["stop", "restore"]


async def test_an_error_that_passes_by_itself_leaves_the_cluster_where_it_is() -> None:
    parts = Parts()
    parts.compute.refusals[f"PATCH {interface('worker-0')}"] = [Transient("backendError", "later")] * 1000
    with pytest.raises(Transient):
        await parts.cut_over().forward(OVERLAP)
    assert has_range(parts)
    assert parts.platform.calls == ["stop", "restore"]
    assert "rolled back" not in "".join(str(event) for event in parts.events[-3:])


async def test_a_step_that_failed_and_then_succeeded_may_serve_a_node_that_joins() -> None:
    """The node joins while a route is not deleted; an alias serves it, as its predecessors, and not a route."""
    vm, joining = f"{ZONE}/instances/worker-2", at_rest().resources

    def joins_and_no_deletion(method: str, path: str, body: Mapping[str, Any]) -> bool:
        refused = method == "DELETE" and path in ROUTES
        if refused:
            parts.compute.resources[vm] = joining[vm]
            parts.platform.nodes["worker-2"] = MemoryPlatform().nodes["worker-2"]
        return refused

    parts = Parts(Strict(joins_and_no_deletion))
    parts.compute.refusals[f"PATCH {interface('worker-1')}"] = [Transient("internalError", "later")] * 20
    del parts.compute.resources[vm], parts.compute.resources[ROUTES[2]], parts.platform.nodes["worker-2"]
    with pytest.raises(Invalid, match="every node is served again"):
        await parts.cut_over().forward(OVERLAP, at_rest=True)
    assert parts.aliases("worker-2") == [alias(2)]
    assert ROUTES[2] not in parts.routes


class Cancelling(Cloud):
    """Cancels the run while it makes a certain change."""

    running: asyncio.Future[None]

    def __init__(self, when: Refuses) -> None:
        super().__init__(at_rest().resources)
        self._when = when

    async def _change(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        await super()._change(method, path, body)
        if self._when(method, path, body):
            self._when = lambda *_: False
            self.running.cancel()


async def cancelled(parts: Parts, compute: Cancelling, strategy: Any, *, stopping: bool) -> None:
    compute.running = asyncio.ensure_future(parts.cut_over(stopping=lambda: stopping).forward(strategy))
    with pytest.raises(asyncio.CancelledError):
        await compute.running


@pytest.mark.parametrize("stopping", [True, False])
async def test_a_process_that_stops_takes_back_what_is_on_trial(stopping: bool) -> None:
    compute = Cancelling(lambda _, __, body: RANGE_CANARY in str(body))
    parts = Parts(compute)
    await cancelled(parts, compute, OVERLAP, stopping=stopping)
    left = [each["rangeName"] for each in compute.resources[SUBNET].get("secondaryIpRanges", ())]
    assert left == ([] if stopping else [RANGE_CANARY])
    assert parts.platform.calls == ["stop"]


@pytest.mark.parametrize("stopping", [True, False])
async def test_a_process_that_stops_serves_the_nodes_that_are_unreachable(stopping: bool) -> None:
    compute = Cancelling(lambda method, path, _: method == "DELETE" and path == ROUTES[-1])
    parts = Parts(compute)
    await cancelled(parts, compute, COMPRESSED, stopping=stopping)
    assert bool((await parts.cut_over().observe()).unreachable) is not stopping
    assert parts.platform.calls == ["stop"]
    assert announced(parts) == 1


def prepared(disproved: bool, parts: Parts | None = None) -> Parts:
    """Nodes with routes and aliases, after a trial or without one."""
    parts = parts or Parts()
    parts.compute.resources[SUBNET] |= {"secondaryIpRanges": [POD_RANGE], "allowSubnetCidrRoutesOverlap": True}
    for number, name in enumerate(NODES):
        (nic,) = parts.compute.resources[f"zones/europe-west1-b/instances/{name}"]["networkInterfaces"]
        nic["aliasIpRanges"] = [alias(number)]
    if disproved:
        parts.platform.kept[DISPROVED] = "aliases-not-matched"
    return parts


@pytest.mark.parametrize("disproved", [True, False])
async def test_an_interrupted_return_from_a_trial_goes_on(disproved: bool) -> None:
    parts = prepared(disproved)
    await parts.cut_over().interrupted()
    assert has_range(parts) is not disproved
    assert parts.platform.kept == {}


@pytest.mark.parametrize(
    ("to", "disproved", "aliases"),
    [(Stage.ALIASES, False, True), (Stage.RANGE, False, False), (Stage.RANGE, True, False)],
)
async def test_the_way_back_ends_at_its_stage_unless_a_trial_has_failed(
    to: Stage, disproved: bool, aliases: bool
) -> None:
    parts = prepared(disproved)
    await parts.cut_over().back(to=to)
    assert has_range(parts) is not disproved
    assert [bool(parts.aliases(name)) for name in NODES] == [aliases] * 3
    assert parts.routes == ROUTES


async def cut_off(*refused: str) -> Parts:
    """Prepared nodes, of which one has lost its route and its alias; the cloud refuses these changes."""
    parts = prepared(disproved=False)
    actuator = parts.actuator()
    await actuator.observe()
    await actuator.perform(SaveRoutes())
    del parts.compute.resources[ROUTES[2]]
    (nic,) = parts.compute.resources[f"{ZONE}/instances/worker-2"]["networkInterfaces"]
    nic["aliasIpRanges"] = []
    parts.compute.refusals |= {change: [Invalid("invalid", "no")] * 100 for change in refused}
    return parts


SERVING = {"joined": CutOver.serve_joined, "interrupted": CutOver.interrupted}


@pytest.mark.parametrize("serve", SERVING.values(), ids=SERVING)
async def test_a_node_that_is_cut_off_at_rest_is_served_without_an_announcement(serve: Serve) -> None:
    parts = await cut_off()
    await serve(parts.cut_over())
    assert parts.aliases("worker-2") == [alias(2)]
    assert announced(parts) == 0


@pytest.mark.parametrize("serve", SERVING.values(), ids=SERVING)
async def test_no_other_node_loses_its_alias_for_one_that_is_cut_off_at_rest(serve: Serve) -> None:
    parts = await cut_off(f"PATCH {interface('worker-2')}", "POST global/routes")
    with suppress(Invalid):
        await serve(parts.cut_over())
    assert [parts.aliases(name) for name in NODES] == [[alias(0)], [alias(1)], []]


async def test_while_every_node_is_served_one_look_is_enough() -> None:
    parts = prepared(disproved=False)
    await parts.cut_over().serve_joined()
    assert parts.compute.calls.count(f"GET {SUBNET}") == 1


async def test_after_a_failed_trial_only_the_way_back_serves_the_nodes() -> None:
    parts = await cut_off("POST global/routes")
    parts.platform.kept[DISPROVED] = "aliases-not-matched"
    with pytest.raises(DualstackError) as stopped:
        await parts.cut_over().forward(OVERLAP)
    assert "refused every way" not in str(stopped.value)


@pytest.mark.parametrize("has_route", [True, False])
async def test_without_a_range_only_the_route_controller_serves_nodes_that_join(has_route: bool) -> None:
    parts = Parts()
    if not has_route:
        del parts.compute.resources[ROUTES[2]]
    await parts.cut_over().serve_joined()
    assert parts.compute.changes == []


async def test_a_trial_that_never_was_is_not_forgotten() -> None:
    class Unwritable(MemoryPlatform):
        async def note(self, name: str, value: str | None) -> None:
            raise DualstackError("no note is written")

    await Parts(platform=Unwritable()).cut_over().end_trial()


async def test_a_node_that_joins_after_the_cut_over_gets_its_alias_without_an_announcement() -> None:
    parts = Parts()
    vm, joining = parts.compute.resources.pop(f"{ZONE}/instances/worker-2"), parts.platform.nodes.pop("worker-2")
    del parts.compute.resources[ROUTES[2]]
    await parts.cut_over().forward(OVERLAP)
    parts.events.clear()
    parts.compute.resources[f"{ZONE}/instances/worker-2"] = vm
    parts.platform.nodes["worker-2"] = joining
    await parts.cut_over().follow()
    assert parts.aliases("worker-2") == [alias(2)]
    assert announced(parts) == 0
