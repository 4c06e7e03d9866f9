"""Each check passes in a cluster in the right state and fails in one that is wrong in one point, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.model.names import CLOUD_PROVIDER_SECRET
from dualstack.gardener.model.shoot import ShootView
from dualstack.gce.resources import DUAL_STACK as DUAL
from dualstack.model.kinds import DEPLOYMENT, NODE, POD, SECRET, SERVICE, Kind, Manifest
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER, KUBE_DNS, KUBE_SYSTEM, L4_RBS
from dualstack.verify.checks import BACK_ON_IPV4, DUAL_STACK, ON_ALIASES, ON_ROUTES
from dualstack.verify.facts import Facts, Sources, vm_of
from dualstack.verify.inventory import changes, inventory
from dualstack.verify.judging import RISKS, Check, Rule, judge
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.faults import FaultRule
from tests.sim.infrastructure.scene import NS, SUBNET, ZONE, Scene, scene

Edit = Callable[[Scene], Awaitable[None]]

NODES_SUBNET = f"{NS}-nodes"
RANGE = "ipv4-pod-cidr"
PODS = "100.96.0.0/11"


def sources(made: Scene) -> Sources:
    """The clients and the names that a live cluster would have."""
    shoot = ShootView.of(made.world.shoot)
    secret = made.store.get(SECRET, CLOUD_PROVIDER_SECRET, NS)
    assert secret is not None
    compute = made.clients.of(secret)
    cluster = Desired.of(shoot, project=compute.project, region=shoot.region).cluster
    return Sources(cluster, made.kube, compute, made.kube, NS, frozenset({("dedicated", "db", "NoSchedule")}))


async def failures(made: Scene, rules: Mapping[str, Rule]) -> dict[str, str]:
    """Evidence of the failed checks, by id."""
    checks = judge(await sources(made).read(), rules)
    assert [check.id for check in checks] == list(rules)
    return {check.id: check.evidence for check in checks if check.status == "failed"}


# Edits --------------------------------------------------------------------------------------------------------------


def edited(kind: Kind, name: str, body: Manifest, namespace: str | None = None, subresource: str | None = None) -> Edit:
    async def edit(made: Scene) -> None:
        made.store.patch(kind, name, body, namespace, subresource=subresource)

    return edit


def of_first_node(body: Manifest, subresource: str | None = None) -> Edit:
    async def edit(made: Scene) -> None:
        made.store.patch(NODE, made.world.nodes[0].name, body, subresource=subresource)

    return edit


def recreate_node(made: Scene, name: str, **spec: Any) -> None:
    """The Node with other values in its immutable fields."""
    node = made.store.get(NODE, name)
    assert node is not None
    made.store.delete(NODE, name)
    metadata = {key: node["metadata"][key] for key in ("name", "labels")}
    made.store.upsert(NODE, {**node, "metadata": metadata, "spec": {**node["spec"], **spec}})


def condition(kind: str, status: str) -> Edit:
    async def edit(made: Scene) -> None:
        name = made.world.nodes[0].name
        node = made.store.get(NODE, name)
        assert node is not None
        kept = [entry for entry in node["status"]["conditions"] if entry["type"] != kind]
        body = {"status": {"conditions": [*kept, {"type": kind, "status": status, "message": "m"}]}}
        made.store.patch(NODE, name, body, subresource="status")

    return edit


def subnet(name: str = NODES_SUBNET, **body: Any) -> Edit:
    async def edit(made: Scene) -> None:
        found = await made.subnet(name)
        await made.change("subnetworks.patch", SUBNET, name, fingerprint=found["fingerprint"], **body)

    return edit


async def set_interface(made: Scene, name: str, **fields: Any) -> None:
    found = (await made.resource("instances.get", ZONE, name))["networkInterfaces"][0]
    body = {"fingerprint": found["fingerprint"], **fields}
    await made.change("instances.updateNetworkInterface", ZONE, name, query={"networkInterface": "nic0"}, **body)


def interface(**fields: Any) -> Edit:
    async def edit(made: Scene) -> None:
        await set_interface(made, made.world.nodes[0].name, **fields)

    return edit


def alias(cidr: str) -> list[dict[str, str]]:
    return [{"ipCidrRange": cidr, "subnetworkRangeName": RANGE}]


async def add_route(made: Scene) -> None:
    """A route as cloud-controller-manager makes it, for a block that no node has."""
    node = made.world.nodes[0]
    route = {
        "name": f"{NS[:26]}-stray",
        "description": "k8s-node-route",
        "network": f"projects/proj-1/global/networks/{NS}",
        "destRange": "198.51.100.0/24",
        "priority": 1000,
        "nextHopInstance": f"projects/proj-1/{ZONE}/instances/{node.name}",
    }
    await sources(made).compute.post("global/routes", route)


async def delete_route(made: Scene) -> None:
    await made.change("routes.delete", "global", (await made.node_routes())[0]["name"])


async def give_alias(made: Scene) -> None:
    """The pod range and one node's alias beside its route, as in the middle of a cut-over."""
    await subnet(allowSubnetCidrRoutesOverlap=True)(made)
    await subnet(secondaryIpRanges=[{"rangeName": RANGE, "ipCidrRange": PODS}])(made)
    node = made.world.nodes[0]
    await set_interface(made, node.name, aliasIpRanges=alias(node.pod_cidr))


def controller_manager(*flags: str, replicas: int = 1, ready: int = 1) -> Edit:
    """cloud-controller-manager with other values of these flags."""

    async def edit(made: Scene) -> None:
        found = made.store.get(DEPLOYMENT, CLOUD_CONTROLLER_MANAGER, NS)
        assert found is not None
        template = found["spec"]["template"]
        container = template["spec"]["containers"][0]
        given = {flag.partition("=")[0] for flag in flags}
        for key in ("command", "args"):
            if key in container:
                container[key] = [word for word in container[key] if word.partition("=")[0] not in given]
        container.setdefault("args", []).extend(flags)
        body = {"spec": {"replicas": replicas, "template": template}}
        made.store.patch(DEPLOYMENT, CLOUD_CONTROLLER_MANAGER, body, NS)
        made.store.patch(
            DEPLOYMENT, CLOUD_CONTROLLER_MANAGER, {"status": {"readyReplicas": ready}}, NS, subresource="status"
        )

    return edit


def dns(policy: str, families: list[str], addresses: list[str]) -> Edit:
    spec = {"ipFamilyPolicy": policy, "ipFamilies": families, "clusterIPs": addresses}
    return edited(SERVICE, KUBE_DNS, {"spec": spec}, KUBE_SYSTEM)


def pod(name: str, addresses: int, labels: dict[str, str] | None = None) -> Edit:
    async def edit(made: Scene) -> None:
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": KUBE_SYSTEM, "labels": labels or {}},
            "spec": {"nodeName": made.world.nodes[0].name, "containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": "Running", "podIPs": [{"ip": ip} for ip in ("100.96.0.9", "2600::9")[:addresses]]},
        }
        made.store.upsert(POD, manifest)

    return edit


# Worlds -------------------------------------------------------------------------------------------------------------


async def take_to_aliases(made: Scene) -> None:
    """Both subnets dual-stack with firewall rules, pods on aliases, and cloud-controller-manager without routes."""
    compute, network = sources(made).compute, f"projects/proj-1/global/networks/{NS}"
    desired = Desired.of(ShootView.of(made.world.shoot), project="proj-1", region="europe-west1")
    for route in await made.node_routes():
        await compute.delete(f"global/routes/{route['name']}")
    await subnet(**DUAL)(made)
    await subnet(secondaryIpRanges=[{"rangeName": RANGE, "ipCidrRange": PODS}])(made)
    await compute.post(f"{SUBNET}/subnetworks", desired.services_body(network))
    prefixes = [await ipv6_prefix(made, name) for name in (NODES_SUBNET, f"{NS}-services")]
    for rule in desired.firewalls(network, *prefixes)[2:]:
        await compute.post("global/firewalls", rule)
    for node in made.world.nodes:
        await set_interface(made, node.name, aliasIpRanges=alias(node.pod_cidr))
    await controller_manager("--cidr-allocator-type=CloudAllocator", "--configure-cloud-routes=false")(made)


async def ipv6_prefix(made: Scene, name: str) -> str:
    """The subnet's IPv6 prefix, which the cloud assigns a while after the request."""
    for _ in range(60):
        if prefix := (await made.subnet(name)).get("externalIpv6Prefix"):
            return str(prefix)
        await made.clock.sleep(5.0)
    raise TimeoutError(name)


@asynccontextmanager
async def on_routes() -> AsyncIterator[Scene]:
    async with scene(nodes=2) as made:
        yield made


@asynccontextmanager
async def dual_stack() -> AsyncIterator[Scene]:
    async with scene(nodes=2) as made:
        await take_to_aliases(made)
        for node in made.world.nodes:
            await set_interface(made, node.name, stackType="IPV4_IPV6")
            found = (await made.resource("instances.get", ZONE, node.name))["networkInterfaces"][0]
            address = found["ipv6AccessConfigs"][0]["externalIpv6"]
            cidrs = [node.pod_cidr, f"{address}/112"]
            recreate_node(made, node.name, podCIDRs=cidrs)
        both = "--cluster-cidr=100.96.0.0/11,2600:1900::/64", "--service-cluster-ip-range=100.64.0.0/13,2600::/108"
        await controller_manager(*both)(made)
        await dns("PreferDualStack", ["IPv4", "IPv6"], ["100.64.0.10", "2600::a"])(made)
        await pod("dns", 2, {"k8s-app": "kube-dns"})(made)
        await pod("older", 1)(made)
        yield made


@asynccontextmanager
async def back_on_ipv4() -> AsyncIterator[Scene]:
    async with scene(nodes=2) as made:
        await take_to_aliases(made)
        await pod("web", 1)(made)
        yield made


World = Callable[[], Any]
WORLDS: dict[str, tuple[World, Mapping[str, Rule]]] = {
    "dual-stack": (dual_stack, DUAL_STACK),
    "back": (back_on_ipv4, BACK_ON_IPV4),
    "on-routes": (on_routes, ON_ROUTES),
    "on-aliases": (back_on_ipv4, ON_ALIASES),
}
FAULTS: dict[str, dict[str, list[tuple[Edit, str]]]] = {
    "dual-stack": {
        "compute.routes": [(add_route, "left: ")],
        "compute.subnet": [(subnet(allowSubnetCidrRoutesOverlap=True), "overlap flag on")],
        "compute.interfaces": [(interface(aliasIpRanges=[]), "has aliases none")],
        "compute.firewall": [],
        "nodes.pod-cidrs": [],
        "nodes.ready": [
            (condition("Ready", "False"), "is not Ready"),
            (condition("NetworkUnavailable", "True"), "has no network"),
            (condition("ClusterNetworkProblem", "True"), "reports ClusterNetworkProblem: m"),
            (of_first_node({"spec": {"unschedulable": True}}), "is tainted or cordoned"),
            (of_first_node({"spec": {"taints": [{"key": "other", "effect": "NoSchedule"}]}}), "is tainted or cordoned"),
        ],
        "control-plane.cloud-controller-manager": [
            (controller_manager(replicas=0, ready=0), "0 ready"),
            (controller_manager("--configure-cloud-routes=true"), "configure-cloud-routes=true"),
            (controller_manager("--cluster-cidr=100.96.0.0/11"), "cluster-cidr=100.96.0.0/11"),
        ],
        "dns.service": [(dns("SingleStack", ["IPv4"], ["100.64.0.10"]), "SingleStack")],
        "pods.addresses": [(pod("dns", 1, {"k8s-app": "kube-dns"}), "2 older pods")],
    },
    "back": {
        "compute.routes": [(add_route, "left: ")],
        "compute.subnet": [(subnet(allowSubnetCidrRoutesOverlap=True), "overlap flag on")],
        "compute.interfaces": [(interface(aliasIpRanges=[]), "has aliases none")],
        "nodes.pod-cidrs": [],
        "nodes.ready": [(condition("Ready", "False"), "is not Ready")],
        "control-plane.cloud-controller-manager": [
            (controller_manager("--cidr-allocator-type=RangeAllocator"), "cidr-allocator-type=RangeAllocator")
        ],
        "dns.service": [(dns("PreferDualStack", ["IPv4", "IPv6"], ["100.64.0.10", "2600::a"]), "PreferDualStack")],
        "pods.addresses": [(pod("new", 2), "1 of 2 pods")],
    },
    "on-routes": {
        "rollback.routes": [(delete_route, "has no route for")],
        "rollback.aliases": [],
        "rollback.overlap-flag": [(subnet(allowSubnetCidrRoutesOverlap=True), "overlap flag on")],
        "rollback.pod-range": [],
        "rollback.cloud-controller-manager": [
            (controller_manager(replicas=0, ready=0), "0 ready"),
            (controller_manager("--configure-cloud-routes=false"), "configure-cloud-routes=false"),
        ],
    },
    "on-aliases": {
        "cut-over.routes": [(add_route, "left: ")],
        "cut-over.aliases": [(interface(aliasIpRanges=[]), "has aliases none")],
        "cut-over.subnet": [(subnet(allowSubnetCidrRoutesOverlap=True), "overlap flag on")],
        "cut-over.cloud-controller-manager": [(controller_manager(replicas=0, ready=0), "0 ready")],
    },
}
"""One wrong point for each check, with words of the evidence. Those that affect two checks have tests of their own."""


@pytest.mark.parametrize("name", WORLDS)
async def test_every_check_passes_in_the_right_state(name: str) -> None:
    world, rules = WORLDS[name]
    async with world() as made:
        assert await failures(made, rules) == {}


@pytest.mark.parametrize(
    ("name", "check", "number"),
    [(name, check, number) for name in FAULTS for check in FAULTS[name] for number in range(len(FAULTS[name][check]))],
)
async def test_a_check_fails_for_its_own_reason_alone(name: str, check: str, number: int) -> None:
    world, rules = WORLDS[name]
    edit, words = FAULTS[name][check][number]
    async with world() as made:
        await edit(made)
        failed = await failures(made, rules)
    assert list(failed) == [check]
    assert words in failed[check]


def test_every_check_has_a_world_in_which_it_fails() -> None:
    """Those in `RISKS` never fail; they have tests of their own."""
    assert {name: [rule for rule in rules if rule not in RISKS] for name, (_, rules) in WORLDS.items()} == {
        name: list(checks) for name, checks in FAULTS.items()
    }


async def test_a_range_of_another_cidr_that_has_the_name_of_the_pod_range_is_not_left_by_a_cut_over() -> None:
    async with on_routes() as made:
        ranges = [{"rangeName": "ipv4-pod-cidr", "ipCidrRange": "172.31.0.0/20"}]
        await subnet(secondaryIpRanges=ranges)(made)
        assert await failures(made, ON_ROUTES) == {}


async def test_an_alias_and_a_range_left_by_a_cut_over() -> None:
    async with on_routes() as made:
        await give_alias(made)
        failed = await failures(made, ON_ROUTES)
        assert list(failed) == ["rollback.aliases", "rollback.overlap-flag", "rollback.pod-range"]
        assert failed["rollback.aliases"] == f"{made.world.nodes[0].name} has {made.world.nodes[0].pod_cidr}"


@pytest.mark.parametrize("name", ["dual-stack", "back"])
async def test_a_node_with_another_pod_cidr_than_its_nic(name: str) -> None:
    world, rules = WORLDS[name]
    async with world() as made:
        cidrs = {"podCIDR": "100.99.0.0/24", "podCIDRs": ["100.99.0.0/24"]}
        if name == "back":
            cidrs["podCIDRs"] = ["100.99.0.0/24", "2600:1900:1::/112"]
        recreate_node(made, made.world.nodes[0].name, **cidrs)
        assert list(await failures(made, rules)) == ["compute.interfaces", "nodes.pod-cidrs"]


@pytest.mark.parametrize("rule", [f"{NS}-allow-internal-access-ipv6", f"{NS}-allow-health-checks-ipv6"])
async def test_a_missing_firewall_rule(rule: str) -> None:
    async with dual_stack() as made:
        await made.change("firewalls.delete", "global", rule)
        assert list(await failures(made, DUAL_STACK)) == ["compute.firewall"]


async def test_the_owners_taint_and_both_forms_of_a_provider_id_are_right() -> None:
    async with dual_stack() as made:
        name = made.world.nodes[0].name
        taint = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
        identity = f"gce:///proj-1/europe-west1-b/{name}"
        recreate_node(made, name, taints=[taint], providerID=identity)
        assert vm_of({"spec": {"providerID": identity}}) == ("europe-west1-b", name)
        assert await failures(made, DUAL_STACK) == {}


async def test_s7_addresses_are_compared_by_value() -> None:
    """Given a Node whose IPv6 pod CIDR is spelled in another way, then it is still from its VM's range."""
    async with dual_stack() as made:
        name = made.world.nodes[0].name
        node = made.store.get(NODE, name)
        assert node is not None
        ipv4, ipv6 = node["spec"]["podCIDRs"]
        network = ip_network(ipv6)
        assert len({ipv6, str(network), network.exploded}) == 3
        for spelling in (str(network), network.exploded):
            recreate_node(made, name, podCIDRs=[ipv4, spelling])
            assert await failures(made, DUAL_STACK) == {}


async def place_balancer(made: Scene, *addresses: str) -> None:
    """Service `edge` with these addresses, and a forwarding rule for each of them but the last."""
    spec = {"type": "LoadBalancer", "ipFamilies": ["IPv4", "IPv6"], "ports": [{"port": 443}]}
    status = {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}
    made.store.create(SERVICE, {"metadata": {"name": "edge", "namespace": "default"}, "spec": spec})
    made.store.patch(SERVICE, "edge", {"status": status}, "default", subresource="status")
    made.compute.place("backendServices", SUBNET, {"name": "edge", "loadBalancingScheme": "EXTERNAL"})
    base = {"backendService": f"{SUBNET}/backendServices/edge", "loadBalancingScheme": "EXTERNAL", "ports": ["443"]}
    for version in ("IPV4", "IPV6"):
        body = {**base, "name": version.lower(), "ipVersion": version}
        if version == "IPV6":
            body["subnetwork"] = f"{SUBNET}/subnetworks/{NODES_SUBNET}"
        made.compute.place("forwardingRules", SUBNET, body)


async def judged_balancer(made: Scene) -> Check:
    checks = judge(await sources(made).read(), {"services.load-balancers": DUAL_STACK["services.load-balancers"]})
    return checks[0]


async def test_p19_a_dual_stack_load_balancer_needs_an_address_and_a_rule_of_each_family() -> None:
    async with dual_stack() as made:
        check = await judged_balancer(made)
        assert (check.status, check.evidence) == ("passed", "no Service of type LoadBalancer has both families")
        await place_balancer(made)
        check = await judged_balancer(made)
        assert check.status == "risk"
        assert "Service default/edge has no IPv4 address; see its Events" in check.evidence
        rules = [row["IPAddress"].partition("/")[0] for _, row in made.compute.project.inventory.all("forwardingRules")]
        for ingress, status in ((rules, "passed"), (rules[:1], "risk"), ([rules[0], "2001:db8::1"], "risk")):
            body = {"status": {"loadBalancer": {"ingress": [{"ip": address} for address in ingress]}}}
            made.store.patch(SERVICE, "edge", body, "default", subresource="status")
            assert (await judged_balancer(made)).status == status
        assert "no forwarding rule serves 2001:db8::1" in (await judged_balancer(made)).evidence


async def test_p19_without_the_right_to_read_forwarding_rules_the_check_is_unknown() -> None:
    forbidden = Fault(error_before=HttpFault(403, "forbidden", "Required 'compute.forwardingRules.list'"))
    async with scene(FaultRule("forwardingRules.aggregatedList", forbidden, count=9), nodes=1) as made:
        check = await judged_balancer(made)
        assert check.status == "unknown"
        assert "compute.forwardingRules.list" in check.evidence


async def test_p20_a_provider_id_that_names_no_vm_is_named_in_the_evidence() -> None:
    async with dual_stack() as made:
        name = made.world.nodes[0].name
        recreate_node(made, name, providerID="gce://europe-west1-b")
        found = await failures(made, DUAL_STACK)
        assert f"{name} has provider ID 'gce://europe-west1-b', which names no VM" in found["compute.interfaces"]


async def test_a_failed_read_fails_only_the_checks_that_need_it() -> None:
    async with on_routes() as made:
        made.store.delete(DEPLOYMENT, CLOUD_CONTROLLER_MANAGER, NS)
        failed = await failures(made, ON_ROUTES)
    assert failed == {
        "rollback.cloud-controller-manager": "could not be read: NotFound: "
        f"namespace {NS} has neither a Deployment nor a pod of cloud-controller-manager"
    }


async def test_a_cluster_without_a_node_is_not_verified() -> None:
    async with on_routes() as made:
        for node in made.world.nodes:
            made.store.delete(NODE, node.name)
        failed = await failures(made, ON_ROUTES)
    assert {check: failed[check] for check in ("rollback.routes", "rollback.aliases")} == {
        "rollback.routes": "the cluster has no Node",
        "rollback.aliases": "the cluster has no Node",
    }


async def test_the_inventory_shows_what_a_cut_over_changed() -> None:
    async with on_routes() as made:
        before: Facts = await sources(made).read()
        await take_to_aliases(made)
        changed = changes(inventory(before), inventory(await sources(made).read()))
    assert {change.what: (change.before, change.after) for change in changed}["node routes"] == ("2", "0")
    assert {change.what for change in changed} == {
        "node routes",
        f"subnet {NODES_SUBNET}",
        f"subnet {NS}-services",
        "firewall rules",
        "cloud-controller-manager",
    }


async def test_p20_a_load_balancer_that_gets_both_families_after_the_migration_is_not_served_by_ingress_gce() -> None:
    async with dual_stack() as made:
        await place_balancer(made)
        rules = [row["IPAddress"].partition("/")[0] for _, row in made.compute.project.inventory.all("forwardingRules")]
        status = {"loadBalancer": {"ingress": [{"ip": address} for address in rules if ":" not in address]}}
        made.store.patch(SERVICE, "edge", {"status": status}, "default", subresource="status")

        unmarked = await judged_balancer(made)
        made.store.patch(SERVICE, "edge", {"metadata": {"annotations": {L4_RBS: "enabled"}}}, "default")
        marked = await judged_balancer(made)

        assert unmarked.status == marked.status == "risk"
        assert "edge has no IPv6 address; it has no annotation cloud.google.com/l4-rbs: enabled" in unmarked.evidence
        assert "edge has no IPv6 address; see its Events" in marked.evidence
