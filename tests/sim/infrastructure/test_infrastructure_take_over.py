"""Taking over from Gardener: at rest, and from every point of an interrupted migration.

Upstream deletes all routes, then creates the range, then adds one alias after the other
(docs/reference/gardener.md#route-cleanup). It loses the saved routes on a retry (docs/reference/weaknesses.md#w11) and
leaves cloud-controller-manager stopped (docs/reference/weaknesses.md#w4). Every combination is a starting point.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.infrastructure import InfrastructureState, InfrastructureStatus
from dualstack.model import kinds
from tests.sim.infrastructure import upstream
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, Scene, scene

QUICKLY = {
    "routes gone, stopped, saved",
    "routes gone, running, lost",
    "one route left, stopped, saved",
    "range, stopped, lost",
    "range, 1 alias, stopped, saved",
    "range, 2 aliases, running, lost",
    "range, 3 aliases, stopped, lost",
}


CHANGES = 14
"""Requests of upstream's migration of three nodes that change something: network, internal and services subnet, three
routes, subnet, range, three aliases, NAT, and two firewall rules."""


def starts() -> list[Any]:
    """All of them; a choice in the quick suite."""
    places = {
        "routes gone": (0, False, 0),
        "one route left": (1, False, 0),
        "range": (0, True, 0),
        "range, 1 alias": (0, True, 1),
        "range, 2 aliases": (0, True, 2),
        "range, 3 aliases": (0, True, 3),
    }
    params = []
    for (words, place), stopped, saved, dual in product(places.items(), (True, False), (True, False), (False, True)):
        name = f"{words}, {'stopped' if stopped else 'running'}, {'saved' if saved else 'lost'}"
        quick = name in QUICKLY and not dual
        label = f"{name}, dual-stack" if dual else name
        params.append(pytest.param(*place, stopped, saved, dual, id=label, marks=() if quick else pytest.mark.slow))
    return params


@pytest.mark.parametrize(("left", "ranged", "aliases", "stopped", "saved", "dual"), starts())
async def test_w7_w11_w13_w24_a_migration_of_gardeners_is_finished_wherever_it_was_cut_off(
    left: int, ranged: bool, aliases: int, stopped: bool, saved: bool, dual: bool
) -> None:
    """`left` routes still exist; `dual`: the subnet is already dual-stack (docs/reference/weaknesses.md#w2)."""
    async with scene() as made:
        if stopped:
            await upstream.stop_controller(made)
        await upstream.delete_routes(made, left=left)
        if dual:
            await upstream.patch_nodes_subnet(made, **upstream.DUAL)
        if ranged:
            await upstream.patch_nodes_subnet(made, secondaryIpRanges=[upstream.POD_RANGE])
        for node in made.world.nodes[:aliases]:
            await upstream.put_alias(made, node.name, node.pod_cidr)
        upstream.write_state(made, routes=saved)
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
        await made.clock.sleep(60.0)
        assert made.fabric.traffic.report(made.clock.now()).current == 0
        before = made.mutations()
        made.request()
        await made.reconcile()
        assert made.mutations() == before


@pytest.mark.parametrize(
    "changes", [pytest.param(count, marks=() if count in (5, 9) else pytest.mark.slow) for count in range(CHANGES)]
)
async def test_s8_upstreams_own_program_is_finished_wherever_it_was_killed(changes: int) -> None:
    """Before each of its changes."""
    async with scene() as made:
        assert await upstream.migrate(made, changes=changes)
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)
        await made.clock.sleep(60.0)
        assert made.fabric.traffic.report(made.clock.now()).current == 0


async def test_the_control_plane_has_moved_and_nothing_of_it_is_there_yet() -> None:
    """10: no Deployment, no ManagedResource, the routes gone; upstream waits for them forever."""
    async with scene() as made:
        await upstream.delete_routes(made)
        upstream.write_state(made, routes=True)
        for kind, name in (
            (kinds.DEPLOYMENT, "cloud-controller-manager"),
            (gardener_kinds.MANAGED_RESOURCE, "extension-controlplane-seed"),
        ):
            made.store.delete(kind, name, made.namespace)
        made.trigger()
        await made.reconcile()
        await assert_end_state(made)


@pytest.mark.parametrize("empty_list", [False, True], ids=["no-list", "empty-list"])
async def test_s8_what_upstream_has_finished_needs_no_mutating_call(empty_list: bool) -> None:
    async with scene() as made:
        assert not await upstream.migrate(made, changes=CHANGES)
        if empty_list:
            set_routes(made, [])
        made.trigger()
        before = made.mutations()
        await made.reconcile()
        assert made.mutations() == before
        if empty_list:
            # Upstream leaves the key out; a list without entries says the same, and stays.
            set_routes(made, None)
        await assert_end_state(made)


async def test_at_rest_in_ipv4_it_needs_no_mutating_call() -> None:
    async with scene() as made:
        before = made.mutations()
        made.request()
        await made.reconcile()
        assert made.mutations() == before


async def test_what_we_write_is_what_upstream_would_load() -> None:
    """Every field has the name and the type of upstream's, and there is no other."""
    async with scene() as made:
        made.trigger()
        await made.reconcile()
        status = made.infrastructure()["status"]
        assert InfrastructureState.from_raw(status["state"]).to_raw() == status["state"]
        assert InfrastructureStatus.from_raw(status["providerStatus"]).to_raw() == status["providerStatus"]
        assert status["state"]["kind"] == "InfrastructureState"
        assert set(status["state"]["data"]) == {
            "resources_exist",
            "nodes-subnet-ipv6-cidr",
            "services-subnet-ipv6-cidr",
        }
        assert status["providerStatus"]["networks"]["vpc"]["cloudRouter"] == {"name": f"{NS}-cloud-router"}


def set_routes(made: Scene, routes: list[Any] | None) -> None:
    body = {"status": {"state": {"routes": routes}}}
    made.store.patch(gardener_kinds.INFRASTRUCTURE, made.shoot, body, made.namespace, subresource="status")
