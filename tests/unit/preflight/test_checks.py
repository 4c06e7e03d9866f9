"""Each check: a cluster in which it finds a problem, and the cases next to it in which it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dualstack.gce import Resource
from dualstack.model.cluster import NodePool
from dualstack.plan.automatic import MOST_INTERFACES
from dualstack.plan.facts import AliasFacts, CutoverFacts, DecoyFacts, RouteFacts, SavedRoute
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import choose
from dualstack.preflight.decoys import DecoyCheck, decoy_check
from dualstack.preflight.inventory import Inventory, Source
from dualstack.preflight.limits import ALIASES, SECONDARY_RANGES, STATIC_ROUTES
from dualstack.preflight.nodes import alias_matched
from dualstack.preflight.registry import CHECKS
from tests.support.cluster_facts import PODS, RANGE, RUNNING, ZONE, alias, at_rest, last, node
from tests.unit.preflight.inventories import (
    ANSWERS,
    BASE,
    INTERNAL_SUBNET,
    INVENTORY,
    NETWORK,
    NODES_SUBNET,
    SERVICES,
    SERVICES_SUBNET,
    answering,
    denied,
    findings,
    machine,
    metadata,
    problems,
    quota,
    route,
    router,
    subnet,
    with_answer,
)

DONE = replace(INVENTORY, observed=last(choose("overlap"), at_rest(3), Settings()))
FULL = replace(at_rest(2), pods_cidr="10.96.0.0/23")
"""No block is unused."""
IN_PODS, IN_SERVICES = "10.100.0.0/24", "100.70.0.0/16"
SECOND = {"rangeName": "r", "ipCidrRange": IN_PODS}


def facts(**changes: Any) -> CutoverFacts:
    return replace(at_rest(3), **changes)


def observing(observed: CutoverFacts) -> Inventory:
    return replace(INVENTORY, observed=observed)


def ranges(*added: tuple[str, str]) -> Inventory:
    return observing(facts(subnet=replace(at_rest(3).subnet, secondary_ranges=added)))


def first_node(**changes: Any) -> Inventory:
    return observing(facts(nodes=(replace(node(0), **changes), node(1), node(2))))


def peer(cidr: str, kind: str, *, imported: bool = True) -> Resource:
    return {"destRange": cidr, "type": f"{kind}_PEERING_ROUTE", "imported": imported}


def reserved(**fields: Any) -> Resource:
    given = {"name": "n", "address": "10.100.0.0", "prefixLength": 20, "purpose": "VPC_PEERING", "network": NETWORK}
    return given | fields


def learned(*cidrs: str) -> Inventory:
    result = {"bestRoutes": [{"destRange": cidr} for cidr in cidrs], "bestRoutesForRouter": []}
    return answering("router status", {"name": "vpn", "result": result})


def firewalls(limit: float) -> Inventory:
    return with_answer("project", [{"quotas": [{"metric": "FIREWALLS", "limit": limit}]}])


def nics(count: int) -> Inventory:
    return with_answer("instances", [machine(f"node-{n}") for n in range(count)])


def aliased_machine(count: int) -> Resource:
    found = machine("many")
    (interface,) = found["networkInterfaces"]
    return found | {"networkInterfaces": [interface | {"aliasIpRanges": [{"ipCidrRange": "10.96.0.0/24"}] * count}]}


def nodes_subnet(**fields: Any) -> Inventory:
    return with_answer("subnetworks", [subnet(NODES_SUBNET, "10.250.0.0/16") | fields])


def network(**fields: Any) -> Inventory:
    return with_answer("network", [{**ANSWERS["network"][0], **fields}])


def regional(*quotas: Resource) -> Inventory:
    return with_answer("region", [{"quotas": list(quotas)}])


def about_cluster(**fields: Any) -> Inventory:
    return replace(INVENTORY, cluster=replace(INVENTORY.cluster, **fields))


def many_routes(count: int) -> Inventory:
    return with_answer("routes", [route(f"r{n}", "172.16.0.0/24") for n in range(count)])


APPEARS: list[tuple[str, Inventory, str]] = [
    (
        "permissions-granted",
        with_answer("permissions", [{"object": "routes r", "missing": ["compute.routes.delete"]}]),
        "routes r: permission compute.routes.delete is missing",
    ),
    (
        "pod-range-overlap",
        answering("subnetworks", subnet("y", IN_PODS)),
        f"subnet y: range {IN_PODS} overlaps the pod range {PODS}",
    ),
    (
        "pod-range-overlap",
        answering(
            "subnetworks", subnet("y", "172.20.0.0/16", secondaryIpRanges=[{"rangeName": "r", "ipCidrRange": IN_PODS}])
        ),
        f"subnet y: range {IN_PODS} overlaps the pod range {PODS}",
    ),
    (
        "pod-range-taken",
        ranges(("pods-default", PODS)),
        f"subnet {NODES_SUBNET}: secondary range pods-default ({PODS}) conflicts with {RANGE} ({PODS})",
    ),
    (
        "pod-range-taken",
        ranges((RANGE, "172.20.0.0/16")),
        f"subnet {NODES_SUBNET}: secondary range {RANGE} (172.20.0.0/16) conflicts with {RANGE} ({PODS})",
    ),
    (
        "service-range-overlap",
        answering("subnetworks", subnet("y", IN_SERVICES)),
        f"subnet y: range {IN_SERVICES} overlaps the service range {SERVICES}",
    ),
    (
        "service-range-routes",
        answering("routes", route("y", IN_SERVICES)),
        f"route y: destination {IN_SERVICES} lies in the service range",
    ),
    (
        "peer-ranges",
        answering("peering routes", peer(IN_SERVICES, "SUBNET")),
        f"network vpc: range {IN_SERVICES} of a peer overlaps {SERVICES}",
    ),
    (
        "reserved-ranges",
        answering("addresses", reserved()),
        f"reserved range n: 10.100.0.0/20 overlaps {PODS}",
    ),
    (
        "foreign-routes",
        observing(facts(foreign_routes=(RouteFacts("vpn", IN_PODS),))),
        f"route vpn: destination {IN_PODS} lies in the pod range, and the route is not this cluster's",
    ),
    (
        "learned-routes",
        learned(IN_PODS, "10.0.0.0/8", "fd00::/8"),
        f"Cloud Router vpn: learned prefix {IN_PODS} lies in {PODS}",
    ),
    (
        "learned-routes",
        learned("10.250.9.0/24"),
        "Cloud Router vpn: learned prefix 10.250.9.0/24 lies in 10.250.0.0/16",
    ),
    (
        "advertised-pod-range",
        answering("routers", router(name="office", bgp={"asn": 64512})),
        f"Cloud Router office (europe-west1): it will advertise pod range {PODS}",
    ),
    (
        "ipv6-access-type",
        with_answer("subnetworks", [subnet(NODES_SUBNET, "10.250.0.0/16", ipv6AccessType="INTERNAL")]),
        f"subnet {NODES_SUBNET}: ipv6AccessType is INTERNAL",
    ),
    (
        "ipv6-access-type",
        answering("subnetworks", subnet(SERVICES_SUBNET, SERVICES, ipv6AccessType="INTERNAL")),
        f"subnet {SERVICES_SUBNET}: ipv6AccessType is INTERNAL",
    ),
    (
        "ipv6-access-type",
        answering("subnetworks", subnet(INTERNAL_SUBNET, "10.251.0.0/16", ipv6AccessType="INTERNAL")),
        f"subnet {INTERNAL_SUBNET}: ipv6AccessType is INTERNAL",
    ),
    ("network-mode", network(autoCreateSubnetworks=True), "network vpc: it is in auto mode"),
    ("network-mode", network(autoCreateSubnetworks=None), "network vpc: it is a legacy network, which has no subnets"),
    (
        "subnet-purpose",
        nodes_subnet(purpose="REGIONAL_MANAGED_PROXY", role="ACTIVE"),
        f"subnet {NODES_SUBNET}: its purpose is REGIONAL_MANAGED_PROXY with role ACTIVE",
    ),
    (
        "subnet-purpose",
        answering("subnetworks", subnet(SERVICES_SUBNET, SERVICES, purpose="PRIVATE_SERVICE_CONNECT")),
        f"subnet {SERVICES_SUBNET}: its purpose is PRIVATE_SERVICE_CONNECT",
    ),
    (
        "subnet-name-taken",
        answering("subnetworks", subnet(SERVICES_SUBNET, SERVICES) | {"network": f"{NETWORK}-2"}),
        f"subnet {SERVICES_SUBNET}: it belongs to network vpc-2",
    ),
    (
        "subnet-range",
        nodes_subnet(ipCidrRange="10.248.0.0/13"),
        f"subnet {NODES_SUBNET}: its range 10.248.0.0/13 cannot become 10.250.0.0/16",
    ),
    (
        "subnet-range",
        answering("subnetworks", subnet(SERVICES_SUBNET, "100.64.0.0/14")),
        f"subnet {SERVICES_SUBNET}: its range 100.64.0.0/14 cannot become {SERVICES}",
    ),
    (
        "subnet-range",
        answering("subnetworks", {**subnet(SERVICES_SUBNET, ""), "ipCidrRange": None}),
        f"subnet {SERVICES_SUBNET}: it has no IPv4 range",
    ),
    (
        "range-valid",
        about_cluster(services="169.254.64.0/20"),
        "range 169.254.64.0/20: it overlaps 169.254.0.0/16, which no subnet can have",
    ),
    ("range-valid", about_cluster(services="100.64.0.0/30"), "range 100.64.0.0/30: it is smaller than a /29"),
    (
        "overlap-flag-visible",
        observing(facts(subnet=replace(at_rest(3).subnet, flag_visible=False))),
        f"subnet {NODES_SUBNET}: the API does not show allowSubnetCidrRoutesOverlap",
    ),
    (
        "nodes-known",
        observing(facts(nodes=tuple(replace(node(n), pod_cidr=None) for n in range(3)))),
        "cluster shoot--foo--bar: routes lead to 3 VMs, but no Node has a pod CIDR",
    ),
    (
        "nodes-known",
        observing(facts(unidentified={"VM node-0": "runs, but the API server shows no Node of its name"})),
        "VM node-0: runs, but the API server shows no Node of its name",
    ),
    (
        "node-routes",
        observing(facts(routes=at_rest(3).routes[1:])),
        "node node-0: no static route leads to the pod CIDR",
    ),
    (
        "node-routes",
        observing(replace(at_rest(5), routes=())),
        "nodes node-0, node-1, node-2 and 2 more: no static route leads to the pod CIDR",
    ),
    (
        "interface-subnet",
        first_node(subnet_ok=False),
        f"VM node-0: nic0 is not in subnet {NODES_SUBNET}",
    ),
    (
        "plan-preconditions",
        observing(facts(nodes=(*at_rest(3).nodes, replace(node(8), pod_cidr=None, aliases=(alias(0),))))),
        "cluster shoot--foo--bar: VM node-8 holds 10.96.0.0/24, the pod CIDR of VM node-0, as an alias",
    ),
    (
        "network-watched",
        replace(observing(facts(network_watched=False)), settings=Settings(), prober_image=""),
        "cluster shoot--foo--bar: no Node has the condition ClusterNetworkProblem or HostNetworkProblem",
    ),
    (
        "guest-agent",
        with_answer("machine metadata", [{"name": "node-0"}]),
        "VM node-0: neither its metadata nor that of the project has disable-address-manager: true",
    ),
    (
        "firewall-name-taken",
        answering("firewalls", {"name": "ipv6-internal", "network": f"{NETWORK}-2"}),
        "firewall rule ipv6-internal: it belongs to network vpc-2",
    ),
    (
        "roll-out-quota",
        regional(quota("INSTANCES", 3, 3)),
        "region europe-west1: quota INSTANCES is 3, 3 are used and up to 1 more are needed",
    ),
    (
        "roll-out-quota",
        regional(quota("CPUS", 0, 0), quota("N2_CPUS", 15, 12)),
        "region europe-west1: quota N2_CPUS is 15, 12 are used and up to 4 more are needed",
    ),
    (
        "roll-out-quota",
        regional(quota("CPUS", 15, 12)),
        "region europe-west1: quota CPUS is 15, 12 are used and up to 4 more are needed",
    ),
    (
        "roll-out-quota",
        with_answer("project", [{"quotas": [quota("CPUS_ALL_REGIONS", 12, 12)]}]),
        "project p: quota CPUS_ALL_REGIONS is 12, 12 are used and up to 4 more are needed",
    ),
    (
        "roll-out-quota",
        with_answer("instances", [machine(external=True)], regional(quota("IN_USE_ADDRESSES", 8, 8))),
        "region europe-west1: quota IN_USE_ADDRESSES is 8, 8 are used and up to 1 more are needed",
    ),
    (
        "nodes-subnet-room",
        about_cluster(nodes="10.250.0.0/29", pools=(NodePool("w", (ZONE,), surge=2, vm_name_prefixes=("node-",)),)),
        f"subnet {NODES_SUBNET}: range 10.250.0.0/29 has 4 usable addresses, VMs use 3 and up to 2 more are needed",
    ),
    (
        "secondary-range-limit",
        ranges(*((f"r{number}", "172.20.0.0/24") for number in range(SECONDARY_RANGES))),
        f"subnet {NODES_SUBNET}: it has {SECONDARY_RANGES} secondary ranges",
    ),
    (
        "alias-limit",
        first_node(aliases=tuple(AliasFacts(f"172.20.0.{number}/32", "r") for number in range(ALIASES))),
        f"VM node-0: nic0 has {ALIASES} alias ranges",
    ),
    (
        "firewall-quota",
        firewalls(3.0),
        "project p: quota FIREWALLS is 3, 2 rules exist and 2 more are needed",
    ),
    (
        "firewall-quota",
        firewalls(1.0),
        "project p: quota FIREWALLS is 1, 2 rules exist and 2 more are needed",
    ),
    (
        "static-route-quota",
        many_routes(STATIC_ROUTES - 2),
        (
            "network vpc: 198 static routes exist and up to 3 more are needed; the default quota "
            "STATIC_ROUTES_PER_NETWORK is 200"
        ),
    ),
    (
        "static-route-quota",
        replace(many_routes(STATIC_ROUTES - 2), observed=replace(INVENTORY.facts, routes=INVENTORY.facts.routes[1:])),
        (
            "network vpc: 198 static routes exist and up to 4 more are needed; the default quota "
            "STATIC_ROUTES_PER_NETWORK is 200"
        ),
    ),
    (
        "subnet-range-quota",
        nodes_subnet(secondaryIpRanges=[SECOND] * 297),
        (
            "network vpc: its subnets have 298 ranges and 4 more are needed; the default quota "
            "SUBNET_RANGES_PER_NETWORK is 300"
        ),
    ),
    (
        "network-quota",
        with_answer("instances", [aliased_machine(15_000 - 3)]),
        (
            "network vpc: its VMs have 14997 alias ranges and up to 4 more are needed; the default quota "
            "ALIASES_PER_NETWORK_GLOBAL is 15000"
        ),
    ),
    (
        "hybrid-limits",
        nics(MOST_INTERFACES),
        (
            "network vpc: the VPC network is above the limits of hybrid subnets: "
            "130 NICs and up to 1 during a roll-out, limit 130"
        ),
    ),
    (
        "decoy-room",
        replace(INVENTORY, prober_image=""),
        "decoy check: no image for the probing pods is configured (--prober-image)",
    ),
    (
        "decoy-room",
        observing(FULL),
        "decoy check: no block of the pod range 10.96.0.0/23 is free",
    ),
    (
        "decoy-room",
        nics(MOST_INTERFACES - 1),
        (
            "decoy check: 129 NICs and up to 1 during a roll-out leave no room for one more in a network "
            "with a hybrid subnet, "
            "whose limit is 130"
        ),
    ),
]


@pytest.mark.parametrize(("check", "inventory", "words"), [pytest.param(*case, id=case[0]) for case in APPEARS])
def test_a_problem_names_its_object_and_what_was_read(check: str, inventory: Inventory, words: str) -> None:
    assert problems(inventory, check) == [words]
    assert problems(INVENTORY, check) == []
    (known,) = [each for each in CHECKS if each.id == check]
    assert [(found.consequence, found.remedy) for found in findings(inventory, check) if found.status == "problem"] == [
        (known.consequence, known.remedy)
    ]


def test_every_check_has_such_a_case() -> None:
    assert {case[0] for case in APPEARS} == {check.id for check in CHECKS}


def test_the_state_of_a_finished_cluster_leaves_little_to_check() -> None:
    remaining = {check.id for check in CHECKS if findings(DONE, check.id)[0].status == "ok"}
    assert remaining == {
        "permissions-granted",
        "service-range-overlap",
        "service-range-routes",
        "peer-ranges",
        "reserved-ranges",
        "range-valid",
        "network-mode",
        "subnet-purpose",
        "subnet-name-taken",
        "subnet-range",
        "ipv6-access-type",
        "nodes-known",
        "interface-subnet",
        "guest-agent",
        "alias-limit",
        "firewall-quota",
        "firewall-name-taken",
        "roll-out-quota",
        "nodes-subnet-room",
        "subnet-range-quota",
        "network-quota",
    }
    created = answering("subnetworks", subnet(SERVICES_SUBNET, SERVICES), inventory=DONE)
    for check in ("service-range-overlap", "service-range-routes", "peer-ranges", "reserved-ranges"):
        assert [finding.status for finding in findings(created, check)] == ["not-applicable"]


@pytest.mark.parametrize(
    ("kind", "quotas", "found"),
    [
        ("e2-standard-8", [quota("E2_CPUS", 0, 0), quota("CPUS", 8, 0)], []),
        ("e2-standard-8", [quota("E2_CPUS", 99, 0), quota("CPUS", 7, 0)], ["CPUS"]),
        ("n2-standard-4", [quota("N2_CPUS", 4, 0), quota("CPUS", 0, 0)], []),
        ("n2-standard-4", [quota("N2_CPUS", 4, 1)], ["N2_CPUS"]),
        ("n2-standard-4", [{"metric": "N2_CPUS", "limit": 3.0}], ["N2_CPUS"]),
        ("n2-standard-4", [{"metric": "N2_CPUS", "limit": 4.0}], []),
        ("n2-standard-4", [], []),
    ],
)
def test_p18_the_roll_out_counts_the_vcpus_of_the_machine_family(
    kind: str, quotas: list[Resource], found: list[str]
) -> None:
    inventory = with_answer("instances", [machine(kind=kind)], regional(*quotas))
    evidence = [finding.evidence for finding in findings(inventory, "roll-out-quota") if finding.status == "problem"]
    assert [text.split()[1] for text in evidence] == found


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        ("nvidia-tesla-t4", "NVIDIA_T4_GPUS"),
        ("nvidia-a100-80gb", "NVIDIA_A100_80GB_GPUS"),
        ("nvidia-l4", "GPUS_ALL_REGIONS"),
    ],
)
def test_p18_the_roll_out_counts_the_gpus_of_the_vm_that_has_most(kind: str, metric: str) -> None:
    vms = [
        machine(f"node-{count}")
        | {"guestAccelerators": [{"acceleratorType": f"{ZONE}/{kind}", "acceleratorCount": count}]}
        for count in (1, 2)
    ]
    inventory = with_answer("instances", vms, regional(quota(metric, 4, 3)))
    assert problems(inventory, "roll-out-quota") == [
        f"region europe-west1: quota {metric} is 4, 3 are used and up to 2 more are needed"
    ]
    assert problems(with_answer("region", [{"quotas": [quota(metric, 5, 3)]}], inventory), "roll-out-quota") == []


def test_p18_a_pool_without_vms_counts_its_instances_and_the_largest_type_of_a_pool_its_vcpus() -> None:
    pools = (NodePool("w", (ZONE,), surge=2, vm_name_prefixes=("node-",)), NodePool("x", (ZONE,), surge=3))
    pools = (pools[0], replace(pools[1], vm_name_prefixes=("other-",)))
    both = [machine("node-0"), machine("node-1", "e2-standard-8"), machine("stranger", "e2-standard-8")]
    inventory = with_answer("instances", both, replace(regional(), cluster=replace(INVENTORY.cluster, pools=pools)))
    tight = with_answer("region", [{"quotas": [quota("INSTANCES", 4, 0), quota("CPUS", 15, 0)]}], inventory)
    assert problems(tight, "roll-out-quota") == [
        "region europe-west1: quota CPUS is 15, 0 are used and up to 16 more are needed",
        "region europe-west1: quota INSTANCES is 4, 0 are used and up to 5 more are needed",
    ]


def test_p18_a_pool_of_which_no_name_is_known_may_have_any_vm_of_the_cluster() -> None:
    inventory = replace(
        regional(quota("CPUS", 15, 0)), cluster=replace(INVENTORY.cluster, pools=(NodePool("w", (), 2),))
    )
    assert problems(with_answer("instances", [machine("any", "e2-standard-8")], inventory), "roll-out-quota") == [
        "region europe-west1: quota CPUS is 15, 0 are used and up to 16 more are needed"
    ]


@pytest.mark.parametrize(
    ("project", "instance", "agent", "found"),
    [
        ({}, {}, "", True),
        ({"disable_address_manager": "TRUE"}, {}, "", False),
        ({"disable_address_manager": "true"}, {"disable_address_manager": "false"}, "", True),
        ({}, {"disable_address_manager": "true"}, "", False),
        ({}, {"disable_address_manager": "1"}, "", False),
        ({}, {"disable_address_manager": "tRUE"}, "", True),
        ({"disable_address_manager": "t"}, {"disable_address_manager": "yes"}, "", False),
        ({"disable_address_manager": "true"}, {"disable_address_manager": "0"}, "", True),
        ({}, {}, "OperatingSystemConfig x", False),
    ],
)
def test_p21_the_guest_agent_follows_the_instance_then_the_project_then_the_file(
    project: dict[str, str], instance: dict[str, str], agent: str, found: bool
) -> None:
    inventory = with_answer("machine metadata", [{"name": "node-0", "metadata": metadata(**instance)}])
    inventory = with_answer("project", [{"commonInstanceMetadata": metadata(**project)}], inventory)
    assert bool(problems(replace(inventory, guest_agent=agent), "guest-agent")) is found


@pytest.mark.parametrize(("watched", "severity"), [(True, "risk"), (False, "blocker")])
def test_a_guest_agent_that_no_node_would_show_stops_the_migration(watched: bool, severity: str) -> None:
    inventory = observing(facts(network_watched=watched))
    found = findings(with_answer("machine metadata", [{"name": "node-0"}], inventory), "guest-agent")
    assert [finding.severity for finding in found] == [severity]


@pytest.mark.parametrize(
    ("nodes", "watched", "decoys", "status"),
    [
        (1, False, False, "not-applicable"),
        (2, False, False, "problem"),
        (2, True, False, "ok"),
        (2, False, True, "ok"),
    ],
)
def test_conditions_or_decoys_have_to_watch_a_network_of_more_than_one_node(
    nodes: int, watched: bool, decoys: bool, status: str
) -> None:
    inventory = observing(replace(at_rest(nodes), network_watched=watched))
    found = findings(replace(inventory, settings=Settings(decoys=decoys)), "network-watched")
    assert [finding.status for finding in found] == [status]


def test_p21_a_metadata_key_without_value_is_not_true() -> None:
    empty = {"name": "node-0", "metadata": {"items": [{"key": "disable-address-manager"}]}}
    assert [found.status for found in findings(with_answer("machine metadata", [empty]), "guest-agent")] == ["problem"]


def test_a_subnet_without_ipv4_range_overlaps_nothing() -> None:
    six = {key: value for key, value in subnet("six", "").items() if key != "ipCidrRange"}
    inventory = answering("subnetworks", six | {"stackType": "IPV6_ONLY"})
    for check in ("pod-range-overlap", "service-range-overlap", "hybrid-limits"):
        assert [finding.status for finding in findings(inventory, check)] == ["ok"]


def test_the_subnets_of_another_region_or_network_are_not_the_clusters() -> None:
    elsewhere = subnet(NODES_SUBNET, "10.9.0.0/16", purpose="PRIVATE_NAT") | {"region": f"{BASE}/regions/us-east1"}
    for check in ("subnet-purpose", "subnet-name-taken", "subnet-range", "ipv6-access-type"):
        assert problems(answering("subnetworks", elsewhere), check) == []
    stranger = subnet("x2", "10.9.0.0/16") | {"network": f"{NETWORK}-2"}
    assert problems(answering("subnetworks", stranger), "subnet-name-taken") == []
    expanded = nodes_subnet(ipCidrRange="10.250.0.0/20")
    assert problems(expanded, "subnet-range") == []
    assert problems(answering("subnetworks", subnet(SERVICES_SUBNET, SERVICES)), "subnet-range") == []
    assert problems(about_cluster(nodes=""), "subnet-range") == []


def test_the_smallest_range_of_a_subnet_is_a_29() -> None:
    assert problems(about_cluster(services="100.64.0.0/29"), "range-valid") == []


def test_what_the_nodes_subnet_has_already_is_no_overlap() -> None:
    own = subnet(NODES_SUBNET, "10.250.0.0/16", secondaryIpRanges=[{"rangeName": RANGE, "ipCidrRange": PODS}])
    assert problems(with_answer("subnetworks", [own]), "pod-range-overlap") == []
    assert len(problems(with_answer("subnetworks", [own | {"ipCidrRange": IN_PODS}]), "pod-range-overlap")) == 1
    elsewhere = own | {"region": f"{BASE}/regions/us-east1"}
    assert len(problems(answering("subnetworks", elsewhere), "pod-range-overlap")) == 1
    other_network = own | {"name": "y", "network": f"{NETWORK}-2"}
    assert problems(answering("subnetworks", other_network), "pod-range-overlap") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"destRange": "0.0.0.0/0"},
        {"destRange": "2600::/64"},
        {"destRange": "nonsense"},
        {"network": f"{NETWORK}-2"},
        {"nextHopNetwork": NETWORK},
        {"nextHopPeering": "p"},
    ],
)
def test_a_route_that_does_not_lie_in_the_service_range_is_no_problem(changes: dict[str, Any]) -> None:
    assert problems(answering("routes", route("y", IN_SERVICES) | changes), "service-range-routes") == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (peer("10.100.0.0/16", "SUBNET"), [f"range 10.100.0.0/16 of a peer overlaps {PODS}"]),
        (peer("0.0.0.0/1", "SUBNET"), [f"range 0.0.0.0/1 of a peer overlaps {cidr}" for cidr in (PODS, SERVICES)]),
        (peer(IN_PODS, "STATIC"), [f"an imported route to {IN_PODS} lies in {PODS}"]),
        (peer(PODS, "STATIC"), [f"an imported route to {PODS} lies in {PODS}"]),
        (peer(IN_PODS, "STATIC", imported=False), []),
        (peer(IN_PODS, "SUBNET", imported=False), [f"range {IN_PODS} of a peer overlaps {PODS}"]),
        (peer("10.0.0.0/8", "STATIC"), []),
        (peer(IN_PODS, "DYNAMIC"), [f"an imported route to {IN_PODS} lies in {PODS}"]),
        (peer("172.16.0.0/12", "SUBNET"), []),
        (peer("2600:1900:4010::/64", "SUBNET"), []),
        ({}, []),
    ],
)
def test_r10_ranges_and_imported_routes_of_peers(given: Resource, words: list[str]) -> None:
    found = problems(answering("peering routes", given, given), "peer-ranges")
    assert found == [f"network vpc: {each}" for each in words]


def test_r10_a_route_that_is_not_imported_hides_none_behind_it() -> None:
    inventory = answering("peering routes", peer(IN_PODS, "STATIC", imported=False), peer(IN_SERVICES, "STATIC"))
    assert problems(inventory, "peer-ranges") == [f"network vpc: an imported route to {IN_SERVICES} lies in {SERVICES}"]


def test_without_an_active_peering_no_peer_matters() -> None:
    inventory = with_answer("network", [{"selfLink": NETWORK, "peerings": [{"state": "INACTIVE"}]}])
    assert [finding.status for finding in findings(inventory, "peer-ranges")] == ["not-applicable"]


@pytest.mark.parametrize(
    "changes", [{"purpose": "GCE_ENDPOINT"}, {"network": f"{NETWORK}-2"}, {"network": None}, {"prefixLength": None}]
)
def test_an_address_that_reserves_nothing_here_is_no_problem(changes: dict[str, Any]) -> None:
    assert problems(answering("addresses", reserved(**changes)), "reserved-ranges") == []


DEFAULT = {"asn": 64512, "advertiseMode": "DEFAULT"}
CUSTOM = DEFAULT | {"advertiseMode": "CUSTOM"}


@pytest.mark.parametrize(
    ("fields", "advertises"),
    [
        ({"bgp": DEFAULT}, True),
        ({"bgp": {"asn": 64512}}, True),
        ({"bgp": None}, False),
        ({"bgp": CUSTOM}, False),
        ({"bgp": CUSTOM | {"advertisedGroups": ["ALL_SUBNETS"]}}, True),
        ({"bgp": CUSTOM, "bgpPeers": [{"name": "a"}, {"name": "b", "advertiseMode": "DEFAULT"}]}, True),
        ({"bgp": DEFAULT, "bgpPeers": [{"name": "a", "advertiseMode": "CUSTOM"}]}, False),
        ({"bgp": DEFAULT, "network": f"{NETWORK}-2"}, False),
        ({"bgp": DEFAULT, "region": f"{BASE}/regions/us-east1"}, False),
    ],
)
def test_r15_a_router_advertises_by_mode_network_and_region(fields: dict[str, Any], advertises: bool) -> None:
    assert bool(problems(answering("routers", router(**fields)), "advertised-pod-range")) is advertises


def test_r15_with_global_routing_every_region_counts() -> None:
    far = answering("routers", router(name="far", region=f"{BASE}/regions/us-east1", bgp=DEFAULT))
    network = {"selfLink": NETWORK, "routingConfig": {"routingMode": "GLOBAL"}}
    (found,) = problems(with_answer("network", [network], far), "advertised-pod-range")
    assert found.startswith("Cloud Router far (us-east1)")


@pytest.mark.parametrize("check", ["learned-routes", "overlap-flag-visible", "hybrid-limits", "decoy-room"])
def test_a_strategy_without_the_overlap_flag_does_not_need_what_the_flag_needs(check: str) -> None:
    hidden = facts(subnet=replace(at_rest(3).subnet, flag_visible=False))
    inventory = replace(INVENTORY, observed=hidden, strategy=choose("compressed"), prober_image="")
    for source in ("router status", "instances"):
        inventory = denied(source, inventory)
    assert [finding.status for finding in findings(inventory, check)] == ["not-applicable"]


def test_the_flag_is_not_needed_without_live_routes() -> None:
    inventory = observing(replace(at_rest(3), routes=(), subnet=replace(at_rest(3).subnet, flag_visible=False)))
    for check in ("overlap-flag-visible", "hybrid-limits", "decoy-room"):
        assert [finding.status for finding in findings(inventory, check)] == ["not-applicable"]


def test_the_flag_is_not_needed_once_the_range_is_there() -> None:
    subnet = replace(at_rest(3).subnet, flag_visible=False, secondary_ranges=((RANGE, PODS),))
    inventory = observing(facts(subnet=subnet))
    assert [finding.status for finding in findings(inventory, "overlap-flag-visible")] == ["not-applicable"]


@pytest.mark.parametrize(
    "result", [{"bestRoutesForRouter": [{"destRange": IN_PODS}]}, {"bestRoutes": [{"destRange": IN_PODS}]}]
)
def test_a_prefix_that_a_router_has_learned_counts_wherever_it_is_listed(result: Resource) -> None:
    inventory = answering("router status", {"name": "silent"}, {"name": "vpn", "result": result})
    assert problems(inventory, "learned-routes") == [f"Cloud Router vpn: learned prefix {IN_PODS} lies in {PODS}"]


def test_a_node_without_a_route_blocks_nothing() -> None:
    inventory = observing(facts(routes=at_rest(3).routes[1:]))
    assert [(found.severity, found.blocks) for found in findings(inventory, "node-routes")] == [("risk", False)]
    for check in ("service-range-overlap", "plan-preconditions"):
        assert [finding.status for finding in findings(inventory, check)] == ["ok"]


def test_an_alias_that_exists_needs_no_room() -> None:
    others = tuple(AliasFacts(f"172.20.0.{number}/32", "r") for number in range(ALIASES - 1))
    with_others = replace(DONE.facts.nodes[0], aliases=(*others, *DONE.facts.nodes[0].aliases))
    moved = replace(DONE.facts, nodes=(with_others, *DONE.facts.nodes[1:]))
    assert moved.without_alias == ("node-0",)
    assert problems(observing(moved), "alias-limit") == []


@pytest.mark.parametrize(("limit", "missing"), [(4.0, 0), (3.0, 1), (2.0, 1), (1.0, 1)])
def test_firewall_rules_that_exist_need_no_room(limit: float, missing: int) -> None:
    assert len(problems(firewalls(limit), "firewall-quota")) == missing
    existing = with_answer(
        "firewalls", [{"name": name, "network": NETWORK} for name in INVENTORY.planned_firewalls], firewalls(limit)
    )
    assert problems(existing, "firewall-quota") == []
    (first, *_) = INVENTORY.planned_firewalls
    half = with_answer(
        "firewalls", [{"name": name, "network": NETWORK} for name in ("a", "b", first)], firewalls(limit)
    )
    assert len(problems(half, "firewall-quota")) == (limit < 4.0)
    no_quota = with_answer("project", [{}])
    assert [finding.status for finding in findings(no_quota, "firewall-quota")] == ["not-applicable"]


def test_forwarding_rules_that_cannot_be_counted_are_unknown_beside_the_limits_that_can() -> None:
    inventory = denied("forwarding rules", nics(MOST_INTERFACES))
    assert [finding.status for finding in findings(inventory, "hybrid-limits")] == ["problem", "unknown"]
    assert not any(finding.blocks for finding in findings(inventory, "hybrid-limits"))
    assert inventory.usage.forwarding_rules is None


def usages() -> Iterator[tuple[Inventory, str, int]]:
    elsewhere = f"{NETWORK}-2"
    yield nics(7), "interfaces", 7
    yield answering("instances", {"networkInterfaces": [{"network": elsewhere}, {}]}, {}), "interfaces", 3
    yield answering("routes", route("a", "10.0.0.0/8", nextHopPeering="p")), "custom_routes", 4
    yield answering("routes", route("a", "10.0.0.0/8", network=elsewhere)), "custom_routes", 4
    flag = {"allowSubnetCidrRoutesOverlap": True}
    yield answering("subnetworks", subnet("y", "172.20.0.0/16", **flag)), "hybrid_subnets", 1
    yield with_answer("subnetworks", [subnet(NODES_SUBNET, "10.250.0.0/16", **flag)]), "hybrid_subnets", 0
    yield answering("forwarding rules", {"loadBalancingScheme": "INTERNAL", "network": NETWORK}), "forwarding_rules", 2
    foreign = {"loadBalancingScheme": "INTERNAL", "network": elsewhere}
    yield answering("forwarding rules", foreign, {"loadBalancingScheme": "INTERNAL"}), "forwarding_rules", 1
    managed = {"loadBalancingScheme": "INTERNAL_MANAGED", "network": NETWORK}
    yield answering("forwarding rules", managed, {"loadBalancingScheme": "EXTERNAL"}), "forwarding_rules", 1


@pytest.mark.parametrize(("inventory", "what", "count"), list(usages()))
def test_r16_the_whole_network_is_counted(inventory: Inventory, what: str, count: int) -> None:
    assert getattr(inventory.usage, what) == count


def test_no_check_repeats_what_another_reports() -> None:
    thorny = facts(
        foreign_routes=(RouteFacts("vpn", IN_PODS),),
        nodes=(replace(node(0), subnet_ok=False), node(1), node(2)),
        subnet=replace(at_rest(3).subnet, secondary_ranges=(("pods-default", PODS),)),
        controller=RUNNING,
    )
    assert problems(observing(thorny), "plan-preconditions") == []
    for check in ("foreign-routes", "interface-subnet", "pod-range-taken"):
        assert len(problems(observing(thorny), check)) == 1
    with_others = observing(FULL)
    assert len(problems(with_others, "decoy-room")) == 1
    assert problems(with_others, "plan-preconditions") == []
    resized = ranges((RANGE, "172.20.0.0/16"))
    assert len(problems(resized, "pod-range-taken")) == 1
    assert problems(resized, "plan-preconditions") == []


def test_a_limit_is_reached_only_with_the_last_one_that_it_allows() -> None:
    """docs/reference/compute-engine.md#fixed-limits"""

    def with_aliases(count: int) -> Inventory:
        return first_node(aliases=tuple(AliasFacts(f"172.20.0.{number}/32", "r") for number in range(count)))

    def with_ranges(count: int) -> Inventory:
        return ranges(*((f"r{number}", "172.20.0.0/24") for number in range(count)))

    def with_vms(count: int) -> Inventory:
        return replace(nics(count), cluster=replace(INVENTORY.cluster, nodes="10.250.0.0/29"))

    def of_subnet(count: int) -> Inventory:
        return nodes_subnet(secondaryIpRanges=[SECOND] * count)

    def of_dual_stack_subnet(count: int) -> Inventory:
        return nodes_subnet(secondaryIpRanges=[SECOND] * count, stackType="IPV4_IPV6")

    for check, inventory, first in (
        ("secondary-range-limit", with_ranges, 170),
        ("alias-limit", with_aliases, 150),
        ("static-route-quota", many_routes, 198),  # 200 without one NIC of a roll-out and two routes to decoys
        ("nodes-subnet-room", with_vms, 4),  # of 8 addresses four are reserved and one is for a roll-out
        ("subnet-range-quota", of_subnet, 296),  # one is there, and four are needed
        ("subnet-range-quota", of_dual_stack_subnet, 296),  # its IPv6 range is one that is there
    ):
        assert [len(problems(inventory(count), check)) for count in (first - 1, first)] == [0, 1]
    full = with_answer(
        "subnetworks",
        [
            subnet(NODES_SUBNET, "10.250.0.0/16", secondaryIpRanges=[SECOND] * 300, stackType="IPV4_IPV6"),
            subnet(SERVICES_SUBNET, SERVICES, stackType="IPV4_IPV6"),
        ],
        DONE,
    )
    assert problems(full, "subnet-range-quota") == []  # nothing is added any more
    drill = replace(INVENTORY.settings, drill=True)
    assert len(problems(replace(many_routes(197), settings=drill), "static-route-quota")) == 1
    assert problems(replace(many_routes(196), settings=drill), "static-route-quota") == []


def test_a_firewall_rule_of_another_network_may_have_any_other_name() -> None:
    inventory = answering("firewalls", {"name": "of-another-cluster", "network": f"{NETWORK}-2"})
    assert problems(inventory, "firewall-name-taken") == []


def test_a_firewall_rule_that_the_cluster_has_already_keeps_its_name() -> None:
    inventory = answering("firewalls", {"name": INVENTORY.planned_firewalls[0], "network": NETWORK})
    assert problems(inventory, "firewall-name-taken") == []


def test_where_the_range_of_the_nodes_is_not_known_that_of_the_subnet_counts() -> None:
    small = nodes_subnet(ipCidrRange="10.250.0.0/29")
    unknown = replace(small, cluster=replace(INVENTORY.cluster, nodes="", pools=(NodePool("w", (ZONE,), surge=2),)))
    assert problems(unknown, "nodes-subnet-room") == [
        f"subnet {NODES_SUBNET}: range 10.250.0.0/29 has 4 usable addresses, VMs use 3 and up to 2 more are needed"
    ]


def test_without_a_requested_check_decoys_need_no_room() -> None:
    inventory = replace(INVENTORY, settings=Settings(), prober_image="")
    assert [finding.status for finding in findings(inventory, "decoy-room")] == ["not-applicable"]


def test_decoys_that_exist_need_no_room() -> None:
    existing = facts(decoys=DecoyFacts(vm=True))
    inventory = replace(observing(existing), prober_image="")
    assert [finding.status for finding in findings(inventory, "decoy-room")] == ["not-applicable"]


@pytest.mark.parametrize(
    ("count", "named"),
    [
        (1, "node node-0"),
        (2, "nodes node-0, node-1"),
        (3, "nodes node-0, node-1, node-2"),
        (4, "nodes node-0, node-1, node-2 and 1 more"),
    ],
)
def test_up_to_three_nodes_are_named(count: int, named: str) -> None:
    (found,) = problems(observing(replace(at_rest(count), routes=())), "node-routes")
    assert found == f"{named}: no static route leads to the pod CIDR"


def test_p26_without_blocks_for_the_decoys_the_finding_names_the_range_and_the_way_without_them() -> None:
    (found,) = findings(observing(FULL), "decoy-room")
    assert (found.severity, found.evidence) == ("blocker", "no block of the pod range 10.96.0.0/23 is free")
    assert (
        'migrate without the decoy check (a Shoot: annotation dualstack.dev/decoys: "false"): the canary'
        in found.remedy
    )


def of_size(nodes: int, **others: Any) -> Inventory:
    """A cluster for which the decoy check is neither requested nor refused."""
    return replace(observing(at_rest(nodes)), settings=Settings(), deleted_elsewhere=False, **others)


def test_decoys_are_made_without_a_request_unless_no_other_node_could_lose_the_pods() -> None:
    assert [decoy_check(of_size(nodes)).made for nodes in (1, 2, 3, 25, 100)] == [False, True, True, True, True]
    assert decoy_check(of_size(1)).reason == ""
    for nodes, seconds in ((2, 57), (25, 64)):
        assert decoy_check(of_size(nodes)).reason == (
            "the decoy check is made first, because a trial that fails would make the pods of one node unreachable for "
            f"{seconds} s"
        )
        assert problems(of_size(nodes), "decoy-room") == []


@pytest.mark.parametrize("requested", [True, False])
def test_a_request_for_decoys_wins_at_every_size(requested: bool) -> None:
    for nodes in (3, 25):
        asked = replace(of_size(nodes, prober_image=""), settings=Settings(decoys=requested))
        assert decoy_check(asked) == DecoyCheck(requested)
        (found,) = findings(asked, "decoy-room")
        assert (found.blocks, found.status) == (requested, "problem" if requested else "not-applicable")


def test_decoys_that_nothing_requests_are_not_made_where_nothing_will_be_on_trial() -> None:
    large = of_size(25)
    ranged = replace(
        at_rest(25), subnet=replace(at_rest(25).subnet, secondary_ranges=((RANGE, at_rest(25).pods_cidr),))
    )
    for other in (
        replace(large, strategy=choose("compressed")),
        replace(large, observed=replace(at_rest(25), routes=())),
        replace(large, observed=ranged),
    ):
        assert decoy_check(other) == DecoyCheck(False)
        assert [each.status for each in findings(replace(other, prober_image=""), "decoy-room")] == ["not-applicable"]


FEW_CPUS = regional(quota("N2_CPUS", 24, 4), quota("CPUS", 5, 4))
"""Enough for a roll-out."""
NO_BLOCK = replace(
    at_rest(25),
    pods_cidr="10.96.0.0/19",
    saved_routes=tuple(SavedRoute("gone", f"10.96.{number}.0/24", ZONE) for number in range(25, 32)),
)


@pytest.mark.parametrize(
    ("inventory", "evidence"),
    [
        (of_size(25, prober_image=""), "no image for the probing pods is configured (--prober-image)"),
        (of_size(25, answers=nics(129).answers), "129 NICs and up to 1 during a roll-out leave no room for one more"),
        (
            of_size(25, answers=with_answer("instances", [machine(kind="n2-standard-4")], FEW_CPUS).answers),
            "region europe-west1: quota CPUS is 5, 4 are used and up to 2 more are needed",
        ),
        (of_size(25, answers=denied("region").answers), "what it needs could not be read: GET region: Error 403"),
        (replace(of_size(25), observed=NO_BLOCK), "no block of the pod range 10.96.0.0/19 is free"),
    ],
)
def test_decoys_that_are_needed_and_cannot_be_made_are_a_risk_with_the_price(
    inventory: Inventory, evidence: str
) -> None:
    (found,) = findings(inventory, "decoy-room")
    assert (found.severity, found.status, found.blocks) == ("risk", "problem", False)
    assert found.evidence.startswith(evidence)
    assert found.evidence.endswith(
        "; without it, a trial that fails makes the pods of one of 25 nodes unreachable for 64 s"
    )
    check = decoy_check(inventory)
    assert not check.made
    assert check.reason.startswith(f"the decoy check is not made: {evidence}")


def test_obstacles_to_decoys_matter_where_another_node_could_lose_the_pods() -> None:
    statuses = [findings(of_size(nodes, prober_image=""), "decoy-room")[0].status for nodes in (1, 2)]
    assert statuses == ["not-applicable", "problem"]
    elsewhere = replace(of_size(25, prober_image=""), deleted_elsewhere=True)
    assert findings(elsewhere, "decoy-room")[0].status == "not-applicable"


@pytest.mark.parametrize(
    ("surge", "scope", "limit", "evidence"),
    [
        (1, "region", quota("INSTANCES", 5, 5), ""),  # roll-out-quota reports it
        (0, "region", quota("INSTANCES", 5, 5), "quota INSTANCES is 5, 5 are used and up to 1 more are needed"),
        (0, "region", quota("INSTANCES", 6, 5), ""),
        (0, "region", quota("CPUS", 5, 4), "quota CPUS is 5, 4 are used and up to 2 more are needed"),
        (0, "region", quota("CPUS", 6, 4), ""),
        (0, "project", quota("CPUS_ALL_REGIONS", 5, 4), "quota CPUS_ALL_REGIONS is 5, 4 are used and up to 2 more are"),
        (0, "project", quota("CPUS_ALL_REGIONS", 6, 4), ""),
    ],
)
def test_the_vm_of_the_decoys_needs_what_no_roll_out_needs(
    surge: int, scope: Source, limit: Resource, evidence: str
) -> None:
    inventory = of_size(25, answers=with_answer(scope, [{"quotas": [limit]}]).answers)
    pools = tuple(replace(pool, surge=surge) for pool in inventory.cluster.pools)
    found = problems(replace(inventory, cluster=replace(inventory.cluster, pools=pools)), "decoy-room")
    assert [evidence in each for each in found] == [True] * bool(evidence)


def test_decoys_that_exist_are_carried_on_also_where_none_could_be_made() -> None:
    begun = of_size(25, prober_image="")
    assert decoy_check(replace(begun, observed=replace(at_rest(25), decoys=DecoyFacts(vm=True)))).made


def test_aliases_that_nothing_has_proven_stop_a_preparation_for_gardener() -> None:
    """It deletes every route at once; elsewhere the canary of `finish` protects the cluster."""
    gardener = replace(INVENTORY, deleted_elsewhere=True, prober_image="")
    (found,) = alias_matched.findings(gardener)
    assert found.blocks
    assert "--accept alias-matched" in found.remedy
    assert [each.status for each in alias_matched.findings(replace(gardener, prober_image="image"))] == ["ok"]
    elsewhere = replace(gardener, deleted_elsewhere=False)
    assert [each.status for each in alias_matched.findings(elsewhere)] == ["not-applicable"]


def test_p18_the_quota_of_interfaces_has_room_for_the_surge() -> None:
    assert problems(nics(15_000 - 1), "network-quota") == []
    (found,) = problems(nics(15_000), "network-quota")
    assert "15000 interfaces and up to 1 more are needed; the default quota INSTANCES_PER_NETWORK_GLOBAL" in found
