"""Single transitions against the simulated cloud: each does what its effect says, once, and can be taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.cutover.actuator import CloudActuator
from dualstack.model import kinds
from dualstack.model.errors import GateFailed
from dualstack.plan import gates
from dualstack.plan.facts import AliasFacts, CutoverFacts
from dualstack.plan.steps import (
    AddAliases,
    AddSecondaryRange,
    ClearOverlapFlag,
    DeleteRoutes,
    Gate,
    RemoveAliases,
    RemoveSecondaryRange,
    SaveRoutes,
    SetOverlapFlag,
    StopController,
    Transition,
)
from tests.sim.infrastructure.actuators import actuator_of
from tests.sim.infrastructure.scene import NS, SUBNET, scene


async def carried_out(actuator: CloudActuator, transition: Transition) -> CutoverFacts:
    """Perform, observe, and see that the whole effect is there."""
    before = await actuator.observe()
    await actuator.perform(transition)
    after = await actuator.observe()
    assert transition.effect(before) == after
    return after


async def test_the_facts_of_a_cluster_at_rest() -> None:
    async with scene() as made:
        actuator, _ = await actuator_of(made)
        facts = await actuator.observe()
        assert {node.name: node.pod_cidr for node in facts.nodes} == {
            node.name: node.pod_cidr for node in made.world.nodes
        }
        assert {route.instance: route.destination for route in facts.routes} == dict(facts.pod_cidr_of)
        assert all(node.running and node.subnet_ok and not node.aliases for node in facts.nodes)
        assert facts.foreign_routes == ()
        assert facts.subnet.flag_visible
        assert not facts.subnet.overlap_flag
        assert facts.unreachable == ()


async def test_a_vm_that_lies_in_another_subnet_or_does_not_run_is_seen_to() -> None:
    async with scene() as made:
        actuator, _ = await actuator_of(made)
        network = (await made.subnet())["network"]
        other = {"name": "other", "network": network, "ipCidrRange": "10.240.0.0/24"}
        link = made.compute.place("subnetworks", SUBNET, other)["selfLink"]
        zone, name = made.world.nodes[0].zone, f"{NS}-w1-z1-11111-elsewhere"
        machine = f"zones/{zone}/machineTypes/e2-small"
        nic = {"network": network, "subnetwork": link}
        body = {"name": name, "machineType": machine, "networkInterfaces": [nic]}
        made.compute.place("instances", f"zones/{zone}", body)
        node = {"metadata": {"name": name}, "spec": {"providerID": f"gce://proj-1/{zone}/{name}"}}
        made.store.upsert(kinds.NODE, {"apiVersion": "v1", "kind": "Node", **node})
        found = {node.name: node for node in (await actuator.observe()).nodes}
        assert [node.name for node in found.values() if not node.subnet_ok] == [name]
        await made.change("instances.stop", f"zones/{zone}", name)
        found = {node.name: node for node in (await actuator.observe()).nodes}
        assert [node.name for node in found.values() if not node.running] == [name]


async def test_each_step_and_its_inverse_do_what_they_say() -> None:
    async with scene() as made:
        actuator, _ = await actuator_of(made)
        names = tuple(node.name for node in made.world.nodes)
        start = await actuator.observe()
        await carried_out(actuator, StopController())
        await carried_out(actuator, SaveRoutes())
        await carried_out(actuator, SetOverlapFlag())
        await carried_out(actuator, AddSecondaryRange())
        facts = await carried_out(actuator, AddAliases(names))
        assert await actuator.check(gates.ALIASES, facts) == []

        # A second time there is nothing to send.
        sent = made.mutations()
        for transition in (SetOverlapFlag(), AddSecondaryRange(), AddAliases(names)):
            await carried_out(actuator, transition)
        assert made.mutations() == sent

        await carried_out(actuator, RemoveAliases(names))
        await carried_out(actuator, RemoveSecondaryRange())
        end = await carried_out(actuator, ClearOverlapFlag())
        assert (end.subnet, end.nodes, end.routes) == (start.subnet, start.nodes, start.routes)


async def test_a_route_that_was_not_proven_ours_is_not_deleted() -> None:
    async with scene() as made:
        actuator, _ = await actuator_of(made)
        network = (await made.subnet())["network"]
        body = {"name": "of-another-cluster", "network": network, "destRange": "100.100.0.0/24"}
        gateway = "global/gateways/default-internet-gateway"
        made.compute.place("routes", "global", {**body, "nextHopGateway": gateway})
        with pytest.raises(GateFailed, match="nothing has been observed"):
            await actuator.perform(DeleteRoutes(("of-another-cluster",)))
        await actuator.observe()
        await actuator.perform(DeleteRoutes(("of-another-cluster",)))
        assert made.mutations() == 0
        await made.resource("routes.get", "global", "of-another-cluster")


async def test_a_gate_names_everything_that_speaks_against_going_on() -> None:
    async with scene() as made:
        actuator, _ = await actuator_of(made)
        first, second, third = made.world.nodes
        not_ready = {"conditions": [{"type": "Ready", "status": "False"}]}
        no_network = {
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "NetworkUnavailable", "status": "True"}]
        }
        made.store.patch(kinds.NODE, first.name, {"status": not_ready}, subresource="status")
        made.store.patch(kinds.NODE, second.name, {"status": no_network}, subresource="status")
        facts = await actuator.observe()
        problems = "\n".join(await actuator.check(gates.ALIASES, facts))
        assert f"node {first.name} is not Ready" in problems
        assert f"node {second.name} reports that its network is unavailable" in problems
        assert third.name not in problems.replace("appeared", "").split("node ", 1)[1]
        assert "cloud-controller-manager is running again" in problems
        assert "no longer has range ipv4-pod-cidr" in problems
        assert f"route {third.name} ({third.pod_cidr}) appeared" in problems
        lost = replace(facts, routes=())
        assert any("no route or alias" in problem for problem in await actuator.check(gates.ALIASES, lost))


async def test_an_alias_that_is_not_first_speaks_against_going_on_once_all_are_there() -> None:
    async with scene() as made:
        actuator, _ = await actuator_of(made)
        facts = await actuator.observe()
        name = made.world.nodes[0].name
        users = AliasFacts("10.99.0.0/28", "of-the-user")
        ours = AliasFacts(facts.pod_cidr_of[name], facts.range_name)
        complaint = f"the alias of VM {name} is not its Node's pod CIDR, or is not the first in the list"

        async def complains(gate: Gate, *aliases: AliasFacts) -> bool:
            nodes = tuple(replace(node, aliases=aliases) if node.name == name else node for node in facts.nodes)
            return complaint in await actuator.check(gate, replace(facts, nodes=nodes))

        assert await complains(gates.ALIASES, users, ours)
        assert not await complains(gates.ALIAS_CANARY, users, ours)
        assert not await complains(gates.ALIASES, ours, users)
        assert not await complains(gates.ALIASES, users)


async def test_a_vm_that_vanishes_meanwhile_needs_no_alias() -> None:
    async with scene() as made:
        actuator, _ = await actuator_of(made)
        names = tuple(node.name for node in made.world.nodes)
        await carried_out(actuator, SetOverlapFlag())
        await carried_out(actuator, AddSecondaryRange())
        await made.change("instances.delete", f"zones/{made.world.nodes[0].zone}", names[0])
        await actuator.perform(AddAliases(names))
        facts = await actuator.observe()
        assert names[0] not in facts.pod_cidr_of
        assert facts.without_alias == ()
