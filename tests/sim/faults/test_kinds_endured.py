"""The product with each kind of fault: it succeeds without loss, or stops in time with a reason."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dualstack.gardener.controllers.reporting import TaskFailed
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.faults import FaultRule, parse_faults
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, SUBNET, Scene, scene

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[3] / "docs" / "faults.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
ENDURED = ["operationError", "pending", "stale", "meanwhile", "quota", "vm"]
"""The kinds of the first examples of the page; with the others a migration cannot succeed by itself."""


def rules(*entries: dict[str, Any]) -> list[FaultRule]:
    return parse_faults({"faults": list(entries)})


async def ended_well(made: Scene) -> None:
    """The end state, checked after reduced quotas are restored, because the check needs requests too."""
    squeezes = [(fired.at, fired.fault.quota.seconds or 0.0) for fired in made.faults.fired if fired.fault.quota]
    back = max((at + seconds for at, seconds in squeezes), default=0.0)
    await made.clock.sleep(max(back - made.clock.now(), 0.0) + 1.0)
    made.faults.declare(())
    await assert_end_state(made)
    assert made.lost() == 0.0


async def stopped(made: Scene, why: str) -> None:
    """It stops for this reason, and nothing is lost."""
    with pytest.raises(TaskFailed, match=why):
        await made.reconcile()
    assert made.lost() == 0.0
    assert made.infrastructure()["status"]["lastOperation"]["state"] == "Error"


@pytest.mark.parametrize("document", EXAMPLES)
def test_the_examples_of_the_page_are_fault_documents(document: dict[str, Any]) -> None:
    assert len(parse_faults(document)) == len(document["faults"])


@pytest.mark.parametrize("document", EXAMPLES[: len(ENDURED)], ids=ENDURED)
async def test_the_examples_of_the_page_are_endured(document: dict[str, Any]) -> None:
    async with scene(*parse_faults(document)) as made:
        made.trigger()
        await made.reconcile()
        assert made.faults.fired
        assert made.faults.never_matched() == []
        assert [fault.not_applied for fault in made.faults.fired if fault.not_applied] == []
        await ended_well(made)


def test_the_json_of_the_page_is_a_fault_document() -> None:
    (document,) = re.findall(r"-d '(.*)'", PAGE)
    assert len(parse_faults(json.loads(document))) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        {"method": "subnetworks.patch", "pending": 400, "count": 3},
        {"method": "routes.delete", "pending": 300},
        {"method": "instances.list", "stale": 60, "count": 999},
        {"method": "routes.list", "stale": 60, "count": 999},
        {"method": "subnetworks.get", "stale": 60, "count": 999},
        {"method": "*", "stale": 30, "probability": 0.3, "count": 999},
        {"method": "routes.list", "quota": {"limit": "REQUESTS_PER_MINUTE", "value": 6, "seconds": 600}},
        {"method": "routes.delete", "quota": {"limit": "REQUESTS_PER_MINUTE", "value": 0, "seconds": 120}},
        {
            "method": "instances.updateNetworkInterface",
            "quota": {"limit": "CONCURRENT_OPERATIONS", "value": 1, "seconds": 300},
        },
        {"method": "instances.updateNetworkInterface", "vm": {"becomes": "stopped"}},
        {"method": "routes.delete", "vm": {"becomes": "stopped", "name": "shoot--foo--bar-*"}},
        {"method": "instances.updateNetworkInterface", "nth": 2, "meanwhile": {"body": {"aliasIpRanges": []}}},
        {"method": "routes.delete", "count": 3, "meanwhile": {}},
    ],
    ids=lambda rule: "-".join([rule["method"], *sorted(rule.keys() - {"method", "count", "nth", "probability"})]),
)
async def test_harder_ones_are_endured_too(rule: dict[str, Any]) -> None:
    async with scene(*rules(rule)) as made:
        await made.clock.sleep(120.0)  # a stale read shows a moment at which the cluster existed
        made.trigger()
        await made.reconcile()
        assert made.faults.fired
        await ended_well(made)


async def test_a_resource_quota_stops_it_until_there_is_room_again() -> None:
    """With quota for one alias, the second fails, and no route is deleted until all aliases exist."""
    seconds = 200.0
    squeeze = {"limit": "ALIASES_PER_NETWORK_GLOBAL", "value": 1, "seconds": seconds}
    rule = {"method": "instances.updateNetworkInterface", "nth": 2, "quota": squeeze}
    async with scene(*rules(rule)) as made:
        made.trigger()
        await stopped(made, r"Quota 'ALIASES_PER_NETWORK_GLOBAL' exceeded\.  Limit: 1\.0")
        assert len(await made.node_routes()) == 3
        assert not made.controller_manager_is_ignored()
        await made.clock.sleep(seconds)
        made.retry()
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_a_range_without_quota_is_reported() -> None:
    rule = {"method": "subnetworks.patch", "quota": {"limit": "SUBNET_RANGES_PER_NETWORK", "value": 1}}
    async with scene(*rules(rule)) as made:
        made.trigger()
        await stopped(made, "Quota 'SUBNET_RANGES_PER_NETWORK' exceeded")
        assert len(await made.node_routes()) == 3


@pytest.mark.parametrize("method", ["instances.updateNetworkInterface", "routes.delete"])
async def test_a_vm_that_another_client_deletes_is_left_out(method: str) -> None:
    rule = {"method": method, "vm": {"becomes": "deleted", "name": "shoot--foo--bar-*"}}
    async with scene(*rules(rule)) as made:
        made.trigger()
        await made.reconcile()
        assert made.infrastructure()["status"]["lastOperation"]["state"] == "Succeeded"
        assert await made.node_routes() == []
        instances = made.compute.snapshot()["instances"].values()
        assert len(instances) == 2
        assert all(len(instance["networkInterfaces"][0]["aliasIpRanges"]) == 1 for instance in instances)
        assert made.lost() == 0.0


async def test_a_range_that_another_client_adds_meanwhile_stays() -> None:
    other = {"rangeName": "others", "ipCidrRange": "10.99.0.0/20"}
    rule = {"method": "subnetworks.patch", "nth": 2, "meanwhile": {"body": {"secondaryIpRanges": [other]}}}
    async with scene(*rules(rule)) as made:
        made.trigger()
        await made.reconcile()
        subnet = await made.subnet()
        pods = {"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}
        assert subnet["secondaryIpRanges"] == [other, pods]
        assert await made.node_routes() == []
        assert made.lost() == 0.0


async def test_a_flag_that_another_client_clears_meanwhile_stops_it_and_is_set_again() -> None:
    rule = {
        "method": "subnetworks.patch",
        "nth": 2,
        "meanwhile": {"body": {"allowSubnetCidrRoutesOverlap": False}},
    }
    async with scene(*rules(rule)) as made:
        made.trigger()
        await stopped(made, "conflicts with existing route")
        assert len(await made.node_routes()) == 3
        made.retry()
        await made.reconcile()
        await assert_end_state(made)
        assert made.lost() == 0.0


async def test_a_services_subnet_that_another_client_creates_first_is_used_the_next_time() -> None:
    rule = {"method": "subnetworks.insert", "target": f"{NS}-services", "meanwhile": {"body": {"description": "them"}}}
    async with scene(*rules(rule)) as made:
        made.trigger()
        await stopped(made, "already exists")
        made.request()
        await made.reconcile()
        assert (await made.resource("subnetworks.get", SUBNET, f"{NS}-services"))["description"] == "them"
        await assert_end_state(made)
        assert made.lost() == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("method", ["routes.list", "instances.list", "subnetworks.get", "*"])
async def test_the_way_back_loses_nothing_to_stale_reads(method: str) -> None:
    """Although lists still show deleted routes, no alias is removed before its route exists."""
    async with scene(knobs=Knobs(new_route_in_flagged_range="allow")) as made:
        made.trigger()
        await made.killed_at("clear-overlap-flag")
        assert await made.node_routes() == []
        made.faults.declare(rules({"method": method, "stale": 60, "count": 999}))
        made.trigger(annotations={"dualstack.dev/cut-over": "back"})
        with pytest.raises(TaskFailed, match="uses its routes again"):
            await made.reconcile()
        assert made.faults.fired
        made.faults.declare(())
        assert len(await made.node_routes()) == 3
        assert made.lost() == 0.0
