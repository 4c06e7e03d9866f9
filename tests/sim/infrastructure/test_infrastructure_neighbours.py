"""Peered networks and BGP, as the preflight reads them over HTTP (docs/reference/cut-over.md#r10)."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack.model.events import StrategyChosen
from dualstack.preflight.finding import PreflightFailed
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, SUBNET, Scene, scene


async def peered(made: Scene, cidr: str, **peering: Any) -> None:
    """A network with one subnet, whose peering with ours is ACTIVE."""
    made.compute.place("networks", "global", {"name": "peer", "autoCreateSubnetworks": False})
    network = "projects/proj-1/global/networks/peer"
    made.compute.place("subnetworks", SUBNET, {"name": "peer-nodes", "network": network, "ipCidrRange": cidr})
    for one, other in ((NS, "peer"), ("peer", NS)):
        body = {"name": f"to-{other}", "network": f"global/networks/{other}", "exchangeSubnetRoutes": True, **peering}
        await made.change("networks.addPeering", "global", one, networkPeering=body)


async def test_a_peer_that_has_the_services_range_is_seen_before_anything_is_changed() -> None:
    async with scene() as made:
        await peered(made, "100.70.0.0/16")
        made.trigger()
        before = made.mutations()
        with pytest.raises(TaskFailed) as caught:
            await made.reconcile()
        cause = caught.value.__cause__
        assert isinstance(cause, PreflightFailed)
        assert str(cause) == (
            f'spec.networking.services: Invalid value: "100.64.0.0/13": network {NS}: range 100.70.0.0/16 of a peer '
            "overlaps 100.64.0.0/13; Compute refuses the range; remove the range or the route from the peered network, "
            "or end the peering"
        )
        assert made.mutations() == before


async def test_a_range_that_is_allocated_to_private_services_is_seen_too() -> None:
    async with scene() as made:
        network = (await made.subnet())["network"]
        body = {"name": "psa", "address": "100.100.0.0", "prefixLength": 20, "purpose": "VPC_PEERING"}
        made.compute.place("addresses", "global", body | {"addressType": "INTERNAL", "network": network})
        made.trigger()
        with pytest.raises(TaskFailed, match=r"reserved range psa: 100\.100\.0\.0/20 overlaps 100\.96\.0\.0/11"):
            await made.reconcile()


async def test_a_static_route_that_a_peer_exports_is_seen_too() -> None:
    async with scene() as made:
        await peered(made, "10.80.0.0/16", exportCustomRoutes=True, importCustomRoutes=True)
        hop = "10.80.0.9"
        network = "projects/proj-1/global/networks/peer"
        body = {"name": "into-pods", "network": network, "destRange": "100.120.0.0/16", "priority": 1000}
        made.compute.place("routes", "global", body | {"nextHopIp": hop})
        made.trigger()
        before = made.mutations()
        with pytest.raises(TaskFailed, match=r"an imported route to 100\.120\.0\.0/16 lies in 100\.96\.0\.0/11"):
            await made.reconcile()
        assert made.mutations() == before


async def test_neighbours_that_have_nothing_of_ours_are_no_reason_to_refuse() -> None:
    async with scene() as made:
        await peered(made, "10.80.0.0/16")
        network = (await made.subnet())["network"]
        router = {"name": "vpn", "network": network, "bgp": {"asn": 64512, "advertiseMode": "CUSTOM"}}
        peer = {"name": "office", "peerAsn": 64513, "interfaceName": "if-0", "peerIpAddress": "169.254.0.2"}
        made.compute.place("routers", SUBNET, router | {"bgpPeers": [peer]})
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


@pytest.mark.parametrize(("rules", "strategy"), [(25, "overlap"), (26, "compressed")])
async def test_internal_load_balancers_count_for_auto_where_the_api_tells(rules: int, strategy: str) -> None:
    """Those of other networks and schemes do not. The simulated API knows none of them: then it says so."""
    link = f"https://www.googleapis.com/compute/v1/projects/proj-1/global/networks/{NS}"
    ours = [{"loadBalancingScheme": "INTERNAL", "network": link}] * rules
    others = [{"loadBalancingScheme": "INTERNAL_MANAGED", "network": link}, {"loadBalancingScheme": "EXTERNAL"}] * 9
    page = {"items": {"regions/europe-west1": {"forwardingRules": ours + others}}}

    @web.middleware
    async def balancers(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.endswith("/aggregated/forwardingRules"):
            return web.json_response(page)
        response: web.StreamResponse = await handler(request)
        return response

    async with scene(dress=lambda app: app.middlewares.insert(0, balancers)) as made:
        made.trigger()
        await made.reconcile(strategy="auto")
        chosen = [event for event in made.events if isinstance(event, StrategyChosen)]
        assert [event.strategy for event in chosen] == [strategy]
        assert f"{rules} internal forwarding rules" in chosen[0].reason
