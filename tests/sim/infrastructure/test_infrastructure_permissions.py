"""Every request that the simulated cloud receives in a migration has a row in the table of methods."""

from __future__ import annotations

from dualstack.gce.methods import METHODS
from tests.sim.infrastructure.scene import QUICK, scene


async def test_every_request_of_a_migration_is_in_the_table() -> None:
    async with scene() as made:
        made.trigger()
        assert await made.controller(settings=QUICK).reconcile(made.shoot, made.namespace) is None
        called = set(made.compute.statistics("dualstack")["byMethod"])
    assert called - set(METHODS) == set()
    assert {"subnetworks.patch", "instances.updateNetworkInterface", "routes.delete", "firewalls.insert"} <= called
