"""The decoys of one cluster: what each step requests, what is observed, and what the probes prove."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dualstack.cutover.decoys import address_in, home_of
from dualstack.gce.errors import AlreadyExists, NotReady
from dualstack.kube.interface import Conflict, Forbidden
from dualstack.model.errors import GateFailed
from dualstack.model.events import PropagationMeasured
from dualstack.model.kinds import DAEMON_SET, LEASE, NAMESPACE, POD, Kind
from dualstack.plan import gates
from dualstack.plan.facts import ASPECTS, CutoverFacts
from dualstack.plan.steps import Gate, Transition
from dualstack.plan.steps.decoys import AddDecoyRange, AliasDecoys, CreateDecoys, DropDecoyRoute, RemoveDecoys
from dualstack.prober.manifest import addresses_of
from dualstack.prober.report import NAME as PROBER
from dualstack.prober.report import NAMESPACE as HOME
from dualstack.prober.report import ProbeLog
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from tests.support.memory_platform import NODES, node
from tests.support.store_kube import StoreKube
from tests.unit.cutover.clouds import SUBNET, ZONE, Parts

VM = "kubernetes-dualstack-decoy"
NO_POD = "(worker-0: it has no pod; see the events of the DaemonSet)"
BLOCKS = "10.96.252.0/22"
D1, D2, D3 = "10.96.252.0/24", "10.96.253.0/24", "10.96.254.0/24"
ADDRESSES = ("10.96.252.2", "10.96.253.2", "10.96.254.2")


@dataclass
class Check:
    """A decoy check that is requested."""

    parts: Parts = field(default_factory=Parts)

    def __post_init__(self) -> None:
        self.store = KubeStore(self.parts.clock, Chance(1))
        self.parts.kube = StoreKube(self.store)
        self.decoys = self.parts.decoys(wanted=True, image="prober:1")
        self.actuator = self.parts.actuator(decoys=self.decoys)

    async def take(self, *steps: Transition) -> CutoverFacts:
        """The facts after these steps, each after an observation."""
        for step in steps:
            await self.actuator.observe()
            await self.actuator.perform(step)
        return await self.actuator.observe()

    def vm(self) -> dict[str, Any]:
        return self.parts.compute.resources[f"{ZONE}/instances/{VM}"]

    async def created(self) -> CutoverFacts:
        return await self.take(CreateDecoys(home=BLOCKS))

    def report(self, node: str, *reached: str, at: float, lost: tuple[str, ...] = ()) -> None:
        """The Lease of a probe pod that reached these addresses; those of `lost` were interrupted meanwhile."""
        log = ProbeLog(node, ADDRESSES)
        for address in (*reached, *lost):
            log.note(address, arrived=True, at=at - 20.0)
        for address in lost:
            log.note(address, arrived=False, at=at - 10.0)
            log.note(address, arrived=True, at=at - 5.0)
        self.store.upsert(LEASE, log.lease(at))


def ready(facts: CutoverFacts, seconds: float = 1000.0) -> CutoverFacts:
    """The facts when nothing has changed for that long."""
    return facts.with_runtime_state(quiet=dict.fromkeys(ASPECTS, seconds))


async def test_the_vm_is_created_from_the_image_of_a_node_that_runs() -> None:
    check = Check()
    check.parts.compute.resources[f"{ZONE}/instances/worker-0"]["status"] = "TERMINATED"
    await check.take(CreateDecoys(home=BLOCKS))
    vm, *routes = check.parts.compute.bodies
    assert vm["name"] == VM
    assert vm["description"] == f"dualstack-decoy {BLOCKS}"
    assert vm["disks"] == [{"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": "image-of-worker-1"}}]
    assert vm["canIpForward"] is True
    assert vm["networkInterfaces"] == [{"subnetwork": f"projects/proj-1/{SUBNET}"}]
    scripts = {item["key"]: item["value"] for item in vm["metadata"]["items"]}
    assert set(scripts) == {"startup-script", "user-data"}
    assert all(" ".join(ADDRESSES) in script for script in scripts.values())
    hop = f"projects/proj-1/{ZONE}/instances/{VM}"
    assert [(each["name"], each["destRange"], each["nextHopInstance"]) for each in routes] == [
        (f"{VM}-1", D1, hop),
        (f"{VM}-3", D3, hop),
    ]
    assert {each["description"] for each in routes} == {"dualstack-decoy"}
    daemon_set = check.store.get(DAEMON_SET, PROBER, HOME)
    assert daemon_set is not None
    assert addresses_of(daemon_set) == ADDRESSES


async def test_created_again_it_keeps_the_vm_and_makes_what_is_missing() -> None:
    check = Check()
    await check.created()
    del check.parts.compute.resources[f"global/routes/{VM}-3"]
    check.store.delete(DAEMON_SET, PROBER, HOME)
    check.parts.compute.bodies.clear()
    facts = await check.take(CreateDecoys(home=BLOCKS))
    assert [call for call in check.parts.compute.changes if "instances" in call] == [f"POST {ZONE}/instances"]
    assert facts.decoys.routes == {D1, D3}
    assert facts.decoys.prober
    assert facts.decoys.home == BLOCKS


async def test_a_vm_that_lists_do_not_show_yet_is_awaited_and_a_foreign_one_is_refused() -> None:
    check = Check()
    await check.actuator.observe()
    await check.actuator.perform(CreateDecoys(home=BLOCKS))
    with pytest.raises(NotReady, match=f"VM {VM} exists, but lists do not show it yet"):
        await check.actuator.perform(CreateDecoys(home="10.96.248.0/22"))
    check.vm()["description"] = "theirs"
    with pytest.raises(AlreadyExists):
        await check.actuator.perform(CreateDecoys(home=BLOCKS))


async def test_once_the_range_is_there_no_route_is_created() -> None:
    check = Check()
    await check.created()
    await check.take(AddDecoyRange())
    del check.parts.compute.resources[f"global/routes/{VM}-3"]
    facts = await check.take(CreateDecoys(home=BLOCKS))
    assert facts.decoys.range == BLOCKS
    assert facts.decoys.routes == {D1}


async def test_the_steps_change_only_the_decoys_and_leave_nothing() -> None:
    check = Check()
    await check.created()
    before = {path: repr(found) for path, found in check.parts.compute.resources.items() if VM not in path}
    facts = await check.take(AddDecoyRange(), AliasDecoys())
    assert facts.decoys.range == BLOCKS
    assert facts.decoys.aliases == {D2, D3}
    assert check.vm()["networkInterfaces"][0]["aliasIpRanges"] == [
        {"ipCidrRange": block, "subnetworkRangeName": "dualstack-decoys"} for block in (D2, D3)
    ]
    facts = await check.take(DropDecoyRoute())
    assert facts.decoys.routes == {D1}
    await check.actuator.observe()
    await check.actuator.perform(RemoveDecoys())
    check.parts.compute.resources[SUBNET].pop("secondaryIpRanges")
    assert {path: repr(found) for path, found in check.parts.compute.resources.items()} == before
    namespace = check.store.get(NAMESPACE, HOME)
    assert namespace is None or namespace["metadata"]["deletionTimestamp"]


async def test_without_a_range_the_removal_does_not_touch_the_subnet() -> None:
    check = Check()
    await check.created()
    await check.actuator.observe()
    check.parts.compute.calls.clear()
    await check.actuator.perform(RemoveDecoys())
    assert not [call for call in check.parts.compute.calls if SUBNET in call]
    await check.take(RemoveDecoys())
    assert check.parts.compute.changes.count(f"DELETE {ZONE}/instances/{VM}") == 1


async def test_no_step_but_the_removal_takes_the_range_away() -> None:
    check = Check()
    await check.created()
    facts = await check.take(AddDecoyRange(), AliasDecoys(), DropDecoyRoute())
    assert facts.decoys.range == BLOCKS


@pytest.mark.parametrize("disks", [None, [], [{"source": "data"}]])
async def test_a_node_without_a_boot_disk_shows_no_image(disks: Any) -> None:
    check = Check()
    check.parts.compute.resources[f"{ZONE}/instances/worker-0"]["disks"] = disks
    with pytest.raises(GateFailed, match="VM worker-0 shows no boot disk"):
        await check.take(CreateDecoys(home=BLOCKS))


async def test_probe_pods_that_are_left_without_a_vm_are_seen() -> None:
    check = Check()
    await check.created()
    for path in [path for path in check.parts.compute.resources if VM in path]:
        del check.parts.compute.resources[path]
    decoys = (await check.actuator.observe()).decoys
    assert (decoys.vm, decoys.prober) == (False, True)


async def test_without_a_running_node_nothing_is_created() -> None:
    check = Check()
    for name in NODES:
        check.parts.compute.resources[f"{ZONE}/instances/{name}"]["status"] = "TERMINATED"
    with pytest.raises(GateFailed, match="needs a running node"):
        await check.take(CreateDecoys(home=BLOCKS))
    assert check.parts.compute.changes == []


async def test_probe_pods_wait_for_the_end_of_an_earlier_namespace() -> None:
    check = Check()
    await check.created()
    for kind, found in (
        (NAMESPACE, check.store.get(NAMESPACE, HOME)),
        (DAEMON_SET, check.store.get(DAEMON_SET, PROBER, HOME)),
    ):
        assert found is not None
        found["metadata"]["finalizers"] = ["example.org/slow"]
        check.store.upsert(kind, found)
    check.store.delete(NAMESPACE, HOME)
    assert check.store.get(DAEMON_SET, PROBER, HOME) is not None
    assert not (await check.actuator.observe()).decoys.prober
    with pytest.raises(Conflict, match="still being deleted"):
        await check.take(CreateDecoys(home=BLOCKS))


async def test_nothing_is_read_of_kubernetes_when_no_check_is_requested_and_no_decoy_exists() -> None:
    parts = Parts()  # its Kubernetes fails at any use
    assert not (await parts.actuator().observe()).decoys.present


async def test_a_decoy_that_does_not_run_has_no_blocks() -> None:
    check = Check()
    await check.created()
    for status, home in (("PROVISIONING", BLOCKS), ("STAGING", BLOCKS), ("STOPPING", ""), ("TERMINATED", "")):
        check.vm()["status"] = status
        decoys = (await check.actuator.observe()).decoys
        assert (decoys.vm, decoys.home) == (True, home)


async def test_only_aliases_of_the_decoys_range_count() -> None:
    check = Check()
    await check.created()
    check.vm()["networkInterfaces"][0]["aliasIpRanges"] = [
        {"ipCidrRange": "10.200.0.0/28", "subnetworkRangeName": "other"},
        {"ipCidrRange": "10.96.253.7", "subnetworkRangeName": "dualstack-decoys"},
        {"ipCidrRange": D3, "subnetworkRangeName": "dualstack-decoys"},
    ]
    assert (await check.actuator.observe()).decoys.aliases == {D3}


@pytest.mark.parametrize(
    ("description", "home"),
    [
        (f"dualstack-decoy {BLOCKS}", BLOCKS),
        ("dualstack-decoy", ""),
        ("dualstack-decoy nonsense", ""),
        ("dualstack-decoy 10.96.0.0/31", ""),
    ],
)
def test_the_description_holds_the_blocks(description: str, home: str) -> None:
    assert home_of(description) == home


@pytest.mark.parametrize(
    ("block", "address"), [(D1, "10.96.252.2"), ("10.96.252.0/31", "10.96.252.1"), ("10.96.252.0/32", "10.96.252.0")]
)
def test_the_third_address_of_a_block_is_probed_or_its_last(block: str, address: str) -> None:
    assert address_in(block) == address


# -- gates


REACHED = {
    gates.DECOY_READY: (D1, D3),
    gates.DECOY_STATIC: (D1,),
    gates.DECOY_ALIAS: (D2,),
    gates.DECOY_HANDOVER: (D2, D3),
}


@pytest.mark.parametrize("gate", REACHED, ids=lambda gate: gate.id)
async def test_a_gate_passes_when_every_node_reaches_its_blocks(gate: Gate) -> None:
    check = Check()
    facts = ready(await check.created())
    addresses = [address_in(block) for block in REACHED[gate]]
    for name in NODES:
        check.report(name, *addresses, at=check.parts.clock.now())
    assert await check.actuator.check(gate, facts) == []
    for lacking, block in zip(addresses, REACHED[gate], strict=True):
        check.report("worker-1", *(set(addresses) - {lacking}), at=check.parts.clock.now())
        assert await check.actuator.check(gate, facts) == [f"node worker-1 cannot reach {block} of the decoy VM"]
    for name in NODES:
        check.report(name, at=check.parts.clock.now())
    lost = [f"nodes worker-0, worker-1, worker-2 cannot reach {block} of the decoy VM" for block in REACHED[gate]]
    found = await check.actuator.check(gate, facts)
    assert [problem for problem in found if problem != gate.failure_implies] == lost
    assert (gate.failure_implies in found) is bool(gate.failure_implies)


async def test_only_the_handover_counts_interruptions() -> None:
    check = Check()
    facts = ready(await check.created())
    for name in NODES:
        check.report(name, at=check.parts.clock.now(), lost=ADDRESSES)
    assert await check.actuator.check(gates.DECOY_ALIAS, facts) == []
    found = await check.actuator.check(gates.DECOY_HANDOVER, facts)
    assert found[0] == f"nodes worker-0, worker-1, worker-2 cannot reach {D2} of the decoy VM"


@pytest.mark.parametrize(
    ("age", "quiet", "counts"), [(149.0, 1000.0, True), (151.0, 1000.0, False), (30.0, 20.0, False), (30.0, 30.0, True)]
)
async def test_a_report_counts_while_it_is_newer_than_the_last_change(age: float, quiet: float, counts: bool) -> None:
    check = Check()
    facts = ready(await check.created(), quiet)
    for name in NODES:
        check.report(name, *ADDRESSES, at=check.parts.clock.now() - age)
    silent = [f"the probe pods of nodes worker-0, worker-1, worker-2 have not reported yet {NO_POD}"]
    assert await check.actuator.check(gates.DECOY_STATIC, facts) == ([] if counts else silent)


@pytest.mark.parametrize("lacking", ["a running VM", "a pod CIDR"])
async def test_nodes_without_pods_need_no_report_and_unreadable_leases_are_none(lacking: str) -> None:
    check = Check()
    await check.created()
    if lacking == "a running VM":
        check.parts.compute.resources[f"{ZONE}/instances/worker-2"]["status"] = "TERMINATED"
    else:
        check.parts.platform.nodes["worker-2"] = {**node(2), "spec": {}}
    facts = ready(await check.actuator.observe())
    check.report("worker-0", *ADDRESSES, at=check.parts.clock.now())
    check.report("stranger", at=check.parts.clock.now())
    check.store.upsert(LEASE, {"metadata": {"name": "worker-1", "namespace": HOME}, "spec": {}})
    (silent,) = await check.actuator.check(gates.DECOY_STATIC, facts)
    assert silent.startswith("the probe pods of node worker-1 have not reported yet (worker-1: ")


async def test_at_most_three_nodes_are_named() -> None:
    check = Check()
    facts = ready(await check.created())
    more = replace(facts.nodes[0], name="worker-3")
    found = await check.decoys.check(gates.DECOY_STATIC, replace(facts, nodes=(*facts.nodes, more)))
    assert found == [f"the probe pods of nodes worker-0, worker-1, worker-2 and 1 more have not reported yet {NO_POD}"]


PULL = {"waiting": {"reason": "ImagePullBackOff", "message": "not authorized"}}
TERM = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["worker-0"]}]}
PENDING = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}}}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient memory"}


@pytest.mark.parametrize(
    ("spec", "status", "reason"),
    [
        ({"nodeName": "worker-0"}, {"containerStatuses": [{"state": PULL}]}, "ImagePullBackOff: not authorized"),
        ({"affinity": PENDING}, {"conditions": [UNSCHEDULABLE]}, "Unschedulable: Insufficient memory"),
        ({"nodeName": "worker-0"}, {"phase": "Running"}, "the pod is Running"),
    ],
)
async def test_a_probe_pod_that_is_silent_is_named_with_the_reason(
    spec: dict[str, Any], status: dict[str, Any], reason: str
) -> None:
    check = Check()
    facts = ready(await check.created())
    spec = {"containers": [{"name": "prober", "image": "prober:1"}], **spec}
    check.store.upsert(POD, {"metadata": {"name": "a", "namespace": HOME}, "spec": spec, "status": status})
    (found,) = await check.actuator.check(gates.DECOY_READY, facts)
    assert found.endswith(f" have not reported yet (worker-0: {reason})")


async def test_a_probe_pod_is_silent_without_a_reason_where_pods_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = Check()
    facts = ready(await check.created())
    list_all = check.parts.kube.list

    async def refuse(kind: Kind, *arguments: Any, **options: Any) -> Any:
        if kind == POD:
            raise Forbidden("pods is forbidden")
        return await list_all(kind, *arguments, **options)

    monkeypatch.setattr(check.parts.kube, "list", refuse)
    (found,) = await check.actuator.check(gates.DECOY_READY, facts)
    assert found.endswith(" have not reported yet")


@pytest.mark.parametrize(("last", "seconds"), [(2.26, 2.3), (-5.0, 0.0)])
async def test_the_time_until_the_last_host_applies_the_alias_is_measured(last: float, seconds: float) -> None:
    check = Check()
    await check.created()
    facts = ready(await check.take(AddDecoyRange(), AliasDecoys()))
    begun = check.parts.clock.now()
    check.parts.clock.time += 60.0
    check.report(NODES[0], at=begun + 60.0)
    assert await check.actuator.check(gates.DECOY_ALIAS, facts) != []
    assert check.parts.events == []
    for earlier, name in enumerate(NODES):
        log = ProbeLog(name, ADDRESSES)
        for address, first in zip(ADDRESSES, (30.0, last - earlier, 30.0), strict=True):
            log.note(address, arrived=True, at=begun + first)
        check.store.upsert(LEASE, log.lease(begun + 60.0))
    assert await check.actuator.check(gates.DECOY_STATIC, facts) == []
    assert check.parts.events == []
    assert await check.actuator.check(gates.DECOY_ALIAS, facts) == []
    (measured,) = check.parts.events
    assert isinstance(measured, PropagationMeasured)
    assert measured.seconds == seconds
    assert measured.detail == f"the last of 3 hosts applied the decoys' alias {seconds:.0f} s after it was added"


async def test_after_a_restart_nothing_is_measured() -> None:
    check = Check()
    facts = ready(await check.created())
    for name in NODES:
        check.report(name, *ADDRESSES, at=check.parts.clock.now())
    assert await check.actuator.check(gates.DECOY_ALIAS, facts) == []
    assert check.parts.events == []
