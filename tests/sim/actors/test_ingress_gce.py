"""ingress-gce: a Service that is marked for it answers on the addresses of its families."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from dualstack.model.kinds import CONFIG_MAP, EVENT, NODE, POD, SERVICE, Manifest
from dualstack.model.names import KUBE_DNS, KUBE_SYSTEM, L4_RBS
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.ingress_gce import CONFIGURATION, FINALIZER, INTERNAL, ROLE, IngressGce
from dualstack_sim.actors.passthrough_balancer import STATIC_ADDRESSES
from dualstack_sim.fabric.load_balancing import reach
from dualstack_sim.world.gardener.service_webhook import ServiceWebhook
from tests.sim.actors.fixtures import NS, TAGS, ZONE, ActorsFixture, running_actors

REGION = "regions/europe-west1"
DUAL = ["IPv4", "IPv6"]


def alone(context: ActorContext) -> Sequence[Actor]:
    return [IngressGce(context)]


async def prepare(env: ActorsFixture, *, dual: bool = True) -> None:
    """A dual-stack subnet with two nodes in two zones, and the process with its configuration."""
    subnet = {"name": "dual", "network": "projects/proj-1/global/networks/vpc", "ipCidrRange": "10.251.0.0/16"}
    subnet |= {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"} if dual else {}
    env.compute.place("subnetworks", REGION, subnet)
    for name, zone in (("a", ZONE), ("b", "zones/europe-west1-c")):
        nic = {"subnetwork": f"{REGION}/subnetworks/dual", **({"stackType": "IPV4_IPV6"} if dual else {})}
        machine = f"{zone}/machineTypes/n1-standard-2"
        body = {"name": name, "machineType": machine, "tags": {"items": TAGS}, "networkInterfaces": [nic]}
        env.compute.place("instances", zone, body)
        spec = {"providerID": f"gce://proj-1/{zone.removeprefix('zones/')}/{name}"}
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        env.store.create(NODE, {"metadata": {"name": name}, "spec": spec, "status": status})
    text = f'[Global]\nproject-id="proj-1"\nnetwork-name="vpc"\nsubnetwork-name="dual"\nnode-tags="{NS}"\n'
    data = {"cloudprovider.conf": text}
    env.store.create(CONFIG_MAP, {"metadata": {"name": CONFIGURATION, "namespace": NS}, "data": data})


def start(env: ActorsFixture) -> None:
    """The pod of the Deployment becomes ready."""
    pod = {"metadata": {"name": "ingress-gce-0", "namespace": NS, "labels": {"role": ROLE}}}
    env.store.create(POD, {**pod, "spec": {"containers": [{"name": "glbc", "image": "x"}]}})
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    env.store.patch(POD, "ingress-gce-0", {"status": status}, NS, subresource="status")


def service(name: str, families: list[str], *, marked: bool = True, internal: bool = False) -> Manifest:
    marks = {**({L4_RBS: "enabled"} if marked else {}), **({INTERNAL: "Internal"} if internal else {})}
    spec = {"type": "LoadBalancer", "ipFamilies": families, "ports": [{"port": 443, "targetPort": 8443}]}
    return {"metadata": {"name": name, "namespace": "default", "annotations": marks}, "spec": spec}


def addresses(env: ActorsFixture, name: str) -> list[str]:
    found = env.get(SERVICE, name, "default").get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [entry["ip"] for entry in found]


def rows(env: ActorsFixture, collection: str) -> list[dict[str, Any]]:
    return [row for _, row in env.compute.project.inventory.all(collection)]


async def test_p19_a_dual_stack_load_balancer_answers_on_both_families() -> None:
    async with running_actors(alone) as env:
        await prepare(env)
        start(env)
        env.store.create(SERVICE, service("edge", DUAL))
        found = await env.eventually(lambda: addresses(env, "edge"))
        assert [":" in address for address in found] == [False, True]
        for address in found:
            reached = reach(env.compute.project, address, 443)
            assert (reached.reached, reached.backends, reached.healthy) == (True, ("a", "b"), ("a", "b"))
            assert not reach(env.compute.project, address, 80).reached
        assert FINALIZER in env.get(SERVICE, "edge", "default")["metadata"]["finalizers"]
        assert {rule.get("ipVersion", "IPV4") for rule in rows(env, "forwardingRules")} == {"IPV4", "IPV6"}
        assert len(rows(env, "backendServices")) == len(rows(env, "healthChecks")) == 1


async def test_p19_it_follows_families_nodes_and_deletion() -> None:
    """Given a Service with one family, when it gets the other, then it answers on both; when a node is not ready, then
    its VM leaves; when the Service is deleted, then nothing of its own stays."""
    async with running_actors(alone) as env:
        await prepare(env)
        start(env)
        env.store.create(SERVICE, service("edge", ["IPv4"]))
        (first,) = await env.eventually(lambda: addresses(env, "edge"))
        env.store.patch(SERVICE, "edge", {"spec": {"ipFamilies": DUAL}}, "default")
        found = await env.eventually(lambda: addresses(env, "edge") if len(addresses(env, "edge")) == 2 else None)
        assert found[0] == first
        down = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
        env.store.patch(NODE, "b", down, subresource="status")
        await env.eventually(lambda: reach(env.compute.project, found[1], 443).backends == ("a",))
        env.store.delete(SERVICE, "edge", "default")
        await env.eventually(lambda: env.store.get(SERVICE, "edge", "default") is None)
        assert rows(env, "forwardingRules") == rows(env, "backendServices") == []
        assert [rule["name"] for rule in rows(env, "firewalls") if rule["name"].startswith("k8s2-")] == []


def answers(env: ActorsFixture, address: str, port: int, protocol: str = "TCP") -> bool:
    found = reach(env.compute.project, address, port, protocol)
    return found.reached and found.healthy == ("a", "b")


@pytest.mark.parametrize(
    ("ports", "protocol", "local"),
    [
        ([80, 443], "TCP", False),
        ([53], "UDP", False),
        ([80, 443, 5000, 5001, 6000, 7000], "TCP", False),
        ([443], "TCP", True),
    ],
)
async def test_p20_every_port_answers_on_both_families(ports: list[int], protocol: str, local: bool) -> None:
    """With RequireDualStack and IPv6 first; upstream writes the IPv4 address first all the same."""
    async with running_actors(alone) as env:
        await prepare(env)
        start(env)
        made = service("edge", ["IPv6", "IPv4"])
        made["spec"]["ipFamilyPolicy"] = "RequireDualStack"
        made["spec"]["ports"] = [{"name": f"p{port}", "port": port, "protocol": protocol} for port in ports]
        if local:
            made["spec"] |= {"externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
        env.store.create(SERVICE, made)
        found = await env.eventually(lambda: addresses(env, "edge"))
        assert [":" in address for address in found] == [False, True]
        assert all(answers(env, address, port, protocol) for address in found for port in ports)
        (check,) = rows(env, "healthChecks")
        assert check["httpHealthCheck"]["port"] == (31000 if local else 10256)


async def test_p20_changed_ports_are_served_on_the_same_addresses() -> None:
    async with running_actors(alone) as env:
        await prepare(env)
        start(env)
        env.store.create(SERVICE, service("edge", DUAL))
        found = await env.eventually(lambda: addresses(env, "edge"))
        ports = [{"name": "a", "port": 8443}, {"name": "b", "port": 53, "protocol": "UDP"}]
        env.store.patch(SERVICE, "edge", {"spec": {"ports": ports}}, "default")
        await env.eventually(lambda: all(answers(env, address, 53, "UDP") for address in found))
        assert all(answers(env, address, 8443) and not answers(env, address, 443) for address in found)
        assert addresses(env, "edge") == found
        env.store.delete(SERVICE, "edge", "default")
        await env.eventually(lambda: env.store.get(SERVICE, "edge", "default") is None)
        assert rows(env, "addresses") == [], "what held the address during the change"


async def test_p20_static_addresses_are_used() -> None:
    async with running_actors(alone) as env:
        await prepare(env)
        start(env)
        env.compute.place("addresses", REGION, {"name": "four"})
        six = {
            "name": "six",
            "ipVersion": "IPV6",
            "ipv6EndpointType": "NETLB",
            "subnetwork": f"{REGION}/subnetworks/dual",
        }
        env.compute.place("addresses", REGION, six)
        reserved = {row["name"]: row["address"] for row in rows(env, "addresses")}
        by_name = service("by-name", DUAL)
        by_name["metadata"]["annotations"][STATIC_ADDRESSES] = "six, four"
        env.store.create(SERVICE, by_name)
        assert await env.eventually(lambda: addresses(env, "by-name")) == [reserved["four"], reserved["six"]]
        env.store.delete(SERVICE, "by-name", "default")
        await env.eventually(lambda: env.store.get(SERVICE, "by-name", "default") is None)
        by_address = service("by-address", DUAL)
        by_address["spec"]["loadBalancerIP"] = reserved["four"]
        env.store.create(SERVICE, by_address)
        assert (await env.eventually(lambda: addresses(env, "by-address")))[0] == reserved["four"]
        assert {row["name"] for row in rows(env, "addresses")} == {"four", "six"}


async def test_p20_the_last_service_leaves_nothing_whether_it_is_deleted_or_changes_its_type() -> None:
    async with running_actors(alone) as env:
        await prepare(env)
        start(env)
        local = service("local", DUAL)
        local["spec"] |= {"externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
        for made in (service("one", DUAL), service("two", DUAL), local):
            env.store.create(SERVICE, made)
        await env.eventually(lambda: all(addresses(env, name) for name in ("one", "two", "local")))
        env.store.delete(SERVICE, "one", "default")
        env.store.delete(SERVICE, "local", "default")
        await env.eventually(
            lambda: {each["metadata"]["name"] for each in env.store.list(SERVICE, "default")} == {"two"}
        )
        assert len(rows(env, "healthChecks")) == len(rows(env, "backendServices")) == 1
        assert all(answers(env, address, 443) for address in addresses(env, "two"))
        env.store.patch(SERVICE, "two", {"spec": {"type": "ClusterIP", "externalTrafficPolicy": None}}, "default")
        await env.eventually(lambda: not env.get(SERVICE, "two", "default")["metadata"].get("finalizers"))
        assert addresses(env, "two") == []
        for collection in ("forwardingRules", "backendServices", "healthChecks", "instanceGroups", "addresses"):
            assert rows(env, collection) == [], collection
        assert [rule["name"] for rule in rows(env, "firewalls") if rule["name"].startswith("k8s2-")] == []


async def test_p19_nothing_is_made_before_it_runs_or_for_services_of_others() -> None:
    async with running_actors(alone) as env:
        await prepare(env)
        env.store.create(SERVICE, service("waiting", DUAL))
        await asyncio.sleep(100.0)
        assert rows(env, "forwardingRules") == []
        env.store.create(SERVICE, service("old", ["IPv4"], marked=False))
        env.store.create(SERVICE, service("inside", ["IPv4"], internal=True))
        start(env)
        await env.eventually(lambda: addresses(env, "waiting"))
        assert not addresses(env, "old")
        assert not addresses(env, "inside")


async def test_p19_a_subnet_without_ipv6_is_an_event() -> None:
    async with running_actors(alone) as env:
        await prepare(env, dual=False)
        start(env)
        env.store.create(SERVICE, service("edge", DUAL))
        events = await env.eventually(
            lambda: [each for each in env.store.list(EVENT, "default") if each["reason"] == "SyncLoadBalancerFailed"]
        )
        assert "The subnetwork has no external IPv6 range" in events[0]["message"]
        assert not addresses(env, "edge")


@pytest.mark.parametrize(
    ("families", "spec", "annotations", "marked"),
    [
        (DUAL, {"type": "LoadBalancer"}, {}, True),
        (["IPv4"], {"type": "LoadBalancer"}, {}, False),
        (DUAL, {"type": "ClusterIP"}, {}, False),
        (DUAL, {"type": "LoadBalancer"}, {INTERNAL: "Internal"}, False),
        (None, {"type": "LoadBalancer"}, {}, False),
    ],
)
async def test_p19_the_webhook_marks_new_external_load_balancers_of_a_dual_stack_cluster(
    families: list[str] | None, spec: Manifest, annotations: dict[str, str], marked: bool
) -> None:
    async with running_actors(alone) as env:
        if families is not None:
            dns = {"ipFamilies": families, "ports": [{"port": 53}]}
            env.store.create(SERVICE, {"metadata": {"name": KUBE_DNS, "namespace": KUBE_SYSTEM}, "spec": dns})
        env.store.create(SERVICE, service("before", ["IPv4"], marked=False))
        env.store.admission.register("", "services", ServiceWebhook(env.store))
        body = {"metadata": {"name": "s", "namespace": "default", "annotations": annotations}}
        made = env.store.create(SERVICE, {**body, "spec": {**spec, "ports": [{"port": 80}]}})
        assert (made["metadata"].get("annotations", {}).get(L4_RBS) == "enabled") is marked
        changed = env.store.patch(SERVICE, "before", {"spec": {"sessionAffinity": "ClientIP"}}, "default")
        assert L4_RBS not in changed["metadata"].get("annotations", {})
