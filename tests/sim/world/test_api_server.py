"""A world on an API server that is not its own: through the proxy, with translated time stamps."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web
from lightkube.config.kubeconfig import SingleConfig
from multidict import CIMultiDict

from dualstack.clock import ScaledClock, parse_rfc3339, rfc3339
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import MUTATING_WEBHOOK, NODE, POD, SERVICE, Kind, Manifest
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.service_addresses import ServiceAddresses
from dualstack_sim.chance import Chance
from dualstack_sim.kube.preparation import Operation
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.status import Cause, invalid
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.api_server.proxy import TimeProxy, without_stamps
from dualstack_sim.world.api_server.webhooks import Webhooks
from dualstack_sim.world.compute_serve import listen, start_site
from dualstack_sim.world.serve import WorldOptions, start

SHOOT = Path(__file__).parents[3] / "examples" / "shoot.yaml"
NAMESPACE = "shoot--foo--bar"


def connection_to(listener: socket.socket, folder: Path) -> SingleConfig:
    file = folder / "kubeconfig"
    cluster = {"server": f"http://127.0.0.1:{listener.getsockname()[1]}"}
    content = {
        "clusters": [{"name": "other", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": "secret"}}],
        "contexts": [{"name": "other", "context": {"cluster": "other", "user": "admin"}}],
        "current-context": "other",
    }
    file.write_text(yaml.safe_dump(content))
    return find_connection(file)


class OtherServer:
    """An API server with the wall clock. It is simulated, but knows nothing of the world."""

    def __init__(self, store: KubeStore, connection: SingleConfig) -> None:
        self.store = store
        self.connection = connection


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[OtherServer]:
    store = KubeStore(ScaledClock(), Chance(3))
    async with AsyncExitStack() as stack:
        listener = listen()
        await start_site(create_app(store), listener, stack)
        yield OtherServer(store, connection_to(listener, tmp_path))


@pytest.mark.slow
async def test_a_world_is_built_in_another_api_server(other: OtherServer) -> None:
    shoot = yaml.safe_load(SHOOT.read_text())
    clock = SteppableClock(time.time(), 60.0)
    options = WorldOptions(cluster=shoot, nodes=None, seed=1, faults=None, clock=clock, kubernetes=other.connection)
    async with AsyncExitStack() as stack:
        other.store.admission.register("", "services", ServiceAddresses(other.store, NAMESPACE))
        facts = await start(options, stack)
        kube = LightkubeKube.connect(find_connection(Path(facts["kubeconfig"])))
        stack.push_async_callback(kube.close)
        assert len(other.store.list(NODE)) == 3
        assert {pod["status"]["phase"] for pod in other.store.list(POD)} == {"Running"}
        pod = other.store.list(POD)[0]
        shown = await kube.get(POD, pod["metadata"]["name"], pod["metadata"]["namespace"])
        assert shown is not None
        wall, translated = (parse_rfc3339(each["metadata"]["creationTimestamp"]) for each in (pod, shown))
        assert abs((clock.now() - translated) - 60.0 * (time.time() - wall)) < 3.0
        # An object that was read can be written back, although its stamps differ from the server's.
        url, path = find_connection(Path(facts["kubeconfig"])).cluster.server, SERVICE.item("web", "default")
        async with aiohttp.ClientSession() as session:
            async with session.get(url + path) as answer:
                service = await answer.json()
            service["metadata"]["labels"] = {"changed": "true"}
            async with session.put(url + path, json=service) as answer:
                assert answer.status == 200, await answer.text()
        assert (other.store.get(SERVICE, "web", "default") or {})["metadata"]["labels"] == {"changed": "true"}


async def test_a_server_with_nodes_is_refused_before_anything_is_written(other: OtherServer) -> None:
    other.store.create(NODE, {"metadata": {"name": "of-another-cluster"}})
    before = other.store.storage.version
    options = WorldOptions(
        cluster=yaml.safe_load(SHOOT.read_text()),
        nodes=None,
        seed=1,
        faults=None,
        clock=SteppableClock(time.time(), 60.0),
        kubernetes=other.connection,
    )
    async with AsyncExitStack() as stack:
        with pytest.raises(InvalidInput, match="has 1 Nodes, such as of-another-cluster"):
            await start(options, stack)
    assert other.store.storage.version == before


class Echo:
    """A server that answers with `lines`, and compresses them for a client that takes that, as an API server does with
    large answers."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.application = web.Application()
        self.application.router.add_route("*", "/{path:.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.read())
        headers = CIMultiDict([("Warning", '299 - "one"'), ("Warning", '299 - "two"')])
        made = web.Response(body=b"".join(self.lines) or b"{}", headers=headers, content_type="application/json")
        made.enable_compression()
        return made


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[tuple[Echo, str, SteppableClock]]:
    echo, clock = Echo(), SteppableClock(time.time() - 100.0, 60.0)
    async with AsyncExitStack() as stack:
        behind, before = listen(), listen()
        await start_site(echo.application, behind, stack)
        proxy = TimeProxy(connection_to(behind, tmp_path), clock)
        stack.push_async_callback(proxy.close)
        await start_site(proxy.application, before, stack)
        yield echo, f"http://127.0.0.1:{before.getsockname()[1]}", clock


async def test_the_proxy_adds_credentials_only_where_there_are_none(proxied: tuple[Echo, str, SteppableClock]) -> None:
    echo, url, _ = proxied
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/api?a=b%20c") as answer:
            assert answer.headers.getall("Warning") == ['299 - "one"', '299 - "two"']
        async with session.get(url, headers={"Authorization": "Bearer mine"}):
            pass
    assert [each["Authorization"] for each in echo.headers] == ["Bearer secret", "Bearer mine"]


async def test_stamps_of_each_line_are_translated_and_nothing_else(proxied: tuple[Echo, str, SteppableClock]) -> None:
    echo, url, clock = proxied
    wall = time.time()
    stamp = rfc3339(wall - 10.0).encode()
    text = b'{"data":{"x":"{\\"creationTimestamp\\":\\"2020-01-01T00:00:00Z\\"}"}}\n'
    echo.lines = [
        b'{"metadata":{"name":"a","creationTimestamp":"' + stamp + b'"}}\n',
        text,
        b'{"deletionTimestamp":"' + rfc3339(wall + 30.0).encode() + b'","deletionGracePeriodSeconds":30}',
    ]
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        first, second, third = (await answer.read()).split(b"\n")
    created = parse_rfc3339(msgspec.json.decode(first)["metadata"]["creationTimestamp"])
    assert abs(clock.now() - created - 600.0) < 180.0  # one wall second is a minute
    assert second + b"\n" == text
    # The grace period lasts as long on both clocks.
    assert abs(parse_rfc3339(msgspec.json.decode(third)["deletionTimestamp"]) - clock.now() - 30.0) < 180.0
    assert msgspec.json.decode(third)["deletionGracePeriodSeconds"] == 30


async def test_a_server_that_does_not_answer_is_503_with_a_status(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        behind, before = listen(), listen()
        proxy = TimeProxy(connection_to(behind, tmp_path), SteppableClock(time.time(), 60.0))
        behind.close()
        stack.push_async_callback(proxy.close)
        await start_site(proxy.application, before, stack)
        url = f"http://127.0.0.1:{before.getsockname()[1]}/api"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 503
            assert (await answer.json())["reason"] == "ServiceUnavailable"


def test_requests_carry_no_translated_stamp() -> None:
    body = b'{"metadata":{"creationTimestamp":"2026-11-28T10:00:00Z","name":"a"},"data":{"x":"y"}}'
    assert without_stamps(body) == b'{"metadata":{"creationTimestamp":null,"name":"a"},"data":{"x":"y"}}'


async def test_a_hook_is_a_webhook_over_tls_that_patches_or_refuses() -> None:
    def hook(operation: Operation, kind: Kind, old: Manifest | None, new: Manifest) -> Manifest:
        assert (operation, kind.plural, old) == ("CREATE", "shoots", None)
        if "bad" in new["spec"]:
            raise invalid("core.gardener.cloud", "Shoot", "a", [Cause("FieldValueInvalid", "Invalid", "spec.bad")])
        return {**new, "spec": {**new["spec"], "region": "europe-west1"}}

    store = KubeStore(ScaledClock(), Chance(3))
    async with AsyncExitStack() as stack:
        listener = listen()
        await start_site(create_app(store), listener, stack)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        kube = KubeApi(f"http://127.0.0.1:{listener.getsockname()[1]}", session)
        webhooks = Webhooks(kube, asyncio.get_running_loop())
        stack.push_async_callback((await webhooks.serve()).cleanup)
        await asyncio.to_thread(webhooks.register, "core.gardener.cloud", "shoots", hook)
        [installed] = store.list(MUTATING_WEBHOOK)
        client = installed["webhooks"][0]["clientConfig"]
        context = ssl.create_default_context(cadata=base64.b64decode(client["caBundle"]).decode())

        async def review(spec: Manifest) -> Manifest:
            request = {
                "uid": "1",
                "operation": "CREATE",
                "kind": {"group": "core.gardener.cloud", "version": "v1beta1", "kind": "Shoot"},
                "resource": {"group": "core.gardener.cloud", "version": "v1beta1", "resource": "shoots"},
                "namespace": "garden-foo",
                "object": {"metadata": {"name": "a"}, "spec": spec},
                "oldObject": None,
            }
            async with session.post(client["url"], json={"request": request}, ssl=context) as answer:
                response: Manifest = (await answer.json())["response"]
                return response

        accepted, refused = await review({}), await review({"bad": True})
        assert msgspec.json.decode(base64.b64decode(accepted["patch"])) == [
            {"op": "add", "path": "/spec/region", "value": "europe-west1"}
        ]
        assert (refused["allowed"], refused["status"]["code"]) == (False, 422)
        await webhooks.remove()
        assert store.list(MUTATING_WEBHOOK) == []
