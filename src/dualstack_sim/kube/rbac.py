"""Kubernetes' RBAC authorizer: which rules a user has by its bindings, and whether one of them allows a request.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/. Reasons have the words of the real authorizer.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dualstack.model.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, Kind, Manifest

MASTERS = "system:masters"
"""The group whose users are allowed everything, whatever the roles are."""

RBAC_GROUP = CLUSTER_ROLE.group

Rule = Mapping[str, Any]
"""A `PolicyRule` of a role."""

EVERYTHING: tuple[Rule, ...] = (
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
)
"""The rules of `cluster-admin`."""

RoleObjects = Callable[[str, str], Iterable[Manifest]]
"""Lists the objects of an RBAC type, by plural name, in a namespace: "" for ClusterRoles and their bindings."""


@dataclass(frozen=True, slots=True)
class User:
    """A user as authentication found it. uid: of its ServiceAccount, else empty."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a request does. path: of a request that is about no resource; of the others only `verb` is set then."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def combined(self) -> str:
        """The resource with its subresource, as rules name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Decision(NamedTuple):
    """reason: by what the request is allowed, or which roles are missing; often empty."""

    allowed: bool
    reason: str = ""


class _Grant(NamedTuple):
    """A rule that applies to a user, and the binding that grants it; or the error of a binding without its role."""

    source: str
    rule: Rule
    error: str = ""


_ACCOUNT = "system:serviceaccount:"


def service_account_user(namespace: str, name: str, uid: str = "") -> User:
    """The user of a ServiceAccount, with its groups."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"{_ACCOUNT}{namespace}:{name}", groups, uid)


def service_account_of(user_name: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount of this user; None if it is another user."""
    namespace, _, name = user_name.removeprefix(_ACCOUNT).partition(":")
    return (namespace, name) if user_name.startswith(_ACCOUNT) and namespace and name and ":" not in name else None


def authorize(user: User, attributes: Attributes, objects: RoleObjects) -> Decision:
    """Whether a rule of the user allows the request."""
    if MASTERS in user.groups:
        return Decision(True)
    errors = dict[str, None]()
    for grant in _grants(user, attributes.namespace, objects):
        if grant.error:
            errors[grant.error] = None
        elif rule_allows(grant.rule, attributes):
            return Decision(True, f"RBAC: allowed by {grant.source}")
    text = next(iter(errors)) if len(errors) == 1 else f"[{', '.join(errors)}]"
    return Decision(False, f"rbac: RBAC: {text}" if errors else "")


def refusal(user: User, attributes: Attributes, reason: str) -> str:
    """Why the request is forbidden, as the API server says it after `forbidden: `."""
    text = f'User "{user.name}" cannot {attributes.verb}'
    if attributes.path:
        text += f' path "{attributes.path}"'
    else:
        text += f' resource "{attributes.combined}" in API group "{attributes.group}"'
        where = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
        text += f" {where}"
    text = html.escape(text, quote=False)
    return f"{text}: {reason}" if reason else text


def rules_of(user: User, namespace: str, objects: RoleObjects) -> list[Rule]:
    """All rules of the user in a namespace, with those for the whole cluster."""
    return [grant.rule for grant in _grants(user, namespace, objects) if not grant.error]


def rule_allows(rule: Rule, attributes: Attributes) -> bool:
    """Whether one rule allows the request."""
    if not _names(rule, "verbs", attributes.verb):
        return False
    if attributes.path:
        return any(_url_matches(url, attributes.path) for url in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    resources = [attributes.combined]
    if attributes.subresource:
        resources.append(f"*/{attributes.subresource}")
    return (
        _names(rule, "apiGroups", attributes.group)
        and _names(rule, "resources", *resources)
        and (not names or attributes.name in names)
    )


def _names(rule: Rule, field: str, *values: str) -> bool:
    listed = rule.get(field) or ()
    return "*" in listed or any(value in listed for value in values)


def _url_matches(url: str, path: str) -> bool:
    return path.startswith(url.rstrip("*")) if url.endswith("*") else path == url


def _grants(user: User, namespace: str, objects: RoleObjects) -> Iterator[_Grant]:
    """The rules by the ClusterRoleBindings, then by the RoleBindings of the namespace if there is one."""
    for scope in ("", namespace) if namespace else ("",):
        for binding in objects("rolebindings" if scope else "clusterrolebindings", scope):
            subject = next((each for each in binding.get("subjects") or () if _is(user, each, scope)), None)
            if subject is None:
                continue
            reference = binding["roleRef"]
            # A ClusterRoleBinding of a Role finds none: a Role is in a namespace.
            plural, place = ("clusterroles", "") if reference["kind"] == "ClusterRole" else ("roles", scope)
            roles = (each for each in objects(plural, place) if each["metadata"]["name"] == reference["name"])
            role = next(roles, None)
            if role is None:
                kind = reference["kind"].lower()
                yield _Grant("", {}, f'{kind}.{RBAC_GROUP} "{reference["name"]}" not found')
                continue
            for rule in role.get("rules") or ():
                yield _Grant(_source(binding, subject, scope), rule)


def _is(user: User, subject: Mapping[str, str], scope: str) -> bool:
    """Whether a subject of a binding in the namespace `scope` is the user."""
    match subject["kind"]:
        case "User":
            return subject["name"] == user.name
        case "Group":
            return subject["name"] in user.groups
        case "ServiceAccount":
            namespace = subject.get("namespace") or scope
            return bool(namespace) and user.name == f"{_ACCOUNT}{namespace}:{subject['name']}"
        case _:
            return False


def _source(binding: Manifest, subject: Mapping[str, str], scope: str) -> str:
    name, reference, place = binding["metadata"]["name"], binding["roleRef"], ""
    if subject["kind"] == "ServiceAccount":
        place = f"/{subject.get('namespace') or scope}"
    kind, name = ("RoleBinding", f"{name}/{scope}") if scope else ("ClusterRoleBinding", name)
    role = f'{reference["kind"]} "{reference["name"]}"'
    return f'{kind} "{name}" of {role} to {subject["kind"]} "{subject["name"]}{place}"'


def _default(name: str, rules: Iterable[Rule], *groups: str) -> Iterator[tuple[Kind, Manifest]]:
    metadata = {
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {f"{RBAC_GROUP}/autoupdate": "true"},
    }
    subjects = [{"kind": "Group", "apiGroup": RBAC_GROUP, "name": group} for group in groups]
    reference = {"kind": "ClusterRole", "apiGroup": RBAC_GROUP, "name": name}
    yield CLUSTER_ROLE, {"metadata": metadata, "rules": list(rules)}
    yield CLUSTER_ROLE_BINDING, {"metadata": metadata, "subjects": subjects, "roleRef": reference}


_HEALTH = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
_DISCOVERY = [*_HEALTH, "/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"]

DEFAULT_ROLES = (
    *_default("cluster-admin", EVERYTHING, MASTERS),
    *_default("system:discovery", [{"nonResourceURLs": _DISCOVERY, "verbs": ["get"]}], "system:authenticated"),
    *_default(
        "system:public-info-viewer",
        [{"nonResourceURLs": _HEALTH, "verbs": ["get"]}],
        "system:authenticated",
        "system:unauthenticated",
    ),
    *_default(
        "system:basic-user",
        [
            {
                "apiGroups": ["authorization.k8s.io"],
                "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                "verbs": ["create"],
            },
            {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
        ],
        "system:authenticated",
    ),
)
"""The default roles that a user without roles of its own needs, and `cluster-admin`, each with its binding."""
