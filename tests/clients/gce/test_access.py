"""Credentials: a service account from a Secret, its token endpoint, and one client for each account."""

from __future__ import annotations

import base64
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.clients.gce.conftest import Server

from dualstack.clock import ScaledClock
from dualstack.gardener.error_codes import error_codes
from dualstack.gce import ComputeClients
from dualstack.gce.credentials import GoogleCredentials
from dualstack.gce.errors import Transient, Unauthenticated
from dualstack.model.errors import InvalidInput

NOWHERE = "http://127.0.0.1:1/token"
"""An unused port."""


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


def secret(**fields: Any) -> dict[str, Any]:
    account = {"type": "service_account", "project_id": "proj-1", "client_email": "a@proj-1.iam", **fields}
    return {"data": {"serviceaccount.json": base64.b64encode(json.dumps(account).encode()).decode()}}


async def test_a_token_is_fetched_once_and_sent_with_each_request(
    server: Server, clock: ScaledClock, private_key: str
) -> None:
    clients = ComputeClients(clock, endpoint=server.url + "/compute/v1")
    server.on("POST", "token", (200, {"access_token": "tok", "expires_in": 3600, "token_type": "Bearer"}))
    server.on("GET", "global/networks/n", (200, {"name": "n"}))
    client = clients.of(secret(private_key=private_key, token_uri=server.url + "/token"))
    await client.get("global/networks/n")
    await client.get("global/networks/n")
    assert len(server.calls("POST", "token")) == 1
    assert {asked.headers["Authorization"] for asked in server.calls("GET", "global/networks/n")} == {"Bearer tok"}
    await clients.close()


async def test_one_account_has_one_client(server: Server, clock: ScaledClock, private_key: str) -> None:
    clients = ComputeClients(clock, endpoint=server.url)
    first = secret(private_key=private_key, token_uri=server.url + "/token")
    other = secret(private_key=private_key, token_uri=server.url + "/token", project_id="proj-2")
    assert clients.of(first) is clients.of(json.loads(json.dumps(first)))
    assert clients.of(other) is not clients.of(first)
    assert clients.of(other).project == "proj-2"
    await clients.close()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({}, "no key serviceaccount.json"),
        ({"data": {"serviceaccount.json": "%%%"}}, "not a JSON document"),
        ({"data": {"serviceaccount.json": base64.b64encode(b"{").decode()}}, "not a JSON document"),
        ({"data": {"serviceaccount.json": base64.b64encode(b"[]").decode()}}, "no project_id"),
    ],
)
async def test_a_secret_without_a_usable_account_is_refused_with_the_reason(
    clock: ScaledClock, broken: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        ComputeClients(clock).of(broken)


async def test_an_unusable_key_is_an_authentication_error(clock: ScaledClock) -> None:
    with pytest.raises(Unauthenticated) as caught:
        ComputeClients(clock).of(secret(private_key="no key", token_uri=NOWHERE))
    assert error_codes(caught.value) == ("ERR_INFRA_UNAUTHENTICATED",)


async def test_a_refused_token_differs_from_an_unreachable_token_endpoint(
    server: Server, clock: ScaledClock, private_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dualstack.gce.client.ATTEMPTS", 1)
    clients = ComputeClients(clock, endpoint=server.url)
    server.on("POST", "token", (401, {"error": "invalid_client", "error_description": "no such account"}))
    refused = clients.of(secret(private_key=private_key, token_uri=server.url + "/token"))
    with pytest.raises(Unauthenticated, match="no such account"):
        await refused.get("global/networks/n")
    silent = clients.of(secret(private_key=private_key, token_uri=NOWHERE))
    with pytest.raises(Transient, match="cannot fetch token"):
        await silent.get("global/networks/n")
    await clients.close()


async def test_an_expired_login_is_one_sentence_that_says_how_to_log_in_again(server: Server) -> None:
    server.on("POST", "token", (400, {"error": "invalid_grant", "error_description": "Token has been expired."}))
    module: Any = importlib.import_module("google.oauth2.credentials")
    given = dict.fromkeys(("refresh_token", "client_id", "client_secret"), "x")
    login = module.Credentials(None, token_uri=server.url + "/token", **given)
    with pytest.raises(Unauthenticated) as refused:
        await GoogleCredentials(login, "run `gcloud auth application-default login`").authorization()
    assert str(refused.value) == (
        "invalid_client: cannot fetch token: invalid_grant: Token has been expired; "
        "run `gcloud auth application-default login`"
    )


@pytest.mark.parametrize("endpoint", ["", "nowhere", "ftp://example.org", "http://"])
def test_an_invalid_endpoint_is_refused_before_the_first_request(endpoint: str, clock: ScaledClock) -> None:
    with pytest.raises(InvalidInput, match="must be an http or https URL"):
        ComputeClients(clock, endpoint=endpoint)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"null", "it is not a JSON object"),
        (b"[]", "it is not a JSON object"),
        (b'"x"', "it is not a JSON object"),
        (b"\xce\x00", "is not a valid json file"),
        (b"", "is not a valid json file"),
        (b"{}", "does not have a valid type"),
    ],
)
def test_a_credentials_file_that_cannot_be_used_is_one_clause_without_its_content(
    content: bytes, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "credentials.json"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match="--credentials") as refused:
        GoogleCredentials.found(file)
    assert words in str(refused.value)
    assert "Error(" not in str(refused.value)
