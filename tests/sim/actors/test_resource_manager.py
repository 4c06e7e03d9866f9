"""ManagedResources: application, drift, the ignore annotation and health."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from dualstack.cni.calico import IP_POOL
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.model.kinds import CONFIG_MAP, DEPLOYMENT, SECRET, SERVICE, Manifest
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.deployments import DeploymentController
from dualstack_sim.actors.kubelet import Kubelet
from dualstack_sim.actors.manifest_merge import BadManifest, documents, kind_of, merged
from dualstack_sim.actors.pods import condition
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.replica_sets import ReplicaSetController
from dualstack_sim.actors.resource_manager import ResourceManager
from dualstack_sim.actors.service_addresses import ServiceAddresses
from dualstack_sim.world.gardener.guests import ShootGuests
from tests.sim.actors.fixtures import NS, ActorsFixture, deployment, running_actors

NAME = "extension-controlplane-seed"


def actors(context: ActorContext) -> Sequence[Actor]:
    recorder = Recorder(context, "kubelet")
    return [
        recorder,
        Kubelet(context, recorder, ShootGuests(context)),
        ReplicaSetController(context),
        DeploymentController(context),
        ResourceManager(context),
    ]


def controller_manager(replicas: int = 1, *flags: str) -> Manifest:
    manifest = deployment("cloud-controller-manager", replicas, namespace=NS)
    manifest["spec"]["template"]["spec"]["containers"][0]["command"] = ["/ccm", *flags]
    return {"apiVersion": "apps/v1", "kind": "Deployment", **manifest}


def config(**data: str) -> Manifest:
    metadata = {"name": "cloud-provider-config", "namespace": NS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def secret(*manifests: Manifest, name: str = NAME) -> Manifest:
    text = "---\n".join(yaml.safe_dump(manifest) for manifest in manifests)
    return {
        "metadata": {"name": name, "namespace": NS},
        "data": {"objects.yaml": base64.b64encode(text.encode()).decode()},
    }


def place(env: ActorsFixture, *manifests: Manifest) -> None:
    env.store.upsert(SECRET, secret(*manifests))
    if env.store.get(MANAGED_RESOURCE, NAME, NS) is None:
        env.store.create(
            MANAGED_RESOURCE,
            {
                "apiVersion": MANAGED_RESOURCE.api_version,
                "kind": MANAGED_RESOURCE.kind,
                "metadata": {"name": NAME, "namespace": NS},
                "spec": {"class": "seed", "secretRefs": [{"name": NAME}]},
            },
        )


def reported(env: ActorsFixture, kind: str) -> tuple[str, str, str]:
    found = condition(env.get(MANAGED_RESOURCE, NAME, NS), kind) or {}
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


def replicas(env: ActorsFixture) -> int:
    return int(env.get(DEPLOYMENT, "cloud-controller-manager", NS)["spec"]["replicas"])


def annotate(env: ActorsFixture, value: str | None) -> None:
    patch = {"metadata": {"annotations": {"resources.gardener.cloud/ignore": value}}}
    env.store.patch(MANAGED_RESOURCE, NAME, patch, NS)


async def test_the_objects_of_the_secret_are_applied_and_removed_ones_deleted() -> None:
    async with running_actors(actors) as env:
        pool: Manifest = {
            "apiVersion": IP_POOL.api_version,
            "kind": "IPPool",
            "metadata": {"name": "default-ipv4-ippool"},
            "spec": {"cidr": "100.96.0.0/11"},
        }
        place(env, controller_manager(1, "--cidr-allocator-type=RangeAllocator"), config(a="1"), pool)
        await env.eventually(lambda: reported(env, "ResourcesHealthy")[1] == "ResourcesHealthy")
        words = ("True", "ApplySucceeded", "All resources are applied.")
        await env.eventually(lambda: reported(env, "ResourcesApplied") == words)
        words = ("False", "ResourcesRolledOut", "All resources have been fully rolled out.")
        await env.eventually(lambda: reported(env, "ResourcesProgressing") == words)
        assert env.get(IP_POOL, "default-ipv4-ippool")["spec"] == {"cidr": "100.96.0.0/11"}
        listed = env.get(MANAGED_RESOURCE, NAME, NS)["status"]["resources"]
        assert {"apiVersion": "v1", "kind": "ConfigMap", "namespace": NS, "name": "cloud-provider-config"} in listed
        place(env, controller_manager(1, "--cidr-allocator-type=CloudAllocator"))
        await env.eventually(lambda: env.store.get(CONFIG_MAP, "cloud-provider-config", NS) is None)
        await env.eventually(lambda: env.store.get(IP_POOL, "default-ipv4-ippool") is None)
        container = env.get(DEPLOYMENT, "cloud-controller-manager", NS)["spec"]["template"]["spec"]["containers"][0]
        assert container["command"] == ["/ccm", "--cidr-allocator-type=CloudAllocator"]
        await env.eventually(lambda: len(env.get(MANAGED_RESOURCE, NAME, NS)["status"]["resources"]) == 1)


async def test_a_manual_scale_is_reverted_within_a_minute_unless_ignored() -> None:
    async with running_actors(actors) as env:
        place(env, controller_manager())
        await env.eventually(lambda: reported(env, "ResourcesHealthy")[1] == "ResourcesHealthy")
        start = env.clock.now()
        await env.context.kube.scale(DEPLOYMENT, "cloud-controller-manager", NS, 0)
        await env.eventually(lambda: replicas(env) == 1)
        assert env.clock.now() - start < 150.0
        annotate(env, "true")
        ignored = ("ManagedResourceIgnored", "ManagedResource is marked to be ignored.")
        await env.eventually(lambda: reported(env, "ResourcesApplied") == ("True", *ignored))
        assert reported(env, "ResourcesHealthy") == ("True", *ignored)
        assert reported(env, "ResourcesProgressing") == ("False", *ignored)
        await env.context.kube.scale(DEPLOYMENT, "cloud-controller-manager", NS, 0)
        place(env, controller_manager(1, "--new"))
        await env.throughout(lambda: replicas(env) == 0, 130.0)
        annotate(env, None)
        await env.eventually(lambda: replicas(env) == 1)
        assert env.store.list(DEPLOYMENT, NS)[0]["spec"]["template"]["spec"]["containers"][0]["command"] == [
            "/ccm",
            "--new",
        ]


async def test_additions_of_other_writers_are_kept_and_at_rest_nothing_is_written() -> None:
    async with running_actors(actors) as env:
        place(env, controller_manager(), config(a="1"))
        await env.eventually(lambda: reported(env, "ResourcesApplied")[1] == "ApplySucceeded")
        await env.eventually(lambda: reported(env, "ResourcesHealthy")[1] == "ResourcesHealthy")
        annotations = {"metadata": {"annotations": {"foreign": "yes"}}, "data": {"foreign": "no"}}
        env.store.patch(CONFIG_MAP, "cloud-provider-config", annotations, NS)
        await env.eventually(lambda: env.get(CONFIG_MAP, "cloud-provider-config", NS)["data"] == {"a": "1"})
        assert env.get(CONFIG_MAP, "cloud-provider-config", NS)["metadata"]["annotations"] == {"foreign": "yes"}
        versions = [
            env.get(kind, name, NS)["metadata"]["resourceVersion"]
            for kind, name in ((DEPLOYMENT, "cloud-controller-manager"), (MANAGED_RESOURCE, NAME))
        ]
        await env.clock.sleep(130.0)
        assert versions == [
            env.get(kind, name, NS)["metadata"]["resourceVersion"]
            for kind, name in ((DEPLOYMENT, "cloud-controller-manager"), (MANAGED_RESOURCE, NAME))
        ]


async def test_an_unhealthy_deployment_is_named() -> None:
    async with running_actors(lambda context: [ResourceManager(context)]) as env:
        place(env, controller_manager())
        await env.eventually(lambda: reported(env, "ResourcesHealthy")[0] == "False")
        _, reason, message = reported(env, "ResourcesHealthy")
        assert reason == "DeploymentUnhealthy"
        assert message.startswith(
            f'Deployment "{NS}/cloud-controller-manager" is unhealthy: observed generation outdated'
        )
        assert reported(env, "ResourcesProgressing")[1] == "DeploymentProgressing"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"x": base64.b64encode(b"- 1").decode()}, "DecodingFailed"),
        ({"x": base64.b64encode(b"{").decode()}, "DecodingFailed"),
        (None, "CannotReadSecret"),
    ],
)
async def test_an_object_that_cannot_be_applied_is_reported(data: dict[str, str] | None, reason: str) -> None:
    async with running_actors(actors) as env:
        place(env)
        if data is None:
            env.store.delete(SECRET, NAME, NS)
        else:
            env.store.upsert(SECRET, {"metadata": {"name": NAME, "namespace": NS}, "data": data})
        await env.eventually(lambda: reported(env, "ResourcesApplied")[1] == reason)
        place(env, config(a="1"))
        await env.eventually(lambda: reported(env, "ResourcesApplied")[1] == "ApplySucceeded")


async def test_deleting_a_managed_resource_deletes_its_objects() -> None:
    async with running_actors(actors) as env:
        place(env, config(a="1"))
        await env.eventually(lambda: env.store.get(CONFIG_MAP, "cloud-provider-config", NS))
        env.store.delete(MANAGED_RESOURCE, NAME, NS)
        await env.eventually(lambda: env.store.get(CONFIG_MAP, "cloud-provider-config", NS) is None)


def service(**spec: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns"}, "spec": spec}


def test_a_service_keeps_the_addresses_that_its_manifest_omits() -> None:
    port = {"name": "dns", "port": 53, "protocol": "UDP"}
    live = service(
        clusterIP="100.64.0.10",
        clusterIPs=["100.64.0.10"],
        ipFamilies=["IPv4"],
        ipFamilyPolicy="SingleStack",
        ports=[{**port, "nodePort": 30053}],
    )
    kept = merged(live, service(ports=[port]))
    assert kept["spec"] == live["spec"]
    dual = ["100.64.0.10", "2600:1900:4010:5678::a"]
    grown = merged(live, service(clusterIPs=dual, ipFamilyPolicy="PreferDualStack", ports=[port]))["spec"]
    assert grown["clusterIPs"] == dual
    assert grown["clusterIP"] == dual[0]
    assert "ipFamilies" not in grown


def test_fields_that_a_manifest_drops_are_removed_but_the_status_is_kept() -> None:
    live = {
        "kind": "ConfigMap",
        "metadata": {"name": "a", "labels": {"x": "1"}},
        "data": {},
        "binaryData": {},
        "status": 1,
    }
    desired = {"kind": "ConfigMap", "metadata": {"name": "a", "labels": {"y": "2"}}, "data": {"k": "v"}}
    assert merged(live, desired) == {
        "kind": "ConfigMap",
        "metadata": {"name": "a", "labels": {"x": "1", "y": "2"}},
        "data": {"k": "v"},
        "status": 1,
    }


def test_replicas_come_from_the_manifest_unless_it_preserves_them() -> None:
    live, desired = controller_manager(5), controller_manager(1)
    assert merged(live, desired)["spec"]["replicas"] == 1
    desired["metadata"]["annotations"] = {"resources.gardener.cloud/preserve-replicas": "true"}
    assert merged(live, desired)["spec"]["replicas"] == 5


def test_types_are_known_or_guessed() -> None:
    metadata = {"name": "x"}
    assert kind_of({"apiVersion": "v1", "kind": "Service", "metadata": metadata}) == SERVICE
    guessed = kind_of({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata})
    assert guessed.plural == "networkpolicies"
    with pytest.raises(BadManifest):
        kind_of({"metadata": metadata})


def test_a_key_of_a_secret_may_hold_several_documents() -> None:
    text = base64.b64encode(b"---\n---\nkind: A\nmetadata: {name: a}\n---\nkind: B\nmetadata: {name: b}\n").decode()
    assert [each["kind"] for each in documents({"data": {"x": text}})] == ["A", "B"]


def apiserver(*ranges: str) -> Manifest:
    manifest = deployment("kube-apiserver", 2, namespace=NS)
    template = manifest["spec"]["template"]
    template["metadata"]["labels"]["role"] = "kube-apiserver"
    flag = f"--service-cluster-ip-range={','.join(ranges)}"
    template["spec"]["containers"][0]["command"] = ["/kube-apiserver", flag]
    return manifest


def kube_dns(**spec: Any) -> Manifest:
    metadata = {"name": "kube-dns", "namespace": "kube-system"}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports, **spec}}


async def test_kube_dns_gets_its_second_address_when_every_kube_apiserver_knows_the_range() -> None:
    s4, s6, both = "100.64.0.0/13", "2600:1900:4010:5678::/108", ["100.64.0.10", "2600:1900:4010:5678::a"]
    async with running_actors(actors) as env:
        env.store.create(DEPLOYMENT, apiserver(s4))
        env.store.admission.register("", "services", ServiceAddresses(env.store, NS))
        place(env, kube_dns(clusterIP=both[0], clusterIPs=both[:1]))
        live = await env.eventually(lambda: env.store.get(SERVICE, "kube-dns", "kube-system"))
        assert live["spec"]["ipFamilyPolicy"] == "SingleStack"
        await env.eventually(lambda: len(env.pods("kube-apiserver", NS)) == 2)
        # A request that is too early is refused, and the resource manager reports the API server's message.
        place(env, kube_dns(clusterIP=both[0], clusterIPs=both, ipFamilyPolicy="PreferDualStack"))
        await env.eventually(lambda: "not configured on this cluster" in reported(env, "ResourcesApplied")[2])
        env.store.upsert(DEPLOYMENT, apiserver(s4, s6))
        dual = await env.eventually(
            lambda: (spec := env.get(SERVICE, "kube-dns", "kube-system")["spec"])["clusterIPs"] == both and spec
        )
        assert (dual["ipFamilyPolicy"], dual["ipFamilies"]) == ("PreferDualStack", ["IPv4", "IPv6"])
        await env.eventually(lambda: reported(env, "ResourcesApplied")[1] == "ApplySucceeded")
