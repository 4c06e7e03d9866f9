"""Workload Identity: the garden's token, renewed in its Secret, is exchanged for one of Google Cloud."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.clients.gce.conftest import Server

from dualstack.clock import ScaledClock
from dualstack.gce import ComputeClients
from dualstack.gce.access import project_of
from dualstack.model.errors import InvalidInput

CONFIG = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/g",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/etc/shadow"},
}


def secret(jwt: str = "garden-1", *, embedded: bool = False, **config: Any) -> dict[str, Any]:
    wanted = {**CONFIG, **config}
    data = {"token": jwt, "projectID": "proj-1", "credentialsConfig": json.dumps(wanted)}
    if embedded:
        kind = {"apiVersion": "gcp.provider.extensions.gardener.cloud/v1alpha1", "kind": "WorkloadIdentityConfig"}
        data = {"token": jwt, "config": json.dumps({**kind, "projectID": "proj-1", "credentialsConfig": wanted})}
    return {"data": {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}}


@pytest.mark.parametrize("embedded", [False, True])
async def test_the_token_of_the_garden_is_exchanged(server: Server, clock: ScaledClock, embedded: bool) -> None:
    clients = ComputeClients(clock, endpoint=server.url)
    answer = {"access_token": "cloud", "expires_in": 3600, "issued_token_type": "x", "token_type": "Bearer"}
    server.on("POST", "v1/token", (200, answer))
    server.on("GET", "global/networks/n", (200, {"name": "n"}))
    given = secret(embedded=embedded, token_url=server.url + "/v1/token")
    client = clients.of(given)
    assert (client.project, project_of(given)) == ("proj-1", "proj-1")
    await client.get("global/networks/n")
    (asked,) = server.calls("GET", "global/networks/n")
    assert asked.headers["Authorization"] == "Bearer cloud"
    await clients.close()


async def test_x5_a_rotated_token_is_read_again_before_each_exchange(server: Server, clock: ScaledClock) -> None:
    """Given an access token that has expired in the middle of a reconcile, when the next request is sent, then the
    token that the Secret has by then is exchanged, by the same client."""
    clients = ComputeClients(clock, endpoint=server.url)
    short = {"access_token": "cloud", "expires_in": 1, "issued_token_type": "x", "token_type": "Bearer"}
    server.on("POST", "v1/token", (200, short), (200, short))
    server.on("GET", "global/networks/n", (200, {"name": "n"}), (200, {"name": "n"}))
    url = server.url + "/v1/token"
    tokens = iter(["garden-2", "garden-3"])

    async def reread() -> dict[str, Any]:
        return secret(next(tokens), token_url=url)

    client = clients.of(secret(token_url=url), reread)
    await client.get("global/networks/n")
    await client.get("global/networks/n")
    bodies = [str(asked.body) for asked in server.calls("POST", "v1/token")]
    assert ["garden-2" in bodies[0], "garden-3" in bodies[1]] == [True, True], bodies
    assert clients.of(secret("garden-4", token_url=url)) is client
    await clients.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "service_account"}, "must be external_account"),
        ({"audience": ""}, "has no audience"),
        ({"token_url": "https://169.254.169.254/token"}, "is not an address of googleapis.com"),
        ({"token_url": "https://sts.googleapis.com.example.org/v1/token"}, "is not an address of googleapis.com"),
        ({"token_url": "http://sts.googleapis.com/v1/token"}, "is not an address of googleapis.com"),
        ({"service_account_impersonation_url": "https://example.org"}, "is not an address of googleapis.com"),
    ],
)
def test_a_configuration_that_leads_elsewhere_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        ComputeClients(ScaledClock()).of(secret(**change))


def test_a_secret_without_a_token_names_the_token_requestor() -> None:
    with pytest.raises(InvalidInput, match="has no token; look at Gardener's token requestor"):
        ComputeClients(ScaledClock()).of(secret(""))
