"""Label and field selectors: parsing of query parameters, and matching of objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dualstack_sim.kube.metadata import key_fault, value_fault
from dualstack_sim.kube.objects import lookup
from dualstack_sim.kube.status import StatusError, bad_request
from dualstack_sim.kube.types import ResourceType

Predicate = Callable[[dict[str, Any]], bool]
"""Whether an object is selected."""

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


_TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")
_END = ""
_COMMA = ","
_COMPARISONS = ("=", "==", "!=", "<", ">")


def _is_word(token: str) -> bool:
    return bool(token) and token not in (*_COMPARISONS, "!", "(", ")", ",")


class _LabelParser:
    """Parses a label selector token by token, as the API server does: its errors name the token that does not fit."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_TOKEN.findall(text), _END]

    def requirements(self) -> list[Callable[[Mapping[str, str]], bool]]:
        """400 if the text cannot be parsed."""
        found = []
        while self._tokens[0] != _END:
            if self._tokens[0] != "!" and not _is_word(self._tokens[0]):
                raise self._unexpected(self._tokens[0], "!, identifier, or 'end of string'", "")
            found.append(self._requirement())
            token = self._next()
            if token == _END:
                break
            if token != _COMMA:
                raise self._unexpected(token, "',' or 'end of string'", "")
            if self._tokens[0] != "!" and not _is_word(self._tokens[0]):
                raise self._unexpected(self._tokens[0], "identifier after ','", "")
        return found

    def _requirement(self) -> Callable[[Mapping[str, str]], bool]:
        key = self._next()
        if key == "!":
            absent = self._word()
            return lambda labels: absent not in labels
        if why := key_fault(key):
            raise bad_request(f'unable to parse requirement: <nil>: Invalid value: "{key}": {why}')
        if self._tokens[0] in (_END, ","):
            return lambda labels: key in labels
        operator = self._next()
        if operator in ("in", "notin"):
            values, wanted = self._values(), operator == "in"
            return lambda labels: (labels.get(key) in values) is wanted
        if operator in ("<", ">"):
            return _compared(key, operator, self._word())
        if operator not in _COMPARISONS:
            raise self._unexpected(operator, "in, notin, =, ==, !=, gt, lt")
        value = "" if self._tokens[0] in (_END, _COMMA) else self._word()
        if why := value_fault(value):
            raise bad_request(f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": {why}')
        equal = operator != "!="
        return lambda labels: (labels.get(key) == value) is equal

    def _values(self) -> frozenset[str]:
        if (token := self._next()) != "(":
            raise bad_request(f"unable to parse requirement: found '{token}' expected: '('")
        values, last = set[str](), _COMMA
        while (token := self._next()) != ")":
            if token == _COMMA and last == _COMMA:
                values.add("")
            elif _is_word(token) and last == _COMMA:
                values.add(token)
            elif token != _COMMA:
                raise self._unexpected(token, "',' or ')'" if last != _COMMA else "',', ')' or identifier")
            last = token
        return frozenset(values | {""} if last == _COMMA else values)

    def _next(self) -> str:
        return self._tokens.pop(0) if len(self._tokens) > 1 else _END

    def _word(self) -> str:
        token = self._next()
        if not _is_word(token):
            raise self._unexpected(token, "identifier")
        return token

    @staticmethod
    def _unexpected(token: str, wanted: str, where: str = "unable to parse requirement: ") -> StatusError:
        return bad_request(f"{where}found '{token}', expected: {wanted}")


def _compared(key: str, operator: str, limit: str) -> Callable[[Mapping[str, str]], bool]:
    """A label that is a number below or above `limit`."""
    if not limit.removeprefix("-").isdigit():
        why = "for 'Gt', 'Lt' operators, the value must be an integer"
        raise bad_request(f'unable to parse requirement: values[0]: Invalid value: "{limit}": {why}')

    def holds(labels: Mapping[str, str]) -> bool:
        value = labels.get(key, "")
        if not value.removeprefix("-").isdigit():
            return False
        return int(value) < int(limit) if operator == "<" else int(value) > int(limit)

    return holds


def label_predicate(text: str) -> Predicate | None:
    """The predicate of a `labelSelector`; None if it selects everything. 400 if it cannot be parsed."""
    if not text.strip():
        return None
    requirements = _LabelParser(text).requirements()

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
            raise _unknown_field(resource, name)
        requirements.append((_field(name), operator != "!=", value.strip()))
    if len(requirements) == 1:
        (read, equal, wanted) = requirements[0]
        return lambda manifest: (read(manifest) == wanted) is equal

    def matches(manifest: dict[str, Any]) -> bool:
        return all((read(manifest) == value) is equal for read, equal, value in requirements)

    return matches


def _unknown_field(resource: ResourceType, name: str) -> StatusError:
    if resource.custom or resource.key in _FIELDS:
        return bad_request(f"field label not supported: {name}")
    known = ", ".join(f'"{each}"' for each in _ANY_TYPE)
    return bad_request(f'"{name}" is not a known field selector: only {known}')


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """The conjunction of two predicates; None selects everything."""
    if first is None or second is None:
        return first or second
    return lambda manifest: first(manifest) and second(manifest)
