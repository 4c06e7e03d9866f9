"""One Compute client for each service account, read from the Secret `cloudprovider`."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from dualstack.clock import Clock
from dualstack.gce.client import DEFAULT_ENDPOINT, ComputeClient, endpoint_root
from dualstack.gce.credentials import Credentials, GoogleCredentials
from dualstack.model.errors import InvalidInput

KEY = "serviceaccount.json"
"""The key of the Secret that holds the service account (docs/objects.md)."""

CredentialsFor = Callable[[Mapping[str, Any]], Credentials]


class ComputeClients:
    """Keeps one client for each service account. InvalidInput for an endpoint that is not a URL.

    before_change: as `ComputeClient.before_change`, of every client.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        endpoint: str = DEFAULT_ENDPOINT,
        credentials_for: CredentialsFor = GoogleCredentials.service_account,
        before_change: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint_root(endpoint)
        self._credentials_for = credentials_for
        self._before_change = before_change
        self._clients: dict[str, ComputeClient] = {}

    def of(self, secret: Mapping[str, Any]) -> ComputeClient:
        """The client for the service account key in a Secret. InvalidInput or Unauthenticated without a usable key."""
        info, digest = service_account(secret)
        client = self._clients.get(digest)
        if client is None:
            client = ComputeClient(
                info["project_id"], self._clock, credentials=self._credentials_for(info), endpoint=self._endpoint
            )
            client.before_change = self._before_change
            self._clients[digest] = client
        return client

    def all(self) -> list[ComputeClient]:
        """The clients that were made so far."""
        return list(self._clients.values())

    async def close(self) -> None:
        """Close every client."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()


def service_account(secret: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The service account in the Secret, and its digest. Raises InvalidInput."""
    encoded = (secret.get("data") or {}).get(KEY)
    if not encoded:
        raise InvalidInput(f"secret has no key {KEY}")
    try:
        raw = base64.b64decode(encoded, validate=True)
        info = msgspec.json.decode(raw)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise InvalidInput(f"secret key {KEY} is not a JSON document: {error}") from error
    if not isinstance(info, dict) or not isinstance(info.get("project_id"), str) or not info["project_id"]:
        raise InvalidInput(f"secret key {KEY} has no project_id")
    return info, hashlib.sha256(raw).hexdigest()
