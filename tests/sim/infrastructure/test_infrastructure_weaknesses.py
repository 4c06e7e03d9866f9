"""Weaknesses of upstream that need a cloud to show; docs/reference/weaknesses.md has the whole list."""

from __future__ import annotations

import pytest

from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gce.errors import PolicyViolated
from dualstack.model.events import AnyEvent, StepFinished, StepStarted
from dualstack.preflight.finding import PreflightFailed
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.faults import FaultRule
from tests.sim.infrastructure import upstream
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import SUBNET, ZONE, scene

pytestmark = pytest.mark.slow

POLICY = HttpFault(
    412, "conditionNotMet", "Constraint constraints/compute.disableVpcExternalIpv6 violated for projects/proj-1."
)
FORBIDDEN = HttpFault(403, "forbidden", "Required 'compute.x' permission for 'y'")


async def test_w1_the_first_run_converts_the_routes_without_any_constraint() -> None:
    """The remaining work is read from the cloud, not from the Shoot (docs/reference/weaknesses.md#w7)."""
    async with scene() as made:
        made.trigger()
        cluster = made.store.get(gardener_kinds.CLUSTER, made.namespace)
        assert cluster is not None
        constraints = cluster["spec"]["shoot"]["status"]["constraints"]
        assert gardener_names.NODES_MIGRATION not in [constraint["type"] for constraint in constraints]
        await made.reconcile()
        await assert_end_state(made)


async def test_w3_what_is_true_is_published_although_a_later_task_fails() -> None:
    async with scene(FaultRule("firewalls.insert", Fault(error_before=FORBIDDEN), count=2)) as made:
        made.trigger()
        with pytest.raises(TaskFailed, match="ensure firewall"):
            await made.reconcile()
        status = made.infrastructure()["status"]
        assert status["lastOperation"]["state"] == "Error"
        assert len(status["networking"]["nodes"]) == 2
        assert status["providerStatus"]["networks"]["ipfamilies"] == ["IPv4", "IPv6"]
        await made.reconcile()
        await assert_end_state(made)
        assert made.phases()[-1] == ("finished", "ipv6")


async def test_w10_a_controller_that_restarts_during_the_deletes_is_stopped_again() -> None:
    async with scene() as made:
        made.trigger()
        meddled: list[str] = []

        def listen(event: AnyEvent) -> None:
            made.events.append(event)
            if isinstance(event, StepFinished) and event.step == "delete-route-canary" and not meddled:
                meddled.append(event.step)
                made.start_routes()

        await made.reconcile(emit=listen)
        assert meddled
        await assert_end_state(made)
        assert not made.creates_routes()
        assert made.steps().count("stop-cloud-controller-manager") == 2
        assert made.lost() == 0.0


async def test_w16_alias_operation_is_awaited() -> None:
    """And its failure seen: the route stays until the alias is read back."""
    failing = Fault(operation_error=("INTERNAL_ERROR", "Internal error."))
    async with scene(FaultRule("instances.updateNetworkInterface", failing, nth=2)) as made:
        made.trigger()
        await made.reconcile()
        assert made.faults.fired
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_w17_a_refused_alias_is_reported_with_the_clouds_message() -> None:
    async with scene(FaultRule("instances.updateNetworkInterface", Fault(error_before=FORBIDDEN), count=99)) as made:
        made.trigger()
        with pytest.raises(TaskFailed):
            await made.reconcile()
        error = made.infrastructure()["status"]["lastError"]
        assert FORBIDDEN.message in error["description"]
        assert error["codes"] == ["ERR_INFRA_UNAUTHORIZED"]
        assert made.lost() == 0.0


async def test_w18_an_alias_that_is_there_is_not_added_again() -> None:
    """A migration that was cut off between two aliases: the range there, one alias there, routes still there."""
    async with scene() as made:
        subnet = await made.subnet()
        for body in (
            {"allowSubnetCidrRoutesOverlap": True},
            {"secondaryIpRanges": [{"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}]},
        ):
            fingerprint = (await made.subnet())["fingerprint"]
            await made.change("subnetworks.patch", SUBNET, subnet["name"], fingerprint=fingerprint, **body)
        node = made.world.nodes[0]
        await upstream.put_alias(made, node.name, node.pod_cidr)
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_w19_aliases_are_added_side_by_side() -> None:
    async with scene(nodes=9) as made:
        made.trigger()
        await made.reconcile()
        took = {
            step: sum(
                (1 if isinstance(event, StepFinished) else -1) * event.at
                for event in made.events
                if isinstance(event, StepStarted | StepFinished) and event.step == step
            )
            for step in ("add-alias-canary", "add-aliases")
        }
        assert took["add-aliases"] < 5 * took["add-alias-canary"], "eight, one after the other, would take eight times"


async def test_w21_a_route_that_another_client_deleted_counts_as_deleted() -> None:
    gone = HttpFault(404, "notFound", "The resource 'projects/proj-1/global/routes/x' was not found")
    async with scene(FaultRule("routes.delete", Fault(error_after=gone))) as made:
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_w30_a_prefix_may_take_longer_than_half_a_minute() -> None:
    async with scene(latency=LatencyProfile(ipv6_prefix=(45.0, 60.0))) as made:
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)


async def test_w31_an_error_while_an_operation_is_polled_is_tolerated() -> None:
    rules = (FaultRule("zoneOperations.*", Fault(error_before=HttpFault()), count=4),)
    async with scene(*rules) as made:
        made.trigger()
        await made.reconcile()
        assert made.faults.fired
        await assert_end_state(made)


async def test_w32_a_policy_against_ipv6_is_met_before_anything_else_is_touched() -> None:
    async with scene(FaultRule("subnetworks.insert", Fault(error_before=POLICY), count=99)) as made:
        made.trigger()
        before = made.mutations()
        with pytest.raises(TaskFailed) as caught:
            await made.reconcile()
        assert isinstance(caught.value.__cause__, PolicyViolated)
        error = made.infrastructure()["status"]["lastError"]
        assert "constraints/compute.disableVpcExternalIpv6" in error["description"]
        assert error["description"].endswith("conditionNotMet.")
        assert "an administrator of the organization has to allow it" in error["description"]
        assert error["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
        assert made.mutations() == before + 1, "the one that was refused"
        assert made.creates_routes()
        assert len(await made.node_routes()) == 3


async def test_w32_all_obstacles_are_reported_at_once_and_nothing_is_changed() -> None:
    async with scene() as made:
        network = (await made.subnet())["network"]
        other = {"name": "of-another-cluster", "network": network, "ipCidrRange": "100.70.0.0/16"}
        made.compute.place("subnetworks", SUBNET, other)
        gateway = "global/gateways/default-internet-gateway"
        route = {"name": "into-services", "network": network, "destRange": "100.65.0.0/24", "priority": 1000}
        made.compute.place("routes", "global", {**route, "nextHopGateway": gateway})
        made.trigger()
        before = made.mutations()
        with pytest.raises(TaskFailed) as caught:
            await made.reconcile()
        cause = caught.value.__cause__
        assert isinstance(cause, PreflightFailed)
        assert [(finding.id, finding.object, finding.evidence) for finding in cause.findings] == [
            (
                "service-range-overlap",
                "subnet of-another-cluster",
                "range 100.70.0.0/16 overlaps the service range 100.64.0.0/13",
            ),
            (
                "service-range-routes",
                "route into-services",
                "destination 100.65.0.0/24 lies in the service range",
            ),
        ]
        lines = str(cause).splitlines()
        assert len(lines) == 2
        assert all(line.startswith('spec.networking.services: Invalid value: "100.64.0.0/13": ') for line in lines)
        assert made.mutations() == before


async def test_w32_a_vm_that_is_stopped_gets_its_alias_like_any_other() -> None:
    async with scene() as made:
        await made.change("instances.stop", ZONE, made.world.nodes[1].name)
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)


async def test_w33_what_upstream_made_dual_is_left_alone() -> None:
    """An Infrastructure at rest from upstream, whose internal subnet is dual-stack, needs no mutating call."""
    async with scene(example="shoot-large.yaml", nodes=4) as made:
        made.trigger()
        await made.reconcile()
        before = made.mutations()
        made.request()
        await made.reconcile()
        assert made.mutations() == before


@pytest.mark.parametrize(
    ("annotations", "stack"), [({}, "IPV4_IPV6"), ({"dualstack.dev/internal-subnet": "ipv4"}, "IPV4_ONLY")]
)
async def test_p16_the_internal_subnet_gets_an_external_ipv6_range(annotations: dict[str, str], stack: str) -> None:
    async with scene(example="shoot-large.yaml", nodes=4) as made:
        made.trigger(annotations=annotations)
        await made.reconcile()
        internal = await made.subnet(f"{made.namespace}-internal")
        assert internal.get("stackType", "IPV4_ONLY") == stack
        assert bool(internal.get("externalIpv6Prefix")) == (stack == "IPV4_IPV6")
        before = made.mutations()
        made.request()
        await made.reconcile()
        assert made.mutations() == before


async def test_p16_an_internal_subnet_that_can_never_get_an_external_range_is_found_before_any_change() -> None:
    async with scene(example="shoot-large.yaml", nodes=4) as made:
        name = f"{made.namespace}-internal"
        await made.change("networks.patch", "global", "shop-live", enableUlaInternalIpv6=True)
        subnet = await made.subnet(name)
        internal = {"stackType": "IPV4_IPV6", "ipv6AccessType": "INTERNAL", "fingerprint": subnet["fingerprint"]}
        await made.change("subnetworks.patch", SUBNET, name, **internal)
        before = made.mutations()
        made.trigger()
        assert f"subnet {name}: ipv6AccessType is INTERNAL" in await made.refusal()
        assert made.mutations() == before


async def test_a_worker_range_that_grows_is_expanded_in_place() -> None:
    async with scene() as made:
        cluster = made.store.get(gardener_kinds.CLUSTER, made.namespace)
        assert cluster is not None
        spec = cluster["spec"]["shoot"]["spec"]
        spec["networking"]["nodes"] = "10.250.0.0/15"
        spec["provider"]["infrastructureConfig"]["networks"]["workers"] = "10.250.0.0/15"
        made.store.replace(gardener_kinds.CLUSTER, cluster)
        made.request()
        await made.reconcile()
        assert (await made.subnet())["ipCidrRange"] == "10.250.0.0/15"
        before = made.mutations()
        made.request()
        await made.reconcile()
        assert made.mutations() == before
