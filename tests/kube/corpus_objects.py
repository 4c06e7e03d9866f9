"""Requests about objects of single built-in types: Nodes, Secrets, workloads, Leases, Events, roles, service ranges.

They follow those of the other corpus modules on the same servers. In a path or body, `{version}` and `{uid}` stand for
what the last answer with one had.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.kube.corpus import APPLY, JSON_PATCH, MERGE, STRATEGIC, Request

_CORE = "/api/v1/namespaces/corpus"
_MAPS = f"{_CORE}/configmaps"
_SECRETS = f"{_CORE}/secrets"
_PODS = f"{_CORE}/pods"
_EVENTS = f"{_CORE}/events"
_NODES = "/api/v1/nodes"
_NAMESPACES = "/api/v1/namespaces"
_APPS = "/apis/apps/v1/namespaces/corpus"
_WEB = f"{_APPS}/deployments/api"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/corpus/leases"
_BUDGETS = "/apis/policy/v1/namespaces/corpus/poddisruptionbudgets"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_CIDRS = "/apis/networking.k8s.io/v1/servicecidrs"
_ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
_GADGETS = "/apis/corpus.dualstack.dev/v1/namespaces/corpus/gadgets"
_STRICT = "fieldValidation=Strict"


def _named(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **more}


def _create(name: str, path: str, body: Any) -> Request:
    return Request(name, "POST", path, body)


def _merge(name: str, path: str, body: Any) -> Request:
    return Request(name, "PATCH", path, body, MERGE)


def _workload(name: str, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "a", "image": "a:1", **(container or {})}]
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
    return _named(name, spec={"selector": {"matchLabels": {"app": name}}, "template": template, **spec})


def _applied(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", **_named("api", spec=spec)}


def _containers(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


def _event(name: str, namespace: str = "corpus") -> dict[str, Any]:
    about = {"kind": "Node", "namespace": namespace, "name": "n"}
    return {**_named(name), "involvedObject": about, "reason": "R", "type": "Normal", "message": "m"}


NODES = (
    _create("node", _NODES, _named("n")),
    _merge("node-cidr", f"{_NODES}/n", {"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}}),
    _merge("node-cidr-changed", f"{_NODES}/n", {"spec": {"podCIDR": "10.0.1.0/24", "podCIDRs": ["10.0.1.0/24"]}}),
    _merge("node-cidr-second", f"{_NODES}/n", {"spec": {"podCIDRs": ["10.0.0.0/24", "fd00::/112"]}}),
    _merge("node-cidr-removed", f"{_NODES}/n", {"spec": {"podCIDR": None, "podCIDRs": None}}),
    _create("node-cidr-no-range", _NODES, _named("m", spec={"podCIDR": "x", "podCIDRs": ["x"]})),
    _create("node-cidr-one-family", _NODES, _named("m", spec={"podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]})),
    _create("node-cidr-single", _NODES, _named("s", spec={"podCIDR": "10.0.3.0/24"})),
    _create("node-cidrs-alone", _NODES, _named("t", spec={"podCIDRs": ["10.0.4.0/24", "fd00:1::/112"]})),
    _merge("node-provider", f"{_NODES}/n", {"spec": {"providerID": "gce://p/z/n"}}),
    _merge("node-provider-changed", f"{_NODES}/n", {"spec": {"providerID": "gce://p/z/m"}}),
    _merge("node-cordon", f"{_NODES}/n", {"spec": {"unschedulable": True}}),
    Request("node-finalizers", "PATCH", f"{_NODES}/t", {"metadata": {"finalizers": ["b.d/e", "a.d/e"]}}, STRATEGIC),
    Request("node-finalizers-more", "PATCH", f"{_NODES}/t", {"metadata": {"finalizers": ["c.d/e"]}}, STRATEGIC),
    Request(
        "node-finalizers-mixed", "PATCH", f"{_NODES}/t", {"metadata": {"finalizers": ["d.d/e", "a.d/e"]}}, STRATEGIC
    ),
    Request("node-by-schedulable", "GET", f"{_NODES}?fieldSelector=spec.unschedulable%3Dtrue"),
    Request(
        "node-condition",
        "PATCH",
        f"{_NODES}/n/status",
        {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        STRATEGIC,
    ),
    Request(
        "node-second-condition",
        "PATCH",
        f"{_NODES}/n/status",
        {"status": {"conditions": [{"type": "NetworkUnavailable", "status": "False"}]}},
        STRATEGIC,
    ),
    Request(
        "node-condition-deleted",
        "PATCH",
        f"{_NODES}/n/status",
        {"status": {"conditions": [{"type": "Ready", "$patch": "delete"}]}},
        STRATEGIC,
    ),
    _merge("node-status-keeps-spec", f"{_NODES}/n/status", {"spec": {"unschedulable": False}}),
    Request("node-delete", "DELETE", f"{_NODES}/s"),
)

SECRETS = (
    _create("secret-fixed", _SECRETS, _named("fixed", stringData={"x": "1"}, immutable=True)),
    _merge("secret-fixed-changed", f"{_SECRETS}/fixed", {"stringData": {"x": "2"}}),
    _merge("secret-fixed-labelled", f"{_SECRETS}/fixed", {"metadata": {"labels": {"a": "1"}}}),
    Request("secret-fixed-put", "PUT", f"{_SECRETS}/fixed", _named("fixed", data={"x": "Mg=="})),
    _create("secret-tls-incomplete", _SECRETS, _named("tls", type="kubernetes.io/tls", stringData={"tls.crt": "x"})),
    _create("secret-bad-key", _SECRETS, _named("bad", stringData={"no space": "1"})),
    _create("map-bad-key", _MAPS, _named("bad", data={"no space": "1"})),
    _create("map-key-twice", _MAPS, _named("bad", data={"x": "1"}, binaryData={"x": "MQ=="})),
    Request("secrets-by-type", "GET", f"{_SECRETS}?fieldSelector=type%3Dnone"),
)

WORKLOADS = (
    _create("web", f"{_APPS}/deployments", _workload("api")),
    _merge("web-selector", _WEB, {"spec": {"selector": {"matchLabels": {"app": "other"}}}}),
    Request("web-image", "PATCH", _WEB, _containers({"name": "a", "image": "a:2"}), STRATEGIC),
    Request("web-sidecar", "PATCH", _WEB, _containers({"name": "b", "image": "b:1"}), STRATEGIC),
    Request(
        "web-environment",
        "PATCH",
        _WEB,
        _containers({"name": "a", "env": [{"name": "X", "value": "1"}]}),
        STRATEGIC,
    ),
    Request("web-sidecar-deleted", "PATCH", _WEB, _containers({"name": "b", "$patch": "delete"}), STRATEGIC),
    Request("web-bad-directive", "PATCH", _WEB, _containers({"name": "b", "$patch": "other"}), STRATEGIC),
    Request("web-strategic-without-key", "PATCH", _WEB, _containers({"image": "c:1"}), STRATEGIC),
    Request("web-strategic-text", "PATCH", _WEB, "x", STRATEGIC),
    Request("web-json-test", "PATCH", _WEB, [{"op": "test", "path": "/spec/replicas", "value": 7}], JSON_PATCH),
    Request("web-json-number", "PATCH", _WEB, [1], JSON_PATCH),
    Request("web-json-move", "PATCH", _WEB, [{"op": "move", "path": "/spec/replicas"}], JSON_PATCH),
    Request("web-merge-text", "PATCH", _WEB, "x", MERGE),
    Request("web-json-no-path", "PATCH", _WEB, [{"op": "replace", "value": 7}], JSON_PATCH),
    _merge("web-negative", _WEB, {"spec": {"replicas": -1}}),
    _merge("web-status", f"{_WEB}/status", {"status": {"replicas": 2, "observedGeneration": 1}}),
    Request("web-scale-put", "PUT", f"{_WEB}/scale", _named("api", spec={"replicas": 2})),
    Request("web-scale-type", "PATCH", f"{_WEB}/scale", {"spec": {"replicas": "x"}}, MERGE),
    Request("web-apply-conflict", "PATCH", f"{_WEB}?fieldManager=one", _applied(replicas=5), APPLY),
    Request("web-apply-forced", "PATCH", f"{_WEB}?fieldManager=one&force=true", _applied(replicas=5), APPLY),
    Request("web-apply-unknown", "PATCH", f"{_WEB}?fieldManager=one&force=true", _applied(extra=5), APPLY),
    Request("web-strict-patch", "PATCH", f"{_WEB}?{_STRICT}", _containers({"name": "a", "extra": 1}), STRATEGIC),
    Request("web-ignored-patch", "PATCH", f"{_WEB}?fieldValidation=Ignore", {"spec": {"extra": 1}}, MERGE),
    Request("web-strict-put", "PUT", f"{_WEB}?{_STRICT}", {**_workload("api"), "extra": 1}),
    _create("workload-without-labels", f"{_APPS}/deployments", _named("no", spec={"template": {"spec": {}}})),
    _create("workload-bad-port", f"{_APPS}/deployments", _workload("no", {"ports": [{"containerPort": 0}]})),
    _create("daemons", f"{_APPS}/daemonsets", _workload("agent")),
    _merge("daemons-selector", f"{_APPS}/daemonsets/agent", {"spec": {"selector": {"matchLabels": {"app": "other"}}}}),
    Request("web-orphan", "DELETE", _WEB, {"propagationPolicy": "Orphan", "dryRun": ["All"]}),
    Request("web-foreground", "DELETE", _WEB, {"propagationPolicy": "Foreground"}),
)

NAMES = (
    _create("generated", _MAPS, {"metadata": {"generateName": "generated-"}}),
    _create("generated-and-named", _MAPS, {"metadata": {"generateName": "generated-", "name": "chosen"}}),
    _create("generated-bad", _MAPS, {"metadata": {"generateName": "Generated-"}}),
    _create("generated-dry-run", f"{_MAPS}?dryRun=All", {"metadata": {"generateName": "generated-"}}),
    Request(
        "delete-query-beside-body",
        "DELETE",
        f"{_MAPS}/chosen?dryRun=All",
        {"kind": "DeleteOptions", "apiVersion": "v1"},
    ),
    Request("deleted-beside-query", "GET", f"{_MAPS}/chosen"),
    _create("name-too-long", _MAPS, _named("n" * 254)),
    _create("namespace-with-dot", _NAMESPACES, _named("not.valid")),
    _create("namespace-dry-run", f"{_NAMESPACES}?dryRun=All", _named("dry")),
    _create("post-wrong-version", _MAPS, {"apiVersion": "v2", "kind": "ConfigMap", **_named("b")}),
    _create("custom-wrong-kind", _GADGETS, {"apiVersion": "corpus.dualstack.dev/v1", "kind": "Other", **_named("b")}),
    _create("custom-bad-name", _GADGETS, {"apiVersion": "corpus.dualstack.dev/v1", "kind": "Gadget", **_named("B_")}),
    _create("custom-no-object", _GADGETS, []),
)

RECORDS = (
    _create("event", _EVENTS, _event("e")),
    _create("event-elsewhere", _EVENTS, _event("f", "default")),
    Request("events-by-object", "GET", f"{_EVENTS}?fieldSelector=involvedObject.name%3Dnone"),
    _create("lease", _LEASES, _named("l", spec={"holderIdentity": "a", "leaseDurationSeconds": 15})),
    _create("lease-no-duration", _LEASES, _named("z", spec={"holderIdentity": "a", "leaseDurationSeconds": 0})),
    _create("lease-bad-time", _LEASES, _named("z", spec={"renewTime": "yesterday"})),
    _create("lease-negative", _LEASES, _named("z", spec={"leaseTransitions": -1})),
    Request("lease-put-without-version", "PUT", f"{_LEASES}/l", _named("l", spec={"holderIdentity": "b"})),
    _create("budget", _BUDGETS, _named("b", spec={"minAvailable": "x%", "selector": {}})),
    _create("budget-both", _BUDGETS, _named("b", spec={"minAvailable": 1, "maxUnavailable": 1})),
)

ROLES = (
    _create("role", f"{_RBAC}/clusterroles", _named("corpus:r", rules=[{"verbs": ["get"], "resources": ["pods"]}])),
    _create("role-no-verbs", f"{_RBAC}/clusterroles", _named("corpus:s", rules=[{"verbs": [], "apiGroups": [""]}])),
    _create(
        "binding",
        f"{_RBAC}/clusterrolebindings",
        _named(
            "corpus:b", roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "corpus:r"}
        ),
    ),
    _merge("binding-other-role", f"{_RBAC}/clusterrolebindings/corpus:b", {"roleRef": {"name": "other"}}),
    _create("binding-no-role", f"{_RBAC}/namespaces/corpus/rolebindings", _named("b", roleRef={"kind": "Role"})),
)

RANGES = (
    _create("service-cidr", _CIDRS, _named("more", spec={"cidrs": ["100.96.0.0/16"]})),
    _create("service-cidr-bad", _CIDRS, _named("bad", spec={"cidrs": ["100.96.0.1/16"]})),
    _create("service-cidr-one-family", _CIDRS, _named("bad", spec={"cidrs": ["100.97.0.0/16", "100.98.0.0/16"]})),
    _create("service-cidr-none", _CIDRS, _named("bad", spec={"cidrs": []})),
    _merge("service-cidr-changed", f"{_CIDRS}/more", {"spec": {"cidrs": ["100.99.0.0/16"]}}),
    _create("address-bad-name", _ADDRESSES, _named("x", spec={"parentRef": {"resource": "services", "name": "s"}})),
    _create("address-no-parent", _ADDRESSES, _named("100.64.3.3", spec={})),
)

PAGES_OF_MAPS = (
    *(
        _create(f"paged-{each}", _MAPS, {"metadata": {"name": f"paged-{each}", "labels": {"paged": "1"}}})
        for each in "abc"
    ),
    Request("paged-first", "GET", f"{_MAPS}?labelSelector=paged&limit=1"),
    _create("paged-late", _MAPS, {"metadata": {"name": "paged-ab", "labels": {"paged": "1"}}}),
    Request("paged-rest-as-of-first", "GET", f"{_MAPS}?labelSelector=paged&continue={{continue}}"),
    Request(
        "list-exact-version",
        "GET",
        f"{_MAPS}?labelSelector=paged&resourceVersion={{version}}&resourceVersionMatch=Exact",
    ),
    Request(
        "list-not-older", "GET", f"{_MAPS}?labelSelector=paged&resourceVersion=1&resourceVersionMatch=NotOlderThan"
    ),
    Request("list-any-version", "GET", f"{_MAPS}?labelSelector=paged&resourceVersion=0"),
    Request("list-first-version", "GET", f"{_MAPS}?resourceVersion=1&resourceVersionMatch=Exact"),
    Request("list-negative-limit", "GET", f"{_MAPS}?labelSelector=paged&limit=-1"),
    Request("pods-by-node", "GET", f"{_PODS}?fieldSelector=spec.nodeName%3Dnone"),
    Request("pods-by-unknown-field", "GET", f"{_PODS}?fieldSelector=spec.none%3Da"),
    Request("services-by-type", "GET", f"{_CORE}/services?fieldSelector=spec.type%3DExternalName"),
    Request("namespaces-by-phase", "GET", f"{_NAMESPACES}?fieldSelector=status.phase%3DNone"),
    Request("label-bad-key", "GET", f"{_MAPS}?labelSelector={quote('a b/c=d')}"),
    Request("label-operator", "GET", f"{_MAPS}?labelSelector={quote('paged ~ 1')}"),
    Request("label-comma-at-end", "GET", f"{_MAPS}?labelSelector={quote('paged,')}"),
    Request("label-set-of-two-words", "GET", f"{_MAPS}?labelSelector={quote('paged in (a b)')}"),
    Request("label-set-open", "GET", f"{_MAPS}?labelSelector={quote('paged in a')}"),
    Request("label-above", "GET", f"{_MAPS}?labelSelector={quote('paged > 0')}&limit=1"),
    Request("label-above-text", "GET", f"{_MAPS}?labelSelector={quote('paged > a')}"),
    Request("label-value-syntax", "GET", f"{_MAPS}?labelSelector={quote('paged=a/b')}"),
    Request("label-key-syntax", "GET", f"{_MAPS}?labelSelector={quote('a/b/c=d')}"),
    Request("label-set-of-nothing", "GET", f"{_MAPS}?labelSelector={quote('paged in ()')}"),
    Request("accept-unknown-list", "GET", _MAPS, headers={"Accept": "text/csv"}),
    Request("accept-unknown-custom", "GET", f"{_GADGETS}/a", headers={"Accept": "text/csv"}),
    Request("watch-of-one", "GET", f"{_MAPS}/paged-a?watch=1&timeoutSeconds=1&resourceVersion=0"),
)

SINGLE_TYPES = (*NODES, *SECRETS, *WORKLOADS, *NAMES, *RECORDS, *ROLES, *RANGES, *PAGES_OF_MAPS)
