"""The start-up script of a trial on the system's python3, on hosts in network namespaces whose packets are dropped."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dualstack.trial.agent.protocol import Flow, Orders, Report, parse_serial, startup_script
from dualstack.trial.agent.startup import GRACE
from tests.support.metadata_server import MetadataServer
from tests.support.namespaces import Hosts, hosts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable
PODS = ("10.88.0.7", "10.88.1.7")
PORT = 7946
WITHIN = 60.0
"""Wall seconds within which a report must come."""


@dataclass
class Vm:
    """One host with the agent."""

    name: str
    serial: Path
    metadata: MetadataServer
    powered_off: Path
    process: subprocess.Popen[bytes] | None = None
    reports: list[Report] = field(default_factory=list)

    def follow(self, orders: Orders) -> None:
        self.metadata.set("dualstack-trial-orders", orders.text())

    def read(self) -> list[Report]:
        text = self.serial.read_text() if self.serial.exists() else ""
        found = parse_serial(text)
        assert not found.unreadable
        self.reports = list(found.reports)
        return self.reports

    def until(self, holds: Callable[[list[Report]], bool]) -> list[Report]:
        end = time.monotonic() + WITHIN
        while time.monotonic() < end:
            if holds(self.read()):
                return self.reports
            time.sleep(0.2)
        raise AssertionError(f"{self.name} reports {self.reports[-2:]}")

    def windows(self, flow: str) -> dict[float, tuple[int, int]]:
        """Packets sent and answered by the beginning of each window."""
        parts = [(report.flows[flow], report.window) for report in self.reports if flow in report.flows]
        return {
            round(part.begin + index * window, 1): counts
            for part, window in parts
            for index, counts in enumerate(zip(part.sent, part.answered, strict=True))
        }


@pytest.fixture
def made() -> Iterator[Hosts]:
    with hosts(2) as result:
        for host, pod in enumerate(PODS):
            _in(result.router, f"ip route add {pod}/32 dev host{host}")
        yield result


@pytest.fixture
def vms(made: Hosts, tmp_path: Path) -> Iterator[list[Vm]]:
    script = tmp_path / "startup-script"
    script.write_text(startup_script())
    with ExitStack() as stack:
        result = []
        for host in range(2):
            listener = made.listen()
            port = listener.getsockname()[1]
            vm = Vm(
                f"vm-{host}", tmp_path / f"serial-{host}", MetadataServer(listener, f"vm-{host}"), tmp_path / f"{host}"
            )
            stack.callback(vm.metadata.close)
            url, off = f"http://10.76.0.1:{port}", f"touch {vm.powered_off}"
            words = [PYTHON, str(script), "--metadata", url, "--serial", str(vm.serial), "--power-off", off]
            vm.process = subprocess.Popen(made.command(host, *words))
            stack.callback(_end, vm.process)
            result.append(vm)
        yield result


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)


def _in(namespace: str, command: str) -> tuple[float, float]:
    before = time.time()
    subprocess.run(["ip", "netns", "exec", namespace, *command.split()], check=True)
    return before, time.time()


def _orders(sequence: int, source: int, until: float, *, flows: bool = True) -> Orders:
    other = PODS[1 - source]
    made = [
        Flow(id=f"{source}>pod/{kind}", kind=kind, source=PODS[source], target=other, port=PORT)
        for kind in ("udp", "tcp")
    ]
    own = Flow(id=f"{source}>vm/udp", kind="udp", target=Hosts.addresses(1 - source)[0], port=PORT)
    return Orders(
        sequence=sequence,
        until=until,
        addresses=(f"{PODS[source]}/32",),
        flows=(*made, own) if flows else (),
        echo=(PORT,),
        facts=("local-routes", "addresses6", "agent"),
    )


def test_the_agent_sees_the_packets_that_are_dropped_and_no_other(made: Hosts, vms: list[Vm]) -> None:
    first, second = vms
    second.until(bool)
    assert {report.sequence for report in second.reports} == {0}  # it reports before it has orders
    _in(made.namespace(1), "ip route add local 10.99.0.0/24 dev eth0 table local proto 66")
    end = time.time() + 3600
    for number, vm in enumerate(vms):
        vm.follow(_orders(1, number, end))
    flows = ("0>pod/udp", "0>pod/tcp", "0>vm/udp")

    def all_answered(reports: list[Report]) -> bool:
        latest = reports[-3:]
        return len(latest) == 3 and all(
            flow in report.flows and 0 < sum(report.flows[flow].sent) == sum(report.flows[flow].answered)
            for report in latest
            for flow in flows
        )

    first.until(all_answered)
    second.until(lambda reports: bool(reports) and reports[-1].facts.get("local-routes") is not None)
    assert second.reports[-1].facts["local-routes"] == ["10.99.0.0/24"]
    assert second.reports[-1].facts["addresses6"] == [Hosts.addresses(1)[1]]

    rule = f"pref 10 from {PODS[0]} to {PODS[1]} blackhole"
    began = _in(made.router, f"ip rule add {rule}")
    time.sleep(4.0)
    ended = _in(made.router, f"ip rule delete {rule}")
    first.until(lambda reports: reports[-1].time > ended[1] + 6 and all_answered(reports))

    udp, tcp, own = ({at: n for at, n in first.windows(flow).items() if at > began[0] - 2} for flow in flows)
    dropped = [at for at, (sent, answered) in udp.items() if answered < sent]
    assert dropped
    assert began[0] - 0.2 < min(dropped) <= max(dropped) < ended[1] + 0.1
    surely = [at for at, (sent, _) in udp.items() if sent and began[1] < at and at + 0.1 < ended[0]]
    assert surely
    assert set(surely) <= set(dropped)
    assert all(sent == answered for sent, answered in own.values())
    assert [report.flows[flows[1]].connections for report in first.reports if flows[1] in report.flows][-1] == 1
    late = [at for at, (sent, answered) in tcp.items() if answered < sent]
    assert began[0] - GRACE < min(late) <= max(late) < ended[1] + 6.0  # the kernel sends again ever more rarely
    programs = ("systemctl", "dpkg-query")  # which a machine other than Debian's lacks
    assert all(error.startswith(programs) for report in first.reports for error in report.errors)


def test_new_orders_are_followed_at_once_and_the_vm_ends_in_time(made: Hosts, vms: list[Vm]) -> None:
    first, second = vms
    end = time.time() + 3600
    for number, vm in enumerate(vms):
        vm.follow(_orders(1, number, end))
    first.until(lambda reports: sum(sum(r.flows["0>pod/tcp"].answered) for r in reports if "0>pod/tcp" in r.flows) > 5)
    assert second.process is not None
    _end(second.process)  # the other side resets the connection
    last = first.reports[-1].time
    first.until(lambda reports: reports[-1].time > last + 3)
    first.follow(_orders(2, 0, end, flows=False))
    first.until(lambda reports: reports[-1].sequence == 2 and not reports[-1].flows)
    assert first.metadata.waits >= 2
    answered = [counts for begin, counts in first.windows("0>pod/udp").items() if begin > last + 1]
    assert answered
    assert all(count == 0 for _, count in answered)
    assert not first.powered_off.exists()
    first.follow(_orders(3, 0, time.time() - 1))
    first.until(lambda reports: first.powered_off.exists())
    addresses = subprocess.run(
        made.command(0, "ip", "address", "show", "lo"), check=True, capture_output=True, text=True
    )
    assert f"{PODS[0]}/32" in addresses.stdout
    first.follow(Orders(sequence=4, until=end))
    first.until(lambda reports: reports[-1].sequence == 4)
    addresses = subprocess.run(
        made.command(0, "ip", "address", "show", "lo"), check=True, capture_output=True, text=True
    )
    assert PODS[0] not in addresses.stdout
