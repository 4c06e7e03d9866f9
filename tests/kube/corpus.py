"""Requests that a real and the simulated API server must answer alike, and how two answers are compared.

The requests of one group follow each other on one server. An answer is its status, its warnings and its body, without
what differs between any two servers: uids, times, versions, the fields of managers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.gadgets import GADGET_SPEC

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"

_CORE = "/api/v1/namespaces/corpus"
_MAPS = f"{_CORE}/configmaps"
_SECRETS = f"{_CORE}/secrets"
_SERVICES = f"{_CORE}/services"
_PODS = f"{_CORE}/pods"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/corpus/deployments"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_GADGETS = "/apis/corpus.dualstack.dev/v1/namespaces/corpus/gadgets"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `name` is its id in the list of differences."""

    name: str
    method: str
    path: str
    body: Any = None
    type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Seen:
    """What earlier answers of one server had, for the placeholders of later requests."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def note(self, body: Any) -> None:
        """Keep the version, the uid and the continue token of an answer."""
        metadata = body.get("metadata") if isinstance(body, dict) else None
        for name, field_name in (("version", "resourceVersion"), ("uid", "uid"), ("continue", "continue")):
            if value := (metadata or {}).get(field_name):
                self._values[name] = value

    def completed(self, request: Request) -> Request:
        """The request without placeholders; its body is encoded if it has one."""
        path, body = request.path, encoded(request)
        for name, value in self._values.items():
            path = path.replace(f"{{{name}}}", value)
            body = body and body.replace(f"{{{name}}}".encode(), value.encode())
        return replace(request, path=path, body=body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client sees of one answer."""

    status: int
    warnings: tuple[str, ...]
    body: Any


_VOLATILE = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "managedFields", "continue")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def normal(value: Any) -> Any:
    """`value` without what differs between any two servers."""
    if isinstance(value, dict):
        return {
            name: normal(each)
            for name, each in value.items()
            if name not in _VOLATILE and not (name == "metadata" and not normal(each))
        }
    if isinstance(value, list):
        return [normal(each) for each in value]
    if isinstance(value, str):
        text = _UID.sub("UID", _TIME.sub("TIME", value))
        text = re.sub(r"too old resource version: \d+ \(\d+\)", "too old resource version: N", text)
        text = re.sub(r"in record \(\d+\)", "in record (N)", text)
        text = re.sub(r"(current: |100\.)[0-9.]+", r"\1N", text)  # versions and allocated addresses
        text = re.sub(r"\b([Gg]enerated-)[a-z0-9]{5}\b", r"\1N", text)
        text = re.sub(r"^\d+s$", "AGE", text)
        return re.sub(r'(patch: )?Invalid value: "\{.*\}": ', r"\1Invalid value: OBJECT: ", text)
    return value


def answer(status: int, headers: Mapping[str, list[str]], body: Any) -> Answer:
    """The answer as it is compared."""
    return Answer(status, tuple(sorted(headers.get("warning") or ())), normal(body))


def _config(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **more}


def _service(name: str, *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    given = {"ports": list(ports) or [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": given}


def _pod(name: str, **spec: Any) -> dict[str, Any]:
    given = {"containers": [{"name": "a", "image": "a:1"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": given}


def _deployment(name: str, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    given = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": given}


def _gadget(name: str, /, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name}
    return {
        "apiVersion": "corpus.dualstack.dev/v1",
        "kind": "Gadget",
        "metadata": metadata,
        "spec": {"size": 1, **spec},
    }


_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": GADGET_SPEC,
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.corpus.dualstack.dev"},
    "spec": {
        "group": "corpus.dualstack.dev",
        "scope": "Namespaced",
        "names": {"kind": "Gadget", "listKind": "GadgetList", "plural": "gadgets", "singular": "gadget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": _SCHEMA},
                "subresources": {"status": {}},
            }
        ],
    },
}
"""Created before the requests, together with namespace `corpus`."""

_STRICT = "fieldValidation=Strict"

OBJECTS = (
    Request("create", "POST", _MAPS, _config("a", data={"x": "1"})),
    Request("create-again", "POST", _MAPS, _config("a")),
    Request("get", "GET", f"{_MAPS}/a"),
    Request("get-missing", "GET", f"{_MAPS}/none"),
    Request("unknown-type", "GET", f"{_CORE}/nothings"),
    Request("unknown-path", "GET", "/nothing"),
    Request("create-without-name", "POST", _MAPS, {"apiVersion": "v1", "kind": "ConfigMap"}),
    Request("create-wrong-kind", "POST", _MAPS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}}),
    Request("create-bad-name", "POST", _MAPS, _config("Not_Valid")),
    Request("create-other-namespace", "POST", _MAPS, {"metadata": {"name": "b", "namespace": "default"}}),
    Request("create-with-version", "POST", _MAPS, {"metadata": {"name": "b", "resourceVersion": "1"}}),
    Request("create-in-no-namespace", "POST", "/api/v1/namespaces/none/configmaps", _config("a")),
    Request("not-json", "POST", _MAPS, b"{"),
    Request("not-an-object", "POST", _MAPS, []),
    Request("wrong-media-type", "POST", _MAPS, _config("b"), "text/plain"),
    Request("dry-run", "POST", f"{_MAPS}?dryRun=All", _config("dry")),
    Request("dry-run-left-nothing", "GET", f"{_MAPS}/dry"),
    Request("dry-run-unknown", "POST", f"{_MAPS}?dryRun=Some", _config("dry")),
    Request("put", "PUT", f"{_MAPS}/a", _config("a", data={"x": "2"})),
    Request("put-other-name", "PUT", f"{_MAPS}/a", _config("b")),
    Request("put-old-version", "PUT", f"{_MAPS}/a", {"metadata": {"name": "a", "resourceVersion": "1"}}),
    Request("merge-patch", "PATCH", f"{_MAPS}/a", {"data": {"y": "1", "x": None}}, MERGE),
    Request("merge-patch-missing", "PATCH", f"{_MAPS}/none", {"data": {}}, MERGE),
    Request("merge-patch-list", "PATCH", f"{_MAPS}/a", [], MERGE),
    Request("strategic-patch", "PATCH", f"{_MAPS}/a", {"data": {"z": "1"}}, STRATEGIC),
    Request("json-patch", "PATCH", f"{_MAPS}/a", [{"op": "add", "path": "/data/w", "value": "1"}], JSON_PATCH),
    Request("json-patch-missing", "PATCH", f"{_MAPS}/a", [{"op": "remove", "path": "/data/none"}], JSON_PATCH),
    Request("json-patch-test", "PATCH", f"{_MAPS}/a", [{"op": "test", "path": "/data/w", "value": "2"}], JSON_PATCH),
    Request("patch-media-type", "PATCH", f"{_MAPS}/a", {}, JSON),
    Request("apply", "PATCH", f"{_MAPS}/applied?fieldManager=one", _config("applied", data={"x": "1"}), APPLY),
    Request("apply-conflict", "PATCH", f"{_MAPS}/applied?fieldManager=two", _config("applied", data={"x": "2"}), APPLY),
    Request("apply-without-manager", "PATCH", f"{_MAPS}/applied", _config("applied"), APPLY),
    Request("label", "PATCH", f"{_MAPS}/a", {"metadata": {"labels": {"l": "1"}}}, MERGE),
    Request("label-bad", "PATCH", f"{_MAPS}/a", {"metadata": {"labels": {"l": "not valid"}}}, MERGE),
    Request("list-by-label", "GET", f"{_MAPS}?labelSelector=l%3D1"),
    Request("list-by-field", "GET", f"{_MAPS}?fieldSelector=metadata.name%3Da"),
    Request("list-by-unknown-field", "GET", f"{_MAPS}?fieldSelector=data.x%3Da"),
    Request("list-bad-selector", "GET", f"{_MAPS}?labelSelector=a%3D%3D%3Db"),
    Request("list-future-version", "GET", f"{_MAPS}?resourceVersion=99999999"),
    Request("list-bad-version", "GET", f"{_MAPS}?resourceVersion=abc"),
    Request("list-match-without-version", "GET", f"{_MAPS}?resourceVersionMatch=Exact"),
    Request("list-match-unknown", "GET", f"{_MAPS}?resourceVersion=1&resourceVersionMatch=Other"),
    Request("list-match-zero", "GET", f"{_MAPS}?resourceVersion=0&resourceVersionMatch=Exact"),
    Request("delete", "DELETE", f"{_MAPS}/a"),
    Request("delete-again", "DELETE", f"{_MAPS}/a"),
    Request("delete-wrong-uid", "DELETE", f"{_MAPS}/applied", {"preconditions": {"uid": "other"}}),
    Request("method", "PATCH", _MAPS, {}, MERGE),
)

DECODING = (
    Request("type-of-value", "POST", _MAPS, _config("t", data={"x": 1})),
    Request("type-of-map", "POST", _MAPS, _config("t", data=["x"])),
    Request("type-of-bool", "POST", _MAPS, _config("t", immutable="yes")),
    Request("type-of-labels", "POST", _MAPS, {"metadata": {"name": "t", "labels": {"a": 1}}}),
    Request("type-in-list", "POST", _PODS, _pod("t", containers=[{"name": "a", "image": 7}])),
    Request("type-of-number", "POST", _DEPLOYMENTS, _deployment("t", replicas="2")),
    Request("type-of-object", "POST", _DEPLOYMENTS, {**_deployment("t"), "spec": []}),
    Request("bad-base64", "POST", _SECRETS, {"metadata": {"name": "t"}, "data": {"x": "?"}}),
    Request("unknown-warn", "POST", _MAPS, _config("w", extra=1)),
    Request("unknown-strict", "POST", f"{_MAPS}?{_STRICT}", _config("s", extra=1)),
    Request("unknown-ignore", "POST", f"{_MAPS}?fieldValidation=Ignore", _config("i", extra=1)),
    Request("unknown-nested", "POST", f"{_DEPLOYMENTS}?{_STRICT}", _deployment("s", extra=1)),
    Request("unknown-in-list", "POST", f"{_PODS}?{_STRICT}", _pod("s", containers=[{"name": "a", "x": 1}])),
    Request("unknown-in-metadata", "POST", f"{_MAPS}?{_STRICT}", {"metadata": {"name": "s", "x": 1}}),
    Request("validation-unknown", "POST", f"{_MAPS}?fieldValidation=Other", _config("s")),
    Request("patch-unknown-strict", "PATCH", f"{_MAPS}/w?{_STRICT}", {"extra": 1}, MERGE),
    Request("patch-unknown-warn", "PATCH", f"{_MAPS}/w", {"extra": 1}, MERGE),
    Request("patch-type", "PATCH", f"{_MAPS}/w", {"data": {"x": 1}}, MERGE),
    Request("apply-unknown", "PATCH", f"{_MAPS}/u?fieldManager=one", _config("u", extra=1), APPLY),
    Request("apply-type", "PATCH", f"{_MAPS}/u?fieldManager=one", _config("u", data={"x": 1}), APPLY),
)

CUSTOM = (
    Request("custom-create", "POST", _GADGETS, _gadget("a")),
    Request("custom-defaults", "POST", _GADGETS, _gadget("d", parts=[{"name": "x"}], port=None)),
    Request("custom-required", "POST", _GADGETS, {**_gadget("r"), "spec": {}}),
    Request("custom-type", "POST", _GADGETS, _gadget("r", size="x")),
    Request("custom-minimum", "POST", _GADGETS, _gadget("r", size=0)),
    Request("custom-enum", "POST", _GADGETS, _gadget("r", colour="blue")),
    Request("custom-pattern", "POST", _GADGETS, _gadget("r", name="A")),
    Request("custom-length", "POST", _GADGETS, _gadget("r", name="abcd")),
    Request("custom-required-in-list", "POST", _GADGETS, _gadget("r", parts=[{"count": 1}])),
    Request("custom-duplicate-key", "POST", _GADGETS, _gadget("r", parts=[{"name": "a"}, {"name": "a"}])),
    Request("custom-too-many", "POST", _GADGETS, _gadget("r", parts=[{"name": each} for each in "abcd"])),
    Request("custom-unknown-warn", "POST", _GADGETS, _gadget("w", extra=1, raw={"any": 1})),
    Request("custom-unknown-strict", "POST", f"{_GADGETS}?{_STRICT}", _gadget("s", extra=1)),
    Request("custom-status-ignored", "POST", _GADGETS, {**_gadget("st"), "status": {"ready": True}}),
    Request("custom-status", "PATCH", f"{_GADGETS}/st/status", {"status": {"ready": True}}, MERGE),
    Request("custom-status-type", "PATCH", f"{_GADGETS}/st/status", {"status": {"ready": "yes"}}, MERGE),
    Request("custom-strategic", "PATCH", f"{_GADGETS}/a", {"spec": {"size": 2}}, STRATEGIC),
    Request("custom-put-without-version", "PUT", f"{_GADGETS}/a", _gadget("a", size=2)),
    Request("custom-without-kind", "POST", _GADGETS, {"metadata": {"name": "k"}, "spec": {"size": 1}}),
    Request("custom-apply-one", "PATCH", f"{_GADGETS}/m?fieldManager=one", _gadget("m", parts=[{"name": "a"}]), APPLY),
    Request("custom-apply-two", "PATCH", f"{_GADGETS}/m?fieldManager=two", _gadget("m", parts=[{"name": "b"}]), APPLY),
    Request("custom-apply-without-kind", "PATCH", f"{_GADGETS}/n?fieldManager=one", {"spec": {"size": 1}}, APPLY),
    Request("custom-patch-uid", "PATCH", f"{_GADGETS}/a", {"metadata": {"uid": "other"}}, MERGE),
    Request("custom-apply-unknown", "PATCH", f"{_GADGETS}/n?fieldManager=one", _gadget("n", extra=1), APPLY),
)

RULES = (
    Request("immutable-map", "POST", _MAPS, _config("fixed", data={"x": "1"}, immutable=True)),
    Request("immutable-map-changed", "PATCH", f"{_MAPS}/fixed", {"data": {"x": "2"}}, MERGE),
    Request("immutable-map-released", "PATCH", f"{_MAPS}/fixed", {"immutable": False}, MERGE),
    Request("secret", "POST", _SECRETS, {"metadata": {"name": "s"}, "stringData": {"x": "1"}}),
    Request("secret-type-changed", "PATCH", f"{_SECRETS}/s", {"type": "kubernetes.io/tls"}, MERGE),
    Request("too-large", "POST", _MAPS, _config("large", data={"x": "a" * (1 << 20)})),
    Request("deployment", "POST", _DEPLOYMENTS, _deployment("web")),
    Request(
        "deployment-selector",
        "PATCH",
        f"{_DEPLOYMENTS}/web",
        {"spec": {"selector": {"matchLabels": {"app": "other"}}}},
        MERGE,
    ),
    Request("deployment-mismatch", "POST", _DEPLOYMENTS, _deployment("bad", selector={"matchLabels": {"a": "b"}})),
    Request("scale", "PATCH", f"{_DEPLOYMENTS}/web/scale", {"spec": {"replicas": 3}}, MERGE),
    Request("scale-negative", "PATCH", f"{_DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}}, MERGE),
    Request("pod", "POST", _PODS, _pod("p")),
    Request("pod-image", "PATCH", f"{_PODS}/p", {"spec": {"containers": [{"name": "a", "image": "a:2"}]}}, STRATEGIC),
    Request("pod-command", "PATCH", f"{_PODS}/p", {"spec": {"dnsPolicy": "None"}}, MERGE),
    Request("pod-without-containers", "POST", _PODS, _pod("q", containers=[])),
    Request("pod-without-account", "POST", _PODS, _pod("q", serviceAccountName="none")),
    Request(
        "service-duplicate-port-name",
        "POST",
        _SERVICES,
        _service("d", {"name": "a", "port": 1}, {"name": "a", "port": 2}),
    ),
    Request("service-unnamed-ports", "POST", _SERVICES, _service("d", {"port": 1}, {"port": 2})),
    Request("service-node-port", "POST", _SERVICES, _service("n", {"port": 1, "nodePort": 30001}, type="NodePort")),
    Request(
        "service-node-port-taken", "POST", _SERVICES, _service("o", {"port": 1, "nodePort": 30001}, type="NodePort")
    ),
    Request("service-node-port-range", "POST", _SERVICES, _service("o", {"port": 1, "nodePort": 80}, type="NodePort")),
    Request(
        "two-controllers",
        "POST",
        _MAPS,
        {
            "metadata": {
                "name": "c",
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name, "controller": True}
                    for name in ("a", "b")
                ],
            }
        },
    ),
    Request("finalizer-syntax", "POST", _MAPS, {"metadata": {"name": "f", "finalizers": ["no slash"]}}),
    Request("annotation-syntax", "POST", _MAPS, {"metadata": {"name": "f", "annotations": {"a b": "1"}}}),
    Request("service-cidrs", "GET", "/apis/networking.k8s.io/v1/servicecidrs/kubernetes"),
    Request("ip-address", "GET", "/apis/networking.k8s.io/v1/ipaddresses/100.64.0.1"),
)

REQUESTS = (*OBJECTS, *DECODING, *CUSTOM, *RULES)


def encoded(request: Request) -> bytes | None:
    """The body as it is sent."""
    if request.body is None or isinstance(request.body, bytes):
        return request.body
    return json.dumps(request.body).encode()
