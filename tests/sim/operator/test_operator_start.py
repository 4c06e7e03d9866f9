"""The operator's start against API servers that refuse it: each failure is one line for each thing to do."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from lightkube.config.kubeconfig import SingleConfig

from dualstack.gardener.model.kinds import SHOOT
from dualstack.kube.client import LightkubeKube
from dualstack.kube.interface import Unavailable
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import NODE
from dualstack.operator import process
from tests.support.loopback import connection, kubeconfig, on_loopback

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def reach(found: SingleConfig) -> None:
    kube = LightkubeKube.connect(found)
    try:
        await process._reach(kube, found.cluster.server, [SHOOT, NODE])
    finally:
        await kube.close()


@asynccontextmanager
async def api(answer: Answer) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    async with on_loopback(application) as url:
        yield url


def status(code: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}
    return web.Response(body=json.dumps(body), status=code, headers={"Content-Type": "application/json"})


async def forbidden(request: web.Request) -> web.StreamResponse:
    return status(403, "Forbidden", f"{request.path.rpartition('/')[2]} is forbidden: User 'x' cannot list")


async def website(_: web.Request) -> web.StreamResponse:
    return web.Response(status=404, text="<html>not here</html>")


async def without_shoots(request: web.Request) -> web.StreamResponse:
    if request.path.endswith("/shoots"):
        return status(404, "NotFound", "the server could not find the requested resource")
    return web.json_response({"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": []})


async def unauthorized(_: web.Request) -> web.StreamResponse:
    return status(401, "Unauthorized", "Unauthorized")


async def broken(_: web.Request) -> web.StreamResponse:
    return status(500, "InternalError", "etcd has no leader")


async def a_page(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>a proxy</html>", content_type="text/html")


async def silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (unauthorized, ("does not accept the credentials: ",)),
        (
            forbidden,
            (
                "grant the rights to get, list and watch shoots.core.gardener.cloud",
                "grant the rights to get, list and watch nodes",
            ),
        ),
        (website, ("is not a Kubernetes API: nodes: ",)),
    ],
)
async def test_p12_an_api_that_refuses_is_refused_at_once(answer: Answer, words: tuple[str, ...]) -> None:
    async with api(answer) as url:
        with pytest.raises(InvalidInput) as caught:
            await reach(connection(url))
    assert len(caught.value.faults) == len(words)
    for fault, expected in zip(caught.value.faults, words, strict=True):
        assert fault.startswith(url)
        assert expected in fault
        assert "\n" not in fault


async def test_p12_a_kind_whose_definition_is_not_installed_yet_does_not_stop_the_start() -> None:
    async with api(without_shoots) as url:
        await reach(connection(url))


@pytest.mark.parametrize(("answer", "words"), [(broken, "etcd has no leader"), (a_page, "not an object"), (silent, "")])
async def test_p12_an_api_that_does_not_answer_is_one_line_after_a_while(
    answer: Answer, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_START_TIMEOUT", 0.6)
    async with api(answer) as url:
        with pytest.raises(Unavailable, match="has not answered for 1 s: ") as caught:
            await reach(connection(url))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


SHORT_START = (
    "from dualstack.operator import process; process._START_TIMEOUT = 0.6\nfrom dualstack.cli.main import main; main()"
)


def test_p12_an_exec_plugin_that_waits_for_ever_is_one_line(tmp_path: Path) -> None:
    """A plugin that opens a browser, for example."""
    text = kubeconfig(tmp_path, "http://127.0.0.1:9").read_text()
    plugin = "{apiVersion: client.authentication.k8s.io/v1, command: sleep, args: ['9']}"
    (tmp_path / "kubeconfig").write_text(text.replace("user: {}", f"user: {{exec: {plugin}}}"))
    command = [sys.executable, "-c", SHORT_START, "operator", "--kubeconfig", str(tmp_path / "kubeconfig")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert line.startswith("dualstack: http://127.0.0.1:9 has not answered for 1 s: no answer; check that")


async def test_p12_an_untrusted_certificate_is_one_line_at_once(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
    files = ("-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate))
    made = await asyncio.create_subprocess_exec("openssl", *request, *files, stderr=asyncio.subprocess.DEVNULL)
    assert await made.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    application = web.Application()
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = "https://127.0.0.1:{}".format(*runner.addresses[0][1:2])
    try:
        with pytest.raises(InvalidInput, match="check the certificate authority in the kubeconfig"):
            await reach(connection(url))
    finally:
        await runner.cleanup()
