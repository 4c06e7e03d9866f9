"""The preflight over HTTP: it changes nothing, it runs in every state, and blockers stop before the first change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.guest_agent import CONFIG_PATH
from dualstack.gardener.model.shoot import ShootView
from dualstack.kube.interface import Invalid
from dualstack.model import kinds
from dualstack.model.cluster import Cluster
from dualstack.model.errors import DualstackError
from dualstack.plan import gates
from dualstack.plan.settings import Settings
from dualstack.plan.steps.base import Gate
from dualstack.preflight.finding import Finding, PreflightFailed
from dualstack.preflight.reading import Preflight
from dualstack.preflight.registry import CHECKS, run_checks
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.faults import FaultRule
from tests.sim.infrastructure import upstream
from tests.sim.infrastructure.actuators import actuator_of
from tests.sim.infrastructure.announcements import announced
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, SUBNET, Scene, scene

FORBIDDEN = Fault(error_before=HttpFault(403, "forbidden", "Required 'compute.x' permission for 'y'"))
GATES = [gate for gate in vars(gates).values() if isinstance(gate, Gate) and gate not in gates.DECOYS]


async def of_another_cluster(made: Scene) -> None:
    """A subnet in the service range."""
    network = (await made.subnet())["network"]
    body = {"name": "of-another-cluster", "network": network, "ipCidrRange": "100.70.0.0/24"}
    made.compute.place("subnetworks", SUBNET, body)


def cluster_of(made: Scene) -> Cluster:
    shoot = ShootView.of(made.world.shoot)
    return Desired.of(shoot, project=made.compute.project.name, region=shoot.region).cluster


async def looked_at(made: Scene) -> list[Finding]:
    """The findings, after each gate was checked too."""
    actuator, compute = await actuator_of(made)
    facts = await actuator.observe()
    for gate in GATES:
        await actuator.check(gate, facts)
    preflight = Preflight(compute, cluster_of(made), Settings(decoys=True), ("a", "b"), "image")
    return run_checks(await preflight.read(facts))


async def stopped(made: Scene, **options: Any) -> PreflightFailed:
    """A reconcile that the preflight stops, with nothing changed by then; its error."""
    before = made.mutations()
    with pytest.raises(TaskFailed) as caught:
        await made.reconcile(**options)
    assert isinstance(caught.value.__cause__, PreflightFailed)
    assert made.mutations() == before
    assert made.creates_routes()
    assert not made.controller_manager_is_ignored()
    return caught.value.__cause__


def codes(made: Scene) -> list[str]:
    """The error codes in the status."""
    found: list[str] = made.infrastructure()["status"]["lastError"]["codes"]
    return found


async def at_rest(made: Scene) -> None:
    made.trigger()


async def half_migrated(made: Scene) -> None:
    made.trigger()
    await made.killed_at("delete-route-canary")


async def without_connectivity(made: Scene) -> None:
    await upstream.stop_controller(made)
    await upstream.delete_routes(made, left=1)
    upstream.write_state(made, routes=True)


async def finished(made: Scene) -> None:
    made.trigger()
    await made.reconcile()


async def without_nodes(made: Scene) -> None:
    for node in made.store.list(kinds.NODE):
        made.store.delete(kinds.NODE, node["metadata"]["name"])


@pytest.mark.parametrize("begin", [at_rest, half_migrated, without_connectivity, finished, without_nodes])
async def test_checks_and_gates_change_nothing_and_answer_in_every_state(
    begin: Callable[[Scene], Awaitable[None]],
) -> None:
    async with scene() as made:
        await begin(made)
        before = made.mutations()
        found = await looked_at(made)
        assert made.mutations() == before
        assert {finding.id for finding in found} == {check.id for check in CHECKS}
        blocking = {finding.id for finding in found if finding.blocks}
        assert blocking == ({"nodes-known"} if begin is without_nodes else set())


READS = {
    "networks.get": "service-range-overlap",
    "projects.get": "firewall-quota",
    "firewalls.list": "firewall-quota",
    "subnetworks.aggregatedList": "pod-range-overlap",
    "globalAddresses.list": "reserved-ranges",
    "routers.aggregatedList": "learned-routes",
    "instances.aggregatedList": "hybrid-limits",
    "forwardingRules.aggregatedList": "hybrid-limits",
    "regions.get": "roll-out-quota",
    "machineTypes.get": "roll-out-quota",
    "instances.get": "guest-agent",
}
"""A check that needs each read."""


@pytest.mark.parametrize("method", READS)
async def test_a_read_that_is_denied_is_unknown_and_every_check_still_answers(method: str) -> None:
    async with scene(FaultRule(method, FORBIDDEN, count=99)) as made:
        found = await looked_at(made)
        assert {finding.id for finding in found} == {check.id for check in CHECKS}
        unknown = [finding.id for finding in found if finding.status == "unknown"]
        assert READS[method] in unknown


@pytest.mark.parametrize(
    "method",
    [
        "projects.get",
        "firewalls.list",
        "subnetworks.*List",
        "globalAddresses.list",
        "instances.aggregatedList",
        "regions.get",
        "machineTypes.get",
    ],
)
async def test_a_blocker_that_cannot_be_ruled_out_stops_the_migration(method: str) -> None:
    async with scene(FaultRule(method, FORBIDDEN, count=99)) as made:
        made.trigger()
        error = await stopped(made)
        assert {finding.status for finding in error.findings} == {"unknown"}
        assert codes(made) == ["ERR_INFRA_UNAUTHORIZED"]


async def test_limits_that_cannot_be_counted_are_a_risk_and_stop_nothing() -> None:
    async with scene(FaultRule("forwardingRules.aggregatedList", FORBIDDEN, count=99)) as made:
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
        assert announced(made)["StrategyChosen"].startswith("overlap: the default; the decoy check is not made: ")


async def test_auto_does_not_choose_an_outage_because_of_a_missing_permission() -> None:
    async with scene(FaultRule("instances.aggregatedList", FORBIDDEN, count=99)) as made:
        made.trigger()
        before = made.mutations()
        assert "compute.x" in await made.refusal(strategy="auto")
        assert made.mutations() == before


async def test_a_node_without_a_route_is_a_risk_and_switches_nothing_off() -> None:
    """The quota of static routes is used up, and another cluster has a subnet in the service range."""
    async with scene(quotas=Limits(static_routes_per_network=4)) as made:
        await upstream.delete_routes(made, left=2)
        await of_another_cluster(made)
        made.trigger()
        error = await stopped(made)
        assert [finding.id for finding in error.findings] == ["service-range-overlap"]
        assert codes(made) == ["ERR_CONFIGURATION_PROBLEM"]
        assert len(await made.node_routes()) == 2
        await made.change("subnetworks.delete", SUBNET, "of-another-cluster")
        made.request()
        await made.reconcile()
        await assert_end_state(made)
        assert "no static route leads to the pod CIDR" in announced(made)["PreflightRisk"]


async def test_nodes_without_connectivity_come_first_and_the_blockers_are_announced() -> None:
    async with scene() as made:
        await without_connectivity(made)
        await of_another_cluster(made)
        made.trigger()
        with pytest.raises(TaskFailed, match="ensure IPv6 services subnet"):
            await made.reconcile()
        said = announced(made)["PreflightFailed"]
        assert said.startswith(
            "the cut-over continues because nodes are without connectivity: spec.networking.services"
        )
        assert "subnet of-another-cluster" in said
        await made.clock.sleep(60.0)
        assert made.fabric.traffic.report(made.clock.now()).current == 0
        assert await made.node_routes() == []


@pytest.mark.parametrize(("step", "stays_stopped"), [("set-overlap-flag", False), ("delete-routes", True)])
async def test_a_blocker_that_appears_midway_restores_the_controller_while_every_route_exists(
    step: str, stays_stopped: bool
) -> None:
    async with scene() as made:
        made.trigger()
        await made.killed_at(step)
        await made.change("subnetworks.delete", SUBNET, f"{NS}-services")
        await of_another_cluster(made)
        assert made.controller_manager_is_ignored()
        before = made.mutations()
        assert "subnet of-another-cluster" in await made.refusal()
        assert made.mutations() == before
        assert made.controller_manager_is_ignored() is stays_stopped
        assert made.lost() == 0.0


async def test_the_pod_range_under_another_name_is_found_before_the_services_subnet_is_created() -> None:
    async with scene() as made:
        await upstream.patch_nodes_subnet(made, allowSubnetCidrRoutesOverlap=True)
        taken = {"rangeName": "pods-default", "ipCidrRange": upstream.PODS}
        await upstream.patch_nodes_subnet(made, secondaryIpRanges=[taken])
        made.trigger()
        error = await stopped(made)
        assert [finding.id for finding in error.findings] == ["pod-range-taken"]
        assert "secondary range pods-default (100.96.0.0/11) conflicts with" in str(error)
        assert codes(made) == ["ERR_CONFIGURATION_PROBLEM"]


async def test_a_nodes_subnet_with_internal_ipv6_access_is_found_before_any_change() -> None:
    async with scene() as made:
        await made.change("networks.patch", "global", NS, enableUlaInternalIpv6=True)
        await upstream.patch_nodes_subnet(made, stackType="IPV4_IPV6", ipv6AccessType="INTERNAL")
        made.trigger()
        error = await stopped(made)
        assert [finding.id for finding in error.findings] == ["ipv6-access-type"]
        assert codes(made) == ["ERR_CONFIGURATION_PROBLEM"]


def altered(made: Scene, collection: str, scope: str, name: str, **fields: Any) -> None:
    """A resource with other fields, which no request can give it here."""
    key = Key(collection, scope, name)
    inventory = made.compute.project.inventory
    inventory.put(made.clock.now(), key, {**inventory.get(key), **fields})


def place_services_subnet(made: Scene, network: str = NS, cidr: str = "100.64.0.0/13") -> None:
    body = {"name": f"{NS}-services", "network": f"global/networks/{network}", "ipCidrRange": cidr}
    made.compute.place("subnetworks", SUBNET, body)


def place_other_network(made: Scene) -> None:
    made.compute.place("networks", "global", {"name": "other", "autoCreateSubnetworks": False})


def auto_mode(made: Scene) -> None:
    altered(made, "networks", "global", NS, autoCreateSubnetworks=True)


def other_purpose(made: Scene) -> None:
    place_services_subnet(made)
    altered(made, "subnetworks", SUBNET, f"{NS}-services", purpose="PRIVATE_SERVICE_CONNECT")


def name_taken(made: Scene) -> None:
    place_other_network(made)
    place_services_subnet(made, "other")


def other_range(made: Scene) -> None:
    place_services_subnet(made, cidr="100.64.0.0/14")


def firewall_name_taken(made: Scene) -> None:
    place_other_network(made)
    rule = {"name": f"{NS}-allow-internal-access-ipv6", "network": "global/networks/other", "sourceRanges": ["::/0"]}
    made.compute.place("firewalls", "global", rule | {"allowed": [{"IPProtocol": "tcp"}]})


def internal_access(made: Scene) -> None:
    place_services_subnet(made)
    altered(made, "subnetworks", SUBNET, f"{NS}-services", stackType="IPV4_IPV6", ipv6AccessType="INTERNAL")


@pytest.mark.parametrize(
    ("prepare", "finding"),
    [
        (auto_mode, "network-mode"),
        (other_purpose, "subnet-purpose"),
        (name_taken, "subnet-name-taken"),
        (other_range, "subnet-range"),
        (internal_access, "ipv6-access-type"),
        (firewall_name_taken, "firewall-name-taken"),
    ],
)
async def test_p02_what_no_request_can_change_is_found_before_the_first_one(
    prepare: Callable[[Scene], None], finding: str
) -> None:
    async with scene() as made:
        prepare(made)
        made.trigger()
        error = await stopped(made)
        assert [found.id for found in error.findings] == [finding]
        assert codes(made) == ["ERR_CONFIGURATION_PROBLEM"]


@pytest.mark.parametrize(
    ("denied", "found"),
    [
        ("compute.instances.updateNetworkInterface", "permission compute.instances.updateNetworkInterface is missing"),
        ("compute.routes.delete", "permission compute.routes.delete is missing"),
        ("compute.subnetworks.update", f"subnetworks {NS}-nodes: permission compute.subnetworks.update is missing"),
        ("compute.subnetworks.use", f"subnetworks {NS}-nodes: permission compute.subnetworks.use is missing"),
    ],
)
async def test_p30_a_permission_that_is_missing_is_found_before_the_first_change(denied: str, found: str) -> None:
    async with scene(FaultRule("*", Fault(denied=denied), count=99)) as made:
        made.trigger()
        error = await stopped(made)
        assert {finding.id for finding in error.findings} == {"permissions-granted"}
        assert found in str(error)
        assert codes(made) == ["ERR_INFRA_UNAUTHORIZED"]


async def test_p21_a_guest_agent_that_may_take_the_aliases_is_a_risk() -> None:
    async with scene() as made:
        for config in made.store.list(gardener_kinds.OPERATING_SYSTEM_CONFIG, NS):
            files = [file for file in config["spec"]["files"] if file["path"] != CONFIG_PATH]
            made.store.patch(
                gardener_kinds.OPERATING_SYSTEM_CONFIG, config["metadata"]["name"], {"spec": {"files": files}}, NS
            )
        made.trigger()
        await made.reconcile()
        assert "neither its metadata nor that of the project has" in announced(made)["PreflightRisk"]


async def test_p21_the_file_of_gardener_rules_the_risk_out() -> None:
    async with scene() as made:
        made.trigger()
        await made.reconcile()
        assert "disable-address-manager" not in announced(made)["PreflightRisk"]


async def test_a_finished_cut_over_is_checked_too_before_the_rest_of_the_migration() -> None:
    """Aliases while the cluster is IPv4-only, and then a subnet of another cluster in the service range."""
    async with scene() as made:
        made.trigger()
        await made.killed_at("set-stack-type")
        await made.change("subnetworks.delete", SUBNET, f"{NS}-services")
        await of_another_cluster(made)
        before = made.mutations()
        with pytest.raises(TaskFailed) as caught:
            await made.reconcile()
        assert isinstance(caught.value.__cause__, PreflightFailed)
        assert [finding.id for finding in caught.value.__cause__.findings] == ["service-range-overlap"]
        assert made.mutations() == before


async def test_without_the_state_of_the_cluster_the_checks_of_the_project_still_answer() -> None:
    async with scene() as made:
        _, compute = await actuator_of(made)
        inventory = await Preflight(compute, cluster_of(made), Settings()).read(DualstackError("no Nodes"))
        found = run_checks(replace(inventory, planned_firewalls=("a",)))
        unknown = {finding.id for finding in found if finding.status == "unknown"}
        assert {finding.id for finding in found} == {check.id for check in CHECKS}
        assert unknown >= {"pod-range-overlap", "nodes-known", "plan-preconditions"}
        assert unknown.isdisjoint({"service-range-overlap", "firewall-quota", "ipv6-access-type"})


async def nodes_of_another_cluster(made: Scene) -> None:
    """As when the kubeconfig leads to the seed: other Nodes, healthy and dual-stack."""
    await without_nodes(made)
    spec = {"podCIDRs": ["10.9.0.0/24", "fd00::/64"], "providerID": "gce://seed/europe-west1-b/seed-0"}
    made.store.create(kinds.NODE, {"metadata": {"name": "seed-0"}, "spec": spec})


async def one_node_missing(made: Scene) -> None:
    made.store.delete(kinds.NODE, made.world.nodes[0].name)


@pytest.mark.parametrize("change", [without_nodes, nodes_of_another_cluster, one_node_missing])
async def test_x1_nothing_begins_while_a_running_vm_has_no_node(change: Callable[[Scene], Awaitable[None]]) -> None:
    async with scene() as made:
        await change(made)
        made.trigger()
        error = await stopped(made)
        evidence = "runs, but the API server shows no Node of its name"
        assert {finding.id for finding in error.findings} == {"nodes-known"}
        assert any(finding.object == f"VM {made.world.nodes[0].name}" for finding in error.findings)
        assert evidence in str(error)
        assert made.lost() == 0.0


async def test_x1_nothing_begins_while_the_nodes_must_not_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as made:
        listed = made.kube.list

        async def forbidden(kind: kinds.Kind, *words: Any, **more: Any) -> list[kinds.Manifest]:
            if kind == kinds.NODE:
                raise Invalid("nodes is forbidden: User cannot list resource nodes")
            return await listed(kind, *words, **more)

        monkeypatch.setattr(made.kube, "list", forbidden)
        made.trigger()
        before = made.mutations()
        assert "nodes is forbidden" in await made.refusal()
        assert made.mutations() == before
        assert made.creates_routes()


async def test_p20_nothing_begins_while_a_provider_id_is_malformed() -> None:
    """The Node has the label of its zone; the provider ID alone counts."""
    async with scene() as made:
        name = made.world.nodes[0].name
        found = made.store.get(kinds.NODE, name)
        assert found is not None
        made.store.delete(kinds.NODE, name)
        metadata = {"name": name, "labels": found["metadata"]["labels"]}
        made.store.create(
            kinds.NODE, {**found, "metadata": metadata, "spec": {**found["spec"], "providerID": "gce://b"}}
        )
        made.trigger()
        error = await stopped(made)
        assert f"node {name}: has provider ID 'gce://b', which is not gce://<project>/<zone>/<name>" in str(error)
