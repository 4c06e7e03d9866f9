"""Who makes a request, and whether it may: users by their tokens, and RBAC; one administrator where RBAC is off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from aiohttp import web

from dualstack.model.kinds import SERVICE_ACCOUNT, Manifest
from dualstack_sim.kube.objects import StoredObject
from dualstack_sim.kube.rbac import (
    DEFAULT_ROLES,
    EVERYTHING,
    MASTERS,
    RBAC_GROUP,
    Attributes,
    Decision,
    Rule,
    User,
    authorize,
    refusal,
    rules_of,
    service_account_of,
    service_account_user,
)
from dualstack_sim.kube.requests import NAMESPACE_SUBRESOURCES, bool_parameter
from dualstack_sim.kube.status import bad_request, forbidden, unauthorized
from dualstack_sim.kube.store import KubeStore

ADMIN_TOKEN = "simulated"  # noqa: S105 - it protects nothing
"""The bearer token of the administrator, which the kubeconfigs of a world have."""

_ADMIN = User("admin", (MASTERS, "system:authenticated"))
_ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAME_SELECTOR = re.compile(r"(?:^|,)metadata\.name==?([^,/%]+)")


def attributes_of(method: str, path: str, query: Mapping[str, str]) -> Attributes:
    """What a request does, by its path alone: the server may not have the resource."""
    segments = path.strip("/").split("/")
    prefix = {"api": 2, "apis": 3}.get(segments[0], len(segments))
    if len(segments) <= prefix:
        return Attributes(method.lower(), path=path)
    rest, namespace = segments[prefix:], ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    verb = _VERBS.get(method, "")
    if not name and verb == "get":
        verb = "watch" if bool_parameter(query, "watch") else "list"
        selected = _NAME_SELECTOR.search(query.get("fieldSelector", ""))
        name = selected[1] if selected else ""
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Attributes(verb, segments[1] if prefix == 3 else "", resource, subresource, namespace, name)


class Access:
    """Authentication and authorization of one API server.

    rbac: without it, every request is the administrator's, whatever its token.
    """

    def __init__(self, store: KubeStore, *, rbac: bool) -> None:
        self._store, self._rbac = store, rbac
        self._tokens: dict[str, tuple[StoredObject, float]] = {}
        self._issued = 0
        for kind, document in DEFAULT_ROLES if rbac else ():
            store.upsert(kind, document)

    # --- authentication ---

    def issue_token(self, account: StoredObject, expires: float) -> str:
        """A token of a ServiceAccount, valid until `expires` (Unix seconds) and while the account exists."""
        now = self._store.clock.now()
        self._tokens = {token: each for token, each in self._tokens.items() if each[1] > now}
        self._issued += 1
        token = f"simulated-token-of-{account.uid}-{self._issued}"
        self._tokens[token] = (account, expires)
        return token

    def user_of_token(self, token: str) -> User | None:
        """The user of a token; None if it is unknown, has expired, or its ServiceAccount is gone."""
        if token == ADMIN_TOKEN or not self._rbac:
            return _ADMIN
        account, expires = self._tokens.get(token, (None, 0.0))
        if account is None or expires <= self._store.clock.now():
            return None
        target = self._store.target(SERVICE_ACCOUNT, account.namespace, account.name)
        present = self._store.storage.get(*target.location)
        if present is None or present.uid != account.uid:
            return None
        return service_account_user(account.namespace or "", account.name, account.uid)

    def user(self, http: web.Request) -> User:
        """The user of a request: that of its bearer token, or whom that user impersonates. 400, 401, 403."""
        if not self._rbac:
            return _ADMIN
        scheme, _, token = http.headers.get("Authorization", "").partition(" ")
        user = self.user_of_token(token.strip()) if scheme.lower() == "bearer" else _ANONYMOUS
        if user is None:
            raise unauthorized()
        name, groups = http.headers.get("Impersonate-User", ""), http.headers.getall("Impersonate-Group", [])
        if groups and not name:
            raise bad_request(f"requested {_as_in_go(groups)} without impersonating a user name")
        return self._impersonated(user, name, groups) if name else user

    def _impersonated(self, user: User, name: str, groups: list[str]) -> User:
        account = service_account_of(name)
        if account is None:
            impersonated = User(name)
            self._demand(user, Attributes("impersonate", resource="users", name=name))
        else:
            impersonated = service_account_user(*account)
            attributes = Attributes("impersonate", resource="serviceaccounts", namespace=account[0], name=account[1])
            self._demand(user, attributes)
        for group in groups:
            self._demand(user, Attributes("impersonate", resource="groups", name=group))
        if groups or account is None:
            impersonated = User(name, tuple(dict.fromkeys((*groups, "system:authenticated"))))
        return impersonated

    # --- authorization ---

    def check(self, http: web.Request, verb: str | None = None) -> None:
        """401 for an unknown token, 403 if the user may not do this. verb: in place of that of the method."""
        if self._rbac:
            attributes = attributes_of(http.method, http.path, http.query)
            self._demand(self.user(http), attributes if verb is None else replace(attributes, verb=verb))

    def _demand(self, user: User, attributes: Attributes) -> None:
        decision = self.decide(user, attributes)
        if not decision.allowed:
            why = refusal(user, attributes, decision.reason)
            raise forbidden(attributes.group, attributes.resource, attributes.name, why)

    def decide(self, user: User, attributes: Attributes) -> Decision:
        """Whether the user may do this."""
        return authorize(user, attributes, self._role_objects) if self._rbac else Decision(True)

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """The rules of the user in a namespace, with those for the whole cluster."""
        return rules_of(user, namespace, self._role_objects) if self._rbac else list(EVERYTHING)

    def _role_objects(self, plural: str, namespace: str) -> Iterable[Manifest]:
        resource = self._store.registry.get((RBAC_GROUP, plural))
        if resource is None or resource.namespaced != bool(namespace):
            return ()
        objects = self._store.storage.collection(resource).objects(namespace or None)
        return (each.manifest for each in objects)


def _as_in_go(groups: list[str]) -> str:
    """A user without a name, as Go prints it."""
    listed = ", ".join(f'"{group}"' for group in groups)
    return f'&user.DefaultInfo{{Name:"", UID:"", Groups:[]string{{{listed}}}, Extra:map[string][]string(nil)}}'
