"""Builds manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, Manifest
from dualstack.model.names import KUBE_SYSTEM


def manifest(kind: Any, name: str, namespace: str | None = None, **content: Any) -> Manifest:
    """An object with `apiVersion`, `kind`, `metadata` and `content`."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **content}


def config_map(name: str, namespace: str, data: Mapping[str, str], labels: Mapping[str, str] | None = None) -> Manifest:
    result = manifest(CONFIG_MAP, name, namespace, data=dict(data))
    if labels:
        result["metadata"]["labels"] = dict(labels)
    return result


def command(program: str, flags: Mapping[str, str]) -> list[str]:
    """The command line of a component: the program, then `--name=value` in the order of `flags`."""
    return [program, *(f"--{name}={value}" for name, value in flags.items())]


def checksum(content: Any) -> str:
    """SHA256 of a JSON value, for annotations that roll a workload when its configuration changes."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def daemon_set(
    name: str,
    image: str,
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    words: list[str] | None = None,
    host_network: bool = True,
    max_unavailable: int | str = 1,
) -> Manifest:
    """A DaemonSet in kube-system whose pods tolerate every taint."""
    container: Manifest = {"name": name, "image": image}
    if words:
        container["command"] = words
    if environment:
        container["env"] = [{"name": key, "value": value} for key, value in environment.items()]
    pod: Manifest = {
        "tolerations": [{"effect": "NoSchedule", "operator": "Exists"}, {"effect": "NoExecute", "operator": "Exists"}],
        "priorityClassName": "system-node-critical",
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
    }
    if host_network:
        pod["hostNetwork"] = True
    result = manifest(
        DAEMON_SET,
        name,
        KUBE_SYSTEM,
        spec={
            "selector": {"matchLabels": dict(labels)},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max_unavailable}},
            "template": {
                "metadata": {"labels": dict(labels), **({"annotations": dict(annotations)} if annotations else {})},
                "spec": pod,
            },
        },
    )
    result["metadata"]["labels"] = dict(labels)
    return result
