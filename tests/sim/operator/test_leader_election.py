"""Two operators as processes on one served world: one works, the other takes over, and no step is done twice."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sim.live.commands import eventually, of_world, read
from tests.sim.rehearsal.command import EXAMPLE, served
from tests.sim.world.client import Client
from tests.support.api_servers import server_of

pytestmark = pytest.mark.slow

SPEED = "200"
TAKE_OVER = 15.0
SHOOT = "/apis/core.gardener.cloud/v1beta1/namespaces/garden-foo/shoots/bar"
INFRASTRUCTURE = "/apis/extensions.gardener.cloud/v1alpha1/namespaces/shoot--foo--bar/infrastructures/bar"


class World:
    """A served world and its client."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.client = Client(facts)

    def migrate(self) -> None:
        request = urllib.request.Request(  # noqa: S310 (loopback)
            server_of(self.facts, SHOOT) + SHOOT,
            data=json.dumps({"spec": {"networking": {"ipFamilies": ["IPv4", "IPv6"]}}}).encode(),
            method="PATCH",
            headers={"Content-Type": "application/merge-patch+json"},
        )
        urllib.request.urlopen(request).close()  # noqa: S310

    def infrastructure(self) -> dict[str, Any]:
        found: dict[str, Any] = read(server_of(self.facts, INFRASTRUCTURE) + INFRASTRUCTURE)
        return found

    def has_aliases(self) -> bool:
        items = self.client.compute("aggregated/instances")["items"]
        vms = [vm for scope in items.values() for vm in scope.get("instances", ())]
        return any(vm["networkInterfaces"][0].get("aliasIpRanges") for vm in vms)

    def lost(self) -> float:
        return float(self.client.traffic()["blackoutSeconds"]["max"])


class Replica:
    """An operator that waits for the Lease."""

    def __init__(self, made: World, folder: Path, name: str) -> None:
        garden = f"--garden-kubeconfig={made.facts['gardenKubeconfig']}"
        words = (
            garden,
            "--landscape",
            "standalone",
            "--leader-elect",
            "--lease-namespace",
            "kube-system",
            "--events",
            "-",
        )
        command = [
            sys.executable,
            "-m",
            "dualstack",
            "operator",
            *of_world({**made.facts, "kubeconfig": made.facts["seedKubeconfig"]}),
            *words,
        ]
        self.output, self.log = folder / f"{name}.events", folder / f"{name}.log"
        with self.output.open("wb") as output, self.log.open("wb") as log:
            self.process = subprocess.Popen([*command, "--prober-image", "any"], stdout=output, stderr=log)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text().splitlines() if line.endswith("}")]

    def leads(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "event=leads" in self.log.read_text()

    def stands_by(self) -> bool:
        return 'event="stands by"' in self.log.read_text()


@contextmanager
def replicas(folder: Path, count: int) -> Iterator[tuple[World, list[Replica]]]:
    with served(str(EXAMPLE), "--speed", SPEED, "--nodes", "2") as facts, ExitStack() as stack:
        made = World(facts)
        made.client.control("/trigger", "POST")
        started = [Replica(made, folder, str(number)) for number in range(count)]
        for replica in started:
            stack.callback(replica.process.wait)
            stack.callback(replica.process.kill)
        yield made, started


def changes(made: World) -> Counter[tuple[str, str]]:
    """The successful changes of the infrastructure that our programs have made: method and target, and how often."""
    entries = made.client.control("/requests?caller=dualstack/")["requests"]
    return Counter(
        (entry["method"], re.sub(r"decoy-\w+", "decoy", entry["target"]))
        for entry in entries
        if entry["status"] == 200 and not re.search(r"\.(get|list|aggregatedList|testIamPermissions)$", entry["method"])
    )


def finished(made: World) -> bool:
    """Whether the infrastructure is dual-stack, after which the operator changes nothing in Compute."""
    last = made.infrastructure()["status"]["lastOperation"]["state"]
    return last == "Succeeded" and not made.client.routes()


def until(found: Callable[[], Any], replica: Replica, within: float = 240.0) -> None:
    try:
        eventually(found, within)
    except AssertionError:
        raise AssertionError(replica.log.read_text()[-3000:]) from None


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Counter[tuple[str, str]]:
    """The changes of one operator that is not disturbed."""
    with replicas(tmp_path_factory.mktemp("alone"), 1) as (made, (only,)):
        until(only.leads, only)
        made.migrate()
        until(lambda: finished(made), only)
        assert made.lost() == 0.0
        return changes(made)


def test_x6_two_operators_started_at_once_do_each_step_once(tmp_path: Path, alone: Counter[tuple[str, str]]) -> None:
    with replicas(tmp_path, 2) as (made, both):
        eventually(lambda: sum(each.leads() for each in both) == 1 and sum(each.stands_by() for each in both) == 1)
        made.migrate()
        until(lambda: finished(made), both[0])
        assert changes(made) == alone
        assert made.lost() == 0.0


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=lambda number: number.name)
def test_x6_another_operator_takes_over_and_repeats_no_step(
    tmp_path: Path, alone: Counter[tuple[str, str]], end: signal.Signals
) -> None:
    """Given a leader in the middle of a cut-over, when it is killed or stopped, then the other one finishes it; the
    stopped one sends no change afterwards and ends."""
    with replicas(tmp_path, 2) as (made, both):
        eventually(lambda: sum(each.leads() for each in both) == 1 and sum(each.stands_by() for each in both) == 1)
        leader, other = sorted(both, key=lambda each: not each.leads())
        made.migrate()
        until(made.has_aliases, leader)
        leader.process.send_signal(end)
        began = time.monotonic()
        eventually(other.leads)
        assert time.monotonic() - began < TAKE_OVER + 5.0  # and what a loaded machine adds
        if end == signal.SIGSTOP:
            leader.process.send_signal(signal.SIGCONT)
            assert leader.process.wait(30) == 1
            assert "has taken Lease kube-system/dualstack-operator" in leader.log.read_text()
        until(lambda: finished(made), other)
        assert changes(made) == alone
        assert made.lost() == 0.0
