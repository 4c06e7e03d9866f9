"""Guest agents and their metadata key, in the fabric and with the simulated Compute Engine."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack_sim.fabric import Fabric, LagProfile
from dualstack_sim.fabric.guest_agents import READDED
from tests.sim.compute import cloud as compute_cloud
from tests.sim.fabric.cloud import PODS, Cloud, cluster, node, pod, pods

STOPS = "disable-address-manager"


def with_agent() -> tuple[Fabric, Cloud]:
    """Two nodes with agents; the pod range is there, and no node has an alias yet."""
    fabric, cloud = cluster(joined=False, lag=LagProfile.fixed(0.0))
    for number in (1, 2):
        fabric.traffic.join(0.5, node(number), [pods(number)], steals_aliases=True)
    cloud.ranges(1.0, PODS)
    return fabric, cloud


def metadata(**values: str) -> dict[str, Any]:
    return {"items": [{"key": key.replace("_", "-"), "value": value} for key, value in values.items()]}


def project(cloud: Cloud, at: float, **values: str) -> None:
    cloud.put(at, "projects", {"name": "proj-1", "commonInstanceMetadata": metadata(**values)})


def reached(fabric: Fabric, at: float) -> bool:
    return fabric.probe(node(1), pod(2), at).delivered_to == node(2)


@pytest.mark.parametrize(
    ("of_vm", "of_project", "stolen"),
    [
        (None, None, True),
        ("true", None, False),
        ("TRUE", None, False),
        ("false", None, True),
        ("yes", None, True),
        ("1", None, False),
        ("t", "false", False),
        ("0", "true", True),
        ("tRUE", None, True),
        ("tRUE", "true", False),
        ("", "True", False),
        (None, "true", False),
        ("false", "true", True),
        ("true", "false", False),
    ],
)
def test_s9_the_key_of_the_vm_comes_before_that_of_the_project(
    of_vm: str | None, of_project: str | None, stolen: bool
) -> None:
    fabric, cloud = with_agent()
    if of_project is not None:
        project(cloud, 1.5, disable_address_manager=of_project)
    if of_vm is not None:
        cloud.change(1.5, "instances", node(2), metadata=metadata(disable_address_manager=of_vm))
    cloud.aliases(2.0, 2, pods(2))
    assert reached(fabric, 3.0) is not stolen


def test_s9_a_stopped_agent_leaves_what_is_there() -> None:
    """Setting the key after the alias does not bring the pods back; deleting the local route does."""
    fabric, cloud = with_agent()
    cloud.aliases(2.0, 2, pods(2))
    assert not reached(fabric, 3.0)
    cloud.change(4.0, "instances", node(2), metadata=metadata(disable_address_manager="true"))
    assert not reached(fabric, 5.0)
    fabric.traffic.remove_local_routes(6.0, node(2))
    assert reached(fabric, 7.0)
    assert reached(fabric, 7.0 + 10 * READDED)


def test_s9_an_agent_adds_deleted_routes_again() -> None:
    fabric, cloud = with_agent()
    cloud.aliases(2.0, 2, pods(2))
    fabric.traffic.report(5.0)
    fabric.traffic.remove_local_routes(6.0, node(2))
    assert reached(fabric, 6.0 + READDED / 2)
    assert not reached(fabric, 6.0 + READDED + 1.0)


def test_s9_an_agent_removes_its_route_with_the_alias() -> None:
    fabric, cloud = with_agent()
    cloud.aliases(2.0, 2, pods(2))
    assert not reached(fabric, 3.0)
    cloud.aliases(4.0, 2)
    cloud.ranges(4.0)
    assert reached(fabric, 5.0)


def test_s9_the_key_of_the_project_is_followed_at_run_time() -> None:
    fabric, cloud = with_agent()
    project(cloud, 1.5, disable_address_manager="true")
    cloud.aliases(2.0, 2, pods(2))
    assert reached(fabric, 3.0)
    project(cloud, 4.0)
    assert not reached(fabric, 5.0)


def test_s9_a_restart_removes_local_routes_and_the_agent_adds_them() -> None:
    fabric, cloud = with_agent()
    cloud.aliases(2.0, 2, pods(2))
    cloud.change(3.0, "instances", node(2), status="TERMINATED", metadata=metadata(disable_address_manager="true"))
    cloud.change(4.0, "instances", node(2), status="RUNNING")
    fabric.traffic.join(5.0, node(2), [pods(2)], steals_aliases=True)
    assert reached(fabric, 6.0)


async def test_s9_project_metadata_is_set_over_http() -> None:
    async with compute_cloud.running() as cloud:
        before = (await cloud.get(""))["commonInstanceMetadata"]
        body = {"items": [{"key": STOPS, "value": "true"}], "fingerprint": before["fingerprint"]}
        await cloud.do("POST", "setCommonInstanceMetadata", body)
        after = (await cloud.get(""))["commonInstanceMetadata"]
        assert after["items"] == body["items"]
        assert after["fingerprint"] != before["fingerprint"]
        assert (await cloud.refused("POST", "setCommonInstanceMetadata", body))["code"] == 412
        bad = {"items": [{"key": "no key", "value": "x"}], "fingerprint": after["fingerprint"]}
        assert (await cloud.refused("POST", "setCommonInstanceMetadata", bad))["code"] == 400
        assert [commit.collection for commit in cloud.commits] == ["projects"]
        state = cloud.compute.dump()
        assert cloud.compute.load(state) == state
