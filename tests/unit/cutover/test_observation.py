"""What an observation makes of the answers of Compute and of the platform."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dualstack.cutover.observation import Observation, Observer, pod_cidrs
from dualstack.cutover.platform import Member
from dualstack.gce.resources import network_filter
from dualstack.plan.facts import NO_NETWORK, AliasFacts, NodeFacts, SavedRoute
from dualstack.plan.steps.subnet import RANGE_CANARY
from tests.support.memory_platform import CLUSTER, NODES, MemoryPlatform, node, pod_cidr
from tests.unit.cutover.clouds import BASE, NETWORK, RANGE, SUBNET, ZONE, Parts, alias, instance, route

VM = f"{ZONE}/instances/worker-0"
DECOY = "kubernetes-dualstack-decoy"
DRILL = "kubernetes-rollback-drill"


async def observed(parts: Parts, **cluster: Any) -> Observation:
    observer = Observer(parts.compute.client, parts.platform, replace(CLUSTER, **cluster), parts.decoys())
    return await observer.observe()


async def first_node(parts: Parts) -> NodeFacts:
    return (await observed(parts)).facts.node_of["worker-0"]


async def test_a_cluster_at_rest() -> None:
    seen = await observed(Parts())
    assert [(each.name, each.zone, each.pod_cidr, each.running) for each in seen.facts.nodes] == [
        (name, "europe-west1-b", pod_cidr(number), True) for number, name in enumerate(NODES)
    ]
    assert {each.instance: each.destination for each in seen.facts.routes} == {
        name: pod_cidr(number) for number, name in enumerate(NODES)
    }
    assert seen.facts.foreign_routes == ()
    assert seen.facts.subnet.stack_type == "IPV4_ONLY"
    assert (seen.facts.subnet.flag_visible, seen.facts.subnet.overlap_flag) == (True, False)
    assert seen.network == NETWORK
    assert seen.uids == {name: f"uid-{name}" for name in NODES}
    assert set(seen.interfaces) == set(NODES)
    assert seen.decoy_zone is None
    assert seen.facts.unhealthy == {}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"podCIDRs": ["2001:db8::/112", pod_cidr(0)], "podCIDR": "2001:db8::/112"}, pod_cidr(0)),
        ({"podCIDR": pod_cidr(0)}, pod_cidr(0)),
        ({"podCIDR": "2001:db8::/112"}, None),
        ({}, None),
        (None, None),
    ],
)
async def test_the_pod_cidr_of_a_node_is_the_ipv4_one(spec: dict[str, Any] | None, expected: str | None) -> None:
    parts = Parts()
    parts.platform.nodes["worker-0"] = {**node(0), "spec": spec}
    assert (await first_node(parts)).pod_cidr == expected


def test_only_members_with_a_node_have_a_pod_cidr() -> None:
    assert pod_cidrs((Member("worker-0", "", node(0)), Member("worker-1", "", None))) == {"worker-0": pod_cidr(0)}


async def test_only_the_routes_of_the_network_of_the_subnet_are_read() -> None:
    parts = Parts()
    await observed(parts)
    filters = [query.get("filter") for path, query in parts.compute.queries if path == "global/routes"]
    assert filters == [network_filter(NETWORK)]


async def test_aliases_keep_their_order_and_a_single_address_is_a_cidr() -> None:
    parts = Parts()
    single = {"ipCidrRange": "10.0.9.9", "subnetworkRangeName": "other"}
    parts.compute.resources[VM] = instance("worker-0", single, alias(0), {"ipCidrRange": "10.0.7.0/28"})
    assert (await first_node(parts)).aliases == (
        AliasFacts("10.0.9.9/32", "other"),
        AliasFacts(pod_cidr(0), RANGE),
        AliasFacts("10.0.7.0/28", ""),
    )


@pytest.mark.parametrize(
    ("nic", "in_subnet"),
    [
        ({}, True),
        ({"subnetwork": f"{BASE.replace('www', 'compute')}/{SUBNET}"}, True),
        ({"subnetwork": f"{BASE}/{SUBNET}-2"}, False),
        ({"subnetwork": None}, False),
    ],
)
async def test_the_subnet_of_nic0(nic: dict[str, Any], in_subnet: bool) -> None:
    parts = Parts()
    parts.compute.resources[VM]["networkInterfaces"][0].update(nic)
    assert (await first_node(parts)).subnet_ok is in_subnet


@pytest.mark.parametrize(("status", "running"), [("RUNNING", True), ("TERMINATED", False), (None, False)])
async def test_only_a_running_vm_runs(status: str | None, running: bool) -> None:
    parts = Parts()
    parts.compute.resources[VM]["status"] = status
    found = await first_node(parts)
    assert (found.instance_exists, found.running) == (True, running)


@pytest.mark.parametrize(("zone", "shown"), [("europe-west1-c", "europe-west1-c"), ("", "europe-west1-b")])
async def test_a_machine_without_vm_has_the_zone_of_its_machine_or_any(zone: str, shown: str) -> None:
    class Platform(MemoryPlatform):
        async def members(self) -> tuple[Member, ...]:
            return (Member("worker-0", zone, node(0)),)

    parts = Parts(platform=Platform())
    del parts.compute.resources[VM]
    seen = await observed(parts)
    (found,) = seen.facts.nodes
    assert (found.zone, found.pod_cidr, found.instance_exists, found.running) == (shown, pod_cidr(0), False, False)
    assert seen.interfaces == {}


async def test_a_machine_without_node_has_no_pod_cidr_and_is_not_unhealthy() -> None:
    parts = Parts()
    parts.platform.nodes["worker-0"] = None
    seen = await observed(parts)
    assert seen.facts.node_of["worker-0"].pod_cidr is None
    assert "worker-0" not in seen.facts.unhealthy
    assert "worker-0" not in seen.uids
    assert seen.facts.unidentified == {"VM worker-0": "runs, but the API server shows no Node of its name"}


async def test_a_vm_of_a_machine_without_node_is_unidentified_whatever_its_name() -> None:
    parts = Parts()
    parts.platform.nodes["database"] = None
    parts.compute.resources[f"{ZONE}/instances/database"] = instance("database")
    assert list((await observed(parts)).facts.unidentified) == ["VM database"]


async def test_every_zone_of_pools_machines_and_saved_routes_is_listed_once() -> None:
    parts = Parts()
    parts.platform.saved = (
        SavedRoute("worker-9", pod_cidr(9), "europe-west1-d"),
        SavedRoute("worker-8", pod_cidr(8), ""),
    )
    await observed(parts)
    assert sorted(call for call in parts.compute.calls if "instances" in call) == [
        "GET zones/europe-west1-b/instances",
        "GET zones/europe-west1-d/instances",
    ]


async def test_vms_are_selected_by_the_prefix_of_their_names_where_they_have_one() -> None:
    parts = Parts()
    await observed(parts)
    await observed(parts, vm_name_prefix="worker-")
    assert [query.get("filter") for path, query in parts.compute.queries if path.endswith("/instances")] == [
        None,
        "name eq worker-.*",
    ]


async def test_temporary_routes_are_neither_the_clusters_nor_foreign() -> None:
    parts = Parts()
    for name, description in ((DRILL, "dualstack-rollback-drill"), (f"{DECOY}-1", "dualstack-decoy")):
        hop = DECOY if name.startswith(DECOY) else "worker-0"
        parts.compute.resources[f"global/routes/{name}"] = {
            **route(hop, 200),
            "name": name,
            "description": description,
        }
    parts.kube = NoProber()
    facts = (await observed(parts)).facts
    assert len(facts.routes) == 3
    assert facts.foreign_routes == ()
    assert facts.drill_routes == (DRILL,)
    assert facts.decoys.routes == {pod_cidr(200)}


@pytest.mark.parametrize(
    ("changes", "ours"),
    [
        ({}, True),
        ({"description": "by hand"}, False),
        ({"description": None}, False),
        ({"networkInterfaces": [{"network": f"{NETWORK}-2"}]}, False),
        ({"networkInterfaces": []}, False),
    ],
)
async def test_a_vm_with_the_decoys_name_is_the_decoy_only_by_description_and_network(
    changes: dict[str, Any], ours: bool
) -> None:
    parts = Parts(kube=NoProber())
    described = instance(DECOY, description="dualstack-decoy 10.96.252.0/22")
    parts.compute.resources[f"{ZONE}/instances/{DECOY}"] = described | changes
    seen = await observed(parts)
    assert seen.facts.decoys.vm is ours
    assert seen.decoy_zone == ("europe-west1-b" if ours else None)
    assert seen.facts.decoys.home == ("10.96.252.0/22" if ours else "")


@pytest.mark.parametrize(("text", "ours"), [("10.96.7.0/24", True), ("10.200.7.0/24", False)])
async def test_a_range_with_the_name_of_the_canary_is_ours_only_inside_the_pod_cidr(text: str, ours: bool) -> None:
    parts = Parts()
    parts.compute.resources[SUBNET]["secondaryIpRanges"] = [{"rangeName": RANGE_CANARY, "ipCidrRange": text}]
    facts = (await observed(parts)).facts
    assert facts.range_canary == (text if ours else "")
    assert facts.subnet.secondary_ranges == (() if ours else ((RANGE_CANARY, text),))


async def test_the_decoys_range_is_no_range_of_the_cluster() -> None:
    parts = Parts(kube=NoProber())
    parts.compute.resources[SUBNET] |= {
        "stackType": "IPV4_IPV6",
        "allowSubnetCidrRoutesOverlap": True,
        "secondaryIpRanges": [
            {"rangeName": "dualstack-decoys", "ipCidrRange": "10.96.252.0/22"},
            {"rangeName": RANGE, "ipCidrRange": CLUSTER.pods},
        ],
    }
    facts = (await observed(parts)).facts
    assert facts.subnet.secondary_ranges == ((RANGE, CLUSTER.pods),)
    assert facts.decoys.range == "10.96.252.0/22"
    assert (facts.subnet.overlap_flag, facts.subnet.stack_type) == (True, "IPV4_IPV6")
    del parts.compute.resources[SUBNET]["allowSubnetCidrRoutesOverlap"]
    assert (await observed(parts)).facts.subnet.flag_visible is False


@pytest.mark.parametrize(
    ("name", "nic", "status", "unidentified"),
    [
        ("worker-9", {}, "RUNNING", True),
        ("worker-9", {}, "TERMINATED", False),
        ("worker-9", {"subnetwork": f"{BASE}/{SUBNET}-2"}, "RUNNING", False),
        ("database", {}, "RUNNING", False),
    ],
)
async def test_a_running_vm_of_a_pool_without_node_is_unidentified(
    name: str, nic: dict[str, str], status: str, unidentified: bool
) -> None:
    parts = Parts()
    vm = instance(name, status=status)
    vm["networkInterfaces"][0].update(nic)
    parts.compute.resources[f"{ZONE}/instances/{name}"] = vm
    words = {f"VM {name}": "runs, but the API server shows no Node of its name"}
    assert (await observed(parts)).facts.unidentified == (words if unidentified else {})


@pytest.mark.parametrize(
    ("objects", "zone", "ids"),
    [
        ([], "", ()),
        ([{"spec": None}, {}], "", ()),
        ([{"spec": {}}, {"spec": {"providerID": "gce://p/z/worker-0"}}], "z", ("gce://p/z/worker-0",)),
        (
            [{"spec": {"providerID": "nonsense"}}, {"spec": {"providerID": "gce:///p/z/worker-0"}}],
            "z",
            ("nonsense", "gce:///p/z/worker-0"),
        ),
    ],
)
def test_the_zone_of_a_member_is_in_its_provider_id(objects: list[Any], zone: str, ids: tuple[str, ...]) -> None:
    member = Member.of("worker-0", None, *objects)
    assert (member.zone, member.provider_ids) == (zone, ids)


async def test_the_conditions_of_the_nodes_are_read() -> None:
    parts = Parts()
    problem = {"type": "HostNetworkProblem", "status": "True", "message": "1 of 3"}
    ready = {"type": "Ready", "status": "True"}
    parts.platform.nodes["worker-0"] = {**node(0), "status": {"conditions": [ready, problem]}}
    parts.platform.nodes["worker-1"] = {**node(1), "status": None}
    facts = (await observed(parts)).facts
    assert facts.with_network_problem == {"worker-0"}
    assert facts.unhealthy == {"worker-0": "reports HostNetworkProblem: 1 of 3", "worker-1": "is not Ready"}


@pytest.mark.parametrize(
    ("kind", "status", "problem", "watched"),
    [
        ("HostNetworkProblem", "True", "reports HostNetworkProblem: no details", True),
        ("HostNetworkProblem", "False", "", True),
        ("NetworkUnavailable", "True", NO_NETWORK, False),
        ("NetworkUnavailable", "False", "", False),
    ],
)
async def test_a_condition_counts_while_it_is_true_and_shows_that_the_network_is_watched(
    kind: str, status: str, problem: str, watched: bool
) -> None:
    parts = Parts()
    conditions = [{"type": "Ready", "status": "True"}, {"type": kind, "status": status}]
    parts.platform.nodes["worker-0"] = {**node(0), "status": {"conditions": conditions}}
    facts = (await observed(parts)).facts
    assert facts.unhealthy == ({"worker-0": problem} if problem else {})
    assert facts.network_watched is watched


@pytest.mark.parametrize(("nodes", "watched"), [(0, True), (3, False)])
async def test_only_nodes_with_a_vm_can_show_that_nothing_watches_the_network(nodes: int, watched: bool) -> None:
    parts = Parts()
    for number, name in enumerate(NODES):
        if number >= nodes:
            del parts.compute.resources[f"{ZONE}/instances/{name}"]
    assert (await observed(parts)).facts.network_watched is watched


@pytest.mark.parametrize(("has_node", "ids"), [(False, ()), (True, ("gce://proj-1/europe-west1-b/worker-9",))])
async def test_a_machine_whose_vm_is_still_to_come_or_is_named_is_not_unidentified(
    has_node: bool, ids: tuple[str, ...]
) -> None:
    class Platform(MemoryPlatform):
        async def members(self) -> tuple[Member, ...]:
            found = {**node(0), "metadata": {"name": "worker-9", "uid": "u"}} if has_node else None
            return (*await super().members(), Member("worker-9", "europe-west1-b", found, ids))

    assert (await observed(Parts(platform=Platform()))).facts.unidentified == {}


class WithIds(MemoryPlatform):
    """The provider IDs of the members, by name."""

    def __init__(self, ids: dict[str, str]) -> None:
        super().__init__()
        self._ids = ids

    async def members(self) -> tuple[Member, ...]:
        found = await super().members()
        return tuple(replace(each, provider_ids=(self._ids[each.name],)) for each in found)


@pytest.mark.parametrize(
    ("provider_id", "reason"),
    [
        ("gce://proj-1/europe-west1-b/worker-0", ""),
        ("gce://proj-1/europe-west1-b/worker-1", "which names another VM"),
        ("gce://proj-2/europe-west1-b/worker-0", "which names another VM"),
        ("aws:///i-1", "which is not gce://<project>/<zone>/<name>"),
    ],
)
async def test_a_node_is_identified_by_its_provider_id(provider_id: str, reason: str) -> None:
    parts = Parts()
    good = {name: f"gce://proj-1/europe-west1-b/{name}" for name in NODES}
    parts.platform = WithIds({**good, "worker-0": provider_id})
    found = (await observed(parts)).facts.unidentified
    assert found == ({"node worker-0": f"has provider ID {provider_id!r}, {reason}"} if reason else {})


async def test_p23_a_node_with_neither_provider_id_nor_vm_is_unidentified() -> None:
    parts = Parts()
    parts.platform.nodes["virtual"] = {**node(0), "metadata": {"name": "virtual", "uid": "u"}}
    found = (await observed(parts)).facts.unidentified
    assert found == {"node virtual": "has no provider ID, and no VM of the cluster has its name"}


class NoProber:
    """A cluster without the probe pods."""

    async def get(self, *_: Any) -> None:
        return None
