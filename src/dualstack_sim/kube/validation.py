"""Validation: the rules of the real API server that the migration, or a client's mistake, can run into.

Thin on purpose: what is checked is checked as upstream words it, what is not listed here is accepted.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from dualstack_sim.kube.crds import custom_type
from dualstack_sim.kube.disruption import is_ready
from dualstack_sim.kube.kubectl.columns import row_maker
from dualstack_sim.kube.selectors import selects
from dualstack_sim.kube.status import Cause, forbidden_value, invalid, invalid_value, required_value, unsupported_value
from dualstack_sim.kube.trees import lookup
from dualstack_sim.kube.types import ResourceType

Tree = dict[str, Any]
Check = Callable[[Tree, Tree | None], list[Cause]]
"""Faults of the new object, given the old one (None on create)."""

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


def _name_faults(resource: ResourceType, name: str) -> list[Cause]:
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
    faults = []
    if len(name) > limit:
        faults.append(invalid_value("metadata.name", f'"{name}"', f"must be no more than {limit} characters"))
    if not pattern.fullmatch(name):
        faults.append(invalid_value("metadata.name", f'"{name}"', rule))
    return faults


def _owner_faults(manifest: Tree) -> list[Cause]:
    faults = []
    for at, owner in enumerate(manifest["metadata"].get("ownerReferences") or ()):
        faults += [
            required_value(f"metadata.ownerReferences[{at}].{field}", f"{field} must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
    return faults


def _pod_cidr_faults(cidrs: list[str]) -> list[Cause]:
    faults, families = [], []
    for at, cidr in enumerate(cidrs):
        if not isinstance(cidr, str):
            raise TypeError(f"spec.podCIDRs[{at}] must be a string")
        try:
            families.append(ipaddress.ip_network(cidr, strict=False).version)
        except ValueError:
            detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            faults.append(invalid_value(f"spec.podCIDRs[{at}]", f'"{cidr}"', detail))
    if not faults and (len(cidrs) > 2 or len(set(families)) != len(families)):
        shown = "[" + ",".join(f'"{cidr}"' for cidr in cidrs) + "]"
        faults.append(invalid_value("spec.podCIDRs", shown, "may specify no more than one CIDR for each IP family"))
    return faults


def _node_faults(new: Tree, old: Tree | None) -> list[Cause]:
    faults = _pod_cidr_faults(lookup(new, ("spec", "podCIDRs"), []))
    if old is None:
        return faults
    before, after = (lookup(each, ("spec", "podCIDRs"), []) for each in (old, new))
    if before and before != after:
        detail = 'node updates may not change podCIDR except from "" to valid'
        faults.append(forbidden_value("spec.podCIDRs", detail))
    provider, now = (lookup(each, ("spec", "providerID"), "") for each in (old, new))
    if provider and provider != now:
        detail = 'node updates may not change providerID except from "" to valid'
        faults.append(forbidden_value("spec.providerID", detail))
    return faults


def _go_selector(selector: Tree | None) -> str:
    """A label selector as Go prints it in upstream's messages."""
    labels = (selector or {}).get("matchLabels") or {}
    shown = ", ".join(f'"{key}":"{value}"' for key, value in sorted(labels.items()))
    return (
        f"v1.LabelSelector{{MatchLabels:map[string]string{{{shown}}}, "
        "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}"
    )


def _workload_faults(new: Tree, old: Tree | None) -> list[Cause]:
    selector = lookup(new, ("spec", "selector"))
    faults = []
    if not selector:
        faults.append(required_value("spec.selector"))
    else:
        labels = lookup(new, ("spec", "template", "metadata", "labels"), {})
        if not selects(selector, labels):
            shown = "map[string]string{" + ", ".join(f'"{key}":"{labels[key]}"' for key in sorted(labels)) + "}"
            detail = "`selector` does not match template `labels`"
            faults.append(invalid_value("spec.template.metadata.labels", shown, detail))
    if not lookup(new, ("spec", "template", "spec", "containers")):
        faults.append(required_value("spec.template.spec.containers"))
    replicas = lookup(new, ("spec", "replicas"), 0)
    if not isinstance(replicas, int) or replicas < 0:
        faults.append(invalid_value("spec.replicas", str(replicas), "must be greater than or equal to 0"))
    if old is not None and lookup(old, ("spec", "selector")) != selector:
        faults.append(invalid_value("spec.selector", _go_selector(selector), "field is immutable"))
    return faults


def _pod_faults(new: Tree, old: Tree | None) -> list[Cause]:
    if not lookup(new, ("spec", "containers")):
        return [required_value("spec.containers")]
    is_ready(new)  # reads the conditions, as everybody will who sees the pod
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


def _service_faults(new: Tree, old: Tree | None) -> list[Cause]:
    spec = new.get("spec") or {}
    faults = []
    if not spec.get("ports") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        faults.append(required_value("spec.ports"))
    if old is None or spec.get("type") == "ExternalName":
        return faults
    before = lookup(old, ("spec", "clusterIPs"), [])
    after = spec.get("clusterIPs") or []
    # The primary address is for life; the secondary one may come and go with the IP families.
    if before and after[:1] != before[:1]:
        shown = "[]string{" + ", ".join(f'"{address}"' for address in after) + "}" if after else "[]string(nil)"
        faults.append(invalid_value("spec.clusterIPs[0]", shown, "may not change once set"))
    return faults


def _definition_faults(new: Tree, _: Tree | None) -> list[Cause]:
    spec = new.get("spec") or {}
    names = spec.get("names") or {}
    faults = [
        required_value(f"spec.{field}")
        for field, value in (
            ("group", spec.get("group")),
            ("scope", spec.get("scope")),
            ("versions", spec.get("versions")),
        )
        if not value
    ]
    faults += [required_value(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field)]
    expected = f"{names.get('plural')}.{spec.get('group')}"
    name = new["metadata"].get("name")
    if not faults and name != expected:
        faults.append(invalid_value("metadata.name", f'"{name}"', 'must be spec.names.plural+"."+spec.group'))
    versions = spec.get("versions") or []
    if not faults and sum(1 for each in versions if each.get("storage")) != 1:
        faults.append(
            invalid_value(
                "spec.versions", f"{len(versions)} versions", "must have exactly one version marked as storage version"
            )
        )
    if spec.get("scope") not in (None, "Cluster", "Namespaced"):
        faults.append(unsupported_value("spec.scope", f'"{spec["scope"]}"', ("Cluster", "Namespaced")))
    if not faults:
        _check_described(custom_type(new))
    return faults


def _check_described(resource: ResourceType) -> None:
    """TypeError if a definition has something else where names belong."""
    names: list[Any] = [resource.group, resource.kind, resource.plural, resource.singular]
    names += [*resource.versions, *resource.short_names, *resource.categories]
    for columns in resource.printer_columns.values():
        names += [text for column in columns for text in (column.name, column.path, column.type)]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("names, versions and printer columns of a definition must be strings")


def _budget_faults(new: Tree, _: Tree | None) -> list[Cause]:
    spec = new.get("spec") or {}
    selects(spec.get("selector"), {})
    faults = []
    for field in ("minAvailable", "maxUnavailable"):
        value = spec.get(field)
        if isinstance(value, bool) or not isinstance(value, int | str | None):
            raise TypeError(f"spec.{field} must be a number or a percentage")
        if isinstance(value, str) and not re.fullmatch(r"[0-9]+%", value):
            detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%')"
            faults.append(invalid_value(f"spec.{field}", f'"{value}"', detail))
        if isinstance(value, int) and value < 0:
            faults.append(invalid_value(f"spec.{field}", str(value), "must be greater than or equal to 0"))
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        faults.append(invalid_value("spec", "{...}", "minAvailable and maxUnavailable cannot be both set"))
    return faults


_CHECKS: dict[tuple[str, str], Check] = {
    ("", "nodes"): _node_faults,
    ("", "pods"): _pod_faults,
    ("", "services"): _service_faults,
    ("apps", "deployments"): _workload_faults,
    ("apps", "replicasets"): _workload_faults,
    ("apps", "daemonsets"): _workload_faults,
    ("apps", "statefulsets"): _workload_faults,
    ("policy", "poddisruptionbudgets"): _budget_faults,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition_faults,
}


def _check_shape(resource: ResourceType, manifest: Tree) -> None:
    """Raises what reading the object raises, if something in it has the wrong shape.

    Upstream decodes into types. Here, what can be shown as a row of a table is what everybody else can read too.
    """
    if made := row_maker(resource):
        made[1](manifest, 0.0)


def validate(resource: ResourceType, new: Tree, old: Tree | None) -> None:
    """422 with every fault of `new`; `old` is the stored object on update, None on create.

    TypeError, AttributeError, KeyError or ValueError when something in `new` has the wrong shape.
    """
    _check_shape(resource, new)
    name = new["metadata"].get("name") or ""
    faults = [] if old is not None else _name_faults(resource, name)
    faults += _owner_faults(new)
    if check := _CHECKS.get(resource.key):
        faults += check(new, old)
    if faults:
        raise invalid(resource.group, resource.kind, name, faults)
