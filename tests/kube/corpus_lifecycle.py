"""Requests about the life of an object: deletion, owners, namespaces, patches, subresources, families of Services.

They follow those of tests/kube/corpus.py and corpus_reading.py on the same servers. In a body, `{uid}` stands for the
uid in the last answer that had one.
"""

from __future__ import annotations

from typing import Any

from tests.kube.corpus import APPLY, JSON_PATCH, MERGE, STRATEGIC, Request

_CORE = "/api/v1/namespaces/corpus"
_MAPS = f"{_CORE}/configmaps"
_SERVICES = f"{_CORE}/services"
_PODS = f"{_CORE}/pods"
_GADGETS = "/apis/corpus.dualstack.dev/v1/namespaces/corpus/gadgets"
_NAMESPACES = "/api/v1/namespaces"
_SCALE = "/apis/apps/v1/namespaces/corpus/deployments/web/scale"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"
_REVIEWS = f"{_AUTHORIZATION}/selfsubjectaccessreviews"
_TOKENS = f"{_CORE}/serviceaccounts/account/token"


def _map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {"x": "1"}}


def _owned(name: str, *, block: bool = False) -> dict[str, Any]:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "{uid}", "blockOwnerDeletion": block}
    return _map(name, ownerReferences=[owner])


def _service(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [{"port": 80}], **spec},
    }


def _create(name: str, body: Any, path: str = _MAPS) -> Request:
    return Request(name, "POST", path, body)


def _apply(name: str, body: Any, query: str) -> Request:
    return Request(name, "PATCH", f"{_MAPS}/by-apply?{query}", body, APPLY)


DELETION = (
    _create("held", _map("held", finalizers=["corpus.dualstack.dev/hold"])),
    Request("delete-old-version", "DELETE", f"{_MAPS}/held", {"preconditions": {"resourceVersion": "1"}}),
    Request("delete-other-uid", "DELETE", f"{_MAPS}/held", {"preconditions": {"uid": "other"}}),
    Request("delete-unknown-propagation", "DELETE", f"{_MAPS}/held", {"propagationPolicy": "Other"}),
    Request("delete-negative-grace", "DELETE", f"{_MAPS}/held?gracePeriodSeconds=-1"),
    Request(
        "delete-two-policies", "DELETE", f"{_MAPS}/held", {"propagationPolicy": "Orphan", "orphanDependents": True}
    ),
    Request("delete-not-json", "DELETE", f"{_MAPS}/held", b"{"),
    Request("delete-dry-run", "DELETE", f"{_MAPS}/held?dryRun=All"),
    Request("delete-held", "DELETE", f"{_MAPS}/held"),
    Request("delete-held-again", "DELETE", f"{_MAPS}/held"),
    Request("get-held", "GET", f"{_MAPS}/held"),
    _create("create-while-held", _map("held")),
    Request("change-while-held", "PATCH", f"{_MAPS}/held", {"data": {"y": "1"}}, MERGE),
    Request("finalizer-while-held", "PATCH", f"{_MAPS}/held", {"metadata": {"finalizers": ["a.b/c", "d.e/f"]}}, MERGE),
    Request("release", "PATCH", f"{_MAPS}/held", {"metadata": {"finalizers": None}}, MERGE),
    Request("released", "GET", f"{_MAPS}/held"),
    _create("collection", _map("collected", labels={"set": "1"})),
    Request("delete-collection-dry-run", "DELETE", f"{_GADGETS}?labelSelector=page&dryRun=All"),
    Request("delete-collection", "DELETE", f"{_GADGETS}?labelSelector=page"),
    Request("delete-collection-again", "DELETE", f"{_GADGETS}?labelSelector=page"),
)

OWNERS = (
    _create("owner", _map("owner")),
    _create("dependent", _owned("dependent", block=True)),
    Request("delete-foreground", "DELETE", f"{_MAPS}/owner?propagationPolicy=Foreground&dryRun=All"),
    Request("delete-orphan", "DELETE", f"{_MAPS}/owner?propagationPolicy=Orphan&dryRun=All"),
    _create("alone", _map("alone")),
    Request("delete-foreground-alone", "DELETE", f"{_MAPS}/alone?propagationPolicy=Foreground"),
    _create("alone-too", _map("alone-too")),
    Request("delete-orphan-alone", "DELETE", f"{_MAPS}/alone-too", {"orphanDependents": True}),
    _create("owner-without-uid", _map("lone", ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "a"}])),
    _create("owner-without-version", _map("lone", ownerReferences=[{"kind": "Pod", "name": "a", "uid": "b"}])),
)

TERMINATION = (
    _create("namespace-bad-name", {"metadata": {"name": "No_Name"}}, _NAMESPACES),
    _create("namespace-ending", {"metadata": {"name": "ending"}}, _NAMESPACES),
    _create("content", _map("held", finalizers=["corpus.dualstack.dev/hold"]), f"{_NAMESPACES}/ending/configmaps"),
    Request("namespace-delete-default", "DELETE", f"{_NAMESPACES}/default"),
    Request("namespace-delete", "DELETE", f"{_NAMESPACES}/ending"),
    _create("create-in-terminating", _map("late"), f"{_NAMESPACES}/ending/configmaps"),
    Request(
        "apply-in-terminating", "PATCH", f"{_NAMESPACES}/ending/configmaps/late?fieldManager=one", _map("late"), APPLY
    ),
)

BODIES = (
    Request("post-nothing", "POST", _MAPS, b""),
    Request("put-nothing", "PUT", f"{_MAPS}/owner", b""),
    Request("put-missing", "PUT", f"{_MAPS}/none", _map("none")),
    Request("json-patch-no-list", "PATCH", f"{_MAPS}/owner", {"op": "add"}, JSON_PATCH),
    Request("json-patch-unknown-op", "PATCH", f"{_MAPS}/owner", [{"op": "none", "path": "/data/x"}], JSON_PATCH),
    Request("patch-name", "PATCH", f"{_MAPS}/owner", {"metadata": {"name": "other"}}, MERGE),
    Request("patch-uid", "PATCH", f"{_MAPS}/owner", {"metadata": {"uid": "other"}}, MERGE),
    Request("patch-uid-strategic", "PATCH", f"{_MAPS}/owner", {"metadata": {"uid": "other"}}, STRATEGIC),
    Request(
        "patch-uid-json",
        "PATCH",
        f"{_MAPS}/owner",
        [{"op": "replace", "path": "/metadata/uid", "value": "other"}],
        JSON_PATCH,
    ),
    Request("patch-uid-removed", "PATCH", f"{_MAPS}/owner", {"metadata": {"uid": None}}, MERGE),
    Request("patch-metadata-text", "PATCH", f"{_MAPS}/owner", {"metadata": "x"}, MERGE),
    Request("put-uid", "PUT", f"{_MAPS}/owner", _map("owner", uid="other")),
    Request("patch-old-version", "PATCH", f"{_MAPS}/owner", {"metadata": {"resourceVersion": "1"}}, MERGE),
    Request("patch-dry-run", "PATCH", f"{_MAPS}/owner?dryRun=All", {"data": {"dry": "1"}}, MERGE),
    Request("patch-dry-run-left-nothing", "GET", f"{_MAPS}/owner"),
    Request("body-above-limit", "POST", _MAPS, _map("big", {"x": "a" * (3 << 20)})),
)

APPLIED = (
    _apply("apply-create", _map("by-apply", {"x": "1", "y": "1"}), "fieldManager=one"),
    _apply("apply-drop", _map("by-apply", {"x": "1"}), "fieldManager=one"),
    _apply("apply-second", _map("by-apply", {"x": "1", "z": "1"}), "fieldManager=two"),
    _apply("apply-two-conflicts", _map("by-apply", {"x": "2", "z": "1"}), "fieldManager=one"),
    _apply("apply-forced", _map("by-apply", {"x": "2"}), "fieldManager=one&force=true"),
    _apply("apply-old-version", _map("by-apply", resourceVersion="1"), "fieldManager=one&force=true"),
    _apply("apply-managed-fields", _map("by-apply", managedFields=[{"manager": "a"}]), "fieldManager=one"),
    _apply("apply-other-name", _map("other"), "fieldManager=one"),
    _apply("apply-without-kind", {"metadata": {"name": "by-apply"}}, "fieldManager=one"),
    _apply("apply-kind-alone", {"kind": "ConfigMap", "metadata": {"name": "by-apply"}}, "fieldManager=one"),
    _apply("apply-version-alone", {"apiVersion": "v1", "metadata": {"name": "by-apply"}}, "fieldManager=one"),
    _apply("apply-other-kind", {**_map("by-apply"), "kind": "Secret"}, "fieldManager=one"),
    _apply("apply-other-version", {**_map("by-apply"), "apiVersion": "v2"}, "fieldManager=one"),
    _apply("apply-no-object", [], "fieldManager=one"),
    _apply("apply-dry-run", _map("by-apply", {"x": "3"}), "fieldManager=one&dryRun=All"),
    _apply("apply-long-manager", _map("by-apply"), f"fieldManager={'m' * 129}"),
    Request("force-without-apply", "PATCH", f"{_MAPS}/by-apply?force=true", {}, MERGE),
)

SUBRESOURCES = (
    Request("scale-read", "GET", _SCALE),
    Request("scale-of-missing", "GET", _SCALE.replace("web", "none")),
    Request("scale-wrong-name", "PUT", _SCALE, {"metadata": {"name": "other"}, "spec": {"replicas": 1}}),
    Request("scale-old-version", "PATCH", _SCALE, {"metadata": {"resourceVersion": "1"}}, MERGE),
    _create("bind-missing", {"metadata": {"name": "none"}, "target": {"name": "n"}}, f"{_PODS}/none/binding"),
    _create("bind-nowhere", {"metadata": {"name": "p"}, "target": {}}, f"{_PODS}/p/binding"),
    _create("bind", {"metadata": {"name": "p"}, "target": {"name": "n"}}, f"{_PODS}/p/binding"),
    _create("bind-again", {"metadata": {"name": "p"}, "target": {"name": "m"}}, f"{_PODS}/p/binding"),
    _create("evict-missing", {"metadata": {"name": "none"}}, f"{_PODS}/none/eviction"),
    _create("evict-other-name", {"metadata": {"name": "other"}}, f"{_PODS}/p/eviction"),
    _create("account", {"metadata": {"name": "account"}}, f"{_CORE}/serviceaccounts"),
    _create("token-too-short", {"spec": {"expirationSeconds": 5}}, _TOKENS),
    _create("token-too-long", {"spec": {"expirationSeconds": 1 << 33}}, _TOKENS),
    _create("token-of-list", {"spec": []}, _TOKENS),
    _create("token-of-text", {"spec": {"expirationSeconds": "x"}}, _TOKENS),
    _create("token-of-missing", {"spec": {}}, f"{_CORE}/serviceaccounts/none/token"),
    _create("access", {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}, _REVIEWS),
    _create("access-to-nothing", {"spec": {}}, _REVIEWS),
    _create(
        "access-to-both",
        {"spec": {"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"verb": "get", "path": "/"}}},
        _REVIEWS,
    ),
    _create(
        "access-of-no-user", {"spec": {"resourceAttributes": {"verb": "get"}}}, f"{_AUTHORIZATION}/subjectaccessreviews"
    ),
    _create("review-of-no-token", {"spec": {}}, "/apis/authentication.k8s.io/v1/tokenreviews"),
)

FAMILIES = (
    _create("service-family-missing", _service("six", ipFamilies=["IPv6"]), _SERVICES),
    _create("service-family-unknown", _service("six", ipFamilies=["IPv5"]), _SERVICES),
    _create("service-families-required", _service("six", ipFamilyPolicy="RequireDualStack"), _SERVICES),
    _create("service-families-preferred", _service("both", ipFamilyPolicy="PreferDualStack"), _SERVICES),
    _create("service-outside-range", _service("far", clusterIP="10.0.0.1"), _SERVICES),
    _create("service-no-address", _service("bad", clusterIP="none"), _SERVICES),
    _create("service-headless", _service("headless", clusterIP="None"), _SERVICES),
    Request("service-address-changed", "PATCH", f"{_SERVICES}/both", {"spec": {"clusterIP": "100.64.9.9"}}, MERGE),
    Request("service-family-changed", "PATCH", f"{_SERVICES}/both", {"spec": {"ipFamilies": ["IPv6"]}}, MERGE),
    _create("service-unknown-type", _service("bad", type="Other"), _SERVICES),
    _create("service-port-zero", _service("bad", ports=[{"port": 0}]), _SERVICES),
    _create("service-protocol", _service("bad", ports=[{"port": 1, "protocol": "X"}]), _SERVICES),
)

LIFECYCLE = (*DELETION, *OWNERS, *TERMINATION, *BODIES, *APPLIED, *SUBRESOURCES, *FAMILIES)
