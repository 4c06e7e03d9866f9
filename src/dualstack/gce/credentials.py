"""Bearer tokens of a service account for Compute Engine, from google-auth.

google-auth is synchronous and its transports need further dependencies. A token is fetched once an hour, so a thread
and the standard library's HTTP client are enough.
"""

from __future__ import annotations

import asyncio
import importlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from dualstack.gce.errors import ComputeRefusal, Transient, Unauthenticated
from dualstack.model.errors import InvalidInput
from dualstack.model.urls import is_loopback

SCOPE = "https://www.googleapis.com/auth/compute"
CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""For credentials of people, which may have to impersonate a service account."""
TIMEOUT = 30.0
"""Wall seconds for one answer of the token endpoint."""


class Credentials(Protocol):
    """Provides the value of the Authorization header."""

    async def authorization(self) -> str | None:
        """`Bearer <token>`, or None to send no header; Unauthenticated or Transient if no token can be had."""
        ...


class Anonymous:
    """Sends no header, for endpoints that need none."""

    async def authorization(self) -> str | None:
        return None


class GoogleCredentials:
    """Wraps credentials of google-auth and refreshes them in a thread before they expire."""

    def __init__(self, credentials: Any, remedy: str = "") -> None:
        """remedy: what to do when they no longer give a token, as a clause."""
        self._credentials = credentials
        self._remedy = remedy
        self._lock = asyncio.Lock()

    @classmethod
    def service_account(cls, info: Mapping[str, Any]) -> GoogleCredentials:
        """From the content of `serviceaccount.json`; Unauthenticated if the key cannot be used."""
        module: Any = importlib.import_module("google.oauth2.service_account")
        try:
            return cls(module.Credentials.from_service_account_info(dict(info), scopes=[SCOPE]))
        except (ValueError, TypeError, KeyError) as error:  # google-auth's MalformedError is a ValueError
            raise Unauthenticated("invalid_client", f"the service account key cannot be used: {error}") from error

    @classmethod
    def found(cls, file: Path | None = None, impersonate: str = "") -> GoogleCredentials:
        """From a credentials file of any type, else Application Default Credentials. InvalidInput without usable ones.

        impersonate: email of the service account on whose behalf requests are sent.
        """
        auth: Any = importlib.import_module("google.auth")
        failures: Any = importlib.import_module("google.auth.exceptions")
        try:
            if file is not None:
                credentials, _ = auth.load_credentials_from_file(str(file), scopes=[CLOUD_SCOPE], request=_send)
            else:
                credentials, _ = auth.default(scopes=[CLOUD_SCOPE], request=_send)
        except (failures.GoogleAuthError, OSError, ValueError, TypeError, AttributeError) as error:
            # The last two are what google-auth raises for JSON that is no object.
            where = f"--credentials {file}" if file else "Application Default Credentials"
            other = "--credentials FILE" if file is None else "the key of a service account"
            login = "run `gcloud auth application-default login`" if file is None else "pass the file that it writes"
            raise InvalidInput(f"{where}: {_words(error)}; {login}, or pass {other}") from error
        if impersonate:
            module: Any = importlib.import_module("google.auth.impersonated_credentials")
            credentials = module.Credentials(credentials, target_principal=impersonate, target_scopes=[SCOPE])
        renew = "get a new file for --credentials" if file else "run `gcloud auth application-default login`"
        return cls(credentials, renew)

    @property
    def valid(self) -> bool:
        """Whether the present token can still be used."""
        return bool(self._credentials.valid)

    async def authorization(self) -> str | None:
        if not self._credentials.valid:
            async with self._lock:
                if not self._credentials.valid:
                    await asyncio.to_thread(self._refresh)
        return f"Bearer {self._credentials.token}"

    def _refresh(self) -> None:
        failures: Any = importlib.import_module("google.auth.exceptions")
        try:
            self._credentials.refresh(_send)
        except failures.GoogleAuthError as error:
            passing = isinstance(error, failures.TransportError) or error.retryable
            raise _no_token(error, "" if passing else self._remedy, passing=passing) from error


def _words(error: Exception) -> str:
    """One clause. The second argument of google-auth's errors is another error, with the content of the file."""
    if isinstance(error, (TypeError, AttributeError)):
        return "it is not a JSON object"
    return str(error if isinstance(error, OSError) or not error.args else error.args[0]).rstrip(".")


def _no_token(error: Exception, remedy: str, *, passing: bool) -> ComputeRefusal:
    words = "; ".join(filter(None, (f"cannot fetch token: {_words(error)}", remedy)))
    return Transient("tokenUnavailable", words) if passing else Unauthenticated("invalid_client", words)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The part of an HTTP answer that google-auth reads."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Refused(urllib.request.HTTPErrorProcessor):
    """Returns answers of every status; google-auth reads the status itself."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        return response

    https_response = http_response


def _send(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_unused: object,
) -> _Answer:
    """google-auth's transport: one request, over http:// as well as https://."""
    failures: Any = importlib.import_module("google.auth.exceptions")
    if urlsplit(url).scheme not in ("http", "https"):
        raise failures.TransportError(f"token endpoint {url}: only http and https are supported")
    handlers: list[urllib.request.BaseHandler] = [_Refused()]
    if is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)  # noqa: S310 (checked above)
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout or TIMEOUT) as response:
            return _Answer(response.status, dict(response.headers.items()), response.read())
    except (OSError, urllib.error.URLError) as error:
        raise failures.TransportError(f"token endpoint {url}: {error}") from error
