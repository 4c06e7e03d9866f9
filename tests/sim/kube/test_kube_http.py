"""The API over HTTP, request by request."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from dualstack.model.kinds import CONFIG_MAP, CRD, DEPLOYMENT, EVENT, NODE, POD, SERVICE_ACCOUNT, Manifest
from dualstack_sim.kube.store import KubeStore
from tests.sim.kube.objects import BUDGET, WIDGET, config_map, pod, ready, widget, widget_definition

PATH = "/api/v1/namespaces/default/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


async def ask(http: aiohttp.ClientSession, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
    async with http.request(method, path, **more) as response:
        document: dict[str, Any] = await response.json(content_type=None)
        return response.status, document


async def test_verbs(http: aiohttp.ClientSession) -> None:
    status, made = await ask(http, "POST", PATH, json=config_map("a"))
    assert (status, made["kind"]) == (201, "ConfigMap")
    assert await ask(http, "GET", f"{PATH}/a") == (200, made)
    made["data"] = {"key": "2"}
    status, made = await ask(http, "PUT", f"{PATH}/a", json=made)
    assert (status, made["data"]) == (200, {"key": "2"})
    headers = {"Content-Type": "application/merge-patch+json"}
    status, made = await ask(http, "PATCH", f"{PATH}/a", json={"data": {"key": None}}, headers=headers)
    assert (status, made["data"]) == (200, {})
    status, listed = await ask(http, "GET", "/api/v1/configmaps")
    assert (listed["kind"], listed["apiVersion"], len(listed["items"])) == ("ConfigMapList", "v1", 1)
    status, gone = await ask(http, "DELETE", f"{PATH}/a")
    assert (status, gone["status"], gone["details"]["uid"]) == (200, "Success", made["metadata"]["uid"])
    assert (await ask(http, "GET", f"{PATH}/a"))[1] == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "a" not found',
        "reason": "NotFound",
        "details": {"name": "a", "kind": "configmaps"},
        "code": 404,
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "code", "reason"),
    [
        ("POST", PATH, b"{", {}, 400, "BadRequest"),
        ("POST", PATH, b"[]", {}, 400, "BadRequest"),
        ("POST", PATH, b"null", {}, 400, "BadRequest"),
        ("POST", PATH, b"\xff\xfe", {}, 400, "BadRequest"),
        ("POST", PATH, b'{"metadata": 7}', {}, 400, "BadRequest"),
        ("POST", PATH, b'{"metadata": {"name": 7}}', {}, 400, "BadRequest"),
        ("POST", PATH, b'{"metadata": {"name": "a", "labels": {"a": 1}}}', {}, 400, "BadRequest"),
        ("POST", PATH, b'{"kind": "Secret", "metadata": {"name": "a"}}', {}, 400, "BadRequest"),
        ("POST", PATH, b'{"metadata": {"name": "a", "namespace": "b"}}', {}, 400, "BadRequest"),
        ("POST", PATH, b"{}", {}, 422, "Invalid"),
        ("POST", PATH, b": [", {"Content-Type": "application/yaml"}, 400, "BadRequest"),
        (
            "POST",
            PATH,
            b"k8s\x00",
            {"Content-Type": "application/vnd.kubernetes.protobuf"},
            415,
            "UnsupportedMediaType",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/pods",
            b'{"metadata":{"name":"a"},"spec":{"containers":[1]}}',
            {},
            400,
            "BadRequest",
        ),
        ("POST", "/api/v1/namespaces/default/pods", b'{"metadata":{"name":"a"},"spec":[]}', {}, 400, "BadRequest"),
        ("POST", PATH, b"\xd9\xd9\xf7", {"Content-Type": "application/cbor"}, 415, "UnsupportedMediaType"),
        ("POST", "/api/v1/nodes", b'{"metadata":{"name":"a"},"spec":{"podCIDRs":[1]}}', {}, 400, "BadRequest"),
        ("PATCH", f"{PATH}/a", b"{}", {"Content-Type": "application/json"}, 415, "UnsupportedMediaType"),
        ("PATCH", f"{PATH}/a", b"[]", {"Content-Type": "application/merge-patch+json"}, 400, "BadRequest"),
        ("PATCH", f"{PATH}/zzz", b"{}", {"Content-Type": "application/merge-patch+json"}, 404, "NotFound"),
        ("PUT", f"{PATH}/zzz", b'{"metadata": {"name": "zzz"}}', {}, 404, "NotFound"),
        ("PUT", f"{PATH}/a", b'{"metadata": {"name": "b"}}', {}, 400, "BadRequest"),
        ("DELETE", f"{PATH}/zzz", b"", {}, 404, "NotFound"),
        ("DELETE", f"{PATH}/a", b'{"gracePeriodSeconds": "x"}', {}, 400, "BadRequest"),
        ("DELETE", f"{PATH}/a", b'{"propagationPolicy": "x"}', {}, 422, "Invalid"),
        ("GET", f"{PATH}?limit=x", b"", {}, 400, "BadRequest"),
        ("GET", f"{PATH}?continue=x", b"", {}, 400, "BadRequest"),
        ("GET", f"{PATH}?resourceVersion=x", b"", {}, 400, "BadRequest"),
        ("GET", f"{PATH}?resourceVersion=99999", b"", {}, 504, "Timeout"),
        ("GET", f"{PATH}?labelSelector=a+b", b"", {}, 400, "BadRequest"),
        ("GET", f"{PATH}?fieldSelector=data.key=1", b"", {}, 400, "BadRequest"),
        ("GET", f"{PATH}?watch=1&fieldSelector=nonsense", b"", {}, 400, "BadRequest"),
        ("GET", PATH, b"", {"Accept": "application/cbor"}, 406, "NotAcceptable"),
        ("GET", f"{PATH}/a/status", b"", {}, 404, "NotFound"),
        ("GET", "/api/v1/gadgets", b"", {}, 404, "NotFound"),
        ("GET", "/api/v2/pods", b"", {}, 404, "NotFound"),
        ("GET", "/apis/apps/v1/namespaces/default", b"", {}, 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/nodes", b"", {}, 404, "NotFound"),
        ("GET", "/apis/apps/v7", b"", {}, 404, "NotFound"),
        ("POST", f"{PATH}/a", b"{}", {}, 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/configmaps", b"", {}, 405, "MethodNotAllowed"),
        ("OPTIONS", PATH, b"", {}, 405, "MethodNotAllowed"),
        ("POST", f"{PATH}?dryRun=Some", b'{"metadata": {"name": "b"}}', {}, 422, "Invalid"),
    ],
)
async def test_every_refusal_is_a_status(
    store: KubeStore,
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    code: int,
    reason: str,
) -> None:
    store.create(CONFIG_MAP, config_map("a"))
    before = store.snapshot()
    kind = {"Content-Type": "application/json"}
    status, document = await ask(http, method, path, data=body, headers={**kind, **headers})
    assert (status, document["code"], document["reason"]) == (code, code, reason)
    assert (document["kind"], document["status"]) == ("Status", "Failure")
    assert document["message"]
    assert store.snapshot() == before


@pytest.mark.parametrize("path", ["/somewhere/else", "/apis/nothing", "/apis/nothing/v1", "/apis/nothing/v1/things"])
async def test_a_path_outside_of_the_api_is_404_in_plain_text(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as response:
        assert (response.status, response.content_type) == (404, "text/plain")
        assert await response.text() == "404 page not found\n"


async def test_a_body_that_is_too_large(http: aiohttp.ClientSession) -> None:
    status, document = await ask(http, "POST", PATH, data=b" " * 4_000_000)
    assert (status, document["kind"]) == (413, "Status")


async def test_yaml_in_and_out(http: aiohttp.ClientSession) -> None:
    body = b"metadata:\n  name: a\ndata:\n  when: 2001-01-01T00:00:00Z\n"
    status, made = await ask(http, "POST", PATH, data=body, headers={"Content-Type": "application/yaml"})
    assert (status, made["data"]) == (201, {"when": "2001-01-01T00:00:00Z"})
    async with http.get(f"{PATH}/a", headers={"Accept": "application/yaml"}) as response:
        assert (await response.text()).startswith("apiVersion: v1\nkind: ConfigMap\n")


async def test_a_dry_run_returns_the_result_and_changes_nothing(store: KubeStore, http: aiohttp.ClientSession) -> None:
    before = store.storage.version
    status, made = await ask(http, "POST", f"{PATH}?dryRun=All", json=config_map("a"))
    assert (status, made["metadata"]["name"]) == (201, "a")
    assert (store.storage.version, store.get(CONFIG_MAP, "a", "default")) == (before, None)
    store.create(CONFIG_MAP, config_map("a"))
    before = store.storage.version
    _, patched = await ask(
        http,
        "PATCH",
        f"{PATH}/a?dryRun=All",
        json={"data": {"key": "2"}},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert patched["data"] == {"key": "2"}
    await ask(http, "DELETE", f"{PATH}/a?dryRun=All")
    assert store.storage.version == before


async def test_pages_show_one_instant(store: KubeStore, http: aiohttp.ClientSession) -> None:
    for name in "abcde":
        store.create(CONFIG_MAP, config_map(name))
    _, page = await ask(http, "GET", f"{PATH}?limit=2")
    assert page["metadata"]["remainingItemCount"] == 3
    version = page["metadata"]["resourceVersion"]
    store.create(CONFIG_MAP, config_map("bb"))
    store.delete(CONFIG_MAP, "d", "default")
    names = [each["metadata"]["name"] for each in page["items"]]
    while token := page["metadata"].get("continue"):
        _, page = await ask(http, "GET", PATH, params={"limit": "2", "continue": token})
        assert page["metadata"]["resourceVersion"] == version
        names += [each["metadata"]["name"] for each in page["items"]]
    assert names == list("abcde")


async def test_an_old_continue_token_is_gone(store: KubeStore, http: aiohttp.ClientSession) -> None:
    for name in "abc":
        store.create(CONFIG_MAP, config_map(name))
    _, page = await ask(http, "GET", f"{PATH}?limit=1")
    store.pager.forget()
    token = page["metadata"]["continue"]
    status, document = await ask(http, "GET", PATH, params={"limit": "1", "continue": token})
    assert (status, document["reason"]) == (410, "Expired")


async def test_delete_collection_takes_what_is_selected(store: KubeStore, http: aiohttp.ClientSession) -> None:
    for name in "abc":
        store.create(CONFIG_MAP, config_map(name, labels={"odd": str(name != "b")}))
    status, listed = await ask(http, "DELETE", f"{PATH}?labelSelector=odd=True")
    assert (status, len(listed["items"])) == (200, 2)
    assert [each["metadata"]["name"] for each in store.list(CONFIG_MAP, "default")] == ["b"]


async def test_scale_of_workloads_and_of_custom_resources(
    store: KubeStore, http: aiohttp.ClientSession, web_deployment: Manifest
) -> None:
    store.create(DEPLOYMENT, web_deployment)
    path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
    _, scale = await ask(http, "GET", path)
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 2}, "app=web")
    scale["spec"]["replicas"] = 5
    status, _ = await ask(http, "PUT", path, json=scale)
    deployment = store.get(DEPLOYMENT, "web", "default")
    assert deployment is not None
    assert (status, deployment["spec"]["replicas"], deployment["metadata"]["generation"]) == (200, 5, 2)
    assert (await ask(http, "PUT", path, json=scale))[0] == 409
    scale = {"spec": {"replicas": -1}}
    assert (await ask(http, "PUT", path, json=scale))[0] == 422
    store.create(CRD, widget_definition())
    store.create(WIDGET, widget("one", replicas=1))
    headers = {"Content-Type": "application/merge-patch+json"}
    path = "/apis/example.org/v1/namespaces/default/widgets/one/scale"
    status, scale = await ask(http, "PATCH", path, json={"spec": {"replicas": 3}}, headers=headers)
    assert (status, scale["spec"]["replicas"]) == (200, 3)
    assert (await ask(http, "GET", "/api/v1/namespaces/default/pods/p/scale"))[0] == 404


async def test_eviction_respects_the_budget(store: KubeStore, http: aiohttp.ClientSession) -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    store.create(BUDGET, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    for name in ("a", "b"):
        store.create(POD, pod(name, node="n", labels={"app": "web"}))
        store.patch(POD, name, ready(), "default", subresource="status")
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": {"gracePeriodSeconds": 7}}
    status, document = await ask(http, "POST", "/api/v1/namespaces/default/pods/a/eviction", json=body)
    assert (status, document["status"]) == (201, "Success")
    leaving = store.get(POD, "a", "default")
    assert leaving is not None
    assert leaving["metadata"]["deletionGracePeriodSeconds"] == 7
    status, document = await ask(http, "POST", "/api/v1/namespaces/default/pods/b/eviction", json=body)
    assert (status, document["reason"]) == (429, "TooManyRequests")
    assert document["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert document["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget web needs 1 healthy pods and has 1 currently",
        }
    ]
    store.create(BUDGET, {"metadata": {"name": "more", "namespace": "default"}, "spec": spec})
    status, document = await ask(http, "POST", "/api/v1/namespaces/default/pods/b/eviction", json=body)
    assert (status, document["reason"]) == (500, "InternalError")
    assert (await ask(http, "POST", "/api/v1/namespaces/default/pods/zzz/eviction", json=body))[0] == 404


async def test_binding_happens_once(store: KubeStore, http: aiohttp.ClientSession) -> None:
    store.create(POD, pod("p"))
    path = "/api/v1/namespaces/default/pods/p/binding"
    assert (await ask(http, "POST", path, json={"target": {"name": "n"}}))[0] == 201
    bound = store.get(POD, "p", "default")
    assert bound is not None
    assert (bound["spec"]["nodeName"], bound["status"]["conditions"][0]["type"]) == ("n", "PodScheduled")
    status, document = await ask(http, "POST", path, json={"target": {"name": "m"}})
    assert (status, 'already assigned to node "n"' in document["message"]) == (409, True)
    assert (await ask(http, "POST", path, json={}))[0] == 500


async def test_reviews_tokens_and_logs(store: KubeStore, http: aiohttp.ClientSession) -> None:
    body = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    status, review = await ask(http, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=body)
    assert (status, review["status"]["allowed"], review["spec"]) == (201, True, body["spec"])
    await ask(http, "POST", "/api/v1/namespaces/default/serviceaccounts", json={"metadata": {"name": "s"}})
    status, token = await ask(
        http, "POST", "/api/v1/namespaces/default/serviceaccounts/s/token", json={"spec": {"expirationSeconds": 600}}
    )
    assert (status, token["status"]["expirationTimestamp"]) == (201, "2025-06-15T15:16:40Z")
    store.create(POD, pod("p"))
    async with http.get("/api/v1/namespaces/default/pods/p/log") as response:
        assert (response.status, await response.text()) == (200, "")


async def test_discovery_lists_every_type(store: KubeStore, http: aiohttp.ClientSession) -> None:
    store.create(CRD, widget_definition())
    _, groups = await ask(http, "GET", "/apis")
    names = {group["name"]: group["preferredVersion"]["version"] for group in groups["groups"]}
    assert (names["apps"], names["example.org"]) == ("v1", "v1")
    _, core = await ask(http, "GET", "/api/v1")
    entries = {entry["name"]: entry for entry in core["resources"]}
    assert entries["pods/eviction"]["group"] == "policy"
    assert entries["nodes"]["shortNames"] == ["no"]
    assert "nodes/status" in entries
    _, custom = await ask(http, "GET", "/apis/example.org/v1beta1")
    assert {entry["name"] for entry in custom["resources"]} == {"widgets", "widgets/scale", "widgets/status"}
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
    async with http.get("/apis", headers=accept) as response:
        assert response.headers["Content-Type"] == accept["Accept"].split(",")[0]
        aggregated = await response.json(content_type=None)
    assert {item["metadata"]["name"] for item in aggregated["items"]} == set(names)
    for item in aggregated["items"]:
        for version in item["versions"]:
            _, classic = await ask(http, "GET", f"/apis/{item['metadata']['name']}/{version['version']}")
            plain = {entry["name"] for entry in classic["resources"] if "/" not in entry["name"]}
            assert {entry["resource"] for entry in version["resources"]} == plain
            assert version["freshness"] == "Current"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_health(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as response:
        assert (response.status, await response.text()) == (200, "ok")


async def test_openapi_names_every_kind(store: KubeStore, http: aiohttp.ClientSession) -> None:
    store.create(CRD, widget_definition())
    _, index = await ask(http, "GET", "/openapi/v3")
    assert {"api/v1", "apis/apps/v1", "apis/example.org/v1"} <= index["paths"].keys()
    _, document = await ask(http, "GET", index["paths"]["apis/example.org/v1"]["serverRelativeURL"])
    (schema,) = document["components"]["schemas"].values()
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "example.org", "version": "v1", "kind": "Widget"}]
    assert schema["properties"]["spec"]["description"] == "What the widget should be."
    patch = document["paths"]["/apis/example.org/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "fieldValidation" in [each["name"] for each in patch["parameters"]]
    assert (await ask(http, "GET", "/openapi/v2"))[1]["swagger"] == "2.0"
    assert (await ask(http, "GET", "/openapi/v3/apis/nothing/v1"))[0] == 404


async def rows(http: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
    """The rows of a table as maps from column to cell."""
    _, table = await ask(http, "GET", path, headers=TABLE)
    assert table["kind"] == "Table"
    names = [column["name"] for column in table["columnDefinitions"]]
    return [dict(zip(names, row["cells"], strict=True)) for row in table["rows"]]


async def test_tables(store: KubeStore, http: aiohttp.ClientSession, clock: Any) -> None:
    store.create(CRD, widget_definition())
    store.create(WIDGET, widget("one", replicas=4))
    store.patch(WIDGET, "one", ready(), "default", subresource="status")
    assert await rows(http, "/apis/example.org/v1/widgets") == [{"Name": "one", "Size": 4, "Ready": "True"}]
    labels = {"node-role.kubernetes.io/worker": ""}
    status = {**ready()["status"], "addresses": [{"type": "InternalIP", "address": "10.0.0.2"}]}
    store.create(NODE, {"metadata": {"name": "n", "labels": labels}, "spec": {"unschedulable": True}, "status": status})
    clock.time += 300
    (row,) = await rows(http, "/api/v1/nodes")
    assert (row["Status"], row["Roles"], row["Age"]) == ("Ready,SchedulingDisabled", "worker", "5m")
    assert row["Internal-IP"] == "10.0.0.2"
    store.create(POD, pod("p", node="n"))
    waiting = {"name": "main", "ready": False, "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    store.patch(POD, "p", {"status": {"containerStatuses": [waiting]}}, "default", subresource="status")
    (row,) = await rows(http, "/api/v1/pods")
    assert (row["Ready"], row["Status"], row["Restarts"]) == ("0/1", "CrashLoopBackOff", "2")
    store.delete(POD, "p", "default")
    (row,) = await rows(http, "/api/v1/namespaces/default/pods/p")
    assert row["Status"] == "Terminating"
    event = {"metadata": {"name": "e", "namespace": "default"}, "involvedObject": {"kind": "Node", "name": "n"}}
    store.create(EVENT, {**event, "reason": "Rebooted", "message": "again\n", "lastTimestamp": "2025-06-15T15:06:40Z"})
    (row,) = await rows(http, "/api/v1/events")
    assert (row["Last Seen"], row["Object"], row["Message"]) == ("5m", "node/n", "again")


async def test_every_type_can_be_shown_as_a_table(store: KubeStore, http: aiohttp.ClientSession) -> None:
    for resource in list(store.registry):
        if "list" not in resource.verbs:
            continue
        path = resource.as_kind().collection()
        _, table = await ask(http, "GET", path, headers=TABLE)
        names = [column["name"] for column in table["columnDefinitions"]]
        assert names[0] == "Name" or resource.plural == "events"
        assert all(len(row["cells"]) == len(names) for row in table["rows"])


async def test_metadata_alone(store: KubeStore, http: aiohttp.ClientSession) -> None:
    store.create(CONFIG_MAP, config_map("a"))
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    _, listed = await ask(http, "GET", PATH, headers=accept)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert "data" not in listed["items"][0]


APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}
REVIEWS = "/apis/authorization.k8s.io/v1/{}"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "words"),
    [
        ("GET", f"{PATH}?watch=1&resourceVersion=x", None, {}, 500, 'resourceVersion: Invalid value: "x"'),
        ("PATCH", f"{PATH}/a", {"metadata": {"uid": "x"}}, MERGE, 422, "metadata.uid: Invalid value"),
        ("PATCH", f"{PATH}/a", {"metadata": "x"}, MERGE, 422, "cannot unmarshal string"),
        ("PATCH", f"{PATH}/a", {"metadata": {"uid": 1}}, MERGE, 422, "cannot unmarshal number"),
        ("POST", f"{ACCOUNTS}/s/token", {"spec": []}, {}, 400, "cannot unmarshal array"),
        ("PATCH", f"{PATH}/a?fieldManager=m", {"metadata": {"name": "a"}}, APPLY, 400, "invalid object type: /, Kind="),
        ("POST", f"{ACCOUNTS}/s/token", {"spec": {"expirationSeconds": 599}}, {}, 422, "less than 10 minutes"),
        ("POST", f"{ACCOUNTS}/s/token", {"spec": {"expirationSeconds": "x"}}, {}, 400, "of type int64"),
        ("POST", REVIEWS.format("selfsubjectaccessreviews"), {"spec": {}}, {}, 422, "exactly one of nonResource"),
        ("POST", REVIEWS.format("subjectaccessreviews"), {"spec": {}}, {}, 422, "at least one of user or group"),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {}}, {}, 400, "token is required"),
    ],
)
async def test_requests_that_the_real_server_refuses(
    store: KubeStore,
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Any,
    headers: dict[str, str],
    status: int,
    words: str,
) -> None:
    """tests/kube/corpus.py and its siblings compare the whole answers with those of a real server."""
    store.create(CONFIG_MAP, config_map("a"))
    store.create(SERVICE_ACCOUNT, {"metadata": {"name": "s", "namespace": "default"}})
    found, answer = await ask(http, method, path, json=body, headers=headers)
    assert (found, words in answer["message"]) == (status, True), answer
