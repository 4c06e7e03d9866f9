"""The roles of the manifests on a real API server, and what its audit log says of their use."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from dualstack.operator.rights import HOME, RIGHTS, Right
from tests.kube.cluster import Cluster

MANIFESTS = Path(__file__).parents[2] / "deploy" / "manifests"
OPERATOR = ("dualstack", "dualstack-operator")
SHOOT_USER = ("kube-system", "dualstack")
"""Namespace and name of the ServiceAccounts in the seed, and in a shoot beside Gardener."""

_RBAC = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


class Rule(NamedTuple):
    """One verb of a role on one resource; `names` is empty for all objects."""

    group: str
    resource: str
    names: tuple[str, ...]
    verb: str


class Use(NamedTuple):
    """One kind of request of a user; `name` is empty where there is none."""

    group: str
    resource: str
    name: str
    verb: str


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount that has the roles of one manifest and no others."""

    cluster: Cluster
    user: tuple[str, str]
    rules: frozenset[Rule]

    @classmethod
    def install(cls, cluster: Cluster, manifest: str, user: tuple[str, str]) -> Account:
        """Create the ServiceAccount and apply the roles and bindings of deploy/manifests/`manifest`.yaml."""
        documents = [each for each in yaml.safe_load_all((MANIFESTS / f"{manifest}.yaml").read_text()) if each]
        roles = [each for each in documents if each["kind"] in _RBAC]
        namespace, name = user
        cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        cluster.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
        applied = subprocess.run(
            ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "apply", "--filename", "-"],
            input=yaml.safe_dump_all(roles),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert applied.returncode == 0, applied.stderr
        return cls(cluster, user, rules_of(roles))

    def token(self, bound_to: str | None = None) -> str:
        """A new token, valid for an hour, or until the Secret `bound_to` of its namespace is deleted."""
        namespace, name = self.user
        spec: dict[str, Any] = {"expirationSeconds": 3600}
        if bound_to is not None:
            secret = {"metadata": {"name": bound_to}}
            status, made = self.cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
            assert status == 201, made
            uid = made["metadata"]["uid"]
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Secret", "name": bound_to, "uid": uid}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        status, answer = self.cluster.request("POST", path, body)
        assert status == 201, answer
        return str(answer["status"]["token"])

    def judge(self, landscape: str, apis: Collection[str]) -> None:
        """Fails on a request that was refused, and on a verb of the roles that was neither used nor is rare."""
        uses, _ = self._audited()
        assert uses, "the audit log has no request of this user"
        assert (lacking := self.lacking()) == set(), f"the roles lack verbs: {lacking}"
        idle = unused(self.rules, uses) - rare(landscape, apis)
        assert idle == set(), f"the roles have verbs that nothing uses: {idle}"

    def lacking(self) -> set[Use]:
        """The requests that were refused and that the roles do not allow.

        An API server that has just started refuses all requests until it has read its roles.
        """
        return {use for use in self._audited()[1] if not any(_allows(rule, use) for rule in self.rules)}

    def agents(self) -> set[str]:
        """The User-Agents of its requests."""
        return {event["userAgent"] for event in self.cluster.audit() if event["user"]["username"] == self._name}

    @property
    def _name(self) -> str:
        return f"system:serviceaccount:{':'.join(self.user)}"

    def _audited(self) -> tuple[set[Use], set[Use]]:
        """The requests of the user that the API server allowed, and those that it refused."""
        uses, refused = set[Use](), set[Use]()
        for event in self.cluster.audit():
            if event["user"]["username"] != self._name or "resource" not in (about := event.get("objectRef") or {}):
                continue
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            use = Use(about.get("apiGroup", ""), resource, about.get("name", ""), event["verb"])
            allowed = event["annotations"].get("authorization.k8s.io/decision") == "allow"
            (uses if allowed else refused).add(use)
        return uses, refused


def rules_of(documents: Iterable[dict[str, Any]]) -> frozenset[Rule]:
    """The rules of all roles in the documents, one for each verb."""
    return frozenset(
        Rule(group, resource, tuple(rule.get("resourceNames", ())), verb)
        for document in documents
        for rule in document.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


def unused(rules: Iterable[Rule], uses: Collection[Use]) -> set[Rule]:
    """The rules that no request needs."""
    return {rule for rule in rules if not any(_allows(rule, use) for use in uses)}


def _allows(rule: Rule, use: Use) -> bool:
    same = (rule.group, rule.resource, rule.verb) == (use.group, use.resource, use.verb)
    return same and (not rule.names or use.name in rule.names)


def rare(landscape: str, apis: Collection[str]) -> set[Rule]:
    """The rules that the example does not need: of leader election, which `test_deploy` tests, and those that the
    table of rights marks as rare, with the reason."""
    held = [right for right in RIGHTS if right.api in apis and right.applies(landscape)]
    usual = {rule for right in held if right.api != HOME for rule in _rules(right, right.verbs)}
    return {rule for right in held for rule in _rules(right, (*right.verbs, *right.rare))} - usual


def _rules(right: Right, verbs: Sequence[str]) -> set[Rule]:
    return {Rule(right.group, right.resource, right.names, verb) for verb in verbs}
