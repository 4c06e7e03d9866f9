"""The client of a shoot: which Secret it is made of, when it is made again, and why it cannot be asked."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from lightkube.config.kubeconfig import SingleConfig
from tests.support.store_kube import StoreKube

from dualstack.clock import ScaledClock
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.error_codes import error_codes
from dualstack.gardener.model.kinds import CLUSTER, MACHINE
from dualstack.gardener.shoot_access import (
    ShootAccess,
    ShootAccessForbidden,
    ShootAccessInvalid,
    ShootAccessMissing,
    ShootAccessRefused,
    ShootError,
    ShootHibernated,
    ShootNotRunning,
    ShootUnreachable,
)
from dualstack.kube.interface import Forbidden, NotFound, Unauthenticated, Unavailable
from dualstack.model.errors import KubeError
from dualstack.model.kinds import CRD, DEPLOYMENT, NAMESPACE, NODE, SECRET, Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions

NS = "shoot--foo--bar"
NODES = [{"metadata": {"name": "node-0"}}]


def kubeconfig(user: Manifest, server: str = "https://shoot") -> str:
    return yaml.safe_dump(
        {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


GOOD = kubeconfig({"token": "t1"})


def secret(name: str, data: dict[str, str]) -> Manifest:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return manifest(SECRET, name, NS, data=encoded)


class Shoot:
    """The shoot's API server and the clients of it: it has a token that it accepts, or fails with `error`."""

    def __init__(self) -> None:
        self.accepts = "t1"
        self.error: KubeError | None = None
        self.clients: list[Client] = []

    def connect(self, connection: SingleConfig) -> Any:
        self.clients.append(Client(self, connection))
        return self.clients[-1]


class Client:
    """What `ShootAccess` uses of `LightkubeKube`."""

    def __init__(self, shoot: Shoot, connection: SingleConfig) -> None:
        self.connection, self.closed = connection, False
        self._shoot = shoot

    async def list(self, kind: Any, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        assert not self.closed
        if self._shoot.error:
            raise self._shoot.error
        assert self.connection.user is not None
        if self.connection.user.token != self._shoot.accepts:
            raise Unauthenticated("Unauthorized")
        return NODES

    async def close(self) -> None:
        self.closed = True


class Landscape:
    """A seed with one control plane, and its shoot."""

    def __init__(self) -> None:
        self.store = KubeStore(ScaledClock(), Chance(1))
        for definition in definitions():
            self.store.create(CRD, definition)
        self.store.create(NAMESPACE, {"metadata": {"name": NS}})
        self.server = Shoot()
        self.access = ShootAccess(StoreKube(self.store), self.server.connect)
        self.clusters = Clusters(StoreKube(self.store), StoreKube(self.store), self.access.of)
        self.set_replicas(1)
        self.set_cluster({})

    def put(self, *secrets: Manifest) -> None:
        for each in secrets:
            self.store.upsert(SECRET, each)

    def set_replicas(self, replicas: int) -> None:
        spec = {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        self.store.upsert(DEPLOYMENT, manifest(DEPLOYMENT, "kube-apiserver", NS, spec={**spec, "template": template}))

    def set_cluster(self, shoot: Manifest, **annotations: str) -> None:
        named = {key.replace("_", "-"): value for key, value in annotations.items()}
        found = manifest(CLUSTER, NS, spec={"shoot": shoot, "seed": {}, "cloudProfile": {}})
        found["metadata"]["annotations"] = named
        self.store.upsert(CLUSTER, found)

    async def nodes(self) -> list[Manifest]:
        return await self.access.of(NS).list(NODE)


@pytest.fixture
def landscape() -> Landscape:
    return Landscape()


@pytest.mark.parametrize(
    ("secrets", "server"),
    [
        ([secret("gardener", {"kubeconfig": GOOD.replace("https://shoot", "https://outside")})], "https://outside"),
        (
            [
                secret("gardener", {"kubeconfig": GOOD.replace("https://shoot", "https://outside")}),
                secret("gardener-internal", {"kubeconfig": GOOD.replace("https://shoot", "https://inside")}),
            ],
            "https://inside",
        ),
        (
            [
                secret("gardener", {"kubeconfig": GOOD.replace("https://shoot", "https://outside")}),
                secret("shoot-access-dualstack", {"token": "t1\n"}),
                secret(
                    "generic-token-kubeconfig",
                    {"kubeconfig": kubeconfig({"tokenFile": "/var/token"}, "https://inside")},
                ),
            ],
            "https://inside",
        ),
    ],
)
async def test_the_client_is_made_of_the_first_secret_with_access(
    landscape: Landscape, secrets: list[Manifest], server: str
) -> None:
    landscape.put(*secrets)
    assert await landscape.nodes() == NODES
    assert await landscape.nodes() == NODES
    assert [client.connection.cluster.server for client in landscape.server.clients] == [server], "one client is kept"


async def test_the_generic_kubeconfig_is_the_one_that_the_cluster_names(landscape: Landscape) -> None:
    named = {"generic-token-kubeconfig.secret.gardener.cloud/name": "generic-token-kubeconfig-1a2b"}
    found = manifest(CLUSTER, NS, spec={"shoot": {}, "seed": {}, "cloudProfile": {}})
    landscape.store.upsert(CLUSTER, {**found, "metadata": {"name": NS, "annotations": named}})
    landscape.put(secret("shoot-access-dualstack", {"token": "t1"}))
    with pytest.raises(ShootAccessMissing, match="generic-token-kubeconfig-1a2b"):
        await landscape.nodes()
    landscape.put(secret("generic-token-kubeconfig-1a2b", {"kubeconfig": kubeconfig({"tokenFile": "/var/token"})}))
    assert await landscape.nodes() == NODES


async def test_x5_a_rotated_token_is_read_again(landscape: Landscape) -> None:
    landscape.put(secret("gardener", {"kubeconfig": GOOD}))
    for token in ("t1", "t2", "t3"):
        landscape.server.accepts = token
        landscape.put(secret("gardener", {"kubeconfig": kubeconfig({"token": token})}))
        assert await landscape.nodes() == NODES
    assert [client.closed for client in landscape.server.clients] == [True, False, False], "requests may still run"
    await landscape.access.forget(NS)
    assert all(client.closed for client in landscape.server.clients)
    assert await landscape.nodes() == NODES, "a Shoot that comes back"


async def test_a_changed_address_is_used_after_it_was_not_reached(landscape: Landscape) -> None:
    landscape.put(secret("gardener", {"kubeconfig": GOOD.replace("https://shoot", "https://old")}))
    landscape.server.error = Unavailable("connection refused")
    with pytest.raises(ShootUnreachable):
        await landscape.nodes()
    landscape.put(secret("gardener", {"kubeconfig": GOOD.replace("https://shoot", "https://new")}))
    with pytest.raises(ShootUnreachable):
        await landscape.nodes()
    landscape.server.error = None
    assert await landscape.nodes() == NODES
    assert landscape.server.clients[-1].connection.cluster.server == "https://new"


def _no_secret(landscape: Landscape) -> None:
    landscape.store.delete(SECRET, "gardener", NS)


def _wrong_token(landscape: Landscape) -> None:
    landscape.server.accepts = "another"


def _fails(error: KubeError) -> Any:
    def change(landscape: Landscape) -> None:
        landscape.server.error = error

    return change


def _hibernated(landscape: Landscape) -> None:
    landscape.server.error = Unavailable("no route to host")
    landscape.set_replicas(0)
    landscape.set_cluster({"spec": {"hibernation": {"enabled": True}}})


def _being_created(landscape: Landscape) -> None:
    landscape.store.delete(SECRET, "gardener", NS)
    landscape.store.delete(DEPLOYMENT, "kube-apiserver", NS)


def _content(kubeconfig: str) -> Any:
    return lambda landscape: landscape.put(secret("gardener", {"kubeconfig": kubeconfig}))


@pytest.mark.parametrize(
    ("change", "state", "says"),
    [
        (_no_secret, ShootAccessMissing, "none of the Secrets shoot-access-dualstack, gardener-internal, gardener"),
        (_wrong_token, ShootAccessRefused, "does not accept the credentials"),
        (_fails(Forbidden("nodes is forbidden")), ShootAccessForbidden, "nodes is forbidden; grant the right"),
        (_fails(Unavailable("connection refused")), ShootUnreachable, "does not answer: connection refused"),
        (_hibernated, ShootHibernated, "is hibernated, and its API server has no replica"),
        (_being_created, ShootNotRunning, "Deployment kube-apiserver does not exist"),
        (_content("{"), ShootAccessInvalid, "not YAML"),
        (_content("{}"), ShootAccessInvalid, "current context '' is not defined"),
        (_content(kubeconfig({"tokenFile": "/etc/passwd"})), ShootAccessInvalid, "tokenFile is not supported"),
        (
            _content(kubeconfig({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "rm"}})),
            ShootAccessInvalid,
            "exec is not supported",
        ),
    ],
)
async def test_x1_a_shoot_that_cannot_be_asked_is_a_state_with_a_name(
    landscape: Landscape, change: Any, state: type[ShootError], says: str
) -> None:
    landscape.put(secret("gardener", {"kubeconfig": GOOD}))
    change(landscape)
    with pytest.raises(state) as raised:
        await landscape.nodes()
    assert type(raised.value) is state
    assert str(raised.value).startswith(f"{state.__name__}: shoot {NS}")
    assert says in str(raised.value)
    assert error_codes(raised.value) == ("ERR_RETRYABLE_INFRA_DEPENDENCIES",)
    assert not isinstance(raised.value, NotFound), "a watch would take it for a kind that is not served"

    landscape.store.upsert(MACHINE, manifest(MACHINE, "m", NS, spec={}))
    with pytest.raises(state):
        await landscape.clusters.machines_and_nodes(NS)


class _NoDeployments(StoreKube):
    """A seed whose user may not read Deployments."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        if kind == DEPLOYMENT:
            raise Forbidden("deployments.apps is forbidden")
        return await super().get(kind, name, namespace)


async def test_x1_a_hibernated_shoot_is_unreachable_where_its_deployment_may_not_be_read(landscape: Landscape) -> None:
    landscape.put(secret("gardener", {"kubeconfig": GOOD}))
    _hibernated(landscape)
    access = ShootAccess(_NoDeployments(landscape.store), landscape.server.connect)
    with pytest.raises(ShootUnreachable):
        await access.of(NS).list(NODE)


@pytest.mark.parametrize("change", [_hibernated, _being_created])
async def test_x1_without_a_machine_a_shoot_that_does_not_run_has_no_node(landscape: Landscape, change: Any) -> None:
    landscape.put(secret("gardener", {"kubeconfig": GOOD}))
    change(landscape)
    assert await landscape.clusters.machines_and_nodes(NS) == ([], [])


@pytest.mark.parametrize("change", [_no_secret, _wrong_token, _fails(Unavailable("connection refused"))])
async def test_x1_without_a_machine_an_unknown_list_of_nodes_is_no_empty_one(landscape: Landscape, change: Any) -> None:
    landscape.put(secret("gardener", {"kubeconfig": GOOD}))
    change(landscape)
    with pytest.raises(ShootError):
        await landscape.clusters.machines_and_nodes(NS)
