"""Authentication by an exec plugin with a token or, unlike lightkube, a client certificate.

The plugin runs before the first request, and again when the API server answers 401.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncGenerator, Callable

import httpx2
from lightkube.config.client_adapter import async_check_output
from lightkube.config.models import User, UserExec
from lightkube.core.exceptions import ConfigError

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


class PluginTransport(httpx2.AsyncBaseTransport):
    """Connections with the client certificate that the plugin has printed last, or with none.

    A connection keeps the certificate with which it began, so a new one takes new connections; answers that are being
    read, such as those of watches, keep theirs. make: connections with the certificate of a user.
    """

    def __init__(self, make: Callable[[User], httpx2.AsyncHTTPTransport], user: User) -> None:
        self._make = make
        self._transports = [make(user)]

    def use(self, certificate: str, key: str) -> None:
        """Take connections with this certificate from now on. certificate, key: PEM; OSError if they are no pair."""
        cert, private = (base64.b64encode(text.encode()).decode() for text in (certificate, key))
        self._transports.append(self._make(User(client_cert_data=cert, client_key_data=private)))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._transports[-1].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._transports:
            await transport.aclose()


class PluginAuth(httpx2.Auth):
    """Runs the plugin, one run for all requests that need it. Raises ConfigError with what the plugin says."""

    def __init__(self, plugin: UserExec, transport: PluginTransport) -> None:
        self._plugin = plugin
        self._transport = transport
        self._token = ""
        self._runs = 0
        self._running = asyncio.Lock()

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if runs := self._runs:
            self._sign(request)
            answer = yield request
            if answer.status_code != 401:
                return
        async with self._running:
            if runs == self._runs:
                await self._run()
        self._sign(request)
        yield request

    def _sign(self, request: httpx2.Request) -> None:
        request.headers.pop("Authorization", None)
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"

    async def _run(self) -> None:
        plugin = self._plugin
        if plugin.apiVersion not in VERSIONS:
            raise ConfigError(f"auth exec api version {plugin.apiVersion} not implemented")
        env = os.environ | {variable.name: variable.value for variable in plugin.env or ()}
        status = json.loads(await async_check_output([plugin.command, *(plugin.args or ())], env))["status"]
        if certificate := status.get("clientCertificateData"):
            self._transport.use(certificate, status["clientKeyData"])
        self._token = status.get("token") or ""
        self._runs += 1
