"""Two operators as processes on one served world: one works, the other takes over, and no step is done twice."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sim.live.commands import eventually, of_world
from tests.sim.live.test_prepared import INFRASTRUCTURE, SHOOT, Scene
from tests.sim.rehearsal.command import EXAMPLE, served
from tests.sim.world.client import Client

pytestmark = pytest.mark.slow

SPEED = "200"
TAKE_OVER = 15.0


class Replica:
    """An operator that waits for the Lease."""

    def __init__(self, made: Scene, folder: Path, name: str) -> None:
        words = ("--landscape", "standalone", "--leader-elect", "--lease-namespace", "kube-system", "--events", "-")
        command = [sys.executable, "-m", "dualstack", "operator", *of_world(made.facts), *words]
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
def replicas(folder: Path, count: int) -> Iterator[tuple[Scene, list[Replica]]]:
    with served(str(EXAMPLE), "--speed", SPEED, "--nodes", "2") as facts, ExitStack() as stack:
        made = Scene(facts, Client(facts))
        made.world.control("/trigger", "POST")
        started = [Replica(made, folder, str(number)) for number in range(count)]
        for replica in started:
            stack.callback(replica.process.wait)
            stack.callback(replica.process.kill)
        yield made, started


def changes(made: Scene) -> Counter[tuple[str, str]]:
    """The successful changes of the infrastructure that our programs have made: method and target, and how often."""
    entries = made.world.control("/requests?caller=dualstack/")["requests"]
    return Counter(
        (entry["method"], re.sub(r"decoy-\w+", "decoy", entry["target"]))
        for entry in entries
        if entry["status"] == 200 and not re.search(r"\.(get|list|aggregatedList|testIamPermissions)$", entry["method"])
    )


def migrate(made: Scene) -> None:
    made.patch(SHOOT, {"spec": {"networking": {"ipFamilies": ["IPv4", "IPv6"]}}})


def finished(made: Scene) -> bool:
    """Whether the infrastructure is dual-stack, after which the operator changes nothing in Compute."""
    last = made.world.kube(INFRASTRUCTURE)["status"]["lastOperation"]["state"]
    return last == "Succeeded" and not made.world.routes()


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
        migrate(made)
        until(lambda: finished(made), only)
        assert made.lost() == 0.0
        return changes(made)


def test_x6_two_operators_started_at_once_do_each_step_once(tmp_path: Path, alone: Counter[tuple[str, str]]) -> None:
    with replicas(tmp_path, 2) as (made, both):
        eventually(lambda: sum(each.leads() for each in both) == 1 and sum(each.stands_by() for each in both) == 1)
        migrate(made)
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
        migrate(made)
        until(lambda: any(made.aliases().values()), leader)
        leader.process.send_signal(end)
        began = time.monotonic()
        eventually(other.leads)
        assert time.monotonic() - began < TAKE_OVER + 5.0  # and what a loaded machine adds
        if end == signal.SIGSTOP:
            leader.process.send_signal(signal.SIGCONT)
            assert leader.process.wait(30) == 1
            assert "has taken Lease kube-system/dualstack-operator; this process changes" in leader.log.read_text()
        until(lambda: finished(made), other)
        assert changes(made) == alone
        assert made.lost() == 0.0
