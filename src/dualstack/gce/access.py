"""One Compute client for each service account or workload identity, read from the Secret `cloudprovider`."""

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
from dualstack.gce.workload_identity import Reread, WorkloadIdentity, WorkloadIdentityCredentials
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
        self._identities: dict[str, WorkloadIdentityCredentials] = {}

    def of(self, secret: Mapping[str, Any], reread: Reread | None = None) -> ComputeClient:
        """The client for the service account key or the workload identity in a Secret.

        reread: reads the Secret again, for a new token of the workload identity. InvalidInput or Unauthenticated
        without usable credentials.
        """
        if (identity := WorkloadIdentity.of(secret)) is not None:
            return self._of_identity(identity, reread)
        info, digest = service_account(secret)
        client = self._clients.get(digest)
        if client is None:
            client = ComputeClient(
                info["project_id"], self._clock, credentials=self._credentials_for(info), endpoint=self._endpoint
            )
            client.before_change = self._before_change
            self._clients[digest] = client
        return client

    def _of_identity(self, identity: WorkloadIdentity, reread: Reread | None) -> ComputeClient:
        digest = hashlib.sha256(msgspec.json.encode((identity.project, identity.config), order="sorted")).hexdigest()
        credentials = self._identities.get(digest)
        if credentials is None:
            credentials = self._identities[digest] = WorkloadIdentityCredentials(identity, reread)
            client = ComputeClient(identity.project, self._clock, credentials=credentials, endpoint=self._endpoint)
            client.before_change = self._before_change
            self._clients[digest] = client
        credentials.renew(identity)
        return self._clients[digest]

    def all(self) -> list[ComputeClient]:
        """The clients that were made so far."""
        return list(self._clients.values())

    async def close(self) -> None:
        """Close every client."""
        clients, self._clients = self._clients, {}
        self._identities = {}
        for client in clients.values():
            await client.close()


def project_of(secret: Mapping[str, Any]) -> str:
    """The project of the credentials in a Secret. Raises InvalidInput."""
    identity = WorkloadIdentity.of(secret)
    return identity.project if identity is not None else str(service_account(secret)[0]["project_id"])


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
