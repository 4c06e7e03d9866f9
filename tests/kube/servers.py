"""The two API servers that a corpus runs against."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import aiohttp
from yarl import URL

from dualstack.clock import ScaledClock
from dualstack.model.kinds import DEPLOYMENT
from dualstack_sim.actors.service_addresses import FLAG, ServiceAddresses
from dualstack_sim.chance import Chance
from dualstack_sim.kube.access import ADMIN_TOKEN
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from tests.kube.cluster import Cluster, parsed, until
from tests.kube.corpus import DEFINITION, Answer, Request, Seen, answer, encoded
from tests.kube.corpus_access import LOST, READER, ROLES
from tests.support.loopback import on_loopback

_SEED = "seed"
_NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "corpus"}}
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PREPARATION = (
    Request("namespace", "POST", "/api/v1/namespaces", _NAMESPACE),
    Request("definition", "POST", _CRDS, DEFINITION),
    *ROLES,
)


def answers_of_cluster(cluster: Cluster, requests: Iterable[Request]) -> dict[str, Answer]:
    """The answers of the real API server, by the names of the requests."""
    for request in _PREPARATION:
        assert cluster.request(request.method, request.path, request.body)[0] == 201
    account = "/api/v1/namespaces/corpus/serviceaccounts/default"
    until(lambda: cluster.get(account) is not None and _is_established(cluster), cluster.manager)
    until(lambda: _has_roles(cluster), cluster.api)
    found, seen = {}, Seen()
    for request in map(seen.completed, requests):
        headers = {name.replace("-", "_"): value for name, value in request.headers.items()}
        status, given, body = cluster.exchange(
            request.method, request.path, encoded(request), Content_Type=request.type, **headers
        )
        seen.note(body)
        found[request.name] = answer(status, given, body)
    return found


def _is_established(cluster: Cluster) -> bool:
    found = cluster.get(f"{_CRDS}/{DEFINITION['metadata']['name']}") or {}
    return any(
        condition["type"] == "Established" and condition["status"] == "True"
        for condition in found.get("status", {}).get("conditions") or ()
    )


def _has_roles(cluster: Cluster) -> bool:
    """Whether the authorizer, which reads from caches, has the roles and bindings of the corpus."""
    asked = (
        (READER, {"verb": "get", "resource": "nodes"}),
        (READER, {"verb": "patch", "resource": "configmaps", "namespace": "corpus"}),
        (LOST, {"verb": "get", "resource": "pods", "namespace": "corpus"}),
    )
    path, answers = "/apis/authorization.k8s.io/v1/subjectaccessreviews", []
    for user, attributes in asked:
        _, review = cluster.request("POST", path, {"spec": {"user": user, "resourceAttributes": attributes}})
        answers.append(review["status"])
    *allowed, lost = answers
    return all(each["allowed"] for each in allowed) and lost.get("reason", "").count("not found") == 2


def answers_of_simulation(ranges: str, requests: Iterable[Request]) -> dict[str, Answer]:
    """The answers of the simulated API server whose kube-apiserver has these service ranges."""
    return asyncio.run(_simulated(ranges, requests))


async def _simulated(ranges: str, requests: Iterable[Request]) -> dict[str, Answer]:
    store = KubeStore(ScaledClock(), Chance(1))
    store.create(DEPLOYMENT, _api_server(ranges), namespace="default")
    store.admission.register("", "services", ServiceAddresses(store, "default"))
    found = {}
    administrator = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    application = create_app(store, rbac=True)
    async with on_loopback(application) as url, aiohttp.ClientSession(url, headers=administrator) as session:
        seen = Seen()
        for request in map(seen.completed, (*_PREPARATION, *requests)):
            found[request.name] = await _answer(session, request, seen)
    return {request.name: found[request.name] for request in requests}


async def _answer(session: aiohttp.ClientSession, request: Request, seen: Seen) -> Answer:
    headers = {"Content-Type": request.type, **request.headers}
    url = URL(request.path, encoded=True)
    async with session.request(request.method, url, data=encoded(request), headers=headers) as response:
        text = await response.read()
        named = {name.lower(): response.headers.getall(name) for name in response.headers}
    body = parsed(text)
    seen.note(body)
    return answer(response.status, named, body)


def _api_server(ranges: str) -> dict[str, Any]:
    container = {"name": "kube-apiserver", "image": "k", "command": ["kube-apiserver", f"--{FLAG}={ranges}"]}
    template = {"metadata": {"labels": {"role": "kube-apiserver"}}, "spec": {"containers": [container]}}
    selector = {"matchLabels": {"role": "kube-apiserver"}}
    return {"metadata": {"name": "kube-apiserver"}, "spec": {"selector": selector, "template": template}}
