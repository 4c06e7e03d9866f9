"""Users with exactly the rights of the documents, and a record of the rights that they use."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from dualstack.gce.methods import method_of
from dualstack_sim.compute.api.permissions import permissions_of
from dualstack_sim.kube.access import attributes_of
from tests.sim.world.client import Client

DOCS = Path(__file__).parents[3] / "docs"

Right = tuple[str, str, str]
"""`resource` or `resource.group`, namespace (empty for cluster-wide), and verb."""

PLACES = {"": "", "all": "", "of the project": "garden-foo", "of the shoot": "shoot--foo--bar"}
"""The namespaces of the documents that are no names, for examples/shoot.yaml."""
LASTING = ("kube-system", "garden-foo", "shoot--foo--bar")

_RBAC = "rbac.authorization.k8s.io"
_numbers = itertools.count(1)


def new_user(cluster: Client, rights: Iterable[Right]) -> str:
    """The token of a new ServiceAccount with these rights in a world with `--rbac`.

    Those in a lasting namespace are granted there, those in the namespaces that the commands create and delete in
    every namespace: a Role disappears with its namespace.
    """
    name = f"user-{next(_numbers)}"
    rules = dict[str, list[dict[str, Any]]]()
    for kind, namespace, verb in sorted(rights):
        resource, _, group = kind.partition(".")
        rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        rules.setdefault(namespace if namespace in LASTING else "", []).append(rule)
    account = {"metadata": {"name": name}}
    cluster.kube("/api/v1/namespaces/default/serviceaccounts", "POST", account)
    for namespace, granted in rules.items():
        scope, place = ("", f"/namespaces/{namespace}") if namespace else ("Cluster", "")
        root = f"/apis/{_RBAC}/v1{place}"
        binding = {
            **account,
            "roleRef": {"apiGroup": _RBAC, "kind": f"{scope}Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": name}],
        }
        cluster.kube(f"{root}/{scope.lower()}roles", "POST", {**account, "rules": granted})
        cluster.kube(f"{root}/{scope.lower()}rolebindings", "POST", binding)
    lasting = {"spec": {"expirationSeconds": 10_000_000}}
    made = cluster.kube(f"/api/v1/namespaces/default/serviceaccounts/{name}/token", "POST", lasting)
    return str(made["status"]["token"])


@dataclass
class Record:
    """What a user does. permissions: those of Compute Engine that it has, None for all; others are refused."""

    permissions: frozenset[str] | None = None
    used: set[Right] = field(default_factory=set)
    used_permissions: set[str] = field(default_factory=set)

    def answer(self, request: web.Request, body: bytes) -> web.Response | None:
        """What Compute Engine answers in place of the simulated one, which has no permissions; None to pass it on."""
        if request.path.startswith("/compute/"):
            return self._compute(request, body)
        done = attributes_of(request.method, request.path, request.query)
        if done.resource and not done.resource.startswith("selfsubject"):
            namespace = "" if done.resource == "namespaces" else done.namespace
            self.used.add((f"{done.resource}.{done.group}" if done.group else done.resource, namespace, done.verb))
        return None

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
        error = {"code": 403, "message": f"Required '{missing[0]}' permission for '{path}'",
                 "errors": [{"reason": "forbidden", "domain": "global", "message": missing[0]}]}  # fmt: skip
        return web.json_response({"error": error}, status=403)


def beyond(used: Iterable[Right], listed: frozenset[Right]) -> set[Right]:
    """The rights that are not listed, neither for their namespace nor for all."""
    return {(kind, place, verb) for kind, place, verb in used if not {(kind, place, verb), (kind, "", verb)} & listed}


def listed_rights(labels: frozenset[str] | None = None, heading: str = "### In the cluster") -> frozenset[Right]:
    """Those of docs/live-clusters.md#rights in whose column `for` one of the labels is; all of them for None."""
    return frozenset(
        (kind, PLACES.get(namespace, namespace), verb)
        for objects, namespace, verbs, purpose in _rows(heading)
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
    table = [line for line in text.partition("\n#")[0].splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def _applies(purpose: str, labels: frozenset[str]) -> bool:
    words = {re.sub(r" \(.*", "", word).strip(" `") for word in purpose.split(", ")}
    return bool(words & labels)
