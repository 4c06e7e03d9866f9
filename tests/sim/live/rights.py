"""A credential with exactly the rights of the documents, in front of the simulated APIs; what it uses is recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from dualstack.gce.methods import method_of
from dualstack_sim.compute.api.permissions import permissions_of

DOCS = Path(__file__).parents[3] / "docs"

Right = tuple[str, str, str]
"""`resource` or `resource.group`, namespace (empty for cluster-wide), and verb."""

_OBJECT = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/(?P<ns>[^/]+)(?=/))?/(?P<kind>[^/]+)(?:/(?P<name>[^/]+))?.*"
)
_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


@dataclass
class Credential:
    """allowed: rights in the cluster; permissions: of Compute Engine. Both None for everything, only to record."""

    allowed: frozenset[Right] | None = None
    permissions: frozenset[str] | None = None
    used: set[Right] = field(default_factory=set)
    used_permissions: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    def answer(self, request: web.Request, body: bytes) -> web.Response | None:
        """The refusal, or the answer to a question about rights; None to pass the request on."""
        if request.path.startswith("/compute/"):
            return self._compute(request, body)
        return self._kubernetes(request, body)

    def _compute(self, request: web.Request, body: bytes) -> web.Response | None:
        path = request.path.split("/", 5)[5] if request.path.count("/") > 4 else ""
        if path.endswith("/testIamPermissions"):
            asked = json.loads(body)["permissions"]
            held = [each for each in asked if self.permissions is None or each in self.permissions]
            return web.json_response({"permissions": held} if held else {})
        needed = permissions_of(method_of(request.method, path).id)
        self.used_permissions.update(needed)
        missing = [each for each in needed if self.permissions is not None and each not in self.permissions]
        if not missing:
            return None
        self.refused.append(missing[0])
        error = {"code": 403, "message": f"Required '{missing[0]}' permission for '{path}'",
                 "errors": [{"reason": "forbidden", "domain": "global", "message": missing[0]}]}  # fmt: skip
        return web.json_response({"error": error}, status=403)

    def _kubernetes(self, request: web.Request, body: bytes) -> web.Response | None:
        if request.path.endswith("/selfsubjectaccessreviews"):
            review = json.loads(body)
            asked = review["spec"]["resourceAttributes"]
            right = (_resource(asked["resource"], asked.get("group", "")), asked.get("namespace", ""), asked["verb"])
            return web.json_response({**review, "status": {"allowed": self._allows(right)}}, status=201)
        if (found := _OBJECT.fullmatch(request.path)) is None:
            return None  # discovery
        group, name = found["group"] or "", found["name"]
        namespace = found["ns"] or ""
        verb = _VERBS.get(request.method) or ("get" if name else "list")
        if request.query.get("watch") in ("true", "1"):
            verb = "watch"
        right = (_resource(found["kind"], group), namespace, verb)
        self.used.add(right)
        if self._allows(right):
            return None
        self.refused.append(" ".join(right))
        status = {"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403,
                  "message": f"{right[0]} is forbidden: User cannot {verb} it in namespace {namespace!r}"}  # fmt: skip
        return web.json_response(status, status=403)

    def _allows(self, right: Right) -> bool:
        kind, _, verb = right
        return self.allowed is None or right in self.allowed or (kind, "", verb) in self.allowed


def _resource(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def listed_rights(labels: frozenset[str] | None = None) -> frozenset[Right]:
    """Those of docs/live-clusters.md#rights in whose column `for` one of the labels is; all of them for None."""
    return frozenset(
        (kind, "" if namespace in ("", "all") else namespace, verb)
        for objects, namespace, verbs, purpose in _rows("### In the cluster")
        if labels is None or _applies(purpose, labels)
        for kind in re.findall(r"`([^`]+)`", objects)
        for verb in re.findall(r"list|get|create|patch|delete", verbs)
    )


def listed_permissions(labels: frozenset[str] | None = None) -> frozenset[str]:
    """The permissions of Compute Engine, likewise."""
    return frozenset(
        permission
        for permissions, purpose in _rows("### In the project")
        if labels is None or _applies(purpose, labels)
        for permission in re.findall(r"`(compute\.[^`]+)`", permissions)
    )


def _rows(heading: str) -> Iterable[list[str]]:
    text = (DOCS / "live-clusters.md").read_text(encoding="utf-8").partition(f"{heading}\n")[2]
    table = text.strip().split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def _applies(purpose: str, labels: frozenset[str]) -> bool:
    words = {re.sub(r" \(.*", "", word).strip(" `") for word in purpose.split(", ")}
    return bool(words & labels)
