"""The cloud-controller-manager over both simulated APIs: it runs as long as its pod, with that pod's flags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.model.kinds import EVENT, NODE, POD, Manifest
from dualstack_sim.actors.cidr_allocators import NoCidrs, check_nodes, lowest_free, nic_cidrs
from dualstack_sim.actors.cloud_controller_manager import CloudControllerManager
from dualstack_sim.actors.cloud_nodes import SHUTDOWN, UNAVAILABLE_TAINT, UNINITIALIZED, addresses
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.controller_flags import ControllerFlags
from dualstack_sim.actors.pods import condition
from dualstack_sim.compute.api.references import Key
from tests.sim.actors.fixtures import NS, TAGS, ZONE, ActorsFixture, running_actors
from tests.sim.actors.machines import CLOUD_ALLOCATOR, RANGE_ALLOCATOR, RUNNING, place_controller_pod, place_dual_subnet

A, B = f"{NS}-w1-z1-11111-aaaaa", f"{NS}-w1-z1-11111-bbbbb"
POD_RANGE = {"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}
SIX = "2600:1900:4010:1234:0:1:0:0"
SIX_RANGE = "2600:1900:4010:1234:0:1::/112"
ALIAS = "100.96.3.0/24"
CREATED = "RouteController created a route"


def alone(context: ActorContext) -> Sequence[Actor]:
    return [CloudControllerManager(context)]


def start_controller(env: ActorsFixture, flags: dict[str, str], name: str = "ccm-1") -> None:
    place_controller_pod(env, flags, name, status=RUNNING)


def place_node(env: ActorsFixture, name: str, *cidrs: str, ready: str = "True") -> str:
    """Create a VM with its initialised Node. Returns the uid of the Node."""
    env.place_vm(name)
    return register(env, name, *cidrs, ready=ready)


def register(env: ActorsFixture, name: str, *cidrs: str, ready: str = "True") -> str:
    """Create the initialised Node of a VM. Returns its uid."""
    nic = (env.vm(name) or {"networkInterfaces": [{"networkIP": "10.250.0.99"}]})["networkInterfaces"][0]
    spec = {"providerID": f"gce://proj-1/europe-west1-b/{name}", "podCIDRs": list(cidrs)}
    reported = [{"type": "InternalIP", "address": nic["networkIP"]}, {"type": "Hostname", "address": name}]
    conditions = [{"type": "Ready", "status": ready}]
    status = {"addresses": reported, "conditions": conditions}
    node = env.store.create(NODE, {"metadata": {"name": name}, "spec": spec, "status": status})
    return str(node["metadata"]["uid"])


def place_uninitialised(env: ActorsFixture, name: str) -> None:
    taint = {"key": UNINITIALIZED, "value": "true", "effect": "NoSchedule"}
    env.store.create(NODE, {"metadata": {"name": name}, "spec": {"taints": [taint]}})


def place_dual_vm(env: ActorsFixture, name: str) -> None:
    nic = {
        "subnetwork": "regions/europe-west1/subnetworks/dual",
        "stackType": "IPV4_IPV6",
        "aliasIpRanges": [{"ipCidrRange": "/24", "subnetworkRangeName": "ipv4-pod-cidr"}],
    }
    machine_type = f"{ZONE}/machineTypes/n1-standard-2"
    body = {"name": name, "machineType": machine_type, "tags": {"items": TAGS}, "networkInterfaces": [nic]}
    env.compute.place("instances", ZONE, body)


def routes(env: ActorsFixture) -> dict[str, str]:
    """The destinations of the static routes, by name."""
    table = env.compute.project.inventory.table("routes", "global")
    return {name: each["destRange"] for name, each in table.items() if each.get("description") == "k8s-node-route"}


async def call(env: ActorsFixture, method: str, scope: str, name: str, **request: Any) -> None:
    """Carry out a change by another client."""
    operation = await env.compute.answer(method, scope, name, **request)
    kind = {"global": "global", "regions": "region", "zones": "zone"}[scope.partition("/")[0]]
    while operation["status"] != "DONE":
        operation = await env.compute.answer(f"{kind}Operations.wait", scope, operation["name"])
    assert "error" not in operation, operation


def network(env: ActorsFixture, name: str) -> dict[str, Any]:
    return condition(env.get(NODE, name), "NetworkUnavailable") or {}


def taints(env: ActorsFixture, name: str) -> list[str]:
    return [taint["key"] for taint in env.get(NODE, name)["spec"].get("taints") or ()]


def events(env: ActorsFixture) -> list[tuple[str, str]]:
    return [(each["reason"], each["message"]) for each in env.store.list(EVENT, "default")]


def end_pod(env: ActorsFixture, name: str = "ccm-1") -> None:
    env.store.delete(POD, name, NS, grace=0)


def pod_with(*command: str) -> Manifest:
    return {"spec": {"containers": [{"command": ["/ccm", *command]}]}}


class TestFlags:
    def test_single_stack_cluster(self) -> None:
        flags = ControllerFlags.of(pod_with(*(f"--{name}={value}" for name, value in RANGE_ALLOCATOR.items())))
        assert flags.allocator == "RangeAllocator"
        assert flags.runs_routes
        assert (flags.node_mask, flags.stack_type) == (24, "IPv4")
        assert flags.cluster_cidrs == (ip_network("100.96.0.0/11"),)

    def test_dual_stack_cluster(self) -> None:
        flags = ControllerFlags.of(pod_with(*(f"--{name}={value}" for name, value in CLOUD_ALLOCATOR.items())))
        assert flags.stack_type == "IPv4_IPv6"
        assert not flags.runs_routes

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"cluster-cidr": "100.96.0.0/99"}, "100.96.0.0/99"),
            ({"cluster-cidr": ""}, "--cluster-cidr"),
            ({"node-cidr-mask-size-ipv4": "8"}, "--node-cidr-mask-size"),
            ({"cidr-allocator-type": "Guess"}, "unrecognized CIDR allocator type: Guess"),
            (
                {"cidr-allocator-type": "CloudAllocator", "service-cluster-ip-range": "10.0.0.0/24,10.0.1.0/24"},
                "--service-cluster-ip-range",
            ),
            ({"configure-cloud-routes": "no"}, "--configure-cloud-routes"),
        ],
    )
    def test_invalid_flags_are_refused(self, change: dict[str, str], words: str) -> None:
        flags = {**RANGE_ALLOCATOR, **change}
        with pytest.raises(ValueError, match=words):
            ControllerFlags.of(pod_with(*(f"--{name}={value}" for name, value in flags.items())))

    @pytest.mark.parametrize(
        ("words", "ipam", "routes"),
        [
            (("--allocate-node-cidrs",), True, True),
            (("--allocate-node-cidrs=True", "--configure-cloud-routes=F"), True, False),
            (("--allocate-node-cidrs", "--configure-cloud-routes"), True, True),
            ((), False, False),
            (("--allocate-node-cidrs", "--controllers=*,-node-ipam-controller"), False, True),
            (("--allocate-node-cidrs", "--controllers=*,-nodeipam"), False, True),
            (("--allocate-node-cidrs", "--controllers=*,-route"), True, False),
            (("--allocate-node-cidrs", "--controllers=cloud-node-controller"), False, False),
            (("--allocate-node-cidrs", "--controllers=node-route-controller,nodeipam"), True, True),
        ],
    )
    def test_flags_decide_which_controllers_run(self, words: tuple[str, ...], ipam: bool, routes: bool) -> None:
        flags = ControllerFlags.of(pod_with("--cluster-cidr=100.96.0.0/11", *words))
        assert (flags.runs_node_ipam, flags.runs_routes) == (ipam, routes)

    def test_without_service_range_the_cluster_is_ipv4(self) -> None:
        flags = ControllerFlags.of(pod_with("--allocate-node-cidrs", "--cidr-allocator-type=CloudAllocator"))
        assert flags.stack_type == "IPv4"

    def test_a_node_with_more_cidrs_than_the_cluster_is_fatal_for_the_range_allocator(self) -> None:
        dual = [{"metadata": {"name": "n"}, "spec": {"podCIDRs": ["100.96.0.0/24", "2600::/112"]}}]
        single = ControllerFlags.of(pod_with(*(f"--{name}={value}" for name, value in RANGE_ALLOCATOR.items())))
        cloud = ControllerFlags.of(pod_with(*(f"--{name}={value}" for name, value in CLOUD_ALLOCATOR.items())))
        with pytest.raises(ValueError, match="node n has 2 pod CIDRs, the cluster has 1"):
            check_nodes(single, dual)
        check_nodes(cloud, dual)


class TestCidrs:
    @given(
        st.integers(8, 20).flatmap(lambda length: st.tuples(st.just(length), st.integers(length, min(length + 6, 28)))),
        st.data(),
    )
    def test_the_lowest_block_that_overlaps_nothing(self, lengths: tuple[int, int], data: st.DataObject) -> None:
        length, mask = lengths
        cluster = IPv4Network((int(IPv4Network("100.64.0.0/8", strict=False).network_address), length))
        blocks = list(cluster.subnets(new_prefix=mask))
        chosen = data.draw(st.sets(st.integers(0, len(blocks) - 1)))
        taken = [*(str(blocks[index]) for index in chosen), "10.0.0.0/8", "2600::/112"]
        expected = next((str(block) for index, block in enumerate(blocks) if index not in chosen), None)
        assert lowest_free(cluster, mask, taken) == expected

    def test_larger_and_smaller_ranges_overlap(self) -> None:
        cluster = IPv4Network("100.96.0.0/11")
        assert lowest_free(cluster, 24, ["100.96.0.0/22", "100.96.4.128/25"]) == "100.96.5.0/24"

    @pytest.mark.parametrize(
        ("nic", "stack_type", "cidrs"),
        [
            (([ALIAS, "100.96.9.0/24"], ""), "IPv4", [ALIAS]),
            (([ALIAS], SIX), "IPv4", [ALIAS]),
            (([ALIAS], SIX), "IPv4_IPv6", [ALIAS, SIX_RANGE]),
            (([ALIAS], SIX), "IPv6_IPv4", [SIX_RANGE, ALIAS]),
            (([], SIX), "IPv6", [SIX_RANGE]),
        ],
    )
    def test_cidrs_from_the_nic(self, nic: tuple[list[str], str], stack_type: str, cidrs: list[str]) -> None:
        assert nic_cidrs("n", [interface(*nic)], stack_type) == cidrs

    @pytest.mark.parametrize(
        ("nics", "stack_type", "words", "event"),
        [
            ([], "IPv4", "allocated", "CIDRNotAvailable"),
            ([([], "")], "IPv4_IPv6", "allocated", "CIDRNotAvailable"),
            ([([ALIAS], "")], "IPv4_IPv6", "for the cluster stack family IPv4_IPv6", None),
            ([([], SIX)], "IPv4_IPv6", "for the cluster stack family IPv4_IPv6", None),
            ([([], SIX)], "IPv4", "for the cluster stack family IPv4", None),
        ],
    )
    def test_missing_ranges_are_reported_as_upstream_does(
        self, nics: list[tuple[list[str], str]], stack_type: str, words: str, event: str | None
    ) -> None:
        with pytest.raises(NoCidrs) as refusal:
            nic_cidrs("n", [interface(*nic) for nic in nics], stack_type)
        assert str(refusal.value).startswith("failed to allocate cidr: Node n has no ranges from which CIDRs can be")
        assert str(refusal.value).endswith(words)
        assert refusal.value.event == event

    def test_s7_addresses_of_a_vm_are_in_the_spelling_of_compute(self) -> None:
        long = "2600:1900:4010:1234:0:1:0:0"
        nic = {"networkIP": "10.250.0.5", **interface([ALIAS], long)}
        assert addresses({"name": "vm", "networkInterfaces": [nic]}) == [
            {"type": "InternalIP", "address": "10.250.0.5"},
            {"type": "InternalIP", "address": long},
            {"type": "Hostname", "address": "vm"},
        ]


def interface(aliases: Iterable[str], six: str) -> dict[str, Any]:
    configs = [{"externalIpv6": six}] if six else []
    return {"aliasIpRanges": [{"ipCidrRange": cidr} for cidr in aliases], "ipv6AccessConfigs": configs}


async def test_a_node_without_range_gets_the_lowest_and_a_route_to_it() -> None:
    async with running_actors(alone) as env:
        first = place_node(env, A, "100.96.0.0/24")
        second = place_node(env, B)
        start_controller(env, RANGE_ALLOCATOR)
        await env.eventually(lambda: network(env, B))
        assert env.get(NODE, B)["spec"]["podCIDRs"] == ["100.96.1.0/24"]
        await env.eventually(lambda: len(routes(env)) == 2)
        assert routes(env) == {f"{NS}-{first}": "100.96.0.0/24", f"{NS}-{second}": "100.96.1.0/24"}
        route = env.compute.project.inventory.get(Key("routes", "global", f"{NS}-{second}"))
        assert route["nextHopInstance"].endswith(f"/{ZONE}/instances/{B}")
        assert route["priority"] == 1000
        await env.eventually(lambda: network(env, A))
        for name in (A, B):
            found = network(env, name)
            assert (found["status"], found["reason"], found["message"]) == ("False", "RouteCreated", CREATED)
            assert taints(env, name) == []


async def test_only_a_ready_pod_becomes_leader() -> None:
    async with running_actors(alone) as env:
        place_node(env, A)
        not_ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
        place_controller_pod(env, RANGE_ALLOCATOR, status=not_ready)
        await env.throughout(lambda: not env.get(NODE, A)["spec"].get("podCIDR"), 40.0)
        env.store.patch(POD, "ccm-1", {"status": RUNNING}, NS, subresource="status")
        await env.eventually(lambda: env.get(NODE, A)["spec"].get("podCIDR"))


async def test_a_terminating_pod_recreates_a_deleted_route_until_it_is_gone() -> None:
    async with running_actors(alone) as env:
        place_node(env, A, "100.96.0.0/24")
        start_controller(env, RANGE_ALLOCATOR)
        (name,) = await env.eventually(lambda: routes(env))
        await env.eventually(lambda: network(env, A))
        env.store.delete(POD, "ccm-1", NS)
        assert env.get(POD, "ccm-1", NS)["metadata"]["deletionTimestamp"]
        await call(env, "routes.delete", "global", name)
        assert routes(env) == {}
        await env.eventually(lambda: routes(env))
        end_pod(env)
        await env.clock.sleep(5.0)
        await call(env, "routes.delete", "global", name)
        await env.throughout(lambda: routes(env) == {}, 60.0)


async def test_a_refused_route_makes_the_network_unavailable_until_it_is_created() -> None:
    async with running_actors(alone) as env:
        place_node(env, A, "100.96.0.0/24")
        await change_ranges(env, [POD_RANGE])
        start_controller(env, RANGE_ALLOCATOR)
        await env.eventually(lambda: taints(env, A) == [UNAVAILABLE_TAINT])
        await env.eventually(lambda: network(env, A))
        found = network(env, A)
        assert (found["status"], found["reason"]) == ("True", "NoRouteCreated")
        assert found["message"] == "RouteController failed to create a route"
        assert await env.eventually(lambda: [text for reason, text in events(env) if reason == "FailedToCreateRoute"])
        await change_ranges(env, [])
        await env.eventually(lambda: network(env, A)["status"] == "False")
        assert taints(env, A) == []
        assert len(routes(env)) == 1


async def change_ranges(env: ActorsFixture, ranges: list[dict[str, str]]) -> None:
    subnet = env.compute.project.inventory.get(Key("subnetworks", "regions/europe-west1", "nodes"))
    body = {"fingerprint": subnet["fingerprint"], "secondaryIpRanges": ranges}
    await call(env, "subnetworks.patch", "regions/europe-west1", "nodes", body=body)


async def test_stale_routes_are_deleted_and_other_routes_are_kept() -> None:
    async with running_actors(alone) as env:
        uid = place_node(env, A, "100.96.0.0/24")
        env.place_vm(B)
        for name, destination in (
            (f"{NS}-gone", "100.96.9.0/24"),
            (f"{NS}-far", "172.16.0.0/24"),
            ("other-x", "100.97.0.0/24"),
        ):
            place_route(env, name, destination)
        place_route(env, f"{NS}-by-hand", "100.96.8.0/24", "made by hand")
        start_controller(env, RANGE_ALLOCATOR)
        await env.eventually(lambda: f"{NS}-gone" not in routes(env) and f"{NS}-{uid}" in routes(env))
        await env.throughout(lambda: set(routes(env)) == {f"{NS}-{uid}", f"{NS}-far", "other-x"}, 30.0)
        assert env.compute.project.inventory.find(Key("routes", "global", f"{NS}-by-hand"))


def place_route(env: ActorsFixture, name: str, destination: str, description: str = "k8s-node-route") -> None:
    body = {"name": name, "destRange": destination, "description": description, "priority": 1000}
    hop = {"network": "global/networks/vpc", "nextHopInstance": f"{ZONE}/instances/{B}"}
    env.compute.place("routes", "global", {**body, **hop})


async def test_s2_a_new_node_gets_a_provider_id_with_two_slashes() -> None:
    async with running_actors(alone) as env:
        place_dual_subnet(env)
        place_dual_vm(env, A)
        place_uninitialised(env, A)
        start_controller(env, CLOUD_ALLOCATOR)
        await env.eventually(lambda: taints(env, A) == [])
        assert env.get(NODE, A)["spec"]["providerID"] == f"gce://proj-1/europe-west1-b/{A}"


async def test_a_new_dual_stack_node_is_initialised_and_takes_its_ranges_from_the_nic() -> None:
    async with running_actors(alone) as env:
        place_dual_subnet(env)
        place_dual_vm(env, A)
        place_uninitialised(env, A)
        start_controller(env, CLOUD_ALLOCATOR)
        await env.eventually(lambda: network(env, A))
        node = env.get(NODE, A)
        assert taints(env, A) == []
        labels = node["metadata"]["labels"]
        assert labels["topology.kubernetes.io/zone"] == "europe-west1-b"
        assert labels["topology.kubernetes.io/region"] == "europe-west1"
        assert labels["node.kubernetes.io/instance-type"] == "n1-standard-2"
        four, six = node["spec"]["podCIDRs"]
        nic = (env.vm(A) or {})["networkInterfaces"][0]
        assert four == node["spec"]["podCIDR"] == nic["aliasIpRanges"][0]["ipCidrRange"]
        internal = [entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP"]
        assert internal[0] == nic["networkIP"]
        assert ip_network(six) == ip_network(f"{internal[1]}/112")
        assert "::" in six
        assert "::" not in internal[1]
        found = network(env, A)
        assert (found["status"], found["reason"]) == ("False", "RouteCreated")
        assert found["message"] == "NodeController create implicit route"
        assert routes(env) == {}


async def test_an_old_node_in_a_dual_stack_cluster_is_tried_twenty_times_and_not_changed() -> None:
    async with running_actors(alone) as env:
        place_node(env, A, "100.96.0.0/24")
        env.store.patch(NODE, A, {"status": {"conditions": [settled_network()]}}, subresource="status")
        await change_ranges(env, [POD_RANGE])
        nic = (env.vm(A) or {})["networkInterfaces"][0]
        aliases = [{"ipCidrRange": "100.96.0.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}]
        body = {"fingerprint": nic["fingerprint"], "aliasIpRanges": aliases}
        query = {"networkInterface": "nic0"}
        await call(env, "instances.updateNetworkInterface", ZONE, A, query=query, body=body)
        env.compute.reset_statistics()
        start_controller(env, CLOUD_ALLOCATOR)

        def attempts() -> int:
            return int(env.compute.statistics("cloud-controller-manager")["byMethod"].get("instances.get", 0))

        await env.eventually(lambda: attempts() == 21)
        await env.throughout(lambda: attempts() == 21, 120.0)
        assert env.get(NODE, A)["spec"]["podCIDRs"] == ["100.96.0.0/24"]
        assert network(env, A)["message"] == CREATED
        assert [reason for reason, _ in events(env)] == []


def settled_network() -> dict[str, str]:
    return {"type": "NetworkUnavailable", "status": "False", "reason": "RouteCreated", "message": CREATED}


async def test_a_vm_without_ranges_is_reported_and_its_node_gets_none() -> None:
    async with running_actors(alone) as env:
        place_node(env, A)
        start_controller(env, CLOUD_ALLOCATOR)
        await env.eventually(lambda: "CIDRNotAvailable" in [reason for reason, _ in events(env)])
        assert not env.get(NODE, A)["spec"].get("podCIDR")
        assert network(env, A) == {}


async def test_a_range_that_cannot_be_added_to_a_node_is_reported() -> None:
    async with running_actors(alone) as env:
        place_dual_subnet(env)
        place_dual_vm(env, A)
        register(env, A, "100.96.77.0/24")
        start_controller(env, CLOUD_ALLOCATOR)
        await env.eventually(lambda: "CIDRAssignmentFailed" in [reason for reason, _ in events(env)])
        assert env.get(NODE, A)["spec"]["podCIDRs"] == ["100.96.77.0/24"]


async def test_the_node_of_a_deleted_vm_is_deleted_and_that_of_a_stopped_vm_is_tainted() -> None:
    async with running_actors(alone) as env:
        place_node(env, A, "100.96.0.0/24", ready="Unknown")
        register(env, B, "100.96.1.0/24", ready="Unknown")
        start_controller(env, CLOUD_ALLOCATOR)
        await env.eventually(lambda: env.store.get(NODE, B) is None)
        event = ("DeletingNode", f"Deleting node {B} because it does not exist")
        await env.eventually(lambda: event in events(env))
        assert taints(env, A) == []
        await call(env, "instances.stop", ZONE, A)
        await env.eventually(lambda: taints(env, A) == [SHUTDOWN])
        await call(env, "instances.start", ZONE, A)
        await env.eventually(lambda: taints(env, A) == [])
        assert env.store.get(NODE, A) is not None


async def test_a_node_gets_the_address_that_its_vm_gets_later() -> None:
    async with running_actors(alone) as env:
        place_dual_subnet(env)
        nic = {"subnetwork": "regions/europe-west1/subnetworks/dual"}
        machine_type = f"{ZONE}/machineTypes/n1-standard-2"
        env.compute.place("instances", ZONE, {"name": A, "machineType": machine_type, "networkInterfaces": [nic]})
        register(env, A, "100.96.0.0/24")
        start_controller(env, CLOUD_ALLOCATOR)
        fingerprint = (env.vm(A) or {})["networkInterfaces"][0]["fingerprint"]
        body = {"fingerprint": fingerprint, "stackType": "IPV4_IPV6"}
        query = {"networkInterface": "nic0"}
        await call(env, "instances.updateNetworkInterface", ZONE, A, query=query, body=body)
        rest = await env.eventually(lambda: env.get(NODE, A)["status"]["addresses"][2:])
        assert rest == [{"type": "Hostname", "address": A}]
        assert ":" in env.get(NODE, A)["status"]["addresses"][1]["address"]


async def test_the_next_pod_becomes_leader_when_the_leader_is_gone() -> None:
    async with running_actors(alone) as env:
        place_node(env, A, "100.96.0.0/24")
        start_controller(env, {**CLOUD_ALLOCATOR, "cluster-cidr": "100.96.0.0/11"})
        await env.clock.sleep(5.0)
        start_controller(env, RANGE_ALLOCATOR, "ccm-2")
        await env.throughout(lambda: routes(env) == {}, 40.0)
        end_pod(env)
        await env.eventually(lambda: routes(env))


async def test_a_process_that_exits_at_its_start_does_not_affect_the_next_pod() -> None:
    async with running_actors(alone) as env:
        place_node(env, A)
        start_controller(env, {**RANGE_ALLOCATOR, "cluster-cidr": "100.96.0.0/99"})
        await env.throughout(lambda: not env.get(NODE, A)["spec"].get("podCIDR"), 30.0)
        end_pod(env)
        start_controller(env, RANGE_ALLOCATOR, "ccm-2")
        await env.eventually(lambda: env.get(NODE, A)["spec"].get("podCIDR"))
