"""The table of rights equals what whole migrations request, in both landscapes (docs/install.md#rights)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from dualstack.cli.rehearsal.processes import running
from dualstack.clock import ScaledClock
from dualstack.gardener.model.kinds import CLOUD_PROFILE, CUSTOM_KINDS, SHOOT
from dualstack.gardener.model.names import DNS_MIGRATION, ENABLED, NODES_MIGRATION
from dualstack.gardener.model.shoot import load_shoot
from dualstack.kube.connection import find_connection
from dualstack.model.json_path import dig
from dualstack.model.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    NAMESPACE,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
    Manifest,
)
from dualstack.operator import process
from dualstack.operator.assembly import OperatorOptions
from dualstack.operator.landscape import CONTROLLERS, STANDALONE
from dualstack.operator.rights import RIGHTS, Right
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.kube.access import ADMIN_TOKEN
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.credentials import shoot_access
from dualstack_sim.world.kubeconfig import kubeconfig
from dualstack_sim.world.serve import WorldOptions, start
from tests.deploy.manifests import objects
from tests.deploy.requests import Request, recorded
from tests.deploy.schemas import refusals
from tests.sim.infrastructure.scene import scene
from tests.support.loopback import on_loopback
from tests.support.manifests import opted_in
from tests.support.virtual_time import EPOCH

EXAMPLE = Path(__file__).parents[2] / "examples/shoot.yaml"
GARDEN_KINDS = (SHOOT, CLOUD_PROFILE)
ADVICE = "edit src/dualstack/operator/rights.py, then: python -m tests.deploy.generate"


def judge(seen: set[Request], landscape: str, apis: Mapping[str, Collection[str]]) -> None:
    """Fails on a request that no right allows, and on a usual verb of a right that no request needs.

    apis: what each API server is, by its URL.
    """
    rights = [right for right in RIGHTS if right.applies(landscape)]

    def allows(right: Right, request: Request, verbs: tuple[str, ...]) -> bool:
        return (
            right.api in apis[request.server]
            and (right.group, right.resource) == (request.group, request.resource)
            and request.verb in verbs
            and (not right.names or request.name in right.names)
        )

    refused = [each for each in seen if not any(allows(right, each, (*right.verbs, *right.rare)) for right in rights)]
    unused = [
        f"{right.api}: {verb} {right.resource}"
        for right in rights
        for verb in right.verbs
        if not any(allows(right, each, (verb,)) for each in seen)
    ]
    assert (refused, unused) == ([], []), ADVICE


async def test_x6_the_rights_beside_gardener_are_what_a_migration_requests(tmp_path: Path) -> None:
    """Given the operator in a seed, and the shoot behind a server of its own, each with the roles of its manifest
    alone, when it migrates the example, then it requests nothing that its rights do not allow, and everything that
    they name as usual."""
    async with scene(nodes=2) as made, secured(made.store) as seed, secured(made.store) as shoot:
        operator = await install(made.store, seed, "gardener", ("dualstack", "dualstack-operator"))
        in_shoot = await install(made.store, shoot, "gardener-shoot", ("kube-system", "dualstack"))
        access = shoot_access(made.namespace, shoot, in_shoot)
        made.store.patch(SECRET, access["metadata"]["name"], access, made.namespace)
        seed_kubeconfig = tmp_path / "kubeconfig"
        seed_kubeconfig.write_text(kubeconfig(seed, operator), encoding="utf-8")
        options = OperatorOptions(
            kubeconfig=seed_kubeconfig,
            compute_endpoint=made.compute_url,
            strategy="compressed",
            rollout="manual",
            events=None,
            leader_elect=True,
            lease_namespace="dualstack",
            clock=WorldClock(EPOCH),
        )
        with recorded() as seen:
            async with running(process._operate(options)):
                made.trigger(annotations={ENABLED: "true"})
                async with asyncio.timeout(7200.0):
                    while not migrated(made.infrastructure()):
                        await made.clock.sleep(10.0)
    judge(seen, "gardener", {seed: ("seed", "home"), shoot: ("shoot",)})


def secured(store: KubeStore) -> AbstractAsyncContextManager[str]:
    """A server for the store that authorizes each request."""
    return on_loopback(create_app(store, rbac=True))


async def install(store: KubeStore, server: str, manifest: str, user: tuple[str, str]) -> str:
    """Create the roles of deploy/manifests/`manifest`.yaml and their ServiceAccount. Returns its token for `server`."""
    namespace, name = user
    kinds = {kind.kind: kind for kind in (ROLE, ROLE_BINDING, CLUSTER_ROLE, CLUSTER_ROLE_BINDING)}
    store.upsert(NAMESPACE, {"metadata": {"name": namespace}})
    store.create(SERVICE_ACCOUNT, {"metadata": {"name": name, "namespace": namespace}})
    for document in objects(manifest):
        if document["kind"] in kinds:
            store.create(kinds[document["kind"]], document)
    request = {"metadata": {"name": name, "namespace": namespace}, "spec": {"expirationSeconds": 10**9}}
    async with aiohttp.ClientSession() as session:
        made = await KubeApi(server, session, token=ADMIN_TOKEN).create(SERVICE_ACCOUNT, request, subresource="token")
    return str(made["status"]["token"])


def migrated(infrastructure: Manifest) -> bool:
    """Whether the Infrastructure has the ranges of both families."""
    return len(dig(infrastructure, "status", "networking", "nodes") or ()) == 2


class WorldClock(ScaledClock):
    """Virtual time, for a world and an operator in one event loop."""

    def now(self) -> float:
        return self.origin + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.mark.slow
async def test_x6_the_rights_of_a_standalone_landscape_are_what_a_migration_requests(tmp_path: Path) -> None:
    """Given all five controllers, when they migrate the example from the edit of the Shoot to DNS, then they request
    nothing that their rights do not allow, and everything that they name as usual."""
    clock, shoot = WorldClock(EPOCH), opted_in(load_shoot(EXAMPLE.read_text(encoding="utf-8")))
    async with AsyncExitStack() as stack:
        world = await start(WorldOptions(cluster=shoot, nodes=None, seed=1, faults=None, clock=clock), stack)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        files = {"garden": "gardenKubeconfig", "seed": "seedKubeconfig", "shoot": "kubeconfig"}
        apis = {
            name: KubeApi(find_connection(Path(world[file])).cluster.server, session) for name, file in files.items()
        }
        options = OperatorOptions(
            kubeconfig=Path(world["seedKubeconfig"]),
            garden_kubeconfig=Path(world["gardenKubeconfig"]),
            compute_endpoint=world["computeEndpoint"],
            strategy="overlap",
            rollout="auto",
            events=None,
            leader_elect=True,
            lease_namespace="default",
            clock=clock,
            landscape=STANDALONE,
            controllers=CONTROLLERS,
        )
        with recorded() as seen:
            async with running(process._operate(options)):
                await asyncio.sleep(5.0)
                await migrate(apis["garden"], shoot)
        kinds = {
            "garden": GARDEN_KINDS,
            "seed": [kind for kind in CUSTOM_KINDS if kind not in GARDEN_KINDS],
        }
        objects = [
            each for name, group in kinds.items() for kind in group for each in (await apis[name].list(kind)).items
        ]
    assert [fault for each in objects for fault in refusals(each)] == []
    judge(seen, "standalone", {api.url: (name, "home") if name == "seed" else (name,) for name, api in apis.items()})


async def migrate(user: KubeApi, shoot: Manifest) -> None:
    """Request IPv6 and return when the migration is complete."""
    name, namespace = shoot["metadata"]["name"], shoot["metadata"]["namespace"]
    change = {"spec": {"networking": {"ipFamilies": ["IPv4", "IPv6"]}}}
    await user.patch(SHOOT, name, change, namespace)
    begun = False
    for _ in range(600):
        await asyncio.sleep(30.0)
        found = await user.get(SHOOT, name, namespace)
        constraints = {entry["type"] for entry in dig(found, "status", "constraints") or ()}
        running = bool(constraints & {NODES_MIGRATION, DNS_MIGRATION})
        if begun and not running and dig(found, "status", "lastOperation", "state") == "Succeeded":
            return
        begun = begun or running
    raise AssertionError(f"the migration did not end: {dig(found, 'status')}")
