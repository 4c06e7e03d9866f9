"""Servers on loopback, and the file that points Kubernetes clients at one."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import Cluster, User

_KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: sim
contexts: [{{name: sim, context: {{cluster: sim, user: sim}}}}]
clusters: [{{name: sim, cluster: {{server: "{server}"}}}}]
users: [{{name: sim, user: {{}}}}]
"""


@asynccontextmanager
async def on_loopback(application: web.Application, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve `application` on a free port, with TLS if it is given. Yields its URL."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield "{}://{}:{}".format("https" if tls else "http", *runner.addresses[0][:2])
    finally:
        await runner.cleanup()


def kubeconfig(folder: Path, server: str, name: str = "kubeconfig") -> Path:
    """Write a kubeconfig for `server` into `folder`, as file `name`."""
    path = folder / name
    path.write_text(_KUBECONFIG.format(server=server), encoding="utf-8")
    return path


def connection(server: str) -> SingleConfig:
    """What `dualstack.kube.connection` finds in that file."""
    found = KubeConfig.from_one(cluster=Cluster(server=server), user=User()).get()
    assert found is not None
    return found
