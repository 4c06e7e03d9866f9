"""google-cloud-compute and google-api-python-client execute the same story as the clients in other languages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from dualstack_sim.compute.api.backend import Compute
from tests.contract.story import (
    CURRENT,
    LIFE,
    PROJECT,
    REGION,
    SETTING,
    WORLDS,
    ZONE,
    Json,
    Step,
    check_end_of_life,
    populate,
    refused,
)
from tests.sim.compute.cloud import make, served

ANONYMOUS: Any = AnonymousCredentials
Outcome = Callable[[Step], str]
"""Executes a step: "" for success, the HTTP status of a refusal, or the code of an operation's error."""


class Generated:
    """google-cloud-compute. It cannot send an empty list, and the story sends none.

    Source: docs/reference/compute-engine.md#empty-alias-list.
    """

    def __init__(self, root: str) -> None:
        self._settings: Json = {"credentials": ANONYMOUS(), "client_options": ClientOptions(api_endpoint=root)}

    def _client(self, service: str) -> Any:
        return getattr(compute_v1, f"{service[0].upper()}{service[1:]}Client")(**self._settings)

    def outcome(self, step: Step) -> str:
        document = dict(step.where)
        if step.body:
            document[step.resource] = self._body(step)
        verb = step.verb[0].upper() + step.verb[1:]
        named = step.service if step.verb == "list" else step.singular
        name = f"{verb}{named.capitalize()}Request"
        request = getattr(compute_v1, name).from_json(json.dumps(document))
        method = re.sub(r"([A-Z])", r"_\1", step.verb).lower()
        client = self._client(step.service)
        try:
            if step.verb in ("get", "list"):
                getattr(client, step.verb)(request=request)
                return ""
            operation = getattr(client, f"{method}_unary")(request=request)
            return self._finished(operation) if step.waits else ""
        except exceptions.GoogleAPICallError as refused:
            return str(refused.code.value if isinstance(refused.code, HTTPStatus) else refused.code)

    def _body(self, step: Step) -> Json:
        if step.body.get("fingerprint") != CURRENT:
            return step.body
        where = {key: value for key, value in step.where.items() if key != "networkInterface"}
        where = {re.sub(r"([A-Z])", r"_\1", key).lower(): value for key, value in where.items()}
        found = self._client(step.service).get(**where)
        part = found.network_interfaces[0] if step.service == "instances" else found
        return {**step.body, "fingerprint": part.fingerprint}

    def _finished(self, operation: Any) -> str:
        while operation.status != compute_v1.Operation.Status.DONE:
            where = {"project": PROJECT, "operation": operation.name}
            if operation.zone:
                operation = self._client("zoneOperations").wait(zone=ZONE, **where)
            elif operation.region:
                operation = self._client("regionOperations").wait(region=REGION, **where)
            else:
                operation = self._client("globalOperations").wait(**where)
        return operation.error.errors[0].code if operation.error.errors else ""


class Discovered:
    """google-api-python-client, which builds itself from the discovery document."""

    def __init__(self, root: str) -> None:
        options = {"api_endpoint": f"{root}/compute/v1/"}
        self._service: Any = build("compute", "v1", credentials=ANONYMOUS(), client_options=options)

    def outcome(self, step: Step) -> str:
        body = {"body": self._body(step)} if step.body else {}
        method = getattr(getattr(self._service, step.service)(), step.verb)
        try:
            answer = method(**step.where, **body).execute()
        except HttpError as refused:
            return str(refused.status_code)
        return self._finished(answer) if step.waits and step.verb not in ("get", "list") else ""

    def _body(self, step: Step) -> Json:
        if step.body.get("fingerprint") != CURRENT:
            return step.body
        where = {key: value for key, value in step.where.items() if key != "networkInterface"}
        found = getattr(self._service, step.service)().get(**where).execute()
        part = found["networkInterfaces"][0] if step.service == "instances" else found
        return {**step.body, "fingerprint": part["fingerprint"]}

    def _finished(self, operation: Json) -> str:
        while operation["status"] != "DONE":
            place = next((place for place in ("zone", "region") if place in operation), "")
            where = {place: operation[place].rpartition("/")[2]} if place else {}
            waiting: Any = getattr(self._service, f"{place or 'global'}Operations")()
            operation = waiting.wait(project=PROJECT, operation=operation["name"], **where).execute()
        return str(operation["error"]["errors"][0]["code"]) if "error" in operation else ""


CLIENTS: dict[str, type[Generated] | type[Discovered]] = {
    "google-cloud-compute": Generated,
    "google-api-python-client": Discovered,
}


@contextmanager
def client_of(name: str, compute: Compute) -> Iterator[Outcome]:
    with served(compute) as root:
        yield CLIENTS[name](root).outcome


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_executes_the_migration(name: str) -> None:
    compute, _, _ = make(SETTING)
    with client_of(name, compute) as outcome:
        for step in LIFE:
            assert outcome(step) == "", step
        check_end_of_life(compute)


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("world", WORLDS)
def test_a_client_is_refused(name: str, world: str) -> None:
    setting, steps = WORLDS[world]
    compute, _, _ = make(setting)
    populate(compute)
    with client_of(name, compute) as outcome:
        assert refused([outcome(step) for step in steps], steps) == []
