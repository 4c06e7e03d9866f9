"""Workload Identity: a token of the garden instead of a service account key (docs/reference/gardener.md#credentials).

The Secret has the configuration of an external account, and the token, which the token requestor renews. Only the
token and two addresses of Google are used: the configuration comes from the owner of the Shoot, and may neither name a
program, nor a file, nor an address of our network.
"""

from __future__ import annotations

import base64
import binascii
import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from dualstack.gce.credentials import CLOUD_SCOPE, GoogleCredentials
from dualstack.gce.errors import Unauthenticated
from dualstack.model.errors import InvalidInput
from dualstack.model.urls import is_loopback

CONFIG, TOKEN, PROJECT, EMBEDDED = "credentialsConfig", "token", "projectID", "config"
"""Keys of the Secret. `config` is a WorkloadIdentityConfig, which has `projectID` and `credentialsConfig` inside."""

Reread = Callable[[], Awaitable[Mapping[str, Any] | None]]
"""Reads the Secret again; None if it is gone."""


@dataclass(frozen=True, slots=True)
class WorkloadIdentity:
    """project: where requests go. config: the external account. token: that of the garden at the time of reading."""

    project: str
    config: Mapping[str, Any]
    token: str

    @classmethod
    def of(cls, secret: Mapping[str, Any]) -> WorkloadIdentity | None:
        """What the Secret has, or None if it is not one of Workload Identity. InvalidInput if it cannot be used."""
        data = secret.get("data") or {}
        if CONFIG not in data and EMBEDDED not in data:
            return None
        embedded = _document(data, EMBEDDED) if EMBEDDED in data else {}
        config = _document(data, CONFIG) if CONFIG in data else embedded.get(CONFIG)
        project = _text(data, PROJECT) if PROJECT in data else embedded.get(PROJECT)
        if not isinstance(config, Mapping) or config.get("type") != "external_account":
            raise InvalidInput(f"secret key {CONFIG}: its type must be external_account")
        if not isinstance(project, str) or not project:
            raise InvalidInput(f"secret of a workload identity has no {PROJECT}")
        for name in ("audience", "subject_token_type", "token_url"):
            if not isinstance(config.get(name), str) or not config[name]:
                raise InvalidInput(f"secret key {CONFIG} has no {name}")
        for name in ("token_url", "service_account_impersonation_url"):
            if (url := config.get(name)) and not _is_of_google(str(url)):
                raise InvalidInput(f"secret key {CONFIG}: {name} {url!r} is not an address of googleapis.com")
        if not (token := _text(data, TOKEN) if TOKEN in data else ""):
            raise InvalidInput(f"secret of a workload identity has no {TOKEN}; look at Gardener's token requestor")
        return cls(project, config, token)


class WorkloadIdentityCredentials:
    """Exchanges the token for one of Google Cloud (`dualstack.gce.credentials.Credentials`).

    The Secret is read again before each exchange, because its token lives shorter than a migration.
    """

    def __init__(self, identity: WorkloadIdentity, reread: Reread | None = None) -> None:
        pool: Any = importlib.import_module("google.auth.identity_pool")
        self._reread = reread
        self._token = identity.token
        config = identity.config
        try:
            made = pool.Credentials(
                audience=config["audience"],
                subject_token_type=config["subject_token_type"],
                token_url=config["token_url"],
                subject_token_supplier=self,
                service_account_impersonation_url=config.get("service_account_impersonation_url"),
                scopes=[CLOUD_SCOPE],
            )
        except (ValueError, TypeError) as error:
            raise Unauthenticated("invalid_client", f"the workload identity cannot be used: {error}") from error
        self._google = GoogleCredentials(made)

    def renew(self, identity: WorkloadIdentity) -> None:
        """Use the token that the Secret has now."""
        self._token = identity.token

    def get_subject_token(self, context: object, request: object) -> str:
        """The garden's token, for google-auth (`google.auth.identity_pool.SubjectTokenSupplier`)."""
        return self._token

    async def authorization(self) -> str | None:
        if self._reread is not None and not self._google.valid:
            secret = await self._reread()
            if secret is not None and (identity := WorkloadIdentity.of(secret)) is not None:
                self._token = identity.token
        return await self._google.authorization()


def _is_of_google(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return is_loopback(url) or (parts.scheme == "https" and (host + ".").endswith(".googleapis.com."))


def _text(data: Mapping[str, str], key: str) -> str:
    try:
        return base64.b64decode(data[key], validate=True).decode().strip()
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"secret key {key} is not base64 of text: {error}") from error


def _document(data: Mapping[str, str], key: str) -> Mapping[str, Any]:
    """JSON or YAML."""
    try:
        found = yaml.safe_load(_text(data, key))
    except yaml.YAMLError as error:
        raise InvalidInput(f"secret key {key} is not a document: {' '.join(str(error).split())}") from error
    if not isinstance(found, Mapping):
        raise InvalidInput(f"secret key {key} is not an object")
    return found
