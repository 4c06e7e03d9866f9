"""Label and field selectors: parsing of query parameters, and matching of objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dualstack_sim.kube.objects import lookup
from dualstack_sim.kube.status import StatusError, bad_request
from dualstack_sim.kube.types import ResourceType

Predicate = Callable[[dict[str, Any]], bool]
"""Whether an object is selected."""

_SET = re.compile(r"^\s*([^\s!=<>(),]+)\s+(in|notin)\s*\(([^()]*)\)\s*$")
_EQUALITY = re.compile(r"^\s*([^\s!=<>(),]+)\s*(==|=|!=)\s*([^\s!=<>(),]*)\s*$")
_EXISTS = re.compile(r"^\s*(!?)\s*([^\s!=<>(),]+)\s*$")

_ANY_TYPE = ("metadata.name", "metadata.namespace")
_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    ("", "events"): (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("events.k8s.io", "events"): (
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "regarding.apiVersion",
        "regarding.resourceVersion",
        "regarding.fieldPath",
        "reason",
        "reportingController",
        "type",
    ),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "namespaces"): ("status.phase",),
    ("", "secrets"): ("type",),
    ("", "services"): ("spec.clusterIP", "spec.type"),
    ("apps", "replicasets"): ("status.replicas",),
    ("", "replicationcontrollers"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
}


def _split_outside_parentheses(text: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += letter
    parts.append(current)
    return parts


def _bad_label_selector(text: str, part: str) -> StatusError:
    return bad_request(f'unable to parse requirement: found "{part.strip()}" in label selector "{text}"')


def _label_requirement(text: str, part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(part):
        key, operator, inner = found.groups()
        values = frozenset(value.strip() for value in inner.split(","))
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUALITY.match(part):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(part):
        absent, key = found.groups()
        if absent:
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise _bad_label_selector(text, part)


def label_predicate(text: str) -> Predicate | None:
    """The predicate of a `labelSelector`; None if it selects everything. 400 if it cannot be parsed."""
    if not text.strip():
        return None
    requirements = [_label_requirement(text, part) for part in _split_outside_parentheses(text)]

    def matches(manifest: dict[str, Any]) -> bool:
        labels = manifest["metadata"].get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return matches


def _operator_holds(operator: str, value: str | None, values: frozenset[str]) -> bool:
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a `metav1.LabelSelector` selects `labels`. None selects nothing, an empty one everything."""
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(
        _operator_holds(each["operator"], labels.get(each["key"]), frozenset(each.get("values") or ()))
        for each in selector.get("matchExpressions") or ()
    )


def selector_text(selector: Any) -> str:
    """A LabelSelector, or a plain map of labels, as a query parameter."""
    if isinstance(selector, str):
        return selector
    if not isinstance(selector, dict):
        return ""
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(sorted(each.get("values") or ()))
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(forms.get(each["operator"], f"!{key}"))
    return ",".join(parts)


_DEFAULTS = {"spec.unschedulable": "false", "spec.hostNetwork": "false", "status.replicas": "0"}


def _event_source(manifest: dict[str, Any]) -> str:
    return str(lookup(manifest, ("source", "component"), "") or manifest.get("reportingComponent") or "")


def _field(name: str) -> Callable[[dict[str, Any]], str]:
    """A function that reads the field `name` as a string. Watches call it for every change."""
    if name == "source":
        return _event_source
    path, absent = tuple(name.split(".")), _DEFAULTS.get(name, "")

    def read(manifest: dict[str, Any]) -> str:
        value = lookup(manifest, path, absent)
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, str) else str(value)

    return read


def field_predicate(resource: ResourceType, text: str) -> Predicate | None:
    """The predicate of a `fieldSelector`; None if it selects everything. 400 for a field that is not selectable."""
    if not text.strip():
        return None
    allowed = _ANY_TYPE + _FIELDS.get(resource.key, ())
    requirements: list[tuple[Callable[[dict[str, Any]], str], bool, str]] = []
    for part in text.split(","):
        for operator in ("!=", "==", "="):
            name, found, value = part.partition(operator)
            if found:
                break
        else:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        name = name.strip()
        if name not in allowed:
            raise bad_request(f"field label not supported: {name}")
        requirements.append((_field(name), operator != "!=", value.strip()))
    if len(requirements) == 1:
        (read, equal, wanted) = requirements[0]
        return lambda manifest: (read(manifest) == wanted) is equal

    def matches(manifest: dict[str, Any]) -> bool:
        return all((read(manifest) == value) is equal for read, equal, value in requirements)

    return matches


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """The conjunction of two predicates; None selects everything."""
    if first is None or second is None:
        return first or second
    return lambda manifest: first(manifest) and second(manifest)
