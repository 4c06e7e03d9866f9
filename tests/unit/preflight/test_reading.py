"""What the preflight requests of Compute, and what becomes of a request that is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from dualstack.gce import Resource
from dualstack.gce.errors import NotFound, PermissionDenied
from dualstack.model.cluster import Cluster, NodePool
from dualstack.model.errors import DualstackError
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.preflight.inventory import Inventory
from dualstack.preflight.reading import NEEDED, Preflight
from tests.support.cluster_facts import ZONE, at_rest
from tests.support.memory_compute import MemoryCompute
from tests.unit.preflight.inventories import CLUSTER, NETWORK, findings, machine, router

VPC, PEERING, STATUS = "global/networks/vpc", "global/networks/vpc/listPeeringRoutes", "getRouterStatus"
AT = f"zones/{ZONE}"
DENIED = PermissionDenied("forbidden", "no")
OF_THE_NETWORK = {"network", "routes", "peering routes", "router status"}


def cloud(*routers: Resource, peerings: tuple[str, ...] = ("ACTIVE",)) -> MemoryCompute:
    """A project with these Cloud Routers, and the states of the peerings of the network."""
    found: dict[str, Resource] = {
        "": {"quotas": []},
        VPC: {"selfLink": NETWORK, **({"peerings": [{"state": state} for state in peerings]} if peerings else {})},
        f"{PEERING}/0": {"destRange": "10.4.0.0/16"},
    }
    for each in routers:
        path = f"regions/europe-west1/routers/{each['name']}"
        found |= {path: each, f"{path}/{STATUS}": {"result": {"of": each["name"]}}}
    return MemoryCompute(found)


async def read(compute: MemoryCompute, cluster: Cluster = CLUSTER) -> Inventory:
    return await Preflight(compute.client, cluster, Settings()).read(at_rest(1))


@pytest.mark.parametrize(
    ("peerings", "requested"), [((), 0), (("INACTIVE",), 0), (("ACTIVE",), 1), (("INACTIVE", "ACTIVE"), 1)]
)
async def test_the_routes_of_peers_are_read_only_while_a_peering_is_active(
    peerings: tuple[str, ...], requested: int
) -> None:
    compute = cloud(peerings=peerings)
    inventory = await read(compute)
    assert compute.calls.count(f"GET {PEERING}") == requested
    assert inventory.answers["peering routes"] == [{"destRange": "10.4.0.0/16"}] * requested


async def test_only_routers_of_the_network_with_bgp_peers_have_a_status() -> None:
    speaking = router(name="vpn", bgpPeers=[{"name": "office"}])
    routers = (
        speaking,
        router(name="nat"),
        router(name="elsewhere", bgpPeers=[{"name": "x"}], network=f"{NETWORK}-2"),
        router(name="nowhere", bgpPeers=[{"name": "x"}], network=None),
    )
    compute = cloud(*routers)
    inventory = await read(compute)
    assert [call for call in compute.calls if call.endswith(STATUS)] == [
        f"GET regions/europe-west1/routers/vpn/{STATUS}"
    ]
    assert inventory.answers["router status"] == [{"result": {"of": "vpn"}, "name": "vpn"}]


async def test_each_machine_type_is_read_once_and_the_metadata_of_one_vm_of_each_pool() -> None:
    prefixes = {"w": "node-", "x": "gpu-", "empty": "none-", "replaced": "old-"}
    pools = tuple(NodePool(name, (ZONE,), vm_name_prefixes=(prefix,)) for name, prefix in prefixes.items())
    vms = {
        "node-0": "n2-standard-4",
        "node-1": "n2-standard-4",
        "node-2": "e2-standard-8",
        "gpu-0": "g2-standard-4",
        "old-0": "n2-standard-4",
    }
    compute = cloud()
    for name, kind in vms.items():
        compute.resources[f"{AT}/instances/{name}"] = machine(name, kind)
        compute.resources[f"{AT}/machineTypes/{kind}"] = {"name": kind, "zone": ZONE}
    compute.resources[f"{AT}/instances/node-of-another"] = {"name": "node-of-another", "networkInterfaces": [{}]}
    compute.refusals[f"GET {AT}/instances/gpu-0"] = [NotFound("notFound", "gone")]
    inventory = await read(compute, replace(CLUSTER, pools=pools))
    assert [call for call in compute.calls if "machineTypes" in call] == [
        f"GET {AT}/machineTypes/{kind}" for kind in ("e2-standard-8", "g2-standard-4", "n2-standard-4")
    ]
    assert [call for call in compute.calls if call.startswith(f"GET {AT}/instances/")] == [
        f"GET {AT}/instances/{name}" for name in ("node-0", "gpu-0", "old-0")
    ]
    assert [found["name"] for found in inventory.of("machine metadata")] == ["node-0", "old-0"]


class Refusing(MemoryCompute):
    """Its caller has no permission."""

    async def granted(self, path: str, permissions: Iterable[str]) -> frozenset[str]:
        await super().granted(path, permissions)
        return frozenset()


SUBNET_OBJECT, VM_OBJECT, ROUTE_OBJECT = f"subnetworks {CLUSTER.nodes_subnet}", "instances node-0", "routes route-0"


@pytest.mark.parametrize(
    ("observed", "vm_is_gone", "lacking"),
    [
        (at_rest(2), False, [SUBNET_OBJECT, VM_OBJECT, ROUTE_OBJECT]),
        (at_rest(2), True, [SUBNET_OBJECT, ROUTE_OBJECT]),
        (DENIED, False, [SUBNET_OBJECT, VM_OBJECT]),
    ],
)
async def test_permissions_are_tested_on_the_subnet_one_vm_and_one_route(
    observed: CutoverFacts | DualstackError, vm_is_gone: bool, lacking: list[str]
) -> None:
    compute = Refusing(cloud().resources)
    for name in ("node-0", "node-1", "gpu-0"):
        compute.resources[f"{AT}/instances/{name}"] = machine(name)
    if vm_is_gone:
        compute.refusals[f"POST {AT}/instances/node-0/testIamPermissions"] = [NotFound("notFound", "gone")]
    pools = tuple(NodePool(prefix, (ZONE,), vm_name_prefixes=(prefix,)) for prefix in ("node-", "gpu-"))
    preflight = Preflight(compute.client, replace(CLUSTER, pools=pools), Settings())
    tested = (await preflight.read(observed)).of("permissions")
    assert {each["object"]: each["missing"] for each in tested if each["missing"]} == {
        about: sorted(NEEDED[about.partition(" ")[0]]) for about in lacking
    }


async def test_p21_permissions_on_a_subnet_that_is_not_found_are_unknown() -> None:
    compute = cloud()
    path = f"{CLUSTER.nodes_subnet_path}/testIamPermissions"
    compute.refusals[f"POST {path}"] = [NotFound("notFound", "gone")]
    assert isinstance((await read(compute)).answers["permissions"], NotFound)


@pytest.mark.parametrize(
    ("refused", "unknown"),
    [
        (VPC, OF_THE_NETWORK),
        ("aggregated/routers", {"routers", "router status"}),
        (f"regions/europe-west1/routers/vpn/{STATUS}", {"router status"}),
        (PEERING, {"peering routes"}),
        ("", {"project"}),
        ("global/firewalls", {"firewalls"}),
        ("global/routes", {"routes"}),
        ("aggregated/forwardingRules", {"forwarding rules"}),
    ],
)
async def test_a_refusal_is_the_answer_for_each_source_that_depends_on_it(refused: str, unknown: set[str]) -> None:
    compute = cloud(router(name="vpn", bgpPeers=[{"name": "office"}]))
    compute.refusals[f"GET {refused}"] = [DENIED]
    inventory = await read(compute)
    assert {source for source, answer in inventory.answers.items() if answer is DENIED} == unknown
    if unknown == OF_THE_NETWORK:
        assert not {"GET global/routes", f"GET {PEERING}"} & set(compute.calls)


async def test_unless_it_is_known_otherwise_the_cut_over_itself_deletes_the_routes() -> None:
    assert [each.status for each in findings(await read(cloud()), "alias-matched")] == ["not-applicable"]


async def test_the_effective_firewalls_of_one_vm_of_each_pool_are_read() -> None:
    pools = tuple(NodePool(name, (ZONE,), vm_name_prefixes=(f"{name}-",)) for name in ("a", "b", "empty"))
    compute = cloud()
    for name in ("a-0", "a-1", "b-0"):
        path = f"{AT}/instances/{name}"
        compute.resources |= {path: machine(name), f"{path}/getEffectiveFirewalls": {"firewalls": [{"name": name}]}}
    preflight = Preflight(compute.client, replace(CLUSTER, pools=pools), Settings())
    found = await preflight.effective_firewalls(await preflight.read(at_rest(1)))
    assert found == [{"pool": pool, "firewalls": [{"name": f"{pool}-0"}]} for pool in ("a", "b")]
