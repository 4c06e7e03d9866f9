"""The RBAC authorizer of the simulated API: pure as a table and for any roles, then over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.model.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    NODE,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    Manifest,
)
from dualstack_sim.kube.access import ADMIN_TOKEN, attributes_of
from dualstack_sim.kube.builtin import BUILTIN_TYPES
from dualstack_sim.kube.rbac import Attributes, RoleObjects, User, authorize, rule_allows, service_account_user
from dualstack_sim.kube.requests import resource_target
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.types import Registry
from tests.sim.kube.conftest import ManualClock
from tests.sim.kube.objects import config_map
from tests.support.loopback import on_loopback

NODES = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}
ALICE = User("alice", ("system:authenticated",))


@pytest.mark.parametrize(
    ("rule", "attributes", "allowed"),
    [
        (NODES, Attributes("list", "", "nodes"), True),
        (NODES, Attributes("watch", "", "nodes"), False),
        (NODES, Attributes("list", "apps", "nodes"), False),
        (NODES, Attributes("list", "", "pods"), False),
        (NODES, Attributes("get", "", "nodes", "status"), False),
        ({**NODES, "resources": ["nodes/status"]}, Attributes("get", "", "nodes", "status"), True),
        ({**NODES, "resources": ["nodes/status"]}, Attributes("get", "", "nodes"), False),
        ({**NODES, "resources": ["*/status"]}, Attributes("get", "", "nodes", "status"), True),
        ({**NODES, "resources": ["*/status"]}, Attributes("get", "", "nodes", "scale"), False),
        ({**NODES, "resources": ["nodes/*"]}, Attributes("get", "", "nodes", "status"), False),
        ({**NODES, "resources": ["*"]}, Attributes("get", "", "nodes", "status"), True),
        ({**NODES, "verbs": ["*"]}, Attributes("deletecollection", "", "nodes"), True),
        ({**NODES, "apiGroups": ["*"]}, Attributes("get", "apps", "nodes"), True),
        ({**NODES, "resourceNames": ["a"]}, Attributes("get", "", "nodes", "", "", "a"), True),
        ({**NODES, "resourceNames": ["a"]}, Attributes("get", "", "nodes", "", "", "b"), False),
        ({**NODES, "resourceNames": ["a"]}, Attributes("list", "", "nodes"), False),
        ({**NODES, "resourceNames": []}, Attributes("list", "", "nodes"), True),
        (NODES, Attributes("get", path="/healthz"), False),
        ({"nonResourceURLs": ["/healthz"], "verbs": ["get"]}, Attributes("get", path="/healthz"), True),
        ({"nonResourceURLs": ["/healthz"], "verbs": ["get"]}, Attributes("get", path="/healthz/etcd"), False),
        ({"nonResourceURLs": ["/healthz/*"], "verbs": ["get"]}, Attributes("get", path="/healthz/etcd"), True),
        ({"nonResourceURLs": ["/healthz/*"], "verbs": ["get"]}, Attributes("get", path="/healthz"), False),
        ({"nonResourceURLs": ["*"], "verbs": ["get"]}, Attributes("get", path="/metrics"), True),
        ({"nonResourceURLs": ["*"], "verbs": ["get"]}, Attributes("get", "", "nodes"), False),
    ],
)
def test_what_one_rule_allows(rule: dict[str, Any], attributes: Attributes, allowed: bool) -> None:
    assert rule_allows(rule, attributes) is allowed


@pytest.mark.parametrize(
    ("method", "path", "attributes"),
    [
        ("GET", "/api/v1/nodes", Attributes("list", "", "nodes")),
        ("GET", "/api/v1/nodes?watch=true", Attributes("watch", "", "nodes")),
        ("GET", "/api/v1/nodes/n", Attributes("get", "", "nodes", "", "", "n")),
        ("HEAD", "/api/v1/nodes/n", Attributes("get", "", "nodes", "", "", "n")),
        ("PATCH", "/api/v1/nodes/n/status", Attributes("patch", "", "nodes", "status", "", "n")),
        ("POST", "/api/v1/namespaces/a/pods", Attributes("create", "", "pods", "", "a")),
        ("POST", "/api/v1/namespaces/a/pods/p/eviction", Attributes("create", "", "pods", "eviction", "a", "p")),
        ("PUT", "/apis/apps/v1/namespaces/a/deployments/d/scale",
         Attributes("update", "apps", "deployments", "scale", "a", "d")),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments",
         Attributes("deletecollection", "apps", "deployments", "", "a")),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments/d",
         Attributes("delete", "apps", "deployments", "", "a", "d")),
        ("GET", "/api/v1/namespaces", Attributes("list", "", "namespaces")),
        ("GET", "/api/v1/namespaces/a", Attributes("get", "", "namespaces", "", "a", "a")),
        ("PUT", "/api/v1/namespaces/a/finalize", Attributes("update", "", "namespaces", "finalize", "a", "a")),
        ("GET", "/api/v1/pods?fieldSelector=metadata.name=p", Attributes("list", "", "pods", "", "", "p")),
        ("GET", "/api/v1/pods?fieldSelector=metadata.name!=p", Attributes("list", "", "pods")),
        ("GET", "/api/v1", Attributes("get", path="/api/v1")),
        ("GET", "/apis/apps/v1", Attributes("get", path="/apis/apps/v1")),
        ("GET", "/healthz", Attributes("get", path="/healthz")),
        ("HEAD", "/healthz", Attributes("head", path="/healthz")),
    ],
)  # fmt: skip
def test_what_a_request_does(method: str, path: str, attributes: Attributes) -> None:
    plain, _, query = path.partition("?")
    assert attributes_of(method, plain, dict([query.split("=", 1)] if query else [])) == attributes


def test_what_is_authorized_is_what_is_done() -> None:
    """For each path that the server routes, authorization and routing see the same type, namespace, name and part."""
    registry = Registry(BUILTIN_TYPES)
    for resource in registry:
        root = f"/apis/{resource.group}" if resource.group else "/api"
        for tail in ("", "/a", "/a/status", "/a/scale", "/status", "/finalize", "/a/finalize"):
            for place in ("", "/namespaces/p", "/namespaces/status"):
                path = f"{root}/{resource.versions[0]}{place}/{resource.plural}{tail}"
                try:
                    target = resource_target(registry, path.strip("/").split("/"))
                except StatusError:
                    continue
                done = attributes_of("GET", path, {})
                seen = (done.group, done.resource, done.name, done.subresource)
                assert seen == (target.resource.group, target.resource.plural, target.name, target.subresource or "")
                if target.resource.plural != "namespaces":
                    assert done.namespace == (target.namespace or "")


def roles(*documents: Manifest) -> RoleObjects:
    """The objects of one API server. Each document has its `kind`."""

    def objects(plural: str, namespace: str) -> list[Manifest]:
        return [
            each
            for each in documents
            if f"{each['kind'].lower()}s" == plural and each["metadata"].get("namespace", "") == namespace
        ]

    return objects


def role(kind: str, name: str, *rules: dict[str, Any], **metadata: str) -> Manifest:
    return {"kind": kind, "metadata": {"name": name, **metadata}, "rules": list(rules)}


def binding(kind: str, to: str, subject: dict[str, str], **metadata: str) -> Manifest:
    """A binding of a role, written as `<kind>/<name>`."""
    role_kind, _, name = to.partition("/")
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": name}
    return {"kind": kind, "metadata": {"name": "b", **metadata}, "roleRef": reference, "subjects": [subject]}


USER = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}
GROUP = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:authenticated"}
MISSING = 'role.rbac.authorization.k8s.io "{}" not found'
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}


@pytest.mark.parametrize(
    ("documents", "namespace", "decision"),
    [
        ((), "", (False, "")),
        ((role("ClusterRole", "r", PODS), binding("ClusterRoleBinding", "ClusterRole/r", USER)), "",
         (True, 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "alice"')),
        ((role("ClusterRole", "r", PODS), binding("ClusterRoleBinding", "ClusterRole/r", GROUP)), "a",
         (True, 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to Group "system:authenticated"')),
        ((role("ClusterRole", "r", PODS), binding("RoleBinding", "ClusterRole/r", USER, namespace="a")), "a",
         (True, 'RBAC: allowed by RoleBinding "b/a" of ClusterRole "r" to User "alice"')),
        ((role("ClusterRole", "r", PODS), binding("RoleBinding", "ClusterRole/r", USER, namespace="a")), "",
         (False, "")),
        ((role("Role", "r", PODS, namespace="a"), binding("RoleBinding", "Role/r", USER, namespace="a")), "a",
         (True, 'RBAC: allowed by RoleBinding "b/a" of Role "r" to User "alice"')),
        ((role("Role", "r", PODS, namespace="a"), binding("RoleBinding", "Role/r", USER, namespace="a")), "b",
         (False, "")),
        ((role("Role", "r", PODS, namespace="b"), binding("RoleBinding", "Role/r", USER, namespace="a")), "a",
         (False, f"rbac: RBAC: {MISSING.format('r')}")),
        ((role("Role", "r", PODS, namespace="a"), binding("ClusterRoleBinding", "Role/r", USER)), "a",
         (False, f"rbac: RBAC: {MISSING.format('r')}")),
        ((binding("ClusterRoleBinding", "ClusterRole/x", USER),
          binding("ClusterRoleBinding", "ClusterRole/y", USER)), "",
         (False, f"rbac: RBAC: [cluster{MISSING.format('x')}, cluster{MISSING.format('y')}]")),
    ],
)  # fmt: skip
def test_bindings_grant_roles_to_their_subjects(
    documents: tuple[Manifest, ...], namespace: str, decision: tuple[bool, str]
) -> None:
    found = authorize(ALICE, Attributes("list", "", "pods", "", namespace), roles(*documents))
    assert found == decision


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [
        ({"kind": "ServiceAccount", "name": "s", "namespace": "b"}, True),
        ({"kind": "ServiceAccount", "name": "s"}, False),
        ({"kind": "ServiceAccount", "name": "t", "namespace": "b"}, False),
        ({"kind": "User", "name": "system:serviceaccount:b:s"}, True),
        ({"kind": "Group", "name": "system:serviceaccounts:b"}, True),
        ({"kind": "Group", "name": "system:serviceaccounts:a"}, False),
        ({"kind": "Group", "name": "system:serviceaccounts"}, True),
    ],
)
def test_a_service_account_is_a_subject_by_name_and_by_its_groups(subject: dict[str, str], allowed: bool) -> None:
    bound = binding("RoleBinding", "Role/r", subject, namespace="a")
    objects = roles(role("Role", "r", PODS, namespace="a"), bound)
    assert authorize(service_account_user("b", "s"), Attributes("list", "", "pods", "", "a"), objects)[0] is allowed


words = st.sampled_from(["get", "list", "", "apps", "pods", "pods/log", "nodes", "a", "b"])
rules = st.fixed_dictionaries(
    {field: st.lists(words | st.just("*"), max_size=3) for field in ("verbs", "apiGroups", "resources")},
    optional={"resourceNames": st.lists(words, max_size=2)},
)
requests = st.builds(
    Attributes,
    verb=st.sampled_from(["get", "list"]),
    group=st.sampled_from(["", "apps"]),
    resource=st.sampled_from(["pods", "nodes"]),
    subresource=st.sampled_from(["", "log"]),
    namespace=st.sampled_from(["a", "b"]),
    name=st.sampled_from(["", "a", "b"]),
)


@given(st.lists(rules, max_size=4), requests)
def test_rights_add_up_and_a_role_binding_grants_them_in_its_namespace_alone(
    given_rules: list[dict[str, Any]], request: Attributes
) -> None:
    """A user may do what one of its rules allows, whatever the other rules; others may not, nor may it elsewhere."""
    bound = binding("RoleBinding", "ClusterRole/r", USER, namespace="a")
    objects = roles(role("ClusterRole", "r", *given_rules), bound)
    may = any(rule_allows(rule, request) for rule in given_rules)
    assert authorize(ALICE, request, objects).allowed == (may and request.namespace == "a")
    assert not authorize(User("bob", ALICE.groups), request, objects).allowed
    assert authorize(User("root", ("system:masters",)), request, objects) == (True, "")


@given(rules, requests)
def test_names_and_fields_only_narrow_a_rule(rule: dict[str, Any], request: Attributes) -> None:
    wide = {**rule, "resourceNames": []}
    assert rule_allows(wide, request) or not rule_allows(rule, request)
    anything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    for field, words in anything.items():
        assert rule_allows({**rule, field: words}, request) or not rule_allows(rule, request)
    assert rule_allows(anything, request)


# --- over HTTP ---


@pytest.fixture
async def secured(store: KubeStore) -> AsyncIterator[aiohttp.ClientSession]:
    async with on_loopback(create_app(store, rbac=True)) as root, aiohttp.ClientSession(root) as session:
        yield session


async def ask(
    http: aiohttp.ClientSession, method: str, path: str, token: str | None = None, **more: Any
) -> tuple[int, dict[str, Any]]:
    headers = {**more.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    async with http.request(method, path, headers=headers, **more) as response:
        document = await response.json(content_type=None) if response.content_type == "application/json" else {}
        return response.status, document


async def account(http: aiohttp.ClientSession, store: KubeStore, *given_rules: dict[str, Any]) -> str:
    """The token of ServiceAccount `s` in `default`, with these rules in the whole cluster."""
    store.create(SERVICE_ACCOUNT, {"metadata": {"name": "s", "namespace": "default"}})
    store.create(CLUSTER_ROLE, {"metadata": {"name": "r"}, "rules": list(given_rules)})
    subject = {"kind": "ServiceAccount", "name": "s", "namespace": "default"}
    store.create(CLUSTER_ROLE_BINDING, binding("ClusterRoleBinding", "ClusterRole/r", subject))
    path = "/api/v1/namespaces/default/serviceaccounts/s/token"
    status, made = await ask(http, "POST", path, ADMIN_TOKEN, json={"spec": {"expirationSeconds": 600}})
    assert status == 201
    return str(made["status"]["token"])


async def test_a_missing_verb_is_the_403_of_the_real_server(store: KubeStore, secured: aiohttp.ClientSession) -> None:
    token = await account(secured, store, NODES)
    assert (await ask(secured, "GET", "/api/v1/nodes", token))[0] == 200
    status, refused = await ask(secured, "GET", "/api/v1/nodes?watch=1", token)
    assert (status, refused) == (
        403,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'nodes is forbidden: User "system:serviceaccount:default:s" cannot watch resource "nodes" in '
            'API group "" at the cluster scope',
            "reason": "Forbidden",
            "details": {"kind": "nodes"},
            "code": 403,
        },
    )
    path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
    _, refused = await ask(secured, "PUT", path, token, json={})
    assert refused["message"] == (
        'deployments.apps "web" is forbidden: User "system:serviceaccount:default:s" cannot update resource '
        '"deployments/scale" in API group "apps" in the namespace "default"'
    )
    assert refused["details"] == {"name": "web", "group": "apps", "kind": "deployments"}
    status, refused = await ask(secured, "GET", "/metrics", token)
    assert (status, refused["message"], refused["details"]) == (
        403,
        'forbidden: User "system:serviceaccount:default:s" cannot get path "/metrics"',
        {},
    )
    assert (await ask(secured, "GET", "/apis/none.example/v1/things", token))[0] == 403, "before it is looked for"


async def test_a_role_counts_as_soon_as_it_is_written(store: KubeStore, secured: aiohttp.ClientSession) -> None:
    token = await account(secured, store)
    path = "/api/v1/namespaces/default/configmaps"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "patch"]}
    assert (await ask(secured, "POST", path, token, json=config_map("a")))[0] == 403
    store.create(ROLE, {"metadata": {"name": "r", "namespace": "default"}, "rules": [rule]})
    bound = binding("RoleBinding", "Role/r", {"kind": "ServiceAccount", "name": "s"}, namespace="default")
    store.create(ROLE_BINDING, bound)
    assert (await ask(secured, "POST", path, token, json=config_map("a")))[0] == 201
    store.patch(ROLE, "r", {"rules": [{**rule, "verbs": ["patch"]}]}, "default")
    assert (await ask(secured, "POST", path, token, json=config_map("b")))[0] == 403


async def test_an_apply_patch_that_creates_needs_the_verb_create(
    store: KubeStore, secured: aiohttp.ClientSession
) -> None:
    token = await account(secured, store, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]})
    path = "/api/v1/namespaces/default/configmaps/a?fieldManager=test"
    body = {"apiVersion": "v1", "kind": "ConfigMap", **config_map("a")}
    more: dict[str, Any] = {"headers": {"Content-Type": "application/apply-patch+yaml"}, "json": body}
    status, refused = await ask(secured, "PATCH", path, token, **more)
    assert (status, "cannot create resource" in refused["message"]) == (403, True)
    store.create(CONFIG_MAP, config_map("a"))
    assert (await ask(secured, "PATCH", path, token, **more))[0] == 200


async def test_tokens_end_with_their_time_and_their_account(
    store: KubeStore, secured: aiohttp.ClientSession, clock: ManualClock
) -> None:
    token = await account(secured, store, NODES)
    status, refused = await ask(secured, "GET", "/api/v1/nodes", "stolen")
    assert (status, refused) == (
        401,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
            "code": 401,
        },
    )
    clock.time += 599
    assert (await ask(secured, "GET", "/api/v1/nodes", token))[0] == 200
    clock.time += 1
    assert (await ask(secured, "GET", "/api/v1/nodes", token))[0] == 401
    clock.time -= 1
    store.delete(SERVICE_ACCOUNT, "s", "default")
    assert (await ask(secured, "GET", "/api/v1/nodes", token))[0] == 401
    store.create(SERVICE_ACCOUNT, {"metadata": {"name": "s", "namespace": "default"}})
    assert (await ask(secured, "GET", "/api/v1/nodes", token))[0] == 401, "another account of the same name"


async def test_without_a_token_only_health_and_version_are_public(secured: aiohttp.ClientSession) -> None:
    for path in ("/healthz", "/readyz", "/version"):
        assert (await ask(secured, "GET", path))[0] == 200
    status, refused = await ask(secured, "GET", "/api")
    assert (status, refused["message"]) == (403, 'forbidden: User "system:anonymous" cannot get path "/api"')
    assert (await ask(secured, "GET", "/api/v1/nodes"))[0] == 403


async def test_a_user_without_roles_can_discover_and_review_itself(
    store: KubeStore, secured: aiohttp.ClientSession
) -> None:
    token = await account(secured, store)
    for path in ("/api", "/apis/apps/v1", "/openapi/v2"):
        assert (await ask(secured, "GET", path, token))[0] == 200
    status, made = await ask(secured, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", token, json={})
    assert (status, made["status"]["userInfo"]["username"]) == (201, "system:serviceaccount:default:s")
    status, _ = await ask(
        secured, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", token, json={"spec": {"user": "alice"}}
    )
    assert status == 403


async def test_reviews_tell_what_the_roles_allow(store: KubeStore, secured: aiohttp.ClientSession) -> None:
    token = await account(secured, store, NODES)
    root = "/apis/authorization.k8s.io/v1"
    granted = 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to ServiceAccount "s/default"'
    for verb, answer in (("list", {"allowed": True, "reason": granted}), ("delete", {"allowed": False})):
        body = {"spec": {"resourceAttributes": {"verb": verb, "resource": "nodes"}}}
        _, made = await ask(secured, "POST", f"{root}/selfsubjectaccessreviews", token, json=body)
        assert made["status"] == answer
        other = {"spec": {**body["spec"], "user": "system:serviceaccount:default:s"}}
        _, made = await ask(secured, "POST", f"{root}/subjectaccessreviews", ADMIN_TOKEN, json=other)
        assert made["status"]["allowed"] is answer["allowed"]
    path = {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}}
    _, made = await ask(secured, "POST", f"{root}/selfsubjectaccessreviews", token, json=path)
    assert made["status"] == {"allowed": False}
    place = {"spec": {"namespace": "default"}}
    _, made = await ask(secured, "POST", f"{root}/selfsubjectrulesreviews", token, json=place)
    assert NODES in made["status"]["resourceRules"]
    assert {"nonResourceURLs", "verbs"} == set(made["status"]["nonResourceRules"][0])
    assert (await ask(secured, "POST", f"{root}/selfsubjectrulesreviews", token, json={"spec": {}}))[0] == 400
    tokens = "/apis/authentication.k8s.io/v1/tokenreviews"
    _, made = await ask(secured, "POST", tokens, ADMIN_TOKEN, json={"spec": {"token": token}})
    assert made["status"]["user"]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]
    _, made = await ask(secured, "POST", tokens, ADMIN_TOKEN, json={"spec": {"token": "stolen"}})
    assert "authenticated" not in made["status"]


async def test_only_users_with_the_verb_impersonate_act_as_others(
    store: KubeStore, secured: aiohttp.ClientSession
) -> None:
    token, name = await account(secured, store, NODES), "system:serviceaccount:default:s"
    store.create(NODE, {"metadata": {"name": "n"}})
    as_account = {"headers": {"Impersonate-User": name}}
    assert (await ask(secured, "GET", "/api/v1/nodes/n", ADMIN_TOKEN, **as_account))[0] == 200
    status, refused = await ask(secured, "DELETE", "/api/v1/nodes/n", ADMIN_TOKEN, **as_account)
    assert (status, f'User "{name}" cannot delete' in refused["message"]) == (403, True)
    status, refused = await ask(secured, "GET", "/api/v1/nodes", token, headers={"Impersonate-User": "alice"})
    why = f'User "{name}" cannot impersonate resource "users" in API group "" at the cluster scope'
    assert (status, refused["message"]) == (403, f'users "alice" is forbidden: {why}')
    masters = {"headers": {"Impersonate-User": "alice", "Impersonate-Group": "system:masters"}}
    assert (await ask(secured, "GET", "/api/v1/nodes", ADMIN_TOKEN, **masters))[0] == 200
    without_user = {"headers": {"Impersonate-Group": "system:masters"}}
    assert (await ask(secured, "GET", "/api/v1/nodes", ADMIN_TOKEN, **without_user))[0] == 400


async def test_without_the_option_every_request_is_the_administrators(http: aiohttp.ClientSession) -> None:
    assert (await ask(http, "GET", "/api/v1/nodes", "stolen"))[0] == 200
    assert (await ask(http, "GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"))[1]["items"] == []
    body = {"spec": {"namespace": "default"}}
    _, made = await ask(http, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json=body)
    assert made["status"]["resourceRules"] == [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
