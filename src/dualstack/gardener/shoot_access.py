"""Clients of the shoots' API servers, made from the Secrets in their namespaces of the seed.

docs/reference/gardener.md#shoot-access. A client is made at the first request and kept until its Secret has changed: it
reads the Secret again when the API server answers 401, as after a rotation of the token.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from dualstack.gardener.model.kinds import CLUSTER
from dualstack.gardener.model.names import GENERIC_KUBECONFIG, GENERIC_KUBECONFIG_NAME, KUBE_API_SERVER, SHOOT_ACCESS
from dualstack.kube.client import LightkubeKube, Manifests
from dualstack.kube.connection import connection_from
from dualstack.kube.interface import (
    Forbidden,
    Kube,
    Unauthenticated,
    Unavailable,
)
from dualstack.model.errors import InvalidInput, KubeError
from dualstack.model.json_path import dig
from dualstack.model.kinds import DEPLOYMENT, SECRET, Kind, Manifest

Result = TypeVar("Result")

SECRETS = (SHOOT_ACCESS, "gardener-internal", "gardener")
"""The Secrets with access to a shoot; the first that exists is used."""


class ShootError(KubeError):
    """The shoot cannot be asked. The message begins with the name of the state, which is that of the class."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"{type(self).__name__}: {sentence}")


class ShootNotRunning(ShootError, Unavailable):
    """The shoot has no API server."""


class ShootHibernated(ShootNotRunning):
    """The API server has no replica, because the Shoot is hibernated."""


class ShootUnreachable(ShootError, Unavailable):
    """The API server runs and does not answer."""


class ShootAccessMissing(ShootError, Unavailable):
    """No Secret of the namespace has access to the shoot."""


class ShootAccessInvalid(ShootError, Unavailable):
    """The Secret with the access to the shoot cannot be used."""


class ShootAccessRefused(ShootError, Unauthenticated):
    """The API server does not accept the credentials of the Secret."""


class ShootAccessForbidden(ShootError, Forbidden):
    """The credentials of the Secret lack a right in the shoot."""


class ShootAccess:
    """The client of each shoot, by technical ID. connect: makes a client of a connection."""

    def __init__(self, seed: Kube, connect: Callable[..., LightkubeKube] = LightkubeKube.connect) -> None:
        self._seed = seed
        self._connect = connect
        self._shoots: dict[str, ShootKube] = {}

    def of(self, namespace: str) -> ShootKube:
        """The client of the shoot with this technical ID; nothing is read or sent yet."""
        if namespace not in self._shoots:
            self._shoots[namespace] = ShootKube(self._seed, namespace, self._connect)
        return self._shoots[namespace]

    async def forget(self, namespace: str) -> None:
        """Close the client of a shoot that is gone."""
        if (shoot := self._shoots.pop(namespace, None)) is not None:
            await shoot.close()

    async def close(self) -> None:
        """Close all clients."""
        for namespace in list(self._shoots):
            await self.forget(namespace)


class ShootKube:
    """Implements `dualstack.kube.interface.Kube` for one shoot.

    Every request raises one of the errors of this module where the shoot cannot be asked, else as `Kube` does.
    """

    def __init__(self, seed: Kube, namespace: str, connect: Callable[..., LightkubeKube]) -> None:
        self._seed = seed
        self._namespace = namespace
        self._connect = connect
        self._client: LightkubeKube | None = None
        self._retired: LightkubeKube | None = None
        """The client before this one, whose requests may still run."""
        self._made_of: Manifest = {}

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        clients, self._client, self._retired = (self._client, self._retired), None, None
        for client in clients:
            if client is not None:
                await client.close()

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        return await self._ask(lambda kube: kube.get(kind, name, namespace))

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        return await self._ask(lambda kube: kube.list(kind, namespace, labels=labels))

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        return await self._ask(lambda kube: kube.create(kind, manifest))

    async def patch(self, kind: Kind, name: str, body: Any, namespace: str | None = None, **options: Any) -> Manifest:
        return await self._ask(lambda kube: kube.patch(kind, name, body, namespace, **options))

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None:
        await self._ask(lambda kube: kube.delete(kind, name, namespace))

    async def snapshot(self, kind: Kind) -> tuple[Manifests, str]:
        """As `LightkubeKube.snapshot`."""
        return await self._ask(lambda kube: kube.snapshot(kind))

    async def watch(self, kind: Kind, version: str) -> AsyncIterator[tuple[str, Manifest]]:
        """As `LightkubeKube.watch`."""
        client = self._client or await self._reconnect()
        async for change in client.watch(kind, version):
            yield change

    async def _ask(self, request: Callable[[LightkubeKube], Awaitable[Result]]) -> Result:
        client = self._client or await self._reconnect()
        try:
            try:
                return await request(client)
            except Unauthenticated:
                renewed = await self._reconnect()
                if renewed is client:
                    raise
                return await request(renewed)
        except Unauthenticated as error:
            raise ShootAccessRefused(
                f"{self._name}: the API server does not accept the credentials: {error}"
            ) from error
        except Forbidden as error:
            raise ShootAccessForbidden(
                f"{self._name}: {error}; grant the right to the user of the Secret with the access to this shoot"
            ) from error
        except Unavailable as error:
            await self._require_running()
            await self._reconnect()  # its address or certificate authority may have changed
            raise ShootUnreachable(f"{self._name}: the API server does not answer: {error}") from error

    async def _reconnect(self) -> LightkubeKube:
        """The client for the Secret as it is now; the same one if nothing of it has changed."""
        made_of = await self._credentials()
        if self._client is not None and made_of == self._made_of:
            return self._client
        try:
            connection = connection_from(
                made_of["kubeconfig"], f"{self._name}: Secret {made_of['secret']}", token=made_of.get("token")
            )
            client = self._connect(connection)
        except InvalidInput as error:
            raise ShootAccessInvalid(str(error)) from error
        done, self._retired, self._client, self._made_of = self._retired, self._client, client, made_of
        if done is not None:
            await done.close()
        return client

    async def _credentials(self) -> Manifest:
        """The kubeconfig of the first Secret of `SECRETS`, with its token if that is apart; `secret` is its name."""
        for name in SECRETS:
            found = await self._seed.get(SECRET, name, self._namespace)
            if found is None:
                continue
            if (kubeconfig := self._value(found, "kubeconfig")) is not None:
                return {"secret": name, "kubeconfig": kubeconfig}
            if (token := self._value(found, "token")) is not None:
                return {"secret": name, "kubeconfig": await self._generic_kubeconfig(), "token": token.strip()}
        await self._require_running()
        raise ShootAccessMissing(
            f"{self._name}: none of the Secrets {', '.join(SECRETS)} in namespace {self._namespace} of the seed has "
            "data.kubeconfig or data.token; create one of them"
        )

    async def _generic_kubeconfig(self) -> str:
        """The kubeconfig that the components of the control plane share; its user has no credentials."""
        cluster = await self._seed.get(CLUSTER, self._namespace)
        name = str(dig(cluster, "metadata", "annotations", GENERIC_KUBECONFIG_NAME) or GENERIC_KUBECONFIG)
        found = await self._seed.get(SECRET, name, self._namespace)
        kubeconfig = self._value(found, "kubeconfig") if found is not None else None
        if kubeconfig is None:
            raise ShootAccessMissing(
                f"{self._name}: Secret {SHOOT_ACCESS} has a token, but Secret {name} with the kubeconfig that belongs "
                "to it does not exist or has no data.kubeconfig"
            )
        return kubeconfig

    def _value(self, secret: Manifest, key: str) -> str | None:
        """One entry of the Secret as text; None if it is missing or empty."""
        try:
            encoded = (secret.get("data") or {}).get(key) or ""
            return base64.b64decode(encoded, validate=True).decode() or None
        except (binascii.Error, UnicodeDecodeError) as error:
            name = secret["metadata"]["name"]
            raise ShootAccessInvalid(f"{self._name}: Secret {name}: data.{key} is not base64 of text") from error

    async def _require_running(self) -> None:
        """Raise ShootNotRunning if the API server is not there or has no replica; says whether it is hibernated.

        Without the right to see that, it counts as running.
        """
        try:
            deployment = await self._seed.get(DEPLOYMENT, KUBE_API_SERVER, self._namespace)
        except Forbidden:
            return
        if deployment is not None and dig(deployment, "spec", "replicas") != 0:
            return
        shoot = dig(await self._seed.get(CLUSTER, self._namespace), "spec", "shoot")
        if dig(shoot, "spec", "hibernation", "enabled") or dig(shoot, "status", "hibernated"):
            raise ShootHibernated(f"{self._name} is hibernated, and its API server has no replica")
        why = "does not exist" if deployment is None else "has 0 replicas"
        raise ShootNotRunning(f"{self._name} has no API server: Deployment {KUBE_API_SERVER} {why}")

    @property
    def _name(self) -> str:
        return f"shoot {self._namespace}"
