"""The syntax of values that a migration keeps, as one table (docs/reference/gardener.md#value-syntax)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from dualstack.gardener.validation.known_fields import KUBELETS
from dualstack.gardener.validation.shoot_shape import DURATIONS, INTEGERS, QUANTITIES, SHARES, values
from dualstack.model.field_errors import Fault, duplicate, forbidden, invalid, not_supported, required
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_POOLS = "spec.provider.workers"
_POOL = f"{_POOLS}[]"
_WORKER = f"{_POOL}.providerConfig"
_LABEL = r"(?=.{1,63}(/|$))[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_DOMAIN = r"(?=.{1,253}(/|$))[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_KEY = rf"({_DOMAIN}/)?{_LABEL}", "must be a name of at most 63 characters, optionally after a DNS domain and `/`"
_VALUE = rf"({_LABEL})?", "must be at most 63 letters, digits, `-`, `_` and `.`, and begin and end alphanumeric"
_DURATION = r"(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+)", "must be a duration such as 10m"
_QUANTITY = r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE])?"
_CRON_PARTS = (
    r"[0-5]?\d",
    r"[01]?\d|2[0-3]",
    r"0?[1-9]|[12]\d|3[01]",
    r"0?[1-9]|1[0-2]|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
    r"[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat)",
)
_CRON_FIELDS = [rf"([*?]|({part})(-({part}))?)(/[1-9]\d*)?" for part in _CRON_PARTS]
_CRON = (
    " +".join(f"{field}(,{field})*" for field in _CRON_FIELDS)
    + r"|@(yearly|annually|monthly|weekly|daily|midnight|hourly|every [\dhms.]+)",
    "must be a cron expression with five fields",
)
_TIME = "%H%M%S%z"
_SHORTEST, _LONGEST = timedelta(minutes=30), timedelta(hours=6)
_ADDONS = ("nginxIngress", "kubernetesDashboard")
_RETIRED = {
    "spec.kubernetes.kubeControllerManager.podEvictionTimeout": 33,
    "spec.secretBindingName": 34,
    "spec.addons": 35,
}
"""Fields and the minor version of Kubernetes from which on they are refused."""
_SKEW = 3
"""Minor versions that the nodes of a pool may be behind the control plane."""


def _one_of(*texts: str) -> tuple[str, str]:
    return "|".join(texts), f"must be one of {', '.join(texts)}"


_SYNTAX = {
    f"{_POOL}.labels": _KEY,
    f"{_POOL}.labels.*": _VALUE,
    f"{_POOL}.annotations": (rf"(?i:{_KEY[0]})", _KEY[1]),
    f"{_POOL}.taints[].key": _KEY,
    f"{_POOL}.taints[].value": _VALUE,
    f"{_POOL}.sysctls": (r"(([a-zA-Z0-9-][\w/-]*|\*)\.)*[\w/-]*[a-zA-Z0-9]", "must be the name of a sysctl"),
    **dict.fromkeys(DURATIONS, _DURATION),
    **dict.fromkeys(QUANTITIES, (rf"\+?{_QUANTITY}", "must be a quantity such as 200m that is not negative")),
    f"{_WORKER}.nodeTemplate.virtualCapacity.*": (r"\+?\d+[kMGTPE]?", "must be a whole number"),
    **{f"{kubelet}.cpuManagerPolicy": _one_of("none", "static") for kubelet in KUBELETS},
    **{
        f"{kubelet}.{key}.*": (rf"{_QUANTITY}|(\d\d?|100)%", "must be a quantity such as 200Mi or a percentage")
        for kubelet in KUBELETS
        for key in ("evictionHard", "evictionSoft")
    },
    "spec.dns.domain": (_DOMAIN, "must be a DNS domain"),
    "spec.extensions[].type": (r"(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?", "must be a DNS label"),
    "spec.tolerations[].key": _KEY,
    "spec.tolerations[].value": _VALUE,
    "spec.hibernation.schedules[].start": _CRON,
    "spec.hibernation.schedules[].end": _CRON,
    "spec.purpose": _one_of("evaluation", "testing", "development", "production", "infrastructure"),
    "spec.controlPlane.highAvailability.failureTolerance.type": _one_of("node", "zone"),
    "spec.systemComponents.coreDNS.autoscaling.mode": _one_of("horizontal", "cluster-proportional"),
}
"""What a text must match, and the message otherwise, by path. Of a mapping, the keys are texts."""
_NAMED = {
    "spec.extensions": "type",
    "spec.accessRestrictions": "name",
    "spec.tolerations": "key",
    f"{_POOL}.cri.containerRuntimes": "type",
}
"""Lists whose entries need a text of their own in this field."""


def syntax_faults(shoot: Manifest) -> Iterator[Fault]:
    """Errors of a Shoot with workers and defaults, whose types have been checked."""
    for path, (pattern, message) in _SYNTAX.items():
        for field, value in values(shoot, path.split(".")):
            for text in value if isinstance(value, dict) else filter(None, [value]):
                if not re.fullmatch(pattern, str(text)):
                    yield invalid(field, text, message)
    yield from _bound_faults(shoot)
    yield from _entry_faults(shoot)
    for field, schedule in values(shoot, ["spec", "hibernation", "schedules[]"]):
        if not (schedule.get("start") or schedule.get("end")):
            yield required(f"{field}.start", "either start or end must be given")
    yield from _window_faults(shoot)
    yield from _version_faults(shoot)
    yield from _reference_faults(shoot["spec"], dig(shoot, "metadata", "namespace"))
    pools = dig(shoot, *_POOLS.split("."))
    if not any(pool.get("maximum") and dig(pool, "systemComponents", "allow") is not False for pool in pools):
        message = "at least one pool with a maximum above 0 must have systemComponents.allow: true"
        yield forbidden(_POOLS, message)


def _bound_faults(shoot: Manifest) -> Iterator[Fault]:
    for path, (least, greatest) in {**INTEGERS, **dict.fromkeys(SHARES, (0, 1))}.items():
        for field, value in values(shoot, path.split(".")):
            if value is not None and (value < least or (greatest is not None and value > greatest)):
                message = f"must be at least {least}" if greatest is None else f"must be between {least} and {greatest}"
                yield invalid(field, value, message)


def _entry_faults(shoot: Manifest) -> Iterator[Fault]:
    for path, key in _NAMED.items():
        for where, entries in values(shoot, path.split(".")):
            names = [(entry.get(key), entry.get("value")) for entry in entries or ()]
            for index, name in enumerate(names):
                if not name[0]:
                    yield required(f"{where}[{index}].{key}", "must not be empty")
                elif name in names[:index]:
                    yield duplicate(f"{where}[{index}].{key}", name[0])


def _window_faults(shoot: Manifest) -> Iterator[Fault]:
    field, window = "spec.maintenance.timeWindow", dig(shoot, "spec", "maintenance", "timeWindow")
    if window is None:
        return
    try:
        begin, end = (datetime.strptime(window.get(key) or "", _TIME) for key in ("begin", "end"))
    except ValueError:
        yield invalid(field, window, "begin and end must be times such as 220000+0100")
        return
    if not _SHORTEST <= (end - begin) % timedelta(days=1) <= _LONGEST:
        yield invalid(field, window, "the time window must have between 30 minutes and 6 hours")


def _version_faults(shoot: Manifest) -> Iterator[Fault]:
    """Nodes are not newer than the control plane, and at most three minor versions older."""
    latest = _version(dig(shoot, "spec", "kubernetes", "version"))
    for path, minor in _RETIRED.items():
        if latest and latest[1] >= minor and dig(shoot, *path.split(".")):
            yield forbidden(path, f"this field is no longer supported from Kubernetes 1.{minor} on")
    for field, text in values(shoot, f"{_POOL}.kubernetes.version".split(".")):
        version = _version(text)
        if latest and text and not version:
            yield invalid(field, text, "must be a version such as 1.33.4")
        elif latest and version and not (latest[0], latest[1] - _SKEW) <= version[:2] <= version <= latest:
            message = f"must not be newer than the control plane, nor more than {_SKEW} minor versions older"
            yield forbidden(field, message)


def _version(text: str | None) -> tuple[int, ...]:
    return tuple(map(int, text.split("."))) if re.fullmatch(r"\d+\.\d+\.\d+", text or "") and text else ()


def _reference_faults(spec: Manifest, namespace: str | None) -> Iterator[Fault]:
    purpose = spec.get("purpose") or "evaluation"
    if purpose == "infrastructure" and namespace != "garden":
        yield not_supported("spec.purpose", purpose, ("evaluation", "testing", "development", "production"))
    if purpose != "evaluation" and any(dig(spec, "addons", key, "enabled") for key in _ADDONS):
        yield forbidden("spec.addons", "addons can only be enabled on shoots with .spec.purpose=evaluation")
    if not (dig(spec, "cloudProfile", "name") or spec.get("cloudProfileName")):
        yield required("spec.cloudProfile.name", "must name a CloudProfile")
    if not (spec.get("credentialsBindingName") or spec.get("secretBindingName")):
        yield required("spec.credentialsBindingName", "must name a CredentialsBinding")
    elif spec.get("credentialsBindingName") and spec.get("secretBindingName"):
        yield forbidden("spec.secretBindingName", "must not be set together with credentialsBindingName")
