"""Kubeconfig files, exec plugins and the service account of a pod: what is found, and each failure as one line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from tests.kube.certificates import Certificates, make_certificates
from tests.support.loopback import on_loopback

from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Unauthenticated, Unavailable
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import NODE

PLUGIN = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}"
NO_CREDENTIAL = "printed no ExecCredential with a token or a client certificate"
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1", certificate-authority: ca.pem}}]
users: [{name: u, user: {token: secret}}]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without a kubeconfig, outside of a pod."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(text: str, name: str = "kubeconfig") -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)
        return file

    return written


@pytest.fixture
async def bearers() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that accepts `Bearer good` only, and the Authorization header of each request."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        if seen[-1] != "Bearer good":
            status = {"kind": "Status", "apiVersion": "v1", "code": 401, "reason": "Unauthorized", "message": "no"}
            return web.json_response(status, status=401)
        return web.json_response({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}})

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    async with on_loopback(application) as url:
        yield url, seen


async def node(file: Path) -> str:
    """The name of a Node, read with the credentials of the file."""
    kube = LightkubeKube.connect(find_connection(file))
    try:
        found = await kube.get(NODE, "n")
    finally:
        await kube.close()
    assert found is not None
    return str(found["metadata"]["name"])


def test_paths_are_relative_to_the_file(write: Callable[..., Path], tmp_path: Path) -> None:
    found = find_connection(write(KUBECONFIG.replace("token: secret", "tokenFile: token, client-key: /k")))
    assert found.cluster.server == "http://127.0.0.1:1"
    assert found.cluster.certificate_auth == str(tmp_path / "ca.pem")
    assert found.user is not None
    assert (found.user.token_file, found.user.client_key) == (str(tmp_path / "token"), "/k")


def test_p12_the_files_are_found_as_kubectl_finds_them(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given no option, then $KUBECONFIG is merged in its order, before ~/.kube/config, before the pod's account."""
    account = write("pod-token", "account/token").parent
    write("default", "account/namespace")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    in_pod = find_connection(service_account=str(account))
    assert in_pod.cluster.server == "https://[fd00::1]:6443"
    assert in_pod.cluster.certificate_auth == str(account / "ca.crt")
    assert in_pod.user is not None
    assert in_pod.user.token_file == str(account / "token")

    write(KUBECONFIG.replace("127.0.0.1:1", "home"), "home/.kube/config")
    assert find_connection().cluster.server == "http://home"

    first = write("{current-context: other, contexts: null, clusters: null}", "first")
    contexts = KUBECONFIG.replace("name: it", "name: other").replace("127.0.0.1:1", "second")
    second, third = write(contexts, "second"), write(KUBECONFIG.replace("127.0.0.1:1", "third"), "third")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path}/none:{second}:{third}")
    assert find_connection().cluster.server == "http://second"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "not YAML"),
        ("- a", "not a kubeconfig"),
        ("", "has no current context; set one with `kubectl config use-context NAME`"),
        (
            KUBECONFIG.replace("current-context: it", "current-context: other"),
            "'other' not found; it defines these contexts: it",
        ),
        (KUBECONFIG.replace("{name: u, user", "{name: v, user"), "context 'it' names the cluster or user 'u'"),
        (KUBECONFIG.replace("token: secret", "auth-provider: {name: gcp}"), "auth-provider is obsolete"),
        (KUBECONFIG.replace("token: secret", "token: secret, as: admin"), "user 'u': as is not supported"),
        (KUBECONFIG.replace("token: secret", "client-certificate: c.pem"), "its client certificate has no client-key"),
        (
            KUBECONFIG.replace("token: secret", "client-certificate-data: eA==, username: a"),
            "its client certificate has no client-key",
        ),
        (KUBECONFIG.replace("{cluster: c, user: u}", ""), "not a kubeconfig"),
        (KUBECONFIG.replace("server: ", "host: ").replace("users:", "users: 3 #"), "not a kubeconfig"),
    ],
)
def test_p12_a_bad_kubeconfig_is_one_line(write: Callable[..., Path], text: str, words: str) -> None:
    file = write(text)
    with pytest.raises(InvalidInput, match=words) as caught:
        find_connection(file)
    assert "\n" not in str(caught.value)
    assert "kubeconfig" in str(caught.value)


def test_fields_that_are_not_supported_do_no_harm_in_an_entry_that_is_not_used(write: Callable[..., Path]) -> None:
    other = "users: [{name: v, user: {as: admin}}, {name: w, user: null}, "
    found = find_connection(write(KUBECONFIG.replace("users: [", other)))
    assert found.cluster.server == "http://127.0.0.1:1"


def test_p12_a_missing_kubeconfig_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match=r"kubeconfig .*none: No such file"):
        find_connection(tmp_path / "none")
    with pytest.raises(InvalidInput, match=r"no kubeconfig: .*; pass --kubeconfig FILE"):
        find_connection()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(InvalidInput, match=r"kubeconfig .*none: No such file"):
        find_connection()
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(InvalidInput, match="service account of the pod in"):
        find_connection(service_account=str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"http://127.0.0.1:1"', "nowhere"),
        ('server: "http://127.0.0.1:1",', ""),
        ("ca.pem", "missing.pem"),
        ("certificate-authority: ca.pem", "proxy-url: 'gopher://p'"),
    ],
)
def test_a_connection_that_cannot_be_made_is_one_line(write: Callable[..., Path], old: str, new: str) -> None:
    with pytest.raises(InvalidInput, match="kubeconfig: context 'it': "):
        LightkubeKube.connect(find_connection(write(KUBECONFIG.replace(old, new))))


def exec_plugin(write: Callable[..., Path], url: str, script: str, version: str = "v1") -> Path:
    """A kubeconfig whose user runs a script that lies beside it."""
    write(f"#!/bin/sh\n{script}\n", "plugin").chmod(0o755)
    spec = f"exec: {{apiVersion: client.authentication.k8s.io/{version}, command: ./plugin, args: [good]}}"
    text = KUBECONFIG.replace("token: secret", spec).replace("http://127.0.0.1:1", url)
    return write(text.replace(", certificate-authority: ca.pem", ""))


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_p12_an_exec_plugin_yields_the_token(
    write: Callable[..., Path], bearers: tuple[str, list[str]], tmp_path: Path, version: str
) -> None:
    """Given a plugin, when a request is made, then it runs with its arguments and knows which version to print."""
    url, seen = bearers
    script = f'printf %s "$KUBERNETES_EXEC_INFO" >{tmp_path}/info; echo "{{\\"status\\": {{\\"token\\": \\"$1\\"}}}}"'
    assert await node(exec_plugin(write, url, script, version)) == "n"
    assert seen == ["Bearer good"]
    info = json.loads((tmp_path / "info").read_text())
    assert info["apiVersion"] == f"client.authentication.k8s.io/{version}"


@pytest.mark.parametrize(
    ("script", "version", "words"),
    [
        ("echo no such profile >&2; exit 3", "v1", "returned 3: no such profile"),
        ("echo hello", "v1", NO_CREDENTIAL),
        ("printf '\\377'", "v1", NO_CREDENTIAL),
        (
            'echo "update available"; echo \'{"status": {"token": "good"}}\'',
            "v1",
            NO_CREDENTIAL,
        ),
        (
            'echo \'{"status": {"token": null}}\'',
            "v1",
            NO_CREDENTIAL,
        ),
        (
            'echo \'{"status": {"token": "good\\n"}}\'',
            "v1",
            NO_CREDENTIAL,
        ),
        ('echo \'{"status": {"clientCertificateData": "x"}}\'', "v1", "printed no ExecCredential"),
        ('echo \'{"status": {"clientCertificateData": "x", "clientKeyData": "y"}}\'', "v1", "PEM"),
        ('echo \'{"status": {"token": "bad"}}\'', "v1", "^HTTP status 401 Unauthorized$"),
        ("true", "v2", "v2 not implemented"),
    ],
)
async def test_p12_a_plugin_that_fails_is_one_line(
    write: Callable[..., Path], bearers: tuple[str, list[str]], script: str, version: str, words: str
) -> None:
    with pytest.raises(Unauthenticated, match=words) as caught:
        await node(exec_plugin(write, bearers[0], script, version))
    assert "\n" not in str(caught.value)


async def test_p12_an_exec_plugin_yields_a_client_certificate_and_a_new_one_once_that_is_not_accepted(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """Given a plugin that prints a certificate, as Gardener's does, when the server accepts it no longer, then the
    plugin runs once more, and the requests go over connections of the new one."""
    first, second = (make_certificates(_folder(tmp_path, name), name) for name in ("first", "second"))
    accepted, seen = [_serial(first.server)], list[int]()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        seen.append(int(peer["serialNumber"], 16))
        if seen[-1] not in accepted:
            return web.json_response({"kind": "Status", "apiVersion": "v1", "code": 401}, status=401)
        return web.json_response({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}})

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(first.server, first.server_key)
    context.verify_mode = ssl.CERT_REQUIRED
    for each in (first, second):
        context.load_verify_locations(each.authority)
    application = web.Application()
    application.router.add_get("/api/v1/nodes/n", answer)
    async with on_loopback(application, context) as url:
        runs = tmp_path / "runs"
        file = exec_plugin(write, url, f"echo run >>{runs}; cat {tmp_path}/credential")
        file.write_text(
            file.read_text()
            .replace("insecure", "")
            .replace(f'"{url}"', f'"{url}", certificate-authority: {first.authority}')
        )
        (tmp_path / "credential").write_text(_credential(first))
        kube = LightkubeKube.connect(find_connection(file))
        try:
            await asyncio.gather(*(kube.get(NODE, "n") for _ in range(3)))
            (tmp_path / "credential").write_text(_credential(second))
            accepted[:] = [_serial(second.server)]
            await asyncio.gather(*(kube.get(NODE, "n") for _ in range(3)))
        finally:
            await kube.close()
    assert len(runs.read_text().splitlines()) == 2
    assert seen.count(_serial(first.server)) == 6
    assert seen[-3:] == accepted * 3


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def _credential(certificates: Certificates) -> str:
    parts = {"Certificate": certificates.server, "Key": certificates.server_key}
    return json.dumps({"status": {f"client{part}Data": file.read_text() for part, file in parts.items()}})


def _serial(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


async def test_a_plugin_that_is_not_installed_is_one_line(
    write: Callable[..., Path], bearers: tuple[str, list[str]]
) -> None:
    file = exec_plugin(write, bearers[0], "")
    file.with_name("plugin").unlink()
    with pytest.raises(Unauthenticated, match=r"exec plugin .*/plugin: No such file or directory$"):
        await node(file)


async def test_p12_a_token_file_is_read_again_when_the_token_is_no_longer_accepted(
    write: Callable[..., Path], bearers: tuple[str, list[str]]
) -> None:
    url, seen = bearers
    token = write("good", "token")
    text = KUBECONFIG.replace("token: secret", "tokenFile: token").replace("http://127.0.0.1:1", url)
    kube = LightkubeKube.connect(find_connection(write(text.replace(", certificate-authority: ca.pem", ""))))
    try:
        token.write_text("old")
        with pytest.raises(Unauthenticated):
            await kube.get(NODE, "n")
        token.write_text("good")
        assert await kube.get(NODE, "n") is not None
    finally:
        await kube.close()
    assert seen[-2:] == ["Bearer old", "Bearer good"]


async def test_a_plugin_that_hangs_is_one_line_and_is_ended(
    write: Callable[..., Path], bearers: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dualstack.kube.connection.PLUGIN_SECONDS", 0.5)
    file = exec_plugin(write, bearers[0], "sleep 1000")
    with pytest.raises(Unauthenticated, match=r"exec plugin .*/plugin did not end within 0.5 s$"):
        await node(file)
    _wait_for_end_of(str(file.with_name("plugin")))


def _wait_for_end_of(program: str) -> None:
    while any(program in command for command in _commands()):
        time.sleep(0.05)


def _commands() -> Iterator[str]:
    """The command lines of all processes."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield entry.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe", b"a\nb"])
async def test_p12_a_token_file_without_a_token_is_one_line(
    write: Callable[..., Path], bearers: tuple[str, list[str]], content: bytes
) -> None:
    url, seen = bearers
    text = KUBECONFIG.replace("token: secret", "tokenFile: token").replace("http://127.0.0.1:1", url)
    file = write(text.replace(", certificate-authority: ca.pem", ""))
    file.with_name("token").write_bytes(content)
    with pytest.raises(Unauthenticated, match="credentials of the kubeconfig: the token is empty or has characters"):
        await node(file)
    assert seen == []


async def test_p12_an_empty_token_counts_as_none(write: Callable[..., Path], bearers: tuple[str, list[str]]) -> None:
    url, seen = bearers
    text = KUBECONFIG.replace("token: secret", "token: '', username: a, password: b").replace("http://127.0.0.1:1", url)
    with pytest.raises(Unauthenticated):
        await node(write(text.replace(", certificate-authority: ca.pem", "")))
    assert seen == ["Basic YTpi"]


@pytest.mark.parametrize("user", ["token: good", PLUGIN])
@pytest.mark.parametrize("of_cluster", [True, False])
async def test_p12_the_proxy_of_the_cluster_or_the_environment_is_used(
    write: Callable[..., Path],
    bearers: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    *,
    of_cluster: bool,
) -> None:
    """The server of the test plays the proxy, which gets the request for another host."""
    url, seen = bearers
    write('#!/bin/sh\necho \'{"status": {"token": "good"}}\'\n', "plugin").chmod(0o755)
    text = KUBECONFIG.replace("token: secret", user).replace("127.0.0.1:1", "cluster.invalid")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1" if of_cluster else url)
    proxy = f", proxy-url: '{url}'" if of_cluster else ""
    assert await node(write(text.replace(", certificate-authority: ca.pem", proxy))) == "n"
    assert seen == ["Bearer good"]


@pytest.mark.parametrize(("name", "accepted"), [("localhost", True), ("elsewhere", False), ("", False)])
async def test_p12_the_certificate_is_checked_for_tls_server_name(
    write: Callable[..., Path], tmp_path: Path, name: str, accepted: bool
) -> None:
    """The certificate names localhost; the URL names another address, as through a tunnel."""
    made = make_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server, made.server_key)

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}})

    application = web.Application()
    application.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.2", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        text = KUBECONFIG.replace("http://127.0.0.1:1", f"https://127.0.0.2:{port}").replace(
            "ca.pem", made.authority.name
        )
        file = write(text.replace("{server", f"{{tls-server-name: '{name}', server"))
        if accepted:
            assert await node(file) == "n"
        else:
            with pytest.raises(Unavailable, match="certificate"):
                await node(file)
    finally:
        await runner.cleanup()
