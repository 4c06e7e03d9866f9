"""The Infrastructure migration of a three-node cluster (docs/reference/gardener.md#golden-infrastructure-migration)."""

from __future__ import annotations

import pytest

from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.model import kinds
from dualstack.model.errors import InvalidInput
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, QUICK, SUBNET, scene


async def test_an_ipv4_cluster_at_rest_is_left_alone() -> None:
    async with scene() as made:
        made.request()
        before = made.mutations()
        await made.reconcile()
        assert made.mutations() == before
        assert made.events == []
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"


async def test_w20_overlap_migrates_without_a_lost_packet_and_then_changes_nothing() -> None:
    async with scene() as made:
        made.trigger()
        controller = made.controller(settings=QUICK)
        assert await controller.reconcile(made.shoot, made.namespace) is None
        await assert_end_state(made)
        assert made.lost() == 0.0
        assert made.steps() == [
            "create-services-subnet",
            "stop-cloud-controller-manager",
            "save-routes",
            "set-overlap-flag",
            "add-range-canary",
            "remove-range-canary",
            "add-secondary-range",
            "add-alias-canary",
            "add-aliases",
            "delete-route-canary",
            "delete-routes",
            "delete-routes",
            "clear-overlap-flag",
            "clear-saved-routes",
            "set-stack-type",
            "await-ipv6-prefixes",
            "create-firewall-rules",
            "publish-status",
        ]
        assert made.phases() == [
            ("started", "cut-over"),
            ("finished", "cut-over"),
            ("started", "ipv6"),
            ("finished", "ipv6"),
        ]
        assert made.controller_manager_is_ignored()
        assert not made.creates_routes()

        before = made.mutations()
        made.events.clear()
        made.request()
        await controller.reconcile(made.shoot, made.namespace)
        assert made.mutations() == before
        assert made.events == []
        await assert_end_state(made)


async def test_r2_the_strategy_gardener_is_refused_with_the_command_that_shows_upstreams_order() -> None:
    async with scene() as made:
        made.trigger(annotations={"dualstack.dev/strategy": "gardener"})
        before = made.mutations()
        assert "`dualstack rehearse --landscape gardener`" in await made.refusal()
        assert "rehearse --landscape gardener" in made.infrastructure()["status"]["lastError"]["description"]
        assert made.mutations() == before


async def test_w8_the_controller_waits_for_the_pods_of_the_cloud_controller_manager() -> None:
    async with scene() as made:
        made.trigger()
        await made.reconcile()
        stopped = next(event for event in made.events if getattr(event, "step", "") == "stop-cloud-controller-manager")
        saved = next(event for event in made.events if getattr(event, "step", "") == "save-routes")
        assert saved.at - stopped.at >= made.pods.grace


async def test_an_unknown_strategy_is_refused_before_anything_is_done() -> None:
    async with scene() as made:
        made.trigger(annotations={"dualstack.dev/strategy": "brute-force"})
        before = made.mutations()
        said = 'metadata.annotations[dualstack.dev/strategy]: Unsupported value: "brute-force": supported values: '
        assert said in await made.refusal()
        status = made.infrastructure()["status"]
        assert status["lastOperation"]["state"] == "Error"
        assert status["lastOperation"]["progress"] == 50
        assert status["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
        assert status["lastError"]["description"].startswith("Error checking infrastructure config: ")
        assert made.mutations() == before


async def test_the_large_example_is_recognised_at_rest_and_migrated() -> None:
    """Users' VPC, router and NAT addresses, flow logs, internal subnet, three zones, forty nodes."""
    async with scene(example="shoot-large.yaml") as made:
        made.request()
        before = made.mutations()
        controller = made.controller(settings=QUICK)
        await controller.reconcile(made.shoot, made.namespace)
        assert made.mutations() == before
        made.trigger()
        await controller.reconcile(made.shoot, made.namespace)
        assert await made.node_routes() == []
        assert made.lost() == 0.0
        status = made.infrastructure()["status"]
        purposes = [subnet["purpose"] for subnet in status["providerStatus"]["networks"]["subnets"]]
        assert purposes == ["nodes", "internal", "services"]
        assert [len(status["networking"][kind]) for kind in ("nodes", "pods", "services")] == [2, 2, 2]
        assert [cidr.rpartition("/")[2] for cidr in status["egressCIDRs"]] == ["32", "32", "64"]
        internal = await made.subnet(f"{made.namespace}-internal")
        assert internal["stackType"] == "IPV4_IPV6"
        before = made.mutations()
        made.request()
        await controller.reconcile(made.shoot, made.namespace)
        assert made.mutations() == before


@pytest.mark.parametrize("families", [("IPv4",), ("IPv4", "IPv6")])
async def test_in_an_empty_project_everything_is_created(families: tuple[str, ...]) -> None:
    async with scene(empty=True) as made:
        made.trigger(families=families)
        controller = made.controller(settings=QUICK)
        await controller.reconcile(made.shoot, made.namespace)
        dual = len(families) == 2
        subnet = await made.subnet()
        assert subnet["stackType"] == ("IPV4_IPV6" if dual else "IPV4_ONLY")
        assert [entry["rangeName"] for entry in subnet.get("secondaryIpRanges", [])] == ["ipv4-pod-cidr"] * dual
        router = await made.resource("routers.get", SUBNET, f"{NS}-cloud-router")
        assert [nat["name"] for nat in router["nats"]] == [f"{NS}-cloud-nat"]
        listed = await made.compute.answer("firewalls.list", "global")
        assert len(listed["items"]) == (4 if dual else 2)
        status = made.infrastructure()["status"]
        assert status["lastOperation"]["state"] == "Succeeded"
        assert len(status["networking"]["nodes"]) == len(families)
        before = made.mutations()
        made.request()
        await controller.reconcile(made.shoot, made.namespace)
        assert made.mutations() == before


async def test_what_another_client_deleted_or_changed_is_restored() -> None:
    async with scene() as made:
        await made.change("firewalls.delete", "global", f"{NS}-allow-health-checks")
        await made.change("firewalls.patch", "global", f"{NS}-allow-internal-access", sourceRanges=["10.0.0.0/8"])
        await made.change("routers.patch", SUBNET, f"{NS}-cloud-router", nats=[])
        made.request()
        await made.reconcile()
        await made.resource("firewalls.get", "global", f"{NS}-allow-health-checks")
        internal = await made.resource("firewalls.get", "global", f"{NS}-allow-internal-access")
        assert sorted(internal["sourceRanges"]) == ["10.250.0.0/16", "100.96.0.0/11"]
        router = await made.resource("routers.get", SUBNET, f"{NS}-cloud-router")
        assert len(router["nats"]) == 1


async def test_missing_things_of_the_user_are_named() -> None:
    async with scene(example="shoot-large.yaml") as made:
        await made.change("routers.patch", SUBNET, "shop-live-router", nats=[])
        await made.change("addresses.delete", SUBNET, "shop-egress-2")
        made.request()
        with pytest.raises(InvalidInput, match=r'cloudNAT\.natIPNames\[1\]\.name: Not found: "shop-egress-2"'):
            await made.reconcile()
        description = made.infrastructure()["status"]["lastError"]["description"]
        assert description.startswith("Error checking infrastructure config: networks.cloudNAT.natIPNames[1].name: ")
        made.compute.place("addresses", SUBNET, {"name": "shop-egress-2"})
        await made.change("routers.delete", SUBNET, "shop-live-router")
        with pytest.raises(TaskFailed):
            await made.reconcile()
        error = made.infrastructure()["status"]["lastError"]
        assert "failed to locate user-managed CloudRouter [Name=shop-live-router]" in error["description"]
        assert error["codes"] == ["ERR_CONFIGURATION_PROBLEM"]


async def test_without_credentials_the_reason_stands_in_the_status() -> None:
    async with scene() as made:
        made.request()
        made.store.patch(kinds.SECRET, "cloudprovider", {"data": {"serviceaccount.json": "e30="}}, made.namespace)
        with pytest.raises(InvalidInput, match="project_id"):
            await made.reconcile()
        made.store.delete(kinds.SECRET, "cloudprovider", made.namespace)
        with pytest.raises(InvalidInput, match="secret shoot--foo--bar/cloudprovider"):
            await made.reconcile()
        assert "is missing" in made.infrastructure()["status"]["lastError"]["description"]
