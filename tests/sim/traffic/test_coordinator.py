"""The coordinator on a simulated API: what it makes, whom it waits for, what it reports, and that nothing stays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import pytest

from dualstack.clock import ScaledClock
from dualstack.kube.waiting import WaitTimeout
from dualstack.model import kinds
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Kind
from dualstack.traffic.coordinator import HOLD, Traffic, TrafficBusy, TrafficSettings, remove
from dualstack.traffic.interruptions import Interruption
from dualstack.traffic.manifests import LABELS
from dualstack.traffic.node_report import COORDINATOR, NAME, NAMESPACE, FlowGroup, NodeReport, lease_of
from dualstack.traffic.pairs import PLAN, ProbePlan, family, read_plan, shared_addresses, targets
from dualstack.traffic.summary import TrafficReport
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from tests.support.store_kube import StoreKube

SPEED = 100.0
"""So that the reports of a busy machine are not too old."""
SETTINGS = TrafficSettings("example.org/dualstack:1", holder="laptop_1")


@dataclass
class Cluster:
    """Nodes whose prober pods are played: they run while the DaemonSet is there, and report what `interrupted` says."""

    store: KubeStore
    clock: ScaledClock
    unready: dict[str, str] = field(default_factory=dict)
    """Node to the reason why its pod does not start."""
    silent: set[str] = field(default_factory=set)
    ended: dict[str, list[Interruption]] = field(default_factory=dict)
    lasting: dict[str, list[Interruption]] = field(default_factory=dict)
    behind: dict[str, int] = field(default_factory=dict)
    """How many generations of the plan a node's prober is behind."""

    @property
    def kube(self) -> StoreKube:
        return StoreKube(self.store)

    def left(self) -> list[str]:
        """What exists of a measurement."""
        own: list[Kind] = [kinds.DAEMON_SET, kinds.SERVICE, kinds.CONFIG_MAP, kinds.LEASE, kinds.ROLE]
        found = [each for kind in own for each in self.store.list(kind, NAMESPACE)]
        return [each["metadata"]["name"] for each in found] + (
            ["namespace"] if self.store.get(kinds.NAMESPACE, NAMESPACE) else []
        )

    def add_node(self, name: str, *, ready: bool = True) -> None:
        status = "True" if ready else "Unknown"
        self.store.create(
            kinds.NODE,
            {
                "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "zone-a"}},
            },
        )
        conditions = {"status": {"conditions": [{"type": "Ready", "status": status}]}}
        self.store.patch(kinds.NODE, name, conditions, subresource="status")

    def plan(self) -> ProbePlan:
        plan = read_plan(self.store.get(kinds.CONFIG_MAP, PLAN, NAMESPACE))
        assert plan is not None
        return plan

    async def play(self) -> None:
        while True:
            for pod in self.store.list(kinds.POD, NAMESPACE):
                if pod["metadata"].get("deletionTimestamp"):
                    self.store.delete(kinds.POD, pod["metadata"]["name"], NAMESPACE, grace=0)
            daemon_set = self.store.get(kinds.DAEMON_SET, NAME, NAMESPACE)
            if daemon_set is not None and not daemon_set["metadata"].get("deletionTimestamp"):
                self._pods()
                self._reports()
            await self.clock.sleep(2.0)

    def _pods(self) -> None:
        nodes = [node["metadata"]["name"] for node in self.store.list(kinds.NODE)]
        for index, name in enumerate(nodes):
            if self.store.get(kinds.POD, f"prober-{name}", NAMESPACE) is not None:
                continue
            ready = name not in self.unready
            waiting = {"waiting": {"reason": "ImagePullBackOff", "message": self.unready.get(name, "")}}
            self.store.create(
                kinds.POD,
                {
                    "metadata": {"name": f"prober-{name}", "namespace": NAMESPACE, "labels": LABELS},
                    "spec": {"nodeName": name, "containers": [{"name": "prober", "image": "prober"}]},
                },
            )
            status = {
                "podIPs": [{"ip": f"10.0.{index}.2"}],
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                "containerStatuses": [{"name": "prober", "state": {} if ready else waiting}],
            }
            self.store.patch(kinds.POD, f"prober-{name}", {"status": status}, NAMESPACE, subresource="status")

    def _reports(self) -> None:
        plan, now = read_plan(self.store.get(kinds.CONFIG_MAP, PLAN, NAMESPACE)), self.clock.now()
        for own in plan.probers if plan is not None else ():
            if plan is None or own.node in self.silent:
                continue
            flows = [each for other in targets(own.node, plan.probers) for each in shared_addresses(own, other)]
            group = FlowGroup(
                "pod",
                "udp",
                4,
                flows=len([each for each in flows if family(each) == 4]),
                ended=tuple(self.ended.get(own.node, ())),
            ).with_lasting(self.lasting.get(own.node, ()))
            generation = plan.generation - self.behind.get(own.node, 0)
            report = NodeReport(own.node, now - 100, now, generation, 0.0, 0.0, (group,))
            self.store.upsert(kinds.LEASE, lease_of(report, now, 60.0))


@asynccontextmanager
async def cluster(count: int = 3, **played: object) -> AsyncIterator[Cluster]:
    clock = ScaledClock(time.time(), SPEED)
    made = Cluster(KubeStore(clock, Chance(1)), clock)
    for name, value in played.items():
        setattr(made, name, value)
    for index in range(count):
        made.add_node(f"node-{index}")
    task = asyncio.create_task(made.play())
    try:
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_measures_and_leaves_nothing_behind() -> None:
    async with cluster() as made:
        async with Traffic(made.kube, made.clock, SETTINGS) as traffic:
            assert {NAME, PLAN, COORDINATOR, "node-0", "namespace"} <= set(made.left())
            assert [each.node for each in made.plan().probers] == ["node-0", "node-1", "node-2"]
            assert await traffic.loss() is None
            report = await traffic.report()
            assert (report.nodes, report.silent, report.unmeasured, report.sampled) == (3, (), (), False)
            assert [(each.target, each.protocol, each.flows) for each in report.kinds] == [("pod", "udp", 6)]
        assert made.left() == []


async def test_a_loss_names_the_pair_and_counts_since_an_instant() -> None:
    async with cluster() as made, Traffic(made.kube, made.clock, SETTINGS) as traffic:
        begin = made.clock.now()
        await made.clock.sleep(60.0)
        made.ended["node-1"] = [Interruption("node-2", begin + 10, begin + 51.5, 41.5, 0.1)]
        made.ended["node-0"] = [Interruption("node-2", begin - 900, begin - 800, 100.0, 0.1)]  # before it began
        found = await traffic.loss(begin)
        assert found is not None
        assert (found.source, found.destination, found.seconds, found.lasting) == ("node-1", "node-2", 41.5, False)
        assert str(found) == "node-1 to pod node-2 (UDP, IPv4) had no answer for 41.5 s (± 0.1 s)"
        assert await traffic.loss(begin + 52) is None
        report = await traffic.report()
        assert report.longest == found
        assert report.kinds[0].longest == found


async def test_restarts_are_no_loss_and_what_lasts_is() -> None:
    async with cluster() as made, Traffic(made.kube, made.clock, SETTINGS) as traffic:
        now = made.clock.now()
        made.ended["node-1"] = [Interruption("node-2", now, now + 30, 30.0, 0.1, refused=True, restarted=True)]
        await made.clock.sleep(10.0)
        assert await traffic.loss() is None
        assert (await traffic.report()).kinds[0].longest is None
        made.lasting["node-0"] = [Interruption("node-1", now, now + 7, 7.0, 3.0)]
        found = await traffic.loss()
        assert found is not None
        assert found.lasting


async def test_a_prober_that_ended_is_no_loss() -> None:
    async with cluster() as made, Traffic(made.kube, made.clock, SETTINGS) as traffic:
        now = made.clock.now()
        made.lasting["node-0"] = [Interruption("node-2", now, now + 7, 7.0, 3.0)]
        await made.clock.sleep(5.0)
        assert await traffic.loss() is not None
        made.behind["node-0"] = 1
        made.store.delete(kinds.NODE, "node-2")
        assert await traffic.loss() is None
        assert [each.node for each in made.plan().probers] == ["node-0", "node-1"]


async def test_a_prober_with_new_addresses_is_not_judged_by_its_old_ones() -> None:
    async with cluster() as made, Traffic(made.kube, made.clock, SETTINGS) as traffic:
        now = made.clock.now()
        made.lasting["node-0"] = [Interruption("node-2", now, now + 7, 7.0, 3.0)]
        made.behind["node-0"] = 1
        pod = {"status": {"podIPs": [{"ip": "10.0.9.9"}]}}
        made.store.patch(kinds.POD, "prober-node-2", pod, NAMESPACE, subresource="status")
        assert await traffic.loss() is None
        made.behind.clear()
        await made.clock.sleep(5.0)
        assert await traffic.loss() is not None


async def measured(made: Cluster, settings: TrafficSettings) -> TrafficReport:
    """The report of a measurement of a minute."""
    async with Traffic(made.kube, made.clock, settings) as traffic:
        await made.clock.sleep(60.0)
        await traffic.loss()
        return await traffic.report()


async def test_a_pod_that_does_not_start_is_named_with_the_reason_and_all_is_removed() -> None:
    async with cluster(unready={"node-1": "no such image"}) as made:
        with pytest.raises(WaitTimeout) as caught:
            await measured(made, replace(SETTINGS, timeout=50.0))
        assert "1 of 3 pods are not ready" in str(caught.value)
        assert "node-1: ImagePullBackOff: no such image" in str(caught.value)
        assert made.left() == []


async def test_a_node_that_is_not_ready_is_left_out_and_reported() -> None:
    async with cluster() as made:
        made.unready["node-9"] = "the node does not answer"
        made.add_node("node-9", ready=False)
        report = await measured(made, SETTINGS)
        assert (report.nodes, report.unmeasured) == (3, ("node-9",))


async def test_a_silent_prober_is_never_taken_for_no_loss() -> None:
    async with cluster() as made, Traffic(made.kube, made.clock, replace(SETTINGS, timeout=50.0)) as traffic:
        made.silent.add("node-1")
        with pytest.raises(WaitTimeout, match="no recent report from node node-1"):
            await traffic.loss()
        assert (await traffic.report()).silent == ("node-1",)


async def killed(made: Cluster) -> None:
    """A run that ends without removing anything."""
    traffic = Traffic(made.kube, made.clock, SETTINGS)
    await traffic.__aenter__()
    assert traffic._upkeep is not None
    traffic._upkeep.cancel()


async def test_a_second_run_waits_for_the_first_and_takes_over_after_a_kill() -> None:
    async with cluster() as made:
        await killed(made)
        other = TrafficSettings(SETTINGS.image, holder="laptop_2")
        with pytest.raises(TrafficBusy, match=f"laptop_1 measures traffic in namespace {NAMESPACE}"):
            await measured(made, other)
        assert "namespace" in made.left()
        began = made.clock.now()
        await made.clock.sleep(HOLD + 5)
        uid = made.store.list(kinds.DAEMON_SET, NAMESPACE)[0]["metadata"]["uid"]
        async with Traffic(made.kube, made.clock, other) as traffic:
            assert made.store.list(kinds.DAEMON_SET, NAMESPACE)[0]["metadata"]["uid"] == uid
            assert traffic.since <= began
            made.ended["node-0"] = [Interruption("node-2", began, began + 9, 9.0, 0.1)]
            await made.clock.sleep(5.0)
            assert await traffic.loss() is not None
        assert made.left() == []


async def test_what_a_killed_run_left_can_be_removed() -> None:
    async with cluster() as made:
        await killed(made)
        await remove(made.kube, made.clock)
        assert made.left() == []
        await remove(made.kube, made.clock)


async def test_a_run_whose_place_was_taken_stops() -> None:
    async with cluster() as made:
        traffic = await Traffic(made.kube, made.clock, SETTINGS).__aenter__()
        made.store.patch(kinds.LEASE, COORDINATOR, {"spec": {"holderIdentity": "laptop_2"}}, NAMESPACE)
        await made.clock.sleep(HOLD)
        with pytest.raises(TrafficBusy, match="laptop_2 measures traffic"):
            await traffic.report()
        await traffic.__aexit__(None, None, None)
        assert "namespace" in made.left()


async def test_a_namespace_of_another_owner_is_refused_and_stays() -> None:
    async with cluster() as made:
        made.store.create(kinds.NAMESPACE, {"metadata": {"name": NAMESPACE}})
        for refused in (measured(made, SETTINGS), remove(made.kube, made.clock)):
            with pytest.raises(InvalidInput, match="is not ours"):
                await refused
        assert made.left() == ["namespace"]
