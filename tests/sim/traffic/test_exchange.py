"""A prober follows the plan, and sends nothing while no run measures."""

from __future__ import annotations

import time

from dualstack.clock import ScaledClock
from dualstack.model import kinds
from dualstack.traffic.node_report import COORDINATOR, NAMESPACE, read_report
from dualstack.traffic.pairs import ProbePlan, ProberAddress, plan_manifest
from dualstack.traffic.prober import Prober
from dualstack.traffic.process import ABANDONED, Exchange
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from tests.support.store_kube import StoreKube


async def test_probers_stop_when_the_run_was_killed_and_go_on_with_the_next() -> None:
    store = KubeStore(ScaledClock(), Chance(1))
    store.create(kinds.NAMESPACE, {"metadata": {"name": NAMESPACE}})
    members = (ProberAddress("node-0", ("127.0.0.1",)), ProberAddress("node-1", ("127.0.0.2",)))
    store.create(kinds.CONFIG_MAP, plan_manifest(ProbePlan(3, members), NAMESPACE))

    def renew(at: str) -> None:
        name = {"name": COORDINATOR, "namespace": NAMESPACE}
        store.upsert(kinds.LEASE, {"metadata": name, "spec": {"renewTime": f"2026-01-01T00:{at}:00.000000Z"}})

    passed, begin = 0.0, time.time()
    prober = Prober("node-0", lambda: begin + passed)
    exchange = Exchange(StoreKube(store), prober)

    async def flows() -> int:
        await exchange.read_plan()
        await exchange.report()
        lease = store.get(kinds.LEASE, "node-0", NAMESPACE)
        found = read_report(lease) if lease is not None else None
        assert found is not None
        return sum(group.flows for group in found[1].groups)

    try:
        renew("01")
        assert await flows() == 2
        passed += ABANDONED - 1
        renew("02")  # by another machine, whose clock is wrong
        assert await flows() == 2
        passed += ABANDONED - 1
        assert await flows() == 2
        passed += 10.0
        assert await flows() == 0
        passed += 10.0
        renew("03")
        assert await flows() == 2
    finally:
        prober.close()
