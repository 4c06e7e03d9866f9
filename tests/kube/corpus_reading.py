"""Requests that read: pages, selectors, forms of an answer, watches, and paths that are not served.

They follow those of tests/kube/corpus.py on the same servers. In a path or body, `{continue}` and `{version}` stand for
what the last answer with a continue token and the last answer with a version had.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.kube.corpus import MERGE, Request

_GADGETS = "/apis/corpus.dualstack.dev/v1/namespaces/corpus/gadgets"
_MAPS = "/api/v1/namespaces/corpus/configmaps"
_WATCH = f"{_GADGETS}?watch=1&timeoutSeconds=1"
_ONE = "fieldSelector=metadata.name%3Dpage-1"
_INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
_FORM = "application/json;as={};g=meta.k8s.io;v=v1"


def _gadget(name: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"page": "1", **labels}}
    return {"apiVersion": "corpus.dualstack.dev/v1", "kind": "Gadget", "metadata": metadata, "spec": {"size": 1}}


def _get(name: str, path: str, form: str = "") -> Request:
    return Request(name, "GET", path, headers={"Accept": _FORM.format(form)} if form else {})


def _labels(name: str, selector: str) -> Request:
    return _get(name, f"{_GADGETS}?labelSelector={quote(selector)}")


def _fields(name: str, selector: str) -> Request:
    return _get(name, f"{_GADGETS}?fieldSelector={quote(selector)}")


PAGES = (
    Request("page-object-1", "POST", _GADGETS, _gadget("page-1", part="a")),
    Request("page-object-2", "POST", _GADGETS, _gadget("page-2", part="b")),
    Request("page-object-3", "POST", _GADGETS, _gadget("page-3", part="")),
    _get("page-first", f"{_GADGETS}?limit=2"),
    _get("page-next", f"{_GADGETS}?limit=2&continue={{continue}}"),
    _get("page-rest", f"{_GADGETS}?continue={{continue}}"),
    _get("page-of-selected", f"{_GADGETS}?limit=2&labelSelector=page"),
    _get("page-token-and-version", f"{_GADGETS}?limit=2&continue={{continue}}&resourceVersion={{version}}"),
    _get("page-bad-token", f"{_GADGETS}?continue=abc"),
    _get("page-limit-no-number", f"{_GADGETS}?limit=two"),
)

SELECTORS = (
    _labels("label-in", "part in (a,b)"),
    _labels("label-not-in", "page,part notin (a,b)"),
    _labels("label-absent", "!page"),
    _labels("label-empty-value", "part="),
    _labels("label-not-equal", "page,part!=a"),
    _labels("label-double-equals", "part==a"),
    _labels("label-bad-value", "part=no space"),
    _labels("label-open-parenthesis", "part in (a"),
    _fields("field-not-equal", "metadata.name!=page-1,metadata.namespace=corpus"),
    _fields("field-unknown", "spec.size=1"),
    _fields("field-without-operator", "metadata.name"),
)

FORMS = (
    _get("table-of-one", f"{_GADGETS}/page-1", "Table"),
    _get("table-without-objects", f"{_GADGETS}?labelSelector=page&includeObject=None", "Table"),
    _get("metadata-of-one", f"{_GADGETS}/page-1", "PartialObjectMetadata"),
    _get("metadata-of-list", f"{_GADGETS}?labelSelector=page", "PartialObjectMetadataList"),
    _get("metadata-of-missing", f"{_GADGETS}/none", "PartialObjectMetadata"),
    Request("accept-unknown", "GET", f"{_MAPS}/none", headers={"Accept": "text/csv"}),
)

WATCHES = (
    _get("watch-version", f"{_GADGETS}/page-1"),
    Request("watch-change", "PATCH", f"{_GADGETS}/page-1", {"spec": {"size": 2}}, MERGE),
    _get("watch-before", f"{_GADGETS}/page-2"),
    Request("watch-label-gone", "PATCH", f"{_GADGETS}/page-2", {"metadata": {"labels": {"part": None}}}, MERGE),
    _get("watch-resume", f"{_WATCH}&resourceVersion={{version}}&{_ONE}"),
    _get("watch-from-any", f"{_WATCH}&resourceVersion=0&{_ONE}"),
    _get("watch-from-now", f"{_WATCH}&{_ONE}"),
    _get("watch-initial-events", f"{_WATCH}&{_INITIAL}&allowWatchBookmarks=true&{_ONE}"),
    _get("watch-initial-without-bookmarks", f"{_WATCH}&{_INITIAL}&{_ONE}"),
    _get("watch-initial-without-match", f"{_WATCH}&sendInitialEvents=true"),
    _get("watch-match-alone", f"{_WATCH}&resourceVersionMatch=NotOlderThan"),
    _get("watch-bad-version", f"{_WATCH}&resourceVersion=abc"),
    _get("watch-too-old", f"{_WATCH}&resourceVersion=1"),
    _get("watch-bad-version-of-maps", f"{_MAPS}?watch=1&timeoutSeconds=1&resourceVersion=abc"),
    _get("watch-table", f"{_WATCH}&{_ONE}", "Table"),
    _get("list-initial-events", f"{_GADGETS}?sendInitialEvents=true"),
)

PATHS = (
    _get("unknown-group", "/apis/none.dualstack.dev/v1/things"),
    _get("unknown-version", "/apis/apps/v9/deployments"),
    _get("unknown-core-version", "/api/v2/pods"),
    _get("unknown-custom-version", "/apis/corpus.dualstack.dev/v2/namespaces/corpus/gadgets"),
    _get("unknown-subresource", f"{_MAPS}/a/status"),
    _get("namespace-of-a-cluster-type", "/api/v1/namespaces/corpus/nodes"),
    Request("put-to-a-collection", "PUT", _MAPS, {}),
    Request("post-to-an-object", "POST", f"{_MAPS}/a", {}),
    Request("delete-in-all-namespaces", "DELETE", "/api/v1/configmaps"),
)

READING = (*PAGES, *SELECTORS, *FORMS, *WATCHES, *PATHS)
