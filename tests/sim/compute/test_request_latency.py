"""The time until an answer, in simulated time (docs/reference/compute-engine.md#request-latency)."""

from __future__ import annotations

import pytest

from dualstack_sim.compute.project.latency import OBSERVED_REQUESTS, LatencyProfile, class_of
from dualstack_sim.rules.profiles import choose
from tests.sim.compute.cloud import NODES, ZONE, Setting, route, running

SLOW = LatencyProfile(requests=dict.fromkeys(OBSERVED_REQUESTS, 600.0), sigma=0.0)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("subnetworks.get", "get"),
        ("routers.getRouterStatus", "get"),
        ("routes.list", "list"),
        ("instanceGroups.listInstances", "list"),
        ("routes.testIamPermissions", "list"),
        ("instances.aggregatedList", "aggregatedList"),
        ("zoneOperations.get", "operation"),
        ("globalOperations.list", "operation"),
        ("routes.insert", "change"),
        ("instances.updateNetworkInterface", "change"),
    ],
)
def test_r2_each_method_has_a_class(method: str, kind: str) -> None:
    assert class_of(method) == kind
    assert kind in OBSERVED_REQUESTS


async def test_r2_answers_take_simulated_time() -> None:
    async with running(Setting(latency=SLOW)) as cloud:
        cloud.populate(1)
        for verb, path, body in (
            ("GET", NODES, None),
            ("GET", f"{ZONE}/instances", None),
            ("GET", "aggregated/instances", None),
            ("GET", "global/networks/none", None),
            ("POST", "global/routes", route("new", "172.16.0.0/24", "vm0")),
        ):
            before = cloud.clock.now()
            await cloud.call(verb, path, body)
            assert cloud.clock.now() - before >= 600.0, (verb, path)


async def test_r2_a_request_takes_effect_before_its_answer() -> None:
    async with running(Setting(latency=SLOW)) as cloud:
        cloud.populate(1)
        before = cloud.clock.now()
        status, operation = await cloud.call("POST", "global/routes", route("new", "172.16.0.0/24", "vm0"))
        assert (status, operation["status"]) == (200, "PENDING")
        cloud.compute.settle()
        created = cloud.compute.find("routes", "global", "new")
        assert created is not None
        assert cloud.commits[-1].name == "new"
        assert cloud.commits[-1].at - before < 300.0


async def test_r2_there_is_no_delay_without_the_knob() -> None:
    assert not choose("documented", ("request-latency=none",)).latency.requests
    assert choose().latency.requests == OBSERVED_REQUESTS
    slow = choose("documented", ("request-latency=slow",)).latency.requests
    assert slow["get"] == 5 * OBSERVED_REQUESTS["get"]
