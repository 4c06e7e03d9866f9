"""Every object that the product creates passes strict validation on a real API server with upstream-shaped types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dualstack.clock import ScaledClock
from dualstack.cni import custom_kinds, network_types
from dualstack.gardener.controllers.infrastructure.record import other_controller
from dualstack.gardener.model.infrastructure import InfrastructureStatus, NetworkStatus, StatusVPC, Subnet
from dualstack.gardener.model.kinds import CUSTOM_KINDS, INFRASTRUCTURE
from dualstack.gardener.model.networks import networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import (
    control_plane,
    coredns,
    extensions,
    kube_apiserver,
    kube_controller_manager,
    kube_proxy,
    kubelet,
    machine_class,
    managed_resource,
    network,
)
from dualstack.kube.apply import difference
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.event_recorder import EventRecorder
from dualstack.kube.interface import Invalid
from dualstack.kube.lease import Lease
from dualstack.live.rights import missing_rights
from dualstack.model import kinds
from dualstack.model.kinds import Kind, Manifest
from dualstack.model.manifests import config_map
from dualstack.model.names import KUBE_SYSTEM
from dualstack.model.parts import rendered
from dualstack.prober.manifest import prober
from dualstack.traffic import manifests as traffic
from tests.kube.cluster import Cluster, until
from tests.kube.conftest import SERVICES
from tests.kube.upstream import definitions
from tests.unit.model import golden

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KIND_OF = {
    (kind.api_version, kind.kind): kind
    for kind in (*CUSTOM_KINDS, *custom_kinds(), *vars(kinds).values())
    if isinstance(kind, Kind)
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace"}
STATUS = InfrastructureStatus(
    networks=NetworkStatus(
        vpc=StatusVPC(name="my-vpc"),
        subnets=(Subnet(name="shoot--foo--bar-nodes", purpose="nodes"),),
        ipfamilies=("IPv4", "IPv6"),
    ),
    service_account_email="nodes@proj-1.iam.gserviceaccount.com",
)


def created() -> Iterator[Manifest]:
    """What the operator and the commands create, for Shoots in each phase, with each CNI, and with a GPU pool."""
    for phase in golden.PHASES:
        for cni in network_types():
            yield from of_shoot(golden.view_in(phase, cni=cni))
    rich = golden.gpu_shoot()
    taint = {"key": "dedicated", "value": "a", "effect": "NoSchedule"}
    rich["spec"]["provider"]["workers"][0] |= {"taints": [taint], "labels": {"a": "1"}, "annotations": {"b": "2"}}
    yield from of_shoot(ShootView.of(rich))
    yield traffic.namespace()
    for _, each in (*prober("dualstack:1", ["10.0.0.1"]), *traffic.contents("dualstack:1")):
        yield each
    yield config_map("dualstack", KUBE_SYSTEM, {"routes": "[]"})


def of_shoot(view: ShootView) -> Iterator[Manifest]:
    current, namespace = networks(view), view.technical_id
    yield extensions.cluster(view)
    yield extensions.infrastructure(view)
    yield extensions.control_plane(view, STATUS)
    yield extensions.network(view)
    yield extensions.worker(view, STATUS)
    yield kube_apiserver.deployment(view, current).new
    yield kube_controller_manager.deployment(view, current).new
    for pool in view.pools:
        yield kubelet.operating_system_config(view, pool, current.dns_ips).new
        for part in pool.parts:
            yield machine_class.machine_class(view, STATUS, pool, part).new
            yield machine_class.machine_deployment(view, pool, part, replicas=part.minimum)
    for name, parts in (
        ("seed", control_plane.objects(view, STATUS, "proj-1")),
        ("shoot", control_plane.shoot_objects(view)),
        ("network", network.objects(view, current)),
        ("proxy", kube_proxy.objects(view, current)),
        ("dns", coredns.objects(view, current)),
    ):
        objects = rendered(parts)
        yield from objects
        yield managed_resource.secret(name, namespace, objects)
        yield managed_resource.managed_resource(name, namespace, seed=name == "seed")


@pytest.fixture(scope="module")
def dual_stack(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server of both families that has upstream's types."""
    cluster = Cluster(programs, tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start(SERVICES, golden.S6)
        for each in definitions():
            status, answer = cluster.request("POST", CRDS, each)
            assert status == 201, answer
        names = [each["metadata"]["name"] for each in definitions()]
        until(lambda: all(is_established(cluster.get(f"{CRDS}/{name}")) for name in names), cluster.api)
        yield cluster
    finally:
        cluster.stop()


def test_x3_every_object_that_is_created_passes_strict_validation(dual_stack: Cluster) -> None:
    objects = {str(each): each for each in created()}.values()
    assert {each["kind"] for each in objects} >= {"Worker", "MachineClass", "Network", "DaemonSet", "Service", "IPPool"}
    homes = [each for each in objects if each["kind"] == "Namespace"]
    refused = {refusal(dual_stack, each) for each in homes}
    for namespace in {each["metadata"].get("namespace") for each in objects} - {None}:
        dual_stack.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    refused |= {refusal(dual_stack, each) for each in objects if each not in homes}
    assert refused == {""}, "\n".join(sorted(refused))


def test_x3_upstreams_types_refuse_a_field_that_they_do_not_know_and_one_that_lacks(dual_stack: Cluster) -> None:
    worker = extensions.worker(golden.view_in("P0"), STATUS)
    dual_stack.request("POST", "/api/v1/namespaces", {"metadata": {"name": worker["metadata"]["namespace"]}})
    (pool,) = worker["spec"]["pools"]
    pool["surge"] = 1
    assert 'unknown field "spec.pools[0].surge"' in refusal(dual_stack, worker)
    del pool["surge"], pool["userDataSecretRef"]
    assert "spec.pools[0].userDataSecretRef: Required value" in refusal(dual_stack, worker)


async def test_x3_every_change_and_record_passes_strict_validation(dual_stack: Cluster) -> None:
    """Given the objects of an IPv4 Shoot, when its migration changes them, and the product writes Events and Leases
    and reviews its rights, then the API server finds no unknown field in any body and has no warning."""
    async with strict(dual_stack) as (kube, sent):
        await kube.create(kinds.NAMESPACE, {"metadata": {"name": "strict"}})
        for cni in network_types():
            before, after = (list(of_shoot(golden.view_in(phase, cni=cni))) for phase in ("P0", "P5"))
            await changed(kube, before, after)
        lease = Lease(kube, "lease", "strict", 15.0)
        held = await lease.take(await lease.read(), "one", 1.0)
        held = await lease.renew(held, "one", 2.0, {"dualstack.dev/step": "add-aliases"})
        await lease.take(held, "two", 3.0)
        recorder = EventRecorder(kube, ScaledClock(), kinds.CONFIG_MAP, "record", "strict")
        await kube.create(kinds.CONFIG_MAP, config_map("record", "strict", {}))
        assert await recorder.announce("Started", "started", generation=1)
        assert [await recorder.announce_again("Waits", "waits", series="one") for _ in range(2)] == [1, 2]
        assert not any(each["missing"] for each in await missing_rights(kube, decoys=True))
        with pytest.raises(Invalid, match=r'unknown field "spec.holder"'):
            await kube.patch(kinds.LEASE, "lease", {"spec": {"holder": "three"}}, "strict")
    kinds_sent = {path.split("/")[-2 if method == "PATCH" else -1] for method, path in sent}
    assert kinds_sent >= {"leases", "events", "selfsubjectaccessreviews", "deployments", "workers", "networks"}
    patched = {path.split("/")[-2] for method, path in sent if method == "PATCH"}
    assert patched >= {"leases", "events", "deployments", "networks", "secrets"}


async def test_p23_the_api_server_records_which_controller_writes_the_last_operation(dual_stack: Cluster) -> None:
    """Given an Infrastructure whose last operation our controller wrote, when provider-gcp writes it, then it is seen
    as another controller until ours writes it again."""
    wanted = extensions.infrastructure(golden.view_in("P0"))
    wanted["metadata"]["namespace"] = "two"
    path = f"{INFRASTRUCTURE.collection('two')}/{wanted['metadata']['name']}/status"

    async def written(kube: LightkubeKube) -> str | None:
        found = await kube.get(INFRASTRUCTURE, wanted["metadata"]["name"], "two")
        assert found is not None
        return other_controller(found)

    async with strict(dual_stack) as (kube, _):
        await kube.create(kinds.NAMESPACE, {"metadata": {"name": "two"}})
        await kube.create(INFRASTRUCTURE, wanted)
        for minute, manager in enumerate(("", "gardener-extension-provider-gcp", "")):
            status = {"status": {"lastOperation": {"lastUpdateTime": f"2026-11-29T10:0{minute}:00Z"}}}
            if manager:
                given = f"{path}?fieldManager={manager}"
                answer = dual_stack.request("PATCH", given, status, Content_Type="application/merge-patch+json")
                assert answer[0] == 200, answer
            else:
                await kube.patch(INFRASTRUCTURE, wanted["metadata"]["name"], status, "two", subresource="status")
            assert await written(kube) == (manager or None)


async def changed(kube: LightkubeKube, before: list[Manifest], after: list[Manifest]) -> None:
    """Create the objects, and patch each to what it is later."""
    homes = {each["metadata"].get("namespace") for each in before} - {None}
    for each in (*({**NAMESPACE, "metadata": {"name": name}} for name in homes), *before):
        if await found(kube, each) is None:
            await kube.create(kind_of(each), each)
    for each in after:
        live = await found(kube, each)
        if live is not None and (patch := difference(live, each)):
            await kube.patch(kind_of(each), each["metadata"]["name"], patch, each["metadata"].get("namespace"))


def kind_of(item: Manifest) -> Kind:
    return KIND_OF[item["apiVersion"], item["kind"]]


async def found(kube: LightkubeKube, item: Manifest) -> Manifest | None:
    return await kube.get(kind_of(item), item["metadata"]["name"], item["metadata"].get("namespace"))


@asynccontextmanager
async def strict(cluster: Cluster) -> AsyncIterator[tuple[LightkubeKube, list[tuple[str, str]]]]:
    """A client of the product whose writes are validated strictly, and the writes that it has sent. A warning fails."""
    sent: list[tuple[str, str]] = []
    kube = LightkubeKube.connect(find_connection(cluster.kubeconfig))

    async def demand(request: httpx2.Request) -> None:
        if request.method != "GET":
            sent.append((request.method, request.url.path))
            request.url = request.url.copy_merge_params({"fieldValidation": "Strict"})

    async def check(answer: httpx2.Response) -> None:
        assert "Warning" not in answer.headers, (answer.request.url, answer.headers["Warning"])

    kube._client._client._client.event_hooks = {"request": [demand], "response": [check]}
    try:
        yield kube, sent
    finally:
        await kube.close()


def refusal(cluster: Cluster, wanted: Manifest) -> str:
    """Why the API server does not take the object as it is; empty if it does."""
    path = kind_of(wanted).collection(wanted["metadata"].get("namespace"))
    status, headers, answer = cluster.exchange("POST", f"{path}?dryRun=All&fieldValidation=Strict", wanted)
    warnings = headers.get("warning", [])
    if status == 201 and not warnings:
        return ""
    return f"{wanted['kind']} {wanted['metadata']['name']}: {warnings or answer['message']}"


def is_established(found: Any) -> bool:
    conditions = (found or {}).get("status", {}).get("conditions") or ()
    return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)
