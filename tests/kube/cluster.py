"""etcd, kube-apiserver and kube-controller-manager of one test, with RBAC and an audit log, in a temporary folder."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.kube.certificates import make_certificates

ADMINISTRATOR = "administrator-token"
_READY_SECONDS = 180.0
_STOP_SECONDS = 20.0
_CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "service-cidr-controller",
    "serviceaccount-controller",
)
"""Deployments, DaemonSets, Nodes and pods are left to the simulated world."""


@dataclass(slots=True)
class Program:
    """One running program. Its output is in `log`."""

    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
            )

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it as an init system does."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


class Cluster:
    """The three programs. `start` and `stop` them; `restart_api` takes other service ranges.

    turn: held while a program is down or paused, so that two threads do not restart one at a time.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self.certificates = make_certificates(folder)
        etcd, peer, port = _free_ports(3)
        self.url = f"https://127.0.0.1:{port}"
        self.ranges: tuple[str, ...] = ()
        self.turn = threading.RLock()
        self.audit_log = folder / "audit.jsonl"
        (folder / "tokens.csv").write_text(f'{ADMINISTRATOR},administrator,administrator,"system:masters"\n')
        (folder / "audit.yaml").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "audit.k8s.io/v1",
                    "kind": "Policy",
                    "omitStages": ["RequestReceived", "ResponseStarted"],
                    "rules": [{"level": "Metadata"}],
                }
            )
        )
        self.kubeconfig = self.write_kubeconfig("admin", ADMINISTRATOR)
        self.etcd = Program(_etcd_command(programs / "etcd", folder / "etcd", etcd, peer), folder / "etcd.log")
        self._api_command = self._api_server_command(programs / "kube-apiserver", etcd, port)
        self.api = Program([], folder / "kube-apiserver.log")
        self.manager = Program(self._manager_command(programs / "kube-controller-manager"), folder / "manager.log")
        self.etcd_url = f"http://127.0.0.1:{etcd}"

    def start(self, *ranges: str) -> None:
        """Start all, with these service ranges; returns when the API server is ready."""
        self.etcd.start()
        self.start_api(*ranges)
        self.manager.start()
        until(lambda: self.get("/api/v1/namespaces/default/serviceaccounts/default") is not None, self.manager)

    def start_api(self, *ranges: str) -> None:
        """Start kube-apiserver; returns when it is ready."""
        self.ranges = ranges or self.ranges
        self.api.command = [*self._api_command, f"--service-cluster-ip-range={','.join(self.ranges)}"]
        self.api.start()
        until(self.is_ready, self.api)

    def restart_api(self, *ranges: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Kill kube-apiserver with SIGKILL, do something, and start it, with other service ranges if they are given."""
        with self.turn:
            self.api.kill()
            meanwhile()
            self.start_api(*ranges)

    def restart_etcd(self) -> None:
        """Kill etcd with SIGKILL, and start it; returns when the API server is ready again."""
        with self.turn:
            self.etcd.kill()
            self.etcd.start()
            until(self.is_ready, self.api)

    def pause(self, program: Program, seconds: float) -> None:
        """Stop a program with SIGSTOP for so long: its connections stay open, and nothing answers."""
        with self.turn:
            program.send(signal.SIGSTOP)
            time.sleep(seconds)
            program.send(signal.SIGCONT)
            until(self.is_ready, self.api)

    def compact(self) -> None:
        """Discard all old versions in etcd: a watch that continues from one is refused once no server caches it."""
        start = base64.b64encode(b"/").decode()
        revision = self._ask_etcd("range", {"key": start, "limit": 1})["header"]["revision"]
        self._ask_etcd("compaction", {"revision": revision, "physical": True})

    def _ask_etcd(self, method: str, body: Any) -> Any:
        request = urllib.request.Request(f"{self.etcd_url}/v3/kv/{method}", json.dumps(body).encode())  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (loopback)
            return json.load(answer)

    def stop(self) -> None:
        """Stop all, in the opposite order."""
        for program in (self.manager, self.api, self.etcd):
            program.stop()

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def request(
        self, method: str, path: str, body: Any = None, *, token: str = ADMINISTRATOR, **headers: str
    ) -> tuple[int, Any]:
        """Status and body (JSON, or text if it is none) of one request. OSError without an answer."""
        status, _, answer = self.exchange(method, path, body, token=token, **headers)
        return status, answer

    def exchange(
        self, method: str, path: str, body: Any = None, *, token: str = ADMINISTRATOR, **headers: str
    ) -> tuple[int, dict[str, list[str]], Any]:
        """Status, headers and body of one request."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        default = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, {**default, **given}, method=method)  # noqa: S310
        context = ssl.create_default_context(cafile=str(self.certificates.authority))
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:  # noqa: S310
                return answer.status, _headers(answer.headers), parsed(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _headers(error.headers), parsed(error.read())

    def get(self, path: str) -> Any | None:
        """The object at the path; None if there is none."""
        status, body = self.request("GET", path)
        return body if status == 200 else None

    def write_kubeconfig(self, name: str, token: str, server: str | None = None) -> Path:
        """A kubeconfig file for a user with `token`."""
        cluster = {"server": server or self.url}
        if cluster["server"].startswith("https:"):
            cluster["certificate-authority"] = str(self.certificates.authority)
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        }
        file = self.folder / f"{name}.kubeconfig"
        file.write_text(yaml.safe_dump(content))
        return file

    def audit(self) -> Iterator[dict[str, Any]]:
        """The audit events so far."""
        with self.audit_log.open() as lines:
            for line in lines:
                yield json.loads(line)

    def _api_server_command(self, program: Path, etcd: int, port: int) -> list[str]:
        made = self.certificates
        flags = {
            "advertise-address": "127.0.0.1",
            "allow-privileged": "true",
            "audit-log-path": self.audit_log,
            "audit-policy-file": self.folder / "audit.yaml",
            "authorization-mode": "RBAC",
            "bind-address": "127.0.0.1",
            "cert-dir": self.folder,
            "disable-admission-plugins": "TaintNodesByCondition",  # no node lifecycle controller removes the taint
            "endpoint-reconciler-type": "none",
            "etcd-servers": f"http://127.0.0.1:{etcd}",
            "secure-port": port,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": made.accounts_key,
            "service-account-signing-key-file": made.accounts_key,
            "tls-cert-file": made.server,
            "tls-private-key-file": made.server_key,
            "token-auth-file": self.folder / "tokens.csv",
        }
        return [str(program), *(f"--{name}={value}" for name, value in flags.items())]

    def _manager_command(self, program: Path) -> list[str]:
        flags = {
            "cert-dir": self.folder,
            "controllers": ",".join(_CONTROLLERS),
            "kubeconfig": self.kubeconfig,
            "leader-elect": "false",
            "root-ca-file": self.certificates.authority,
            "secure-port": 0,
            "service-account-private-key-file": self.certificates.accounts_key,
        }
        return [str(program), *(f"--{name}={value}" for name, value in flags.items())]


def _etcd_command(program: Path, data: Path, port: int, peer: int) -> list[str]:
    client, other = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    flags = {
        "advertise-client-urls": client,
        "data-dir": data,
        "initial-advertise-peer-urls": other,
        "initial-cluster": f"default={other}",
        "listen-client-urls": client,
        "listen-peer-urls": other,
        "unsafe-no-fsync": "true",
    }
    return [str(program), *(f"--{name}={value}" for name, value in flags.items())]


def _free_ports(count: int) -> Sequence[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(reached: Callable[[], bool], program: Program) -> None:
    """Wait until it is; fails with the end of the log when the program ends before."""
    end = time.monotonic() + _READY_SECONDS
    while not reached():
        if program.ended() or time.monotonic() > end:
            tail = "\n".join(program.log.read_text(errors="replace").splitlines()[-15:])
            raise AssertionError(f"{Path(program.command[0]).name} is not ready:\n{tail}")
        time.sleep(0.1)


def _headers(message: Any) -> dict[str, list[str]]:
    return {name.lower(): message.get_all(name) for name in message}


def parsed(text: bytes) -> Any:
    """The JSON of a body; a list of the events of a watch; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return text.decode(errors="replace")
