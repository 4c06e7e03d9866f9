"""The answers to access reviews and token reviews."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dualstack_sim.kube.access import Access
from dualstack_sim.kube.decoding import check_types
from dualstack_sim.kube.objects import encoded
from dualstack_sim.kube.rbac import Attributes, Rule, User
from dualstack_sim.kube.status import bad_request, invalid, invalid_value
from dualstack_sim.kube.types import ResourceType


def review(resource: ResourceType, body: Any, access: Access, user: User) -> dict[str, Any]:
    """The response to a review that `user` creates. 400, 422."""
    if not isinstance(body, dict):
        raise bad_request("the body must be a JSON object")
    check_types(resource.api_version(), resource.kind, body)
    spec = body.get("spec") or {}
    _check_review(resource, spec)
    match resource.kind:
        case "SelfSubjectRulesReview":
            status = _rules(access.rules(user, spec["namespace"]))
        case "SelfSubjectReview":
            status = {"userInfo": _user_info(user)}
        case "TokenReview":
            found = access.user_of_token(spec["token"])
            status = (
                {"authenticated": True, "user": _user_info(found)}
                if found
                else {"user": {}, "error": "invalid bearer token"}
            )
        case "SubjectAccessReview":
            status = _decision(access, User(spec.get("user") or "", tuple(spec.get("groups") or ())), spec)
        case _:
            status = _decision(access, user, spec)
    return {**body, "kind": resource.kind, "apiVersion": resource.api_version(), "status": status}


def _decision(access: Access, user: User, spec: Mapping[str, Any]) -> dict[str, Any]:
    about = spec.get("resourceAttributes")
    if about is None:
        path = spec["nonResourceAttributes"]
        attributes = Attributes(path.get("verb", ""), path=path.get("path", ""))
    else:
        fields = ("verb", "group", "resource", "subresource", "namespace", "name")
        attributes = Attributes(*(about.get(field) or "" for field in fields))
    allowed, reason = access.decide(user, attributes)
    return {"allowed": allowed, **({"reason": reason} if reason else {})}


def _rules(rules: list[Rule]) -> dict[str, Any]:
    return {
        "resourceRules": [dict(each) for each in rules if each.get("resources")],
        "nonResourceRules": [dict(each) for each in rules if each.get("nonResourceURLs")],
        "incomplete": False,
    }


def _user_info(user: User) -> dict[str, Any]:
    info = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    return {key: value for key, value in info.items() if value}


def _check_review(resource: ResourceType, spec: dict[str, Any]) -> None:
    if resource.kind == "TokenReview" and not spec.get("token"):
        raise bad_request("token is required for TokenReview in authentication")
    if resource.kind == "SelfSubjectRulesReview" and not spec.get("namespace"):
        raise bad_request("no namespace on request")
    if not resource.kind.endswith("AccessReview"):
        return
    causes, path = [], spec.get("nonResourceAttributes")
    if (path is None) == (spec.get("resourceAttributes") is None):
        given = encoded({name.capitalize(): path[name] for name in sorted(path)}).decode() if path else "null"
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.append(invalid_value("spec", given, detail))
    if resource.kind == "SubjectAccessReview" and not spec.get("user") and not spec.get("groups"):
        causes.append(invalid_value("spec.user", '""', "at least one of user or group must be specified"))
    if causes:
        raise invalid(resource.group, "", "", causes)
