"""The whole Infrastructure migration of a three-node cluster over HTTP of both servers (gardener-behaviour.md 11.4)."""

from __future__ import annotations

import pytest

from dualstack.errors import InvalidInput

from .end_state import assert_end_state
from .scene import QUICK, scene


async def test_an_ipv4_cluster_at_rest_is_left_alone() -> None:
    async with scene() as made:
        made.request()
        before = made.mutations()
        await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace)
        assert made.mutations() == before
        assert made.events == []
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"


async def test_overlap_migrates_without_a_lost_packet_and_then_changes_nothing() -> None:
    async with scene() as made:
        made.trigger()
        controller = made.controller(settings=QUICK)
        assert await controller.reconcile(made.shoot, made.namespace) is None
        await assert_end_state(made)
        assert made.lost() == 0.0
        assert made.steps() == [
            "stop-cloud-controller-manager",
            "save-routes",
            "set-overlap-flag",
            "add-secondary-range",
            "add-alias-canary",
            "add-aliases",
            "delete-route-canary",
            "delete-routes",
            "delete-routes",
            "clear-overlap-flag",
            "clear-saved-routes",
            "set-stack-type",
            "create-services-subnet",
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
        assert made.controller_manager_replicas() == 0

        before = made.mutations()
        made.events.clear()
        made.request()
        await controller.reconcile(made.shoot, made.namespace)
        assert made.mutations() == before
        assert made.events == []
        await assert_end_state(made)


async def test_gardeners_order_ends_in_the_same_state_and_loses_packets() -> None:
    async with scene() as made:
        made.trigger(annotations={"dualstack.dev/strategy": "gardener"})
        await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace)
        await assert_end_state(made)
        assert made.lost() > 10.0
        assert "set-overlap-flag" not in made.steps()


async def test_the_controller_waits_for_the_pods_of_the_cloud_controller_manager() -> None:
    async with scene() as made:
        made.trigger()
        await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace)
        stopped = next(event for event in made.events if getattr(event, "step", "") == "stop-cloud-controller-manager")
        saved = next(event for event in made.events if getattr(event, "step", "") == "save-routes")
        assert saved.at - stopped.at >= made.grace


async def test_an_unknown_strategy_is_refused_before_anything_is_done() -> None:
    async with scene() as made:
        made.trigger(annotations={"dualstack.dev/strategy": "brute-force"})
        before = made.mutations()
        with pytest.raises(InvalidInput, match="unknown strategy 'brute-force'"):
            await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace)
        status = made.infrastructure()["status"]
        assert status["lastOperation"]["state"] == "Error"
        assert status["lastOperation"]["progress"] == 50
        assert status["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
        assert status["lastError"]["description"].startswith("Error reconciling infrastructure: unknown strategy")
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
        assert internal["stackType"] == "IPV4_ONLY"
        before = made.mutations()
        made.request()
        await controller.reconcile(made.shoot, made.namespace)
        assert made.mutations() == before
