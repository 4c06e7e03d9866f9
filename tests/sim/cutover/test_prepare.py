"""Preparing a cluster whose routes and route controller stay, finishing it, and undoing it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from dualstack.live.state import standing
from dualstack.model.errors import Unsupported
from dualstack.plan import gates
from dualstack.plan.facts import KEPT, NO_NETWORK, ControllerFacts, CutoverFacts
from dualstack.plan.forecast import forecast
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.prepare import JOINED, PREPARE, prepared
from dualstack_sim.compute.project.knobs import Knobs
from tests.sim.cutover.memory_cluster import (
    POD_CIDRS,
    SETTINGS,
    ZONE,
    MemoryCluster,
    assert_on_aliases,
    assert_on_routes,
    memory_cluster,
    steps,
)
from tests.support.cluster_facts import at_rest, last, route
from tests.support.memory_platform import CLUSTER, NODES, MemoryPlatform


class Kept(MemoryPlatform):
    """A platform whose route controller belongs to another program."""

    async def route_controller(self) -> ControllerFacts:
        return KEPT


async def prepare(made: MemoryCluster) -> None:
    await made.cut_over().forward(PREPARE)


async def assert_prepared(made: MemoryCluster) -> None:
    subnet = await made.subnet()
    assert subnet["allowSubnetCidrRoutesOverlap"] is True
    assert [entry["ipCidrRange"] for entry in subnet["secondaryIpRanges"]] == [CLUSTER.pods]
    assert await made.aliases() == {name: [cidr] for name, cidr in POD_CIDRS.items()}
    assert await made.routes() == POD_CIDRS
    facts = await made.cut_over().observe()
    assert prepared(facts)
    assert standing(facts) == "prepared"


async def test_it_prepares_and_undoes_without_touching_routes_or_their_controller() -> None:
    async with memory_cluster() as made:
        made.platform = Kept()
        await prepare(made)
        await assert_prepared(made)
        forward = steps(made)
        assert "gate-range-canary" in forward
        assert forward[-1] == "gate-aliases"
        await made.cut_over().back()
        await assert_on_routes(made)
        assert not [step for step in steps(made) if "route" in step and not step.startswith(("barrier", "gate"))]
        assert not [step for step in steps(made) if "cloud-controller-manager" in step]
        assert made.blackout() == 0.0


async def test_finish_deletes_the_routes_that_are_left_once_their_controller_has_stopped() -> None:
    async with memory_cluster() as made:
        made.platform = Kept()
        await prepare(made)
        made.platform = MemoryPlatform(controller=ControllerFacts(0, 0, ignored=True))
        await made.cut_over().forward(FINISH)
        await assert_on_aliases(made)
        assert made.blackout() == 0.0


def changes(made: MemoryCluster) -> Counter[str]:
    """The changing calls so far, by method."""
    calls: dict[str, int] = made.compute.statistics()["byMethod"]
    changing = ("subnetworks.patch", "instances.updateNetworkInterface", "routes.delete", "routes.insert")
    return Counter({method: count for method, count in calls.items() if method in changing})


async def test_it_makes_the_calls_that_the_plan_names() -> None:
    async with memory_cluster() as made:
        made.platform = Kept()
        first = forecast(PREPARE, await made.cut_over().observe(), SETTINGS)
        await prepare(made)
        assert changes(made) == sum((Counter(step.calls) for step in first.steps), Counter())
        begun = changes(made)
        made.platform = MemoryPlatform(controller=ControllerFacts(0, 0, ignored=True))
        last = forecast(FINISH, await made.cut_over().observe(), SETTINGS)
        await made.cut_over().forward(FINISH)
        assert changes(made) - begun == sum((Counter(step.calls) for step in last.steps), Counter())


async def test_finish_proves_the_aliases_when_another_program_has_deleted_the_routes() -> None:
    async with memory_cluster() as made:
        made.platform = Kept()
        await prepare(made)
        for route in await made.client.list("global/routes"):
            if route.get("nextHopInstance"):
                await made.client.delete(f"global/routes/{route['name']}")
        made.platform = MemoryPlatform(controller=ControllerFacts(0, 0, ignored=True))
        before = len(steps(made))
        await made.cut_over().forward(FINISH)
        assert steps(made)[before:] == ["barrier-aliases", "gate-aliases-alone", "clear-overlap-flag"]
        await assert_on_aliases(made)
        assert made.blackout() == 0.0


async def leave_for_good(made: MemoryCluster, name: str, *, route_left: bool) -> None:
    """The VM and its Node are deleted; so is the route, unless its controller has not come to it yet."""
    made.fabric.traffic.leave(made.clock.now(), name)
    await made.client.delete(f"zones/europe-west1-b/instances/{name}")
    del made.platform.nodes[name]
    if not route_left:
        await made.client.delete(f"global/routes/kubernetes-uid-{name}")


@pytest.mark.parametrize("route_left", [True, False])
@pytest.mark.parametrize("name", [NODES[0], NODES[2]])
async def test_a_node_that_leaves_for_good_while_prepared_does_not_keep_the_others_from_the_end(
    name: str, route_left: bool
) -> None:
    """NODES[0] was the canary."""
    left = {each: cidr for each, cidr in POD_CIDRS.items() if each != name}
    async with memory_cluster() as made:
        made.platform = Kept()
        await prepare(made)
        await leave_for_good(made, name, route_left=route_left)
        facts = await made.cut_over().observe()
        assert (standing(facts), set(facts.pod_cidr_of)) == ("prepared", set(left))
        await made.cut_over().forward(JOINED, at_rest=True)
        nodes = made.platform.nodes
        made.platform = MemoryPlatform(nodes=nodes, controller=ControllerFacts(0, 0, ignored=True))
        await made.cut_over().forward(FINISH)
        assert await made.routes() == {}
        assert await made.aliases() == {each: [cidr] for each, cidr in left.items()}
        assert (await made.cut_over().observe()).finished
        assert made.blackout() == 0.0


async def test_p17_a_node_without_an_alias_gets_it_after_the_cut_over_and_nothing_else_changes() -> None:
    async with memory_cluster() as made:
        await made.cut_over().forward(FINISH)
        done, path = len(steps(made)), f"{ZONE}/instances/{NODES[1]}"
        nic = (await made.client.get(path))["networkInterfaces"][0]
        body = {"aliasIpRanges": [], "fingerprint": nic["fingerprint"]}
        await made.client.patch(f"{path}/updateNetworkInterface", body, networkInterface=nic["name"])
        await made.cut_over().follow()
        assert steps(made)[done:] == ["add-aliases"]
        await assert_on_aliases(made)
        await made.cut_over().follow()
        assert steps(made)[done:] == ["add-aliases"]


@pytest.mark.parametrize("route_left", [True, False])
async def test_a_node_that_leaves_for_good_while_prepared_does_not_keep_the_others_from_going_back(
    route_left: bool,
) -> None:
    async with memory_cluster() as made:
        made.platform = Kept()
        await prepare(made)
        await leave_for_good(made, NODES[1], route_left=route_left)
        await made.cut_over().back()
        subnet, aliases = await made.subnet(), await made.aliases()
        assert not subnet.get("allowSubnetCidrRoutesOverlap")
        assert not subnet.get("secondaryIpRanges")
        assert aliases == {NODES[0]: [], NODES[2]: []}
        assert {name: cidr for name, cidr in (await made.routes()).items() if name != NODES[1]} == {
            name: POD_CIDRS[name] for name in aliases
        }
        assert made.blackout() == 0.0


@pytest.mark.parametrize("name", NODES[1:])
async def test_a_node_without_a_route_is_awaited_before_the_range(name: str) -> None:
    """Its route controller works: a node that has just joined gets its route within seconds."""
    async with memory_cluster() as made:
        made.platform = Kept()
        route = next(
            route
            for route in await made.client.list("global/routes")
            if (route.get("nextHopInstance") or "").endswith(f"/{name}")
        )
        await made.client.delete(f"global/routes/{route['name']}")
        facts = await made.cut_over().observe()
        first = PREPARE.next_transition(facts, made.cut_over().settings)
        assert first is not None
        assert first.id == "gate-flag"
        assert gates.problems(gates.FLAG, facts) == [f"the pod CIDR of VM {name} has no route or alias"]


KILLED_AT = {
    1: "set-overlap-flag",
    4: "add-range-canary",
    7: "remove-range-canary",
    8: "add-secondary-range",
    10: "add-alias-canary",
    13: "add-aliases",
}


@pytest.mark.parametrize("number", KILLED_AT)
async def test_killed_at_a_step_it_goes_on_and_loses_nothing(number: int) -> None:
    async with memory_cluster() as made:
        made.platform = Kept()
        step = await made.killed_at_step(number, lambda cut_over: cut_over.forward(PREPARE))
        assert step == KILLED_AT[number]
        await prepare(made)
        await assert_prepared(made)
        assert made.blackout() == 0.0


@pytest.mark.parametrize("answer", ["collapsed", "operation"])
async def test_t16_a_cloud_that_takes_a_repeated_alias_is_prepared(answer: Any) -> None:
    async with memory_cluster(knobs=Knobs(repeated_alias=answer)) as made:
        made.platform = Kept()
        await made.cut_over(repeat_alias=True).forward(PREPARE)
        await assert_prepared(made)
        assert steps(made).count("repeat-alias") == 1
        assert made.blackout() == 0.0


async def test_t16_a_cloud_that_refuses_a_repeated_alias_is_left_on_its_routes() -> None:
    """Before any node but the first has its alias."""
    async with memory_cluster(knobs=Knobs(repeated_alias="request")) as made:
        made.platform = Kept()
        with pytest.raises(Unsupported, match=r"names one of them twice.*rolled back to routes only"):
            await made.cut_over(repeat_alias=True).forward(PREPARE)
        assert "add-aliases" not in steps(made)
        await assert_on_routes(made)
        assert made.blackout() == 0.0


def joined(problem: str = NO_NETWORK) -> CutoverFacts:
    """A prepared cluster in which node-1 has its alias and no route, because the cloud refuses it."""
    facts = last(PREPARE, replace(at_rest(3), controller=KEPT), Settings())
    return replace(facts, routes=(route(0), route(2)), unhealthy={"node-1": problem})


def test_a_node_that_the_cloud_refuses_a_route_is_no_reason_to_leave_its_alias() -> None:
    """Its Node reports no network until cloud-controller-manager reads aliases."""
    assert gates.problems(gates.ALIASES, joined()) == []
    other = joined(problem="is not Ready")
    assert gates.problems(gates.ALIASES, other) == ["node node-1 is not Ready"]
    stopped = replace(joined(), controller=ControllerFacts(0, 0, ignored=True))
    assert len(gates.problems(gates.ALONE, stopped)) == 1


def test_what_a_joining_node_reports_does_not_take_the_aliases_of_the_others() -> None:
    """Its pods have no contact until its alias is known; the one node without a route looks like a canary."""
    facts = joined(problem="reports ClusterNetworkProblem: no details")
    reported = replace(facts, with_network_problem=frozenset({"node-1"}))
    assert gates.cloud_limitation(reported) == ""
    alone = replace(reported, controller=ControllerFacts(0, 0, ignored=True))
    assert gates.cloud_limitation(alone) == "aliases-not-matched"


def test_a_prepared_cluster_with_a_joined_node_is_prepared_until_its_route_controller_stops() -> None:
    assert standing(joined()) == "prepared"
    assert standing(replace(joined(), controller=ControllerFacts(0, 0, ignored=True))) == "cutting-over"


def test_the_chosen_canary_goes_first_in_every_stage() -> None:
    settings = Settings(canary="node-2")
    facts = replace(at_rest(3), controller=KEPT)
    firsts = {step.id: step.targets for step in PREPARE.transitions(facts, settings) if len(step.targets) == 1}
    assert firsts["add-range-canary"] == firsts["add-alias-canary"] == ("node-2",)
    stopped = replace(last(PREPARE, facts, settings), controller=ControllerFacts(0, 0, ignored=True))
    deleted = [step.targets for step in FINISH.transitions(stopped, settings) if step.id == "delete-route-canary"]
    assert deleted == [("route-2",)]
