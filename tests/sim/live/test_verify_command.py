"""`dualstack verify` as a user runs it, on a served cluster with the kubeconfig of a shoot."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.sim.live.doors import doors
from tests.sim.rehearsal.command import EXAMPLE, Outcome, dualstack, served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, Any]]:
    with served(str(EXAMPLE), "--speed", "60") as facts:
        yield facts


def verify(world: dict[str, Any], *arguments: str) -> Outcome:
    clock = world["clock"]
    target = ("--kubeconfig", world["kubeconfig"], "--compute-endpoint", world["computeEndpoint"])
    time = ("--clock-origin", str(clock["origin"]), "--clock-speed", str(clock["speed"]))
    return dualstack("verify", *target, *time, *arguments)


def mutations(world: dict[str, Any]) -> int:
    """The changes that the product has made in Compute."""
    with urllib.request.urlopen(f"{world['controlEndpoint']}/compute/statistics?caller=dualstack/") as answer:  # noqa: S310
        return int(json.load(answer)["mutations"])


def test_a_shoot_on_routes_passes_through_its_own_kubeconfig(world: dict[str, Any]) -> None:
    before = mutations(world)
    ended = verify(world, "-o", "json")
    assert ended.status == 0, ended.out + ended.err
    assert (ended.result["schema"], ended.result["expected"], ended.result["result"]) == (
        "dualstack.verify/v1",
        "routes",
        "passed",
    )
    statuses = {check["id"]: check["status"] for check in ended.result["checks"]}
    assert statuses.pop("control-plane.cloud-controller-manager") == "not-applicable"
    assert set(statuses.values()) == {"passed"}
    assert {node["path"] for node in ended.result["nodes"]} == {"route"}
    assert mutations(world) == before


@pytest.mark.parametrize("expected", ["prepared", "aliases", "dual-stack"])
def test_another_state_than_the_expected_one_fails(world: dict[str, Any], expected: str) -> None:
    ended = verify(world, "--expect", expected, "--quiet")
    assert (ended.status, ended.err) == (10, "")
    assert "FAILED  compute.subnet" in ended.out
    assert all(len(line) <= 80 for line in ended.out.splitlines())


def test_junit_has_a_case_for_each_check(world: dict[str, Any]) -> None:
    suite = ElementTree.fromstring(verify(world, "-o", "junit").out)  # noqa: S314
    assert suite.get("failures") == "0"
    assert suite.get("tests") == str(len(suite.findall("testcase")))
    assert [case.get("name") for case in suite.findall("testcase") if case.find("skipped") is not None] == [
        "control-plane.cloud-controller-manager"
    ]


@pytest.mark.parametrize(("landscape", "proxy"), [("kubeadm", "passed"), ("kops", "not-applicable")])
def test_a_cluster_without_gardener_shows_its_controller_manager(landscape: str, proxy: str) -> None:
    """A kubeadm cluster has kube-proxy with a configuration file, a kOps cluster runs it with flags."""
    with served(str(EXAMPLE), "--speed", "60", "--landscape", landscape) as other:
        ended = verify(other, "-o", "json")
        assert ended.status == 0, ended.out + ended.err
        statuses = {check["id"]: check["status"] for check in ended.result["checks"]}
        assert statuses.pop("agents.kube-proxy") == proxy
        assert set(statuses.values()) == {"passed"}
        assert ended.result["cluster"]["platform"] == landscape
        on_aliases = verify(other, "--expect", "aliases", "-o", "json")
        assert on_aliases.status == 10
        failed = {check["id"] for check in on_aliases.result["checks"] if check["status"] == "failed"}
        assert failed == {
            "compute.routes",
            "compute.aliases",
            "compute.subnet",
            "control-plane.cloud-controller-manager",
        }


@pytest.mark.parametrize("command", [("verify",), ("status",), ("status", "--wait", "--timeout", "5")])
async def test_reading_commands_write_nothing(world: dict[str, Any], tmp_path: Path, command: tuple[str, ...]) -> None:
    async with doors(world, tmp_path) as door:
        ended = await door.run(*command, "-o", "json")
        assert ended.result["cluster"]["platform"] == "gardener"
        assert len(door.requests["kubernetes"]) > 3
        assert len(door.requests["compute"]) > 3
        assert door.writes == []
    assert ended.status == (1 if "--wait" in command else 0)
    assert ("the cut-over is not finished after 5 s" in ended.err) == ("--wait" in command)
