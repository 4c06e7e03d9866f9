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
from dualstack_sim.kube.metadata import metadata_causes
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

_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_CONFIG_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_IMMUTABLE = "field is immutable when `immutable` is set"


def _data_causes(new: Tree, old: Tree | None) -> list[Cause]:
    """The keys of a ConfigMap or Secret. With `immutable: true` it keeps its data."""
    text, binary = new.get("data") or {}, new.get("binaryData") or {}
    causes = [
        invalid_value(f"{field}[{key}]", f'"{key}"', _CONFIG_KEY_RULE)
        for field, keys in (("data", text), ("binaryData", binary))
        for key in keys
        if not _CONFIG_KEY.fullmatch(key)
    ]
    twice = "duplicate of key present in binaryData"
    causes += [invalid_value(f"data[{key}]", f'"{key}"', twice) for key in text if key in binary]
    return causes + _immutable_causes(new, old)


def _immutable_causes(new: Tree, old: Tree | None) -> list[Cause]:
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
    return causes + _data_causes(new, old)


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
        detail = "field cannot be modified once set"
        causes.append(invalid_value("spec.providerID", "null", detail))
    return causes


def _workload_causes(new: Tree, old: Tree | None) -> list[Cause]:
    selector = lookup(new, ("spec", "selector"))
    causes = [] if selector else [required_value("spec.selector")]
    labels = lookup(new, ("spec", "template", "metadata", "labels"), {})
    if not selects(selector, labels):
        shown = encoded(labels).decode() if labels else "null"
        detail = "`selector` does not match template `labels`"
        causes.append(invalid_value("spec.template.metadata.labels", shown, detail))
    causes += _container_causes(
        "spec.template.spec.containers", lookup(new, ("spec", "template", "spec", "containers"))
    )
    replicas = lookup(new, ("spec", "replicas"), 0)
    if not isinstance(replicas, int) or replicas < 0:
        causes.append(invalid_value("spec.replicas", str(replicas), "must be greater than or equal to 0"))
    if old is not None and lookup(old, ("spec", "selector")) != selector:
        immutable = invalid_value("spec.selector", encoded(selector).decode(), "field is immutable")
        causes = [immutable, *causes] if new["kind"] == "DaemonSet" else [*causes, immutable]
    return causes


def _container_causes(field: str, containers: list[Tree] | None) -> list[Cause]:
    """There is a container, and each port has a number."""
    if not containers:
        return [required_value(field)]
    return [
        required_value(f"{field}[{at}].ports[{position}].containerPort")
        for at, container in enumerate(containers)
        for position, port in enumerate(container.get("ports") or ())
        if not port.get("containerPort")
    ]


def _pod_causes(new: Tree, old: Tree | None) -> list[Cause]:
    if causes := _container_causes("spec.containers", lookup(new, ("spec", "containers"))):
        return causes
    is_ready(new)  # raises if the conditions have the wrong type
    grace = lookup(new, ("spec", "terminationGracePeriodSeconds"), 0)
    if not isinstance(grace, int):
        raise TypeError("spec.terminationGracePeriodSeconds must be an integer")
    if old is None:
        return []
    if _fixed(old["spec"], old["spec"]) != _fixed(new["spec"], old["spec"]):
        detail = (
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
        )
        return [forbidden_value("spec", detail)]
    return []


_POD_CHANGES = ("activeDeadlineSeconds", "ephemeralContainers", "terminationGracePeriodSeconds", "tolerations")


def _fixed(spec: Tree, old: Tree) -> Tree:
    """The part of a pod's spec that an update may not change. A pod without a node may get one."""
    free = (*_POD_CHANGES, "schedulingGates", *(() if old.get("nodeName") else ("nodeName",)))
    kept = {name: value for name, value in spec.items() if name not in free}
    for field in ("containers", "initContainers"):
        if field in kept:
            kept[field] = [{**container, "image": "", "imagePullPolicy": ""} for container in kept[field]]
    return kept


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
            detail = (
                "a valid percent string must be a numeric string followed by an ending '%' "
                "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
            )
            causes.append(invalid_value(f"spec.{field}", f'"{value}"', detail))
        if isinstance(value, int) and value < 0:
            causes.append(invalid_value(f"spec.{field}", str(value), "must be greater than or equal to 0"))
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        fields = ("minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy")
        shown = encoded({name[0].upper() + name[1:]: spec.get(name) for name in fields}).decode()
        causes.append(invalid_value("spec", shown, "minAvailable and maxUnavailable cannot be both set"))
    return causes


def _lease_causes(new: Tree, _: Tree | None) -> list[Cause]:
    spec = new.get("spec") or {}
    causes = []
    if (seconds := spec.get("leaseDurationSeconds")) is not None and seconds <= 0:
        causes.append(invalid_value("spec.leaseDurationSeconds", str(seconds), "must be greater than 0"))
    if (transitions := spec.get("leaseTransitions")) is not None and transitions < 0:
        detail = "must be greater than or equal to 0"
        causes.append(invalid_value("spec.leaseTransitions", str(transitions), detail))
    return causes


def _event_causes(new: Tree, _: Tree | None) -> list[Cause]:
    about, own = lookup(new, ("involvedObject", "namespace"), ""), new["metadata"].get("namespace")
    if about == own or (not about and own == "default"):
        return []
    return [invalid_value("involvedObject.namespace", f'"{about}"', "does not match event.namespace")]


def _role_causes(new: Tree, _: Tree | None) -> list[Cause]:
    causes = []
    for at, rule in enumerate(new.get("rules") or ()):
        if not rule.get("nonResourceURLs"):
            causes += [
                required_value(f"rules[{at}].{field}", f"resource rules must supply at least one {what}")
                for field, what in (("apiGroups", "api group"), ("resources", "resource"))
                if not rule.get(field)
            ]
        if not rule.get("verbs"):
            causes.append(required_value(f"rules[{at}].verbs"))
    return causes


def _binding_causes(new: Tree, old: Tree | None) -> list[Cause]:
    role = new.get("roleRef") or {}
    if old is not None and role != old.get("roleRef"):
        shown = {"APIGroup": role.get("apiGroup", ""), "Kind": role.get("kind"), "Name": role.get("name")}
        return [invalid_value("roleRef", encoded(shown).decode(), "field is immutable")]
    return [] if role.get("name") else [required_value("roleRef.name")]


def _service_cidr_causes(new: Tree, old: Tree | None) -> list[Cause]:
    field = "spec.cidrs"
    cidrs, before = (lookup(each, ("spec", "cidrs"), []) for each in (new, old))
    if before:
        changed = [at for at, (one, other) in enumerate(zip(cidrs, before, strict=False)) if one != other]
        return [invalid_value(f"{field}[{at}]", f'"{cidrs[at]}"', "field is immutable") for at in changed]
    if not cidrs:
        return [required_value(field, "at least one CIDR required")]
    networks = [ipaddress.ip_network(each, strict=False) for each in cidrs]
    causes = []
    if len({network.version for network in networks}) < len(networks):
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        causes.append(invalid_value(field, encoded(cidrs).decode(), detail))
    wrong = [at for at, (text, network) in enumerate(zip(cidrs, networks, strict=True)) if text != str(network)]
    detail = "must not have bits set beyond the prefix length"
    return causes + [invalid_value(f"{field}[{at}]", f'"{cidrs[at]}"', detail) for at in wrong]


def _address_causes(new: Tree, _: Tree | None) -> list[Cause]:
    return [] if lookup(new, ("spec", "parentRef")) else [required_value("spec.parentRef")]


_CHECKS: dict[tuple[str, str], Check] = {
    ("", "nodes"): _node_causes,
    ("", "configmaps"): _data_causes,
    ("", "secrets"): _secret_causes,
    ("", "pods"): _pod_causes,
    ("", "services"): _service_causes,
    ("apps", "deployments"): _workload_causes,
    ("apps", "replicasets"): _workload_causes,
    ("apps", "daemonsets"): _workload_causes,
    ("apps", "statefulsets"): _workload_causes,
    ("", "events"): _event_causes,
    ("coordination.k8s.io", "leases"): _lease_causes,
    ("networking.k8s.io", "ipaddresses"): _address_causes,
    ("networking.k8s.io", "servicecidrs"): _service_cidr_causes,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _binding_causes,
    ("rbac.authorization.k8s.io", "clusterroles"): _role_causes,
    ("rbac.authorization.k8s.io", "rolebindings"): _binding_causes,
    ("rbac.authorization.k8s.io", "roles"): _role_causes,
    ("policy", "poddisruptionbudgets"): _budget_causes,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition_causes,
}


def validate(resource: ResourceType, new: Tree, old: Tree | None, subresource: str = "") -> None:
    """422 with all causes in `new`; `old` is the stored object on update, None on create.

    Raises TypeError, AttributeError, KeyError or ValueError if a field of `new` has the wrong type. Upstream decodes
    into Go types; here, printing the object as a table row reads all the fields that clients rely on.
    """
    if columns_and_row := printer(resource):
        columns_and_row[1](new, 0.0)
    name = new["metadata"].get("name") or ""
    causes = metadata_causes(resource, new, old)
    if check := _CHECKS.get(resource.key):
        causes += check(new, old)
    if structure := resource.structures.get(resource.versions[0]):
        causes += structure.causes(new, old, subresource)
    if causes:
        raise invalid(resource.group, resource.kind, name, causes)
