"""Requests of users with few rights: what RBAC allows, and the words with which it refuses.

The administrator makes them for the users with impersonation. The roles are there before the first request.
"""

from __future__ import annotations

from typing import Any

from tests.kube.corpus import APPLY, Request

_CORE = "/api/v1/namespaces/corpus"
_MAPS = f"{_CORE}/configmaps"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_NAMESPACED = f"{_RBAC}/namespaces/corpus"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

READER, LOST = "system:serviceaccount:corpus:reader", "lost"
"""A ServiceAccount with both roles, and a user whose only role does not exist."""

_SUBJECTS = {
    READER: {"kind": "ServiceAccount", "name": "reader", "namespace": "corpus"},
    LOST: {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": LOST},
}


def _bound(path: str, name: str, role: str, user: str) -> Request:
    kind, _, of = role.partition("/")
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": of}
    body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [_SUBJECTS[user]]}
    return Request(f"binding-{name}", "POST", path, body)


def _role(path: str, name: str, *rules: dict[str, Any]) -> Request:
    return Request(f"role-{name}", "POST", path, {"metadata": {"name": name}, "rules": list(rules)})


ROLES = (
    _role(
        f"{_RBAC}/clusterroles",
        "corpus-reader",
        {"apiGroups": [""], "resources": ["nodes", "*/scale"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get", "list"]},
        {"nonResourceURLs": ["/corpus/*"], "verbs": ["get"]},
    ),
    _bound(f"{_RBAC}/clusterrolebindings", "corpus-reader", "ClusterRole/corpus-reader", READER),
    _role(f"{_NAMESPACED}/roles", "writer", {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}),
    _bound(f"{_NAMESPACED}/rolebindings", "writer", "Role/writer", READER),
    _bound(f"{_NAMESPACED}/rolebindings", "gone", "Role/gone", LOST),
    _bound(f"{_RBAC}/clusterrolebindings", "corpus-gone", "ClusterRole/corpus-gone", LOST),
)


def _as(user: str, name: str, method: str, path: str, body: Any = None, **more: Any) -> Request:
    return Request(f"access-{name}", method, path, body, headers={"Impersonate-User": user}, **more)


def _may(name: str, **spec: dict[str, str]) -> Request:
    return _as(READER, f"review-{name}", "POST", _REVIEWS, {"spec": spec})


_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}

ACCESS = (
    _as(READER, "get", "GET", "/api/v1/nodes/none"),
    _as(READER, "list", "GET", "/api/v1/nodes"),
    _as(READER, "watch", "GET", "/api/v1/nodes?watch=true"),
    _as(READER, "subresource", "GET", "/api/v1/nodes/none/status"),
    _as(READER, "any-subresource", "GET", f"{_CORE}/replicationcontrollers/none/scale"),
    _as(READER, "other-group", "GET", "/apis/apps/v1/namespaces/corpus/deployments/none/scale"),
    _as(READER, "create", "POST", f"{_CORE}/pods", {}),
    _as(READER, "create-subresource", "POST", f"{_CORE}/pods/none/eviction", {}),
    _as(READER, "update", "PUT", "/apis/apps/v1/namespaces/corpus/deployments/none/status", {}),
    _as(READER, "delete", "DELETE", "/api/v1/nodes/none"),
    _as(READER, "delete-collection", "DELETE", "/api/v1/nodes"),
    _as(READER, "namespace", "GET", "/api/v1/namespaces/corpus"),
    _as(READER, "finalize", "PUT", "/api/v1/namespaces/corpus/finalize", {}),
    _as(READER, "unknown-type", "GET", "/apis/none.example.org/v1/things"),
    _as(READER, "named", "GET", f"{_MAPS}/one"),
    _as(READER, "other-name", "GET", f"{_MAPS}/two"),
    _as(READER, "list-named", "GET", f"{_MAPS}?fieldSelector=metadata.name%3Done"),
    _as(READER, "list-other-name", "GET", f"{_MAPS}?fieldSelector=metadata.name%3Dtwo"),
    _as(READER, "apply-that-creates", "PATCH", f"{_MAPS}/new?fieldManager=corpus", _MAP, type=APPLY),
    _as(READER, "discovery", "GET", "/apis/none.example.org"),
    _as(READER, "discovery-of-version", "GET", "/apis/none.example.org/v1"),
    _as(READER, "discovery-of-other-version", "GET", "/apis/apps/v7"),
    _as(READER, "path", "GET", "/corpus/none"),
    _as(READER, "other-path", "GET", "/none"),
    _as(READER, "path-method", "POST", "/corpus/none", {}),
    _as(READER, "escaped", "GET", "/a%3Cb%3E"),
    _as(LOST, "without-role", "GET", f"{_CORE}/pods"),
    _as(LOST, "without-cluster-role", "GET", "/api/v1/pods"),
    _as(READER, "whoami", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}),
    _may("allowed", resourceAttributes={"verb": "get", "resource": "nodes"}),
    _may("in-namespace", resourceAttributes={"verb": "patch", "resource": "configmaps", "namespace": "corpus"}),
    _may("everywhere", resourceAttributes={"verb": "patch", "resource": "configmaps"}),
    _may("path", nonResourceAttributes={"verb": "get", "path": "/corpus/none"}),
    _may("other-path", nonResourceAttributes={"verb": "get", "path": "/none"}),
    _as(READER, "review-of-others", "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {"spec": {"user": LOST, "resourceAttributes": {"verb": "get", "resource": "nodes"}}}),
    Request("access-review-of-lost", "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            {"spec": {"user": LOST, "resourceAttributes": {"verb": "get", "resource": "pods"}}}),
    Request("access-rules-without-namespace", "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            {"spec": {}}),
    Request("access-groups-without-user", "GET", "/api/v1/nodes/none", headers={"Impersonate-Group": "system:masters"}),
    Request("access-with-unknown-token", "GET", "/api/v1/nodes/none", headers={"Authorization": "Bearer none"}),
)  # fmt: skip
