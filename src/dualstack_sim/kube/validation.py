"""Validation: the rules of the real API server that a migration or a mistake of a client can violate.

It is incomplete on purpose: each rule has upstream's error text, and a field without a rule is accepted.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from dualstack_sim.kube.crds import custom_type
from dualstack_sim.kube.disruption import is_ready
from dualstack_sim.kube.kubectl import printer
from dualstack_sim.kube.objects import encoded, lookup
from dualstack_sim.kube.selectors import selects
from dualstack_sim.kube.status import (
    Cause,
    duplicate_value,
    forbidden_value,
    invalid,
    invalid_value,
    required_value,
    unsupported_value,
)
from dualstack_sim.kube.types import ResourceType

Tree = dict[str, Any]
Check = Callable[[Tree, Tree | None], list[Cause]]
"""The causes to reject a new object, given the old one (None on create)."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SERVICE_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_PATH_SEGMENT_GROUPS = frozenset({"rbac.authorization.k8s.io"})


def _name_causes(resource: ResourceType, name: str) -> list[Cause]:
    if resource.group in _PATH_SEGMENT_GROUPS:
        return (
            []
            if "/" not in name and "%" not in name
            else [invalid_value("metadata.name", f'"{name}"', "may not contain '/'")]
        )
    pattern, rule, limit = _SUBDOMAIN, _SUBDOMAIN_RULE, 253
    if resource.key == ("", "services"):
        pattern, rule, limit = _SERVICE_NAME, _SERVICE_RULE, 63
    elif resource.key == ("", "namespaces"):
        pattern, rule, limit = _LABEL, _LABEL_RULE, 63
    causes = []
    if len(name) > limit:
        causes.append(invalid_value("metadata.name", f'"{name}"', f"must be no more than {limit} characters"))
    if not pattern.fullmatch(name):
        causes.append(invalid_value("metadata.name", f'"{name}"', rule))
    return causes


_NAME_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def _metadata_causes(resource: ResourceType, new: Tree, old: Tree | None) -> list[Cause]:
    """Syntax of labels, annotations and finalizers, as far as they changed, and one controller at most."""
    metadata, before = new["metadata"], (old or {}).get("metadata") or {}
    causes = []
    for field in ("labels", "annotations"):
        given = metadata.get(field) or {}
        if given == before.get(field):
            continue
        wrong = [name for name in given if not _is_qualified(name)]
        causes += [invalid_value(f"metadata.{field}", f'"{name}"', _NAME_RULE) for name in wrong]
        if field == "labels":
            bad = [value for value in given.values() if value and not _QUALIFIED.fullmatch(value)]
            causes += [invalid_value("metadata.labels", f'"{value}"', _VALUE_RULE) for value in bad]
    return causes + _finalizer_causes(metadata, before, standard=not resource.custom)


def _is_qualified(name: str) -> bool:
    prefix, slash, last = name.rpartition("/")
    return bool(_QUALIFIED.fullmatch(last)) and (not slash or bool(_SUBDOMAIN.fullmatch(prefix.lower())))


def _finalizer_causes(metadata: Tree, before: Tree, *, standard: bool) -> list[Cause]:
    """standard: a name without a domain must be one of Kubernetes' own, as in built-in types."""
    causes = []
    for at, name in enumerate(metadata.get("finalizers") or ()):
        if name in (before.get("finalizers") or ()):
            continue
        if not _is_qualified(name):
            causes.append(invalid_value("metadata.finalizers", f'"{name}"', _NAME_RULE))
        if standard and "/" not in name and name not in _STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            causes.append(invalid_value(f"metadata.finalizers[{at}]", f'"{name}"', detail))
    return causes


def _controller_causes(owners: list[Tree]) -> list[Cause]:
    controllers = [f"{owner.get('kind')}/{owner.get('name')}" for owner in owners if owner.get("controller")]
    if len(controllers) < 2:
        return []
    detail = (
        "Only one reference can have Controller set to true. "
        f'Found "true" in references for {controllers[0]} and {controllers[1]}'
    )
    return [invalid_value("metadata.ownerReferences", encoded(owners).decode(), detail)]


_IMMUTABLE = "field is immutable when `immutable` is set"


def _immutable_causes(new: Tree, old: Tree | None) -> list[Cause]:
    """A ConfigMap or Secret with `immutable: true` keeps its data."""
    if old is None or not old.get("immutable"):
        return []
    causes = [] if new.get("immutable") else [forbidden_value("immutable", _IMMUTABLE)]
    changed = [field for field in ("data", "binaryData") if (old.get(field) or {}) != (new.get(field) or {})]
    return causes + [forbidden_value(field, _IMMUTABLE) for field in changed]


def _secret_causes(new: Tree, old: Tree | None) -> list[Cause]:
    causes = []
    if old is not None and old.get("type") != new.get("type"):
        causes.append(invalid_value("type", f'"{new.get("type")}"', "field is immutable"))
    if new.get("type") == "kubernetes.io/tls":
        needed = ("tls.crt", "tls.key")
        causes += [required_value(f"data[{name}]") for name in needed if name not in (new.get("data") or {})]
    return causes + _immutable_causes(new, old)


def _owner_causes(manifest: Tree) -> list[Cause]:
    causes = _controller_causes(manifest["metadata"].get("ownerReferences") or [])
    for at, owner in enumerate(manifest["metadata"].get("ownerReferences") or ()):
        causes += [
            required_value(f"metadata.ownerReferences[{at}].{field}", "must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
    return causes


def _pod_cidr_causes(cidrs: list[str]) -> list[Cause]:
    causes, families = [], []
    for at, cidr in enumerate(cidrs):
        if not isinstance(cidr, str):
            raise TypeError(f"spec.podCIDRs[{at}] must be a string")
        try:
            families.append(ipaddress.ip_network(cidr, strict=False).version)
        except ValueError:
            detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            causes.append(invalid_value(f"spec.podCIDRs[{at}]", f'"{cidr}"', detail))
    if not causes and (len(cidrs) > 2 or len(set(families)) != len(families)):
        shown = "[" + ",".join(f'"{cidr}"' for cidr in cidrs) + "]"
        causes.append(invalid_value("spec.podCIDRs", shown, "may specify no more than one CIDR for each IP family"))
    return causes


def _node_causes(new: Tree, old: Tree | None) -> list[Cause]:
    causes = _pod_cidr_causes(lookup(new, ("spec", "podCIDRs"), []))
    if old is None:
        return causes
    before, after = (lookup(each, ("spec", "podCIDRs"), []) for each in (old, new))
    if before and before != after:
        detail = 'node updates may not change podCIDR except from "" to valid'
        causes.append(forbidden_value("spec.podCIDRs", detail))
    provider, now = (lookup(each, ("spec", "providerID"), "") for each in (old, new))
    if provider and provider != now:
        detail = 'node updates may not change providerID except from "" to valid'
        causes.append(forbidden_value("spec.providerID", detail))
    return causes


def _workload_causes(new: Tree, old: Tree | None) -> list[Cause]:
    selector = lookup(new, ("spec", "selector"))
    causes = []
    if not selector:
        causes.append(required_value("spec.selector"))
    else:
        labels = lookup(new, ("spec", "template", "metadata", "labels"), {})
        if not selects(selector, labels):
            shown = encoded(labels).decode()
            detail = "`selector` does not match template `labels`"
            causes.append(invalid_value("spec.template.metadata.labels", shown, detail))
    if not lookup(new, ("spec", "template", "spec", "containers")):
        causes.append(required_value("spec.template.spec.containers"))
    replicas = lookup(new, ("spec", "replicas"), 0)
    if not isinstance(replicas, int) or replicas < 0:
        causes.append(invalid_value("spec.replicas", str(replicas), "must be greater than or equal to 0"))
    if old is not None and lookup(old, ("spec", "selector")) != selector:
        causes.append(invalid_value("spec.selector", encoded(selector).decode(), "field is immutable"))
    return causes


def _pod_causes(new: Tree, old: Tree | None) -> list[Cause]:
    if not lookup(new, ("spec", "containers")):
        return [required_value("spec.containers")]
    is_ready(new)  # raises if the conditions have the wrong type
    grace = lookup(new, ("spec", "terminationGracePeriodSeconds"), 0)
    if not isinstance(grace, int):
        raise TypeError("spec.terminationGracePeriodSeconds must be an integer")
    if old is None:
        return []
    before, after = lookup(old, ("spec", "nodeName")), lookup(new, ("spec", "nodeName"))
    if before and before != after:
        detail = (
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
        )
        return [forbidden_value("spec", detail)]
    return []


_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def _port_causes(field: str, port: Tree) -> list[Cause]:
    """The numbers and the protocol of a port of a Service."""
    numbers = [("port", port.get("port", 0)), ("targetPort", port.get("targetPort", port.get("port", 0)))]
    causes = [
        invalid_value(f"{field}.{name}", str(number), "must be between 1 and 65535, inclusive")
        for name, number in numbers
        if isinstance(number, int) and not 0 < number < 1 << 16
    ]
    if (protocol := port.get("protocol", "TCP")) not in _PROTOCOLS:
        causes.append(unsupported_value(f"{field}.protocol", f'"{protocol}"', _PROTOCOLS))
    return causes


def _service_causes(new: Tree, old: Tree | None) -> list[Cause]:
    spec = new.get("spec") or {}
    causes = []
    if not spec.get("ports") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        causes.append(required_value("spec.ports"))
    if (kind := spec.get("type", "ClusterIP")) not in _SERVICE_TYPES:
        causes.append(unsupported_value("spec.type", f'"{kind}"', _SERVICE_TYPES))
    ports = spec.get("ports") or []
    causes += [cause for at, port in enumerate(ports) for cause in _port_causes(f"spec.ports[{at}]", port)]
    names = [port.get("name") for port in ports]
    for at, name in enumerate(names if len(ports) > 1 else ()):
        field = f"spec.ports[{at}].name"
        if not name:
            causes.append(required_value(field))
        elif name in names[:at]:
            causes.append(duplicate_value(field, f'"{name}"'))
    if old is None or spec.get("type") == "ExternalName":
        return causes
    before = lookup(old, ("spec", "clusterIPs"), [])
    after = spec.get("clusterIPs") or []
    # The primary address is immutable; the secondary one may change with the IP families.
    if before and after[:1] != before[:1]:
        shown = encoded(after).decode() if after else "null"
        causes.append(invalid_value("spec.clusterIPs[0]", shown, "may not change once set"))
    return causes


def _definition_causes(new: Tree, _: Tree | None) -> list[Cause]:
    spec = new.get("spec") or {}
    names = spec.get("names") or {}
    causes = [
        required_value(f"spec.{field}")
        for field, value in (
            ("group", spec.get("group")),
            ("scope", spec.get("scope")),
            ("versions", spec.get("versions")),
        )
        if not value
    ]
    causes += [required_value(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field)]
    expected = f"{names.get('plural')}.{spec.get('group')}"
    name = new["metadata"].get("name")
    if not causes and name != expected:
        causes.append(invalid_value("metadata.name", f'"{name}"', 'must be spec.names.plural+"."+spec.group'))
    versions = spec.get("versions") or []
    if not causes and sum(1 for each in versions if each.get("storage")) != 1:
        causes.append(
            invalid_value(
                "spec.versions", f"{len(versions)} versions", "must have exactly one version marked as storage version"
            )
        )
    if spec.get("scope") not in (None, "Cluster", "Namespaced"):
        causes.append(unsupported_value("spec.scope", f'"{spec["scope"]}"', ("Cluster", "Namespaced")))
    if not causes:
        _check_name_types(custom_type(new))
    return causes


def _check_name_types(resource: ResourceType) -> None:
    """Raise TypeError if a name in a definition is not a string."""
    names: list[Any] = [resource.group, resource.kind, resource.plural, resource.singular]
    names += [*resource.versions, *resource.short_names, *resource.categories]
    for columns in resource.printer_columns.values():
        names += [text for column in columns for text in (column.name, column.path, column.type)]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("names, versions and printer columns of a definition must be strings")


def _budget_causes(new: Tree, _: Tree | None) -> list[Cause]:
    spec = new.get("spec") or {}
    selects(spec.get("selector"), {})
    causes = []
    for field in ("minAvailable", "maxUnavailable"):
        value = spec.get(field)
        if isinstance(value, bool) or not isinstance(value, int | str | None):
            raise TypeError(f"spec.{field} must be a number or a percentage")
        if isinstance(value, str) and not re.fullmatch(r"[0-9]+%", value):
            detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%')"
            causes.append(invalid_value(f"spec.{field}", f'"{value}"', detail))
        if isinstance(value, int) and value < 0:
            causes.append(invalid_value(f"spec.{field}", str(value), "must be greater than or equal to 0"))
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        causes.append(invalid_value("spec", "{...}", "minAvailable and maxUnavailable cannot be both set"))
    return causes


_CHECKS: dict[tuple[str, str], Check] = {
    ("", "nodes"): _node_causes,
    ("", "configmaps"): _immutable_causes,
    ("", "secrets"): _secret_causes,
    ("", "pods"): _pod_causes,
    ("", "services"): _service_causes,
    ("apps", "deployments"): _workload_causes,
    ("apps", "replicasets"): _workload_causes,
    ("apps", "daemonsets"): _workload_causes,
    ("apps", "statefulsets"): _workload_causes,
    ("policy", "poddisruptionbudgets"): _budget_causes,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition_causes,
}


def validate(resource: ResourceType, new: Tree, old: Tree | None) -> None:
    """422 with all causes in `new`; `old` is the stored object on update, None on create.

    Raises TypeError, AttributeError, KeyError or ValueError if a field of `new` has the wrong type. Upstream decodes
    into Go types; here, printing the object as a table row reads all the fields that clients rely on.
    """
    if columns_and_row := printer(resource):
        columns_and_row[1](new, 0.0)
    name = new["metadata"].get("name") or ""
    causes = [] if old is not None else _name_causes(resource, name)
    causes += _owner_causes(new) + _metadata_causes(resource, new, old)
    if check := _CHECKS.get(resource.key):
        causes += check(new, old)
    if structure := resource.structures.get(resource.versions[0]):
        causes += structure.causes(new, old)
    if causes:
        raise invalid(resource.group, resource.kind, name, causes)
