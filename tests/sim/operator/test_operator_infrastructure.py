"""The Infrastructure and the running operator: deletion, migration, restoration, and errors.

The test plays Gardener's side of the protocol (docs/reference/gardener.md#extension-contract).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dualstack.clock import rfc3339
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.model.names import ROUTE_DESCRIPTION
from dualstack_sim.compute.api.fault_injection import Fault, HttpFault
from dualstack_sim.faults import FaultRule
from tests.sim.infrastructure.configuration import configure
from tests.sim.infrastructure.deletion import delete_vms, what_is_there
from tests.sim.infrastructure.end_state import assert_end_state
from tests.sim.infrastructure.scene import NS, SUBNET, Scene, scene
from tests.support.loopback import kubeconfig

FINALIZER = "extensions.gardener.cloud/infrastructure"


@asynccontextmanager
async def operated(made: Scene, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The operator runs, on the scene's clock."""
    client = kubeconfig(folder, made.kubernetes_url)
    arguments = ["operator", "--kubeconfig", str(client), "--compute-endpoint", made.compute_url]
    arguments += ["--clock-origin", repr(made.scaled_clock.origin), "--clock-speed", repr(made.scaled_clock.speed)]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dualstack", *arguments), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def eventually(made: Scene, look: Callable[[], bool], within: float = 4 * 3600.0, every: float = 20.0) -> None:
    deadline = made.clock.now() + within
    while not look():
        assert made.clock.now() < deadline, made.infrastructure()
        await made.clock.sleep(every)


def ask(made: Scene, operation: str) -> str:
    """Annotate as gardenlet does; the timestamp."""
    stamp = rfc3339(made.clock.now(), fraction=True)
    annotations = {gardener_names.OPERATION: operation, gardener_names.TIMESTAMP: stamp}
    made.store.patch(
        gardener_kinds.INFRASTRUCTURE, made.shoot, {"metadata": {"annotations": annotations}}, made.namespace
    )
    return stamp


def answered(made: Scene, kind: str, state: str) -> Callable[[], bool]:
    """Whether the operation of that kind has come to that state, and its annotation has been taken off."""

    def look() -> bool:
        found = made.infrastructure()
        last = found["status"].get("lastOperation") or {}
        return (last.get("type"), last.get("state")) == (kind, state) and (
            gardener_names.OPERATION not in (found["metadata"].get("annotations") or {})
        )

    return look


def gone(made: Scene) -> Callable[[], bool]:
    return lambda: made.store.get(gardener_kinds.INFRASTRUCTURE, made.shoot, made.namespace) is None


@pytest.mark.slow
@pytest.mark.parametrize("dual", [False, True], ids=["ipv4", "dual"])
async def test_a_deleted_infrastructure_leaves_nothing_in_the_cloud(dual: bool, tmp_path: Path) -> None:
    async with scene(speed=800.0) as made:
        made.trigger(families=("IPv4", "IPv6") if dual else ("IPv4",))
        await made.reconcile()
        network = (await made.subnet())["network"]
        balancer = {"name": "k8s-fw-a1", "network": network, "targetTags": [NS], "allowed": [{"IPProtocol": "tcp"}]}
        made.compute.place("firewalls", "global", balancer | {"sourceRanges": ["0.0.0.0/0"]})
        assert made.infrastructure()["metadata"]["finalizers"] == [FINALIZER]
        assert bool((await what_is_there(made))["routes"]) is not dual
        await delete_vms(made)
        async with operated(made, tmp_path):
            made.store.delete(gardener_kinds.INFRASTRUCTURE, made.shoot, made.namespace)
            await eventually(made, gone(made))
        assert {name for found in (await what_is_there(made)).values() for name in found} == set()


@pytest.mark.slow
async def test_a_deleted_infrastructure_in_a_network_of_the_user_leaves_what_is_theirs(tmp_path: Path) -> None:
    async with scene(example="shoot-large.yaml", nodes=4, speed=800.0) as made:
        made.trigger()
        await made.reconcile()
        await delete_vms(made)
        async with operated(made, tmp_path):
            made.store.delete(gardener_kinds.INFRASTRUCTURE, made.shoot, made.namespace)
            await eventually(made, gone(made))
        left = await what_is_there(made)
        assert left.pop("addresses") == ["shop-egress-1", "shop-egress-2"]
        assert left.pop("routers") == ["shop-live-router"]
        assert len(left.pop("networks")) == 1
        assert left == {"firewalls": [], "routes": [], "subnetworks": []}
        assert not (await made.resource("routers.get", SUBNET, "shop-live-router")).get("nats")


@pytest.mark.slow
async def test_a_deletion_in_the_middle_of_a_cut_over_leaves_nothing_either(tmp_path: Path) -> None:
    """Half of it aliases, half of it routes, the overlap flag on."""
    async with scene(speed=800.0) as made:
        made.trigger()
        async with operated(made, tmp_path):
            while len(await made.node_routes()) == len(made.world.nodes):
                await made.clock.sleep(5.0)
        assert (await made.subnet())["allowSubnetCidrRoutesOverlap"]
        assert await made.node_routes()
        await delete_vms(made)
        async with operated(made, tmp_path):
            made.store.delete(gardener_kinds.INFRASTRUCTURE, made.shoot, made.namespace)
            await eventually(made, gone(made))
        assert {name for found in (await what_is_there(made)).values() for name in found} == set()


@pytest.mark.slow
async def test_p17_a_signal_in_the_outage_of_compressed_ends_the_operator_with_every_node_served(
    tmp_path: Path,
) -> None:
    async with scene(speed=60.0) as made:
        made.trigger(annotations={"dualstack.dev/strategy": "compressed"})
        async with operated(made, tmp_path) as process:
            await eventually(made, lambda: not _routes(made), every=0.5)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 60) == 0
            assert made.infrastructure()["status"]["lastOperation"]["state"] == "Processing", "it was not finished"
        await made.clock.sleep(60.0)
        assert made.fabric.traffic.report(made.clock.now()).current == 0


def _routes(made: Scene) -> list[Any]:
    """The routes of the nodes that exist."""
    found = made.compute.snapshot()["routes"].values()
    return [route for route in found if route.get("description") == ROUTE_DESCRIPTION]


async def test_a_control_plane_that_moves(tmp_path: Path) -> None:
    """Migrate, wait-for-state and restore, one after the other; nothing changes in the cloud."""
    async with scene(speed=800.0) as made:
        made.trigger()
        await made.reconcile()
        before = made.mutations()
        async with operated(made, tmp_path):
            ask(made, "migrate")
            await eventually(made, answered(made, "Migrate", "Succeeded"))
            assert "finalizers" not in made.infrastructure()["metadata"]
            described = made.infrastructure()["status"]["lastOperation"]["description"]
            assert described == "Successfully migrated Infrastructure."
            ask(made, "wait-for-state")
            await made.clock.sleep(300.0)
            assert made.infrastructure()["status"]["lastOperation"]["type"] == "Migrate"
            stamp = ask(made, "restore")
            await eventually(made, answered(made, "Restore", "Succeeded"))
            found = made.infrastructure()
            assert found["metadata"]["annotations"][gardener_names.TIMESTAMP] == stamp
            assert found["metadata"]["finalizers"] == [FINALIZER]
            assert found["status"]["lastOperation"]["description"] == "Successfully restored Infrastructure."
            await assert_end_state(made)
        assert made.mutations() == before


async def test_an_error_is_reported_in_gardeners_form_and_removed_afterwards(tmp_path: Path) -> None:
    """Sentence case, code, observedGeneration; the operation annotation is taken off before anything is done."""
    async with scene(speed=800.0) as made:
        configure(made, cloudNAT={"natIPNames": [{"name": "egress-1"}]})
        stamp = ask(made, "reconcile")
        async with operated(made, tmp_path):
            await eventually(made, answered(made, "Reconcile", "Error"))
            found = made.infrastructure()
            error = found["status"]["lastError"]
            expected = (
                'Error checking infrastructure config: networks.cloudNAT.natIPNames[0].name: Not found: "egress-1".'
            )
            assert error["description"] == expected == found["status"]["lastOperation"]["description"]
            assert error["codes"] == ["ERR_CONFIGURATION_PROBLEM"]
            assert found["status"]["lastOperation"]["progress"] == 50
            assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
            assert found["metadata"]["annotations"][gardener_names.TIMESTAMP] == stamp
            made.compute.place("addresses", SUBNET, {"name": "egress-1"})
            await eventually(made, answered(made, "Reconcile", "Succeeded"))
            ask(made, "reconcile")
            await eventually(made, answered(made, "Reconcile", "Succeeded"))
            status = made.infrastructure()["status"]
            assert status.get("lastError") is None
            assert status["lastOperation"]["description"] == "Successfully reconciled infrastructure."
            assert status["lastOperation"]["progress"] == 100


QUOTA = "Quota 'FIREWALLS' exceeded.  Limit: 100.0 globally."
BUSY = "The network resource is already being used by 'x'"


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ((403, "forbidden", "Required 'compute.firewalls.create' permission"), ["ERR_INFRA_UNAUTHORIZED"]),
        ((403, "quotaExceeded", QUOTA), ["ERR_INFRA_QUOTA_EXCEEDED"]),
        ((403, "accessNotConfigured", "Access Not Configured."), ["ERR_INFRA_UNAUTHORIZED", "ERR_INFRA_DEPENDENCIES"]),
        ((400, "resourceInUseByAnotherResource", BUSY), ["ERR_INFRA_DEPENDENCIES"]),
        ((400, "invalid", "Invalid value for field 'resource.name': ''."), ["ERR_CONFIGURATION_PROBLEM"]),
        ((401, "authError", "Invalid Credentials"), ["ERR_INFRA_UNAUTHENTICATED"]),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
async def test_each_refusal_of_the_cloud_has_gardeners_code(fault: tuple[int, str, str], codes: list[str]) -> None:
    rule = FaultRule("firewalls.insert", Fault(error_before=HttpFault(*fault)), count=99)
    async with scene(rule, empty=True, speed=800.0) as made:
        made.request()
        with pytest.raises(Exception, match="ensure firewall"):
            await made.reconcile()
        error: dict[str, Any] = made.infrastructure()["status"]["lastError"]
        assert error["description"].startswith('Error reconciling infrastructure: failed to "ensure firewall": ')
        assert fault[2].rstrip(".") in error["description"]
        assert sorted(error["codes"]) == sorted(codes)
