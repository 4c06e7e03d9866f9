"""What upstream's Infrastructure controller does when something goes wrong (docs/reference/weaknesses.md)."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.model import kinds
from dualstack.model.errors import DualstackError
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.flow_tasks import FlowFailed
from dualstack_sim.actors.provider_gcp import ProviderGcp
from tests.contract.provider_gcp import RICH, RecordedLatency, Stage, in_virtual_time, stage, workers_of
from tests.contract.recordings import worlds
from tests.contract.recordings.recording import Json, recording

WORKERS = workers_of(recording("provider-gcp-migrate-3-nodes"))
FIRST = min(WORKERS, key=lambda worker: worker.route)
"""The worker whose alias comes first: routes are listed by name."""


async def begin(made: Stage) -> None:
    """Three nodes on routes."""
    await made.reconcile(dual=False)
    made.place(WORKERS)


async def fails(made: Stage) -> str:
    """The text of a migration that fails."""
    with pytest.raises(FlowFailed) as failed:
        await made.reconcile(dual=True)
    return str(failed.value)


def aliases(made: Stage) -> dict[str, list[str]]:
    """The alias ranges of each VM, by name."""
    made.compute.finish()
    return {
        vm["name"]: [alias["ipCidrRange"] for alias in vm["networkInterfaces"][0].get("aliasIpRanges", ())]
        for vm in made.compute.snapshot()["instances"].values()
    }


def saved(made: Stage) -> list[str]:
    """The instances of the saved routes."""
    return [route["instanceName"] for route in made.infrastructure()["status"]["state"].get("routes", ())]


def is_ignored(made: Stage) -> bool:
    """Whether the resource manager ignores cloud-controller-manager, which therefore stays stopped."""
    name = gardener_names.MANAGED_RESOURCE_CONTROL_PLANE
    found = made.store.get(gardener_kinds.MANAGED_RESOURCE, name, worlds.NAME)
    assert found is not None
    return gardener_names.IGNORE in (found["metadata"].get("annotations") or {})


def route_vanishes(made: Stage) -> Any:
    """A hook that deletes the first route just before upstream does."""
    path = f"global/routes/{FIRST.route}"
    return once(path, lambda: made.change("DELETE", path))


def once(path: str, act: Any) -> Any:
    """A hook that calls `act` before the first change at a path that ends like this."""
    left = [act]

    async def before(method: str, at: str) -> None:
        if method != "GET" and at.endswith(path) and left:
            await left.pop()()

    return before


def test_w11_w17_a_refused_alias_is_a_panic_and_the_next_run_has_lost_the_routes() -> None:
    async def act() -> None:
        async with stage() as made:
            await begin(made)

            async def change_interface() -> None:
                path = f"{worlds.ZONE}/instances/{FIRST.name}"
                interface = (await made.compute.answer("instances.get", worlds.ZONE, FIRST.name))["networkInterfaces"][
                    0
                ]
                alias = {"ipCidrRange": "100.96.200.0/24", "subnetworkRangeName": "ipv4-pod-cidr"}
                body = {"aliasIpRanges": [alias], "fingerprint": interface["fingerprint"]}
                await made.change("PATCH", f"{path}/updateNetworkInterface", body, networkInterface="nic0")

            made.client.before = once(f"{FIRST.name}/updateNetworkInterface", change_interface)
            assert await fails(made) == (
                'failed to "ensure alias ip ranges": recovered panic: runtime error: invalid memory address or nil '
                "pointer dereference"
            )
            assert set(saved(made)) == {worker.name for worker in WORKERS}
            await made.reconcile(dual=True)
            assert saved(made) == []
            assert [found for found in aliases(made).values() if found] == [["100.96.200.0/24"]]
            assert is_ignored(made)

    in_virtual_time(act)


def test_w21_w28_a_route_that_is_gone_already_is_an_error_and_the_controller_comes_back() -> None:
    async def act() -> None:
        async with stage() as made:
            await begin(made)
            made.client.before = route_vanishes(made)
            text = await fails(made)
            assert text.startswith('failed to "ensure kubernetes routes cleanup": <nil>; googleapi: Error 404: ')
            assert text.endswith(", notFound")
            assert not is_ignored(made)

    in_virtual_time(act)


def test_w19_the_aliases_of_all_nodes_must_fit_into_five_minutes() -> None:
    async def act() -> None:
        async with stage() as made:
            await begin(made)

            async def slowly(method: str, path: str) -> None:
                if "/instances/" in path:
                    await made.clock.sleep(100.0)

            made.client.before = slowly
            assert await fails(made) == 'failed to "ensure alias ip ranges": context deadline exceeded'
            assert sorted(map(len, aliases(made).values())) == [0, 0, 1]

    in_virtual_time(act)


def test_w22_routes_of_a_cluster_whose_name_begins_alike_are_deleted_too() -> None:
    async def act() -> None:
        async with stage() as made:
            await begin(made)
            worlds.place_worker(made.compute, f"{worlds.NAME}2-w1-z1-11111-aaaaa")
            worlds.place_route(
                made.compute, f"{worlds.NAME}2-route", "100.96.9.0/24", f"{worlds.NAME}2-w1-z1-11111-aaaaa"
            )
            await made.reconcile(dual=True)
            made.compute.finish()
            assert [name for name in made.compute.snapshot()["routes"] if worlds.NAME in name] == []

    in_virtual_time(act)


def test_w30_a_prefix_that_takes_longer_than_half_a_minute_is_an_error() -> None:
    async def act() -> None:
        async with stage() as made:
            await begin(made)
            assert isinstance(made.latency, RecordedLatency)
            made.latency.prefixes[worlds.NODES] = 90.0
            text = await fails(made)
            assert text.startswith('failed to "ensure IPv6 CIDR services": no IPv6 CIDR block was assigned to subnet "')
            await made.clock.sleep(60.0)
            await made.reconcile(dual=True)

    in_virtual_time(act)


# -- the protocol of extension objects


def controller(made: Stage) -> ProviderGcp:
    context = ActorContext(made.kube, made.client, made.clock, made.chance, worlds.NAME, made.fabric.traffic)
    return ProviderGcp(context)


def edit(made: Stage) -> None:
    """Cluster and request as gardenlet writes them."""
    networking = {"ipFamilies": ["IPv4", "IPv6"]}
    constraint = {"type": gardener_names.NODES_MIGRATION, "status": "Progressing"}
    shoot = {"spec": {"networking": networking}, "status": {"constraints": [constraint]}}
    made.store.patch(gardener_kinds.CLUSTER, worlds.NAME, {"spec": {"shoot": shoot}})
    annotations = {"metadata": {"annotations": {gardener_names.OPERATION: "reconcile"}}}
    made.store.patch(gardener_kinds.INFRASTRUCTURE, "bar", annotations, worlds.NAME)


def test_a_request_is_answered_as_gardenlet_awaits_it() -> None:
    async def act() -> Json:
        async with stage() as made:
            await begin(made)
            edit(made)
            await controller(made).reconcile((worlds.NAME, "bar"))
            assert gardener_names.OPERATION not in made.infrastructure()["metadata"]["annotations"]
            nodes, services = [(await made.subnet(purpose))["externalIpv6Prefix"] for purpose in ("nodes", "services")]
            found = made.infrastructure()
            assert found["status"]["state"]["data"] == {
                "nodes-subnet-ipv6-cidr": nodes,
                "resources_exist": "true",
                "services-subnet-ipv6-cidr": services,
            }
            return found

    found = in_virtual_time(act)
    status = found["status"]
    assert found["metadata"]["finalizers"] == ["extensions.gardener.cloud/infrastructure"]
    assert {key: status["lastOperation"][key] for key in ("type", "state", "progress", "description")} == {
        "type": "Reconcile",
        "state": "Succeeded",
        "progress": 100,
        "description": "Successfully reconciled infrastructure.",
    }
    assert status["observedGeneration"] == found["metadata"]["generation"]
    assert [len(status["networking"][key]) for key in ("nodes", "pods", "services")] == [2, 2, 2]
    assert status["networking"]["services"][1].endswith("/108")
    assert status["providerStatus"]["networks"]["subnets"] == [
        {"name": f"{worlds.NAME}-nodes", "purpose": "nodes"},
        {"name": f"{worlds.NAME}-services", "purpose": "services"},
    ]


def test_an_error_has_its_text_and_the_codes_that_the_text_matches() -> None:
    async def act() -> Json:
        async with stage() as made:
            await begin(made)
            edit(made)
            made.client.before = route_vanishes(made)
            with pytest.raises(DualstackError):
                await controller(made).reconcile((worlds.NAME, "bar"))
            return made.infrastructure()

    status = in_virtual_time(act)["status"]
    assert (status["lastOperation"]["state"], status["lastOperation"]["progress"]) == ("Error", 50)
    assert status["lastError"]["description"].startswith(
        'Error reconciling infrastructure: failed to "ensure kubernetes routes cleanup": <nil>; '
    )
    assert status["lastError"]["codes"] == ["ERR_CONFIGURATION_PROBLEM"]


def test_a_missing_nat_address_is_found_by_the_check_of_the_configuration() -> None:
    async def act() -> tuple[Json, int]:
        async with stage(RICH) as made:
            edit(made)
            await controller(made).reconcile((worlds.NAME, "bar"))
            return made.infrastructure(), sum(request.changes for request in made.client.requests)

    found, changes = in_virtual_time(act)
    assert changes == 0
    assert found["status"]["lastError"]["description"] == (
        'Error checking infrastructure config: networks.cloudNAT.natIPNames[0].name: Not found: "nat-1", '
        'networks.cloudNAT.natIPNames[1].name: Not found: "nat-2".'
    )


def test_a_deleted_infrastructure_leaves_nothing_behind() -> None:
    async def act() -> tuple[dict[str, Any], bool]:
        async with stage() as made:
            await begin(made)
            for worker in WORKERS:
                await made.change("DELETE", f"{worlds.ZONE}/instances/{worker.name}")
            edit(made)
            await controller(made).reconcile((worlds.NAME, "bar"))
            made.store.delete(gardener_kinds.INFRASTRUCTURE, "bar", worlds.NAME)
            await controller(made).reconcile((worlds.NAME, "bar"))
            gone = made.store.get(gardener_kinds.INFRASTRUCTURE, "bar", worlds.NAME) is None
            return made.compute.snapshot(), gone

    left, gone = in_virtual_time(act)
    assert gone
    assert [name for collection in left.values() for name in collection if worlds.NAME in name] == []


def test_the_replicas_of_cloud_controller_manager_are_set_to_zero() -> None:
    async def act() -> Json:
        async with stage() as made:
            await begin(made)
            await made.reconcile(dual=True)
            found = made.store.get(kinds.DEPLOYMENT, "cloud-controller-manager", worlds.NAME)
            assert found is not None
            assert is_ignored(made)
            return found

    assert in_virtual_time(act)["spec"]["replicas"] == 0
