"""Validation of names, labels, annotations, finalizers and owners, with the API server's texts."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from dualstack_sim.kube.objects import encoded
from dualstack_sim.kube.status import Cause, invalid_value, required_value
from dualstack_sim.kube.types import ResourceType

Tree = dict[str, Any]

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
    if resource.key == ("networking.k8s.io", "ipaddresses"):
        return _address_name_causes(name)
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
    if pattern is _LABEL and "." in name:
        rule = "must not contain dots"
    if not pattern.fullmatch(name):
        causes.append(invalid_value("metadata.name", f'"{name}"', rule))
    return causes


def _prefix_causes(resource: ResourceType, prefix: str) -> list[Cause]:
    """Of `generateName`, which may end with a hyphen."""
    causes = _name_causes(resource, f"{prefix[:-1]}a" if prefix.endswith("-") else prefix) if prefix else []
    return [
        Cause(cause.reason, cause.message.replace(f"{prefix[:-1]}a", prefix), "metadata.generateName")
        for cause in causes
    ]


def _address_name_causes(name: str) -> list[Cause]:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        return [invalid_value("metadata.name", f'"{name}"', detail)]
    return []


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


def _field_causes(resource: ResourceType, new: Tree, old: Tree | None) -> list[Cause]:
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
            faults = [(value, value_fault(value)) for value in given.values()]
            causes += [invalid_value("metadata.labels", f'"{value}"', why) for value, why in faults if why]
    return causes + _finalizer_causes(metadata, before, standard=not resource.custom)


def key_fault(key: str) -> str:
    """What is wrong with the key of a label selector; empty if nothing is."""
    if key.count("/") > 1:
        rule = _NAME_RULE.replace("name part", "a valid label key", 1)
        return f"{rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
    return "" if _is_qualified(key) else _NAME_RULE


def value_fault(value: str) -> str:
    """What is wrong with the value of a label; empty if nothing is."""
    return _VALUE_RULE if value and not _QUALIFIED.fullmatch(value) else ""


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


def _owner_causes(manifest: Tree) -> list[Cause]:
    causes = _controller_causes(manifest["metadata"].get("ownerReferences") or [])
    for at, owner in enumerate(manifest["metadata"].get("ownerReferences") or ()):
        causes += [
            required_value(f"metadata.ownerReferences[{at}].{field}", "must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
    return causes


def metadata_causes(resource: ResourceType, new: Tree, old: Tree | None) -> list[Cause]:
    """What is wrong with the metadata of `new`; `old` is the stored object on update, None on create."""
    causes = []
    if old is None:
        metadata = new["metadata"]
        causes = _prefix_causes(resource, metadata.get("generateName") or "")
        causes += _name_causes(resource, metadata.get("name") or "")
    return causes + _owner_causes(new) + _field_causes(resource, new, old)
